"""What a picture is made of, in SVG units: texts, boxes, hatched areas, routes, dots and signs. Data only."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mediation.drawing.metrics import width

Bounds = tuple[float, float, float, float]
"""x, y, width, height."""


@dataclass(frozen=True, slots=True)
class Text:
    """One line of words; ``y`` is its baseline. ``style``: title, line, soft, now, mark or badge."""

    x: float
    y: float
    words: str
    size: float = 13
    style: str = "line"
    bold: bool = False
    middle: bool = False

    @property
    def bounds(self) -> Bounds:
        """The place it takes at most."""
        wide = width(self.words, self.size, bold=self.bold)
        return self.x - (wide / 2 if self.middle else 0), self.y - self.size * 0.8, wide, self.size * 1.05


@dataclass(frozen=True, slots=True)
class Box:
    """A frame. ``style``: rung, here, up, down, deescalate, across, note; ``state``: open, closed or forbidden."""

    x: float
    y: float
    w: float
    h: float
    style: str
    state: str = ""


@dataclass(frozen=True, slots=True)
class Hatch:
    """A hatched area: a standstill."""

    x: float
    y: float
    w: float
    h: float


@dataclass(frozen=True, slots=True)
class Route:
    """A line through ``points``; ``arrow``: with a head at its end. ``style``: a step's direction, or stay."""

    points: tuple[tuple[float, float], ...]
    style: str
    arrow: bool = False


@dataclass(frozen=True, slots=True)
class Dot:
    """A place where a lane may be entered."""

    x: float
    y: float
    style: str


@dataclass(frozen=True, slots=True)
class Sign:
    """A small drawn mark of 12 by 12 whose top left is (x, y): clock, still, unverified, inferred, open, closed, here,
    badge or one of the step directions."""

    x: float
    y: float
    kind: str


Shape = Text | Box | Hatch | Route | Dot | Sign


@dataclass(frozen=True, slots=True)
class Block:
    """A finished piece, at the origin."""

    w: float
    h: float
    shapes: tuple[Shape, ...]

    def at(self, x: float, y: float) -> tuple[Shape, ...]:
        """The shapes moved so that the block's top left is (x, y)."""
        return tuple(moved(shape, x, y) for shape in self.shapes)


@dataclass(frozen=True, slots=True)
class Picture:
    """A whole drawing; shapes in painting order."""

    width: float
    height: float
    title: str
    words: str
    shapes: tuple[Shape, ...]


def moved(shape: Shape, x: float, y: float) -> Shape:
    """``shape`` shifted by (x, y)."""
    if isinstance(shape, Route):
        return replace(shape, points=tuple((left + x, top + y) for left, top in shape.points))
    return replace(shape, x=shape.x + x, y=shape.y + y)
