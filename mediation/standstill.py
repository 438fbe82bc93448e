"""The standstill: a period in which agreed kinds and steps are refused, whoever asks.

It is a clock beside the rung, not a rung: mediation may open meanwhile. De-escalation, acknowledgement and safety of
life always pass. There is no override anywhere in this package: no role, no flag and no kind lifts it (Bryan treaties;
Railway Labor Act, where an authority may shorten nothing and only the parties may lengthen).
"""

from __future__ import annotations

from mediation.draft import Draft
from mediation.effects import StandstillEnded, StandstillStarted
from mediation.refusals import Refusal
from mediation.rules import StandstillRule, StepRule
from mediation.state import Clock, Standstill

_ADVICE = (
    "Public-safety notices, acknowledgements, breach reports and mediation stay open; "
    "what is forbidden can be sent after the end of the standstill."
)


def begin(draft: Draft, step: StepRule) -> None:
    """Starts the standstill of ``step`` from its clock, which already runs."""
    if step.standstill is None:
        return
    clock = next((clock for clock in draft.state.clocks if clock.rule == step.standstill.clock), None)
    if clock is None:  # pragma: no cover - the ladder's check makes every way into the step start the clock
        return
    draft.set(standstill=Standstill(step.id, clock.id, clock.start, clock.end))
    draft.note(StandstillStarted(clock.end))


def end(draft: Draft) -> None:
    """Ends the running standstill; its clock has run out."""
    running = draft.state.standstill
    if running is not None:
        draft.set(standstill=None)
        draft.note(StandstillEnded(running.end))


def running(draft: Draft) -> tuple[StandstillRule, Clock] | None:
    """The rule and the clock of the running standstill."""
    standstill = draft.state.standstill
    if standstill is None:
        return None
    rule = draft.ladder.steps[standstill.step].standstill
    clock = draft.state.clock(standstill.clock)
    if rule is None or clock is None:  # pragma: no cover - begin() and end() keep both in step
        return None
    return rule, clock


def forbids_step(draft: Draft, step: StepRule) -> Refusal | None:
    """Refuses a step that the running standstill forbids, or a second standstill on top of the first."""
    found = running(draft)
    if found is None:
        return None
    rule, clock = found
    if step.direction in rule.forbids_directions or step.id in rule.forbids_steps:
        return draft.refuse(
            "standstill",
            f"A standstill is running; the step {step.title!r} is not open to anyone.",
            _ADVICE,
            clock=clock,
        )
    if step.standstill is not None:
        return draft.refuse(
            "standstill-running",
            "A standstill is already running.",
            "Both parties can lengthen it.",
            rule=rule.clock,
            clock=clock,
        )
    return None


def forbids_kind(draft: Draft, kind: str) -> Refusal | None:
    """Refuses a kind that the running standstill forbids."""
    found = running(draft)
    if found is None:
        return None
    rule, clock = found
    if kind in rule.forbids_kinds:
        return draft.refuse(
            "standstill",
            f"A standstill is running; a message of the kind {kind!r} is not open to anyone.",
            _ADVICE,
            clock=clock,
        )
    return None


def forbids_ground(draft: Draft, ground: str) -> Refusal | None:
    """Refuses the notice of a permitted act on a ground that this ladder's standstill does not know."""
    found = running(draft)
    if found is None or ground in found[0].carve_outs:
        return None
    return draft.refuse(
        "carve-out",
        "This ladder's standstill does not permit acts on that ground.",
        "Choose one of the agreed grounds.",
        clock=found[1],
    )
