"""Telling every open page what changed, without letting a slow page hold anything up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from hotline.station.views import Change

DEPTH = 64


class Fanout:
    """Bounded queues: a page that falls behind loses details and is told to show everything anew."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[Change]] = set()

    def tell(self, change: Change) -> None:
        """To every listener, at once."""
        for queue in self._queues:
            if queue.full():
                alarm = change.alarm
                while not queue.empty():
                    alarm = queue.get_nowait().alarm or alarm
                change = Change(None, "everything", alarm)
            queue.put_nowait(change)

    def listen(self) -> AsyncIterator[Change]:
        """Every change from this call on."""
        queue: asyncio.Queue[Change] = asyncio.Queue(DEPTH)
        self._queues.add(queue)
        return self._drain(queue)

    async def _drain(self, queue: asyncio.Queue[Change]) -> AsyncIterator[Change]:
        try:
            while True:
                yield await queue.get()
        finally:
            self._queues.discard(queue)
