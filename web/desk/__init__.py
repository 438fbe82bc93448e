"""The duty desk: the pages a station serves to its officers, on loopback."""

from __future__ import annotations

from collections.abc import Collection

from aiohttp import web

from hotline.clock import Clock
from hotline.station.views import Desk
from web.desk import actions, api, exporting, files, live, login, pages
from web.desk.drafts import DRAFTS, Drafts
from web.desk.state import CLOCK, DESK
from web.shared.csrf import csrf
from web.shared.faults import faults
from web.shared.gate import gate, strict_headers
from web.shared.live import SOCKETS, close_all
from web.shared.rendering import ENVIRONMENT, make_environment
from web.shared.sessions import SESSIONS, Sessions
from web.shared.static import add_static

MAX_FORM = 512 * 1024
"""Bytes a form may hold: a body's 256 KiB, encoded."""


def make_desk(desk: Desk, *, allowed_hosts: Collection[str], clock: Clock) -> web.Application:
    """The desk of one station.

    ``allowed_hosts``: what browsers may call it, ``"127.0.0.1:8701"``, or without a port for any. Bind it to loopback
    only: it speaks plain HTTP.
    """
    app = web.Application(
        middlewares=[
            faults("shared/fault.html", "Desk", "threads"),
            gate(allowed_hosts),
            csrf(),
            login.officers_only(),
        ],
        client_max_size=MAX_FORM,
    )
    app[DESK] = desk
    app[CLOCK] = clock
    app[DRAFTS] = Drafts(desk)
    app[ENVIRONMENT] = make_environment()
    app[SESSIONS] = Sessions(clock, f"desk/{desk.office.id}/{desk.name}")
    app[SOCKETS] = set()
    app.on_shutdown.append(close_all)
    strict_headers(app, secure=False)
    for part in (login, pages, actions, exporting, files, live, api):
        part.add_routes(app)
    add_static(app)
    return app


__all__ = ["make_desk"]
