"""Moves what a hub's store holds to another one: from a file to a PostgreSQL server, or back.

All rows of all tables in one transaction of either side: the new store holds everything or nothing, and the old one takes no
writes meanwhile. Then both are read anew and compared, row by row, by count and digest. Only when they agree is the old one
marked: no hub serves it any more, so that its log cannot be continued in two places. What was interrupted between the two can
be done again: a new store that holds exactly the same is taken as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from hotline.store import postgres
from hotline.store.engine import begin_transaction, prepare_connection
from hotline.store.errors import StoreInUse, StoreMoved, StoreMoveFault
from hotline.store.forms import MOVED, NEEDS, Forms, read_stand
from hotline.store.hub import metadata
from hotline.store.migrate import upgrade
from hotline.store.place import Place, Server, words_of

_AT_ONCE = 500
"""Rows that are in memory at a time."""
Told = Callable[[str, int], None]
"""``(table, rows)``: one table is copied."""


@dataclass(frozen=True, slots=True)
class Moved:
    """``rows``: by table. ``resumed``: the new store held all of it already. ``was_marked``: the old one was marked before."""

    rows: dict[str, int]
    resumed: bool
    was_marked: bool


def move(old: Place, new: Place, check: Callable[[Place], None], told: Told = lambda _table, _rows: None) -> Moved:
    """Copy everything from ``old`` to ``new``, compare, have ``check`` look at the new one, and mark ``old`` as moved. No hub
    may run; of a file, the caller holds the lock of the hub's folder. ``check`` raises where the new store does not hold.

    Raises `StoreMoveFault`, `StoreInUse`, what `upgrade` raises of either store, and what ``check`` raises.
    """
    try:
        with _open(old) as source, source.connect() as reading:
            _begin(reading)  # the write lock, and the log's lock on a server: nobody writes until this ends
            _check_source(reading, old)
            upgrade(new, "hub")
            with _open(new) as target, target.connect() as writing:
                _begin(writing)
                moved = _fill(reading, writing, new, told)
                writing.commit()
            check(new)
            if not moved.was_marked:
                _mark(reading, new)
            reading.commit()
            return moved
    except SQLAlchemyError as error:
        raise StoreMoveFault(type(getattr(error, "orig", error)).__name__) from error
    except psycopg.Error as error:  # of COPY, which SQLAlchemy does not see
        raise StoreMoveFault(type(error).__name__) from error


def _begin(connection: Connection) -> None:
    connection.begin()
    if connection.dialect.name == "postgresql":
        # It waits while the other side is read.
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")


def _check_source(reading: Connection, old: Place) -> None:
    forms, stand = Forms("hub"), read_stand(reading)
    if stand.revision != forms.newest:
        raise StoreMoveFault(
            f"it has the form {stand.revision}, the new one will have {forms.newest}: upgrade it first"
        )
    if isinstance(old, Server) and (running := postgres.present(reading)):
        raise StoreInUse(f"{len(running)} hubs run on it")


def _fill(reading: Connection, writing: Connection, new: Place, told: Told) -> Moved:
    was_marked = read_stand(reading).moved
    if isinstance(new, Server) and (running := postgres.present(writing)):
        raise StoreInUse(f"{len(running)} hubs run on the new one")
    if _holds_rows(writing):
        return Moved(compare(reading, writing), True, was_marked)
    if was_marked:
        raise StoreMoved("and the new one is empty")
    writing.execute(sa.delete(metadata.tables["meta"]))
    for table in metadata.sorted_tables:
        told(table.name, _copy(table, reading, writing))
    if isinstance(new, Server):
        _set_counters(writing)
    return Moved(compare(reading, writing), False, was_marked)


def _holds_rows(writing: Connection) -> bool:
    """Whether a store holds more than what its making put there."""
    meta = metadata.tables["meta"]
    if writing.execute(sa.select(sa.exists().where(meta.c.key != NEEDS))).scalar():
        return True
    others = (table for table in metadata.sorted_tables if table is not meta)
    return any(writing.execute(sa.select(sa.exists().select_from(table))).scalar() for table in others)


def _rows(table: sa.Table, connection: Connection) -> Iterator[tuple[Any, ...]]:
    """Every row, in the order of the primary key, by its bytes; the marks of a move are not part of what is moved."""
    keys = [column.collate("C") if _sorted_by_locale(column, connection) else column for column in table.primary_key]
    query = sa.select(table).order_by(*keys)
    if table.name == "meta":
        query = query.where(table.c.key != MOVED)
    found = connection.execute(query, execution_options={"yield_per": _AT_ONCE})
    yield from (tuple(row) for row in found)


def _sorted_by_locale(column: sa.Column[Any], connection: Connection) -> bool:
    return connection.dialect.name == "postgresql" and isinstance(column.type, sa.String)


def _copy(table: sa.Table, reading: Connection, writing: Connection) -> int:
    rows = _rows(table, reading)
    if writing.dialect.name == "postgresql":
        return _copy_in(table, rows, writing)
    count, names = 0, table.columns.keys()
    while some := list(islice(rows, _AT_ONCE)):
        writing.execute(table.insert(), [dict(zip(names, row, strict=True)) for row in some])
        count += len(some)
    return count


def _copy_in(table: sa.Table, rows: Iterable[tuple[Any, ...]], writing: Connection) -> int:
    names = sql.SQL(", ").join(map(sql.Identifier, table.columns.keys()))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), names)
    count, driver = 0, writing.connection.driver_connection
    if driver is None:
        raise StoreMoveFault("the server's connection is gone")
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
            count += 1
    return count


def _set_counters(writing: Connection) -> None:
    """Numbers that the server counts up go on after those that were copied."""
    for table in metadata.sorted_tables:
        column = table.autoincrement_column
        if column is None:
            continue
        counter = writing.execute(sa.select(sa.func.pg_get_serial_sequence(f'"{table.name}"', column.name))).scalar()
        highest = writing.execute(sa.select(sa.func.max(column))).scalar()
        if counter is not None and highest is not None:
            writing.execute(sa.select(sa.func.setval(counter, highest)))


def compare(one: Connection, other: Connection) -> dict[str, int]:
    """Read both stores anew, and count the rows by table. Raises `StoreMoveFault` where they differ."""
    found = {}
    for table in metadata.sorted_tables:
        (count, digest), (others, other_digest) = _digest(table, one), _digest(table, other)
        if (count, digest) != (others, other_digest):
            raise StoreMoveFault(
                f"the new one does not hold the same: {table.name} has {others} rows for {count}. If it holds anything that "
                "matters, look at it; else empty it, and begin again"
            )
        found[table.name] = count
    return found


def _digest(table: sa.Table, connection: Connection) -> tuple[int, bytes]:
    found, count = hashlib.sha256(), 0
    for row in _rows(table, connection):
        for value in row:
            data = bytes(value) if isinstance(value, bytes | memoryview) else repr(value).encode()
            found.update(f"{type(value).__name__} {len(data)} ".encode() + data)
        count += 1
    return count, found.digest()


def _mark(connection: Connection, new: Place) -> None:
    meta = metadata.tables["meta"]
    connection.execute(sa.delete(meta).where(meta.c.key == MOVED))
    connection.execute(meta.insert().values(key=MOVED, value=words_of(new)))


@contextmanager
def _open(place: Place) -> Iterator[Engine]:
    if isinstance(place, Server):
        engine = postgres.open_plain(place)
    else:
        engine = create_engine(f"sqlite:///{place}")
        event.listen(engine, "connect", prepare_connection)
        event.listen(engine, "begin", begin_transaction)
    try:
        yield engine
    finally:
        engine.dispose()


__all__ = ["Moved", "compare", "move"]
