"""A picture as SVG text.

Two variants of one drawing: inside a page it has only presentation attributes and classes (``ld-...``), which the
page's own stylesheet colours, for a page that forbids inline styles; as a file of its own it brings those rules with
it, for light and dark. Every word is text that can be selected, searched and read aloud.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import hypot
from xml.sax.saxutils import escape

from mediation.drawing.layout import layout
from mediation.drawing.position import Position
from mediation.drawing.shapes import Box, Dot, Hatch, Picture, Route, Shape, Sign, Text
from mediation.ladder import Ladder

HEAD = 9  # length of an arrow's head
_DASHES = {"deescalate": "12 3", "down": "6 4", "stay": "2 4"}
_COLOURS = {"up": "var(--ld-up)", "deescalate": "var(--ld-calm)", "down": "var(--ld-calm)"}
_STYLE = """
.ld { --ld-paper: #fff; --ld-ink: #16202b; --ld-soft: #4b5866; --ld-edge: #6b7885; --ld-up: #8a3b00;
 --ld-calm: #0b6138; --ld-still: #7a4b00; --ld-now: #0b4aa2; --ld-now-paper: #e3edfb; --ld-card: #f6f8fa; }
@media (prefers-color-scheme: dark) { .ld { --ld-paper: #12181f; --ld-ink: #e8edf2; --ld-soft: #b3bec9;
 --ld-edge: #8b98a5; --ld-up: #ffb37a; --ld-calm: #79d6a2; --ld-still: #ffd080; --ld-now: #9cc4ff;
 --ld-now-paper: #17304f; --ld-card: #1b232c; } }
"""
RULES = """
.ld { color: var(--ld-ink); background: var(--ld-paper); font-family: system-ui, "Noto Sans", sans-serif; }
.ld text { fill: var(--ld-ink); }
.ld .ld-soft { fill: var(--ld-soft); }
.ld .ld-now, .ld .ld-mark { fill: var(--ld-now); }
.ld .ld-mark { fill: var(--ld-still); }
.ld .ld-box { fill: var(--ld-card); stroke: var(--ld-edge); }
.ld .ld-rung { fill: var(--ld-paper); stroke: var(--ld-ink); }
.ld .ld-here { fill: var(--ld-now-paper); stroke: var(--ld-now); }
.ld .ld-open { stroke: var(--ld-now); }
.ld .ld-up, .ld .ld-across, .ld .ld-stay { stroke: var(--ld-up); }
.ld .ld-deescalate, .ld .ld-down { stroke: var(--ld-calm); }
.ld .ld-fill.ld-up, .ld .ld-fill.ld-across, .ld .ld-fill.ld-stay { fill: var(--ld-up); }
.ld .ld-fill.ld-deescalate, .ld .ld-fill.ld-down { fill: var(--ld-calm); }
.ld .ld-hatch { stroke: var(--ld-still); }
.ld .ld-sign { stroke: var(--ld-ink); }
.ld .ld-badge-disc { fill: var(--ld-ink); }
.ld text.ld-badge { fill: var(--ld-paper); }
"""
"""How the classes are coloured from nine named colours; the pages' stylesheet has the same."""


def svg(ladder: Ladder, position: Position | None = None, *, standalone: bool = True, prefix: str = "ladder") -> str:
    """``ladder`` as SVG, ending in a line break.

    ``position`` marks where a thread stands. ``standalone``: with its own colours, as a file; without, for a page
    that has them. ``prefix``: of the few element ids, for a page that holds more than one picture.
    """
    return "\n".join(_lines(layout(ladder, position), standalone, prefix)) + "\n"


def _lines(picture: Picture, standalone: bool, prefix: str) -> Iterator[str]:
    w, h = _n(picture.width), _n(picture.height)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="ld" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img"'
        f' aria-labelledby="{prefix}-title {prefix}-desc" font-family="system-ui, sans-serif" fill="none"'
        ' color="#16202b">'
    )
    yield f'<title id="{prefix}-title">{_words(picture.title)}</title>'
    yield f'<desc id="{prefix}-desc">{_words(picture.words)}</desc>'
    if standalone:
        yield f"<style>{_STYLE}{RULES}</style>"
        yield f'<rect width="{w}" height="{h}" fill="var(--ld-paper)"/>'
    yield (
        f'<defs><pattern id="{prefix}-hatch" width="7" height="7" patternUnits="userSpaceOnUse"'
        ' patternTransform="rotate(45)"><line class="ld-hatch" x1="0" y1="0" x2="0" y2="7" stroke="currentColor"'
        ' stroke-width="4"/></pattern></defs>'
    )
    for shape in picture.shapes:
        yield from _shape(shape, prefix)
    yield "</svg>"


def _shape(shape: Shape, prefix: str) -> Iterator[str]:
    match shape:
        case Text():
            yield _text(shape)
        case Box():
            yield _box(shape)
        case Hatch(x, y, w, h):
            fill = f'fill="url(#{prefix}-hatch)"'
            yield f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(w)}" height="{_n(h)}" {fill}/>'
        case Route():
            yield from _route(shape)
        case Dot(x, y, style):
            yield f'<circle class="ld-fill ld-{style}" cx="{_n(x)}" cy="{_n(y)}" r="4" fill="currentColor"/>'
        case Sign():
            yield _sign(shape, prefix)


def _text(text: Text) -> str:
    weight = ' font-weight="700"' if text.bold else ""
    anchor = ' text-anchor="middle"' if text.middle else ""
    return (
        f'<text class="ld-{text.style}" x="{_n(text.x)}" y="{_n(text.y)}" font-size="{_n(text.size)}" fill="currentColor"'
        f'{weight}{anchor} unicode-bidi="plaintext">{_words(text.words)}</text>'
    )


def _box(box: Box) -> str:
    thick = {"here": 4, "rung": 2}.get(box.style, 2.5 if box.state == "open" else 1.25)
    dash = ' stroke-dasharray="3 3"' if box.state in ("closed", "forbidden") else ""
    name = f"ld-box ld-{box.style}" if box.style in ("rung", "here") else "ld-box"
    if box.state:
        name += f" ld-{box.state}"
    return (
        f'<rect class="{name}" x="{_n(box.x)}" y="{_n(box.y)}" width="{_n(box.w)}" height="{_n(box.h)}" rx="4"'
        f' stroke="currentColor" stroke-width="{thick}"{dash}/>'
    )


def _route(route: Route) -> Iterator[str]:
    points = list(route.points)
    head = ""
    if route.arrow:
        (x, y), (ax, ay) = points[-1], points[-2]
        far = hypot(x - ax, y - ay) or 1
        dx, dy = (x - ax) / far, (y - ay) / far
        base = (x - dx * HEAD, y - dy * HEAD)
        points[-1] = base
        head = (
            f'<path class="ld-fill ld-{route.style}" fill="currentColor" d="M{_n(x)} {_n(y)}'
            f'L{_n(base[0] - dy * 5)} {_n(base[1] + dx * 5)}L{_n(base[0] + dy * 5)} {_n(base[1] - dx * 5)}Z"/>'
        )
    path = "L".join(f"{_n(x)} {_n(y)}" for x, y in points)
    dash = f' stroke-dasharray="{_DASHES[route.style]}"' if route.style in _DASHES else ""
    yield f'<path class="ld-{route.style}" d="M{path}" stroke="currentColor" stroke-width="2"{dash}/>{head}'


_SIGNS = {
    "clock": '<circle cx="6" cy="6" r="5"/><path d="M6 3V6L8.5 7.5"/>',
    "unverified": '<path d="M6 .5L11.5 6L6 11.5L.5 6Z"/>',
    "inferred": '<path d="M6 1L11.5 11H.5Z"/>',
    "open": '<circle cx="6" cy="6" r="5" fill="currentColor"/>',
    "closed": '<circle cx="6" cy="6" r="5"/><path d="M2.5 9.5L9.5 2.5"/>',
    "here": '<path d="M0 1H7L12 6L7 11H0Z" fill="currentColor"/>',
    "up": '<path d="M6 11V2M2 6L6 1.5L10 6"/>',
    "deescalate": '<path d="M1 5C3 2 5 2 6 4.5S9 7 11 4M1 10C3 7 5 7 6 9.5S9 12 11 9"/>',
    "down": '<path d="M6 1V10M2 6L6 10.5L10 6"/>',
    "across": '<path d="M1 6H10M6.5 2L11 6L6.5 10"/>',
}


def _sign(sign: Sign, prefix: str) -> str:
    place = f'transform="translate({_n(sign.x)} {_n(sign.y)})"'
    if sign.kind == "badge":
        return f'<circle class="ld-badge-disc" {place} cx="10" cy="10" r="10" fill="currentColor"/>'
    if sign.kind in ("still", "forbidden"):
        return f'<rect {place} width="12" height="12" fill="url(#{prefix}-hatch)"/>'
    return f'<g class="ld-sign" {place} stroke="currentColor" stroke-width="1.5">{_SIGNS[sign.kind]}</g>'


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _words(words: str) -> str:
    """Text for XML: marks escaped, and what XML cannot hold, or would turn the line around, shown as a replacement."""
    return escape("".join(mark if _fit(mark) else "\ufffd" for mark in words))


def _fit(mark: str) -> bool:
    code = ord(mark)
    hidden = code < 32 or 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000 or code in (0xFFFE, 0xFFFF)
    turning = 0x202A <= code <= 0x202E or 0x2066 <= code <= 0x2069
    return not hidden and not turning
