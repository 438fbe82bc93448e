"""What one connection may have in the hub's memory: submissions on their way in, frames on their way out.

Both are counted in number and in bytes. On the way in the reader waits, so that the rest stays in the sender's machine. On
the way out the reader waits too while much is unread; only what others cause to be sent can go over the top, and then the
station is cut off and resumes.
"""

from __future__ import annotations

import asyncio
from collections import deque


class InFlight:
    """Submissions that wait for their answer. One larger than all the room passes alone."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most, self._most_bytes = most, most_bytes
        self.count = self.bytes = 0
        self._landed: asyncio.Event | None = None  # made when somebody waits: most lines never do

    async def enter(self, size: int) -> None:
        """Wait until there is room, then take it."""
        while self.count >= self._most or (self.count and self.bytes + size > self._most_bytes):
            self._landed = self._landed or asyncio.Event()
            await self._landed.wait()
        self.count += 1
        self.bytes += size

    def leave(self, size: int) -> None:
        """Give it back."""
        self.count -= 1
        self.bytes -= size
        if self._landed is not None:
            self._landed.set()
            self._landed = None


class Touched:
    """Threads to look at, the most urgent first, of those that are equally urgent the one that waits longest."""

    __slots__ = ("_ranks",)

    def __init__(self) -> None:
        self._ranks: tuple[dict[str, None], ...] = ()

    def __bool__(self) -> bool:
        return any(self._ranks)

    def put(self, thread: str, rank: int) -> None:
        """Look at ``thread``, no less urgently than was said before."""
        while len(self._ranks) <= rank:
            self._ranks = (*self._ranks, {})
        for each, waiting in enumerate(self._ranks):
            if thread in waiting:
                if each <= rank:
                    return
                del waiting[thread]
        self._ranks[rank][thread] = None

    def take(self) -> tuple[str, int]:
        """The next thread, and how urgent it is. There is one."""
        rank = next(rank for rank, waiting in enumerate(self._ranks) if waiting)
        waiting = self._ranks[rank]
        thread = next(iter(waiting))
        del waiting[thread]
        if not any(self._ranks):
            self._ranks = ()
        return thread, rank


class Outgoing:
    """Encoded frames that wait to be read by the station, in order."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._frames: deque[bytes] = deque()
        self.bytes = 0
        self._read: asyncio.Event | None = None

    def __len__(self) -> int:
        return len(self._frames)

    def put(self, data: bytes) -> bool:
        """Add a frame; False where there is no room. A single one always fits."""
        if self._frames and (len(self._frames) >= self._most or self.bytes + len(data) > self._most_bytes):
            return False
        self._frames.append(data)
        self.bytes += len(data)
        return True

    def take(self) -> bytes:
        """The oldest."""
        data = self._frames.popleft()
        self.bytes -= len(data)
        if self._read is not None:
            self._read.set()
            self._read = None
        return data

    async def room(self) -> None:
        """Wait while more than half of it is full: who does not read its answers is not asked for more questions."""
        while len(self._frames) * 2 > self._most or self.bytes * 2 > self._most_bytes:
            self._read = self._read or asyncio.Event()
            await self._read.wait()
