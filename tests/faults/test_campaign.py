"""``kill -9`` at random moments, round after round: of a hub, of hubs that share a store, of PostgreSQL, of a station.

Each round a few texts are said at both ends while somebody dies, and whoever died begins again; now and then an incident is
opened, whose clocks run on through what follows. The oracle (`tests.faults.oracle`) judges at the end of each part.

``HOTLINE_FAULT_ROUNDS`` rounds of each kind (ten where it is not set) in parts of 25; the seed of a part is in its figures, and
``HOTLINE_FAULT_SEED`` begins with another.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hotline.station.station import Station
from protocols.translog import ed25519_cosigner
from tests.faults.kit import impatient, opened, say
from tests.faults.oracle import Ledger, judge_clocks
from tests.faults.processes import Hub, Remote, witness_name
from tests.hotline.harness import World, make_station, make_world
from tests.hotline.station.kit import officer
from tests.postgres import MISSING, Cluster, available

ROUNDS = int(os.environ.get("HOTLINE_FAULT_ROUNDS", "10"))
SEED = int(os.environ.get("HOTLINE_FAULT_SEED", "1"))
PART = 25
THREAD_EVERY = 6
pytestmark = pytest.mark.faults
needs_server = pytest.mark.skipif(not available(), reason=MISSING)


@dataclass
class Stage:
    """Who is there. ``strike`` kills somebody and has whoever it was begin again."""

    world: World
    hubs: Sequence[Hub]
    rng: random.Random
    ledger: Ledger
    strike: Callable[[], Awaitable[str]] = field(init=False)
    remote: Remote | None = None
    struck: Counter[str] = field(default_factory=Counter)

    def urls(self, first: int) -> list[str]:
        """The hubs' addresses, beginning with another one for each station."""
        return [self.hubs[(first + number) % len(self.hubs)].url for number in range(len(self.hubs))]

    async def kill_hub(self) -> str:
        hub = self.rng.choice(self.hubs)
        await hub.end(signal.SIGKILL)
        await hub.insist()
        return hub.name


@asynccontextmanager
async def hub_stage(path: Path, rng: random.Random) -> AsyncIterator[Stage]:
    """One hub over a file of SQLite."""
    world = make_world(path, scale=200)
    async with serving(Stage(world, (Hub(world),), rng, Ledger(world))) as stage:
        stage.strike = stage.kill_hub
        yield stage


@asynccontextmanager
async def serving(stage: Stage) -> AsyncIterator[Stage]:
    """The hubs run; at the end they stop as they are told to, and none of them met a fault of its own."""
    try:
        await asyncio.gather(*(hub.start() for hub in stage.hubs))
        yield stage
        assert [await hub.end() for hub in stage.hubs] == [0] * len(stage.hubs)
        stage.ledger.judge_store()
    finally:
        for hub in stage.hubs:
            hub.close()
    faults = [
        event for hub in stage.hubs for event in hub.logged() if "exception" in event or "fault" in event["event"]
    ]
    assert not faults, faults


@asynccontextmanager
async def server_stage(path: Path, rng: random.Random) -> AsyncIterator[tuple[Stage, Cluster]]:
    """Two hubs over a PostgreSQL server of their own."""
    cluster = await asyncio.to_thread(Cluster)
    try:
        world = make_world(path, scale=200)
        world.server = cluster.new_database()
        async with serving(Stage(world, (Hub(world, "one"), Hub(world, "two")), rng, Ledger(world))) as stage:
            yield stage, cluster
    finally:
        await asyncio.to_thread(cluster.remove)


@asynccontextmanager
async def replica_stage(path: Path, rng: random.Random) -> AsyncIterator[Stage]:
    async with server_stage(path, rng) as (stage, _):
        stage.strike = stage.kill_hub
        yield stage


@asynccontextmanager
async def postgresql_stage(path: Path, rng: random.Random) -> AsyncIterator[Stage]:
    """The server itself dies: its first process by SIGKILL, all of it at once, or one process that serves a hub."""
    async with server_stage(path, rng) as (stage, cluster):

        async def strike() -> str:
            how = rng.choice(("kill", "immediate", "backend"))
            if how == "kill":
                cluster.kill()
                await asyncio.to_thread(cluster.again)
            elif how == "immediate":
                await asyncio.to_thread(cluster.stop, "immediate")
                await asyncio.to_thread(cluster.start)
            else:
                await asyncio.to_thread(cluster.kill_backend, rng)
            for hub in stage.hubs:
                if not hub.runs:
                    await hub.ended()
                    await hub.insist()
            return how

        stage.strike = strike
        yield stage


