"""Reply times as a picture: a row for each kind of clock, on a scale of time on which seconds and days both have room.

Only numbers are made here; the template writes the SVG. Median, 90th percentile and worst are told apart by shape; the
table beside the picture says the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10
from textwrap import wrap

from hotline.hub.findings import ReplyFigures
from web.shared.timewords import span

WIDTH = 900
LEFT = 270
RIGHT = 40
TOP = 14
ROW = 34
LABEL = 40
"""Characters of a label that LEFT holds in 12 px type."""
TICKS = (1_000, 10_000, 60_000, 600_000, 3_600_000, 6 * 3_600_000, 86_400_000, 7 * 86_400_000, 30 * 86_400_000)
"""Where the scale may have a line (ms)."""


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of clock: its label in one or two lines of (y, words), and the x of median, 90th percentile and worst."""

    y: float
    label: tuple[tuple[float, str], ...]
    median: float
    p90: float
    worst: float
    words: str


@dataclass(frozen=True, slots=True)
class ReplyChart:
    """Everything the template needs, in SVG units."""

    width: int
    height: int
    left: int
    right: int
    rows: tuple[Row, ...]
    ticks: tuple[tuple[float, str], ...]


def reply_chart(figures: Sequence[ReplyFigures]) -> ReplyChart | None:
    """The picture; None where nothing was answered yet."""
    drawn = [(each, each.median, each.p90, each.worst) for each in figures]
    shown = [
        (each, median, p90, worst)
        for each, median, p90, worst in drawn
        if median is not None and p90 is not None and worst is not None
    ]
    if not shown:
        return None
    low = max(min(median for _, median, _, _ in shown), 1_000) / 2
    high = max(2_000, *(worst for *_, worst in shown)) * 1.2
    scale = (WIDTH - LEFT - RIGHT) / (log10(high) - log10(low))

    def x(ms: int) -> float:
        return round(LEFT + (log10(max(ms, low)) - log10(low)) * scale, 1)

    rows = []
    for number, (each, median, p90, worst) in enumerate(shown):
        y = TOP + ROW * number + ROW / 2
        times = f"median {span(median)}, 90th percentile {span(p90)}, worst {span(worst)}"
        words = f"{each.name}: {times}, of {each.cases} answers"
        rows.append(Row(y, _label(each.name, y), x(median), x(p90), x(worst), words))
    ticks = tuple((x(ms), span(ms)) for ms in TICKS if low <= ms <= high)
    return ReplyChart(WIDTH, TOP + ROW * len(rows) + 26, LEFT, RIGHT, tuple(rows), ticks)


def _label(words: str, y: float) -> tuple[tuple[float, str], ...]:
    lines = wrap(words, LABEL)[:2] or [""]
    first = y + 4 - (len(lines) - 1) * 6.5
    return tuple((first + 13 * number, line) for number, line in enumerate(lines))
