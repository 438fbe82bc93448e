"""Measure what an entry costs in a long log and a long thread: ``python -m benchmarks.growth [--quick] [--json FILE]``.

One sender with sixteen entries outstanding, in logs of a thousand to a million leaves and, in the longest, in a thread of a
hundred to ten thousand entries. The cost is the hub's processor time an entry, the median of several stretches: it does not
hang on what else the machine does. Logs are made long without a hub (`benchmarks.load.bulk`), threads entry by entry.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Iterable
from pathlib import Path

from benchmarks.hub import connect, drive, open_threads, statements
from benchmarks.load import process
from benchmarks.load.bulk import grow
from benchmarks.load.client import session
from benchmarks.load.report import Told, Values, measuring, options
from benchmarks.load.world import World, make_world

LOGS = (1_000, 10_000, 100_000, 1_000_000)
LENGTHS = (100, 300, 1_000, 3_000, 10_000)
STRETCHES, STRETCH = 5, 160
DEPTH = 16


async def in_thread(world: World, child: process.Child, lengths: Iterable[int]) -> dict[int, Values]:
    """The cost of an entry in a new thread, at each length."""
    found: dict[int, Values] = {}
    async with session() as http:
        senders, receivers = await connect(world, child.url, http, 1)
        threads = await open_threads(world, senders, receivers)
        for length in lengths:
            while (missing := length - threads[0].serial) > 0:
                await drive(senders, receivers, statements(world, senders, threads, min(missing, 1000)), DEPTH)
            costs, rates, halves = [], [], []
            for _ in range(STRETCHES):
                work = statements(world, senders, threads, STRETCH)
                before = child.cpu
                figures = await drive(senders, receivers, work, DEPTH)
                costs.append((child.cpu - before) / STRETCH * 1e6)
                rates.append(figures["rate"])
                halves.append(figures["p50_ms"])
            median = statistics.median
            found[length] = {"hub_cpu_us": median(costs), "rate": median(rates), "p50_ms": median(halves)}
        for client in (*senders, *receivers):
            await client.close()
    return found


def run(folder: Path, share: int, told: Told) -> None:
    """All; ``told`` hears of each. With ``share`` above 1 the last log and the longest thread are a tenth."""
    logs, lengths = (LOGS, LENGTHS) if share == 1 else (LOGS[:-1], LENGTHS[:-1])
    (folder / "growth").mkdir()
    world = make_world(folder / "growth", 1)
    path = world.folder / "hub.db"
    with process.hub(world, path):
        pass  # makes the store
    costs: list[dict[int, Values]] = []
    for size in logs:
        grow(path, size)
        with process.hub(world, path) as child:
            found = asyncio.run(in_thread(world, child, lengths if size == logs[-1] else lengths[:1]))
        costs.append(found)
        told(f"log of {size:,}, thread of {lengths[0]:,}", found[lengths[0]])
    for length in lengths[1:]:
        told(f"log of {logs[-1]:,}, thread of {length:,}", costs[-1][length])
    first, middle, last = (
        each["hub_cpu_us"] for each in (costs[0][lengths[0]], costs[-1][lengths[0]], costs[-1][lengths[-1]])
    )
    told("growth", {"log": middle / first, "thread": last / middle, "both": last / first})


def main() -> None:
    """Run all, print the table."""
    with measuring(options(__doc__).parse_args()) as (folder, share, told):
        run(folder, share, told)


if __name__ == "__main__":
    main()
