"""The console: the pages a hub serves to its operators and reviewers. No content, ever: the hub has none."""

from __future__ import annotations

from collections.abc import Collection

from aiohttp import web

from hotline.clock import Clock
from hotline.hub.views import Console
from web.console import export, login, looks, pages, search, statistics
from web.console.state import CONSOLE
from web.shared.csrf import csrf
from web.shared.faults import faults
from web.shared.gate import gate, strict_headers
from web.shared.live import SOCKETS, close_all
from web.shared.rendering import ENVIRONMENT, make_environment
from web.shared.sessions import SESSIONS, Sessions
from web.shared.static import add_static


def make_console(console: Console, *, allowed_hosts: Collection[str], secure: bool, clock: Clock) -> web.Application:
    """The console of one hub; mount it anywhere with ``add_subapp``.

    ``secure``: served over TLS, so cookies are marked Secure and browsers are told to stay with TLS.
    """
    app = web.Application(
        middlewares=[
            faults("shared/fault.html", "Console", "index"),
            gate(allowed_hosts),
            csrf(),
            login.operators_only(),
        ]
    )
    app[CONSOLE] = console
    app[ENVIRONMENT] = make_environment()
    app[SESSIONS] = Sessions(clock, "console", secure=secure)
    app[SOCKETS] = set()
    app.on_shutdown.append(close_all)
    strict_headers(app, secure=secure)
    for part in (login, pages, looks, search, statistics, export):
        part.add_routes(app)
    add_static(app)
    return app


__all__ = ["make_console"]
