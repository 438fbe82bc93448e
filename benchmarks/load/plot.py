"""Figures as a picture: small charts side by side in one SVG, by hand, readable without colour and aloud."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.load.report import Figures

_WIDE, _HIGH, _LEFT, _TOP, _GAP = 380, 256, 62, 52, 46
_CHART = (_WIDE - _LEFT - 14, _HIGH - _TOP - 48)
_STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #1a1a1a }
  .title { font-weight: 600; font-size: 13px }
  .grid { stroke: #d5d5d5; stroke-width: 1 }
  .line { fill: none; stroke-width: 2 }
  .a { stroke: #0b5394 } .b { stroke: #a64d00; stroke-dasharray: 6 3 } .c { stroke: #5b2a86; stroke-dasharray: 2 3 }
  .a-mark { fill: #0b5394 } .b-mark { fill: #a64d00 } .c-mark { fill: #5b2a86 }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #16181c } text { fill: #ececec } .grid { stroke: #41454d }
    .a { stroke: #7db4ee } .b { stroke: #f0a35e } .c { stroke: #c7a0ee }
    .a-mark { fill: #7db4ee } .b-mark { fill: #f0a35e } .c-mark { fill: #c7a0ee }
  }
"""


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over a few places. ``lines``: name to values, one a place, None where nothing was measured."""

    title: str
    unit: str
    across: str
    places: tuple[str, ...]
    lines: Mapping[str, Sequence[float | None]]


def charts(figures: Figures) -> list[Chart]:
    """What there is to draw; a chart whose figures are missing is left out."""

    def of(value: str, *cases: str) -> tuple[float | None, ...]:
        return tuple(figures.get(case, {}).get(value) for case in cases)

    senders = (1, 5, 10, 25, 50, 100)
    loads = tuple(f"{each} sender{'s' if each > 1 else ''}, 1 outstanding" for each in senders)
    stores = ("file, 1 hub", "PostgreSQL, 1 hub", "PostgreSQL, 2 hubs")
    each_store = {depth: tuple(f"{store}, {depth} outstanding" for store in stores) for depth in (1, 16)}
    logs, lengths = (1_000, 10_000, 100_000, 1_000_000), (100, 300, 1_000, 3_000, 10_000)
    by_log = tuple(f"log of {size:,}, thread of 100" for size in logs)
    by_length = tuple(f"log of 1,000,000, thread of {length:,}" for length in lengths)
    placed = tuple(map(str, senders))
    kinds = ("file", "1 hub on PostgreSQL", "2 hubs")
    found = [
        Chart("Throughput against senders", "entries a second", "senders, one entry outstanding each", placed,
              {"acknowledged and delivered": of("rate", *loads)}),
        Chart("Latency against senders", "ms", "senders, one entry outstanding each", placed,
              {"half within": of("p50_ms", *loads), "99 of 100 within": of("p99_ms", *loads)}),
        Chart("Replicas: throughput", "entries a second", "50 senders", kinds,
              {"1 outstanding": of("rate", *each_store[1]), "16 outstanding": of("rate", *each_store[16])}),
        Chart("Replicas: entries for each second of processor", "entries", "50 senders; hubs and database", kinds,
              {"1 outstanding": of("rate_per_core", *each_store[1]), "16 outstanding": of("rate_per_core", *each_store[16])}),
        Chart("Cost against log size", "us of processor an entry", "leaves in the log", tuple(f"{each:,}" for each in logs),
              {"hub": of("hub_cpu_us", *by_log)}),
        Chart("Latency against log size", "ms", "leaves in the log; 16 outstanding", tuple(f"{each:,}" for each in logs),
              {"half within": of("p50_ms", *by_log)}),
        Chart("Cost against thread length", "us of processor an entry", "entries in the thread, log of 1,000,000",
              tuple(f"{each:,}" for each in lengths), {"hub": of("hub_cpu_us", *by_length)}),
        Chart("Latency against thread length", "ms", "entries in the thread; 16 outstanding",
              tuple(f"{each:,}" for each in lengths), {"half within": of("p50_ms", *by_length)}),
    ]  # fmt: skip
    return [chart for chart in found if any(value is not None for line in chart.lines.values() for value in line)]


def svg(drawn: Sequence[Chart], words: str) -> str:
    """The picture, two charts a row. ``words``: what was measured on what, below it."""
    rows = math.ceil(len(drawn) / 2)
    width, height = 2 * _WIDE + _GAP, rows * (_HIGH + 16) + 30
    said = " ".join(_said(chart) for chart in drawn)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        'aria-labelledby="figures-title figures-words">',
        '<title id="figures-title">What the hub carries, measured</title>',
        f'<desc id="figures-words">{escape(said)}</desc>',
        f"<style>{_STYLE}</style>",
        f'<rect class="paper" width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for number, chart in enumerate(drawn):
        at = (number % 2) * (_WIDE + _GAP), (number // 2) * (_HIGH + 16)
        parts += [f'<g transform="translate({at[0]} {at[1]})">', *_chart(chart), "</g>"]
    parts += [f'<text x="10" y="{height - 10}">{escape(words)}</text>', "</svg>"]
    return "\n".join(parts) + "\n"


def _said(chart: Chart) -> str:
    lines = []
    for name, values in chart.lines.items():
        pairs = (
            f"{place}: {value:,.3g}" for place, value in zip(chart.places, values, strict=True) if value is not None
        )
        lines.append(f"{name}: {'; '.join(pairs)}")
    return f"{chart.title} ({chart.unit}; {chart.across}). {'. '.join(lines)}."


def _chart(chart: Chart) -> list[str]:
    width, height = _CHART
    top = _round_up(max(value for line in chart.lines.values() for value in line if value is not None))
    parts = [f'<text class="title" x="10" y="20">{escape(chart.title)}</text>']
    for step in range(5):
        value, y = top * step / 4, _TOP + height - height * step / 4
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_LEFT + width}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:,g}</text>')
    xs = [_LEFT + width * (number + 0.5) / len(chart.places) for number in range(len(chart.places))]
    for x, place in zip(xs, chart.places, strict=True):
        parts.append(f'<text x="{x:.1f}" y="{_TOP + height + 16}" text-anchor="middle">{escape(place)}</text>')
    below = f"{chart.across}; up: {chart.unit}"
    parts.append(f'<text x="{_LEFT + width / 2}" y="{_TOP + height + 34}" text-anchor="middle">{escape(below)}</text>')
    for number, (name, values) in enumerate(chart.lines.items()):
        kind = "abc"[number]
        points = [
            (x, _TOP + height - height * value / top) for x, value in zip(xs, values, strict=True) if value is not None
        ]
        drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline class="line {kind}" points="{drawn}"/>')
        parts += [_mark(kind, x, y) for x, y in points]
        x = _LEFT + 6 + number * 140
        parts += [_mark(kind, x, _TOP - 14), f'<text x="{x + 9}" y="{_TOP - 10}">{escape(name)}</text>']
    return parts


def _mark(kind: str, x: float, y: float) -> str:
    if kind == "a":
        return f'<circle class="a-mark" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
    if kind == "b":
        return f'<rect class="b-mark" x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"/>'
    return f'<path class="c-mark" d="M{x:.1f} {y - 5:.1f}l5 9h-10z"/>'


def _round_up(value: float) -> float:
    """The next number that is easy to divide by four."""
    if value <= 0:
        return 1.0
    size = 10 ** math.floor(math.log10(value))
    return next(step * size for step in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10) if step * size >= value)
