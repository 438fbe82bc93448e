"""Measure the hub: ``python -m benchmarks.hub [--quick] [--json FILE]``. Driver and hub share this machine's cores.

Entries are made beforehand by the stations' own code (signed by officer and station, MLS-encrypted), so that the hub is
what is measured. Beside the figures stand their floors from the same run: a bare relay on the same WebSocket library
with group commit and none of our checks, raw group commit on the same disk, and the signature checks alone.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.load import floors, process
from benchmarks.load.client import Client, Latencies, session
from benchmarks.load.report import Told, Values, measuring, options
from benchmarks.load.world import Made, Thread, World, make_open, make_statement, make_world

BODY = 1024
SENDERS = (1, 5, 10, 25, 50, 100)


async def connect(world: World, url: str, http: aiohttp.ClientSession, pairs: int) -> tuple[list[Client], list[Client]]:
    """That many senders and receivers, logged in."""
    senders = [Client(world, station) for station in world.av[:pairs]]
    receivers = [Client(world, station) for station in world.kv[:pairs]]
    for client in (*senders, *receivers):
        await client.open(http, url)
    await senders[0].announce()
    return senders, receivers


async def open_threads(world: World, senders: list[Client], receivers: list[Client]) -> list[Thread]:
    """One thread for each sender with its receiver."""
    threads = []
    for sender, receiver in zip(senders, receivers, strict=True):
        made, thread = make_open(world, sender.station, receiver.station)
        await sender.submit(made)
        threads.append(thread)
    return threads


def statements(world: World, senders: list[Client], threads: list[Thread], each: int) -> list[list[Made]]:
    """That many entries of each sender in its thread, made now and sent later."""
    return [
        [make_statement(world, sender.station, thread, BODY) for _ in range(each)]
        for sender, thread in zip(senders, threads, strict=True)
    ]


async def drive(senders: list[Client], receivers: list[Client], work: list[list[Made]], depth: int) -> Values:
    """Every sender keeps ``depth`` entries outstanding; one is done when it is acknowledged and its peer has it."""
    latencies = Latencies()

    async def one(sender: Client, receiver: Client, entries: list[Made]) -> None:
        room = asyncio.Semaphore(depth)
        begun: list[float] = []
        done = 0
        finished = asyncio.Event()
        arrived = acknowledged = 0

        def settle() -> None:
            nonlocal done
            while done < min(arrived, acknowledged):
                latencies.since(begun[done])
                done += 1
                room.release()
            if done == len(entries):
                finished.set()

        def on_deliver(_frame: Any) -> None:
            nonlocal arrived
            arrived += 1
            settle()

        def on_answer(future: asyncio.Future[Any]) -> None:
            nonlocal acknowledged
            future.result()
            acknowledged += 1
            settle()

        receiver.on_deliver = on_deliver
        for each in entries:
            await room.acquire()
            begun.append(time.perf_counter())
            sender.hand_in(each).add_done_callback(on_answer)
        await finished.wait()

    started = time.perf_counter()
    await asyncio.gather(*(one(*each) for each in zip(senders, receivers, work, strict=True)))
    seconds = time.perf_counter() - started
    return latencies.over(sum(map(len, work)), seconds)


async def measured(
    world: World,
    hubs: list[process.Child],
    people: tuple[list[Client], list[Client], list[Thread]],
    depth: int,
    each: int,
) -> Values:
    """`drive` with entries made now, and the hubs' processor time an entry."""
    senders, receivers, threads = people
    work = statements(world, senders, threads, each)
    before = sum(hub.cpu for hub in hubs)
    found = await drive(senders, receivers, work, depth)
    found["hub_cpu_us"] = (sum(hub.cpu for hub in hubs) - before) / found["entries"] * 1e6
    return found


