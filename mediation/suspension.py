"""Suspension: another competent forum is seized, so this ladder waits (CSCE convention on conciliation, art. 19).

Clocks stand still and end later by exactly as long as that lasts; a standstill goes on, because nobody can make it
shorter and a pause would make it longer without the parties. No step leads up or across meanwhile; talking, going down
and de-escalating stay open.
"""

from __future__ import annotations

from msgspec.structs import replace

from mediation.draft import Draft
from mediation.effects import ClockExtended, Resumed, Suspended
from mediation.refusals import Refusal
from mediation.rules import StepRule
from mediation.state import Clock, Suspension


def begin(draft: Draft, step: StepRule, office: str, at: int) -> None:
    """The thread is suspended from ``at`` on."""
    state = draft.state
    draft.set(
        suspension=Suspension(step.id, office, at),
        clocks=tuple(clock if goes_on(draft, clock.rule) else replace(clock, paused=at) for clock in state.clocks),
    )
    draft.note(Suspended(office))


def goes_on(draft: Draft, rule: str) -> bool:
    """Whether a clock of that rule runs through a suspension."""
    return rule in draft.ladder.standstill_clocks


def resume(draft: Draft, office: str, at: int) -> None:
    """The suspension is over at ``at``."""
    suspension = draft.state.suspension
    if suspension is None:
        return
    moved = tuple(_moved(clock, at) for clock in draft.state.clocks)
    before = draft.state.clocks
    draft.set(suspension=None, clocks=moved)
    draft.note(Resumed(office, at - suspension.since))
    for old, new in zip(before, moved, strict=True):
        if new.end != old.end:
            draft.note(ClockExtended(new, old.end))


def _moved(clock: Clock, at: int) -> Clock:
    if clock.paused is None:
        return clock
    pause = at - clock.paused
    opens = clock.opens if clock.opens is None or clock.open else clock.opens + pause
    return replace(clock, end=clock.end + pause, opens=opens, paused=None)


def lift(draft: Draft) -> None:
    """The matter is settled or closed: there is nothing left to wait for."""
    draft.set(suspension=None)


def forbids_step(draft: Draft, step: StepRule) -> Refusal | None:
    """Refuses what a suspension keeps shut, and resuming what is not suspended."""
    suspension = draft.state.suspension
    if suspension is None:
        if step.resumes:
            return draft.refuse("not-suspended", "Nothing is suspended in this thread.", rule=step.id)
        return None
    if step.resumes or step.direction in ("down", "deescalate"):
        return None
    return draft.refuse(
        "suspended",
        f"{suspension.office} has said that another forum is seized; the step {step.title!r} is not open until then.",
        "Messages, steps down and de-escalation stay open; either party can resume.",
        rule=suspension.step,
    )
