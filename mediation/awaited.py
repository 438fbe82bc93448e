"""Entries whose clocks wait for a receipt: whose receipt counts, which clocks it will start, and which it no longer will.

A treaty counts from receipt by the other party (WTO DSU art. 4.3), by a body (CTBT art. IV.32: the Executive Council
forwards within 24 hours after receipt), or of what a body sends on (ib.: the requested state answers within 48 hours
after receipt). So a clock says of what, a kind or a step, and by whom. Of several who hold a role the first to sign
counts: a body has what one of its offices has, and a last one that stays offline could keep the clock from ever starting.

Nothing here refuses. What never is received starts nothing, so a ladder that grants something after a receipt also says
what grants it without one (`mediation.checker.properties.receipts`).
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from mediation import holders
from mediation.draft import Draft
from mediation.ladder import Ladder
from mediation.move import Move
from mediation.rules import OTHER
from mediation.state import Awaiting, Clock, ThreadState

KEPT = 64
"""Entries kept at most, received ones forgotten first."""


def expect(draft: Draft, move: Move, step: str = "") -> None:
    """The entry just admitted, or the ``step`` it asks for or takes, has clocks from receipt: whoever's receipt counts is
    asked to take part. Of one step one request waits at a time, as its other clocks run once; whoever holds a role and
    signs for nothing does not keep an office from writing, so of such entries an office's oldest give way."""
    for by in draft.ladder.receivers.get(step or move.kind, ()):
        before = [
            found
            for found in draft.state.awaiting
            if (found.kind, found.step, found.by) == (move.kind, step, by) and not found.received
        ]
        if step and before:
            continue
        own = [found for found in before if found.office == move.office]
        gives_way = own[0] if by != OTHER and len(own) >= draft.ladder.limits.open_questions else None
        others = tuple(found for found in draft.state.awaiting if found is not gives_way)
        draft.set(awaiting=_trim((*others, Awaiting(move.id, move.seq, move.kind, move.office, step=step, by=by))))
        holders.invite(draft, by)


def _trim(awaiting: tuple[Awaiting, ...]) -> tuple[Awaiting, ...]:
    surplus = len(awaiting) - KEPT
    if surplus <= 0:
        return awaiting
    old = [found for found in awaiting if found.received][:surplus]
    return tuple(found for found in awaiting if found not in old)[-KEPT:]


def receivers(state: ThreadState, awaiting: Awaiting) -> tuple[str, ...]:
    """The offices whose receipt starts the clocks, the first of them that signs; never the sender's own."""
    offices = state.parties if awaiting.by == OTHER else holders.of(state, awaiting.by)
    return tuple(office for office in offices if office != awaiting.office)


def rules(ladder: Ladder, awaiting: Awaiting) -> tuple[str, ...]:
    """The clocks that its receipt will start; none once it was received."""
    if awaiting.received:
        return ()
    return tuple(
        rule
        for rule in ladder.starting.get(("receipt", awaiting.step or awaiting.kind), ())
        if ladder.clocks[rule].by == awaiting.by and rule not in awaiting.met
    )


def sides(draft: Draft, awaiting: Awaiting, receiver: str = "") -> tuple[str, str]:
    """Who gains by the clocks and who must act: the sender and whoever receives; where a role's receipt counts, or of a
    step, the party that asks and the other one."""
    if awaiting.step or awaiting.by != OTHER:
        return draft.sides(awaiting.office)
    return awaiting.office, receiver or draft.opponent(awaiting.office)


def withhold(draft: Draft, which: Callable[[Clock], bool], among: frozenset[str] | None = None) -> list[Clock]:
    """Clocks that no receipt starts any more, as they would have been: what they wait for is here, or they lost their
    object. ``which`` sees them without id, start and end; ``among``: only clocks of these definitions."""
    gone: dict[int, list[Clock]] = {}
    for number, awaiting in enumerate(draft.state.awaiting):
        # Most have been received, in a long thread: they are kept only so that a second receipt is told from a first.
        if awaiting.received:
            continue
        for rule in rules(draft.ladder, awaiting):
            if among is None or rule in among:
                clock = Clock("", rule, 0, 0, awaiting.entry, awaiting.seq, *sides(draft, awaiting))
                if which(clock):
                    gone.setdefault(number, []).append(clock)
    if not gone:
        return []
    kept: list[Awaiting] = []
    for number, awaiting in enumerate(draft.state.awaiting):
        less = replace(awaiting, met=(*awaiting.met, *(clock.rule for clock in gone.get(number, ()))))
        if not awaiting.step or number not in gone or rules(draft.ladder, less):
            kept.append(less)  # else nothing is left to wait for: the step may be asked for anew
    draft.set(awaiting=tuple(kept))
    return [clock for clocks in gone.values() for clock in clocks]


def readers(ladder: Ladder, kind: str, step: str = "") -> tuple[str, ...]:
    """The roles whose receipt of an entry of ``kind`` (which asks for ``step``) starts a clock: they are sent it."""
    steps = (step,) if step else ladder.triggers.get(kind, ())
    found = (by for of in (kind, *steps) for by in ladder.receivers.get(of, ()))
    return tuple(by for by in dict.fromkeys(found) if by != OTHER)


def sent_to(state: ThreadState, office: str) -> tuple[int, ...]:
    """Positions of the entries that wait, or waited, for the receipt of a role that ``office`` holds."""
    return tuple(found.seq for found in state.awaiting if office in state.holders.get(found.by, ()))