async def throughput(world: World, child: process.Child, share: int, told: Told) -> None:
    """One, five, ... senders with one entry outstanding each; fifty with sixteen."""
    async with session() as http:
        senders, receivers = await connect(world, child.url, http, max(SENDERS))
        threads = await open_threads(world, senders, receivers)
        await asyncio.sleep(0.5)

        def first(count: int) -> tuple[list[Client], list[Client], list[Thread]]:
            return senders[:count], receivers[:count], threads[:count]

        await measured(world, [child], first(10), 1, 10)  # warm
        for count in SENDERS:
            each = max(20, (10_000 if count == 50 else 3_000) // count // share)
            name = f"{count} sender{'s' if count > 1 else ''}, 1 outstanding"
            told(name, await measured(world, [child], first(count), 1, min(each, 500)))
        told("50 senders, 16 outstanding", await measured(world, [child], first(50), 16, 400 // share))
        for client in (*senders, *receivers):
            await client.close()


async def reconnect(world: World, child: process.Child, undelivered: int) -> Values:
    """All receivers away while their threads grow, then all back at once: the time until all have all."""
    async with session() as http:
        senders, receivers = await connect(world, child.url, http, len(world.av))
        threads = await open_threads(world, senders, receivers)
        for client in receivers:
            await client.close()
        work = statements(world, senders, threads, undelivered)
        for sender, entries in zip(senders, work, strict=True):
            await asyncio.gather(*map(sender.hand_in, entries))
        await asyncio.sleep(1)
        back = [Client(world, station) for station in world.kv]
        cpu, driver, started = child.cpu, time.process_time(), time.perf_counter()

        async def one(client: Client, thread: Thread) -> None:
            await client.open(http, child.url, cursors={thread.id: 1})
            await client.caught.wait()

        await asyncio.gather(*map(one, back, threads))
        seconds = time.perf_counter() - started
        found = {"seconds": seconds, "hub_cpu_s": child.cpu - cpu, "driver_cpu_s": time.process_time() - driver}
        found["incomplete"] = sum(client.delivered < undelivered for client in back)
        for client in (*senders, *back):
            await client.close()
    return found


async def idle_memory(world: World, child: process.Child) -> Values:
    """Resident memory that idle connections add, each. The hub knows the stations' mandates already: what it keeps of a
    station that is not there is not the connection's."""
    stations = [*world.av, *world.kv]
    async with session() as http:
        first = Client(world, stations[0])
        await first.open(http, child.url)
        await first.announce(*(station.mandate for station in stations))
        await first.told_of(len(stations) - 1)
        before, cpu = child.memory, child.cpu
        clients = [Client(world, station) for station in stations[1:]]
        for client in clients:
            await client.open(http, child.url)
        await asyncio.sleep(2)
        found = {
            "KiB": (child.memory - before) / len(clients) / 1024,
            "login_cpu_ms": (child.cpu - cpu) / len(clients) * 1e3,
        }
        cpu = child.cpu
        await asyncio.sleep(5)
        found["cpu_share"] = (child.cpu - cpu) / 5
        for client in (first, *clients):
            await client.close()
    return found


def _world(folder: Path, name: str, pairs: int) -> World:
    (folder / name).mkdir()
    return make_world(folder / name, pairs)


def run(folder: Path, share: int, told: Told, only: str = "") -> None:
    """All cases; ``told`` hears of each. ``only``: those whose name has it."""
    if only in "load":
        world = _world(folder, "load", max(SENDERS))
        with process.hub(world, world.folder / "hub.db") as child:
            asyncio.run(throughput(world, child, share, told))
    if only in "back":
        world = _world(folder, "back", 200 // share)
        with process.hub(world, world.folder / "hub.db") as child:
            told(f"{200 // share} stations back", asyncio.run(reconnect(world, child, 50)))
    for words, tls in (("idle connections", False), ("idle connections, TLS", True)):
        if only in "idle":
            world = _world(folder, f"idle-{tls}", 500 // share)
            with process.hub(world, world.folder / "hub.db", tls=tls) as child:
                told(f"{1000 // share:,} {words}", asyncio.run(idle_memory(world, child)))


def main() -> None:
    """Run all, print the table."""
    parser = options(__doc__)
    parser.add_argument("--only", choices=("load", "back", "idle"), default="", help="this part alone, without floors")
    chosen = parser.parse_args()
    with measuring(chosen) as (folder, share, told):
        if not chosen.only:
            floors.run(folder, share, told)
        run(folder, share, told, chosen.only)


if __name__ == "__main__":
    main()
