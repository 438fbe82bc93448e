"""What a step's card says: who, with whose consent, what opens it, what it starts; one short line each.

Every clock of a ladder is told in full exactly once: on the step that its running out opens, else on the step it runs
from, else among the clocks beside the picture. Numbers whose source nobody has read again are marked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mediation.ladder import Ladder
from mediation.rules import ClockRule, StepRule
from protocols.kinds import KINDS

UNITS = {
    "date": (("Y", "year"), ("M", "month"), ("W", "week"), ("D", "day")),
    "time": (("H", "hour"), ("M", "minute"), ("S", "second")),
}
CHECKS = {"T": "unverified", "A": "inferred"}
"""How much a number is worth that was not read in its source: known treaty text not read again; arithmetic."""

DIRECTIONS = {"up": "step up", "down": "way down", "deescalate": "calms", "across": "across"}
ROLES = {
    "party": "either party",
    "initiator": "the party that opened",
    "counterpart": "the other party",
    "mediator": "a mediator",
    "nominee": "the nominee",
    "verifier": "the verifier",
    "monitor": "a monitor",
    "respondent": "the side that must answer",
    "requester": "the side that asked",
    "both": "both parties",
    "either": "either party",
}
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
_EXTEND = {
    "requester": "the side that asked may lengthen",
    "mutual": "both may lengthen",
    "consensus": "longer only by consensus",
    "nobody": "nobody may lengthen",
}


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


def length(text: str) -> str:
    """``PT72H`` as ``72 hours``, ``P1Y6M`` as ``1 year 6 months``; what is no duration comes back as it is."""
    found = re.fullmatch(r"P(?P<date>(?:\d+[YMWD])*)(?:T(?P<time>(?:\d+[HMS])+))?", text, re.ASCII)
    if found is None:
        return text
    words = []
    for part, units in UNITS.items():
        for letter, unit in units:
            if count := re.search(rf"(\d+){letter}", found[part] or ""):
                words.append(f"{count[1]} {unit}{'' if count[1] == '1' else 's'}")
    return " ".join(words) or text


def actors(ladder: Ladder, who: Iterable[str]) -> str:
    """Roles as people: ``either party or the chair``."""
    return _or([role(ladder, name) for name in who])


def role(ladder: Ladder, name: str) -> str:
    """One role, built in or declared by the ladder."""
    return ROLES.get(name, name)


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
    if timeout is not None:
        for step in (timeout.option, timeout.moves):
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
    opens = [name for name in told if _opens(ladder, name) == step.id]
    held = [name for name in told if step.id in ladder.clocks[name].holds and name not in opens]
    moved = [name for name in told if (rule := ladder.clocks[name].timeout) is not None and rule.moves == step.id]
    if step.needs_option:
        entitled = sorted({role(ladder, rule.to) for name in opens if (rule := ladder.clocks[name].timeout)})
        early = "; earlier only if the other party accepts" if step.early_exit else ""
        yield Line(f"Opens for {_or(entitled) or 'whoever waited'} when one of these has run out{early}:")
    elif opens:
        yield Line("Also the answer when this runs out:")
    yield from (clock_line(ladder, ladder.clocks[name], step) for name in opens)
    yield from (clock_line(ladder, ladder.clocks[name], step) for name in held)
    if moved:
        yield Line("Silence takes it: it proceeds when this runs out (negative consensus).")
        yield from (clock_line(ladder, ladder.clocks[name], step) for name in moved)
    if step.standstill is not None:
        yield from _still(ladder, step)
    rest = [name for name in told if name not in {*opens, *held, *moved}]
    if step.standstill is not None:
        rest = [name for name in rest if name != step.standstill.clock]
    if rest:
        yield Line("Then these run:")
    yield from (clock_line(ladder, ladder.clocks[name], step) for name in rest)


def _opens(ladder: Ladder, clock: str) -> str:
    timeout = ladder.clocks[clock].timeout
    return timeout.option if timeout is not None else ""


def _who(ladder: Ladder, step: StepRule) -> str:
    who = actors(ladder, step.who)
    words = who[:1].upper() + who[1:]
    if step.two_person:
        words += ", two officers"
    if step.trigger != "step-request":
        return f"{words}, by sending: {KINDS[step.trigger].title}"
    if step.consent == "none":
        return f"{words}; takes effect at once"
    return f"{words}; the other party must accept"


def _still(ladder: Ladder, step: StepRule) -> Iterator[Line]:
    rule = step.standstill
    assert rule is not None  # noqa: S101 - asked before
    clock = ladder.clocks[rule.clock]
    barred = [{"up": "step up", "across": "step across"}.get(way, way) for way in rule.forbids_directions]
    barred += [KINDS[kind].title for kind in rule.forbids_kinds]
    named = [ladder.steps[name] for name in rule.forbids_steps if name in ladder.steps]
    barred += [found.title for found in named if found.direction not in rule.forbids_directions]
    yield Line(
        f"Standstill for {length(clock.after)} ({_since(ladder, clock, step)}): no {_or(barred)}. "
        "Nobody can lift or shorten it.",
        "still",
        clock.id,
        CHECKS.get(clock.check, ""),
    )
    if rule.carve_outs:
        yield Line(f"Permitted all the same: {_and(ground.replace('-', ' ') for ground in rule.carve_outs)}.")


def clock_line(ladder: Ladder, clock: ClockRule, step: StepRule | None) -> Line:
    """One clock in one line, as ``step``'s card tells it."""
    time = length(clock.after)
    match clock.kind:
        case "not-before":
            head = f"Not before {time}"
        case "cap":
            head = f"At most {time} in all"
        case "window":
            head = f"Open for {time}"
        case _:
            head = time
    who = "" if clock.who == "both" else f" for {_bound(ladder, clock)}"
    return Line(
        f"{head}{who}: {clock.title} ({_since(ladder, clock, step)})", "clock", clock.id, CHECKS.get(clock.check, "")
    )


def _bound(ladder: Ladder, clock: ClockRule) -> str:
    return role(ladder, clock.who)


def _since(ladder: Ladder, clock: ClockRule, step: StepRule | None) -> str:
    event = _EVENTS.get(clock.starts, clock.starts)
    if not event.endswith(("of", "for")):
        return f"from {event}"
    if step is not None and clock.of == step.id:
        return {"request": "from the request", "acceptance": "from acceptance"}.get(clock.starts, "from then on")
    if clock.of in ladder.steps:
        return f"from {event} “{ladder.steps[clock.of].title}”"
    return f"from {event} {KINDS[clock.of].title}" if clock.of in KINDS else f"from {event} {clock.of}"


def _and(words: Iterable[str]) -> str:
    return _join(list(words), "and")


def _or(words: Iterable[str]) -> str:
    return _join(list(words), "or")


def _join(words: list[str], last: str) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}" if words else ""
