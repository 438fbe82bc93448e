"""What a clock's line says, and on which step's card it is told: each clock in full once."""

from __future__ import annotations

from dataclasses import dataclass

from mediation.ladder import Ladder
from mediation.rules import OTHER, ClockRule, StepRule
from mediation.words import bound, entitled, length, mark, received_by, step_name

_EVENTS = {
    "receipt": "receipt of",
    "admission": "arrival at the hub of",
    "request": "the request for",
    "acceptance": "acceptance of",
    "opening": "the moment of",
    "appointment-due": "the body's turn to appoint",
    "appointment": "the appointment",
    "declaration": "the declaration of interests",
    "objection": "the objection",
    "mediators-admitted": "admission of the mediators",
    "settlement": "the settlement",
    "close": "the closing",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a card. ``clock``: the clock it tells; ``mark``: `unverified` or `inferred`, where its number was not
    read in the source; ``sign``: `clock`, `still` or empty."""

    words: str
    sign: str = ""
    clock: str = ""
    mark: str = ""


def told(ladder: Ladder) -> dict[str, list[str]]:
    """Which clocks each step tells in full."""
    found: dict[str, list[str]] = {step: [] for step in ladder.steps}
    for clock in ladder.clocks.values():
        step = _teller(ladder, clock)
        if step is not None:
            found[step].append(clock.id)
    return found


def _teller(ladder: Ladder, clock: ClockRule) -> str | None:
    """The standstill it measures, the seconding it limits, the step it opens, moves or holds, else what starts it."""
    if ladder.mediation is not None and clock.id in _mediation_clocks(ladder):
        return ladder.mediation.step
    steps = ladder.steps.values()
    candidates = [step.id for step in steps if step.standstill and step.standstill.clock == clock.id]
    candidates += [step.id for step in steps if step.seconded_by and step.seconded_by.within == clock.id]
    candidates += [*opened(clock), clock.timeout.moves if clock.timeout is not None else "", *clock.holds, clock.of]
    candidates += ladder.triggers.get(clock.of, ())
    if ladder.mediation is not None and clock.id == ladder.mediation.duration:
        candidates.append(ladder.mediation.step)
    return next((step for step in candidates if step in ladder.steps), None)


def _mediation_clocks(ladder: Ladder) -> tuple[str, ...]:
    rule = ladder.mediation
    if rule is None:
        return ()
    body = ladder.starting.get(("appointment-due", ""), ())
    own = (rule.nominations, rule.default_appointment, *body, rule.nominee_answer)
    return (*own, rule.objections, rule.objection_answer)


def opened(clock: ClockRule) -> tuple[str, ...]:
    """The steps a clock opens: while its window is open, when it has run out, when it was met in time."""
    window = (clock.gives.step,) if clock.gives is not None else ()
    return (*window, *(found.option for found in (clock.timeout, clock.when_met) if found is not None and found.option))


def opening_to(ladder: Ladder, clock: ClockRule, step: str) -> str:
    """Whom a clock entitles to ``step``."""
    if clock.gives is not None and clock.gives.step == step:
        return entitled(ladder, clock.gives.to)
    found = next(rule for rule in (clock.timeout, clock.when_met) if rule is not None and rule.option == step)
    return entitled(ladder, found.to)


def opening_when(clock: ClockRule, step: str) -> str:
    """When a clock opens ``step``: ``in``, ``out`` or ``met`` (its window, its running out, its being met), joined."""
    ways = ["in"] if clock.gives is not None and clock.gives.step == step else []
    ways += ["out"] if clock.timeout is not None and clock.timeout.option == step else []
    ways += ["met"] if clock.when_met is not None and clock.when_met.option == step else []
    return "+".join(ways)


def clock_line(ladder: Ladder, clock: ClockRule, step: StepRule | None) -> Line:
    """One clock in one line, as ``step``'s card tells it (None: as a note beside the picture)."""
    time = length(clock.after)
    match clock.kind:
        case "not-before":
            head = f"Not before {time}"
        case "cap":
            head = f"At most {time} in all"
        case "window" if clock.opens:
            head = f"Opens after {length(clock.opens)}, closes after {time}"
        case "window":
            head = f"Open for {time}"
        case "second-by":
            head = f"Within {time}"
        case _:
            head = time
    who = "" if clock.who == "both" else f" for {bound(ladder, clock)}"
    who += "".join(f", {track}: {length(after)}" for track, after in clock.tracks.items())
    return Line(f"{head}{who}: {clock.title} ({since(ladder, clock, step)})", "clock", clock.id, mark(clock))


def since(ladder: Ladder, clock: ClockRule, step: StepRule | None) -> str:
    """What a clock runs from, short; an event of ``step`` itself is not named again."""
    event = _EVENTS[clock.starts]
    whose = f" by {received_by(ladder, clock)}" if clock.by != OTHER else ""
    if not event.endswith(("of", "for")):
        return f"from {event}"
    if step is not None and clock.of == step.id:
        own = {"request": "from the request", "acceptance": "from acceptance", "receipt": "from receipt"}
        return f"{own.get(clock.starts, 'from then on')}{whose}"
    name = step_name(ladder, clock.of)
    return f"from {event} “{name}”{whose}" if clock.of in ladder.steps else f"from {event} {name}{whose}"
