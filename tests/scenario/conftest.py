"""The exercise's cast, made once; one running exercise a module, on a copy of it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from hotline.scenario.cast import Folders, free_ports, make_cast
from hotline.scenario.script import st_brannoc
from hotline.scenario.stage import Exercise

SCALE = 3600
VISIT = "cpci-default-visit"


@pytest.fixture(scope="session")
def cast(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    script = st_brannoc()
    ladders = ((script.ladder, SCALE), (VISIT, 60))
    return make_cast(tmp_path_factory.mktemp("cast"), script, ladders, free_ports((0,) * 5))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def exercise(cast: Folders, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Exercise]:
    root = Path(tmp_path_factory.mktemp("exercise")) / "run"
    shutil.copytree(cast.root, root)
    running = Exercise(Folders(root, cast.ports))
    try:
        await running.start()
        yield running
    finally:
        await running.stop()
