"""The desk for programs: the same session, the same rules, JSON instead of pages.

An office may attach its own tools here (a ticket system, an exercise's player). Nothing can be done that an officer
cannot do on the pages, but for `insist`, which sends what this station's ladder refuses, so that an office can satisfy
itself that the hub and the other side refuse it too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
from aiohttp import web

from hotline.station.views import Outcome
from protocols.encoding import Malformed, b64u, from_json, unb64u
from web.desk.state import DESK, OFFICER
from web.shared.sessions import SESSIONS

MAX_JSON = 512 * 1024


def _json(value: object, *, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json", status=status)


async def _body(request: web.Request) -> dict[str, Any]:
    value = from_json(await request.read(), limit=MAX_JSON)
    if not isinstance(value, dict):
        raise Malformed("a JSON object is wanted")
    return value


def _text(values: dict[str, Any], name: str, default: str | None = None) -> str:
    value = values.get(name, default)
    if not isinstance(value, str):
        raise Malformed(f"{name} is wanted, as text")
    return value


def _object(values: dict[str, Any], name: str) -> dict[str, Any]:
    value = values.get(name, {})
    if not isinstance(value, dict):
        raise Malformed(f"{name} is wanted, as an object")
    return value


async def csrf(request: web.Request) -> web.Response:
    """The token that changing requests carry in ``X-Hotline-CSRF``; ask again after logging in."""
    sessions = request.app[SESSIONS]
    token = sessions.csrf(request)
    response = _json({"csrf": token})
    if not token:
        response.body = msgspec.json.encode({"csrf": sessions.csrf_before_login(response)})
    return response


async def login(request: web.Request) -> web.Response:
    """Spend a one-time token: ``{"token"}`` to ``{"officer"}`` and a session cookie."""
    kid = await request.app[DESK].redeem(_text(await _body(request), "token"))
    if kid is None:
        raise web.HTTPForbidden(text="That token is not valid, was used before, or is too old.")
    response = _json({"officer": kid})
    request.app[SESSIONS].begin(response, kid)
    return response


async def unlock(request: web.Request) -> web.Response:
    """Open the officer's key: ``{"passphrase"}`` to ``{"ok"}``."""
    passphrase = _text(await _body(request), "passphrase").encode()
    return _json({"ok": await request.app[DESK].unlock(request[OFFICER].kid, passphrase)})


async def state(request: web.Request) -> web.Response:
    """Everything beside the threads' contents."""
    desk = request.app[DESK]
    return _json(
        {
            "name": desk.name,
            "office": desk.office,
            "now": desk.now(),
            "accord": desk.accord(),
            "offices": desk.offices(),
            "officers": desk.officers(),
            "connection": desk.connection(),
            "threads": desk.threads(),
        }
    )


async def thread(request: web.Request) -> web.Response:
    """One thread; ``?since=`` leaves out entries up to a position."""
    try:
        since = int(request.query.get("since", "0"))
    except ValueError:
        raise Malformed("since is a number") from None
    found = request.app[DESK].thread(request.match_info["thread"], since=since)
    return _json(replace(found, chart=None))  # a picture for pages; programs have the ladder's own file


async def leaf(request: web.Request) -> web.Response:
    """The exact bytes of an entry, as they stand in the log (base64url)."""
    found = request.app[DESK].leaf(request.match_info["thread"], request.match_info["entry"])
    return _json({"leaf": b64u(found)})


async def journal(request: web.Request) -> web.Response:
    """This station's own log."""
    return _json(request.app[DESK].journal())


async def open_thread(request: web.Request) -> web.Response:
    values = await _body(request)
    outcome = await request.app[DESK].open_thread(
        request[OFFICER].kid, _text(values, "counterpart"), _text(values, "ladder"), _text(values, "title")
    )
    return _json(outcome)


def _sending(values: dict[str, Any]) -> dict[str, Any]:
    read_to, client_id = values.get("read_to"), values.get("client_id")
    if read_to is not None and not isinstance(read_to, int):
        raise Malformed("read_to is a number")
    if client_id is not None and not isinstance(client_id, str):
        raise Malformed("client_id is text")
    return {
        "precedence": _text(values, "precedence", "ROUTINE"),
        "tlp": _text(values, "tlp", "AMBER+STRICT"),
        "read_to": read_to,
        "client_id": client_id,
    }


