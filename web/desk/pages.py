"""The pages an officer reads: incidents, one incident, the journal, the help."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from hotline.station.views import EntryView, OfferView, Outcome, ThreadView
from protocols.attachment import ATTACHMENTS
from protocols.kinds import KINDS, Kind
from web.desk.drafts import DRAFTS, Place
from web.desk.forms import Form, FormProblem, make_form
from web.desk.inputs import Setting, Values
from web.desk.shortcuts import SHORTCUTS
from web.desk.state import DESK, OFFICER, show, thread_of
from web.desk.verbs import verb
from web.shared.charts import drawn
from web.shared.language import TEXT_LANGUAGES
from web.shared.markings import PRECEDENCES, TLPS

_REPLIES = {
    "clarification-request": ("clarification-answer", "holding-reply"),
    "authenticity-query": ("authenticity-answer",),
    "incident-notice": ("holding-reply",),
    "update": ("holding-reply",),
    "step-request": ("step-accept", "step-decline", "second", "block"),
    "objection": ("objection-answer",),
    "proposal": ("proposal-accept", "proposal-refuse"),
    "breach-report": ("finding",),
    "disclosure-notice": ("disclosure-consent",),
}
"""What an entry of a kind is usually answered with; shown as buttons beside it when the ladder offers them."""

_TIED = frozenset({"step-accept", "step-decline", "second", "block", "clarification-answer", "disclosure-consent"})
"""Kinds that the ladder offers once for each entry they may answer."""
_IN_HAND = frozenset({"acknowledged", "holding", "answered", "declined"})
"""Where an office stands once a person there has an entry in hand."""

_GROUPS = (
    ("Say", ("update", "statement", "holding-reply", "goodwill-note", "incident-notice", "public-attribution")),
    ("Ask and answer", ("clarification-request", "clarification-answer", "authenticity-query", "authenticity-answer")),
    ("Safety and standstill", ("public-safety-notice", "carve-out-notice", "breach-report", "finding", "extension")),
    (
        "Mediation",
        (
            "nomination",
            "mediator-acceptance",
            "declaration",
            "objection",
            "objection-answer",
            "waiver",
            "admission",
            "default-appointment",
            "withdrawal",
        ),
    ),
    ("Settle", ("session-open", "proposal", "proposal-accept", "proposal-refuse", "close")),
    ("Show to others", ("disclosure-notice", "disclosure-consent")),
)
"""How the menu of what can be written is divided. An acknowledgement stands beside the message it is about."""


def menu(offers: Sequence[OfferView]) -> list[tuple[str, list[OfferView]]]:
    """The allowed kinds in their groups, in the groups' order; what no group names comes last."""
    allowed = {offer.kind: offer for offer in offers if offer.allowed and offer.step is None}
    allowed.pop("acknowledgement", None)
    found = [(title, [allowed.pop(kind) for kind in names if kind in allowed]) for title, names in _GROUPS]
    return [(title, group) for title, group in (*found, ("More", list(allowed.values()))) if group]


def closed(offers: Sequence[OfferView]) -> list[OfferView]:
    """One forbidden offer a kind, of the kinds that cannot be written in any way now."""
    kinds = [offer for offer in offers if offer.step is None]
    able = {offer.kind for offer in kinds if offer.allowed}
    return list({offer.kind: offer for offer in reversed(kinds) if offer.kind not in able}.values())[::-1]


def scratch_key(kind: str, step: str | None, entry: str | None) -> str:
    """Under which name a half-written form is kept: an answer to one entry must not turn up under another."""
    return ".".join(part for part in (kind, step or "", (entry or "")[:12]) if part)


def find_offer(view: ThreadView, kind: str, step: str | None, entry: str | None) -> OfferView | None:
    """The ladder's offer for a kind: the same step if one is named, about the same entry if one is."""
    found = [offer for offer in view.offers if offer.kind == kind and (step is None or offer.step == step)]
    about = [offer for offer in found if entry is not None and entry in offer.act.values()]
    return next(iter(about or found), None)


def closed_offer(view: ThreadView, kind: Kind, step: str | None) -> OfferView:
    """What stands in for an offer that is gone, so that a form which was open keeps what was typed in it."""
    known = None if view.chart is None or step is None else view.chart.ladder.steps.get(step)
    return OfferView(
        kind.name,
        kind.title,
        step,
        (step or "") if known is None else known.title,
        "" if known is None else known.direction,
        False,
        False,
        {},
        kind.fields,
        kind.required,
        reason=f"“{verb(kind.name, kind.title)}” is not open to you any more: it was answered, its time ran out, or the "
        "incident moved on. What you typed is kept here.",
    )


