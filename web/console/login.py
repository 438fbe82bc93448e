"""Operators coming in: by one-time link, or by name, password and code; and going out."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from web.console.state import CONSOLE
from web.shared.rendering import render, see
from web.shared.sessions import SESSION, SESSIONS

_OPEN = frozenset({"index", "login", "login-post", "static"})


def operators_only() -> Middleware:
    """The middleware: without a session only the public page and the login are there."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        name = request.match_info.route.name
        if name is None or name in _OPEN:
            return await handler(request)
        touch = name != "live" and "X-Hotline-Refresh" not in request.headers
        session = request.app[SESSIONS].of(request, touch=touch)
        if session is None:
            if request.method == "GET" and name != "live":
                return see(request, "login")
            raise web.HTTPUnauthorized(text="You are logged out. Log in and try again; nothing was done.")
        request[SESSION] = session
        return await handler(request)

    return middleware


def _page(request: web.Request, *, status: int = 200, problem: str = "") -> web.Response:
    values = {"hub": request.app[CONSOLE].summary(), "problem": problem}
    return render(request, "console/login.html", values, status=status)


async def login_page(request: web.Request) -> web.Response:
    """The login page; its script takes a one-time token from behind the ``#``."""
    return _page(request)


async def login(request: web.Request) -> web.Response:
    """Spend a one-time token, or check name, password and code."""
    console = request.app[CONSOLE]
    posted = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    token = posted.get("token", "").strip()
    operator: str | None = None
    address = request.remote or ""
    if not console.attempt(address):
        problem = "Too many failed logins came from this address. Wait a minute and try again; nothing was tried now."
        return _page(request, status=429, problem=problem)
    if token:
        operator = await console.redeem(token.rpartition("#")[2])
        problem = "That link is not valid, was used before, or is too old. Make a new one on the hub."
    else:
        name = posted.get("operator", "").strip()
        if await console.login(name, posted.get("password", ""), posted.get("code", "").replace(" ", "")):
            operator = name
        # One sentence for a wrong name, password or code: which it was is not told.
        problem = "Name, password and code do not fit together, or too many were tried. Wait for the next code."
    if operator is None:
        return _page(request, status=403, problem=problem)
    console.succeeded(address)
    response = see(request, "overview")
    request.app[SESSIONS].begin(response, operator)
    return response


async def logout(request: web.Request) -> web.Response:
    """End this browser's session."""
    response = see(request, "index")
    request.app[SESSIONS].end(request, response)
    return response


def add_routes(app: web.Application) -> None:
    app.router.add_get("/login", login_page, name="login")
    app.router.add_post("/login", login, name="login-post")
    app.router.add_post("/logout", logout, name="logout")
