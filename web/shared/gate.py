"""The gate every request passes: the right Host, the right Origin, and headers that keep a browser strict.

A page on loopback can be reached by any web page the officer has open (DNS rebinding, cross-site forms, cross-site
WebSockets), so the name the browser asked for and the page that asked are checked before anything else is looked at.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

CSP = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not "no-referrer": that makes browsers send `Origin: null` with a form, and the Origin check below needs it.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def strict_headers(app: web.Application, *, secure: bool) -> None:
    """Put the headers on every response of ``app``, refusals and faults included."""

    async def prepare(_: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(HEADERS)
        if secure:
            response.headers["Strict-Transport-Security"] = "max-age=31536000"

    app.on_response_prepare.append(prepare)


def host_allowed(host: str, allowed: Collection[str]) -> bool:
    """Whether a Host header names us: ``allowed`` holds "name:port", or "name" for any port."""
    host = host.lower()
    return host in allowed or urlsplit(f"//{host}").hostname in allowed


def origin_matches(request: web.Request) -> bool:
    """Whether the page that asks was served under the very host and port it asks now."""
    origin = urlsplit(request.headers.get("Origin", ""))
    return origin.scheme in ("http", "https") and origin.netloc.lower() == request.host.lower()


def gate(allowed_hosts: Collection[str]) -> Middleware:
    """The middleware: 421 for a strange Host, 403 for a POST or WebSocket from a strange Origin."""
    allowed = frozenset(name.lower() for name in allowed_hosts)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            known = host_allowed(request.host, allowed)
        except ValueError:  # urlsplit on a Host that is no host at all
            known = False
        if not known:
            raise web.HTTPMisdirectedRequest(
                text="This page does not answer under that name. Use the address the station printed at start."
            )
        changing = request.method not in SAFE_METHODS
        socket = request.headers.get("Upgrade", "").lower() == "websocket"
        if (changing or socket) and not origin_matches(request):
            raise web.HTTPForbidden(text="The request came from another page. Nothing was done.")
        return await handler(request)

    return middleware
