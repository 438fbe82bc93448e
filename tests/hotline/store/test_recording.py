"""What is noted is written in one piece; what comes meanwhile is written together, and spoils nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from hotline.store import station as tables
from hotline.store.station import StationStore


@pytest.fixture
def store(tmp_path: Path) -> StationStore:
    return StationStore.open(tmp_path / "station.db")


def counting(store: StationStore) -> list[int]:
    """The transactions of a store from now on, slow enough that others come meanwhile."""
    real, seen = store._store.transact, []

    async def transact(work: Callable[[sa.Connection], Any], **how: Any) -> Any:
        seen.append(1)
        await asyncio.sleep(0.02)
        return await real(work, **how)

    store._store.transact = transact  # type: ignore[method-assign]
    return seen


async def queue(store: StationStore, name: str) -> int:
    async with store.change() as change:
        position = store.position()
        await change.add_outbox(position, name, "thread", "queued", b"intent")
    return position


async def names(store: StationStore) -> list[str]:
    return [row.id for row in await store.outbox()]


async def test_changes_that_end_while_another_is_written_share_one_transaction(store: StationStore) -> None:
    seen = counting(store)
    positions = await asyncio.gather(*(queue(store, f"row {number:02}") for number in range(30)))
    assert positions == sorted(set(positions))
    assert await names(store) == [f"row {number:02}" for number in range(30)]
    assert len(seen) < 4
    await store.close()


async def test_one_that_breaks_a_rule_fails_alone(store: StationStore) -> None:
    await queue(store, "there")
    found = await asyncio.gather(*(queue(store, name) for name in ("one", "there", "two")), return_exceptions=True)
    assert isinstance(found[1], IntegrityError) and isinstance(found[0], int) and isinstance(found[2], int)
    assert sorted(await names(store)) == ["one", "there", "two"]
    await store.close()


async def test_an_exception_inside_writes_nothing(store: StationStore) -> None:
    with pytest.raises(ZeroDivisionError):
        async with store.change() as change:
            await change.add_outbox(1, "never", "thread", "queued", b"intent")
            raise ZeroDivisionError
    assert await names(store) == []
    await store.close()


async def test_whoever_is_cancelled_while_it_is_written_finds_it_written(store: StationStore) -> None:
    counting(store)
    task = asyncio.create_task(queue(store, "cut"))
    await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await names(store) == ["cut"]
    await store.close()


async def test_within_a_table_the_order_stands_and_a_position_is_never_given_twice(store: StationStore) -> None:
    async with store.change() as change:
        first, second = store.position(), store.position()
        await change.add_outbox(first, "a", "thread", "queued", b"1")
        await change.put_outbox("a", state="refused", answer=b"no")
        await change.drop_outbox("a")
        await change.add_outbox(second, "a", "thread", "queued", b"2")
    assert [(row.position, row.intent) for row in await store.outbox()] == [(second, b"2")]
    async with store.change() as change:
        await change.drop_outbox("a")
    path = store._store.place
    await store.close()
    assert isinstance(path, Path)
    again = StationStore.open(path)
    assert await queue(again, "b") > second > first
    await again.close()


async def test_what_depends_on_the_store_is_not_only_noted(store: StationStore) -> None:
    async with store.change() as change:
        await change.add_token("hash", "login", "officer", 10)
    with pytest.raises(TypeError):
        async with store.change() as change:
            await change.take_token("hash", "login", 1)
    async with store.decide() as change:
        assert await change.take_token("hash", "login", 1) == "officer"
    assert not await store.rows(tables.tokens)
    await store.close()
