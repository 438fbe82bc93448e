"""Precedence, TLP and states as shape + word, so that colour never carries the meaning alone."""

from __future__ import annotations

PRECEDENCES = (
    ("ROUTINE", "○", "Routine: within 6 hours"),
    ("PRIORITY", "◆", "Priority: within 3 hours"),
    ("IMMEDIATE", "▲", "Immediate: within 30 minutes"),
    ("FLASH", "▲▲", "Flash: within 10 minutes; keep it short"),
)

TLPS = (
    ("AMBER+STRICT", "Both offices only (the usual choice)"),
    ("RED", "Named readers only"),
    ("AMBER", "Offices and those they must tell"),
    ("GREEN", "The wider community"),
    ("CLEAR", "May be published"),
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
}
_CLOCK_SHAPE = {"waiting for receipt": "◌", "running": "▶", "met": "✔", "ran out": "■"}
_LINE_SHAPE = {"live": "●", "reconnecting": "◐", "offline": "✕", "up": "●", "down": "✕", "unknown": "?"}


def precedence_shape(name: str) -> str:
    return _PRECEDENCE_SHAPE.get(name, "?")


def tlp_shape(name: str) -> str:
    return _TLP_SHAPE.get(name, "?")


def mark_shape(state: str) -> str:
    return _MARK_SHAPE.get(state, "·")


def clock_shape(state: str) -> str:
    return _CLOCK_SHAPE.get(state, "·")


def line_shape(state: str) -> str:
    return _LINE_SHAPE.get(state, "?")


def css(word: str) -> str:
    """A word as part of a CSS class: lower case letters, digits and dashes only."""
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in word.lower())
