"""The ladder as a pure function: from a state and the next entry to the next state, or to a refusal.

The hub runs it before it admits an entry; every station runs it again on what the hub delivers; a court runs it on an
exported bundle. There is no I/O here, no clock and no randomness: the same entries with the same stamps give the same
bytes everywhere.

Illegal input never raises: it is answered by a `Refusal` and the state given stays as it was.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from mediation import (
    appointing,
    clocks,
    closing,
    disclosures,
    evidence,
    extensions,
    holders,
    mediators,
    nominations,
    proposals,
    questions,
    release,
    renewals,
    requests,
    roster,
    seconding,
    standing,
    standstill,
    steps,
    windows,
)
from mediation.context import ThreadContext
from mediation.crossing import note_crossing
from mediation.draft import Draft
from mediation.effects import Effect
from mediation.ladder import Ladder
from mediation.move import Move
from mediation.refusals import SAFE, Refusal
from mediation.state import Clock, Seat, ThreadState
from protocols.kinds import KINDS, Open

__all__ = [
    "HANDLERS",
    "Outcome",
    "Refusal",
    "advance",
    "due",
    "elapse",
    "next_due",
    "next_turn",
    "open_thread",
    "step",
    "unannounced",
]


class Outcome(msgspec.Struct, frozen=True):
    """An admitted entry (or elapsed time): the new state and what became true, in order."""

    state: ThreadState
    effects: tuple[Effect, ...] = ()


Handler = Callable[[Draft, Move], Refusal | None]

# One line a kind. A kind that is not here has no rules beyond the common ones.
HANDLERS: dict[str, Handler] = {
    "rekey": roster.rekey,
    "rejoin": renewals.rejoin,
    "followed": renewals.followed,
    "cannot-follow": renewals.cannot_follow,
    "resealed": renewals.resealed,
    "receipt": questions.receipt,
    "clock-expired": clocks.announce,
    "clarification-request": questions.ask,
    "clarification-answer": questions.answer,
    "step-request": steps.request,
    "step-accept": steps.accept,
    "step-decline": steps.decline,
    "second": seconding.second,
    "block": seconding.block,
    "extension": extensions.extension,
    "carve-out-notice": closing.carve_out,
    "breach-report": closing.breach_report,
    "finding": closing.finding,
    "close": closing.close,
    "nomination": nominations.nominate,
    "nomination-reveal": nominations.reveal,
    "default-appointment": appointing.appoint_by_default,
    "mediator-acceptance": mediators.accept,
    "declaration": mediators.declare,
    "objection": mediators.object_to,
    "objection-answer": mediators.answer_objection,
    "waiver": mediators.waive,
    "admission": mediators.admit,
    "withdrawal": mediators.withdraw,
    "handover": mediators.hand_over,
    "proposal": proposals.propose,
    "proposal-accept": proposals.accept,
    "proposal-refuse": proposals.refuse,
    "disclosure-notice": disclosures.notice,
    "disclosure-consent": disclosures.consent,
}


def open_thread(context: ThreadContext, move: Move, at: int) -> Outcome | Refusal:
    """The first state, from an entry of kind ``open`` by a station of one of the two parties.

    The roster must hold stations of both parties and of nobody else; the thread stands on the ladder's first rung,
    its group in epoch 1. A scale above 1 is refused unless the accord is an EXERCISE.
    """
    ladder, act = context.ladder, move.act

    def refuse(code: str, happened: str) -> Refusal:
        return Refusal(f"ladder.{code}", ladder.rule(code), f"{happened} {SAFE}")

    if move.kind != "open" or not isinstance(act, Open):
        return refuse("not-open", "A thread begins with its opening and nothing else.")
    if not _is_time(at):
        return refuse("bad-time", "The stamp is not a time this line computes with.")
    if context.scale < 1 or (context.scale > 1 and context.status != "EXERCISE"):
        return refuse("scale", "Clocks run faster only in an exercise.")
    if act.ladder != ladder.id:
        return refuse("other-ladder", "The thread names another ladder than the one at hand.")
    known = {office.id: office.role for office in context.offices}
    first, second = act.parties
    if first == second or any(known.get(party) != "party" for party in act.parties):
        return refuse("parties", "A thread has two different parties of the accord.")
    stations = {member.station: member.office for member in act.roster}
    if len(stations) != len(act.roster) or set(stations.values()) != {first, second}:
        return refuse("roster", "The first members are stations of both parties and of nobody else.")
    if any(list(stations.values()).count(party) > ladder.limits.stations for party in act.parties):
        return refuse("too-many-stations", "An office has more stations here than this ladder allows.")
    if stations.get(move.station) != move.office:
        return refuse("not-member", "The opening station is not among the first members.")
    if (move.seq, move.serial, move.prev_seq) != (1, 1, 0):
        return refuse("sequence", "An opening is the first entry of its thread and of its station there.")
    if ladder.sunset is not None and at >= ladder.sunset:
        return refuse("sunset", "This ladder has passed its sunset date: no new thread opens under it.")
    held = holders.at_opening(context, act.parties)
    vacant = next(
        (role.id for role in ladder.roles.values() if role.held_by == "named" and not held.get(role.id)), None
    )
    if vacant is not None:
        return refuse(
            "role-vacant", f"No office is left to hold the role {ladder.roles[vacant].title!r} in this thread."
        )
    seats = {
        station: Seat(office, 1 if station == move.station else 0, member=True) for station, office in stations.items()
    }
    draft = Draft(
        ladder,
        ThreadState(
            thread=context.thread or move.id,
            ladder=ladder.id,
            ladder_hash=ladder.hash,
            scale=context.scale,
            status=context.status,
            parties=act.parties,
            offices=context.offices,
            opened=at,
            at=at,
            seq=1,
            epoch=1,
            rung=ladder.start,
            rung_since=at,
            seats=seats,
            entered={ladder.start: 1},
            initiator=move.office,
            holders=held,
            nationals=holders.nationals(context, act.parties),
        ),
        at,
    )
    holders.invite_callable(draft)
    return Outcome(draft.state, tuple(draft.effects))


def step(ladder: Ladder, state: ThreadState, move: Move, at: int) -> Outcome | Refusal:
    """The state after ``move``, which the hub stamped ``at`` (milliseconds UTC, never backwards), or a refusal.

    What the time since the last entry did comes first, and its effects stand first in the outcome.
    """
    draft = Draft(ladder, state, at)
    if ladder.hash != state.ladder_hash:
        return draft.refuse("other-ladder", "This thread runs under another version of the ladder.")
    if not _is_time(at):
        return draft.refuse("bad-time", "The stamp is not a time this line computes with.")
    if at < state.at:
        return draft.refuse("time-backwards", "The message is stamped earlier than the one before it.")
    _elapse(draft)
    refusal = standing.check(draft, move) or _of_kind(draft, move)
    if refusal is not None:
        return refusal
    kind = KINDS[move.kind]
    steps.by_kind(draft, move)
    questions.opened(draft, move)
    clocks.meet_by_move(draft, move)
    appointing.follow(draft, draft.at, entry=move.id, seq=move.seq)
    refusal = roster.seated(draft, move)
    if refusal is not None:
        return refusal
    release.book(draft, move)
    evidence.book(draft, move)
    last = note_crossing(draft, move) if kind.content else draft.state.last_content
    return Outcome(replace(draft.state, seq=move.seq, at=at, last_content=last), tuple(draft.effects))


def _of_kind(draft: Draft, move: Move) -> Refusal | None:
    refusal = questions.too_many(draft, move)
    if refusal is not None:
        return refusal
    handler = HANDLERS.get(move.kind)
    return handler(draft, move) if handler is not None else None


def elapse(ladder: Ladder, state: ThreadState, at: int) -> Outcome:
    """What the passage of time up to ``at`` does: clocks run out, options open, a standstill ends. A time before the
    state's own, or out of range, changes nothing."""
    if not _is_time(at) or at <= state.at or ladder.hash != state.ladder_hash:
        return Outcome(state)
    draft = Draft(ladder, state, at)
    _elapse(draft)
    return Outcome(replace(draft.state, at=at), tuple(draft.effects))


