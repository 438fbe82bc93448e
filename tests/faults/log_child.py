"""A hub with two stations in one process, to be killed: ``python -m tests.faults.log_child FOLDER``.

Prints the id of every entry once the hub has acknowledged it, and ``head SIZE`` once a head is published.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.hotline.harness import Client, connect, make_world, open_thread, running_hub


async def run(folder: Path) -> None:
    world = make_world(folder, quorum=2, head_delay=0.01)
    (folder / "accord.jws").write_bytes(world.accord.data)
    (folder / "accord.id").write_text(world.accord.id)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = await open_thread(av, kv)
        tasks = [asyncio.create_task(cosign(client)) for client in (kv,)]
        number = 0
        while not any(task.done() for task in tasks):
            answer = await av.say(thread, "goodwill-note", fields={"text": f"note {number}"})
            print(answer.id, flush=True)
            number += 1
            if number % 5 == 0:
                await av.cosign_next()
                if hub.hub.heads.published is not None:
                    print("head", hub.hub.heads.published.checkpoint.size, flush=True)


async def cosign(client: Client) -> None:
    while True:
        await client.cosign_next()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1])))
