"""What came over the line and was not dealt with yet: bounded, in order, handed over all at once."""

from __future__ import annotations

import asyncio

MOST = 256
"""Frames that may wait."""
MOST_BYTES = 4 << 20
"""Bytes that may wait; one frame always may."""


class Inbox:
    """One reader puts frames in, one receiver takes all that are there."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []
        self._size = 0
        self._why: Exception | None = None
        self._changed = asyncio.Event()
        self._room = asyncio.Event()

    async def put(self, data: bytes) -> None:
        """Add a frame; waits while too much is waiting."""
        while self._waiting and (len(self._waiting) >= MOST or self._size + len(data) > MOST_BYTES):
            self._room.clear()
            await self._room.wait()
        self._waiting.append(data)
        self._size += len(data)
        self._changed.set()

    def close(self, why: Exception) -> None:
        """Nothing more will come, and why."""
        self._why = why
        self._changed.set()

    async def take(self) -> list[bytes]:
        """All that is waiting, at least one frame. Raises what the inbox was closed with once nothing is left."""
        while not self._waiting:
            if self._why is not None:
                raise self._why
            self._changed.clear()
            await self._changed.wait()
        found, self._waiting, self._size = self._waiting, [], 0
        self._room.set()
        return found
