"""Entries read from the store for stations that are behind, of many threads at once.

A member of a thread gets its entries whole, so what one station is sent of it is what the other is sent: what is read here is
read once for all that ask at the same moment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection

from hotline.hub.together import Together
from hotline.store.engine import Store
from protocols.entry import PARTS
from protocols.frames import Deliver

AT_ONCE = 64
"""Stretches in one statement."""
MOST_BYTES = 8 << 20
"""What may be read at once, sealed parts included; a single entry always passes."""


class Stretch(NamedTuple):
    """Entries of a thread from after ``after`` up to ``upto``."""

    thread: str
    after: int
    upto: int


class Backlog:
    """Reads whole entries."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._together: Together[Stretch, tuple[Deliver, ...]] = Together(self._read)

    async def read(self, stretch: Stretch) -> tuple[Deliver, ...]:
        """The entries of a stretch from its first on, with all their sealed parts; fewer where they are large, one at least.
        None where nothing stands there. Raises what the store raises."""
        return await self._together.ask(stretch)

    async def _read(self, asked: Sequence[Stretch]) -> Mapping[Stretch, tuple[Deliver, ...]]:
        return await self._store.fetch(lambda connection: read_stretches(connection, asked[:AT_ONCE]))


def read_stretches(connection: Connection, asked: Sequence[Stretch]) -> dict[Stretch, tuple[Deliver, ...]]:
    """As many of them, from the first on, as may be read at once."""
    sizes = {(thread, seq): size for thread, seq, size in _rows(connection, "sizes", asked)}
    fitting: list[Stretch] = []
    found: dict[Stretch, tuple[Deliver, ...]] = {}
    weight = 0
    for stretch in asked:
        last = stretch.after
        while last < stretch.upto and (stretch.thread, last + 1) in sizes:
            size = int(sizes[stretch.thread, last + 1])
            if weight and weight + size > MOST_BYTES:
                break
            weight += size
            last += 1
        if last > stretch.after:
            fitting.append(Stretch(stretch.thread, stretch.after, last))
        elif weight and (stretch.thread, stretch.after + 1) in sizes:
            break  # its first entry has no room any more: the next time
        found[stretch] = ()
    leaves = {(thread, seq): bytes(data) for thread, seq, data in _rows(connection, "leaves", fitting)}
    parts: dict[tuple[str, int], dict[str, bytes]] = {}
    for thread, seq, name, data in _rows(connection, "parts", fitting):
        if name in PARTS:
            parts.setdefault((thread, seq), {})[name] = bytes(data)
    read = {(each.thread, each.after): each for each in fitting}
    for stretch in found:
        if (part := read.get((stretch.thread, stretch.after))) is not None:
            places = [(stretch.thread, seq) for seq in range(part.after + 1, min(part.upto, stretch.upto) + 1)]
            found[stretch] = tuple(Deliver(*place, leaves[place], parts.get(place, {})) for place in places)
    return found


def _rows(connection: Connection, what: str, asked: Sequence[Stretch]) -> Sequence[tuple[Any, ...]]:
    if not asked:
        return ()
    # Few sizes, so that few statements are prepared: the last stretch is asked for again.
    count = 1 << (len(asked) - 1).bit_length()
    values = tuple(value for stretch in [*asked, *[asked[-1]] * (count - len(asked))] for value in stretch)
    statement = _statement(what, count, connection.dialect.paramstyle)
    return [tuple(row) for row in connection.exec_driver_sql(statement, values)]


_WHAT = {
    "sizes": ("t.thread, t.seq, t.size", 'CROSS JOIN "entries" AS t', ""),
    "leaves": ("t.thread, t.seq, l.data", 'CROSS JOIN "entries" AS t CROSS JOIN "leaves" AS l', " AND l.idx = t.idx"),
    "parts": ("t.thread, t.seq, t.name, t.data", 'CROSS JOIN "parts" AS t', ""),
}


@lru_cache(64)
def _statement(what: str, count: int, paramstyle: str) -> str:
    columns, tables, more = _WHAT[what]
    mark = "?" if paramstyle == "qmark" else "%s"
    wanted = ", ".join([f"({mark}, {mark}, {mark})"] * count)
    # CROSS JOIN: SQLite keeps the order in which the tables stand, so that each stretch is looked up (`hotline.store.pairs`).
    return (
        f"SELECT {columns} FROM (VALUES {wanted}) AS w {tables} "  # noqa: S608 - all of it is our own
        f"WHERE t.thread = w.column1 AND t.seq > w.column2 AND t.seq <= w.column3{more}"
    )
