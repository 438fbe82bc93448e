"""A course of events told as a short numbered story, for a person who wrote the ladder and does not know the engine."""

from __future__ import annotations

from collections.abc import Iterable

from mediation.checker.world import Line, World
from mediation.durations import DAY, HOUR, MINUTE, SECOND
from mediation.effects import (
    ClockExpired,
    Effect,
    OptionOpened,
    Resumed,
    RungChanged,
    StandstillEnded,
    StandstillStarted,
    StepBlocked,
    StepLapsed,
    Suspended,
    WindowOpened,
)
from mediation.refusals import SAFE, Refusal
from mediation.words import step_name
from protocols.kinds import KINDS, Act, Admission, Appointment, Objection, Step, StepAnswer, Withdrawal

_LONGEST = 24
"""Longer stories are told from their beginning and their end."""


def tell(world: World, lines: Iterable[Line], *ending: str) -> tuple[str, ...]:
    """The numbered sentences of a course of events; ``ending`` follows unnumbered."""
    told = [_sentence(world, line) for line in lines if line.kind not in ("receipt", "rekey")]
    numbered = [f"{number}. {sentence}" for number, sentence in enumerate(told, 1)]
    if len(numbered) > _LONGEST:
        half = _LONGEST // 2
        numbered = [*numbered[:half], f"... {len(numbered) - 2 * half} entries more ...", *numbered[-half:]]
    return (*numbered, *ending)


def refused(world: World, office: str, what: str, refusal: Refusal) -> str:
    """``AV asks for ...: refused. <why>``, without the comfort that is meant for a duty officer."""
    why = refusal.sentence.split(SAFE)[0].strip()
    return f"{office} {what}: refused ({refusal.code}). {why}"


def asks(world: World, step: str) -> str:
    """How a request is told."""
    return f"asks for {world.ladder.steps[step].title!r}"


def span(ms: int) -> str:
    """``3 days 2 h``, ``4 h``, ``10 min``; 1 ms less is ``just under``."""
    under = ms % SECOND == SECOND - 1
    rest, parts = ms + under, []
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s")):
        count, rest = divmod(rest, unit)
        if count:
            parts.append(f"{count} {name}")
    return ("just under " if under else "") + (" ".join(parts[:2]) or "a moment")


def _sentence(world: World, line: Line) -> str:
    effects = " ".join(filter(None, (_effect(world, effect) for effect in line.effects)))
    if not line.office:
        return f"{span(line.at - line.before)} pass. {effects}".rstrip()
    passed = f"{span(line.at - line.before)} later " if line.at > line.before else ""
    return f"{passed}{line.office} {_does(world, line.kind, line.act)}. {effects}".rstrip()


def _does(world: World, kind: str, act: Act | None) -> str:
    steps = world.ladder.steps
    if kind == "open":
        return f"opens the thread ({world.ladder.rungs[world.ladder.start].title})"
    if isinstance(act, Step):
        return f"asks for {steps[act.step].title!r}"
    if isinstance(act, StepAnswer):
        verb = {"step-accept": "accepts", "step-decline": "declines", "second": "seconds", "block": "blocks"}
        return f"{verb.get(kind, 'answers')} {steps[act.step].title!r}"
    if isinstance(act, Admission):
        return f"signs the admission of {' and '.join(act.mediators)}"
    if isinstance(act, Withdrawal):
        return f"withdraws consent to {act.mediator}"
    if isinstance(act, Objection):
        return f"objects to {act.mediator}" + (f" unless beside {act.co_mediator}" if act.co_mediator else "")
    if isinstance(act, Appointment):
        return f"has {act.mediator or 'the first of the roster'} appointed"
    if kind == "close":
        return "signs the closing"
    return f"sends {KINDS[kind].title!r}"


def _effect(world: World, effect: Effect) -> str:
    ladder = world.ladder
    match effect:
        case ClockExpired():
            return f"The clock {ladder.clocks[effect.clock.rule].title!r} ({effect.clock.rule}) runs out."
        case WindowOpened():
            return f"The window {ladder.clocks[effect.clock.rule].title!r} ({effect.clock.rule}) opens."
        case OptionOpened():
            return f"{effect.office} may now take {step_name(ladder, effect.step)!r}."
        case RungChanged():
            return f"The thread stands on {ladder.rungs[effect.new].title!r}."
        case StandstillStarted():
            return "A standstill begins."
        case StandstillEnded():
            return "The standstill ends."
        case StepLapsed() | StepBlocked():
            return f"The request for {ladder.steps[effect.step].title!r} falls."
        case Suspended():
            return "Another forum is seized; clocks stand still."
        case Resumed():
            return "The clocks run again."
        case _:
            return ""
