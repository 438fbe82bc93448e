"""Time as the running parts read it: UTC for what is written down, monotonic for what is waited for.

A wall clock may jump; a crisis line must not. `SystemClock` takes the wall clock once, at start, and counts on from
there by the monotonic clock, so that no correction shortens or lengthens a wait that is running. `drift` tells how far
the wall clock has since gone its own way; the operator is warned, nothing moves.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Where a process reads the time. All in milliseconds."""

    def now(self) -> int:
        """UTC, milliseconds since 1970; never goes backwards within a process."""
        ...

    async def sleep_until(self, at: int) -> None:
        """Return once `now` has reached ``at``."""
        ...


class SystemClock:
    """The machine's clock. ``floor`` (ms UTC) is a time already written down, before which `now` never returns."""

    def __init__(self, floor: int = 0) -> None:
        self._start = max(time.time_ns() // 1_000_000, floor)
        self._monotonic = time.monotonic_ns()

    def now(self) -> int:
        return self._start + (time.monotonic_ns() - self._monotonic) // 1_000_000

    def raise_floor(self, floor: int) -> None:
        """Never return a time before ``floor`` (ms UTC) from now on."""
        behind = floor - self.now()
        if behind > 0:
            self._start += behind

    def drift(self) -> int:
        """Milliseconds by which the wall clock is ahead of (or, negative, behind) this one."""
        return time.time_ns() // 1_000_000 - self.now()

    async def sleep_until(self, at: int) -> None:
        while (left := at - self.now()) > 0:  # noqa: ASYNC110 - time is what is waited for, there is no event
            await asyncio.sleep(min(left, 60_000) / 1000)
