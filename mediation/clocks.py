"""Clocks: starting, meeting, stopping and lengthening them, and what the passage of time does to them.

Rules that hold for every ladder: a clock's running out gives an option and moves nothing, unless the step declares
negative consensus (WTO DSU art. 4.3; CWC art. IX). A clock can be lengthened by those whom the ladder lets, never
shortened. What arrives at the very end of a clock is late. The order of events is by end, then by id, so that every
program that lets time pass computes the same state whether it does so once or in many small steps.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from mediation import awaited, holders, suspension, windows
from mediation.draft import Draft
from mediation.durations import end_of
from mediation.effects import (
    ClockExpired,
    ClockExtended,
    ClockMet,
    ClockStarted,
    ClockStopped,
    PageAlternate,
)
from mediation.move import Move
from mediation.refusals import Refusal
from mediation.rules import Timeout
from mediation.state import Clock
from protocols.kinds import Expired

ANNOUNCED_KEPT = 16
"""Announced clocks kept for the record of screens; the trail holds them all."""

EXPIRED_KEPT = 64
"""All expired clocks kept; a hub that never announces cannot make a state grow."""


_ANYBODY = frozenset({"both", "nominee"})


def start(
    draft: Draft,
    event: str,
    of: str = "",
    *,
    entry: str,
    seq: int,
    at: int,
    requester: str = "",
    respondent: str = "",
    subject: str = "",
    skip: tuple[str, ...] = (),
    once: bool = False,
) -> None:
    """Starts every clock the ladder runs from ``event`` (of ``of``), save those in ``skip`` and, with ``once``, those
    of which one already runs."""
    for rule in draft.ladder.starting.get((event, of), ()):
        if rule in skip or (once and any(clock.rule == rule for clock in draft.state.clocks)):
            continue
        ladder, state = draft.ladder, draft.state
        span = ladder.spans.get((rule, state.track)) or ladder.spans[rule, ""]
        opens = ladder.opens.get(rule)
        clock = Clock(
            id=_fresh_id(draft, rule, seq),
            rule=rule,
            start=at,
            end=end_of(at, span, state.scale),
            entry=entry,
            seq=seq,
            requester=requester,
            respondent=respondent,
            subject=subject,
            opens=None if opens is None else end_of(at, opens, state.scale),
            paused=at if state.suspension is not None and not suspension.goes_on(draft, rule) else None,
        )
        draft.set(clocks=(*state.clocks, clock))
        draft.note(ClockStarted(clock))
        if opens is None and ladder.clocks[rule].gives is not None:
            windows.opened(draft, clock)


def _fresh_id(draft: Draft, rule: str, seq: int) -> str:
    taken = {clock.id for clock in draft.state.clocks} | {clock.id for clock in draft.state.expired}
    name, again = f"{rule}/{seq}", 1
    while name in taken:
        again += 1
        name = f"{rule}/{seq}.{again}"
    return name


def meet_by_move(draft: Draft, move: Move) -> None:
    """Meets the clocks that this entry answers; one that already ran out is marked as answered late."""
    rules = draft.ladder.meeting.get(move.kind)
    if not rules:
        return
    state = draft.state
    if state.awaiting:
        # A person may answer before the machine's receipt arrives; the clock that the receipt would start is then met.
        _met_before(draft, lambda clock: meets(draft, move, clock), rules)
    for clock in state.clocks:
        if clock.rule in rules and meets(draft, move, clock):
            met(draft, clock)
    if any(clock.rule in rules and not clock.answered for clock in state.expired):
        draft.set(
            expired=tuple(
                replace(clock, answered=True) if clock.rule in rules and meets(draft, move, clock) else clock
                for clock in draft.state.expired
            )
        )


def meet_by_step(draft: Draft, step: str) -> None:
    """Meets the clocks that wait for this step to be taken; one that already ran out is marked as answered late."""
    rules = draft.ladder.step_meets.get(step)
    if not rules:
        return
    _met_before(draft, lambda _: True, rules)
    for clock in draft.state.clocks:
        if clock.rule in rules:
            met(draft, clock)
    draft.set(
        expired=tuple(
            replace(clock, answered=True) if clock.rule in rules and not clock.answered else clock
            for clock in draft.state.expired
        )
    )


def _met_before(draft: Draft, which: Callable[[Clock], bool], rules: frozenset[str]) -> None:
    """Clocks of these definitions are met that still wait for a receipt; the option of having been met in time opens."""
    for clock in awaited.withhold(draft, which, rules):
        _grant(draft, draft.ladder.clocks[clock.rule].when_met, clock, draft.at)


def meets(draft: Draft, move: Move, clock: Clock) -> bool:
    """Whether ``move`` is what the clock waits for."""
    rule, entry = draft.ladder.clocks[clock.rule], clock.entry
    if rule.who not in _ANYBODY and move.office not in holders.of(draft.state, rule.who, clock):
        return False
    if move.kind in rule.met_by_any:
        return True
    if entry not in (getattr(move.act, "entry", entry), *getattr(move.act, "also", ())):
        return False
    if move.kind != "clarification-answer":
        return True
    # Partial answers do not meet a clock: it waits until no question is left for later.
    return all("later" not in asked.answers for asked in draft.state.asked if asked.entry == entry)


def met(draft: Draft, clock: Clock) -> None:
    """What the clock waited for happened."""
    _drop(draft, clock)
    draft.note(ClockMet(clock))
    _grant(draft, draft.ladder.clocks[clock.rule].when_met, clock, draft.at)


def met_by_rule(draft: Draft, rule: str, subject: str = "") -> None:
    """The same for every running clock of a definition (and of one nominee, if named)."""
    for clock in draft.state.clocks:
        if clock.rule == rule and (not subject or clock.subject == subject):
            met(draft, clock)


def stop(draft: Draft, which: Callable[[Clock], bool]) -> None:
    """Stops clocks that lost their object by agreement, and keeps those from starting that still wait for a receipt. A
    standstill's clock is never among them."""
    awaited.withhold(draft, which)
    for clock in draft.state.clocks:
        if which(clock) and not is_standstill(draft, clock):
            _drop(draft, clock)
            draft.note(ClockStopped(clock))


