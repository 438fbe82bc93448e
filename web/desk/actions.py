"""What an officer does: opens, sends, releases, discards, retries, marks as read; and what they type, kept as they type.

Every action is a plain form, so it works without scripts. What was typed is kept before anything is tried: whatever
fails afterwards, nothing is lost.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from aiohttp import web

from hotline.station.views import Outcome
from protocols.kinds import Author, UnknownKind, kind_of
from web.desk.drafts import DRAFTS, SENT, Place, Save
from web.desk.forms import FormProblem, make_form, read_form
from web.desk.inputs import Values
from web.desk.pages import closed_offer, find_offer, scratch_key, setting_of, show_thread
from web.desk.state import DESK, OFFICER, show, thread_of
from web.shared.csrf import FIELD
from web.shared.markings import PRECEDENCES, TLPS
from web.shared.rendering import see

MORE = 3
"""Question lines that one press of "more lines" adds."""
_CONTROL = frozenset({FIELD, "do", "client_id", "draft", "read_to", "kind", "step", "about"})


async def _values(request: web.Request) -> dict[str, list[str]]:
    posted = await request.post()
    values: dict[str, list[str]] = {}
    for name, value in posted.items():
        if isinstance(value, str):
            values.setdefault(name, []).append(value)
    return values


def _first(values: Values, name: str) -> str:
    return next(iter(values.get(name, ())), "").strip()


def _typed(values: Values) -> dict[str, list[str]]:
    return {name: list(found) for name, found in values.items() if name not in _CONTROL}


async def open_thread(request: web.Request) -> web.Response:
    """Open an incident with another party."""
    desk, values = request.app[DESK], await _values(request)
    title = _first(values, "title")
    if not title:
        outcome = Outcome(False, "refused", sentence="Give the incident a name both sides will recognise.")
    else:
        outcome = await desk.open_thread(
            request[OFFICER].kid, _first(values, "counterpart"), _first(values, "ladder"), title
        )
    if outcome.ok:
        if outcome.thread is not None and any(known.id == outcome.thread for known in desk.threads()):
            return see(request, "thread", thread=outcome.thread)
        return see(request, "threads", query={"done": outcome.state})
    typed = {name: _first(values, name) for name in ("title", "counterpart", "ladder")}
    problem = outcome.sentence or "The incident could not be opened. Nothing was sent."
    return show(request, "desk/threads.html", status=409, problem=problem, typed=typed, opened=False)


async def send(request: web.Request) -> web.Response:
    """Send one entry: keep what was typed, read the form, let the station and its ladder decide."""
    desk, officer, values = request.app[DESK], request[OFFICER], await _values(request)
    view = thread_of(request)
    thread = view.summary.id
    kind_name, step, entry = _first(values, "kind"), _first(values, "step") or None, _first(values, "about") or None
    kind = kind_of(kind_name)
    if kind.author is not Author.OFFICER:
        raise UnknownKind(kind_name)
    offer = find_offer(view, kind_name, step, entry)
    if offer is None:
        # The ladder moved while the form was open. The station says why; the page makes up no rule of its own.
        offer = closed_offer(view, kind, step)
    key = scratch_key(kind_name, step, entry)
    typed = _typed(values)
    drafts, place = request.app[DRAFTS], Place(officer.kid, thread, key)
    save = Save(_first(values, "client_id"), SENT, _first(values, "draft") if "draft" in values else None)
    # A form of before, sent once more, leaves newer words where they are: it then goes on from the version it showed.
    kept = await drafts.save(place, typed, save)
    version = drafts.version(place) if kept else save.base or ""
    setting = setting_of(request, view, offer, entry)
    if _first(values, "do") == "more":
        more = {**typed, "question": [*typed.get("question", []), *[""] * MORE]}
        return show_thread(request, view, form=make_form(setting, more), key=key, version=version, entry=entry)
    try:
        act, fields = read_form(setting, typed)
    except FormProblem as problem:
        form = make_form(setting, typed, problem)
        return show_thread(request, view, form=form, key=key, version=version, entry=entry, status=422)
    if attached := [blob for blob in values.get("attachment", ()) if blob]:
        files = desk.attached(thread, attached)
        if isinstance(files, Outcome):
            form = make_form(setting, typed, FormProblem("attachment", files.sentence or ""))
            return show_thread(request, view, form=form, key=key, version=version, entry=entry, status=422)
        fields = {**fields, **files}
    if kind_name == "nomination":
        outcome = await desk.nominate(officer.kid, thread, tuple(act["nominees"]))
    else:
        outcome = await desk.send(
            officer.kid,
            thread,
            kind_name,
            act,
            fields,
            precedence=_among(_first(values, "precedence"), PRECEDENCES, "ROUTINE"),
            tlp=_among(_first(values, "tlp"), TLPS, "AMBER+STRICT"),
            read_to=_number(values, "read_to"),
            client_id=_first(values, "client_id") or None,
        )
    if outcome.ok:
        if kept:
            await drafts.save(place, {}, save)
        return see(request, "thread", query={"done": outcome.state}, at="newest", thread=thread)
    if outcome.id is not None:
        # The hub refused it. The words stand in the form again; the same once more in the outbox would only be sent twice.
        await desk.discard(officer.kid, outcome.id)
    form = make_form(setting, typed)
    view = thread_of(request)
    return show_thread(request, view, form=form, key=key, version=version, entry=entry, refused=outcome, status=409)


def _among(value: str, table: tuple[tuple[str, ...], ...], default: str) -> str:
    return value if value in {row[0] for row in table} else default


def _number(values: Values, name: str) -> int | None:
    text = _first(values, name)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


async def pending(request: web.Request) -> web.Response:
    """Release, discard or retry something of ours that the hub does not have yet."""
    desk, officer, values = request.app[DESK], request[OFFICER], await _values(request)
    view = thread_of(request)
    item, do = request.match_info["item"], request.match_info["do"]
    if do == "release":
        precedence = _among(_first(values, "precedence"), PRECEDENCES, "") or None
        outcome = await desk.release(officer.kid, item, precedence=precedence)
    elif do == "discard":
        outcome = await desk.discard(officer.kid, item)
    else:
        outcome = await desk.retry(officer.kid, item)
    if outcome.ok:
        done = {"release": "released", "discard": "discarded", "retry": "retried"}[do]
        return see(request, "thread", query={"done": done}, at="newest", thread=view.summary.id)
    return show_thread(request, thread_of(request), refused=outcome, status=409)


async def mark_read(request: web.Request) -> web.Response:
    """Mark everything up to one entry as read by this officer."""
    thread, values = request.match_info["thread"], await _values(request)
    seq = _number(values, "seq")
    if seq is not None:
        await request.app[DESK].mark_read(request[OFFICER].kid, thread, seq)
    return see(request, "thread", at="newest", thread=thread)


class _Scratch(msgspec.Struct, forbid_unknown_fields=True):
    key: str
    values: dict[str, list[str]]
    page: Annotated[str, msgspec.Meta(max_length=64)] = ""
    number: Annotated[int, msgspec.Meta(ge=0, lt=SENT)] = 0
    base: str | None = None


async def scratch(request: web.Request) -> web.Response:
    """Keep what is being typed. JSON ``{"key": …, "values": {name: [text]}}``, with the page's own name, the number of this
    save and the version it goes on from (`web.desk.drafts`); 204 once it is safe, 409 where newer words stand there."""
    try:
        given = msgspec.json.decode(await request.read(), type=_Scratch)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise web.HTTPBadRequest(text="Not a draft.") from None
    place = Place(request[OFFICER].kid, thread_of(request).summary.id, given.key[:120])
    values: dict[str, Any] = _typed(given.values)
    if not await request.app[DRAFTS].save(place, values, Save(given.page, given.number, given.base)):
        raise web.HTTPConflict(text="Newer words are kept for this form. These were not kept.")
    return web.Response(status=204)


async def scratch_version(request: web.Request) -> web.Response:
    """Which save of ``?key=`` is the newest, without its words: a page asks whether those of the page before it came."""
    place = Place(request[OFFICER].kid, thread_of(request).summary.id, request.query.get("key", "")[:120])
    return web.json_response({"version": request.app[DRAFTS].version(place)})


def add_routes(app: web.Application) -> None:
    app.router.add_post("/open", open_thread, name="open")
    app.router.add_post("/threads/{thread}/send", send, name="send")
    app.router.add_post("/threads/{thread}/read", mark_read, name="read")
    app.router.add_post("/threads/{thread}/scratch", scratch, name="scratch")
    app.router.add_get("/threads/{thread}/scratch", scratch_version, name="scratch-version")
    app.router.add_post("/threads/{thread}/pending/{item}/{do:release|discard|retry}", pending, name="pending")
