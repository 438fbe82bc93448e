"""Hubs that share a store are restarted, and upgraded to a version with another form of it, one by one while entries flow.

The oracle is what the stations hold: every message once, in its sender's order, the same thread at all of them; their desks
showed no more than that a line was being made anew; and the store, computed anew, holds.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from hotline.hub.fsck import fsck
from hotline.store.errors import StoreInUse
from hotline.store.migrate import take
from hotline.store.place import Server
from tests.deployment.talk import talk
from tests.faults import replica_child
from tests.faults.kit import opened
from tests.faults.test_replicas_killed import Replica
from tests.hotline.harness import World, make_world
from tests.hotline.store.version_to_come import to_come
from tests.postgres import MISSING, available, new_database

pytestmark = [pytest.mark.faults, pytest.mark.skipif(not available(), reason=MISSING)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path)
    made.server = new_database()
    replica_child.write(made, tmp_path)
    yield made
    made.server = None


class Version(Replica):
    """A hub process of the version that there is, or of the one to come, on the port of another."""

    def __init__(self, world: World, instead_of: Replica | None = None) -> None:
        super().__init__(world, conninfo(world))
        self._module = "tests.faults.replica_child"
        if instead_of is not None:
            self._module, self.port = "tests.deployment.next_replica", instead_of.port

    async def comes(self) -> bool:
        """Start it once; whether it serves."""
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", self._module, str(self._folder), str(self.port), self._conninfo),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=Path(__file__).parents[2],
        )
        assert self.process.stdout is not None
        if (await self.process.stdout.readline()).strip() == b"serving":
            return True
        assert await self.process.wait() != 0
        return False

    async def start(self) -> None:
        assert await self.comes()


async def test_hubs_that_are_restarted_one_by_one_under_load_lose_double_and_alarm_nothing(world: World) -> None:
    one, two = Version(world), Version(world)
    await asyncio.gather(one.start(), two.start())
    try:
        async with talk(world, (one.url, two.url), (two.url, one.url)) as talking:
            for replica in (one, two):
                assert await replica.end(signal.SIGTERM) == 0, "it ended by itself, and whole"
                await talking.more()
                await replica.start()
            await talking.more()
    finally:
        assert [await each.end(signal.SIGTERM) for each in (one, two)] == [0, 0]
    found = fsck(world.place, world.accord)
    assert found.holds, found.findings


async def test_hubs_are_upgraded_one_by_one_while_entries_flow(world: World) -> None:
    old = Version(world), Version(world)
    new = [Version(world, instead_of=each) for each in old]
    await asyncio.gather(*(each.start() for each in old))
    server = world.server
    assert server is not None
    try:
        async with talk(world, (old[0].url, old[1].url), (old[1].url, old[0].url)) as talking:
            early = Version(world, instead_of=Version(world))
            assert not await early.comes(), "not before the store has what it needs"
            await step(server, after=False)
            await talking.more()
            # The version before is still good for a restart: a night may end with a crash here.
            await old[0].end(signal.SIGKILL)
            await old[0].start()
            await talking.more()

            assert await old[0].end(signal.SIGTERM) == 0
            await new[0].start()
            await talking.more()
            with pytest.raises(StoreInUse):
                await step(server, after=True)
            await talking.more()
            assert await old[1].end(signal.SIGTERM) == 0
            await new[1].start()
            await talking.more()
            await step(server, after=True)
            await talking.more()
            # An older one could not do this any more.
            assert (await opened(*talking.stations.values())) != talking.thread
            assert not await Version(world).comes(), "what it would need is gone"
    finally:
        for each in (*old, *new):
            if each.process is not None:
                async with asyncio.timeout(30):
                    await each.end(signal.SIGTERM)
    with psycopg.connect(server.conninfo) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == ("9002",)
        assert connection.execute("SELECT weight FROM threads").fetchall() == [(1,), (1,)]
    found = fsck(server, world.accord)
    assert found.holds, found.findings


def conninfo(world: World) -> str:
    assert world.server is not None
    return world.server.conninfo


async def step(server: Server, *, after: bool) -> None:
    """`hotline hub migrate` of the version to come."""
    with to_come():
        steps = (await asyncio.to_thread(take, server, after=after, copied=True)).steps
    assert [each.revision for each in steps] == ["9002" if after else "9001"]