def replies_to(view: ThreadView, entry: EntryView, office: str) -> list[OfferView]:
    """The offers that answer ``entry``, acknowledgement first; those that are tied to another entry left out."""
    if entry.own or not (KINDS[entry.kind].content or KINDS[entry.kind].receipt):
        return []
    found = []
    for kind in ("acknowledgement", *_REPLIES.get(entry.kind, ())):
        offer = find_offer(view, kind, None, entry.id)
        tied = kind in _TIED and offer is not None and entry.id not in offer.act.values()
        if offer is not None and not tied and (offer.allowed or _blank(offer)):
            found.append(offer)
    if any(mark.office == office and mark.state in _IN_HAND for mark in entry.marks):
        found = [offer for offer in found if offer.kind != "acknowledgement"]
    return found


def _blank(offer: OfferView) -> bool:
    """Whether the ladder tried the offer without an entry to try it on: then its no says nothing about this one."""
    return "A" * 43 in offer.act.values()


def setting_of(request: web.Request, view: ThreadView, offer: OfferView, entry: str | None) -> Setting:
    desk = request.app[DESK]
    return Setting(view, offer, desk.office, desk.offices(), entry)


async def threads_page(request: web.Request) -> web.Response:
    """All incidents, and the form that opens one."""
    return show(request, "desk/threads.html", problem="", typed={}, opened="done" in request.query)


async def thread_page(request: web.Request) -> web.Response:
    """One incident; with ``?write=<kind>`` also the form for it, filled with what was typed before."""
    view = thread_of(request)
    kind = request.query.get("write")
    if kind is None:
        return show_thread(request, view)
    step, entry = request.query.get("step"), request.query.get("entry")
    offer = find_offer(view, kind, step, entry)
    if offer is None and kind not in KINDS:
        raise web.HTTPNotFound
    key = scratch_key(kind, step, entry)
    kept, version = await request.app[DRAFTS].read(Place(request[OFFICER].kid, view.summary.id, key))
    if offer is None:
        # A link or a form that was open while the incident moved on, as when a step has been accepted already.
        if not kept:
            return show_thread(request, view, gone=KINDS[kind])
        offer = closed_offer(view, KINDS[kind], step)
    try:
        form = make_form(setting_of(request, view, offer, entry), as_values(kept))
    except FormProblem:
        raise web.HTTPNotFound from None
    return show_thread(request, view, form=form, key=key, version=version, entry=entry, restored=bool(kept))


def show_thread(
    request: web.Request,
    view: ThreadView,
    *,
    form: Form | None = None,
    key: str = "",
    version: str = "",
    entry: str | None = None,
    restored: bool = False,
    refused: Outcome | None = None,
    gone: Kind | None = None,
    status: int = 200,
) -> web.Response:
    """The page of an incident. ``refused``: what became of the form just sent. ``gone``: a kind asked for in vain."""
    done = request.query.get("done", "")
    files = request.app[DESK].files(view.summary.id)
    chosen = () if form is None else form.values.get("attachment", ())
    return show(
        request,
        "desk/thread.html",
        status=status,
        view=view,
        thread=view.summary,
        clocks={clock.id: clock for clock in view.clocks},
        steps=[offer for offer in view.offers if offer.step is not None],
        verb=verb,
        groups=menu(view.offers),
        closed=closed(view.offers),
        replies={item.id: replies_to(view, item, request.app[DESK].office.id) for item in view.entries},
        seqs={item.id: item for item in view.entries},
        fresh=lambda: secrets.token_urlsafe(16),
        form=form,
        files=files,
        attached=[files[blob] for blob in dict.fromkeys(chosen) if blob in files],
        takes_files=form is not None and ATTACHMENTS[0] in form.kind.fields,
        key=key,
        version=version,
        entry=entry,
        restored=restored,
        refused=refused,
        gone=gone,
        done=done if done in ("queued", "sending", "accepted", "draft", "released", "discarded", "retried") else "",
        precedences=PRECEDENCES,
        tlps=TLPS,
        text_languages=dict(TEXT_LANGUAGES),
    )


def as_values(kept: Mapping[str, Any]) -> Values:
    """A kept draft as form values, whatever shape it came back in."""
    return {
        name: [str(item) for item in value]
        if isinstance(value, Sequence) and not isinstance(value, str)
        else [str(value)]
        for name, value in kept.items()
    }


async def ladder_page(request: web.Request) -> web.Response:
    """The ladder of an incident as a picture and as a list, with the place the incident has on it."""
    view = thread_of(request)
    return show(request, "desk/ladder.html", view=view, thread=view.summary, drawn=drawn(view.chart))


async def journal_page(request: web.Request) -> web.Response:
    """What happened at this station: refused attempts, alarms, logins, rekeys."""
    return show(request, "desk/journal.html", journal=request.app[DESK].journal())


async def help_page(request: web.Request) -> web.Response:
    """Words, marks and keys."""
    return show(request, "desk/help.html", table=SHORTCUTS, precedences=PRECEDENCES, tlps=TLPS)


def add_routes(app: web.Application) -> None:
    app.router.add_get("/", threads_page, name="threads")
    app.router.add_get("/threads/{thread}", thread_page, name="thread")
    app.router.add_get("/threads/{thread}/ladder", ladder_page, name="ladder")
    app.router.add_get("/journal", journal_page, name="journal")
    app.router.add_get("/help", help_page, name="help")
