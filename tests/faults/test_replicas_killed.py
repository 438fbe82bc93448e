"""``kill -9`` of hubs that share a store, and of the PostgreSQL server under them, while stations send.

The oracle is what the stations hold: every message that a station's outbox let go was acknowledged, and every station ends
with the same thread, each message once and in its sender's order; and the store, computed anew, holds.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotline.hub.fsck import fsck
from hotline.station.station import Station
from tests.faults import replica_child
from tests.faults.kit import agree, impatient, opened, positions, say, texts, until
from tests.hotline.harness import World, make_world
from tests.postgres import MISSING, Cluster, available

ROUNDS = int(os.environ.get("HOTLINE_FAULT_ROUNDS", "6"))
NOTES = 6
pytestmark = [pytest.mark.faults, pytest.mark.skipif(not available(), reason=MISSING)]


@pytest.fixture
def server() -> Iterator[Cluster]:
    made = Cluster()
    yield made
    made.remove()


class Replica:
    """One hub process."""

    def __init__(self, world: World, conninfo: str) -> None:
        self._folder, self._conninfo = world.path, conninfo
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/line"

    async def start(self) -> None:
        """Start it, again and again while the server under it is still coming up, as a supervisor would."""
        for _ in range(60):
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.faults.replica_child"),
                *(str(self._folder), str(self.port), self._conninfo),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                cwd=Path(__file__).parents[2],
            )
            assert self.process.stdout is not None
            if (await self.process.stdout.readline()).strip() == b"serving":
                return
            await self.process.wait()
            await asyncio.sleep(0.5)
        raise AssertionError("a hub does not start")

    async def end(self, how: signal.Signals) -> int:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(how)
        return await self.process.wait()


async def settle(thread: str, *stations: Station) -> None:
    await until(lambda: all(each.core.line.caught and not each.connection().queued for each in stations), 60)
    await until(lambda: len(positions(thread, *stations)) == 1, 60)


async def test_hubs_and_their_server_killed_at_any_moment_lose_and_double_nothing(
    tmp_path: Path, server: Cluster
) -> None:
    world, rng = make_world(tmp_path), random.Random(17)
    world.server = server.new_database()
    replica_child.write(world, tmp_path)
    one, two = Replica(world, world.server.conninfo), Replica(world, world.server.conninfo)
    await asyncio.gather(one.start(), two.start())
    said: dict[str, list[str]] = {"AV": [], "KV": []}
    try:
        async with (
            impatient(world, "AV", one.url, two.url) as av,
            impatient(world, "KV", two.url, one.url) as kv,
        ):
            stations = {"AV": av, "KV": kv}
            thread = await opened(av, kv)
            for number in range(ROUNDS):
                victim = ("one", "two", "server")[number % 3]
                strike = asyncio.create_task(kill(victim, one, two, server, rng.random() / 2))
                for each in range(NOTES):
                    for office, station in stations.items():
                        said[office].append(f"{office} {number}.{each}")
                        await say(station, thread, said[office][-1])
                    await asyncio.sleep(rng.random() / 10)
                await strike
                for replica in (one, two):
                    if replica.process is not None and replica.process.returncode is not None:
                        await replica.start()
            await settle(thread, av, kv)
            agree(thread, av, kv)
            for station in stations.values():
                for office, expected in said.items():
                    assert texts(station, thread, office) == expected
                assert not station.connection().alarms
    finally:
        ends = [await each.end(signal.SIGTERM) for each in (one, two)]
    assert ends == [0, 0]
    found = fsck(world.place, world.accord)
    assert found.holds, found.findings


async def kill(victim: str, one: Replica, two: Replica, server: Cluster, after: float) -> None:
    await asyncio.sleep(after)
    if victim == "server":
        server.kill()
        await asyncio.to_thread(server.again)
    else:
        await (one if victim == "one" else two).end(signal.SIGKILL)


async def test_hubs_are_restarted_one_after_the_other_and_no_station_notices_more_than_a_new_line(
    tmp_path: Path, server: Cluster
) -> None:
    world = make_world(tmp_path)
    world.server = server.new_database()
    replica_child.write(world, tmp_path)
    one, two = Replica(world, world.server.conninfo), Replica(world, world.server.conninfo)
    await asyncio.gather(one.start(), two.start())
    try:
        async with impatient(world, "AV", one.url, two.url) as av, impatient(world, "KV", two.url, one.url) as kv:
            thread = await opened(av, kv)
            for number, replica in enumerate((one, two, one)):
                ending = asyncio.create_task(replica.end(signal.SIGTERM))
                for each in range(NOTES):
                    await say(av, thread, f"{number}.{each}")
                assert await ending == 0
                await replica.start()
            await settle(thread, av, kv)
            agree(thread, av, kv)
            assert texts(kv, thread, "AV") == [f"{number}.{each}" for number in range(3) for each in range(NOTES)]
    finally:
        assert [await each.end(signal.SIGTERM) for each in (one, two)] == [0, 0]
