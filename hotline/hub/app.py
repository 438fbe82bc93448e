"""The hub on HTTP: the stations' WebSocket, and what machines watch it by.

``/line``     stations (binary WebSocket; a browser's Origin is refused)
``/blob``     sealed files, by a ticket (`hotline.hub.blob_routes`)
``/healthz``  the process answers and no task of it has ended; else it must be started again
``/readyz``   messages are taken: the store is writable, the clocks run; what is not so stands below, for readers of metrics
``/readyz/all``  the same, and what is in the log is proven in time: witnesses are in quorum
``/metrics``  Prometheus, without content or names; for the loopback and ``metrics_from`` only, 404 to others
"""

from __future__ import annotations

from ipaddress import ip_address

from aiohttp import web

from hotline.hub import blob_routes, line
from hotline.hub.errors import LoginThrottled
from hotline.hub.front import connection_of, origin, timed
from hotline.hub.hub import Hub
from hotline.hub.metrics import CONTENT_TYPE
from hotline.hub.outlet import Outlet
from hotline.hub.readiness import ready
from hotline.hub.settings import Network
from protocols.frames import MAX_FRAME_BYTES

HUB: web.AppKey[Hub] = web.AppKey("hub", Hub)
READERS: web.AppKey[tuple[Network, ...]] = web.AppKey("readers", tuple)
HEARTBEAT = 20.0
"""Seconds between pings; a station silent for half as long again is taken as gone."""


def make_app(hub: Hub) -> web.Application:
    """The application; the caller starts and stops ``hub``."""
    app = web.Application(client_max_size=64 * 1024, middlewares=[timed()])
    app[HUB] = hub
    app[READERS] = hub.settings.metrics_readers
    app.router.add_get("/line", _line)
    blob_routes.add_routes(app, hub.blobs)
    app.router.add_get("/healthz", _health)
    app.router.add_get("/readyz", _ready)
    app.router.add_get("/readyz/all", _ready)
    app.router.add_get("/metrics", _metrics)
    app.on_response_prepare.append(_no_sniff)
    return app


async def _no_sniff(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.setdefault("X-Content-Type-Options", "nosniff")


async def _line(request: web.Request) -> web.StreamResponse:
    hub = request.app[HUB]
    if "Origin" in request.headers:
        # Only browsers send it, and no page has business on this socket.
        return web.Response(status=403, text="stations only\n")
    ws = web.WebSocketResponse(max_msg_size=MAX_FRAME_BYTES, heartbeat=HEARTBEAT, compress=False)
    if not ws.can_prepare(request).ok:
        return web.Response(status=426, text="a WebSocket is spoken here\n", headers={"Upgrade": "websocket"})
    try:
        await ws.prepare(request)
    except ConnectionError:
        return web.Response(status=400)  # they hung up in the middle of the handshake: nobody reads this
    connection = connection_of(request)
    if connection is not None:
        connection.at_the_door()
    address = origin(request.remote or "")
    if hub.throttle.blocked(address, hub.clock.now()):
        hub.metrics.logins.labels(LoginThrottled.code).inc()
        await line.end(ws, LoginThrottled())
        _forget(ws)
        return ws
    outlet = Outlet(request, ws, connection, hub.settings.limits.send)
    await line.serve(hub, ws, outlet, address, known=connection.known if connection is not None else _nobody_counts)
    if not ws.closed:
        await ws.close()
    _forget(ws)
    return ws


def _forget(ws: web.WebSocketResponse) -> None:
    # aiohttp 3.14 begins its heartbeat anew when the other side's close arrives, and so keeps a closed connection with all
    # its buffers for HEARTBEAT: with thousands of strangers a minute that is hundreds of megabytes. A test watches this.
    ws._cancel_heartbeat()


def _nobody_counts() -> None:
    """No front stands before this server: there is no count of strangers to leave."""


async def _health(request: web.Request) -> web.Response:
    hub = request.app[HUB]
    if hub.failed.done() or not hub.runs:
        return web.Response(status=503, text="failed\n")
    return web.Response(text="ok\n")


async def _ready(request: web.Request) -> web.Response:
    parts = await request.app[HUB].readiness.look()
    holds = ready(parts, whole=request.path.endswith("/all"))
    lines = ["ready" if holds else "not ready"]
    if _may_read(request.app[READERS], request.remote or ""):
        lines += [f"{part.name}: {part.problem or 'ok'}" for part in parts]
    return web.Response(status=200 if holds else 503, text="\n".join(lines) + "\n")


def _may_read(readers: tuple[Network, ...], remote: str) -> bool:
    try:
        address = ip_address(remote.partition("%")[0])
    except ValueError:  # a peer without an address: no reader
        return False
    # A socket open to both families shows IPv4 peers as mapped addresses.
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in network for network in readers)


async def _metrics(request: web.Request) -> web.Response:
    if not _may_read(request.app[READERS], request.remote or ""):
        return web.Response(status=404, text="404: Not Found")
    return web.Response(body=request.app[HUB].metrics.text(), headers={"Content-Type": CONTENT_TYPE})


__all__ = ["HUB", "make_app"]
