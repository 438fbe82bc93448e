"""Invitations: what the ladder's state says to offices that have a standing in a thread but no key of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from hotline.hub.thread import Thread
from mediation.state import ThreadState
from protocols.frames import Invitation


@dataclass(frozen=True, slots=True)
class Asked:
    """An office is asked to act from outside: as what, what is waited for, about which entry."""

    role: Literal["nominee", "verifier"]
    status: str
    about: str | None = None


def asked_of(state: ThreadState, office: str) -> Iterator[Asked]:
    """What the ladder waits for from ``office`` while none of its stations is a member."""
    if office in state.roster.values():
        return
    mediation = state.mediation
    nominee = None if mediation is None else next((n for n in mediation.nominees if n.office == office), None)
    if nominee is not None:
        yield Asked("nominee", _status(state, office, nominee.accepted, nominee.declared, nominee.window_over))
    for report in state.reports:
        if report.verifier == office and not report.finding:
            yield Asked("verifier", "finding", report.entry)


def _status(state: ThreadState, office: str, accepted: bool, declared: bool, window_over: bool) -> str:
    if office in state.admitted:
        return "rekey"
    if not accepted:
        return "acceptance"
    if not declared:
        return "declaration"
    return "admission" if window_over else "objections"


def invitations(thread: Thread, office: str, station: str) -> Iterator[Invitation]:
    """The invitations that a station of ``office`` is shown for this thread now."""
    state = thread.state
    seat = state.seats.get(station)
    for asked in asked_of(state, office):
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
        )
