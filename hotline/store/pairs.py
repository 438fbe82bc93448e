"""Rows found by two columns at once, on either database by their index.

``(a, b) IN (VALUES (1, 2), (3, 4))``, which is how SQLAlchemy asks for several pairs, makes SQLite read the whole table: it
takes the index for a row value only where the right side is no compound select. A join to the wanted pairs takes it always.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

AT_ONCE = 256
"""Pairs in one statement; SQLite takes 32766 variables."""


def find_pairs(
    connection: Connection,
    key: tuple[sa.Column[Any], sa.Column[Any]],
    wanted: Sequence[tuple[Any, Any]],
    what: sa.Column[Any],
) -> Iterator[tuple[Any, Any, Any]]:
    """Rows of (first key, second key, ``what``) of ``key``'s table for each of the ``wanted`` pairs that stands there, in no
    order; a pair that is wanted twice may come twice. The table has an index that begins with ``key``."""
    names = tuple(column.name for column in (*key, what))
    for start in range(0, len(wanted), AT_ONCE):
        some = wanted[start : start + AT_ONCE]
        # Few sizes, so that few statements are prepared: the last pair is asked for again.
        count = 1 << (len(some) - 1).bit_length()
        statement = _statement(key[0].table.name, names, count, connection.dialect.paramstyle)
        values = tuple(_flat([*some, *[some[-1]] * (count - len(some))]))
        for row in connection.exec_driver_sql(statement, values):
            yield row[0], row[1], row[2]


def _flat(pairs: Iterable[tuple[Any, Any]]) -> Iterator[Any]:
    for pair in pairs:
        yield from pair


@lru_cache(64)
def _statement(table: str, names: tuple[str, ...], count: int, paramstyle: str) -> str:
    mark = "?" if paramstyle == "qmark" else "%s"
    pairs = ", ".join([f"({mark}, {mark})"] * count)
    columns = ", ".join(f't."{name}"' for name in names)
    # CROSS JOIN: SQLite keeps the order in which the tables stand, so that each pair is looked up.
    return (
        f'SELECT {columns} FROM (VALUES {pairs}) AS w CROSS JOIN "{table}" AS t '  # noqa: S608 - names of our own columns
        f'WHERE t."{names[0]}" = w.column1 AND t."{names[1]}" = w.column2'
    )
