"""The geometry of every shipped ladder's picture and of hard ones: legible is here a matter of numbers."""

from __future__ import annotations

from functools import cache
from itertools import combinations, pairwise

import pytest

from hotline import ladders
from mediation.drawing.layout import layout
from mediation.drawing.position import Position, Running
from mediation.drawing.shapes import Bounds, Box, Dot, Hatch, Picture, Route, Sign, Text
from mediation.ladder import Ladder, parse_ladder
from tests.mediation.drawing.hard import crowded

SHAPES = {"few": (2, 2, 1), "tall": (12, 12, 20), "wide": (9, 2, 24), "flat": (8, 1, 16), "big": (20, 6, 60)}
NAMES = [*ladders.shipped(), *SHAPES]
AT = 1_900_000_000_000


@cache
def ladder_of(name: str) -> Ladder:
    return crowded(*SHAPES[name]) if name in SHAPES else parse_ladder(ladders.load(name))


def position_in(ladder: Ladder) -> Position:
    """Somewhere in the middle, with every clock running and a standstill if the ladder has one."""
    still = [step.id for step in ladder.steps.values() if step.standstill is not None]
    rungs = list(ladder.rungs)
    return Position(
        rung=rungs[len(rungs) // 2],
        at=AT,
        running=tuple(Running(clock, AT + 3_600_000 * (n + 1)) for n, clock in enumerate(ladder.clocks)),
        standstill=still[0] if still else "",
        standstill_end=AT + 3_600_000 if still else 0,
        open=tuple((step, ("AV", "KS")) for step in list(ladder.steps)[::2]),
    )


@cache
def picture_of(name: str, placed: bool) -> Picture:
    ladder = ladder_of(name)
    return layout(ladder, position_in(ladder) if placed else None)


def meet(one: Bounds, other: Bounds) -> bool:
    (x, y, w, h), (a, b, c, d) = one, other
    return x < a + c and a < x + w and y < b + d and b < y + h


def bounds(shape: Box | Hatch | Text) -> Bounds:
    return shape.bounds if isinstance(shape, Text) else (shape.x, shape.y, shape.w, shape.h)


both = pytest.mark.parametrize("placed", [False, True], ids=["plain", "placed"])
every = pytest.mark.parametrize("name", NAMES)


@every
@both
def test_no_two_texts_overlap(name: str, placed: bool) -> None:
    texts = sorted(
        (shape for shape in picture_of(name, placed).shapes if isinstance(shape, Text)), key=lambda text: text.bounds[1]
    )
    for number, one in enumerate(texts):
        for other in texts[number + 1 :]:
            if other.bounds[1] > one.bounds[1] + one.bounds[3]:
                break
            assert not meet(one.bounds, other.bounds), (one, other)


@every
@both
def test_nothing_leaves_the_picture(name: str, placed: bool) -> None:
    picture = picture_of(name, placed)
    for shape in picture.shapes:
        match shape:
            case Route(points):
                assert all(0 <= x <= picture.width and 0 <= y <= picture.height for x, y in points), shape
            case Dot(x, y) | Sign(x, y):
                assert 0 <= x <= picture.width - 12 and 0 <= y <= picture.height - 12, shape
            case _:
                x, y, w, h = bounds(shape)
                assert x >= 0 and y >= 0 and x + w <= picture.width and y + h <= picture.height, shape


@every
@both
def test_no_line_runs_through_a_text(name: str, placed: bool) -> None:
    picture = picture_of(name, placed)
    # A lane's letter stands on its lane, on a disc of its own.
    texts = [shape for shape in picture.shapes if isinstance(shape, Text) and shape.style != "badge"]
    for route in (shape for shape in picture.shapes if isinstance(shape, Route)):
        for (x, y), (a, b) in pairwise(route.points):
            line = (min(x, a), min(y, b), abs(a - x) + 0.1, abs(b - y) + 0.1)
            assert not any(meet(line, text.bounds) for text in texts), (
                route,
                [t for t in texts if meet(line, t.bounds)],
            )


@every
@both
def test_every_line_is_upright_or_level(name: str, placed: bool) -> None:
    for route in (shape for shape in picture_of(name, placed).shapes if isinstance(shape, Route)):
        assert all(x == a or y == b for (x, y), (a, b) in pairwise(route.points)), route


@every
@both
def test_a_text_stays_inside_its_box(name: str, placed: bool) -> None:
    picture = picture_of(name, placed)
    boxes = [shape for shape in picture.shapes if isinstance(shape, Box)]
    for text in (shape for shape in picture.shapes if isinstance(shape, Text)):
        x, y, w, h = text.bounds
        for box in boxes:
            if meet(text.bounds, bounds(box)):
                inside = box.x <= x and x + w <= box.x + box.w and box.y <= y and y + h <= box.y + box.h
                assert inside, (text, box)


@every
def test_no_two_boxes_cut_each_other(name: str) -> None:
    boxes = [bounds(shape) for shape in picture_of(name, True).shapes if isinstance(shape, Box)]
    for one, other in combinations(boxes, 2):
        if meet(one, other):
            small, large = sorted((one, other), key=lambda box: box[2] * box[3])
            x, y, w, h = large
            assert x <= small[0] and small[0] + small[2] <= x + w, (one, other)
            assert y <= small[1] and small[1] + small[3] <= y + h, (one, other)


@every
@both
def test_no_two_lines_lie_on_each_other_save_those_of_one_lane(name: str, placed: bool) -> None:
    picture = picture_of(name, placed)
    pieces = [
        (number, line)
        for number, route in enumerate(shape for shape in picture.shapes if isinstance(shape, Route))
        for line in pairwise(route.points)
    ]
    level = [(n, y, *sorted((x, a))) for n, ((x, y), (a, b)) in pieces if y == b and x != a]
    for (n, y, start, end), (m, other, first, last) in combinations(level, 2):
        if n != m and y == other:
            assert end <= first or last <= start, (y, start, end, first, last)


@every
def test_levels_stand_from_bottom_to_top(name: str) -> None:
    ladder = ladder_of(name)
    found: dict[str, float] = {}
    for shape in picture_of(name, False).shapes:
        if isinstance(shape, Text) and shape.words.startswith("Level ") and shape.style == "soft":
            found.setdefault(shape.words, shape.y)
    heights = [found[f"Level {level}"] for level in sorted({rung.level for rung in ladder.rungs.values()})]
    assert heights == sorted(heights, reverse=True)
