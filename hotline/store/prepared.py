"""Statements of the write path: written with SQLAlchemy, made into text once for each database, run by its driver.

SQLAlchemy's own execution costs more than the database's work on a row; here that is paid once a process. What a driver
raises comes out as SQLAlchemy's errors, as everywhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy import Connection, Dialect, Table, exc
from sqlalchemy.sql.compiler import SQLCompiler

Row = Sequence[Any]
AT_ONCE = 64
"""Rows that one statement inserts at most."""


class Prepared:
    """One statement. Its parameters are `sqlalchemy.bindparam`s, all of ``names``; values are given as tuples in that order.
    What else it holds (a limit, a number) stays as it was written."""

    def __init__(self, statement: sa.ClauseElement, *names: str) -> None:
        self._statement, self._names = statement, names
        self._made: dict[str, tuple[str, Callable[[Row], Row]]] = {}

    def rows(self, connection: Connection, values: Row = ()) -> list[Any]:
        """What it finds, as plain tuples."""
        text, ordered = self._for(connection.dialect)
        return _run(connection, lambda cursor: cursor.execute(text, ordered(values)), fetch=True)

    def run(self, connection: Connection, values: Row = ()) -> None:
        """Once; nothing is read."""
        text, ordered = self._for(connection.dialect)
        _run(connection, lambda cursor: cursor.execute(text, ordered(values)), fetch=False)

    def many(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Once for each row."""
        text, ordered = self._for(connection.dialect)
        _run(connection, lambda cursor: cursor.executemany(text, list(map(ordered, rows))), fetch=False)

    def _for(self, dialect: Dialect) -> tuple[str, Callable[[Row], Row]]:
        made = self._made.get(dialect.name)
        if made is None:
            made = self._made[dialect.name] = _compile(self._statement, dialect, self._names)
        return made


class Inserting:
    """Inserts whole rows, many in one statement: a driver gives up the interpreter and takes it back for each, and a server is
    asked by each."""

    def __init__(self, table: Table) -> None:
        names = [column.name for column in table.columns]

        @cache  # one for each power of two
        def made(count: int) -> Prepared:
            rows: list[dict[str, Any]] = [
                {name: sa.bindparam(f"{name}_{row}") for name in names} for row in range(count)
            ]
            return Prepared(table.insert().values(rows), *[f"{name}_{row}" for row in range(count) for name in names])

        self._made = made

    def many(self, connection: Connection, rows: Sequence[Row]) -> None:
        """These rows, in order; values in the order of the table's columns."""
        start = 0
        while start < len(rows):
            count = min(AT_ONCE, 1 << ((len(rows) - start).bit_length() - 1))
            self._made(count).run(connection, [value for row in rows[start : start + count] for value in row])
            start += count


class PreparedIn:
    """A statement about a list of values, made once for each power of two of them.

    ``build`` is given what stands for them, and returns the statement.
    """

    def __init__(self, build: Callable[[list[Any]], sa.ClauseElement]) -> None:
        @lru_cache(maxsize=32)
        def made(count: int) -> Prepared:
            names = [f"p{number}" for number in range(count)]
            return Prepared(build([sa.bindparam(name) for name in names]), *names)

        self._made = made

    def rows(self, connection: Connection, values: Sequence[Any]) -> list[Any]:
        """What it finds for these; nothing for none."""
        if not values:
            return []
        count = 1 << (len(values) - 1).bit_length()
        return self._made(count).rows(connection, [*values, *([values[-1]] * (count - len(values)))])


def _compile(statement: sa.ClauseElement, dialect: Dialect, names: Sequence[str]) -> tuple[str, Callable[[Row], Row]]:
    """The text for this database, and what puts values into the order in which it names them."""
    style = "format" if dialect.name == "postgresql" else "qmark"
    compiled = cast(SQLCompiler, statement.compile(dialect=cast(Any, type(dialect))(paramstyle=style)))
    order, fixed = list(compiled.positiontup or ()), compiled.params
    if set(names) - set(order):
        raise ValueError(f"the statement takes {order}, not {names}")
    if order == list(names):
        return str(compiled), lambda values: values
    places = [(names.index(name), None) if name in names else (-1, fixed[name]) for name in order]
    return str(compiled), lambda values: [constant if at < 0 else values[at] for at, constant in places]


@contextmanager
def together(connection: Connection) -> Iterator[None]:
    """Statements in here find nothing, and a server is asked for all of them at once: whether one fails shows at the end."""
    pipeline = getattr(connection.connection.dbapi_connection, "pipeline", None)
    if pipeline is None:
        yield
        return
    try:
        with pipeline():
            yield
    except connection.dialect.loaded_dbapi.Error as error:
        raise _wrapped(connection, error) from error


def _run(connection: Connection, work: Callable[[Any], Any], *, fetch: bool) -> list[Any]:
    try:
        cursor = connection.connection.cursor()
        try:
            work(cursor)
            return list(cursor.fetchall()) if fetch else []
        finally:
            cursor.close()
    except connection.dialect.loaded_dbapi.Error as error:
        raise _wrapped(connection, error) from error


def _wrapped(connection: Connection, error: Exception) -> BaseException:
    """What a driver raised, as SQLAlchemy says it; a connection that is lost by it is given up."""
    raw = cast(Any, connection.connection.dbapi_connection)
    lost = connection.dialect.is_disconnect(cast(Any, error), raw, None)
    if lost:
        connection.invalidate(error)
    return exc.DBAPIError.instance(
        None,
        None,
        error,
        connection.dialect.loaded_dbapi.Error,
        hide_parameters=True,
        connection_invalidated=lost,
        dialect=connection.dialect,
    )
