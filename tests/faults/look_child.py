"""A hub whose operators look at page after page, to be killed: ``python -m tests.faults.look_child FOLDER``.

Prints a page's name once the look at it is recorded, which is when the page would be shown.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from hotline.hub.console import HubConsole
from tests.hotline.harness import make_world, running_hub


async def run(folder: Path) -> None:
    world = make_world(folder)
    (folder / "accord.jws").write_bytes(world.accord.data)
    async with running_hub(world) as hub:
        await asyncio.gather(*(operator(HubConsole(hub.hub), name) for name in ("Ada", "Bob", "Cleo")))


async def operator(console: HubConsole, name: str) -> None:
    for number in range(100_000):
        what = f"{name}'s page {number}"
        await console.record_look(name, what)
        print(what, flush=True)


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1])))
