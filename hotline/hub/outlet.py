"""The way out to one station: several WebSocket messages written at once.

aiohttp hands each message to the system by itself, and beside an entry that was checked, stored and flushed long ago that call
is most of what sending it costs. Messages are framed here instead (RFC 6455, section 5.2: what a server sends is not masked)
and go out together. Pings, and the close, stay aiohttp's.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence

from aiohttp import web

from hotline.hub.front import Connection

AT_ONCE = 64 * 1024
"""Bytes from which what waits goes out. More would delay what is urgent, and the system takes no more at once."""
TLS_AT_ONCE = 16 * 1024
"""Bytes handed to TLS at once, one record: it keeps room for ever for the most that it was handed."""
_SMALL, _MEDIUM, _LARGE = struct.Struct("!BB"), struct.Struct("!BBH"), struct.Struct("!BBQ")
_BINARY = 0x82
"""A whole message of bytes."""


def head(size: int) -> bytes:
    """What stands before a message of ``size`` bytes."""
    if size < 126:
        return _SMALL.pack(_BINARY, size)
    if size < 1 << 16:
        return _MEDIUM.pack(_BINARY, 126, size)
    return _LARGE.pack(_BINARY, 127, size)


class Outlet:
    """Writes to one station. ``limit``: seconds that it may take to make room by reading."""

    __slots__ = ("_connection", "_limit", "_piece", "_transport", "_ws")

    def __init__(
        self, request: web.Request, ws: web.WebSocketResponse, connection: Connection | None, limit: float
    ) -> None:
        """``connection``: the front's; without one there is nobody to say when the station has read, and aiohttp sends."""
        self._ws, self._connection, self._limit = ws, connection, limit
        self._transport = request.transport
        self._piece = AT_ONCE if request.get_extra_info("ssl_object") is None else TLS_AT_ONCE

    async def write(self, messages: Sequence[bytes]) -> None:
        """All of them, in order. Raises `ConnectionError` or `RuntimeError` where the station is gone, and `TimeoutError` where
        it does not read."""
        if self._connection is None or self._transport is None:
            async with asyncio.timeout(self._limit):
                for message in messages:
                    await self._ws.send_bytes(message)
            return
        self.put(messages)
        if self._connection.full:
            async with asyncio.timeout(self._limit):
                await self._connection.drained()

    @property
    def open(self) -> bool:
        """Whether `put` may be used: the station has read what it was sent."""
        return self._connection is not None and self._transport is not None and not self._connection.full

    def put(self, messages: Sequence[bytes]) -> None:
        """The same without waiting for room; only where `open`. Raises `ConnectionError` where the station is gone."""
        if self._transport is None or self._ws.closed or self._transport.is_closing():
            raise ConnectionResetError("closed")
        data = b"".join(part for message in messages for part in (head(len(message)), message))
        for start in range(0, len(data), self._piece):
            # No waiting in between: aiohttp's pings would get into the middle of a message.
            self._transport.write(data if len(data) <= self._piece else data[start : start + self._piece])
