"""A thread as the desk shows it, in words, from what was replayed. Nothing here decides anything."""

from __future__ import annotations

import math

from hotline.station.core import Core
from hotline.station.lookout import reminded
from hotline.station.model import Thread
from hotline.station.screens import outside
from hotline.station.screens.clocks import clocks
from hotline.station.screens.due import due
from hotline.station.screens.entries import entry, pending, unread
from hotline.station.screens.mediators import mediation_words, mediators
from hotline.station.screens.offers import offers
from hotline.station.screens.parting import parting
from hotline.station.screens.requests import requests
from hotline.station.screens.state import shown_state
from hotline.station.views import RungView, ThreadSummary, ThreadView
from hotline.words import clock_title
from mediation.drawing import Chart
from mediation.ladder import Ladder
from mediation.state import state_hash
from mediation.words import mark
from protocols.encoding import rfc3339


def summary(core: Core, thread: Thread) -> ThreadSummary:
    """One line of the list."""
    now, state, ladder = core.now(), shown_state(core, thread), thread.ladder
    rung = outside.rung(thread) if state is None else state.rung
    found = None if ladder is None else ladder.rungs.get(rung)
    closed = state is not None and ladder is not None and state.rung == ladder.closed
    running = () if state is None else state.clocks
    coming = min(
        (clock for clock in running if clock.paused is None and clock.end >= now),
        key=lambda clock: clock.end,
        default=None,
    )
    if state is None:
        return _outside_summary(core, thread, rung, "outside" if found is None else found.title)
    return ThreadSummary(
        id=thread.id,
        title=title(thread),
        parties=_parties(thread),
        members=thread.offices(),
        rung=rung,
        rung_title=rung if found is None else found.title,
        standstill_until=None if state.standstill is None else state.standstill.end,
        next_clock=None if coming is None else coming.end,
        next_title="" if coming is None else clock_title(ladder, coming),
        unread=sum(unread(core, thread, held) for held in thread.held),
        last_at=thread.held[-1].stamp.at if thread.held else thread.position.at,
        closed=closed,
        frozen=thread.frozen,
        parted=None if thread.parted is None else thread.parted.sentence(thread.id),
        next_mark="" if coming is None or ladder is None else mark(ladder.clocks[coming.rule]),
        next_id="" if coming is None else coming.id,
        unanswered=reminded(core, thread),
        due=() if ladder is None else due(ladder, state, core.identity.office),
    )


def pressing(found: ThreadSummary) -> tuple[bool, float, bool, int, str]:
    """The order of the list: open incidents before closed ones; first where we owe something, by when it is due; then where
    something is unread; then by the newest entry."""
    ours = min((each.end for each in found.due if each.ours), default=math.inf)
    return found.closed, ours, not found.unread, -found.last_at, found.id


def _outside_summary(core: Core, thread: Thread, rung: str, rung_title: str) -> ThreadSummary:
    coming = next((clock for clock in outside.outside_clocks(thread) if clock.end is not None), None)
    return ThreadSummary(
        id=thread.id,
        title=title(thread),
        parties=_parties(thread),
        members=(),
        rung=rung,
        rung_title=rung_title,
        standstill_until=None,
        next_clock=None if coming is None else coming.end,
        next_title="" if coming is None else coming.title,
        unread=sum(unread(core, thread, held) for held in thread.held),
        last_at=thread.held[-1].stamp.at if thread.held else thread.position.at,
        closed=False,
        frozen=thread.frozen,
        next_mark="" if coming is None else coming.mark,
        standing=outside.standing_words(thread),
    )


def title(thread: Thread) -> str:
    """What people call the thread: as it was opened here, else its first subject, else its parties."""
    if thread.title:
        return thread.title
    for held in thread.held:
        subject = None if held.fields is None else held.fields.get("subject")
        if isinstance(subject, str) and subject:
            return subject
    parties = " – ".join(_parties(thread)) or "Thread"
    return f"{parties}, {rfc3339(thread.held[0].stamp.at)[:10]}" if thread.held else parties


def view(core: Core, thread: Thread, since: int) -> ThreadView:
    """Everything the page of a thread shows; entries after ``since``."""
    state, ladder = shown_state(core, thread), thread.ladder
    in_force = next((each for each in core.identity.accord.accord.ladders if each.id == thread.ladder_id), None)
    return ThreadView(
        summary=summary(core, thread),
        ladder=thread.ladder_id,
        ladder_title="" if ladder is None else ladder.title,
        scale=1 if in_force is None else in_force.scale,
        rungs=() if ladder is None else _rungs(ladder, outside.rung(thread) if state is None else state.rung),
        clocks=outside.outside_clocks(thread) if state is None or ladder is None else clocks(ladder, state),
        offers=offers(core, thread, state),
        mediators=() if state is None else mediators(core, state),
        mediation=mediation_words(state),
        entries=tuple(entry(core, thread, held) for held in thread.held if held.seq > since),
        pending=tuple(pending(core, item) for item in core.pending(thread.id) if not item.intent.auto),
        epoch=None if state is None or thread.mls is None else state.epoch,
        state_hash="" if thread.state is None else state_hash(thread.state),
        newest=thread.held[-1].seq if thread.held else 0,
        parting=parting(core, thread),
        chart=None if ladder is None else Chart(ladder, state, core.now()),
        requests=() if state is None or ladder is None else requests(ladder, state, core.office_name),
        outside=outside.standing(thread),
    )


def _parties(thread: Thread) -> tuple[str, ...]:
    if thread.state is not None:
        return thread.state.parties
    return () if thread.invitation is None else thread.invitation.parties


def _rungs(ladder: Ladder, here: str) -> tuple[RungView, ...]:
    return tuple(RungView(rung.id, rung.title, rung.level, rung.id == here) for rung in ladder.rungs.values())
