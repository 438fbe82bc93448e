"""`tests.faults.replica_child`, of a version of the program that does not exist yet (`tests.hotline.store.version_to_come`)."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.faults.replica_child import run
from tests.hotline.store import version_to_come

if __name__ == "__main__":
    folder, port, conninfo = sys.argv[1:]
    raise SystemExit(asyncio.run(run(Path(folder), int(port), version_to_come.begin(conninfo))))
