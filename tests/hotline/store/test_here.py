"""Short transactions run where they are asked for: as durable and as undone as those of the store's own thread."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError, OperationalError

from hotline.store import engine
from hotline.store import hub as t
from hotline.store.engine import Store
from hotline.store.migrate import upgrade
from hotline.store.prepared import Inserting

LEAVES = Inserting(t.leaves)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    upgrade(tmp_path / "hub.db", "hub")
    store = Store(tmp_path / "hub.db")
    yield store
    await store.close()


def leaf(number: int) -> Any:
    return lambda connection: LEAVES.many(connection, [(number, b"%d" % number)])


def stored(store: Store) -> list[int]:
    """By another connection."""
    assert isinstance(store.place, Path)
    with closing(sqlite3.connect(store.place)) as db:
        return [number for (number,) in db.execute("SELECT idx FROM leaves ORDER BY idx")]


async def test_the_work_runs_where_it_was_asked_for_and_is_stored_when_it_returns(store: Store) -> None:
    seen: list[threading.Thread] = []

    def work(connection: Connection) -> str:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
        seen.append(threading.current_thread())
        leaf(0)(connection)
        return "done"

    assert await store.transact(work, here=True) == "done"
    assert seen == [threading.current_thread()]
    assert stored(store) == [0]


async def test_what_fails_leaves_nothing_and_the_next_is_taken(store: Store) -> None:
    def fails(connection: Connection) -> None:
        leaf(0)(connection)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.transact(fails, here=True)
    await store.transact(leaf(1), here=True)
    with pytest.raises(IntegrityError):
        await store.transact(lambda connection: (leaf(2)(connection), leaf(1)(connection)), here=True)
    assert stored(store) == [1]
    await store.transact(leaf(2))
    assert stored(store) == [1, 2]


async def test_the_loop_goes_on_while_another_process_holds_the_lock_and_the_work_waits_for_it(store: Store) -> None:
    assert isinstance(store.place, Path)
    with closing(sqlite3.connect(store.place, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(store.transact(leaf(0), here=True))
        turns = 0
        for _ in range(20):
            await asyncio.sleep(0.005)
            turns += 1
        assert turns == 20 and not waiting.done()
        other.execute("COMMIT")
        await asyncio.wait_for(waiting, 10)
    assert stored(store) == [0]


async def test_a_lock_that_is_never_given_back_is_an_error_in_the_end(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT", 50)
    assert isinstance(store.place, Path)
    with closing(sqlite3.connect(store.place, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OperationalError, match="locked"):
            await store.transact(leaf(0), here=True)
        other.execute("COMMIT")
    await store.transact(leaf(0), here=True)
    assert stored(store) == [0]


async def test_one_that_is_cancelled_at_its_flush_ends_before_the_next_begins(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, on = threading.Event(), threading.Event()
    real = Store._in_thread

    async def slow(self: Store, work: Any) -> Any:
        def slowly() -> Any:
            begun.set()
            on.wait(10)
            return work()

        return await real(self, slowly)

    monkeypatch.setattr(Store, "_in_thread", slow)
    first = asyncio.create_task(store.transact(leaf(0), here=True))
    await asyncio.to_thread(begun.wait, 10)
    first.cancel()
    second = asyncio.create_task(store.transact(leaf(1), here=True))
    await asyncio.sleep(0.05)
    assert not first.done() and not second.done() and stored(store) == []
    on.set()
    with pytest.raises(asyncio.CancelledError):
        await first
    await second
    assert stored(store) == [0, 1]


async def test_transactions_of_every_way_take_turns(store: Store) -> None:
    async def by_task(number: int) -> None:
        async with store.write() as connection:
            await connection.execute(t.leaves.insert().values(idx=number, data=b"x"))

    ways = [
        each
        for number in range(0, 60, 3)
        for each in (
            store.transact(leaf(number), here=True),
            store.transact(leaf(number + 1)),
            by_task(number + 2),
        )
    ]
    await asyncio.gather(*ways)
    assert stored(store) == list(range(60))
