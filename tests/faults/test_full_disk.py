"""Every flush fails: each place that writes, in turn, by injection; and the disk itself, at any byte, by a limit on files.

A limit on the size of files (``RLIMIT_FSIZE``, set from outside) is a full disk as a program sees it: a write
is cut short in the middle of a page, the next one fails, and later there is room again.
"""

from __future__ import annotations

import asyncio
import random
import resource
import secrets
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from hotline.store.engine import Store
from protocols.translog import ed25519_cosigner
from tests.faults.kit import impatient, opened, say, until
from tests.faults.oracle import EXPLAINED, Ledger
from tests.faults.processes import Child, Hub, Remote, witness_name
from tests.hotline.harness import make_station, make_world, running_hub

ROUNDS, NOTES = 6, 4
WHOLE_LINE = {
    "hub/writer.py",
    "hub/log.py",
    "store/recording.py",
    "station/observer.py",
}
"""Where a line that is opened, used and proven writes: each of these must have been made to fail."""
pytestmark = pytest.mark.faults


def site() -> str:
    """Which part of the program asked for this transaction: file and function."""
    frame = sys._getframe(2)
    while frame.f_back is not None:
        name, function = frame.f_code.co_filename, frame.f_code.co_name
        inside = "/hotline/" in name and not name.endswith(("store/engine.py", "store/station.py"))
        if inside:
            return f"{name.rpartition('/hotline/')[2]}:{function}"
        frame = frame.f_back
    return "elsewhere"


