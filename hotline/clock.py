"""Time as the running parts read it: UTC for what is written down, steady time for what is waited for.

A wall clock may jump; a crisis line must not. `SystemClock` takes the wall clock once, at start, and counts on from
there by the machine's steady clock (Linux: CLOCK_BOOTTIME, which no correction moves and which goes on while the machine
sleeps), so that no correction shortens or lengthens a wait that is running. `drift` tells how far the wall clock has since
gone its own way; the operator is warned, nothing moves. A process that is started again on the same boot of the machine
goes on from the `Mark` of the one before, whatever the wall clock did meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import NamedTuple, Protocol

_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
LOOK_AGAIN = 60_000
"""ms after which a wait looks at the clock again: a machine may have slept in the middle of it."""


class Clock(Protocol):
    """Where a process reads the time. All in milliseconds."""

    def now(self) -> int:
        """UTC, milliseconds since 1970; never goes backwards within a process."""
        ...

    async def sleep_until(self, at: int) -> None:
        """Return once `now` has reached ``at``."""
        ...


class Mark(NamedTuple):
    """By which a later process on the same boot counts on. ``ahead``: UTC minus the steady clock, ms."""

    boot: str
    ahead: int


def boot_id() -> str:
    """What the operating system calls the present boot of this machine; "" where it does not say."""
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        return ""


def _steady() -> int:
    return time.clock_gettime_ns(_STEADY) // 1_000_000


class SystemClock:
    """The machine's clock. ``floor`` (ms UTC) is a time already written down, before which `now` never returns."""

    def __init__(self, floor: int = 0) -> None:
        self._ahead = max(time.time_ns() // 1_000_000, floor) - _steady()

    def now(self) -> int:
        return _steady() + self._ahead

    def raise_floor(self, floor: int) -> None:
        """Never return a time before ``floor`` (ms UTC) from now on."""
        behind = floor - self.now()
        if behind > 0:
            self._ahead += behind

    def mark(self) -> Mark:
        """What `go_on` of a later process wants."""
        return Mark(boot_id(), self._ahead)

    def go_on(self, mark: Mark) -> bool:
        """Count on where another process of this boot counted. False, and nothing changed, for a mark of another boot."""
        if not mark.boot or mark.boot != boot_id():
            return False
        self._ahead = mark.ahead
        return True

    def drift(self) -> int:
        """Milliseconds by which the wall clock is ahead of (or, negative, behind) this one."""
        return time.time_ns() // 1_000_000 - self.now()

    async def sleep_until(self, at: int) -> None:
        while (left := at - self.now()) > 0:  # noqa: ASYNC110 - time is what is waited for, there is no event
            await asyncio.sleep(min(left, LOOK_AGAIN) / 1000)


def span_words(ms: int) -> str:
    """A length of time in its two largest units, as in "1 d 2 h" or "3 min 5 s"; "0 s" below a second."""
    seconds = abs(ms) // 1_000
    days, hours, minutes = seconds // 86_400, seconds // 3_600 % 24, seconds // 60 % 60
    parts = [f"{n} {unit}" for n, unit in ((days, "d"), (hours, "h"), (minutes, "min"), (seconds % 60, "s")) if n]
    return " ".join(parts[:2]) or "0 s"
