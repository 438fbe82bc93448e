"""Questions that come at the same moment, answered together.

When a hub was away, all stations come back at once and each asks the store the same few things. What is asked while an answer
is on its way waits for it, and all that waits is asked in one go; a single question waits for nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Together(Generic[K, V]):
    """``read`` answers some of the questions it is given, the first at least; what it leaves out it is given again."""

    def __init__(self, read: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._read = read
        self._waiting: dict[K, asyncio.Future[V]] = {}
        self._task: asyncio.Task[None] | None = None

    async def ask(self, key: K) -> V:
        """The answer to one question. Raises what ``read`` raises."""
        future = self._waiting.get(key)
        if future is None:
            future = self._waiting[key] = asyncio.get_running_loop().create_future()
            if self._task is None:
                self._task = asyncio.create_task(self._run(), name="read together")
        # Others may wait for the same: who stops waiting takes nothing from them.
        return await asyncio.shield(future)

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._round()
        finally:
            self._task = None
            for future in self._waiting.values():  # only where this was cancelled: nobody would answer them any more
                future.cancel()
            self._waiting.clear()

    async def _round(self) -> None:
        asked = dict(self._waiting)
        try:
            found = await self._read(tuple(asked))
            if next(iter(asked)) not in found:
                raise LookupError("the first of what was asked is not answered")
        except BaseException as error:
            for key, future in asked.items():
                self._waiting.pop(key, None)
                if not future.done():
                    future.cancel() if isinstance(error, asyncio.CancelledError) else future.set_exception(error)
                    if not isinstance(error, asyncio.CancelledError):
                        future.exception()  # heard, also where nobody waits any more
            if not isinstance(error, Exception):
                raise
            return
        for key, value in found.items():
            future = self._waiting.pop(key)
            if not future.done():
                future.set_result(value)
