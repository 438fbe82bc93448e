"""kill -9 and I/O errors at every flush of a hub: nothing that was acknowledged is lost, and its whole log checks clean."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from hotline.hub.fsck import fsck
from hotline.hub.hub import Hub
from protocols.accord import SignedAccord, open_accord
from tests.hotline.harness import World, connect, make_world, open_thread, running_hub

ROUNDS = 5
ROOT = Path(__file__).parents[2]


def stored(path: Path) -> set[str]:
    with closing(sqlite3.connect(path / "hub.db")) as db:
        return {row[0] for row in db.execute("SELECT id FROM entries")}


def holds(path: Path, accord: SignedAccord, acknowledged: set[str]) -> None:
    assert acknowledged <= stored(path)
    result = fsck(path / "hub.db", accord)
    assert result.holds, result.findings


def test_a_hub_killed_at_any_moment_has_all_it_acknowledged_and_a_log_that_checks_clean(tmp_path: Path) -> None:
    rng = random.Random(13)
    for number in range(ROUNDS):
        folder = tmp_path / str(number)
        folder.mkdir()
        command = [sys.executable, "-m", "tests.faults.log_child", str(folder)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
            assert child.stdout is not None
            said: list[str] = []
            for line in child.stdout:
                said.append(line.strip())
                if len(said) >= rng.randrange(5, 60):
                    break
            child.send_signal(signal.SIGKILL)
            said += [line.strip() for line in child.stdout if line.endswith("\n")]
        acknowledged = {line for line in said if len(line) == 43}
        heads = [int(line.removeprefix("head ")) for line in said if line.startswith("head ")]
        accord = open_accord((folder / "accord.jws").read_bytes())
        assert acknowledged
        holds(folder, accord, acknowledged)
        with closing(sqlite3.connect(folder / "hub.db")) as db:
            newest = db.execute("SELECT max(size) FROM published").fetchone()[0] or 0
        assert newest >= max(heads, default=0)


class Flushes:
    """Lets a store's ``n``-th commit fail: before anything is written, or after, as when the disk's answer is lost."""

    def __init__(self, hub: Hub, fails: int, how: str) -> None:
        self.count, self._fails, self._how = 0, fails, how
        self._write, self._transact = hub.store.write, hub.store.transact
        hub.store.write, hub.store.transact = self.write, self.transact  # type: ignore[method-assign]

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Any]:
        async with self._flush(), self._write() as connection:
            yield connection

    async def transact(self, work: Callable[[Any], Any], **how: Any) -> Any:
        async with self._flush():
            return await self._transact(work, **how)

    @asynccontextmanager
    async def _flush(self) -> AsyncIterator[None]:
        self.count += 1
        hit = self.count == self._fails
        if hit and self._how == "before":
            raise OperationalError("COMMIT", {}, Exception("disk I/O error"))
        yield
        if hit and self._how == "after":
            raise OperationalError("COMMIT", {}, Exception("disk I/O error"))


async def session(world: World, fails: int, how: str) -> tuple[int, set[str]]:
    """A thread with two notes, heads cosigned; what was acknowledged before the line was cut, and how many flushes."""
    acknowledged: set[str] = set()
    async with running_hub(world) as hub:
        flushes = Flushes(hub.hub, fails, how)
        # A failing disk cuts lines; what each client makes of that is its own affair.
        with contextlib.suppress(Exception):
            async with asyncio.timeout(2.0), connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
                thread = await open_thread(av, kv)
                for number in range(2):
                    acknowledged.add((await av.say(thread, "goodwill-note", fields={"text": str(number)})).id)
                for client in (av, kv):
                    while await client.cosign_next(0.5) < 3:
                        pass
                await av.ping()
    return flushes.count, acknowledged


@pytest.mark.parametrize("how", ["before", "after"])
async def test_an_io_error_at_any_flush_loses_nothing_acknowledged_and_leaves_a_log_that_checks_clean(
    tmp_path: Path, how: str
) -> None:
    (tmp_path / "0").mkdir()
    total, whole = await session(make_world(tmp_path / "0", quorum=2, head_delay=0.01), 0, how)
    assert len(whole) == 2
    assert total > 8
    for fails in range(1, total + 1):
        folder = tmp_path / str(fails)
        folder.mkdir()
        world = make_world(folder, quorum=2, head_delay=0.01)
        _, acknowledged = await session(world, fails, how)
        holds(folder, world.accord, acknowledged)
        async with running_hub(world) as hub:  # and it starts again on what stands there
            assert hub.hub.writer.standing.frontier.size == len(stored(folder))
