"""Tells open console pages that something changed; a page that does not listen loses hints, never data."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator


class Watchers:
    """Ids of changed threads, or "" for anything else, to everyone who listens."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[str | None]] = set()

    def tell(self, what: str) -> None:
        """Tell everybody; for a listener whose queue is full one general hint is waiting anyway."""
        for queue in self._queues:
            if not queue.full():
                queue.put_nowait(what)

    def close(self) -> None:
        """End every listener."""
        for queue in self._queues:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(None)

    async def changes(self) -> AsyncIterator[str]:
        """Every change from now on."""
        queue: asyncio.Queue[str | None] = asyncio.Queue(maxsize=256)
        self._queues.add(queue)
        try:
            while (what := await queue.get()) is not None:
                yield what
        finally:
            self._queues.discard(queue)
