"""How wide words are, without a font: never less than the widest of the common sans-serif faces.

The picture is laid out where no font can be asked (on a server, in a test) and shown in whatever face the reader has.
The widths below are the larger of DejaVu Sans, Noto Sans and Liberation Sans, in hundredths of the font size, so that
text is drawn at most as wide as its place.
"""

from __future__ import annotations

import unicodedata

_REGULAR = (
    "32 41 46 84 64 96 78 28 40 40 56 84 32 37 32 38 64 64 64 64 64 64 64 64 64 64 34 34 84 84 84 56 102 69 69 73 78 67"
    " 62 78 76 34 50 67 56 91 76 79 67 79 73 67 62 74 69 99 69 67 69 40 38 40 84 56 50 62 64 55 64 62 36 64 64 28 28 58"
    " 28 98 64 62 64 64 42 53 40 64 60 82 60 60 53 64 56 64 84"
)
_BOLD = (
    "35 46 53 84 70 101 88 31 46 46 55 84 38 42 38 42 70 70 70 70 70 70 70 70 70 70 40 40 84 84 84 62 100 78 77 74 84 69"
    " 69 83 84 39 56 78 64 100 84 86 74 86 78 73 69 82 78 111 78 73 73 46 42 46 84 56 50 68 72 60 72 68 44 72 72 35 35"
    " 67 35 105 72 69 72 72 50 60 48 72 66 93 65 66 59 72 56 72 84"
)
_WIDTHS = {
    bold: {chr(32 + place): int(width) for place, width in enumerate(table.split())}
    for bold, table in ((False, _REGULAR), (True, _BOLD))
}
_OTHER, _FULL = 85, 110
"""Letters outside ASCII, and the full-width ones of East Asian scripts."""


def width(words: str, size: float, *, bold: bool = False) -> float:
    """An upper bound of the width of ``words`` set at ``size``, in the unit of ``size``."""
    table = _WIDTHS[bold]
    return sum(table[mark] if mark in table else _wide(mark) for mark in words) * size / 100


def _wide(mark: str) -> int:
    if unicodedata.combining(mark):
        return 0
    return _FULL if unicodedata.east_asian_width(mark) in "WF" else _OTHER


def wrap(words: str, room: float, size: float, *, bold: bool = False) -> tuple[str, ...]:
    """``words`` in lines of at most ``room``. A word that is longer than a line is cut: it may leave nothing."""
    lines: list[str] = []
    line = ""
    for word in words.split():
        longer = f"{line} {word}" if line else word
        if width(longer, size, bold=bold) <= room:
            line = longer
            continue
        if line:
            lines.append(line)
        line = word
        while width(line, size, bold=bold) > room and len(line) > 1:
            cut = next(n for n in range(len(line), 0, -1) if n == 1 or width(line[:n], size, bold=bold) <= room)
            lines.append(line[:cut])
            line = line[cut:]
    return (*lines, line) if line or not lines else tuple(lines)
