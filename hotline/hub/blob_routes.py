"""Files over HTTP, beside the line: ``/blob``, by a ticket that the line gave out (`hotline.hub.blobs`).

``PATCH`` carries bytes to the hub, from ``Upload-Offset`` on; ``GET`` has them back, from where ``Range: bytes=N-`` says.
The ticket stands in ``Authorization: Hotline TICKET`` and says which file it is: neither it nor the thread's name stands in
an address, where proxies would write it down. Errors are JSON, ``{"code", "sentence"}``; with ``attachment.offset`` the
header ``Upload-Offset`` says from where to go on.
"""

from __future__ import annotations

import re
from contextlib import aclosing

import structlog
from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from hotline.hashed import PIECE
from hotline.hub.blobs import Blobs, Ticket
from hotline.hub.errors import (
    BadTicket,
    BlobBusy,
    BlobDiffers,
    BlobNotWhole,
    BlobNotYours,
    BlobOffset,
    BlobQuota,
    BlobTooLarge,
    NoRoomForBlobs,
    NotStored,
)
from hotline.hub.front import connection_of
from protocols.errors import ProtocolError

_LOG = structlog.get_logger("hotline.hub.blobs")
BLOBS: web.AppKey[Blobs] = web.AppKey("blobs", Blobs)
OFFSET = "Upload-Offset"
SCHEME = "Hotline "
_RANGE = re.compile(r"bytes=([0-9]{1,10})-", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,10}", re.ASCII)
_STATUS: dict[type[Exception], int] = {
    BadTicket: 401,
    BlobNotYours: 404,
    BlobNotWhole: 404,
    BlobOffset: 409,
    BlobDiffers: 409,
    BlobTooLarge: 413,
    BlobBusy: 429,
    BlobQuota: 507,
    NoRoomForBlobs: 507,
}


def add_routes(app: web.Application, blobs: Blobs) -> None:
    """``/blob``."""
    app[BLOBS] = blobs
    app.router.add_route("PATCH", "/blob", _put)
    app.router.add_get("/blob", _get, allow_head=False)


def _refusal(request: web.Request, error: ProtocolError | NotStored) -> web.Response:
    request.app[BLOBS].metrics.file_refusals.labels(error.code).inc()
    headers = {"Connection": "close"}  # what is left of a refused body is not read
    if isinstance(error, BlobOffset):
        headers[OFFSET] = str(error.have)
    status = _STATUS.get(type(error), 503)
    return web.json_response({"code": error.code, "sentence": error.sentence}, status=status, headers=headers)


def _ticket(request: web.Request, way: str) -> Ticket:
    if "Origin" in request.headers:
        # Only browsers send it, and no page has business here.
        raise BadTicket("stations only")
    given = request.headers.get("Authorization", "")
    if not given.startswith(SCHEME):
        raise BadTicket("none")
    ticket = request.app[BLOBS].open_ticket(given.removeprefix(SCHEME), "put" if way == "put" else "get")
    connection = connection_of(request)
    if connection is not None:
        connection.known()  # a station that the line knows: its transfer may take its time
    return ticket


def _read_little(request: web.Request) -> None:
    """Let the socket be read in pieces of `PIECE`: asyncio's own are four times that, and each is in memory several times."""
    transport = request.transport
    if transport is not None and hasattr(transport, "max_size"):
        transport.max_size = PIECE


async def _put(request: web.Request) -> web.StreamResponse:
    try:
        ticket = _ticket(request, "put")
        offset = request.headers.get(OFFSET, "")
        if not _NUMBER.fullmatch(offset):
            raise BlobOffset(0)
        _read_little(request)
        have = await request.app[BLOBS].take(ticket, int(offset), request.content)
    except ProtocolError as error:
        return _refusal(request, error)
    except TimeoutError:
        return _refusal(request, BlobBusy("nothing came"))
    except (OSError, SQLAlchemyError) as error:
        if isinstance(error, ConnectionError) or request.transport is None or request.transport.is_closing():
            _LOG.info("upload broke off")
        else:
            _LOG.error("file not stored", error=type(error).__name__)
        return _refusal(request, NotStored(type(error).__name__))
    return web.Response(status=204, headers={OFFSET: str(have)})


async def _get(request: web.Request) -> web.StreamResponse:
    blobs = request.app[BLOBS]
    try:
        ticket = _ticket(request, "get")
        asked = request.headers.get("Range", "bytes=0-")
        found = _RANGE.fullmatch(asked)
        if found is None:
            raise BlobOffset(ticket.size)
        offset = int(found[1])
        async with aclosing(blobs.give(ticket, offset)) as pieces:
            first = await anext(pieces)
            response = web.StreamResponse(status=206 if offset else 200)
            response.content_type = "application/octet-stream"
            response.content_length = ticket.size - offset
            response.headers["Content-Range"] = f"bytes {offset}-{ticket.size - 1}/{ticket.size}"
            response.headers["Cache-Control"] = "no-store"
            try:
                await response.prepare(request)
                await response.write(first)
                async for piece in pieces:
                    await response.write(piece)
                await response.write_eof()
            except (ProtocolError, ConnectionError) as error:
                # Half of it has gone out: nothing but the end of the connection can say so.
                _LOG.info("download broke off", error=type(error).__name__)
                if request.transport is not None:
                    request.transport.abort()
            return response
    except ProtocolError as error:
        return _refusal(request, error)
    except OSError as error:
        _LOG.error("file not read", error=type(error).__name__)
        return _refusal(request, NotStored(type(error).__name__))
