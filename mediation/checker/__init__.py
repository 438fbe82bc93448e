"""The ladder checker: what a ladder promises, tried out on everything that can happen under it."""

from mediation.checker.examine import check
from mediation.checker.report import Report, Violation

__all__ = ["Report", "Violation", "check"]
