"""Ending tasks that do not listen at first."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from hotline import tasks


async def test_a_task_that_swallows_a_cancellation_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "AGAIN", 0.01)
    deaf = 2

    async def work() -> None:
        nonlocal deaf
        while deaf:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
            deaf -= 1
        await asyncio.sleep(60)

    async def fails() -> None:
        raise ValueError("already over")

    running = [asyncio.create_task(work()), asyncio.create_task(fails())]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await tasks.end(running)
    assert running[0].cancelled()
    assert isinstance(running[1].exception(), ValueError)
