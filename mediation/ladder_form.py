"""The form of a ladder file: TOML, and every field of the type the language gives it.

Each table is read on its own, so that one complaint does not hide the next table's.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any, cast

import msgspec

from mediation.errors import LadderError
from mediation.ladder_place import place_of
from mediation.rules import ClockRule, KindRule, LadderFile, Limits, MediationRule, RoleRule, Rung, StepRule

MAX_BYTES = 256 * 1024
_LISTS: dict[str, type[msgspec.Struct]] = {"rung": Rung, "role": RoleRule, "step": StepRule, "clock": ClockRule}
_TABLES: dict[str, type[msgspec.Struct]] = {"mediation": MediationRule, "limits": Limits}


def read_form(data: bytes) -> tuple[str, LadderFile | None, tuple[LadderError, ...]]:
    """The file's text, its contents where the form holds, and what is wrong with the form: one complaint a table."""
    if len(data) > MAX_BYTES:
        sentence = f"The file has {len(data)} bytes; at most {MAX_BYTES} are taken."
        return "", None, (LadderError("ladder.file.size", sentence),)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return "", None, (LadderError("ladder.file.syntax", "The file is not text in UTF-8."),)
    try:
        raw = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        found = re.search(r"at line (\d+)(?:, column (\d+))?", str(error))
        line, column = (int(found[1]), int(found[2] or 1)) if found else (None, None)
        wrong = LadderError("ladder.file.syntax", f"The file is not TOML: {error}.", line=line, column=column)
        return text, None, (wrong,)
    try:
        return text, msgspec.convert(raw, LadderFile, strict=True), ()
    except msgspec.ValidationError as error:
        return text, None, _all(text, raw) or (_complaint(text, error, ""),)


def _all(text: str, raw: dict[str, Any]) -> tuple[LadderError, ...]:
    """Every table's first complaint, in the order of the language's description."""
    found = []
    outer = {name: value for name, value in raw.items() if name not in {*_LISTS, *_TABLES, "kinds"}}
    for name in ("rung", "step", "clock"):  # required lists: whether they are there and not too long
        if name in raw:
            outer[name] = [_SAMPLES[name]] * len(raw[name]) if isinstance(raw[name], list) else raw[name]
    found += _one(text, outer, LadderFile, "")
    for name, kind in _LISTS.items():
        rows = raw.get(name, [])
        for index, row in enumerate(rows if isinstance(rows, list) else []):
            found += _one(text, row, kind, f"{name}[{index}]")
    for name, kind in _TABLES.items():
        if name in raw:
            found += _one(text, raw[name], kind, name)
    kinds = raw.get("kinds", {})
    if not isinstance(kinds, dict):
        return (*found, *_one(text, kinds, KindRule, "kinds"))
    for name, row in kinds.items():
        found += _one(text, row, KindRule, f"kinds.{name}")
    return tuple(found)


_SAMPLES: dict[str, dict[str, Any]] = {
    "rung": {"id": "x", "title": "x", "level": 0},
    "step": {"id": "x", "title": "x", "direction": "up", "from": ["*"]},
    "clock": {"id": "x", "title": "x", "kind": "cap", "after": "P1D", "from": "close", "check": "D", "why": "x"},
}
"""Rows that pass, standing for those that are looked at by themselves."""


def _one(text: str, value: Any, kind: type[msgspec.Struct], at: str) -> list[LadderError]:
    try:
        msgspec.convert(value, cast(Any, kind), strict=True)
    except msgspec.ValidationError as error:
        return [_complaint(text, error, at)]
    return []


def _complaint(text: str, error: msgspec.ValidationError, at: str) -> LadderError:
    message, _, path = str(error).partition(" - at `")
    inner = path.rstrip("`").removeprefix("$").removeprefix(".") if path else ""
    field = f"{at}.{inner}" if at and inner else at or inner or "file"
    place = place_of(text, field)
    line, column = place if place is not None else (None, None)
    return LadderError("ladder.file.field", f"{message}.", line=line, column=column, field=field)
