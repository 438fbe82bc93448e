"""What the desk's handlers share: the station behind the page, the officer before it, and what every page shows."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from hotline.clock import Clock
from hotline.station.views import Desk, OfficerView, ThreadView
from web.desk.shortcuts import as_data
from web.shared.rendering import render
from web.shared.sessions import SESSION

DESK = web.AppKey("desk", Desk)
CLOCK = web.AppKey("clock", Clock)
OFFICER = web.RequestKey("officer", OfficerView)


def officer_of(desk: Desk, kid: str) -> OfficerView | None:
    """The officer named by ``kid``, or None when the office no longer has them."""
    return next((officer for officer in desk.officers() if officer.kid == kid), None)


def common(request: web.Request) -> dict[str, Any]:
    """What every page behind the login shows: office, officer, line, accord, the hub's time."""
    desk = request.app[DESK]
    threads = desk.threads()
    return {
        "desk_name": desk.name,
        "office": desk.office,
        "offices": desk.offices(),
        "officer": request[OFFICER],
        "officers": desk.officers(),
        "accord": desk.accord(),
        "connection": desk.connection(),
        "now": desk.now(),
        "threads": threads,
        "unread": sum(summary.unread for summary in threads),
        "shortcuts": json.dumps(as_data()),
        "since": request[SESSION].started,
    }


def show(request: web.Request, template: str, *, status: int = 200, **values: Any) -> web.Response:
    """A page behind the login."""
    return render(request, template, {**common(request), **values}, status=status)


def thread_of(request: web.Request) -> ThreadView:
    """The thread the address names. Raises `UnknownThread`."""
    return request.app[DESK].thread(request.match_info["thread"])