async def send(request: web.Request) -> web.Response:
    """``files``: blobs of files that were attached before (`web.desk.files`), to go with it."""
    values, thread = await _body(request), request.match_info["thread"]
    blobs = values.pop("files", [])
    if not isinstance(blobs, list) or not all(isinstance(each, str) for each in blobs):
        raise Malformed("files are a list of blobs")
    files = request.app[DESK].attached(thread, blobs)
    if isinstance(files, Outcome):
        return _json(files)
    outcome = await request.app[DESK].send(
        request[OFFICER].kid,
        thread,
        _text(values, "kind"),
        _object(values, "act"),
        {**_object(values, "fields"), **files},
        **_sending(values),
    )
    return _json(outcome)


async def insist(request: web.Request) -> web.Response:
    """Send although this station refuses; the hub's answer, and the signed entry for anybody else to judge."""
    values = await _body(request)
    outcome, entry = await request.app[DESK].insist(
        request[OFFICER].kid,
        request.match_info["thread"],
        _text(values, "kind"),
        _object(values, "act"),
        _object(values, "fields"),
    )
    return _json({"outcome": outcome, "entry": b64u(entry)})


async def judge(request: web.Request) -> web.Response:
    """Whether an entry (base64url) that came by another path would follow now; nothing is stored."""
    outcome: Outcome = request.app[DESK].judge(unb64u(_text(await _body(request), "entry")))
    return _json(outcome)


async def nominate(request: web.Request) -> web.Response:
    nominees = (await _body(request)).get("nominees")
    if not isinstance(nominees, list) or not all(isinstance(name, str) for name in nominees):
        raise Malformed("nominees are a list of offices")
    outcome = await request.app[DESK].nominate(request[OFFICER].kid, request.match_info["thread"], tuple(nominees))
    return _json(outcome)


async def mark_read(request: web.Request) -> web.Response:
    seq = (await _body(request)).get("seq")
    if not isinstance(seq, int):
        raise Malformed("seq is a number")
    await request.app[DESK].mark_read(request[OFFICER].kid, request.match_info["thread"], seq)
    return _json({"ok": True})


async def release(request: web.Request) -> web.Response:
    values = await _body(request)
    precedence = values.get("precedence")
    if precedence is not None and not isinstance(precedence, str):
        raise Malformed("precedence is text")
    outcome = await request.app[DESK].release(
        request[OFFICER].kid, request.match_info["pending"], precedence=precedence
    )
    return _json(outcome)


async def discard(request: web.Request) -> web.Response:
    return _json(await request.app[DESK].discard(request[OFFICER].kid, request.match_info["pending"]))


async def retry(request: web.Request) -> web.Response:
    return _json(await request.app[DESK].retry(request[OFFICER].kid, request.match_info["pending"]))


async def export(request: web.Request) -> web.Response:
    """The evidence with these fields (``SEQ:FIELD``) disclosed: ``bundle`` (a zip, base64url), and how many of the newest
    entries are ``left_out`` because they are not proven yet; or the outcome that refuses it."""
    disclose = (await _body(request)).get("disclose", [])
    if not isinstance(disclose, list) or not all(isinstance(each, str) for each in disclose):
        raise Malformed("disclose is a list of fields, such as 3:text")
    made = await request.app[DESK].export(request[OFFICER].kid, request.match_info["thread"], disclose)
    if isinstance(made, Outcome):
        return _json({"outcome": made})
    return _json({"bundle": b64u(made.bundle), "left_out": made.left_out})


def add_routes(app: web.Application) -> None:
    router = app.router
    router.add_get("/api/csrf", csrf, name="api-csrf")
    router.add_post("/api/login", login, name="api-login")
    router.add_post("/api/unlock", unlock, name="api-unlock")
    router.add_get("/api/state", state, name="api-state")
    router.add_get("/api/journal", journal, name="api-journal")
    router.add_post("/api/judge", judge, name="api-judge")
    router.add_post("/api/threads", open_thread, name="api-open")
    router.add_get("/api/threads/{thread}", thread, name="api-thread")
    router.add_get("/api/threads/{thread}/entries/{entry}/leaf", leaf, name="api-leaf")
    router.add_post("/api/threads/{thread}/send", send, name="api-send")
    router.add_post("/api/threads/{thread}/insist", insist, name="api-insist")
    router.add_post("/api/threads/{thread}/nominate", nominate, name="api-nominate")
    router.add_post("/api/threads/{thread}/read", mark_read, name="api-read")
    router.add_post("/api/threads/{thread}/export", export, name="api-export")
    router.add_post("/api/pending/{pending}/release", release, name="api-release")
    router.add_post("/api/pending/{pending}/discard", discard, name="api-discard")
    router.add_post("/api/pending/{pending}/retry", retry, name="api-retry")
