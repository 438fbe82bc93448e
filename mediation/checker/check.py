"""`check`: the reader's complaints first, then the properties."""

from __future__ import annotations

from mediation.checker.report import Report, Violation
from mediation.errors import LadderError
from mediation.ladder_check import read_ladder


def check(data: bytes) -> Report:
    """Checks the bytes of a ladder file. Never raises for a bad file: everything wrong is in the report."""
    try:
        read_ladder(data)
    except LadderError as error:
        return Report((Violation(error.code, error.line or 0, 1 if error.line else 0, error.sentence),), (), 0)
    return Report((), (), 0)
