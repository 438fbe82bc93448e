"""A station process is killed, and begins again from yesterday's copy of its store, again and again.

What the hub acknowledged stands, and is not said twice; no message key serves twice; the station says that its store is old.
Words that only the lost store held are lost with it: nobody was told otherwise.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from protocols.translog import ed25519_cosigner
from tests.faults.kit import impatient, open_impatient, opened, say, texts, until
from tests.faults.oracle import Ledger, judge_order
from tests.faults.processes import Hub, Remote, witness_name
from tests.hotline.harness import make_station, make_world
from tests.hotline.station.kit import MessageKey, keys_used

ROUNDS, NOTES = 4, 5
pytestmark = pytest.mark.faults


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[MessageKey]:
    return keys_used(monkeypatch)


def keep(store: Path, copy: Path) -> None:
    """As a backup program does it while the station runs: one moment of the store."""
    with closing(sqlite3.connect(store)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)


def put_back(copy: Path, store: Path) -> None:
    for suffix in ("-wal", "-shm"):
        store.with_name(store.name + suffix).unlink(missing_ok=True)
    shutil.copy(copy, store)


async def test_a_station_process_put_back_to_yesterday_goes_on_and_uses_no_key_twice(
    tmp_path: Path, used: list[MessageKey]
) -> None:
    world, rng, seed = make_world(tmp_path), random.Random(31), secrets.token_bytes(32)
    witness = ed25519_cosigner(witness_name("AV", "1"), seed)
    world.stations["AV"] = cast = make_station("AV", "1", world.roots["AV"], witness, serial=20)
    store, copy = tmp_path / "AV-1.db", tmp_path / "yesterday.db"
    hub, ledger = Hub(world), Ledger(world)
    remote = Remote(world, cast, seed, hub.url)
    said: list[str] = []
    rejoined = 0

    def tell(text: str) -> None:
        said.append(text)
        ledger.unsure.add(text)
        remote.tell(thread, text)

    def stuck() -> int:
        return sum(event.get("stuck") == "replay.forgotten" for event in remote.logged())

    async def arrived() -> None:
        """All that was said has come. Where the copy was older than keys that the station itself made, it says that it cannot
        follow, sends nothing, and is told to come back in; what it was sent meanwhile it cannot read."""
        nonlocal rejoined

        def done() -> bool:
            return texts(kv, thread, "AV") == said

        await until(lambda: done() or stuck() > rejoined)
        if not done():
            rejoined = stuck()
            remote.ask("rejoin", thread)
        await until(done)

    try:
        await hub.start()
        async with impatient(world, "KV", hub.url) as kv:
            ledger.watch(kv)
            async with impatient(world, "AV", hub.url) as av:
                thread = await opened(av, kv)
            await remote.start()
            for number in range(ROUNDS):
                for each in range(NOTES):
                    tell(f"before {number}.{each}")
                    await say(kv, thread, f"kv {number}.{each}")
                    ledger.said[thread, kv.core.identity.kid].append(f"kv {number}.{each}")
                await arrived()
                for each in range(NOTES):
                    tell(f"between {number}.{each}")
                await asyncio.sleep(rng.random() / 5)  # some of it waits in the copy, and goes out after it was made
                await asyncio.to_thread(keep, store, copy)
                for each in range(NOTES):
                    tell(f"after {number}.{each}")
                await arrived()
                await remote.end(signal.SIGKILL)
                ledger.hear(remote)
                put_back(copy, store)
                await remote.start()
            tell("last")
            await arrived()
            assert await remote.end() == 0
            ledger.hear(remote)
            again = await open_impatient(world, cast, hub.url)
            await again.start()
            try:
                await ledger.settle([thread], kv, again)
                ledger.judge([thread], kv, told="came back into the keys by itself" if rejoined else "\0")
                mine, theirs = again.core.threads[thread], kv.core.threads[thread]
                assert [each.admitted.leaf for each in mine.held] == [each.admitted.leaf for each in theirs.held]
                assert again.thread(thread).state_hash == kv.thread(thread).state_hash and not mine.frozen
                judge_order(mine.held)
                assert rejoined or texts(again, thread, "KV") == texts(kv, thread, "KV")
                unread = [each for each in mine.held if each.payload.sd and each.fields is None]
                assert rejoined or {each.payload.station for each in unread} <= {cast.kid}
                shown = {each.id: each.notes for each in again.thread(thread).entries}
                words = {" ".join(shown[each.id]) for each in unread}
                assert rejoined or all("older copy" in each for each in words), words
                assert any("older copy" in words for _, what, words in again.journal() if what == "alarm")
                assert not again.connection().alarms, "and it has its keys renewed"
            finally:
                await again.stop()
        assert len(used) == len(set(used)) > ROUNDS * NOTES
        assert await hub.end() == 0
        ledger.judge_store()
    finally:
        remote.close()
        hub.close()
