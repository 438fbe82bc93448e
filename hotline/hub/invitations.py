"""Invitations: what the ladder's state says to offices that have a standing in a thread but no key of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from hotline.hub.thread import Thread
from mediation import awaited, holders
from mediation.fold import advance
from mediation.ladder import Ladder
from mediation.offers import Offer, allowed
from mediation.requests import roles_concerned
from mediation.rules import DEFAULT_APPOINTMENT
from mediation.state import ThreadState
from protocols.frames import Invitation, Opening
from protocols.kinds import act_to_dict

ROLE_KINDS = frozenset(
    {"step-request", "step-accept", "step-decline", "second", "block", "extension", DEFAULT_APPOINTMENT}
)
"""What holders of a ladder's roles act by."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An office is asked to act from outside: as what, what is waited for, about which entry; for a role of the ladder
    also what it could send now."""

    role: str
    status: str
    about: str | None = None
    rung: str = ""
    open: tuple[Opening, ...] = field(default=())


def asked_of(ladder: Ladder, state: ThreadState, office: str, at: int) -> Iterator[Asked]:
    """What the ladder waits for from ``office`` at ``at`` (ms UTC) while none of its stations is a member."""
    if office in state.roster.values():
        return
    mediation = state.mediation
    nominee = None if mediation is None else next((n for n in mediation.nominees if n.office == office), None)
    if nominee is not None:
        yield Asked("nominee", _status(state, office, nominee.accepted, nominee.declared, nominee.window_over))
    for report in state.reports:
        if report.verifier == office and not report.finding:
            yield Asked("verifier", "finding", report.entry)
    roles = holders.invited_as(advance(ladder, state, at), office)
    if roles and state.closed_at is None:
        openings = tuple(_openings(ladder, state, office, at))
        yield Asked(roles[0], "open" if openings else "waiting", rung=state.rung, open=openings)


def concerning(ladder: Ladder, state: ThreadState, office: str) -> frozenset[int]:
    """The open requests on which ``office`` has a say from outside, and the entries whose clocks run from its receipt, by
    ``seq``: it is shown them as they were signed."""
    roles = set(holders.invited_as(state, office))
    if not roles:
        return frozenset()
    asked = {found.seq for found in state.requests if roles & set(roles_concerned(ladder.steps[found.step]))}
    return frozenset(asked | set(awaited.sent_to(state, office)))


def _openings(ladder: Ladder, state: ThreadState, office: str, at: int) -> Iterator[Opening]:
    now = advance(ladder, state, at)
    for offer in allowed(ladder, state, office, at, kinds=ROLE_KINDS):
        if offer.allowed:
            yield _opening(ladder, now, offer)


def _opening(ladder: Ladder, state: ThreadState, offer: Offer) -> Opening:
    act = act_to_dict(offer.act)
    asked = next((asked for asked in state.requests if asked.entry == offer.subject), None)
    if asked is None:
        return Opening(offer.kind, act, until=_turn(ladder, state) if offer.kind == DEFAULT_APPOINTMENT else None)
    step = ladder.steps[asked.step]
    rules = {*ladder.moved_by.get(step.id, ()), *([step.seconded_by.within] if step.seconded_by is not None else [])}
    ends = [c.end for c in state.clocks if c.rule in rules and c.entry == asked.entry and c.paused is None]
    return Opening(offer.kind, act, asked.office, min(ends, default=None))


def _turn(ladder: Ladder, state: ThreadState) -> int | None:
    """When the time of the body that appoints is over (ms UTC); None where none runs."""
    body = "" if ladder.mediation is None else ladder.mediation.appointed_by
    ends = [c.end for c in state.clocks if body and ladder.clocks[c.rule].who == body and c.paused is None]
    return min(ends, default=None)


def _status(state: ThreadState, office: str, accepted: bool, declared: bool, window_over: bool) -> str:
    if office in state.admitted:
        return "rekey"
    if not accepted:
        return "acceptance"
    if not declared:
        return "declaration"
    return "admission" if window_over else "objections"


def invitations(thread: Thread, ladder: Ladder, office: str, station: str, at: int) -> Iterator[Invitation]:
    """The invitations that a station of ``office`` is shown for this thread at ``at`` (ms UTC)."""
    state = thread.state
    seat = state.seats.get(station)
    for asked in asked_of(ladder, state, office, at):
        yield Invitation(
            thread=thread.thread,
            ladder=thread.ladder,
            parties=state.parties,
            role=asked.role,
            status=asked.status,
            seq=thread.seq,
            head=thread.head,
            serial=1 if seat is None else seat.serial + 1,
            members=tuple(sorted(state.roster)),
            about=asked.about,
            rung=asked.rung,
            open=asked.open,
        )
