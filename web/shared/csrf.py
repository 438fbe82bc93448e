"""Every form proves that it came from a page we served to this very browser."""

from __future__ import annotations

import hmac

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from web.shared.gate import SAFE_METHODS
from web.shared.sessions import SESSIONS

FIELD = "csrf"
HEADER = "X-Hotline-CSRF"


def csrf() -> Middleware:
    """The middleware: 403 for a changing request without the token of its browser, in a form field or a header."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method not in SAFE_METHODS:
            wanted = request.app[SESSIONS].csrf(request)
            given = request.headers.get(HEADER)
            if given is None:
                value = (await request.post()).get(FIELD)
                given = value if isinstance(value, str) else ""
            if not wanted or not hmac.compare_digest(wanted.encode(), given.encode("utf-8", "replace")):
                raise web.HTTPForbidden(
                    text="The form was too old or came from another page. Nothing was done: go back, reload, try again."
                )
        return await handler(request)

    return middleware
