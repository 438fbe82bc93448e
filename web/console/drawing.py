"""A thread as a drawing: levels over time as a staircase, clocks, standstills and memberships as bars below.

Only numbers are made here; the template writes the SVG. One x for one time; a time that has no end yet runs to the
drawing's right edge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from textwrap import wrap

from hotline.hub.views import Span, ThreadTrail
from web.shared.timewords import utc

WIDTH = 960
LEFT = 260
RIGHT = 20
TOP = 30
LEVEL = 26
BAR = 26
LABEL = 38  # characters of a label that LEFT holds in 12 px type
ROW = 12
TICKS = 6
SHORT = 60 * 60_000  # ms

Place = Callable[[int | None], float]
"""From a time (ms UTC; None: still so) to an x."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: ``kind`` clock, standstill or member; ``words`` says it in full.

    ``label`` names its line, once a line, in one or two rows of (y, words).
    """

    x: float
    y: float
    width: float
    kind: str
    label: tuple[tuple[float, str], ...]
    words: str
    open: bool


@dataclass(frozen=True, slots=True)
class Drawing:
    """Everything the template needs, in SVG units. ``path`` is the staircase; ``rungs`` (y, title); ``ticks`` (x, words)."""

    width: int
    height: int
    left: int
    right: int
    floor: float
    rungs: tuple[tuple[float, str], ...]
    path: str
    bars: tuple[Bar, ...]
    dots: tuple[tuple[float, float, str], ...]
    ticks: tuple[tuple[float, str], ...]
    now_x: float
    words: str


def draw(trail: ThreadTrail, now: int) -> Drawing:
    """The drawing of ``trail`` as it stands at ``now`` (ms UTC)."""
    starts = [span.start for span in trail.spans] + [entry.at for entry in trail.entries] + [trail.row.opened]
    ends = [span.end for span in trail.spans if span.end is not None] + [
        now if not trail.row.closed else trail.row.last_at
    ]
    begin, finish = min(starts), max([*ends, *starts])
    scale = (WIDTH - LEFT - RIGHT) / max(finish - begin, 1)

    def x(at: int | None) -> float:
        return round(LEFT + (min(finish if at is None else at, finish) - begin) * scale, 1)

    # Highest level on top; rungs of one level (routine, monitoring, closed) in the ladder's own order from below.
    levels = sorted(((level, place, title) for place, (_, title, level) in enumerate(trail.rungs)), reverse=True)
    rows = {title: TOP + LEVEL * row for row, (_, _, title) in enumerate(levels)}
    floor = TOP + LEVEL * len(levels)
    ended = now if not trail.row.closed else trail.row.last_at
    bars = _bars(trail, x, floor, ended)
    height = floor + BAR * len({bar.y for bar in bars}) + 46
    held = [span for span in trail.spans if span.kind == "rung"]
    ticks = tuple((x(at), _tick(at, finish - begin)) for at in _ticks(begin, finish))
    return Drawing(
        WIDTH,
        height,
        LEFT,
        RIGHT,
        floor,
        tuple((rows[title] + LEVEL / 2, f"{level} {title}") for level, _, title in levels),
        _staircase(held, rows, x, ended),
        bars,
        tuple((x(entry.at), floor - 5, f"{entry.seq} {entry.kind_title}, {entry.office}") for entry in trail.entries),
        ticks,
        x(ended),
        _words(trail, held),
    )


def _ticks(begin: int, finish: int) -> list[int]:
    return [begin + (finish - begin) * n // TICKS for n in range(TICKS + 1)]


def _tick(at: int, length: int) -> str:
    """Exercises last minutes, incidents days: a short drawing needs the seconds, and has no room for the date."""
    words = utc(at)
    return words.split(" ")[-1] if length < SHORT else words[:-4] + "Z"


def _staircase(held: list[Span], rows: dict[str, int], x: Place, ended: int) -> str:
    path = ""
    for span in sorted(held, key=lambda span: span.start):
        y = rows.get(span.label, TOP) + LEVEL / 2
        path += f"{'L' if path else 'M'}{x(span.start)} {y}L{x(span.end if span.end is not None else ended)} {y}"
    return path


def _bars(trail: ThreadTrail, x: Place, floor: float, ended: int) -> tuple[Bar, ...]:
    found = []
    lanes: dict[tuple[str, str], float] = {}
    order = {"standstill": 0, "clock": 1, "member": 2}
    for span in sorted(trail.spans, key=lambda span: (order.get(span.kind, 3), span.start)):
        if span.kind not in order:
            continue
        # One line a clock and one a member: bars that may overlap in time must not lie on each other.
        lane = (span.kind, span.label if span.kind == "member" else span.lane)
        first = lane not in lanes
        y = lanes.setdefault(lane, floor + 12 + BAR * len(lanes))
        start = x(span.start)
        width = max(x(span.end if span.end is not None else ended) - start, 2.0)
        words = f"{span.label}: {utc(span.start)} to {utc(span.end) if span.end is not None else 'now'}"
        found.append(
            Bar(start, y, round(width, 1), span.kind, _label(lane[1], y) if first else (), words, span.end is None)
        )
    return tuple(found)


def _label(words: str, y: float) -> tuple[tuple[float, str], ...]:
    """A bar's name in one row, or in two around the same middle."""
    rows = wrap(words, LABEL) or [""]
    if len(rows) > 2:
        rows = [rows[0], rows[1][: LABEL - 1] + "…"]
    first = y + 12 - (len(rows) - 1) * ROW / 2
    return tuple((first + ROW * number, row) for number, row in enumerate(rows))


def _words(trail: ThreadTrail, held: list[Span]) -> str:
    steps = ", then ".join(f"{span.label} from {utc(span.start)}" for span in sorted(held, key=lambda span: span.start))
    return f"{steps or 'No level yet'}. {len(trail.entries)} entries. The table below says the same."
