"""Violations under way: each property names what is wrong; line and column are found here."""

from __future__ import annotations

from mediation.checker.report import Violation
from mediation.ladder_place import place_of
from mediation.rules import LadderFile


class Found:
    """Collects violations and remarks of one file, one for each code and place."""

    def __init__(self, text: str, file: LadderFile) -> None:
        self.text = text
        self.file = file
        self.violations: dict[tuple[str, str], Violation] = {}
        self.remarks: dict[tuple[str, str], Violation] = {}
        self._index = {
            "rung": {rule.id: number for number, rule in enumerate(file.rung)},
            "step": {rule.id: number for number, rule in enumerate(file.step)},
            "clock": {rule.id: number for number, rule in enumerate(file.clock)},
            "role": {rule.id: number for number, rule in enumerate(file.role)},
        }

    def at(self, table: str, name: str, field: str = "") -> str:
        """``step[3].who`` for the step of that id."""
        place = f"{table}[{self._index[table][name]}]"
        return f"{place}.{field}" if field else place

    def add(self, code: str, field: str, sentence: str, story: tuple[str, ...] = ()) -> None:
        """A violation ``ladder.check.<code>`` about ``field``; a second one of that code there is left out."""
        self.violations.setdefault((code, field), self._violation(code, field, sentence, story))

    def remark(self, code: str, field: str, sentence: str) -> None:
        """Something the author should know that stops nothing."""
        self.remarks.setdefault((code, field), self._violation(code, field, sentence, ()))

    def has(self, code: str, field: str) -> bool:
        """Whether that violation was found already."""
        return (code, field) in self.violations

    def _violation(self, code: str, field: str, sentence: str, story: tuple[str, ...]) -> Violation:
        place = place_of(self.text, field)
        line, column = place if place is not None else (0, 0)
        return Violation(f"ladder.check.{code}", line, column, sentence, story)