class Sick:
    """Each place that commits fails twice once `armed`: before anything is written, then after it was (the answer is lost)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.armed, self.struck = False, Counter[str]()
        write, transact = Store.write, Store.transact
        sick = self

        @asynccontextmanager
        async def failing_write(store: Store) -> AsyncIterator[Any]:
            how = sick.next(store)
            sick.fail(how == "before")
            async with write(store) as connection:
                yield connection
            sick.fail(how == "after")

        async def failing_transact(store: Store, work: Callable[[Any], Any], **options: Any) -> Any:
            how = sick.next(store)
            sick.fail(how == "before")
            done = await transact(store, work, **options)
            sick.fail(how == "after")
            return done

        monkeypatch.setattr(Store, "write", failing_write)
        monkeypatch.setattr(Store, "transact", failing_transact)

    def next(self, store: Store) -> str:
        where = f"{store.place} {site()}"
        if not self.armed or self.struck[where] >= 2:
            return ""
        self.struck[where] += 1
        return "before" if self.struck[where] == 1 else "after"

    def fail(self, now: bool) -> None:
        if now:
            raise OperationalError("COMMIT", {}, Exception("disk I/O error"))


async def test_each_place_that_writes_fails_before_and_after_its_flush_and_nothing_promised_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world, sick = make_world(tmp_path, quorum=2), Sick(monkeypatch)
    ledger = Ledger(world)
    async with running_hub(world) as hub:
        async with impatient(world, "KV", hub.url) as kv, impatient(world, "AV", hub.url) as av:
            threads = [await opened(av, kv), await opened(av, kv)]
            ledger.watch(av), ledger.watch(kv)
            sick.armed = True
            for number in range(12):
                for station in (av, kv):
                    for thread in threads:
                        text = f"{station.office.id} {number}"
                        await keep_trying(lambda s=station, t=thread, x=f"{text} {thread}": say(s, t, x))  # type: ignore[misc]
                        ledger.said[thread, station.core.identity.kid].append(f"{text} {thread}")
                await asyncio.sleep(0.05)
            await asyncio.sleep(1.0)
            sick.armed = False
            await ledger.settle(threads, av, kv)
            words = [words for each in (av, kv) for words in each.connection().alarms if "failed while" not in words]
            assert not words, words
        async with impatient(world, "KV", hub.url) as kv, impatient(world, "AV", hub.url) as av:
            await ledger.settle(threads, av, kv)
            ledger.judge(threads, av, kv, explained=EXPLAINED)
        assert await hub.hub.check() and not hub.hub.failed.done()
    ledger.judge_store()
    places = Counter(where.partition(" ")[2] for where in sick.struck)
    with capsys.disabled():
        print(f"\nflushes: {ledger.figures(places=len(places))}; {', '.join(sorted(places))}", flush=True)
    assert {where.partition(":")[0] for where in places} >= WHOLE_LINE


async def keep_trying(work: Callable[[], Any]) -> Any:
    """As an officer does who is told that it was not kept: the same again."""
    for _ in range(20):
        try:
            return await work()
        except OperationalError:
            await asyncio.sleep(0.05)
    raise AssertionError("it is never kept")


def room(child: Child, size: int | None) -> None:
    """No file of this process may grow beyond ``size`` bytes; None: any may."""
    hard = resource.RLIM_INFINITY
    resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (hard if size is None else size, hard))


def said_so(hub: Hub, since: int) -> bool:
    return any(event["event"] in ("not stored", "no head") for event in hub.logged()[since:])


def largest(*paths: Path) -> int:
    return max((path.stat().st_size for path in paths if path.exists()), default=0)


async def test_a_hub_process_whose_disk_fills_at_any_byte_says_so_and_goes_on_when_there_is_room(
    tmp_path: Path,
) -> None:
    world, rng = make_world(tmp_path), random.Random(71)
    hub, ledger, full = Hub(world), Ledger(world), 0
    store = tmp_path / "hub.db"
    try:
        await hub.start()
        async with impatient(world, "AV", hub.url) as av, impatient(world, "KV", hub.url) as kv:
            ledger.watch(av), ledger.watch(kv)
            thread = await opened(av, kv)
            for number in range(ROUNDS):
                room(hub, largest(store, store.with_name("hub.db-wal")) + rng.randint(0, 12_000))
                for each in range(NOTES):
                    for station in (av, kv):
                        text = f"{station.office.id} {number}.{each}"
                        await say(station, thread, text)
                        ledger.said[thread, station.core.identity.kid].append(text)
                await until(lambda full=full: said_so(hub, full))  # type: ignore[misc]
                room(hub, None)
                await ledger.settle([thread], av, kv)
                full = len(hub.logged())
            ledger.judge([thread], av, kv)
        assert await hub.end() == 0
        ledger.judge_store()
        assert sum(event["event"] == "not stored" for event in hub.logged()) >= ROUNDS // 2
    finally:
        hub.close()


async def test_a_station_process_whose_disk_fills_at_any_byte_loses_and_doubles_nothing(tmp_path: Path) -> None:
    world, rng, seed = make_world(tmp_path), random.Random(73), secrets.token_bytes(32)
    witness = ed25519_cosigner(witness_name("AV", "1"), seed)
    world.stations["AV"] = cast = make_station("AV", "1", world.roots["AV"], witness, serial=20)
    store = tmp_path / "AV-1.db"
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(running_hub(world))
        kv = await stack.enter_async_context(impatient(world, "KV", hub.url))
        remote, ledger = Remote(world, cast, seed, hub.url), Ledger(world)
        stack.callback(remote.close)
        ledger.watch(kv)
        async with impatient(world, cast, hub.url) as av:
            thread = await opened(av, kv)
        await remote.start()
        for number in range(ROUNDS):
            room(remote, largest(store, store.with_name("AV-1.db-wal")) + rng.randint(0, 12_000))
            for each in range(NOTES):
                text = f"kv {number}.{each}"
                await say(kv, thread, text)
                ledger.said[thread, kv.core.identity.kid].append(text)
                ledger.unsure.add(f"av {number}.{each}")
                remote.tell(thread, f"av {number}.{each}")
            await asyncio.sleep(0.7)
            room(remote, None)
            await asyncio.sleep(0.3)
            ledger.hear(remote)
            if not remote.runs:
                await remote.start()
        await asyncio.sleep(1.0)
        await remote.end()
        ledger.hear(remote)
        av = await stack.enter_async_context(impatient(world, cast, hub.url))
        await ledger.settle([thread], av, kv)
        ledger.judge([thread], av, kv)
        assert any("disk I/O error" in str(event) or "fault" in event["event"] for event in remote.logged())
