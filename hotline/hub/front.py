"""The hub's front: who may hold a connection before it is known who they are, for how long and how much.

Every connection begins as a stranger's and stays one until a station's login succeeds on it; the console's browsers stay
strangers here, they have their own login. Strangers are counted in all and by address. When there are too many, the address
with the most of them loses its oldest, so that one that floods crowds out itself before others. A stranger that begins a
request and does not end it in time is cut, and so is one that sends more than a login needs: what it can make the hub hold
is bounded by count times bytes.

It stands between the transport and aiohttp's protocol, because aiohttp 3 sets no time limit on the head of a request, and
because a WebSocket's largest message is fixed before it is known who sends.
"""

from __future__ import annotations

import asyncio
import asyncio.sslproto
import ssl
import time
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import cast

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from hotline.hub.allowance import Bucket
from hotline.hub.errors import HubFault
from hotline.hub.metrics import Metrics
from hotline.hub.settings import Limits

_LOG = structlog.get_logger("hotline.hub.front")
ADDRESSES = 10_000
"""Of how many addresses it is kept how often they came."""
TLS_BUFFER = 16 << 10
"""Bytes read at once from a connection under TLS: one of its records."""
READ_BYTES = 64 << 10
"""Bytes asked of the system at once. asyncio asks for 256 KiB, and room for that is found anew at each read: for what a frame
has, that takes longer than the reading."""
HEAD_BYTES = 2 << 20
"""What may arrive between two requests: a head, and the first of a body before its handler runs."""


