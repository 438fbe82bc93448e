"""The desk's live line: every change of the station, as a hint to the tab."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from hotline.station.views import Desk
from web.desk.state import DESK
from web.shared.live import serve


async def _hints(desk: Desk) -> AsyncIterator[dict[str, Any]]:
    async for change in desk.changes():
        yield {"changed": change.thread or "", "what": change.what, "alarm": change.alarm}


async def live(request: web.Request) -> web.StreamResponse:
    """The WebSocket of one tab."""
    desk = request.app[DESK]
    return await serve(request, desk.now, _hints(desk))


def add_routes(app: web.Application) -> None:
    app.router.add_get("/live", live, name="live")
