"""What the checker says about a ladder file."""

from __future__ import annotations

import msgspec


class Violation(msgspec.Struct, frozen=True):
    """A reason why this ladder must not enter an accord.

    ``code`` is stable (``ladder.check.way-down``, or the reader's ``ladder.file.reference``). ``line`` and ``column``
    (from 1) say where in the file, 0 where no place can be named. ``story``: what was found by exploration, as the
    entries that lead there, one sentence a line; empty for what can be seen in the text alone.
    """

    code: str
    line: int
    column: int
    sentence: str
    story: tuple[str, ...] = ()


class Report(msgspec.Struct, frozen=True):
    """All violations (a ladder without any may be signed), remarks that stop nothing, and how many abstract states
    were explored (0 when the reader's complaints made exploration pointless)."""

    violations: tuple[Violation, ...]
    remarks: tuple[Violation, ...]
    states: int

    @property
    def passed(self) -> bool:
        """Whether the ladder may be put in force."""
        return not self.violations
