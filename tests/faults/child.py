"""A station in a process of its own, to be killed: ``python -m tests.faults.child CAST URL THREAD``.

Says each line that it reads from standard input as a note in the thread, and prints the line back once the station has
it on its disk.
"""

from __future__ import annotations

import asyncio
import dataclasses
import pickle
import sys
from pathlib import Path

from protocols.translog import ed25519_cosigner
from tests.faults.kit import open_impatient, say
from tests.hotline.harness import Station, World

WITNESS = "killed.test"


def save(world: World, office: str, seed: bytes, path: Path) -> None:
    """Write what the child needs. Its witness key is made anew from ``seed``: signers of the log cannot be written."""
    cast = dataclasses.replace(world.stations[office], witness=None)  # type: ignore[arg-type]
    path.write_bytes(pickle.dumps((dataclasses.replace(world, stations={office: cast}), office, seed)))


async def run(world: World, cast: Station, url: str, thread: str) -> None:
    station = await open_impatient(world, cast, url)
    await station.start()
    while line := await asyncio.to_thread(sys.stdin.readline):
        await say(station, thread, line.strip())
        sys.stdout.write(line)
        sys.stdout.flush()
    await station.stop()


def main() -> None:
    path, url, thread = sys.argv[1:]
    world, office, seed = pickle.loads(Path(path).read_bytes())
    cast = dataclasses.replace(world.stations[office], witness=ed25519_cosigner(WITNESS, seed))
    asyncio.run(run(world, cast, url, thread))


if __name__ == "__main__":
    main()
