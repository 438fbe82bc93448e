"""A hub's store as checks and exports read it: one view of all tables, read only, beside whatever runs on it.

Queries are the few that both databases understand word for word, with ``?`` for values.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

from hotline.store.errors import StoreUnreachable
from hotline.store.place import Place

Row = tuple[Any, ...]


class Rows(Protocol):
    """What a query found."""

    def fetchone(self) -> Row | None: ...

    def fetchall(self) -> Sequence[Row]: ...

    def __iter__(self) -> Iterator[Row]: ...


class Reading(Protocol):
    """One read transaction."""

    def execute(self, query: str, values: Sequence[object] = ()) -> Rows:
        """All rows at once."""
        ...

    def stream(self, query: str) -> Iterable[Row]:
        """Rows as they come, for what may not fit into memory; other queries may run meanwhile."""
        ...

    def has_table(self, name: str) -> bool: ...

    def damage(self) -> list[str]:
        """What the database itself finds wrong with its files, in its words."""
        ...


class _Sqlite:
    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def execute(self, query: str, values: Sequence[object] = ()) -> Rows:
        return self._db.execute(query, values)

    def stream(self, query: str) -> Iterable[Row]:
        return self._db.execute(query)

    def has_table(self, name: str) -> bool:
        return self._db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).fetchone() is not None

    def damage(self) -> list[str]:
        return [str(said) for (said,) in self._db.execute("PRAGMA quick_check(10)") if said != "ok"]


class _Postgres:
    def __init__(self, db: Any) -> None:
        self._db = db

    def execute(self, query: str, values: Sequence[object] = ()) -> Rows:
        found: Rows = self._db.execute(_dialect(query), values)
        return found

    def stream(self, query: str) -> Iterable[Row]:
        # A cursor on the server: the rows come a few at a time.
        with self._db.cursor(name="stream") as cursor:
            cursor.itersize = 500
            yield from cursor.execute(_dialect(query))

    def has_table(self, name: str) -> bool:
        return bool(self._db.execute("SELECT to_regclass(%s) IS NOT NULL", (name,)).fetchone()[0])

    def damage(self) -> list[str]:
        return []  # a server with data checksums says so itself, by failing the query


def _dialect(query: str) -> str:
    return query.replace("?", "%s").replace(" AS BLOB)", " AS bytea)")


@contextmanager
def reading(place: Place) -> Iterator[Reading]:
    """Open a store for reading. Raises ``sqlite3.Error`` for a file that cannot be read as a store, `StoreUnreachable` for a
    server that cannot be read."""
    if isinstance(place, Path):
        with closing(sqlite3.connect(place.absolute().as_uri() + "?mode=ro", uri=True, isolation_level=None)) as db:
            db.execute("PRAGMA query_only=ON")
            db.execute("BEGIN")  # one view of all tables, whatever a running hub adds meanwhile
            yield _Sqlite(db)
            db.execute("ROLLBACK")
        return
    import psycopg

    from hotline.store import postgres

    try:
        with closing(postgres.connect(place)) as connection:
            connection.execute("SET default_transaction_isolation = 'repeatable read'")
            connection.execute("SET default_transaction_read_only = on")
            connection.commit()
            yield _Postgres(connection)
            connection.rollback()
    except psycopg.Error as error:
        raise StoreUnreachable(type(error).__name__) from error
