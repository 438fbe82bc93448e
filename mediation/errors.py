"""The one exception of this package.

A ladder *file* that is wrong raises `LadderError`, because somebody has to repair it before anything can run. An
*entry* that breaks a ladder is an everyday matter and raises nothing: the fold answers it with a `Refusal`.
"""

from __future__ import annotations


class LadderError(Exception):
    """A ladder file cannot be used.

    ``code`` is stable (``ladder.file.syntax``, ``ladder.file.field``, ``ladder.file.reference`` ...), ``sentence``
    says to the ladder's author what is wrong. ``line`` and ``column`` are the place in the file (1..) or None,
    ``field`` the place in dotted form (``clock[3].after``).
    """

    def __init__(
        self, code: str, sentence: str, *, line: int | None = None, column: int | None = None, field: str = ""
    ) -> None:
        super().__init__(code, sentence)
        self.code = code
        self.sentence = sentence
        self.line = line
        self.column = column
        self.field = field

    def __str__(self) -> str:
        column = f"column {self.column}" if self.column else ""
        parts = ", ".join(part for part in (f"line {self.line}" if self.line else "", column, self.field) if part)
        return f"{self.code}: {self.sentence}" + (f" ({parts})" if parts else "")
