"""Exporting an incident's evidence: a preview of what its reader will see, entries to leave out with a reason, the download.

What was chosen travels as the bundle's own redaction sheet in the form and is read back with the sheet's own strictness;
nothing is kept on the server, nothing is in an address.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec
from aiohttp import web

from hotline.hub.views import ThreadTrail
from protocols.redaction import REASONS, Redaction, RedactionMalformed, make_sheet, parse_sheet, sheet_bytes
from web.console.state import CONSOLE, look, show
from web.shared.sessions import SESSION

_THREAD = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)
_SEQ = re.compile(r"[1-9][0-9]{0,5}", re.ASCII)
_REASONS = {name: words for name, words in REASONS.items() if name != "not-in-source"}


class BadChoice(Exception):
    """What was to be left out was not said fully; the message says what is missing."""


async def _trail(request: web.Request) -> ThreadTrail:
    thread = request.match_info["thread"]
    found = await request.app[CONSOLE].trail(thread) if _THREAD.fullmatch(thread) else None
    if found is None:
        raise web.HTTPNotFound
    return found


async def preview(request: web.Request) -> web.Response:
    """Every entry as a reader of the bundle will see it, nothing left out yet."""
    thread = request.match_info["thread"]
    await look(request, f"export preview {thread}")
    return await _preview(request, await _trail(request), ())


async def export(request: web.Request) -> web.Response:
    """``do``: ``add`` and ``show SEQ`` change what is left out and show the preview again; otherwise the bundle itself, as a
    download. A POST: it is an act, and each download is recorded."""
    trail = await _trail(request)
    posted = await request.post()
    form = {name: value for name, value in posted.items() if isinstance(value, str)}
    picked = [value for value in posted.getall("withhold", []) if isinstance(value, str)]
    thread, do = trail.row.id, form.get("do", "")
    try:
        items = _read(thread, form.get("sheet", ""))
        if do == "add":
            items = _add(trail, items, picked, form)
            return await _preview(request, trail, items)
        if do.startswith("show "):
            return await _preview(request, trail, tuple(item for item in items if str(item.seq) != do[5:]))
        upto = _upto(form.get("upto", ""))
        if picked:
            # Ticked but not yet left out: a download now would show what somebody meant to hide.
            raise BadChoice("Entries are ticked and no reason was given for them yet. Leave them out, or untick them.")
    except BadChoice as error:
        return await _preview(request, trail, items, problem=str(error), given=form, picked=frozenset(picked))
    except RedactionMalformed as error:
        raise web.HTTPBadRequest(text=f"{error.sentence} Nothing was exported; open the preview again.") from None
    console, who = request.app[CONSOLE], request[SESSION].who
    # Never folded into an earlier look: each export is recorded.
    left_out = f" without {' '.join(str(item.seq) for item in items)}" if items else ""
    await console.record_look(who, f"export {thread}{left_out}"[:200])
    bundle = await console.export(thread, items, f"{who} at {console.summary().name}", upto)
    return web.Response(
        body=bundle,
        content_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="hotline-{thread}.zip"'},
    )


async def _preview(
    request: web.Request,
    trail: ThreadTrail,
    items: tuple[Redaction, ...],
    *,
    problem: str = "",
    given: Mapping[str, str] | None = None,
    picked: frozenset[str] = frozenset(),
) -> web.Response:
    health = await request.app[CONSOLE].log_health()
    proven = [entry for entry in trail.entries if entry.index < health.published_size]
    withheld = {item.seq: item for item in items}
    first = min(withheld, default=None)
    response = show(
        request,
        "console/export.html",
        trail=trail,
        thread=trail.row,
        entries=proven,
        later=len(trail.entries) - len(proven),
        withheld=withheld,
        replayed=first - 1 if first is not None else len(proven),
        sheet=sheet_bytes(make_sheet(trail.row.id, items)).decode() if items else "",
        reasons=_REASONS,
        given={} if given is None else given,
        picked=picked,
        problem=problem,
    )
    if problem:
        response.set_status(400)
    return response


def _upto(text: str) -> int | None:
    """The last entry of the preview: what became provable since then was not looked at, and does not go out."""
    if not text:
        return None
    if not _SEQ.fullmatch(text):
        raise BadChoice("The form was not whole. Look through the preview again.")
    return int(text)


def _read(thread: str, text: str) -> tuple[Redaction, ...]:
    """The items chosen so far. Raises `RedactionMalformed`."""
    if not text:
        return ()
    # Browsers send a field's line ends as CR LF, and may drop the last one.
    sheet = parse_sheet(text.strip().encode() + b"\n")
    if sheet.thread != thread:
        raise RedactionMalformed("another thread's")
    return sheet.items


def _add(
    trail: ThreadTrail, items: tuple[Redaction, ...], picked: list[str], form: Mapping[str, str]
) -> tuple[Redaction, ...]:
    """The items and those that are picked now. Raises `BadChoice`."""
    known, held = {entry.seq for entry in trail.entries}, {item.seq for item in items}
    chosen = {int(text) for text in picked if _SEQ.fullmatch(text)}
    if not chosen:
        raise BadChoice("Tick the entries to leave out first.")
    if not chosen <= known:
        raise BadChoice("An entry that this incident does not have.")
    by, reason = form.get("by", "").strip(), form.get("reason", "")
    if reason not in _REASONS:
        raise BadChoice("Choose why they are left out.")
    if not by:
        raise BadChoice("Say who decided that they are left out: an office, a court, a person.")
    label = {name: form.get(name, "").strip() for name in ("order", "docket", "level")}
    values = {"by": by, "reason": reason, "withheld": True, "words": form.get("words", "").strip(), "label": label}
    if reason == "court-order" and not label["order"]:
        raise BadChoice("Name the court's order and its date.")
    try:
        new = [msgspec.convert({"seq": seq, **values}, Redaction, strict=True) for seq in sorted(chosen - held)]
    except msgspec.ValidationError:
        raise BadChoice("A field is too long: at most 200 characters for who decided, 1000 for the words.") from None
    return make_sheet(trail.row.id, [*items, *new]).items


def add_routes(app: web.Application) -> None:
    app.router.add_get("/threads/{thread}/export", preview, name="export")
    app.router.add_post("/threads/{thread}/export", export, name="export-post")
