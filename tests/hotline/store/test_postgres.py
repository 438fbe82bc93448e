"""The hub's store on a PostgreSQL server: durable or refused, one writer however many processes, evidence insert-only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy.exc import IntegrityError, OperationalError

from hotline.hub.errors import HubNotReady
from hotline.hub.settings import place_of
from hotline.store import hub as tables
from hotline.store import postgres
from hotline.store.engine import Store
from hotline.store.errors import StoreDamaged, StoreNotDurable, StorePlaceFault, StoreTooNew, StoreUnreachable
from hotline.store.migrate import upgrade
from hotline.store.place import Server, server
from tests.postgres import MISSING, available, cluster, new_database

pytestmark = pytest.mark.skipif(not available(), reason=MISSING)


@pytest.fixture
def place() -> Server:
    made = new_database()
    upgrade(made, "hub")
    return made


@pytest.fixture
async def store(place: Server) -> AsyncIterator[Store]:
    made = Store(place, "test")
    yield made
    await made.close()


@pytest.fixture
def raw(place: Server) -> Iterator[psycopg.Connection]:
    with psycopg.connect(place.conninfo, autocommit=True) as connection:
        yield connection


def test_the_migrations_make_the_tables_that_the_code_uses(place: Server) -> None:
    upgrade(place, "hub")
    engine = postgres.open_plain(place)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
    engine.dispose()


async def test_processes_that_start_together_upgrade_once() -> None:
    place = new_database()
    await asyncio.gather(*(asyncio.to_thread(upgrade, place, "hub") for _ in range(4)))
    with psycopg.connect(place.conninfo) as connection:
        assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)


def test_a_store_of_a_later_version_is_left_alone(place: Server, raw: psycopg.Connection) -> None:
    raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.execute("UPDATE meta SET value = '9998' WHERE key = 'form.needs'")
    with pytest.raises(StoreTooNew):
        upgrade(place, "hub")


def test_a_database_with_other_tables_is_left_alone() -> None:
    place = new_database()
    with psycopg.connect(place.conninfo, autocommit=True) as connection:
        connection.execute("CREATE TABLE payroll (who text)")
    with pytest.raises(StoreDamaged):
        upgrade(place, "hub")


@pytest.mark.parametrize(
    ("setting", "words"), [("synchronous_commit = off", "synchronous_commit"), ("synchronous_commit = local", "local")]
)
async def test_a_server_that_would_not_keep_what_it_acknowledges_is_refused_at_the_start_and_later(
    place: Server, raw: psycopg.Connection, setting: str, words: str
) -> None:
    name = raw.info.dbname
    raw.execute(f'ALTER DATABASE "{name}" SET {setting}')
    with pytest.raises(StoreNotDurable, match=words):
        upgrade(place, "hub")
    late = Store(place)
    with pytest.raises(OperationalError):
        async with late.write():
            pass
    with pytest.raises(OperationalError):
        await late.transact(lambda _: None)
    await late.close()


def test_settings_that_lose_what_was_acknowledged_are_named() -> None:
    good = ("on", "on", "on", "UTF8", 150000, False)
    assert postgres.not_durable(good) == ""
    for at, bad in enumerate(("off", "off", "remote_write", "LATIN1", 120000, True)):
        assert postgres.not_durable((*good[:at], bad, *good[at + 1 :]))


@pytest.mark.parametrize(
    "text", ["postgresql://hub:secret@db/hotline", "host=db password=secret", "host=db sslpassword=secret", "secret ="]
)
def test_a_password_in_the_settings_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    with pytest.raises(StorePlaceFault) as found:
        server(text)
    (tmp_path / "hub.toml").write_text(f'name = "h"\nlisten = "127.0.0.1:1"\n[store]\nurl = "{text}"\n')
    with pytest.raises(StorePlaceFault) as again:
        place_of(tmp_path)
    for error in (found.value, again.value):
        assert "secret" not in str(error) + error.sentence
        assert error.__cause__ is None and (error.__context__ is None or error.__suppress_context__)


def test_a_password_comes_from_the_password_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = tmp_path / "pgpass"
    passwords.write_text("*:*:*:hotline:from-the-file\n")
    passwords.chmod(0o600)
    place = server(f"host={cluster().path} user=hotline dbname=postgres passfile={passwords}")
    with postgres.connect(place) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert "from-the-file" not in repr(place) and str(cluster().path) not in repr(place)
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    with postgres.connect(server(f"host={cluster().path} user=hotline dbname=postgres")):
        pass


def test_settings_name_the_store(tmp_path: Path) -> None:
    assert place_of(tmp_path) == tmp_path / "hub.db"
    (tmp_path / "hub.toml").write_text('name = "h"\nlisten = "127.0.0.1:1"\n[store]\nurl = "service=hotline"\n')
    assert place_of(tmp_path) == Server("service=hotline")
    (tmp_path / "hub.toml").write_text("[store]\nurl = 3\n")
    with pytest.raises(HubNotReady):
        place_of(tmp_path)


def test_a_server_that_does_not_answer_is_said_to_be_unreachable(tmp_path: Path) -> None:
    with pytest.raises(StoreUnreachable):
        upgrade(Server(f"host={tmp_path} user=hotline dbname=none"), "hub")


@pytest.mark.parametrize("table", sorted({*tables.APPEND_ONLY}))
def test_evidence_is_insert_only(place: Server, raw: psycopg.Connection, table: str) -> None:
    raw.execute(
        "SET session_replication_role = replica"
    )  # rows without the rows they refer to; user triggers too: put back
    columns = [(column.name, column.type) for column in tables.metadata.tables[table].columns]
    values = [
        b"x" if isinstance(kind, sa.LargeBinary) else "1" if isinstance(kind, sa.String) else 1 for _, kind in columns
    ]
    names = ", ".join(f'"{name}"' for name, _ in columns)
    raw.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join(['%s'] * len(values))})", values)
    raw.execute("SET session_replication_role = origin")
    first = columns[0][0]
    for attempt in (
        f'UPDATE {table} SET "{first}" = "{first}"',
        f"DELETE FROM {table}",
        f"TRUNCATE {table} CASCADE",
        f"INSERT INTO {table} ({names}) SELECT {names} FROM {table} "
        f"ON CONFLICT ({', '.join(each.name for each in tables.metadata.tables[table].primary_key)}) "
        f'DO UPDATE SET "{first}" = EXCLUDED."{first}"',
    ):
        with pytest.raises(psycopg.errors.IntegrityError):
            raw.execute(attempt)
    assert raw.execute(f"SELECT count(*) FROM {table}").fetchone() == (1,)


async def test_writers_of_several_processes_take_turns_and_readers_do_not_wait(place: Server, store: Store) -> None:
    stores = [store, Store(place), Store(place)]

    def append(connection: sa.Connection) -> int:
        size = connection.execute(sa.select(sa.func.count()).select_from(tables.leaves)).scalar_one()
        connection.execute(tables.leaves.insert().values(idx=size, data=b"x"))
        return int(size)

    async def by_task(each: Store) -> int:
        async with each.write() as connection:
            return await connection.run_sync(append)

    work = [each.transact(append) for each in stores for _ in range(10)] + [by_task(each) for each in stores] * 1
    assert sorted(await asyncio.gather(*work)) == list(range(33))
    async with stores[0].write() as writing:
        await writing.run_sync(append)
        async with asyncio.timeout(5), stores[1].read() as reading:
            seen = sa.select(sa.func.count()).select_from(tables.leaves)
            assert (await reading.execute(seen)).scalar_one() == 33
    for each in stores[1:]:
        await each.close()


async def test_a_read_is_one_view_whatever_is_written_meanwhile_and_writes_nothing(store: Store) -> None:
    count = sa.select(sa.func.count()).select_from(tables.leaves)
    async with store.read() as reading:
        assert (await reading.execute(count)).scalar_one() == 0
        async with store.write() as writing:
            await writing.execute(tables.leaves.insert().values(idx=0, data=b"x"))
        assert (await reading.execute(count)).scalar_one() == 0
    async with store.read() as reading:
        assert (await reading.execute(count)).scalar_one() == 1
    with pytest.raises(sa.exc.InternalError):
        async with store.read() as reading:
            await reading.execute(tables.leaves.insert().values(idx=1, data=b"x"))


async def test_a_write_that_fails_or_is_cancelled_leaves_nothing_and_no_lock(place: Server, store: Store) -> None:
    with pytest.raises(IntegrityError):
        async with store.write() as connection:
            await connection.execute(tables.leaves.insert().values(idx=0, data=b"x"))
            await connection.execute(tables.leaves.insert().values(idx=0, data=b"x"))

    async def slow() -> None:
        async with store.write() as connection:
            await connection.execute(tables.leaves.insert().values(idx=1, data=b"x"))
            await connection.execute(sa.text("SELECT pg_sleep(30)"))

    task = asyncio.create_task(slow())
    await asyncio.sleep(0.3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    other = Store(place)
    async with asyncio.timeout(10), other.write() as connection:
        assert (await connection.execute(sa.select(tables.leaves.c.idx))).all() == []
    await other.close()


async def test_numbers_beyond_32_bits_are_compared_and_not_an_error(store: Store) -> None:
    async with store.read() as connection:
        wanted = sa.tuple_(tables.entries.c.thread, tables.entries.c.seq).in_([("t", 2**53), ("t", 1)])
        assert (await connection.execute(sa.select(tables.entries).where(wanted))).all() == []


async def test_other_processes_hear_of_a_commit_after_it_can_be_read(place: Server, store: Store) -> None:
    async with postgres.hints(place) as heard:
        async with store.write() as connection:
            await connection.execute(tables.leaves.insert().values(idx=0, data=b"x"))
        async with asyncio.timeout(5):
            assert await anext(heard) == "row test"
        await store.transact(lambda connection: connection.execute(tables.leaves.insert().values(idx=1, data=b"x")))
        async with asyncio.timeout(5):
            assert await anext(heard) == "log test"
