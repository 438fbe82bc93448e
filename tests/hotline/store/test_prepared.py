"""Prepared statements: what SQLAlchemy would do, said once to each database; a driver's failure keeps SQLAlchemy's name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, IntegrityError

from hotline.store import hub as t
from hotline.store.engine import Store
from hotline.store.migrate import upgrade
from hotline.store.place import Place
from hotline.store.prepared import Inserting, Prepared, PreparedIn, together
from tests.postgres import MISSING, available, new_database

LEAVES, NODES = Inserting(t.leaves), Inserting(t.nodes)
FIND = PreparedIn(lambda ids: sa.select(t.leaves.c.idx, t.leaves.c.data).where(t.leaves.c.idx.in_(ids)))
NEWEST = Prepared(
    sa.select(t.leaves.c.idx).where(t.leaves.c.idx < sa.bindparam("below")).order_by(t.leaves.c.idx.desc()).limit(1),
    "below",
)


@pytest.fixture(params=["file", "server"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    if request.param == "server" and not available():
        pytest.skip(MISSING)
    place: Place = tmp_path / "hub.db" if request.param == "file" else new_database()
    await asyncio.to_thread(upgrade, place, "hub")
    made = Store(place, "test")
    yield made
    await made.close()


async def test_rows_that_were_put_in_by_hundreds_are_found_by_hundreds(store: Store) -> None:
    rows = [(number, b"leaf %d" % number) for number in range(300)]

    def work(connection: Connection) -> None:
        with together(connection):
            LEAVES.many(connection, rows)
            NODES.many(connection, [(0, number, bytes(32)) for number in range(300)])

    await store.transact(work)
    for wanted in ([], [7], list(range(0, 300, 3)), [*range(290, 310)]):
        found = await store.transact(lambda connection, wanted=wanted: FIND.rows(connection, wanted))
        assert sorted((number, bytes(data)) for number, data in set(map(tuple, found))) == [
            rows[number] for number in wanted if number < 300
        ]
    assert [tuple(row) for row in await store.transact(lambda connection: NEWEST.rows(connection, (200,)))] == [(199,)]


async def test_a_row_that_stands_already_undoes_the_whole_transaction_and_says_so_as_ever(store: Store) -> None:
    await store.transact(lambda connection: LEAVES.many(connection, [(0, b"first")]))

    def work(connection: Connection) -> None:
        with together(connection):
            NODES.many(connection, [(0, 5, bytes(32))])
            LEAVES.many(connection, [(1, b"new"), (0, b"another first")])

    with pytest.raises(IntegrityError) as caught:
        await store.transact(work)
    assert b"another" not in str(caught.value).encode(), "what was being stored does not get into an error's text"
    found = await store.transact(lambda connection: FIND.rows(connection, [0, 1]))
    assert [(number, bytes(data)) for number, data in found] == [(0, b"first")]
    async with store.read() as connection:
        assert (await connection.execute(sa.select(sa.func.count()).select_from(t.nodes))).scalar_one() == 0


@pytest.mark.skipif(not available(), reason=MISSING)
async def test_a_connection_that_the_server_ends_is_given_up_and_the_next_transaction_has_another() -> None:
    place = new_database()
    await asyncio.to_thread(upgrade, place, "hub")
    store = Store(place, "test")

    def ended(connection: Connection) -> None:
        ours = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        other.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": ours})
        LEAVES.many(connection, [(0, b"lost")])

    from hotline.store import postgres

    engine = postgres.open_plain(place)
    with engine.connect().execution_options(**{postgres.READ: True}) as other:
        with pytest.raises(DBAPIError) as caught:
            await store.transact(ended)
        assert caught.value.connection_invalidated
    engine.dispose()
    await store.transact(lambda connection: LEAVES.many(connection, [(0, b"kept")]))
    found = await store.transact(lambda connection: FIND.rows(connection, [0]))
    assert [bytes(data) for _, data in found] == [b"kept"]
    await store.close()


def test_a_statement_that_takes_other_values_than_were_named_is_refused() -> None:
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection, pytest.raises(ValueError, match="below"):
        Prepared(sa.select(t.leaves.c.idx).where(t.leaves.c.idx < sa.bindparam("below")), "above").rows(
            connection, (1,)
        )
