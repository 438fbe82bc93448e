"""What the console's handlers share, and how every look an operator takes is recorded."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from hotline.hub.views import Console
from web.shared.rendering import render
from web.shared.sessions import SESSION

CONSOLE = web.AppKey("console", Console)

SAME_LOOK = 5 * 60 * 1000
"""ms within which the same operator's same page is still the same look (a live page fetches itself)."""


async def look(request: web.Request, what: str) -> None:
    """Record that the operator looks at ``what``, before anything is shown."""
    session = request[SESSION]
    console = request.app[CONSOLE]
    now = console.summary().now
    last = session.notes.get(what)
    if last is None or now - last > SAME_LOOK:
        await console.record_look(session.who, what)
        session.notes[what] = now


def show(request: web.Request, template: str, **values: Any) -> web.Response:
    """A page behind the login."""
    console = request.app[CONSOLE]
    hub = console.summary()
    return render(request, template, {"hub": hub, "now": hub.now, "operator": request[SESSION].who, **values})
