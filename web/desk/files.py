"""Files on the desk: attached with a progress bar, fetched when an officer asks for it, and only ever saved, never shown.

What a file's sender calls it, and what kind of file they say it is, is shown as words and trusted for nothing: whatever is
saved goes out as bytes to be kept, with a name that was cleaned on both sides.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from urllib.parse import quote, unquote

import msgspec
import structlog
from aiohttp import web

from hotline.station.views import Outcome
from protocols.attachment import MAX_ATTACHMENT, AttachmentDamaged
from web.desk.state import DESK, OFFICER, thread_of
from web.shared.rendering import see

log = structlog.get_logger()
NAME = "X-Hotline-Name"
PIECE = 128 * 1024


def _json(value: object, *, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json", status=status)


async def listed(request: web.Request) -> web.Response:
    """The files of the incident and how far each is."""
    return _json(list(request.app[DESK].files(thread_of(request).summary.id).values()))


async def attach(request: web.Request) -> web.Response:
    """Take a file as it comes: the body is its bytes, ``X-Hotline-Name`` its name (percent-encoded UTF-8)."""
    thread = thread_of(request).summary.id
    if (request.content_length or 0) > MAX_ATTACHMENT:
        raise web.HTTPRequestEntityTooLarge(MAX_ATTACHMENT, request.content_length or 0)
    name = unquote(request.headers.get(NAME, ""), errors="replace")[:400]
    found = await request.app[DESK].attach(request[OFFICER].kid, thread, name, request.content_type, _whole(request))
    if isinstance(found, Outcome):
        return _json({"code": found.code, "sentence": found.sentence}, status=409)
    return _json(found, status=201)


async def _whole(request: web.Request) -> AsyncIterator[bytes]:
    """The body, which must be as long as was said: a page that goes away must not leave half a file that looks whole."""
    said, come = request.content_length, 0
    async for data in request.content.iter_chunked(PIECE):
        come += len(data)
        yield data
    if said is None or come != said:
        raise web.HTTPBadRequest(text="The file did not come whole. Nothing was attached; choose it again.")


async def take_off(request: web.Request) -> web.Response:
    """Take a file off that went with nothing yet."""
    await request.app[DESK].detach(thread_of(request).summary.id, request.match_info["blob"])
    return web.Response(status=204)


async def fetch(request: web.Request) -> web.Response:
    """Have a file brought to this station."""
    thread = thread_of(request).summary.id
    await request.app[DESK].fetch(request[OFFICER].kid, thread, request.match_info["blob"])
    return see(request, "thread", at=f"file-{request.match_info['blob']}", thread=thread)


async def save(request: web.Request) -> web.StreamResponse:
    """The file, to be kept by the browser and not opened by it."""
    thread = thread_of(request).summary.id
    name, size, pieces = await request.app[DESK].read_file(request[OFFICER].kid, thread, request.match_info["blob"])
    async with aclosing(pieces):
        response = web.StreamResponse()
        response.content_type = "application/octet-stream"
        response.content_length = size
        response.headers["Content-Disposition"] = (
            f"attachment; filename=\"file\"; filename*=UTF-8''{quote(name, safe='')}"
        )
        # One chunk is opened before anything is said: what does not open at all is a page that says so.
        first = await anext(pieces)
        await response.prepare(request)
        try:
            await response.write(first)
            async for piece in pieces:
                await response.write(piece)
            await response.write_eof()
        except (AttachmentDamaged, ConnectionError) as error:
            log.warning("file not saved whole", error=type(error).__name__)
            if request.transport is not None:
                request.transport.abort()
        return response


def add_routes(app: web.Application) -> None:
    router = app.router
    router.add_get("/threads/{thread}/files", listed, name="api-files")
    router.add_post("/threads/{thread}/files", attach, name="api-attach")
    router.add_post("/threads/{thread}/files/{blob}/off", take_off, name="api-detach")
    router.add_post("/threads/{thread}/files/{blob}/fetch", fetch, name="fetch")
    router.add_get("/threads/{thread}/files/{blob}", save, name="save", allow_head=False)
