"""What an operator sees: the hub's health, the incidents without their content, one incident's trail, the log, the export."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from hotline.hub.views import Console
from web.console.drawing import draw
from web.console.state import CONSOLE, look, show
from web.shared.charts import drawn
from web.shared.live import serve
from web.shared.rendering import render

_THREAD = re.compile(r"[A-Za-z0-9_-]{22}")


async def index(request: web.Request) -> web.Response:
    """The one public page: what this hub is, and what it is not."""
    return render(request, "console/index.html", {"hub": request.app[CONSOLE].summary()})


async def overview(request: web.Request) -> web.Response:
    """Health of hub, stations, witnesses and log at a glance."""
    await look(request, "overview")
    return show(request, "console/overview.html", log=await request.app[CONSOLE].log_health())


async def threads(request: web.Request) -> web.Response:
    """All incidents: who, which level, how long."""
    await look(request, "threads")
    return show(request, "console/threads.html", threads=await request.app[CONSOLE].threads())


def _thread(request: web.Request) -> str:
    thread = request.match_info["thread"]
    if not _THREAD.fullmatch(thread):
        raise web.HTTPNotFound
    return thread


async def trail(request: web.Request) -> web.Response:
    """One incident: its drawing, the same as a table, and every entry's envelope."""
    thread = _thread(request)
    await look(request, f"trail {thread}")
    found = await request.app[CONSOLE].trail(thread)
    if found is None:
        raise web.HTTPNotFound
    now = request.app[CONSOLE].summary().now
    proven = await request.app[CONSOLE].proven(thread)
    return show(request, "console/trail.html", trail=found, thread=found.row, drawing=draw(found, now), proven=proven)


async def ladder(request: web.Request) -> web.Response:
    """The ladder of one incident with its place on it: nothing that the trail does not show."""
    thread = _thread(request)
    await look(request, f"trail {thread}")
    found = await request.app[CONSOLE].trail(thread)
    if found is None:
        raise web.HTTPNotFound
    return show(request, "console/ladder.html", thread=found.row, drawn=drawn(found.chart))


async def log(request: web.Request) -> web.Response:
    """The log: sizes, ages, quorum, cosigners, the newest checkpoint as it is."""
    await look(request, "log")
    return show(request, "console/log.html", log=await request.app[CONSOLE].log_health())


async def _hints(console: Console) -> AsyncIterator[dict[str, Any]]:
    async for thread in console.changes():
        yield {"changed": thread}


async def live(request: web.Request) -> web.StreamResponse:
    """The WebSocket of one tab."""
    console = request.app[CONSOLE]
    return await serve(request, lambda: console.summary().now, _hints(console))


def add_routes(app: web.Application) -> None:
    app.router.add_get("/", index, name="index")
    app.router.add_get("/overview", overview, name="overview")
    app.router.add_get("/threads", threads, name="threads")
    app.router.add_get("/threads/{thread}", trail, name="trail")
    app.router.add_get("/threads/{thread}/ladder", ladder, name="ladder")
    app.router.add_get("/log", log, name="log")
    app.router.add_get("/live", live, name="live")
