"""The steps of a store's form: what may be taken beside whom, and which version serves what."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from hotline.store import postgres
from hotline.store.dump import dump
from hotline.store.errors import (
    StoreCopyMissing,
    StoreInUse,
    StoreMoved,
    StoreTooNew,
    StoreTooOld,
    StoreUnreachable,
)
from hotline.store.forms import Forms, Stand
from hotline.store.migrate import look, make_or_check, take, upgrade
from hotline.store.place import Server
from tests.hotline.harness import make_world, running_hub
from tests.hotline.store.version_to_come import NEWEST, to_come
from tests.postgres import MISSING, available, new_database

shared = pytest.mark.skipif(not available(), reason=MISSING)


@pytest.fixture
def place() -> Server:
    made = new_database()
    upgrade(made, "hub")
    return made


def revision(place: Server) -> str:
    with psycopg.connect(place.conninfo) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def test_the_steps_that_ship_stand_in_order_and_are_numbers() -> None:
    steps = Forms("hub").steps
    assert [int(step.revision) for step in steps] == list(range(1, len(steps) + 1))
    assert {step.phase for step in steps} <= {"before", "after", "alone"}
    # An `after` of a version that had no `before` would be taken for one of the version before it.
    phases = [step.phase for step in steps]
    assert all(phases[at - 1] != "alone" for at, phase in enumerate(phases) if phase == "after")


def test_a_version_serves_what_it_can_and_says_of_the_rest_why_not() -> None:
    old = Forms("hub")
    with to_come():
        new = Forms("hub")
    assert (new.lowest, new.newest) == ("9001", "9002")
    new.check(Stand("9001"))
    new.check(Stand("9002"))
    with pytest.raises(StoreTooOld):
        new.check(Stand(NEWEST))
    old.check(Stand("9001", needs=new.needs("9001")))
    for stand in (Stand("9002", needs=new.needs("9002")), Stand("9001"), Stand("9001", needs="later")):
        with pytest.raises(StoreTooNew):
            old.check(stand)
    with pytest.raises(StoreMoved):
        new.check(Stand("9002", moved=True))


def test_a_file_is_copied_and_brought_to_the_newest_form_at_the_start_and_by_nothing_that_works_beside_a_hub(
    tmp_path: Path,
) -> None:
    path = tmp_path / "hub.db"
    upgrade(path, "hub")
    with to_come():
        with pytest.raises(StoreTooOld):
            make_or_check(path)
        copy = upgrade(path, "hub")
        make_or_check(path)
    assert copy == tmp_path / f"hub.db.before-{NEWEST}"
    with closing(sqlite3.connect(copy)) as db:
        assert db.execute("SELECT version_num FROM alembic_version").fetchall() == [(NEWEST,)]
    with pytest.raises(StoreTooNew):
        upgrade(path, "hub")


def test_a_file_that_took_only_the_steps_before_still_suits_the_version_before(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    upgrade(path, "hub")
    with to_come():
        assert [step.revision for step in take(path, after=False, copied=False).steps] == ["9001"]
        assert [step.revision for step in look(path).after] == ["9002"]
    assert upgrade(path, "hub") is None
    make_or_check(path)


@shared
def test_a_start_leaves_a_shared_store_as_it_is(place: Server) -> None:
    with to_come():
        for start in (lambda: upgrade(place, "hub"), lambda: make_or_check(place)):
            with pytest.raises(StoreTooOld):
                start()
        assert revision(place) == NEWEST
        with pytest.raises(StoreCopyMissing):
            take(place, after=False, copied=False)
        assert revision(place) == NEWEST
        take(place, after=False, copied=True)
        assert take(place, after=False, copied=False).steps == (), "what is done needs no copy"
        upgrade(place, "hub")
    assert revision(place) == "9001"
    upgrade(place, "hub")  # the version before starts on it too


@shared
async def test_what_somebody_could_not_go_on_after_is_refused_while_he_is_there(place: Server) -> None:
    old = int(NEWEST)
    async with postgres.hints(place, old):
        with to_come():
            take(place, after=False, copied=True)
            assert look(place).older == (old,)
            with pytest.raises(StoreInUse, match="9002"):
                take(place, after=True, copied=True)
            assert revision(place) == "9001"
            async with postgres.hints(place, 9002):
                assert look(place).older == (old,)
    async with asyncio.timeout(5):
        with to_come():
            while look(place).older:  # the server needs a moment to see that a session is over
                await asyncio.sleep(0.05)
            async with postgres.hints(place, 9002):
                assert [step.revision for step in take(place, after=True, copied=True).steps] == ["9002"]
    assert revision(place) == "9002"


@shared
async def test_whoever_comes_back_to_a_store_that_went_on_without_him_ends(place: Server) -> None:
    with to_come():
        take(place, after=True, copied=True)
    with pytest.raises(StoreTooNew):
        async with postgres.hints(place, int(NEWEST)):
            pass
    with psycopg.connect(place.conninfo, autocommit=True) as connection:
        connection.execute("INSERT INTO meta VALUES ('store.moved', 'elsewhere')")
    with to_come(), pytest.raises(StoreMoved):
        async with postgres.hints(place, 9002):
            pass


@shared
async def test_whoever_comes_while_a_step_is_taken_is_seen_by_it_or_sees_it(place: Server) -> None:
    """The step has looked, and not committed yet: the process that comes waits for it, and does not serve."""

    async def come() -> None:
        async with postgres.hints(place, int(NEWEST)):
            pass

    with psycopg.connect(place.conninfo) as step:
        step.execute(f"SELECT pg_advisory_xact_lock({postgres.LOCK})")
        coming = asyncio.create_task(come())
        await asyncio.sleep(0.3)
        assert not coming.done()
        step.execute("UPDATE alembic_version SET version_num = '9002'")
        step.execute("UPDATE meta SET value = '9002' WHERE key = 'form.needs'")
    with pytest.raises(StoreTooNew):
        await coming


@shared
async def test_a_start_waits_for_its_turn_longer_than_a_writer_would(
    place: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_SETTLE", "SELECT set_config('lock_timeout', '200ms', false)")
    with psycopg.connect(place.conninfo) as first:
        first.execute(f"SELECT pg_advisory_xact_lock({postgres.LOCK})")
        starting = asyncio.create_task(asyncio.to_thread(upgrade, place, "hub"))
        await asyncio.sleep(1)  # a writer would have given up
        assert not starting.done()
    await starting


@shared
def test_a_step_that_would_have_to_wait_for_a_long_reader_is_not_taken(
    place: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hotline.store.migrate._PATIENCE", "200ms")
    with psycopg.connect(place.conninfo) as reader:
        reader.execute("SELECT * FROM threads")
        with to_come(), pytest.raises(StoreInUse):
            take(place, after=False, copied=True)
    assert revision(place) == NEWEST


@shared
def test_the_copy_can_be_restored_and_is_not_there_where_it_could_not_be_made(place: Server, tmp_path: Path) -> None:
    import subprocess

    with psycopg.connect(place.conninfo, autocommit=True) as connection:
        connection.execute("INSERT INTO leaves VALUES (0, 'leaf')")
    copy = tmp_path / "copy"
    assert dump(place, copy) == copy.stat().st_size
    assert copy.stat().st_mode & 0o777 == 0o600
    other = new_database()
    subprocess.run(["pg_restore", f"--dbname={other.conninfo}", str(copy)], check=True)
    upgrade(other, "hub")
    with psycopg.connect(other.conninfo, autocommit=True) as connection:
        assert connection.execute("SELECT data FROM leaves").fetchall() == [(b"leaf",)]
        with pytest.raises(psycopg.errors.IntegrityError):
            connection.execute("DELETE FROM leaves")
    with pytest.raises(StoreCopyMissing, match="there already"):
        dump(place, copy)
    with pytest.raises(StoreCopyMissing):
        dump(Server(f"host={tmp_path} dbname=none"), tmp_path / "none")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy"]


def test_a_server_that_is_away_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(StoreUnreachable):
        look(Server(f"host={tmp_path} dbname=none"))


@shared
async def test_a_hub_that_lost_the_database_and_finds_another_form_of_it_ends(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    world.server = new_database()
    async with running_hub(world) as hub:
        with psycopg.connect(world.server.conninfo, autocommit=True) as connection:
            async with asyncio.timeout(10):
                while not connection.execute(LISTENING).fetchall():
                    await asyncio.sleep(0.05)
            connection.execute("UPDATE alembic_version SET version_num = '9002'")
            connection.execute("UPDATE meta SET value = '9002' WHERE key = 'form.needs'")
            connection.execute(f"SELECT pg_terminate_backend(pid) FROM ({LISTENING}) AS found")
        await asyncio.wait({hub.hub.failed}, timeout=20)
        assert hub.hub.failed.done(), "it goes on with a store that it does not understand"
        assert not hub.hub.ready
        hub.hub.failed.exception()


LISTENING = "SELECT pid FROM pg_stat_activity WHERE query = 'LISTEN hotline' AND datname = current_database()"
