"""What a thread's entries say about replies: which clocks were met, when, and what was answered. A pure count.

It goes over a thread once, entry by entry, and can be put down at any entry and taken up again there: what it needs
besides the ladder's state is in its own rows. It counts what the fold computed, so it counts what every station computed.
Times are the hub's stamps (ms UTC): its claim, as everywhere but in what witnesses signed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from mediation import effects as fx
from mediation.ladder import Ladder
from mediation.state import Clock, ThreadState

Outcome = Literal["running", "met", "late", "missed", "stopped"]
"""``late``: answered after it had run out. ``missed``: ran out and is not answered. ``stopped``: lost its object."""

REPLIES = frozenset({"reply-by", "second-by"})
"""Clocks that wait for somebody. All others only let time pass: there is nothing to answer."""

NOBODY = "both"
"""Whom a clock without one respondent waits for."""


@dataclass(frozen=True, slots=True)
class ClockRow:
    """One clock. ``clock`` and ``started`` name it within its thread; ``about`` is the entry it concerns (``seq``).

    ``title``: the ladder's words for it. ``end``: when it runs (ran) out. ``ended``: when it was met, answered late or
    stopped; None while it is neither.
    """

    clock: str
    rule: str
    title: str
    office: str
    about: int
    started: int
    end: int
    outcome: Outcome
    ended: int | None


@dataclass(frozen=True, slots=True)
class RequestRow:
    """One clarification request: the entry's ``seq``, the party that was ``asked``, and one answer state a question."""

    seq: int
    asked: str
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """The rows that one entry made or changed."""

    clocks: tuple[ClockRow, ...] = ()
    requests: tuple[RequestRow, ...] = ()


def tally(
    ladder: Ladder, before: ThreadState | None, after: ThreadState, effects: Iterable[fx.Effect], at: int
) -> Changed:
    """What the entry stamped at ``at`` changed. ``effects``: everything the fold told of it, in order."""
    clocks: dict[tuple[str, int], ClockRow] = {}

    def put(clock: Clock, outcome: Outcome, ended: int | None = None) -> None:
        rule = ladder.clocks[clock.rule]
        if rule.kind in REPLIES:
            who = bound(ladder, clock) or NOBODY
            clocks[clock.id, clock.start] = ClockRow(
                clock.id, clock.rule, rule.title, who, clock.seq, clock.start, clock.end, outcome, ended
            )

    for effect in effects:
        match effect:
            case fx.ClockStarted(clock) | fx.ClockExtended(clock, _):
                put(clock, "running")
            case fx.ClockMet(clock):
                put(clock, "met", at)
            case fx.ClockStopped(clock):
                put(clock, "stopped", at)
            case fx.ClockExpired(clock):
                put(clock, "missed")
    known = set() if before is None else {_key(clock) for clock in before.expired if clock.answered}
    for clock in after.expired:
        if clock.answered and _key(clock) not in known:
            put(clock, "late", at)
    return Changed(tuple(clocks.values()), _requests(before, after))


def bound(ladder: Ladder, clock: Clock) -> str:
    """The party that a clock binds; "" where it binds both. The clock's own sides say who asked for what started it: a
    standstill or a session that one side asked for, and the other agreed to, is on neither of them alone."""
    return "" if ladder.clocks[clock.rule].who == "both" else clock.respondent


def _key(clock: Clock) -> tuple[str, int]:
    return clock.id, clock.start


def _requests(before: ThreadState | None, after: ThreadState) -> tuple[RequestRow, ...]:
    known = set() if before is None else set(before.asked)
    found = []
    for each in after.asked:
        if each not in known:
            asked = next((party for party in after.parties if party != each.office), NOBODY)
            found.append(RequestRow(each.seq, asked, each.answers))
    return tuple(found)
