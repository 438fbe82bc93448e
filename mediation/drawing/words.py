"""What a step's card says: who, with whose consent, what opens it, what it starts; one short line each.

Every clock of a ladder is told in full exactly once: on the step that its running out opens, else on the step it runs
from, else among the clocks beside the picture. Numbers whose source nobody has read again are marked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mediation.drawing.position import Position
from mediation.ladder import Ladder
from mediation.rules import ClockRule, StepRule
from mediation.words import bound, entitled, length, listed, mark, quorum, role, roles, step_name
from protocols.kinds import KINDS

_EVENTS = {
    "receipt": "receipt of",
    "admission": "arrival at the hub of",
    "request": "the request for",
    "acceptance": "acceptance of",
    "opening": "the moment of",
    "appointment": "the appointment",
    "declaration": "the declaration of interests",
    "objection": "the objection",
    "mediators-admitted": "admission of the mediators",
    "settlement": "the settlement",
    "close": "the closing",
}
_HELD = {
    "named": "named in the accord",
    "others": "every state of the accord that is no party to the thread",
    "all": "every state of the accord",
}
_EXCLUDED = {"parties": "a party", "nationals": "an office of a party's state"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a card. ``clock``: the clock it tells (then it carries a clock face); ``mark``: `CHECKS`' word;
    ``sign``: `clock`, `still` or empty."""

    words: str
    sign: str = ""
    clock: str = ""
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """A step in words. ``kind`` is the step's direction."""

    step: str
    title: str
    kind: str
    lines: tuple[Line, ...]


def role_lines(ladder: Ladder) -> Iterator[Line]:
    """The declared roles: who holds them, who never does."""
    for found in ladder.roles.values():
        words = f"{found.title}: {_HELD[found.held_by]}"
        if found.exclude:
            words += f"; never {_or(_EXCLUDED[out] for out in found.exclude)}"
        yield Line(f"{words}. {found.about}".rstrip())


def cards(ladder: Ladder) -> dict[str, Card]:
    """Each step's card, in the ladder's order."""
    told = _told(ladder)
    return {
        step.id: Card(step.id, step.title, step.direction, tuple(_lines(ladder, step, told[step.id])))
        for step in ladder.steps.values()
    }


def other_clocks(ladder: Ladder) -> tuple[Line, ...]:
    """The clocks that no step tells."""
    told = {clock for clocks in _told(ladder).values() for clock in clocks}
    return tuple(clock_line(ladder, clock, None) for clock in ladder.clocks.values() if clock.id not in told)


def rung_lines(ladder: Ladder, rung: str) -> Iterator[Line]:
    """What a rung's box says beside its title."""
    found = ladder.rungs[rung]
    if found.about:
        yield Line(found.about)
    if rung == ladder.start:
        yield Line("Every thread begins here.")
    if rung == ladder.monitoring:
        yield Line("Reached from every level when both parties accept one text.")
    if rung == ladder.closed:
        yield Line("Reached from every level when both parties close.")
    if found.forbids:
        yield Line(f"Not on this level: {listed(_kind(kind) for kind in found.forbids)}.")


def summary(ladder: Ladder, position: Position | None) -> str:
    """The picture in a few sentences, for those who cannot see it."""
    levels = sorted({rung.level for rung in ladder.rungs.values()})
    words = [
        f"{len(ladder.rungs)} rungs on levels {levels[0]} to {levels[-1]}, {len(ladder.steps)} steps, "
        f"{len(ladder.clocks)} clocks, lowest level at the bottom."
    ]
    if doubtful := sum(clock.check == "T" for clock in ladder.clocks.values()):
        words.append(f"{doubtful} of the clocks are unverified.")
    if position is not None:
        words.append(f"The thread is on {ladder.rungs[position.rung].title}.")
    return " ".join([*words, "The same is told as a list beside the picture, where there is one."])


def _kind(kind: str) -> str:
    return KINDS[kind].title if kind in KINDS else kind


