"""Measure hubs that share a PostgreSQL store: ``python -m benchmarks.replicas [--quick] [--json FILE]``.

The same load as `benchmarks.hub` (50 senders in 50 threads of two), on a file, on one hub over a throw-away PostgreSQL
cluster that flushes as a real one does, and across two hubs over it, where every message comes in at one and goes out at
the other. Server, hubs and driver share this machine's cores, so the sum of what they used is beside each rate.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import aiohttp
import structlog

from benchmarks.hub import BODY, _load, _threads
from benchmarks.load import process
from benchmarks.load.client import Client
from benchmarks.load.world import World, make_statement, make_world
from tests.postgres import MISSING, available, new_database

PAIRS = 50


async def run(world: World, hubs: list[process.Child], counts: dict[int, int]) -> dict[str, dict[str, float]]:
    """``counts``: entries a sender, by how many it keeps outstanding."""
    found = {}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        senders = [Client(world, station) for station in world.av[:PAIRS]]
        receivers = [Client(world, station) for station in world.kv[:PAIRS]]
        for number, (sender, receiver) in enumerate(zip(senders, receivers, strict=True)):
            await sender.open(session, hubs[number % len(hubs)].url)
            await receiver.open(session, hubs[(number + 1) % len(hubs)].url)
        await senders[0].announce()
        threads = await _threads(world, senders, receivers)
        await asyncio.sleep(1)
        for depth, count in counts.items():
            work = [
                [make_statement(world, sender.station, thread, BODY) for _ in range(count)]
                for sender, thread in zip(senders, threads, strict=True)
            ]
            before = sum(each.cpu for each in hubs)
            figures = await _load(senders, receivers, work, depth)
            figures["hub_cpu_us"] = (sum(each.cpu for each in hubs) - before) / figures["entries"] * 1e6
            found[f"{depth} outstanding"] = figures
        for client in (*senders, *receivers):
            await client.close()
    return found


def main() -> None:
    """Run all, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a fifth of the work")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    if not available():
        print(MISSING)
        return
    share = 5 if options.quick else 1
    figures: dict[str, Any] = {}
    for name, count, server in (
        ("file, 1 hub", 1, False),
        ("PostgreSQL, 1 hub", 1, True),
        ("PostgreSQL, 2 hubs", 2, True),
    ):
        with tempfile.TemporaryDirectory(prefix="hotline-bench-") as folder, ExitStack() as stack:
            world = make_world(Path(folder), PAIRS)
            place = new_database() if server else world.folder / "hub.db"
            hubs = [stack.enter_context(process.hub(world, place)) for _ in range(count)]
            for depth, values in asyncio.run(run(world, hubs, {1: 100 // share, 16: 200 // share})).items():
                figures[f"{name}, {depth}"] = values
                told = "  ".join(f"{key} {value:,.1f}" for key, value in values.items())
                print(f"{name + ', ' + depth:38}  {told}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
