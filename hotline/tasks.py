"""What a process that serves for long owes itself: tasks that do end, and no time lost on what never goes."""

from __future__ import annotations

import asyncio
import gc
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


def keep_loaded() -> None:
    """Have Python's collector leave alone what is loaded now, and look for garbage less often: modules, keys and threads stay
    for as long as the process does, and looking through them took a tenth of a loaded hub's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