def is_standstill(draft: Draft, clock: Clock) -> bool:
    """Whether this clock is that of the running standstill."""
    return draft.state.standstill is not None and draft.state.standstill.clock == clock.id


def _drop(draft: Draft, clock: Clock) -> None:
    state = draft.state
    draft.set(
        clocks=tuple(other for other in state.clocks if other.id != clock.id),
        extensions=tuple(found for found in state.extensions if found.clock != clock.id),
    )
    if clock.open:
        draft.set(options=tuple(option for option in state.options if not (option.window and option.clock == clock.id)))


def lengthen(draft: Draft, clock: Clock, until: int) -> None:
    """Moves the end of a running clock; the standstill moves with its clock."""
    longer = replace(clock, end=until)
    state = draft.state
    draft.set(
        clocks=tuple(longer if other.id == clock.id else other for other in state.clocks),
        extensions=tuple(found for found in state.extensions if found.clock != clock.id),
    )
    if state.standstill is not None and state.standstill.clock == clock.id:
        draft.set(standstill=replace(state.standstill, end=until))
    draft.note(ClockExtended(longer, clock.end))


def expire(draft: Draft, clock: Clock) -> None:
    """Books a clock as run out and gives the options its rule grants. Standstill, mediation and negative consensus
    follow in `mediation.fold.elapse`."""
    _drop(draft, clock)
    kept = (*draft.state.expired, clock)
    draft.set(expired=_prune(kept))
    draft.note(ClockExpired(clock))
    _grant(draft, draft.ladder.clocks[clock.rule].timeout, clock, clock.end)


def _grant(draft: Draft, rule: Timeout | None, clock: Clock, since: int) -> None:
    """The option that the end of a clock brings, or its being met, where it can be taken from the present rung."""
    if rule is not None and rule.option and option_makes_sense(draft, rule.option):
        for office in holders.of(draft.state, rule.to, clock):
            draft.add_option(rule.option, office, since, clock.id)
        holders.invite_callable(draft)


def option_makes_sense(draft: Draft, option: str) -> bool:
    """An option for a step that cannot be taken from the present rung would only confuse; it is not opened."""
    step = draft.ladder.steps.get(option)
    if step is not None:
        return draft.state.rung in step.start
    return mediation_is_here(draft)


def mediation_is_here(draft: Draft) -> bool:
    """Whether the thread stands where its mediation goes on: on the rung of mediation or, where mediation runs beside
    the rungs, wherever it is open and nothing is settled or closed."""
    rule = draft.ladder.mediation
    if rule is None:
        return False
    rung = draft.ladder.steps[rule.step].to
    if rung:
        return draft.state.rung == rung
    state = draft.state
    return state.mediation is not None and state.settlement is None and state.closed_at is None


def _prune(expired: tuple[Clock, ...]) -> tuple[Clock, ...]:
    surplus = sum(clock.announced for clock in expired) - ANNOUNCED_KEPT
    kept = []
    for clock in expired:
        if clock.announced and surplus > 0:
            surplus -= 1
        else:
            kept.append(clock)
    return tuple(kept[-EXPIRED_KEPT:])


def find(draft: Draft, name: str) -> Clock | Refusal:
    """The running clock ``name``, or a refusal that says whether it is over or was never there."""
    clock = draft.state.clock(name)
    if clock is not None:
        return clock
    if any(over.id == name for over in draft.state.expired):
        return draft.refuse("clock-over", "That clock has already run out.", "Agree on the next step instead.")
    return draft.refuse("unknown-clock", "No clock of that name is running.", "Choose one of the running clocks.")


def announce(draft: Draft, move: Move) -> Refusal | None:
    """``clock-expired``: the hub's neutral note, once for each clock, never early."""
    act = move.act
    assert isinstance(act, Expired)  # noqa: S101 - the form was checked
    found = next((clock for clock in draft.state.expired if clock.id == act.clock), None)
    if found is None:
        running = draft.state.clock(act.clock)
        if running is not None:
            return draft.refuse("clock-running", "That clock has not run out.", "Wait for its end.", clock=running)
        return draft.refuse("unknown-clock", "No clock of that name has run out.")
    if found.announced:
        return draft.refuse("already-announced", "The end of that clock was announced before.")
    if act.end != found.end:
        return draft.refuse("wrong-end", "The announced end is not the end that every office computes.")
    draft.set(
        expired=_prune(
            tuple(replace(clock, announced=True) if clock.id == act.clock else clock for clock in draft.state.expired)
        )
    )
    if draft.ladder.clocks[found.rule].page and not found.answered:
        draft.note(PageAlternate(found.respondent, found.entry))
    return None
