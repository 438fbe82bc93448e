"""A station in a process of its own, to be killed: ``python -m tests.faults.child CAST URL THREAD``.

Says each line that it reads from standard input as a note in the thread, and prints the line back once the station has
it on its disk.
"""

from __future__ import annotations

import asyncio
import dataclasses
import pickle
import secrets
import sys
from pathlib import Path

from protocols.translog import ed25519_cosigner
from tests.faults.kit import open_impatient, say
from tests.hotline.harness import Station, World, make_station

WITNESS = "killed.test"


def save(world: World, office: str, path: Path) -> None:
    """Give the office's station a witness key that can be made anew, and write what a child needs: signers of the log cannot be
    written."""
    seed = secrets.token_bytes(32)
    world.stations[office] = make_station(office, "1", world.roots[office], ed25519_cosigner(WITNESS, seed), serial=20)
    cast = dataclasses.replace(world.stations[office], witness=None)  # type: ignore[arg-type]
    path.write_bytes(pickle.dumps((dataclasses.replace(world, stations={office: cast}), office, seed)))


def load(path: str) -> tuple[World, Station]:
    """What `save` wrote."""
    world, office, seed = pickle.loads(Path(path).read_bytes())
    return world, dataclasses.replace(world.stations[office], witness=ed25519_cosigner(WITNESS, seed))


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
    world, cast = load(path)
    asyncio.run(run(world, cast, url, thread))


if __name__ == "__main__":
    main()
