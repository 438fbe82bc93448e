"""Coming in and going out: the one-time token, the passphrase, the session, the way out."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from web.desk.state import DESK, OFFICER, officer_of
from web.shared.rendering import render, see
from web.shared.sessions import SESSION, SESSIONS

_OPEN = frozenset({"login", "login-post", "static", "api-csrf", "api-login"})
_LOCKED = frozenset({"unlock", "unlock-post", "logout", "live", "api-unlock"})


def _page(request: web.Request, name: str, *, status: int = 200, problem: str = "") -> web.Response:
    desk = request.app[DESK]
    values = {"office": desk.office, "desk_name": desk.name, "accord": desk.accord(), "problem": problem}
    return render(request, f"desk/{name}.html", values, status=status)


def officers_only() -> Middleware:
    """The middleware: no session leads to the login page, a locked key to the passphrase page."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        name = request.match_info.route.name
        if name is None or name in _OPEN:
            return await handler(request)
        session = request.app[SESSIONS].of(
            request, touch=name not in ("live",) and "X-Hotline-Refresh" not in request.headers
        )
        officer = officer_of(request.app[DESK], session.who) if session else None
        if session is None or officer is None:
            if request.method == "GET" and name != "live" and not name.startswith("api-"):
                return see(request, "login")
            raise web.HTTPUnauthorized(text="You are logged out. What you typed is kept; ask for a new login link.")
        request[SESSION] = session
        request[OFFICER] = officer
        if not officer.unlocked and name not in _LOCKED:
            return see(request, "unlock")
        return await handler(request)

    return middleware


async def login_page(request: web.Request) -> web.Response:
    """The login page; its script takes the token from behind the ``#`` and clears the address line."""
    return _page(request, "login")


async def login(request: web.Request) -> web.Response:
    """Spend the token."""
    token = str((await request.post()).get("token", "")).strip()
    # A pasted link works as well as the token alone.
    kid = await request.app[DESK].redeem(token.rpartition("#")[2]) if token else None
    if kid is None:
        problem = "That token is not valid, was used before, or is too old. Ask the station for a new login link."
        return _page(request, "login", status=403, problem=problem)
    response = see(request, "threads")
    request.app[SESSIONS].begin(response, kid)
    return response


async def unlock_page(request: web.Request) -> web.StreamResponse:
    """Ask for the officer's passphrase."""
    if request[OFFICER].unlocked:
        return see(request, "threads")
    return render(request, "desk/unlock.html", {**_who(request), "problem": ""})


async def unlock(request: web.Request) -> web.Response:
    """Open the officer's key."""
    passphrase = str((await request.post()).get("passphrase", "")).encode()
    if await request.app[DESK].unlock(request[OFFICER].kid, passphrase):
        return see(request, "threads")
    problem = "That passphrase does not open your key. Nothing was changed."
    return render(request, "desk/unlock.html", {**_who(request), "problem": problem}, status=403)


def _who(request: web.Request) -> dict[str, object]:
    desk = request.app[DESK]
    return {"office": desk.office, "desk_name": desk.name, "accord": desk.accord(), "officer": request[OFFICER]}


async def logout(request: web.Request) -> web.Response:
    """End this browser's session and close the officer's key."""
    response = see(request, "login")
    request.app[DESK].lock(request[SESSION].who)
    request.app[SESSIONS].end(request, response)
    return response


def add_routes(app: web.Application) -> None:
    app.router.add_get("/login", login_page, name="login")
    app.router.add_post("/login", login, name="login-post")
    app.router.add_get("/unlock", unlock_page, name="unlock")
    app.router.add_post("/unlock", unlock, name="unlock-post")
    app.router.add_post("/logout", logout, name="logout")
