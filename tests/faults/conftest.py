"""Logs of the parts under test are collected, not rendered: a rendered traceback a fault costs seconds."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
from structlog.testing import capture_logs


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[MutableMapping[str, Any]]]:
    """What was logged in this process, as it happens."""
    with capture_logs() as found:
        yield found
