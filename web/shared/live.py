"""One WebSocket a tab: hints that something changed and the hub's time. The page fetches itself anew; a hint holds nothing.

The socket lives no longer than the session: when that ends, the page is told to go to the login.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

from aiohttp import WSMsgType, web

from web.shared.sessions import SESSIONS

SOCKETS = web.AppKey("sockets", set[web.WebSocketResponse])
"""The tabs that are open."""

BEAT = 10.0
"""Seconds between two beats; the page calls the station lost after two and a half without one."""
LOGGED_OUT = 4401
"""Close code: the session ended, go to the login."""


async def serve(
    request: web.Request, now: Callable[[], int], hints: AsyncIterator[dict[str, Any]]
) -> web.StreamResponse:
    """Run one tab's socket until it closes: a beat with the hub's time at once and every `BEAT`, a hint at each change."""
    socket = web.WebSocketResponse(heartbeat=30.0, max_msg_size=1024)
    try:
        await socket.prepare(request)
    except ConnectionError:
        return web.Response(status=400)  # the tab was closed in the middle of the handshake: nobody reads this
    sessions = request.app[SESSIONS]
    open_sockets = request.app[SOCKETS]
    open_sockets.add(socket)

    async def beat() -> None:
        while not socket.closed:
            if sessions.of(request, touch=False) is None:
                await socket.close(code=LOGGED_OUT, message=b"logged out")
                return
            await socket.send_json({"now": now()})
            await asyncio.sleep(BEAT)

    async def tell() -> None:
        async for hint in hints:
            await socket.send_json({"now": now(), **hint})

    tasks = [asyncio.create_task(beat()), asyncio.create_task(tell())]
    try:
        async for message in socket:
            if message.type is WSMsgType.TEXT and message.data == "time":
                await socket.send_json({"now": now()})
    finally:
        open_sockets.discard(socket)
        for task in tasks:
            task.cancel()
        for task in tasks:
            # A tab that is closed in the middle of a hint is an everyday matter.
            with suppress(asyncio.CancelledError, ConnectionError):
                await task
    return socket


async def close_all(app: web.Application) -> None:
    """At shutdown: let every tab know at once instead of at its next beat."""
    sockets = app[SOCKETS]
    for socket in tuple(sockets):
        await socket.close(code=1001, message=b"going away")
