"""A hub's store moves from a file to a PostgreSQL server and back: all of it or nothing, and never into two places."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from hotline.cli import main
from hotline.hub import relocate as relocating
from hotline.hub.folder import only_one, open_folder
from hotline.hub.fsck import fsck
from hotline.store import hub as tables
from hotline.store import move as moving
from hotline.store import postgres
from hotline.store.errors import StoreMoved
from hotline.store.migrate import newest_revision, upgrade
from hotline.store.place import Server
from hotline.store.reading import reading
from tests.hotline.harness import World, connect, open_thread, running_hub
from tests.hotline.hub.test_process import make_folder
from tests.postgres import MISSING, available, new_database

pytestmark = pytest.mark.skipif(not available(), reason=MISSING)


async def fill(world: World) -> list[Any]:
    """The key packages of KV that nobody has claimed yet."""
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = await open_thread(av, kv)
        for number in range(3):
            await av.say(thread, "goodwill-note", fields={"text": f"note {number}"})
        return kv.packages


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Path, list[Any]]:
    world, hub, _ = make_folder(tmp_path_factory.mktemp("made"), plain=True)
    packages = asyncio.run(fill(world))
    with closing(sqlite3.connect(hub / "hub.db")) as db:  # what an order by locale or a text format would spoil
        db.execute("INSERT INTO operators VALUES ('Zoë', 'x', x'00ff5c2e0a', 9007199254740993, 0, 0, 0)")
        db.execute("INSERT INTO operators VALUES ('a\\b\t\n.', 'NULL', x'', 1, 0, 0, 0)")
        db.execute("INSERT INTO operators VALUES ('B', '', x'5c4e', 1, 0, 0, 0)")
        db.execute("INSERT INTO looks (at, operator, what) VALUES (5, 'B', 'log')")
        db.execute("INSERT INTO blobs (thread, blob, office, station, size, at, whole) VALUES ('t','b','o','s',1,1,1)")
        db.commit()
    return world, hub, packages


@pytest.fixture
def hub(filled: tuple[World, Path, list[Any]], tmp_path: Path) -> Path:
    path = tmp_path / "hub"
    shutil.copytree(filled[1], path)
    return path


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["hub", *map(str, words)])


def counts(place: Path | Server) -> dict[str, int]:
    with reading(place) as db:
        return {name: db.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in tables.metadata.tables}


def empty(place: Server) -> bool:
    with psycopg.connect(place.conninfo) as db:
        if db.execute("SELECT to_regclass('leaves')").fetchone() == (None,):
            return True
        return db.execute("SELECT count(*) FROM leaves").fetchone() == (0,)


async def test_a_line_goes_on_from_a_server_and_back_from_a_file(
    filled: tuple[World, Path, list[Any]], hub: Path
) -> None:
    world, store = filled[0], new_database()
    before = counts(hub / "hub.db")
    (hub / "hub.toml").write_text((hub / "hub.toml").read_text() + "# mine\n[limits]\nlogin = 5\n")
    done = run("move-store", hub, "--to", store.conninfo)
    assert done.exit_code == 0, done.output
    assert "4 leaves" in done.output
    made = open_folder(hub)
    assert (made.place, made.settings.limits.login) == (store, 5)
    assert "# mine" in (hub / "hub.toml").read_text()
    assert counts(store) == before

    world.server = store
    try:
        async with running_hub(world) as again, connect(again.url, world, "AV", follow=False) as av:
            seen = await av.follow()
            assert [each.seq for each in seen] == [1, 2, 3, 4]
            async with connect(again.url, world, "KV") as kv:
                kv.packages = list(filled[2])
                thread = await open_thread(av, kv)
                await av.say(thread, "goodwill-note", fields={"text": "from the server"})
    finally:
        world.server = None
    with psycopg.connect(store.conninfo, autocommit=True) as db:  # numbers go on after those that were copied
        db.execute("INSERT INTO looks (at, operator, what) VALUES (6, 'B', 'log')")
        db.execute("INSERT INTO evidence (at, station, first, second) VALUES (6, 's', 'a', 'b')")
        assert db.execute("SELECT number FROM looks ORDER BY number").fetchall() == [(1,), (2,)]
    assert fsck(store, world.accord).holds

    (hub / "hub.db").rename(hub / "hub.db.old")
    done = run("move-store", hub, "--to-file")
    assert done.exit_code == 0, done.output
    assert open_folder(hub).place == hub / "hub.db"
    assert "6 leaves" in done.output
    assert fsck(hub / "hub.db", world.accord).holds
    assert counts(hub / "hub.db")["looks"] == 2
    assert (hub / "hub.db").stat().st_mode & 0o777 == 0o600
    upgrade(hub / "hub.db", "hub")
    with pytest.raises(StoreMoved):
        upgrade(store, "hub")


def test_nothing_serves_the_old_store_any_more(hub: Path, tmp_path: Path) -> None:
    settings = (hub / "hub.toml").read_text()
    assert run("move-store", hub, "--to", new_database().conninfo).exit_code == 0
    (hub / "hub.toml").write_text(settings)
    (tmp_path / "passphrase").write_bytes(b"correct horse battery")
    (tmp_path / "passphrase").chmod(0o600)
    served = run("serve", hub, "--passphrase-file", tmp_path / "passphrase")
    assert (served.exit_code, "store.moved" in served.output) == (3, True), "and no supervisor tries again"
    assert run("login-link", hub, "B").exit_code == 3
    assert run("migrate", hub).exit_code == 3


def test_it_goes_on_where_it_was_interrupted(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, settings = new_database(), (hub / "hub.toml").read_text()

    def fault(*_: Any) -> None:
        raise OSError("power")

    with monkeypatch.context() as patch:
        patch.setattr(moving, "_mark", fault)
        assert isinstance(run("move-store", hub, "--to", store.conninfo).exception, OSError)
    assert (hub / "hub.toml").read_text() == settings
    upgrade(hub / "hub.db", "hub")  # still in force
    with monkeypatch.context() as patch:
        patch.setattr(relocating, "_point", fault)
        assert isinstance(run("move-store", hub, "--to", store.conninfo).exception, OSError)
    with pytest.raises(StoreMoved):
        upgrade(hub / "hub.db", "hub")
    done = run("move-store", hub, "--to", store.conninfo)
    assert done.exit_code == 0, done.output
    assert "all of it already" in done.output
    assert open_folder(hub).place == store
    again = run("move-store", hub, "--to", store.conninfo)
    assert (again.exit_code, "already" in again.output) == (1, True)


def test_a_copy_that_is_not_the_same_is_no_copy(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, settings = new_database(), (hub / "hub.toml").read_text()
    real = moving._rows

    def losing(table: Any, connection: Any) -> Any:
        rows = list(real(table, connection))
        return iter(rows[:-1] if table.name == "parts" and connection.dialect.name == "sqlite" and not told else rows)

    told: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(moving, "_rows", losing)
        patch.setattr(moving, "compare", lambda *each: (told.append(1), real_compare(*each))[1])
        done = run("move-store", hub, "--to", store.conninfo)
    assert (done.exit_code, "parts" in done.output) == (1, True), done.output
    assert empty(store)
    assert (hub / "hub.toml").read_text() == settings
    upgrade(hub / "hub.db", "hub")
    assert run("move-store", hub, "--to", store.conninfo).exit_code == 0


real_compare = moving.compare


def test_a_damaged_log_is_not_moved(hub: Path) -> None:
    from tests.hotline.hub.stored import alter

    store = new_database()
    alter(hub / "hub.db", "UPDATE leaves SET data = data || x'00' WHERE idx = 2")
    done = run("move-store", hub, "--to", store.conninfo)
    assert (done.exit_code, "store.not-moved" in done.output) == (1, True), done.output
    assert empty(store)


async def test_it_is_refused_while_a_hub_runs_on_either(hub: Path) -> None:
    store = new_database()
    with only_one(hub):
        done = await asyncio.to_thread(run, "move-store", hub, "--to", store.conninfo)
    assert (done.exit_code, "hub.not-ready" in done.output) == (1, True)
    upgrade(store, "hub")
    async with postgres.hints(store, int(newest_revision("hub"))):
        done = await asyncio.to_thread(run, "move-store", hub, "--to", store.conninfo)
    assert (done.exit_code, "store.in-use" in done.output) == (1, True)
    assert empty(store)


def test_a_database_that_holds_something_else_is_left_alone(hub: Path, tmp_path: Path) -> None:
    store = new_database()
    with psycopg.connect(store.conninfo, autocommit=True) as db:
        db.execute("CREATE TABLE payroll (who text)")
    assert "store.damaged" in run("move-store", hub, "--to", store.conninfo).output
    other = new_database()
    upgrade(other, "hub")
    with psycopg.connect(other.conninfo, autocommit=True) as db:
        db.execute("INSERT INTO meta VALUES ('accord', 'another')")
    done = run("move-store", hub, "--to", other.conninfo)
    assert (done.exit_code, "store.not-moved" in done.output) == (1, True)
    for wrong in ((), ("--to-file",), ("--to", "x", "--to-file")):
        assert run("move-store", hub, *wrong).exit_code != 0
    secret = run("move-store", hub, "--to", "host=h password=hunter2")
    assert secret.exit_code == 1
    assert "hunter2" not in secret.output
    upgrade(hub / "hub.db", "hub")
