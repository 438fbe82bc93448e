"""The picture as a list, for those who cannot see it: the same words, rung by rung from the lowest up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mediation.drawing.blocks import state_of
from mediation.drawing.clock_words import Line
from mediation.drawing.position import Position
from mediation.drawing.words import Card, cards, other_clocks, role_lines, rung_lines
from mediation.ladder import Ladder
from mediation.rules import StepRule

WAYS = {"up": "step up", "down": "way down", "deescalate": "step that calms", "across": "step across"}


@dataclass(frozen=True, slots=True)
class OutlineStep:
    """A step: its title, sort and goal in words, whether it is open now ("" without a position), its card's lines."""

    title: str
    way: str
    status: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OutlineRung:
    """A rung: title, level, whether the thread is on it, what its box says, and the steps taken from it."""

    title: str
    level: int
    here: bool
    lines: tuple[str, ...]
    steps: tuple[OutlineStep, ...]


@dataclass(frozen=True, slots=True)
class Outline:
    """``rungs`` from the lowest up; ``anywhere``: steps from every open rung, told once; ``rest``: other clocks, roles."""

    rungs: tuple[OutlineRung, ...]
    anywhere: tuple[OutlineStep, ...]
    rest: tuple[str, ...]


def outline(ladder: Ladder, position: Position | None = None) -> Outline:
    """What `svg` shows, as a list. A step is told in full on the first rung it can be taken from, then by its title."""
    told = cards(ladder)
    place = position.rung if position is not None else None
    seen: set[str] = set()
    rungs = []
    for rung in sorted(ladder.rungs.values(), key=lambda rung: rung.level):
        steps = [step for step in ladder.steps.values() if rung.id in step.start and not _anywhere(ladder, step)]
        rungs.append(
            OutlineRung(
                rung.title,
                rung.level,
                rung.id == place,
                _plain(rung_lines(ladder, rung.id)),
                tuple(
                    # Open or closed is said where the thread is: on another rung the same step would be another matter.
                    _step(ladder, step, told[step.id], position, full=step.id not in seen, here=rung.id == place)
                    for step in steps
                ),
            )
        )
        seen |= {step.id for step in steps}
    return Outline(
        tuple(rungs),
        tuple(
            _step(ladder, step, told[step.id], position, full=True, here=True)
            for step in ladder.steps.values()
            if _anywhere(ladder, step)
        ),
        (*_plain(other_clocks(ladder)), *_plain(role_lines(ladder)), *ladder.notes),
    )


def _anywhere(ladder: Ladder, step: StepRule) -> bool:
    open_rungs = {rung for rung in ladder.rungs if rung != ladder.closed}
    return len(open_rungs) > 2 and set(step.start) | {step.to} >= open_rungs


def _step(
    ladder: Ladder, step: StepRule, card: Card, position: Position | None, *, full: bool, here: bool
) -> OutlineStep:
    to = f" to {ladder.rungs[step.to].title}" if step.to else ", the rung stays"
    _, status = state_of(ladder, step.id, position if here else None)
    lines = _plain(card.lines) if full else ()
    if full and position is not None:
        lines += tuple(
            f"{ladder.clocks[clock.rule].title} runs now: {clock.words(position.at)}"
            for clock in position.running
            if clock.rule in {line.clock for line in card.lines}
        )
    return OutlineStep(card.title, f"{WAYS[step.direction]}{to}", status, lines)


def _plain(lines: Iterable[Line]) -> tuple[str, ...]:
    return tuple(f"{line.words} [{line.mark}]" if line.mark else line.words for line in lines)
