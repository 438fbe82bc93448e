"""One running exercise a module: real hub, real stations, ports of their own."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from hotline.scenario.cast import free_ports, make_cast
from hotline.scenario.script import st_brannoc
from hotline.scenario.stage import Exercise

SCALE = 3600
VISIT = "cpci-default-visit"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def exercise() -> AsyncIterator[Exercise]:
    script = st_brannoc()
    with tempfile.TemporaryDirectory(prefix="hotline-test-") as folder:
        ladders = ((script.ladder, SCALE), (VISIT, 60))
        folders = await asyncio.to_thread(make_cast, Path(folder), script, ladders, free_ports((0,) * 5))
        running = Exercise(folders)
        try:
            await running.start()
            yield running
        finally:
            await running.stop()
