"""Where each step is drawn: between two levels, in a lane beside them, or inside the rung it is taken on.

Steps up stand between the levels they join. Steps that differ only in where they lead share one lane, if the lane then
says exactly what the ladder says: from each of its rungs to each lower one it leads to, for ways down; to each other one
it leads to, for the rest. What can be taken from
many rungs (mediation) is drawn once, as a lane with a dot on each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mediation.drawing.words import Card
from mediation.ladder import Ladder
from mediation.rules import StepRule

BESIDE = 4  # cards in one band; more go to lanes
FEW = 3  # rungs from which arrows are drawn one by one
CROWD = 4  # dots on rungs that a lane cannot reach from the side; more are said in words, if words can say them


@dataclass(frozen=True, slots=True)
class Lane:
    """A line beside the rungs: dots at ``dots``, arrows at ``targets`` (none: the rung stays).

    ``sources``: where its steps can be taken. ``scope`` says them in words where they are every rung of a sort; then
    a crowd of dots can be left out. A lane without dots and arrows is its card only, and has no letter.
    """

    badge: str
    kind: str
    steps: tuple[str, ...]
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    dots: tuple[str, ...]
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """``rows``: rungs by level, highest first. ``bands``: steps drawn under each row. ``inside``: steps drawn in a rung."""

    rows: tuple[tuple[str, ...], ...]
    bands: tuple[tuple[str, ...], ...]
    left: tuple[Lane, ...]
    right: tuple[Lane, ...]
    inside: dict[str, tuple[str, ...]]

    def row(self, rung: str) -> int:
        """The row a rung stands in."""
        return next(number for number, row in enumerate(self.rows) if rung in row)


def make_plan(ladder: Ladder, cards: dict[str, Card]) -> Plan:
    """The plan of a ladder's picture."""
    levels = sorted({rung.level for rung in ladder.rungs.values()}, reverse=True)
    rows = tuple(tuple(rung.id for rung in ladder.rungs.values() if rung.level == level) for level in levels)
    bands: list[list[str]] = [[] for _ in rows]
    down: list[StepRule] = []
    beside: list[StepRule] = []
    inside: dict[str, list[str]] = {}
    for step in ladder.steps.values():
        if not step.to or set(step.start) == {step.to}:
            if len(step.start) == 1:
                inside.setdefault(step.start[0], []).append(step.id)
            else:
                beside.append(step)
            continue
        place = levels.index(ladder.rungs[step.to].level)
        heights = [ladder.rungs[rung].level for rung in step.start]
        if min(heights) > ladder.rungs[step.to].level or (step.direction == "down"):
            down.append(step)
        elif (
            max(heights) <= ladder.rungs[step.to].level
            and len(step.start) <= FEW
            and not _mediation(ladder, step)
            and len(bands[place]) < BESIDE
        ):
            bands[place].append(step.id)
        else:
            beside.append(step)
    left = _bundled(ladder, down, cards, lower=True)
    first = sorted(beside, key=lambda step: not _mediation(ladder, step))
    right = _bundled(ladder, first, cards, lower=False)
    return Plan(
        rows,
        tuple(tuple(band) for band in bands),
        *_lanes(ladder, rows, left, right),
        {rung: tuple(steps) for rung, steps in inside.items()},
    )


def _mediation(ladder: Ladder, step: StepRule) -> bool:
    return ladder.mediation is not None and ladder.mediation.step == step.id and len(step.start) > 1


def _lanes(
    ladder: Ladder, rows: tuple[tuple[str, ...], ...], left: list[tuple[str, ...]], right: list[tuple[str, ...]]
) -> tuple[tuple[Lane, ...], tuple[Lane, ...]]:
    """The lanes of both sides, lettered in one row."""
    made: list[Lane] = []
    lettered = 0
    for number, steps in enumerate((*left, *right)):
        lower = number < len(left)
        lane = _lane(ladder, steps, {row[0] if lower else row[-1] for row in rows}, lower=lower)
        if lane.dots or lane.targets:
            lane = replace(lane, badge=badge(lettered))
            lettered += 1
        made.append(lane)
    return tuple(made[: len(left)]), tuple(made[len(left) :])


def _lane(ladder: Ladder, steps: tuple[str, ...], near: set[str], *, lower: bool) -> Lane:
    """``near``: the rungs that a lane on this side meets without passing another."""
    found = [ladder.steps[name] for name in steps]
    starts = {rung for step in found for rung in step.start}
    ends = {step.to for step in found if step.to and set(step.start) != {step.to}}
    scope = _scope(ladder, starts, ends, lower=lower)
    crowd = scope and len(starts - near) > CROWD
    return Lane(
        "",
        found[0].direction if found[0].to else "stay",
        steps,
        tuple(rung for rung in ladder.rungs if rung in starts),
        tuple(rung for rung in ladder.rungs if rung in ends),
        () if crowd else tuple(rung for rung in ladder.rungs if rung in starts),
        scope,
    )


def _scope(ladder: Ladder, starts: set[str], ends: set[str], *, lower: bool) -> str:
    """``From every open level``, if that is what the sources are."""
    open_rungs = {rung.id: rung.level for rung in ladder.rungs.values() if rung.id != ladder.closed}
    if len(starts) < 3:
        return ""
    if lower:
        floor = min(ladder.rungs[rung].level for rung in ends)
        return "From every higher level" if starts == {rung for rung, at in open_rungs.items() if at > floor} else ""
    return "From every open level" if starts | ends >= set(open_rungs) else ""


def badge(number: int) -> str:
    """A, B, ... Z, AA, AB: a lane's letter."""
    letters = ""
    while number >= 0:
        letters = chr(ord("A") + number % 26) + letters
        number = number // 26 - 1
    return letters


def _bundled(ladder: Ladder, steps: list[StepRule], cards: dict[str, Card], *, lower: bool) -> list[tuple[str, ...]]:
    bundles: list[list[StepRule]] = []
    for step in steps:
        for bundle in bundles:
            same = cards[bundle[0].id].lines == cards[step.id].lines and bundle[0].direction == step.direction
            plain = step.standstill is None and step.to and bundle[0].to
            if same and plain and (_exact if lower else _open)(ladder, [*bundle, step]):
                bundle.append(step)
                break
        else:
            bundles.append([step])
    return [tuple(step.id for step in bundle) for bundle in bundles]


def _open(ladder: Ladder, bundle: list[StepRule]) -> bool:
    """The same for a lane that leads from each of its rungs to each other one."""
    ends = {step.to for step in bundle}
    starts = {rung for step in bundle for rung in step.start}
    return all({step.to for step in bundle if rung in step.start} - {rung} == ends - {rung} for rung in starts)


def _exact(ladder: Ladder, bundle: list[StepRule]) -> bool:
    """Whether dots at all starts and arrows at all ends tell no more than the steps do."""
    level = {name: rung.level for name, rung in ladder.rungs.items()}
    ends = {step.to for step in bundle}
    return all(
        {step.to for step in bundle if rung in step.start} == {end for end in ends if level[end] < level[rung]}
        for rung in {rung for step in bundle for rung in step.start}
    )
