"""The independent table of mechanisms (``mechanisms.toml``) and the shipped ladders, parsed once."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from hotline import ladders
from mediation.ladder import Ladder, parse_ladder

FILE = Path(__file__).with_name("mechanisms.toml")
MECHANISMS: dict[str, dict[str, Any]] = {row["id"]: row for row in tomllib.loads(FILE.read_text("utf-8"))["mechanism"]}
SHIPPED = tuple(ladders.shipped())


@cache
def ladder(name: str) -> Ladder:
    """The shipped ladder of that id."""
    return parse_ladder(ladders.load(name))


def rows() -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Every clock of every mechanism: its ladder's id, its step, itself."""
    return [
        (name, step, clock)
        for name, mechanism in MECHANISMS.items()
        for step in mechanism["step"]
        for clock in step.get("clocks", ())
    ]
