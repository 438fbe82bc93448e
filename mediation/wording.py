"""Small phrases that refusals and notes share."""

from __future__ import annotations

from mediation import holders
from mediation.draft import Draft
from mediation.ladder import Ladder
from mediation.rules import ClockRule
from mediation.state import Clock, ThreadState
from protocols.encoding import rfc3339

_WHO = {
    "requester": "the side that waited",
    "respondent": "the side that was to act",
    "either": "either party",
    "party": "either party",
    "initiator": "the side that opened the thread",
    "counterpart": "the other side",
    "mediator": "a mediator",
    "monitor": "a monitor",
}


def title_of(draft: Draft, rung: str) -> str:
    """The rung's title as people know it."""
    found = draft.ladder.rungs.get(rung)
    return found.title if found is not None else rung


def expiry(ladder: Ladder, state: ThreadState, clock: Clock) -> str:
    """The neutral sentence about a clock that ran out: the ladder's own words, or the same plain ones for every clock.

    It says what ran out, when (UTC), that nothing moved by itself or what did, and what is open now to whom; it blames
    nobody.
    """
    rule = ladder.clocks[clock.rule]
    if rule.wording:
        return rule.wording
    return f"{rule.title} ran out at {rfc3339(clock.end)}. {_after(ladder, state, rule, clock)}"


def _after(ladder: Ladder, state: ThreadState, rule: ClockRule, clock: Clock) -> str:
    if rule.kind == "second-by":
        return "The request lapsed; it may be made again."
    timeout = rule.timeout
    if timeout is not None and timeout.moves:
        step = ladder.steps[timeout.moves]
        return f"As the ladder declares, silence takes the step {step.title!r} where nothing forbids it."
    if timeout is None or not timeout.option:
        return "Nothing moved by itself."
    step_ = ladder.steps.get(timeout.option)
    what = f"take the step {step_.title!r}" if step_ is not None else "have a mediator appointed by default"
    return f"Nothing moved by itself. {_who(ladder, state, timeout.to, clock)} may now {what}."


def _who(ladder: Ladder, state: ThreadState, name: str, clock: Clock) -> str:
    offices = holders.of(state, name, clock)
    if name in ("requester", "respondent") and len(offices) == 1:
        return offices[0]
    role = ladder.roles.get(name)
    words = role.title if role is not None else _WHO.get(name, name)
    return words[:1].upper() + words[1:]
