"""One running exercise a test: real hub, real stations, ports of their own."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from hotline.scenario.cast import free_ports, make_cast
from hotline.scenario.script import st_brannoc
from hotline.scenario.stage import Exercise

SCALE = 3600
VISIT = "cpci-default-visit"


@pytest_asyncio.fixture
async def exercise() -> AsyncIterator[Exercise]:
    script = st_brannoc()
    with tempfile.TemporaryDirectory(prefix="hotline-test-") as folder:
        folders = make_cast(Path(folder), script, ((script.ladder, SCALE), (VISIT, 60)), free_ports((0,) * 5))
        running = Exercise(folders)
        try:
            await running.start()
            yield running
        finally:
            await running.stop()
