"""Precedence, TLP and states as shape + word, so that colour never carries the meaning alone."""

from __future__ import annotations

from collections.abc import Iterable

from mediation.words import UNVERIFIED

PRECEDENCES = (
    ("ROUTINE", "○", "Routine: within 6 hours"),
    ("PRIORITY", "◆", "Priority: within 3 hours"),
    ("IMMEDIATE", "▲", "Immediate: within 30 minutes"),
    ("FLASH", "▲▲", "Flash: within 10 minutes; keep it short"),
)

TLPS = (
    ("AMBER+STRICT", "both offices only"),
    ("RED", "named readers only"),
    ("AMBER", "offices and those they must tell"),
    ("GREEN", "the wider community"),
    ("CLEAR", "may be published"),
)

_PRECEDENCE_SHAPE = {name: shape for name, shape, _ in PRECEDENCES}
_TLP_SHAPE = {"RED": "■", "AMBER+STRICT": "▣", "AMBER": "◧", "GREEN": "◇", "CLEAR": "□"}
_MARK_SHAPE = {
    "delivered": "◐",
    "acknowledged": "✔",
    "holding": "◷",
    "answered": "✔✔",
    "declined": "✕",
    "line down": "⌁",
    "silent": "…",
    "not known": "?",
}
_NOTE_SHAPE = (("crossed", "⇄"), ("supersede", "↻"), ("the hub noted", "◷"), ("not readable", "✕"))
_CLOCK_SHAPE = {
    "waiting for receipt": "◌",
    "running": "▶",
    "answered late": "◷",
    "ran out": "■",
    "paused": "▷",
    "opens later": "◌",
}
_SOURCE_SHAPE = {"unverified": "※", "inferred": "≈"}
_LINE_SHAPE = {"live": "●", "quiet": "○", "reconnecting": "◐", "offline": "✕", "up": "●", "down": "✕", "unknown": "?"}


def precedence_shape(name: str) -> str:
    return _PRECEDENCE_SHAPE.get(name, "?")


def tlp_shape(name: str) -> str:
    return _TLP_SHAPE.get(name, "?")


def mark_shape(state: str) -> str:
    return _MARK_SHAPE.get(state, "·")


def note_shape(words: str) -> str:
    """The mark before a note on an entry, by how the note begins."""
    return next((shape for start, shape in _NOTE_SHAPE if words.startswith(start)), "·")


def clock_shape(state: str) -> str:
    return _CLOCK_SHAPE.get(state, "·")


def source_shape(mark: str) -> str:
    """Beside the word for a number that nobody has read in its source."""
    return _SOURCE_SHAPE.get(mark, "·")


def source_words(marks: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """(mark, what it means) for each mark that occurs, once."""
    found = set(marks)
    return tuple((word, meaning) for word, meaning in UNVERIFIED.values() if word in found)


def line_shape(state: str) -> str:
    return _LINE_SHAPE.get(state, "?")


def css(word: str) -> str:
    """A word as part of a CSS class: lower case letters, digits and dashes only."""
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in word.lower())


def bytes_words(size: int) -> str:
    """A number of bytes for people."""
    if size < 1024:
        return f"{size} bytes"
    return f"{size / 1024:.1f} KiB" if size < 1024**2 else f"{size / 1024**2:.1f} MiB"
