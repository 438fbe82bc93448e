"""A station that attaches a file, to be killed: ``python -m tests.faults.attaching_child CAST URL THREAD FILE``.

Prints the file's blob once it is sealed on the disk, and then carries it until the process ends.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from hotline.station.views import FileView
from tests.faults.child import load
from tests.faults.kit import open_impatient
from tests.hotline.harness import Station, World
from tests.hotline.station.kit import officer, until


async def pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while data := file.read(1 << 18):
            yield data


async def run(world: World, cast: Station, url: str, thread: str, path: Path) -> None:
    station = await open_impatient(world, cast, url)
    await station.start()
    await until(lambda: station.core.line.caught)
    if path.name != "none":
        found = await station.attach(officer(station), thread, path.name, "", pieces(path))
        assert isinstance(found, FileView), found
        print(found.blob, flush=True)
    await asyncio.Event().wait()


def main() -> None:
    cast_path, url, thread, path = sys.argv[1:]
    world, cast = load(cast_path)
    asyncio.run(run(world, cast, url, thread, Path(path)))


if __name__ == "__main__":
    main()
