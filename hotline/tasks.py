"""Ending background tasks so that they do end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

AGAIN = 1.0  # seconds until a task that goes on is told again


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel every task and return when all have ended, however they ended.

    A cancellation that meets a library at the wrong moment can be swallowed there; so it is repeated until it is heard.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN)