def advance(ladder: Ladder, state: ThreadState, at: int) -> ThreadState:
    """`elapse` without the effects, for showing a state as it is now. Applying it twice, or in smaller steps, gives the
    same state. Keep the state that `step` returns, not this one: effects of time are told with the next entry."""
    return elapse(ladder, state, at).state


def _elapse(draft: Draft) -> None:
    """Lets clocks run out, and windows open, in the order of their times; what a clock starts may itself run out before
    ``draft.at``."""
    while (clock := _next(draft.state.clocks, draft.at)) is not None:
        if clock.opens is not None and not clock.open and clock.opens < clock.end:
            windows.opened(draft, clock)
            continue
        over = clocks.is_standstill(draft, clock)
        clocks.expire(draft, clock)
        if over:
            standstill.end(draft)
            proposals.begin_monitoring(draft, draft.state.seq, clock.end)
        mediators.window_ended(draft, clock)
        requests.seconds_ran_out(draft, clock)
        timeout = draft.ladder.clocks[clock.rule].timeout
        if timeout is not None and timeout.moves:
            steps.by_silence(draft, clock, timeout.moves)
        appointing.follow(draft, clock.end, entry=clock.entry, seq=clock.seq)


def _next(running: tuple[Clock, ...], at: int) -> Clock | None:
    """The clock to which something happens next, by ``at`` at the latest; ties go by id."""
    found: Clock | None = None
    for clock in running:
        if clock.end > at and clock.opens is None:
            continue  # the common case, kept cheap: every entry passes here
        if clock.paused is None and _turn(clock) <= at:
            found = clock if found is None else min(found, clock, key=lambda each: (_turn(each), each.id))
    return found


def _turn(clock: Clock) -> int:
    """When something next happens to a clock: its window opens, or it ends."""
    return clock.end if clock.opens is None or clock.open or clock.opens >= clock.end else clock.opens


def _by_end(clock: Clock) -> tuple[int, str]:
    return clock.end, clock.id


def _is_time(at: int) -> bool:
    return 0 <= at <= standing.LATEST


def due(state: ThreadState) -> tuple[Clock, ...]:
    """The running clocks, soonest end first; those that stand still in a suspension come last."""
    return tuple(sorted(state.clocks, key=lambda clock: (clock.paused is not None, *_by_end(clock))))


def next_due(state: ThreadState) -> int | None:
    """The end of the soonest running clock, milliseconds UTC, or None when none runs."""
    return min((clock.end for clock in state.clocks if clock.paused is None), default=None)


def next_turn(ladder: Ladder, state: ThreadState, at: int) -> int | None:
    """When, after ``at`` (ms UTC), a clock next ends or a window next opens, or None."""
    now = advance(ladder, state, at)
    return min((_turn(clock) for clock in now.clocks if clock.paused is None), default=None)


def unannounced(state: ThreadState, at: int) -> tuple[Clock, ...]:
    """Clocks that have run out by ``at`` and that the hub has not announced, in the order of their ends."""
    over = [clock for clock in state.expired if not clock.announced]
    over += [clock for clock in state.clocks if clock.paused is None and clock.end <= at]
    return tuple(sorted(over, key=_by_end))
