"""The pages with figures: how fast offices reply and what they answer, over all incidents or in one."""

from __future__ import annotations

import re

from aiohttp import web

from web.console.reply_chart import reply_chart
from web.console.state import CONSOLE, look, show

_THREAD = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)


async def statistics(request: web.Request) -> web.Response:
    """Over all incidents."""
    await look(request, "statistics")
    counted = await request.app[CONSOLE].statistics()
    if counted is None:
        raise web.HTTPNotFound
    return show(
        request,
        "console/statistics.html",
        counted=counted,
        chart=reply_chart(counted.figures.by_clock),
        thread=None,
        proven={},
    )


async def of_thread(request: web.Request) -> web.Response:
    """In one incident, clock by clock, with what witnesses prove beside the hub's claim."""
    thread = request.match_info["thread"]
    if not _THREAD.fullmatch(thread):
        raise web.HTTPNotFound
    await look(request, f"statistics {thread}")
    console = request.app[CONSOLE]
    counted, trail = await console.statistics(thread), await console.trail(thread)
    if counted is None or trail is None:
        raise web.HTTPNotFound
    proven = {each.clock.clock: each.verdict for each in await console.proven(thread)}
    return show(
        request,
        "console/statistics.html",
        counted=counted,
        chart=reply_chart(counted.figures.by_clock),
        thread=trail.row,
        proven=proven,
    )


def add_routes(app: web.Application) -> None:
    app.router.add_get("/statistics", statistics, name="statistics")
    app.router.add_get("/threads/{thread}/statistics", of_thread, name="thread-statistics")
