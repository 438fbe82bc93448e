"""Where a field stands in a ladder's text, so that a complaint can name line and column.

TOML readers forget places, so they are looked for again: the field's own line, else its table's. It is a search in the
text, near enough for a person, and nothing but messages depends on it.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Place(NamedTuple):
    """Line and column, both from 1."""

    line: int
    column: int


def place_of(text: str, field: str) -> Place | None:
    """The place of ``field`` (``clock[3].after``, ``kinds.close.who``, ``start``): its line, and the column where its
    value begins (for a table: where its head begins)."""
    lines = text.splitlines()
    number = _line(lines, field)
    if number is None:
        return None
    line = lines[number]
    name = re.sub(r"\[\d+\]\Z", "", field).rsplit(".", 1)[-1]
    value = re.search(rf"(?:^|[\s{{,]){re.escape(name)}\s*=\s*", line)
    if value is not None and not line.lstrip().startswith("["):
        return Place(number + 1, value.end() + 1)
    return Place(number + 1, len(line) - len(line.lstrip()) + 1)


def _line(lines: list[str], field: str) -> int | None:
    parts = [part for part in re.split(r"\.|\[(\d+|\.\.\.)\]", field) if part]
    if not parts:
        return None
    table, rest, start = parts[0], parts[1:], 0
    heads = [number for number, line in enumerate(lines) if re.match(rf"\s*\[\[\s*{re.escape(table)}\s*\]\]", line)]
    if heads and rest and rest[0].isdigit() and int(rest[0]) < len(heads):
        start, rest = heads[int(rest[0])], rest[1:]
    elif rest:
        for depth in range(len(rest), -1, -1):
            name = re.escape(".".join([table, *rest[:depth]]))
            found = next((n for n, line in enumerate(lines) if re.match(rf"\s*\[\s*{name}\s*\]", line)), None)
            if found is not None:
                start, rest = found, rest[depth:]
                break
    else:
        return next((n for n, line in enumerate(lines) if re.match(rf"\s*{re.escape(table)}\s*=", line)), None)
    for name in rest:
        for number in range(start + 1, len(lines)):
            if lines[number].lstrip().startswith("[["):
                break
            if re.match(rf"\s*{re.escape(name)}\s*=", lines[number]) or re.match(
                rf"\s*\[.*\.{re.escape(name)}\]", lines[number]
            ):
                start = number
                break
    return start