def _told(ladder: Ladder) -> dict[str, list[str]]:
    """Which clocks each step tells in full."""
    told: dict[str, list[str]] = {step: [] for step in ladder.steps}
    for clock in ladder.clocks.values():
        step = _teller(ladder, clock)
        if step is not None:
            told[step].append(clock.id)
    return told


def _teller(ladder: Ladder, clock: ClockRule) -> str | None:
    still = [step.id for step in ladder.steps.values() if step.standstill and step.standstill.clock == clock.id]
    if still:
        return still[0]
    timeout = clock.timeout
    if ladder.mediation is not None and clock.id in _mediation_clocks(ladder):
        return ladder.mediation.step
    seconded = [step.id for step in ladder.steps.values() if step.seconded_by and step.seconded_by.within == clock.id]
    if seconded:
        return seconded[0]
    for step in (_opens(ladder, clock.id), timeout.moves if timeout is not None else ""):
        if step in ladder.steps:
            return step
    for step in clock.holds:
        if step in ladder.steps:
            return step
    if clock.of in ladder.steps:
        return clock.of
    triggered = ladder.triggers.get(clock.of, ())
    return triggered[0] if triggered else None


def _mediation_clocks(ladder: Ladder) -> tuple[str, ...]:
    rule = ladder.mediation
    if rule is None:
        return ()
    return (rule.nominations, rule.default_appointment, rule.nominee_answer, rule.objections, rule.objection_answer)


def _lines(ladder: Ladder, step: StepRule, told: list[str]) -> Iterator[Line]:
    yield Line(_who(ladder, step))
    yield from _conditions(ladder, step)
    seconding = step.seconded_by.within if step.seconded_by is not None else ""
    told = [name for name in told if name != seconding]
    opens = [name for name in told if _opens(ladder, name) == step.id]
    held = [name for name in told if step.id in ladder.clocks[name].holds and name not in opens]
    moved = [name for name in told if (rule := ladder.clocks[name].timeout) is not None and rule.moves == step.id]
    if step.needs_option:
        yield Line(_opening(ladder, step, opens))
    elif opens:
        yield Line("It is also what follows when this has run out:")
    yield from (clock_line(ladder, ladder.clocks[name], step) for name in opens)
    yield from (clock_line(ladder, ladder.clocks[name], step) for name in held)
    if moved:
        yield Line("Silence takes it: it proceeds when this runs out (negative consensus).")
        yield from (clock_line(ladder, ladder.clocks[name], step) for name in moved)
    if step.standstill is not None:
        yield from _still(ladder, step)
    yield from _effects(ladder, step)
    rest = [name for name in told if name not in {*opens, *held, *moved}]
    if step.standstill is not None:
        rest = [name for name in rest if name != step.standstill.clock]
    if rest:
        yield Line("Then these run:")
    yield from (clock_line(ladder, ladder.clocks[name], step) for name in rest)


def _opening(ladder: Ladder, step: StepRule, opens: list[str]) -> str:
    """The line over the clocks that open a step; clocks told elsewhere are named."""
    whom = sorted({entitled(ladder, _entitles(ladder, name)) for name in opens})
    elsewhere = [
        clock.title for clock in ladder.clocks.values() if clock.id not in opens and _opens(ladder, clock.id) == step.id
    ]
    early = "; earlier only if the other party accepts" if step.early_exit else ""
    windows = all(ladder.clocks[name].gives is not None for name in opens)
    when = "in this window" if opens and windows else "when one of these has run out"
    if not opens:
        return f"Opens when this has run out: {_or(elsewhere)}{early}" if elsewhere else f"Opens by a clock{early}"
    also = f" (or: {_or(elsewhere)})" if elsewhere else ""
    return f"Opens for {_or(whom)} {when}{also}{early}:"


def _entitles(ladder: Ladder, clock: str) -> str:
    rule = ladder.clocks[clock]
    found = rule.gives or rule.timeout
    return found.to if found is not None else "either"


