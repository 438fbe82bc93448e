"""Places, gaps and the lines between them, as the layout fixes them before and after it knows how high everything is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

from mediation.drawing.plan import Lane
from mediation.drawing.shapes import Block, Box, Hatch, Shape

TRACK = 12  # between two lines in a gap
GAP = 22  # least height of a gap
NEAR = 9  # least distance of two lines that meet one edge


@dataclass
class Place:
    """A block that has found its place; ``top`` and ``bottom``: where lines already meet its edges."""

    block: Block
    x: float
    y: float = 0
    top: list[float] = field(default_factory=list)
    bottom: list[float] = field(default_factory=list)
    left: int = 0
    right: int = 0

    @property
    def end(self) -> float:
        return self.x + self.block.w

    @property
    def floor(self) -> float:
        return self.y + self.block.h

    def port(self, edge: list[float], wanted: float) -> float:
        """A free place on an edge, as near to ``wanted`` as can be."""
        low, high = self.x + 10, self.end - 10
        wanted = min(max(wanted, low), high)
        for step in range(int((high - low) / 3) + 1):
            for x in (wanted + 3 * step, wanted - 3 * step):
                if low <= x <= high and all(abs(x - other) >= NEAR for other in edge):
                    edge.append(x)
                    return x
        edge.append(wanted)
        return wanted

    def free(self, edge: list[float], x: float) -> bool:
        return self.x + 10 <= x <= self.end - 10 and all(abs(x - other) >= NEAR for other in edge)


@dataclass
class Gap:
    """The room above or below a row of rungs; every line that runs along it has a track."""

    tracks: int = 0
    y: float = 0

    def track(self) -> int:
        self.tracks += 1
        return self.tracks

    @property
    def h(self) -> float:
        return GAP + TRACK * self.tracks

    def at(self, track: int) -> float:
        """The y of a track (once the gap has its place)."""
        return self.y + GAP / 2 + TRACK * (track - 0.5)


@dataclass(frozen=True, slots=True)
class Link:
    """A line between a rung's edge and a card's in one gap; ``up``: it runs from the lower to the upper."""

    gap: Gap
    lower: Place
    upper: Place
    low_x: float
    high_x: float
    track: int
    style: str
    rising: bool
    arrow: bool


@dataclass(frozen=True, slots=True)
class Stub:
    """A lane's line to a rung: to its ``side`` (at ``port``), or, without one, through the gap above to its top at ``x``."""

    rung: Place
    gap: Gap
    track: int
    x: float
    side: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True)
class Feeder:
    """A lane that brings a step's further rungs to its card: ``lane`` at ``x``, stubs, and the card's port."""

    x: float
    style: str
    stubs: tuple[Stub, ...]
    gap: Gap
    track: int
    card: Place
    port: float


@dataclass(frozen=True, slots=True)
class LaneLine:
    """A lane beside the rungs, with its stubs: dots at its sources, arrows at its targets."""

    lane: Lane
    x: float
    sources: tuple[Stub, ...]
    targets: tuple[Stub, ...]


def quiet(x: float, top: float, bottom: float, level: list[tuple[float, float, float]]) -> float:
    """The middle of the longest piece of a lane that no level line crosses: there its letter stands."""
    crossed = sorted(
        {y for y, start, end in level if top <= y <= bottom and min(start, end) - 11 < x < max(start, end) + 11}
    )
    edges = [top, *crossed, bottom]
    longest = max(pairwise(edges), key=lambda piece: piece[1] - piece[0])
    return (longest[0] + longest[1]) / 2 if longest[1] - longest[0] >= 24 else top - 12


def stretched(block: Block, h: float) -> Block:
    """A rung's block as high as its row."""
    shapes: list[Shape] = []
    for number, shape in enumerate(block.shapes):
        if (number == 0 and isinstance(shape, Box)) or (isinstance(shape, Hatch) and shape.h > block.h - 8):
            shape = replace(shape, h=shape.h + h - block.h)
        shapes.append(shape)
    return Block(block.w, h, tuple(shapes))
