"""Measure hubs that share a PostgreSQL store: ``python -m benchmarks.replicas [--quick] [--json FILE]``.

The same load as `benchmarks.hub` (50 senders in 50 threads of two), on a file, on one hub over a throw-away PostgreSQL
cluster that flushes as a real one does, and across two hubs over it, where every message comes in at one and goes out at
the other. Server, hubs and driver share this machine's cores, so what hubs and server used is beside each rate: with as
many machines as processes, the rate of two to that of one is at least the ratio of the rates per core used.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path

from benchmarks.hub import drive, open_threads, statements
from benchmarks.load import process
from benchmarks.load.client import Client, session
from benchmarks.load.report import Told, Values, measuring, options
from benchmarks.load.world import World, make_world
from tests.postgres import MISSING, available, cluster

PAIRS = 50
STORES = (("file, 1 hub", 1, False), ("PostgreSQL, 1 hub", 1, True), ("PostgreSQL, 2 hubs", 2, True))


async def across(
    world: World, hubs: list[process.Child], server: int | None, counts: dict[int, int]
) -> dict[int, Values]:
    """``counts``: entries a sender, by how many it keeps outstanding. ``server``: the PostgreSQL server's first process."""
    found = {}
    async with session() as http:
        senders = [Client(world, station) for station in world.av[:PAIRS]]
        receivers = [Client(world, station) for station in world.kv[:PAIRS]]
        for number, (sender, receiver) in enumerate(zip(senders, receivers, strict=True)):
            await sender.open(http, hubs[number % len(hubs)].url)
            await receiver.open(http, hubs[(number + 1) % len(hubs)].url)
        await senders[0].announce()
        threads = await open_threads(world, senders, receivers)
        await asyncio.sleep(1)
        for depth, count in counts.items():
            work = statements(world, senders, threads, count)
            by_hubs, by_server = sum(each.cpu for each in hubs), _cpu(server)
            figures = await drive(senders, receivers, work, depth)
            by_hubs, by_server = sum(each.cpu for each in hubs) - by_hubs, _cpu(server) - by_server
            figures["hub_cpu_us"] = by_hubs / figures["entries"] * 1e6
            if server is not None:
                figures["server_cpu_us"] = by_server / figures["entries"] * 1e6
            figures["rate_per_core"] = figures["entries"] / (by_hubs + by_server)
            found[depth] = figures
        for client in (*senders, *receivers):
            await client.close()
    return found


def _cpu(server: int | None) -> float:
    return 0.0 if server is None else process.cpu_with_children(server)


def run(folder: Path, share: int, told: Told) -> None:
    """All three stores; ``told`` hears of each."""
    counts = {1: 100 // share, 16: 200 // share}
    per_core: dict[tuple[str, int], float] = {}
    for name, count, server in STORES:
        if server and not available():
            print(MISSING)
            return
        (folder / name).mkdir()
        with ExitStack() as stack:
            world = make_world(folder / name, PAIRS)
            place = cluster().new_database() if server else world.folder / "hub.db"
            hubs = [stack.enter_context(process.hub(world, place)) for _ in range(count)]
            for depth, values in asyncio.run(across(world, hubs, cluster().pid if server else None, counts)).items():
                told(f"{name}, {depth} outstanding", values)
                per_core[name, depth] = values["rate_per_core"]
    for depth in counts:
        ratio = per_core["PostgreSQL, 2 hubs", depth] / per_core["PostgreSQL, 1 hub", depth]
        told(f"replicas, {depth} outstanding", {"ratio": ratio})


def main() -> None:
    """Run all, print the table."""
    with measuring(options(__doc__).parse_args()) as (folder, share, told):
        run(folder, share, told)


if __name__ == "__main__":
    main()
