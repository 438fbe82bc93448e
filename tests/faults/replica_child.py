"""One of several hubs over a PostgreSQL store, to be killed: ``python -m tests.faults.replica_child FOLDER PORT CONNINFO``.

The folder holds what `write` put there. It prints a line once it serves, and ends as ``hotline hub serve`` does: with status
1 when a part of it failed, so that whoever watches it starts it again.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

from aiohttp import web

from hotline.hub.app import make_app
from hotline.hub.hub import Hub, HubKeys
from hotline.hub.settings import Settings
from hotline.store.place import server
from protocols.accord import open_accord
from protocols.encoding import b64u, unb64u
from tests.hotline.harness import LADDER, World


def write(world: World, folder: Path) -> None:
    """Accord, ladder and the keys of a hub that was made for a test."""
    keys = {name: b64u(getattr(world.keys, name)) for name in ("sign", "log", "operators")}
    (folder / "hub.json").write_text(json.dumps(keys))
    (folder / "accord.jws").write_bytes(world.accord.data)
    (folder / "ladder.toml").write_bytes(world.ladders[LADDER])


async def run(folder: Path, port: int, conninfo: str) -> int:
    kept = json.loads((folder / "hub.json").read_text())
    keys = HubKeys(*(unb64u(kept[name]) for name in ("sign", "log", "operators")))
    settings = Settings("hub.test", f"127.0.0.1:{port}", True, head_interval=60.0, head_delay=0.05)
    accord = open_accord((folder / "accord.jws").read_bytes())
    ladders = {each.id: (folder / "ladder.toml").read_bytes() for each in accord.accord.ladders}
    hub = await Hub.open(server(conninfo), settings, keys, accord, ladders)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    hub.start()
    runner = web.AppRunner(make_app(hub), access_log=None, shutdown_timeout=2)
    try:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        print("serving", flush=True)
        await asyncio.wait((asyncio.ensure_future(stop.wait()), hub.failed), return_when=asyncio.FIRST_COMPLETED)
        failed = hub.failed.done()
    finally:
        await hub.stop()
        await runner.cleanup()
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(asyncio.run(run(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])))
