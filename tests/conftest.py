"""What holds for every test."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

from hotline.cli.logs import log_to_stderr

# Files with tests of these marks take longest.
LONG = ("scenario", "browser", "faults")

# Nothing is timed by the clock: a busy machine would make it fail.
settings.register_profile("hotline", deadline=None)
settings.load_profile("hotline")

# The default way to print a fault draws every local variable of every frame: seconds of it, a whole station at a time.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """A command called inside this process configures its logs: not for the tests after it."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
    log_to_stderr.cache_clear()


def pytest_xdist_auto_num_workers() -> int | None:
    """Two workers a core: tests of processes and of browsers wait more than they work. None: what the environment names."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    return 2 * len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2 * (os.cpu_count() or 1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Side by side, the longest files come first: whoever began one last would keep all others waiting."""
    if hasattr(config, "workerinput"):
        long = {item.path for item in items if any(item.get_closest_marker(name) for name in LONG)}
        items.sort(key=lambda item: item.path not in long)
