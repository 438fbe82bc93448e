"""The store's beginnings and upgrades."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from hotline.hub.console import HubConsole
from hotline.store import hub as tables
from hotline.store.engine import Store
from hotline.store.errors import StoreDamaged, StoreTooNew
from hotline.store.migrate import upgrade
from tests.hotline.harness import make_world, running_hub


def test_the_migrations_make_the_tables_that_the_code_uses(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    assert upgrade(path, "hub") is None
    assert upgrade(path, "hub") is None
    assert path.stat().st_mode & 0o777 == 0o600
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
    engine.dispose()


def test_a_store_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    upgrade(path, "hub")
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.execute("UPDATE meta SET value = '9998' WHERE key = 'form.needs'")
    connection.commit()
    connection.close()
    with pytest.raises(StoreTooNew):
        upgrade(path, "hub")


def test_a_file_that_is_no_store_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    path.write_bytes(b"This is not a database. " * 100)
    with pytest.raises(StoreDamaged):
        upgrade(path, "hub")
    assert path.read_bytes().startswith(b"This is not")


async def test_writers_take_turns_and_readers_do_not_wait(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    upgrade(path, "hub")
    store = Store(path)

    async def count(number: int) -> None:
        async with store.write() as connection:
            newest = (await connection.execute(sa.select(sa.func.count()).select_from(tables.looks))).scalar_one()
            await connection.execute(tables.looks.insert().values(at=newest, operator="o", what=str(number)))

    await asyncio.gather(*(count(number) for number in range(20)))
    async with store.write() as writing:
        await writing.execute(tables.looks.insert().values(at=99, operator="o", what="x"))
        async with store.read() as reading:
            seen = (await reading.execute(sa.select(tables.looks.c.at))).scalars().all()
    assert sorted(seen) == list(range(20))
    await store.close()


async def test_a_task_cancelled_in_the_middle_of_a_transaction_leaves_no_lock_behind(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    upgrade(path, "hub")
    store = Store(path)
    slow = sa.text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) SELECT i FROM n")
    kept: list[BaseException] = []

    async def write() -> None:
        try:
            async with store.write() as connection:
                await connection.execute(tables.looks.insert().values(at=1, operator="o", what="x"))
                await connection.execute(slow)
        except asyncio.CancelledError as error:
            kept.append(error)  # with its traceback, which holds whatever the driver left behind
            raise

    task = asyncio.create_task(write())
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert kept
    async with asyncio.timeout(5), store.write() as connection:
        await connection.execute(tables.looks.insert().values(at=2, operator="o", what="y"))
        assert (await connection.execute(sa.select(tables.looks.c.at))).scalars().all() == [2]
    await store.close()


async def test_stores_made_at_the_same_time_in_one_process_do_not_mix(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.db" for number in range(8)]
    await asyncio.gather(*(asyncio.to_thread(upgrade, path, "station") for path in paths))
    for path in paths:
        with closing(sqlite3.connect(path)) as store:
            assert "note" in {column[1] for column in store.execute("PRAGMA table_info(witness)")}


async def test_looks_from_before_they_were_leaves_are_kept_and_said_to_be_no_more_than_the_hubs_word(
    tmp_path: Path,
) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub:
        async with hub.hub.store.write() as connection:
            await connection.execute(tables.looks.insert().values(at=5, operator="Bob", what="overview"))
        console = HubConsole(hub.hub)
        await console.record_look("Ada", "log")
        found = await console.read_looks(None, 10)
    assert [(look.index, look.operator, look.state) for look in found] == [
        (0, "Ada", "logged"),
        (None, "Bob", "stored"),
    ]