def _opens(ladder: Ladder, clock: str) -> str:
    """The step a clock opens: while a window is open, or when it has run out."""
    rule = ladder.clocks[clock]
    if rule.gives is not None:
        return rule.gives.step
    return rule.timeout.option if rule.timeout is not None else ""


def _or(words: Iterable[str]) -> str:
    return listed(words, "or")


def _who(ladder: Ladder, step: StepRule) -> str:
    who = roles(ladder, step.who)
    words = who[:1].upper() + who[1:]
    if step.two_person:
        words += ", two officers"
    if step.trigger != "step-request":
        words += f", by sending: {_kind(step.trigger)}"
    if step.consent == "other":
        return f"{words}; the other party must accept" if step.trigger == "step-request" else words
    if step.consent != "none":
        return f"{words}; {role(ladder, step.consent)} must accept"
    return words if step.seconded_by or step.blocked_by or step.negative_consensus else f"{words}; at once"


def _conditions(ladder: Ladder, step: StepRule) -> Iterator[Line]:
    """What else it takes."""
    if step.seconded_by is not None:
        clock = ladder.clocks.get(step.seconded_by.within)
        within = f" within {length(clock.after)}" if clock is not None else ""
        words = f"Seconded by {quorum(ladder, step.seconded_by)}{within}; else the request lapses"
        yield Line(
            words,
            "clock" if clock is not None else "",
            clock.id if clock is not None else "",
            mark(clock) if clock is not None else "",
        )
    if step.blocked_by is not None:
        yield Line(f"Proceeds unless blocked by {quorum(ladder, step.blocked_by)}")
    if step.evidence:
        yield Line(f"Must name as evidence: {listed(_kind(kind) for kind in step.evidence)}")


def _effects(ladder: Ladder, step: StepRule) -> Iterator[Line]:
    """What else it does."""
    if step.suspends:
        yield Line("Another forum is seized: clocks pause, only steps down, calming steps and the return pass")
    if step.resumes:
        yield Line("The other forum is done: clocks run on, later by exactly the pause")
    if step.track:
        yield Line(f"From then on clocks take their length for the track “{step.track}”")
    met = [clock.title for clock in ladder.clocks.values() if step.id in clock.met_by_steps]
    if met:
        yield Line(f"Meets: {listed(met)}")


def _still(ladder: Ladder, step: StepRule) -> Iterator[Line]:
    rule = step.standstill
    assert rule is not None  # noqa: S101 - asked before
    clock = ladder.clocks[rule.clock]
    barred = [{"up": "step up", "across": "step across"}.get(way, way) for way in rule.forbids_directions]
    barred += [_kind(kind) for kind in rule.forbids_kinds]
    named = [ladder.steps[name] for name in rule.forbids_steps if name in ladder.steps]
    barred += [found.title for found in named if found.direction not in rule.forbids_directions]
    yield Line(
        f"Standstill for {length(clock.after)} ({_since(ladder, clock, step)}): no {_or(barred)}. "
        "Nobody can lift or shorten it.",
        "still",
        clock.id,
        mark(clock),
    )
    if rule.carve_outs:
        yield Line(f"Permitted all the same: {listed(ground.replace('-', ' ') for ground in rule.carve_outs)}.")


def clock_line(ladder: Ladder, clock: ClockRule, step: StepRule | None) -> Line:
    """One clock in one line, as ``step``'s card tells it."""
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
    return Line(f"{head}{who}: {clock.title} ({_since(ladder, clock, step)})", "clock", clock.id, mark(clock))


def _since(ladder: Ladder, clock: ClockRule, step: StepRule | None) -> str:
    event = _EVENTS.get(clock.starts, clock.starts)
    if not event.endswith(("of", "for")):
        return f"from {event}"
    if step is not None and clock.of == step.id:
        return {"request": "from the request", "acceptance": "from acceptance"}.get(clock.starts, "from then on")
    name = step_name(ladder, clock.of)
    return f"from {event} “{name}”" if clock.of in ladder.steps else f"from {event} {name}"
