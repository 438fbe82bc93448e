"""What operators looked at, for those who watch the watchers: read only, and itself a look."""

from __future__ import annotations

from aiohttp import web

from web.console.state import CONSOLE, look, show

PAGE = 100
"""Looks on one page."""


async def looks(request: web.Request) -> web.Response:
    """The newest looks, or with ``?before=`` those before a leaf of the log."""
    text = request.query.get("before", "")
    if text and not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise web.HTTPNotFound
    before = int(text) if text else None
    await look(request, "looks" if before is None else f"looks before {before}")
    found = await request.app[CONSOLE].read_looks(before, PAGE)
    logged = [row.index for row in found if row.index is not None]
    older = logged[-1] if len(found) == PAGE and logged else None
    return show(request, "console/looks.html", looks=found, before=before, older=older)


def add_routes(app: web.Application) -> None:
    app.router.add_get("/looks", looks, name="looks")