def origin(address: str) -> str:
    """What counts as one address: an IPv4 address, or an IPv6 network of 64 bits, which is what one customer is given."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:  # a peer without an address: a socket file
        return address
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or IPv6Address(int(found) >> 64 << 64))
    return str(found)


class Front:
    """Makes connections and keeps count of the strangers among them."""

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self._limits, self._metrics = limits, metrics
        self._strangers: dict[str, dict[Connection, None]] = {}
        self._arrivals: dict[str, Bucket] = {}
        self._count = 0

    @property
    def strangers(self) -> int:
        """How many there are."""
        return self._count

    async def listen(
        self, server: web.Server | None, host: str, port: int, *, tls: ssl.SSLContext | None = None
    ) -> asyncio.Server:
        """Serve on host:port; the caller closes it. A TLS handshake has as long as a login.

        ``server``: what a runner has after its `setup`. Raises `HubFault` before that, `OSError` where the port is taken.
        """
        if server is None:
            raise HubFault("the runner is not set up")
        if tls is not None:
            # Each connection keeps a buffer of this size for as long as it lasts; asyncio's own choice is 256 KiB.
            asyncio.sslproto.SSLProtocol.max_size = TLS_BUFFER
        return await asyncio.get_running_loop().create_server(
            self.around(server),
            host,
            port,
            ssl=tls,
            ssl_handshake_timeout=self._limits.login if tls is not None else None,
            backlog=1024,
        )

    def around(self, server: web.Server) -> Callable[[], Connection]:
        """What makes the protocol of a connection that ``server`` handles."""

        def make() -> Connection:
            return Connection(self, self._limits, cast(asyncio.Protocol, server()))

        return make

    def enter(self, connection: Connection) -> bool:
        """Count a stranger in; False where there is no room for it. May cut another."""
        now = time.monotonic() * 1000
        if not self._may_come(connection.origin, now):
            self.limited("arrivals")
            return False
        mine = self._strangers.setdefault(connection.origin, {})
        if len(mine) >= self._limits.strangers_each:
            self.limited("address")
            return False
        if self._count >= self._limits.strangers:
            busiest = max(self._strangers.values(), key=len)
            if len(busiest) <= len(mine) + 1:
                self.limited("strangers")
                if not mine:
                    del self._strangers[connection.origin]
                return False
            next(iter(busiest)).cut("crowded")
            mine = self._strangers.setdefault(connection.origin, {})
        mine[connection] = None
        self._count += 1
        self._metrics.strangers.set(self._count)
        return True

    def _may_come(self, address: str, now: float) -> bool:
        """Whether this address has not opened too many connections lately: opening one costs more than it looks."""
        bucket = self._arrivals.get(address)
        if bucket is None:
            if len(self._arrivals) >= ADDRESSES:
                self._arrivals.clear()
            bucket = self._arrivals[address] = Bucket(self._limits.arrivals_each, now)
        if bucket.wait(1, now) > 0:
            return False
        bucket.take(1, now)
        return True

    def leave(self, connection: Connection) -> None:
        """It is gone, or no stranger any more."""
        mine = self._strangers.get(connection.origin, {})
        if connection in mine:
            del mine[connection]
            self._count -= 1
            self._metrics.strangers.set(self._count)
        if not mine:
            self._strangers.pop(connection.origin, None)

    def limited(self, why: str) -> None:
        """Count a connection that was cut or not taken."""
        self._metrics.limited.labels(f"connection-{why}").inc()
        _LOG.debug("connection limited", why=why)


class Connection(asyncio.Protocol):
    """One connection: passes everything on to aiohttp's protocol, counting bytes and time until it is known."""

    def __init__(self, front: Front, limits: Limits, inner: asyncio.Protocol) -> None:
        self._front, self._limits, self._inner = front, limits, inner
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stranger = self._entered = False
        self._busy, self._waiting = False, False
        self._bytes = 0
        self._most = HEAD_BYTES
        self._drained: asyncio.Future[None] | None = None
        self.full = False
        """Whether the peer has not read yet what was written: more is to wait."""
        self.origin = ""

    # -- asyncio.Protocol -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if hasattr(transport, "max_size"):  # asyncio's own, without TLS
            transport.max_size = READ_BYTES
        peer = transport.get_extra_info("peername")
        self.origin = origin(str(peer[0])) if isinstance(peer, tuple) and peer else ""
        if not self._front.enter(self):
            self._transport.abort()
            return
        self._stranger = self._entered = True
        self._within(self._limits.login, "head")
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if not self._entered:
            return
        if self._stranger:
            self._bytes += len(data)
            if self._bytes > self._most:
                self.cut("bytes")
                return
            if self._waiting:
                self._waiting = False
                self._within(self._limits.login, "head")
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._entered else None

    def pause_writing(self) -> None:
        self.full = True
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._room()
        self._inner.resume_writing()

    async def drained(self) -> None:
        """Wait until the peer has read most of what was written, or is gone. For one task at a time."""
        if self.full:
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained

    def _room(self) -> None:
        self.full = False
        waiting, self._drained = self._drained, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        self._stop()
        self._room()
        self._stranger = False  # what its handler says from now on starts no timer: one would keep it in memory
        if self._entered:
            self._front.leave(self)
            self._inner.connection_lost(error)

    # -- what the handlers say ------------------------------------------------------------------------------------

    def begun(self, *, body: bool) -> None:
        """A whole head of a request has come. With a body, that has its own time."""
        self._busy, self._waiting = True, False
        self._stop()
        if self._stranger:
            # A body waits in aiohttp's own bounded buffer; its size is the handler's business.
            self._most = 1 << 62
            if body:
                self._within(self._limits.body, "body")

    def ended(self) -> None:
        """The request was answered: the next one may come, soon."""
        self._busy = False
        if self._stranger and self._entered:
            self._bytes, self._most, self._waiting = 0, HEAD_BYTES, True
            self._within(self._limits.idle, "idle")

    def at_the_door(self) -> None:
        """A WebSocket is opened: until the login succeeds no more than it needs is taken."""
        if self._stranger:
            self._bytes, self._most = 0, self._limits.stranger_bytes

    def known(self) -> None:
        """A station proved itself: what it may do is another matter from now on."""
        if self._stranger:
            self._stranger = False
            self._stop()
            self._front.leave(self)

    def cut(self, why: str) -> None:
        """End it without a word: a stranger that floods is owed none."""
        self._front.limited(why)
        self._front.leave(self)
        self._stop()
        self._stranger = False
        if self._transport is not None:
            self._transport.abort()

    def _within(self, seconds: float, why: str) -> None:
        self._stop()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.cut, why)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def connection_of(request: web.BaseRequest) -> Connection | None:
    """The connection that a request came on; None where it is gone, or no front stands before the server."""
    transport = request.transport
    found = None if transport is None else transport.get_protocol()
    return found if isinstance(found, Connection) else None


def timed() -> Middleware:
    """The middleware that tells the connection where its requests begin and end."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        connection = connection_of(request)
        if connection is None:
            return await handler(request)
        connection.begun(body=request.body_exists)
        try:
            return await handler(request)
        finally:
            connection.ended()

    return middleware
