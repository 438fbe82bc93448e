"""A station in a process of its own that says many things at once, to be killed:
``python -m tests.hotline.station.flight_child CAST URL THREAD ROUND COUNT``.

Prints each text once the station has it on its disk.
"""

from __future__ import annotations

import asyncio
import sys

from tests.faults.child import load
from tests.faults.kit import open_impatient, say
from tests.hotline.harness import Station, World


async def run(world: World, cast: Station, url: str, thread: str, number: int, count: int) -> None:
    station = await open_impatient(world, cast, url)
    await station.start()
    while not station.core.line.caught:
        await asyncio.sleep(0.01)

    async def one(text: str) -> None:
        await say(station, thread, text)
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    await asyncio.gather(*(one(f"{number}.{each:03}") for each in range(count)))
    await asyncio.sleep(60)  # until killed


def main() -> None:
    path, url, thread, number, count = sys.argv[1:]
    world, cast = load(path)
    asyncio.run(run(world, cast, url, thread, int(number), int(count)))


if __name__ == "__main__":
    main()
