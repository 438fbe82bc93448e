"""One hub process over a store that others stand on too: ``python -m tests.faults.hub_child FOLDER SECONDS``.

The folder holds what `tests.faults.test_two_hubs` wrote: accord, ladder and the keys of a hub made for that test.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from hotline.hub.hub import Hub, HubKeys
from hotline.hub.settings import Settings
from protocols.accord import open_accord
from protocols.encoding import unb64u


async def run(folder: Path, seconds: float) -> None:
    kept = json.loads((folder / "hub.json").read_text())
    keys = HubKeys(*(unb64u(kept[name]) for name in ("sign", "log", "operators")))
    settings = Settings("hub.test", "127.0.0.1:0", True, head_interval=60.0, head_delay=0.05)
    accord = open_accord((folder / "accord.jws").read_bytes())
    ladders = {each.id: (folder / "ladder.toml").read_bytes() for each in accord.accord.ladders}
    hub = await Hub.open(folder / "hub.db", settings, keys, accord, ladders)
    hub.start()
    print("running", flush=True)
    try:
        await asyncio.wait((hub.failed,), timeout=seconds)
        if hub.failed.done():
            hub.failed.result()
    finally:
        await hub.stop()
    print("faults", int(hub.metrics.faults._value.get()), int(hub.metrics.store_failures._value.get()), flush=True)


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), float(sys.argv[2])))