@asynccontextmanager
async def station_stage(path: Path, rng: random.Random) -> AsyncIterator[Stage]:
    """A third station, in a process of its own, dies in mid-sentence: the second one of Arvenia's office."""
    async with hub_stage(path, rng) as stage:
        world, seed = stage.world, secrets.token_bytes(32)
        witness = ed25519_cosigner(witness_name("AV", "2"), seed)
        cast = make_station("AV", "2", world.roots["AV"], witness, serial=20)
        stage.remote = remote = Remote(world, cast, seed, *stage.urls(0))

        async def strike() -> str:
            await remote.end(signal.SIGKILL)
            stage.ledger.hear(remote)
            await remote.start()
            return remote.name

        stage.strike = strike
        try:
            await remote.start()
            yield stage
        finally:
            remote.close()


STAGES = {"hub": hub_stage, "replica": replica_stage, "postgresql": postgresql_stage, "station": station_stage}
CASES = [
    pytest.param(kind, part, marks=needs_server if kind in ("replica", "postgresql") else ())
    for kind in STAGES
    for part in range(-(-ROUNDS // PART))
]


@pytest.mark.parametrize(("kind", "part"), CASES)
async def test_killed_again_and_again_nothing_promised_is_lost_doubled_moved_or_early(
    tmp_path: Path, kind: str, part: int, logs: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    seed, rounds = SEED * 1000 + part, min(PART, ROUNDS - part * PART)
    rng, began = random.Random(f"{kind} {seed}"), time.monotonic()
    with capsys.disabled():
        print(f"\n{kind}: seed {seed}, {rounds} rounds", flush=True)
    async with STAGES[kind](tmp_path, rng) as stage, AsyncExitStack() as stack:
        ledger = stage.ledger
        av = ledger.watch(await stack.enter_async_context(impatient(stage.world, "AV", *stage.urls(0))))
        kv = ledger.watch(await stack.enter_async_context(impatient(stage.world, "KV", *stage.urls(1))))
        threads: list[str] = []
        for number in range(rounds):
            if number % THREAD_EVERY == 0:
                threads.append(await incident(ledger, av, kv))
            await one_round(stage, number, threads, av, kv)
        present = [av, kv]
        if stage.remote is not None:
            assert await stage.remote.end() == 0
            ledger.hear(stage.remote)
            present.append(await stack.enter_async_context(impatient(stage.world, stage.remote.cast, *stage.urls(0))))
        await ledger.settle(threads, *present)
        ledger.judge(threads, *present)
        clocks = sum(judge_clocks(stage.world, av.core.threads[thread].held) for thread in threads)
    assert not [event for event in logs if "fault" in event["event"]]
    seconds = time.monotonic() - began
    with capsys.disabled():
        figures = ledger.figures(rounds=rounds, struck=dict(stage.struck), seconds=round(seconds), clocks=clocks)
        print(f"{kind}: {figures}; hubs logged {events(stage.hubs)}", flush=True)


def events(hubs: Sequence[Hub]) -> dict[str, int]:
    """What hubs logged, by event: how it looked from inside."""
    return dict(Counter(event["event"] for hub in hubs for event in hub.logged()))


async def incident(ledger: Ledger, av: Station, kv: Station) -> str:
    """A thread in which an incident is notified, so that clocks run."""
    thread = await opened(av, kv)
    draft = await av.send(officer(av), thread, "incident-notice", {}, {"text": "down"})
    assert (await av.release(officer(av, 1), str(draft.id))).ok
    ledger.said[thread, av.core.identity.kid].append("down")
    return thread


async def one_round(stage: Stage, number: int, threads: Sequence[str], av: Station, kv: Station) -> None:
    rng, ledger = stage.rng, stage.ledger

    async def strike() -> None:
        await asyncio.sleep(rng.random() * 0.4)
        stage.struck[await stage.strike()] += 1

    striking = asyncio.create_task(strike())
    for each in range(rng.randint(2, 5)):
        for station in (av, kv):
            thread, text = rng.choice(threads), f"{station.office.id} {number}.{each}"
            await say(station, thread, text)
            ledger.said[thread, station.core.identity.kid].append(text)
        if stage.remote is not None and stage.remote.pipe is not None:
            thread, text = rng.choice(threads), f"remote {number}.{each}"
            ledger.unsure.add(text)
            stage.remote.tell(thread, text)
        await asyncio.sleep(rng.random() * 0.1)
    await striking
