"""A hub that serves, in a process of its own, to be killed and measured: ``python -m tests.faults.serving_hub FOLDER PORT``.

The folder holds what `save` wrote; the port is 0 for any, and is printed once the hub serves.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from aiohttp import web

from hotline.hub.app import make_app
from hotline.hub.hub import Hub, HubKeys
from hotline.hub.settings import AttachmentTable, Settings
from protocols.accord import open_accord
from protocols.encoding import b64u, unb64u
from tests.hotline.harness import LADDER, World


def save(world: World) -> None:
    """Write what the child needs into the world's folder."""
    kept = {name: b64u(getattr(world.keys, name)) for name in ("sign", "log", "operators")}
    (world.path / "hub.json").write_text(json.dumps(kept))
    (world.path / "accord.jws").write_bytes(world.accord.data)
    (world.path / "ladder.toml").write_bytes(world.ladders[LADDER])


async def run(folder: Path, port: int) -> None:
    kept = json.loads((folder / "hub.json").read_text())
    keys = HubKeys(*(unb64u(kept[name]) for name in ("sign", "log", "operators")))
    settings = Settings("hub.test", "127.0.0.1:0", True, head_delay=0.05, attachments=AttachmentTable(spare=0))
    accord = open_accord((folder / "accord.jws").read_bytes())
    ladders = {each.id: (folder / "ladder.toml").read_bytes() for each in accord.accord.ladders}
    hub = await Hub.open(folder / "hub.db", settings, keys, accord, ladders)
    hub.start()
    runner = web.AppRunner(make_app(hub), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await hub.failed


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), int(sys.argv[2])))
