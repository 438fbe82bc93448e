"""Rows found by two columns: the right ones, and by the index, whatever the table holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from hotline.store.pairs import AT_ONCE, find_pairs
from hotline.store.place import Place
from tests import postgres

_METADATA = sa.MetaData()
_TABLE = sa.Table(
    "things",
    _METADATA,
    sa.Column("thread", sa.String, primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True),
    sa.Column("hash", sa.LargeBinary, nullable=False),
)
_KEY = (_TABLE.c.thread, _TABLE.c.seq)


def _engine(place: Place) -> sa.Engine:
    if isinstance(place, Path):
        return sa.create_engine(f"sqlite:///{place}")
    from hotline.store import postgres as server

    return sa.create_engine("postgresql+psycopg://", creator=lambda: server.connect(place))


@pytest.fixture(params=["file", "postgresql"])
def connection(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Connection]:
    if request.param == "postgresql" and not postgres.available():
        pytest.skip(postgres.MISSING)
    engine = _engine(postgres.new_database() if request.param == "postgresql" else tmp_path / "things.db")
    with engine.begin() as connection:
        _METADATA.create_all(connection)
        rows = [{"thread": f"t{n % 3}", "seq": n, "hash": b"%d" % n} for n in range(1000)]
        connection.execute(_TABLE.insert(), rows)
        yield connection
    engine.dispose()


def _found(connection: Connection, wanted: list[tuple[str, int]]) -> dict[tuple[str, int], bytes]:
    return {(thread, seq): bytes(data) for thread, seq, data in find_pairs(connection, _KEY, wanted, _TABLE.c.hash)}


@pytest.mark.parametrize("count", [0, 1, 2, 3, 50, AT_ONCE, AT_ONCE + 1, 3 * AT_ONCE])
def test_every_wanted_pair_that_stands_is_found_and_nothing_else(connection: Connection, count: int) -> None:
    there = [(f"t{n % 3}", n) for n in range(count)]
    absent = [("t0", 1), ("t9", 3), ("t1", 2**53), ("", 0)]
    assert _found(connection, [*there, *absent]) == {(f"t{n % 3}", n): b"%d" % n for n in range(count)}


def test_a_pair_of_two_rows_halves_is_not_found(connection: Connection) -> None:
    assert _found(connection, [("t0", 4), ("t1", 3)]) == {}


def test_sqlite_takes_the_index_and_never_reads_the_table_through(tmp_path: Path) -> None:
    plans: list[str] = []
    engine = _engine(tmp_path / "things.db")
    with engine.begin() as connection:
        _METADATA.create_all(connection)

        @sa.event.listens_for(engine, "before_cursor_execute", retval=True)
        def explain(_conn, cursor, statement, parameters, _context, _many):  # type: ignore[no-untyped-def]
            if "CROSS JOIN" in statement:
                cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
                plans.extend(row[3] for row in cursor.fetchall())
            return statement, parameters

        for count in (1, 2, 7):
            list(find_pairs(connection, _KEY, [("t0", n) for n in range(count)], _TABLE.c.hash))
    engine.dispose()
    assert sum(plan.startswith("SEARCH t USING") for plan in plans) == 3
    assert not any(plan.startswith("SCAN t") for plan in plans), plans
