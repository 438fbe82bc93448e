"""The witness on HTTP.

``POST /add-checkpoint``                      C2SP tlog-witness v1.0.0
``GET /<SHA-256 of the origin>/checkpoint``   its newest checkpoint of that log, for monitors
``GET /healthz``                              ``ok``; 503 once it is retired

Everything is public and signed, so it may run behind any proxy; it never sends anything by itself.
"""

from __future__ import annotations

import asyncio
import hashlib

from aiohttp import web

from hotline.witness.service import Answer, Witness
from protocols.translog.witness import MAX_BODY_BYTES

BODY_SECONDS = 15.0
"""How long a request's body may take to arrive."""
MOST_AT_ONCE = 32
"""Requests being read at a time; the rest are told to come back."""
WITNESS: web.AppKey[Witness] = web.AppKey("witness", Witness)
ROOM: web.AppKey[asyncio.Semaphore] = web.AppKey("room", asyncio.Semaphore)


def make_app(witness: Witness) -> web.Application:
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app[WITNESS] = witness
    app[ROOM] = asyncio.Semaphore(MOST_AT_ONCE)
    app.router.add_post("/add-checkpoint", _add_checkpoint)
    app.router.add_get("/{origin:[0-9a-f]{64}}/checkpoint", _checkpoint)
    app.router.add_get("/healthz", _health)
    return app


async def _add_checkpoint(request: web.Request) -> web.Response:
    room = request.app[ROOM]
    if room.locked():
        return web.Response(status=503, text="busy\n", headers={"Retry-After": "1"})
    async with room:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await request.read()
        except TimeoutError:
            return web.Response(status=408, text="too slow\n")
        return _response(await request.app[WITNESS].add_checkpoint(body))


async def _checkpoint(request: web.Request) -> web.Response:
    return _response(await request.app[WITNESS].latest(request.match_info["origin"], origin_hash))


async def _health(request: web.Request) -> web.Response:
    if request.app[WITNESS].retired:
        return web.Response(status=503, text="retired\n")
    return web.Response(text="ok\n")


def origin_hash(origin: str) -> str:
    """How monitors name a log in the URL: lower-case hex of the SHA-256 of its origin."""
    return hashlib.sha256(origin.encode()).hexdigest()


def _response(answer: Answer) -> web.Response:
    return web.Response(
        status=answer.status,
        body=answer.body.encode(),
        headers={"Content-Type": answer.content_type, "X-Content-Type-Options": "nosniff"},
    )
