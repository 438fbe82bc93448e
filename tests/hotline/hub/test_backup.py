"""`hotline hub backup`, `restore` and `check`: a copy is one moment and holds, or there is none; an old one is called old."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from click.testing import CliRunner, Result

from hotline.cli import main
from hotline.hub import backup as module
from hotline.hub.asking import ask_witnesses, compare, witness_urls
from hotline.hub.backup import BackupDamaged, BackupFault, Manifest, back_up, copy_store, read_backup
from hotline.hub.errors import BehindWitnesses
from hotline.hub.folder import HubFolder, open_folder
from hotline.hub.fsck import fsck
from hotline.hub.restore import RestoreFault, refuse_fork, restore, standings
from protocols.frames import Published
from protocols.translog import Checkpoint, ed25519_signer, sign_checkpoint
from tests.hotline.harness import World, connect, open_thread, running_hub
from tests.hotline.hub.stored import alter
from tests.hotline.hub.test_claims import at, with_neutral
from tests.hotline.hub.test_process import make_folder

NOW = 1_790_000_000_000


async def fill(world: World, notes: int = 3) -> None:
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = await open_thread(av, kv)
        for number in range(notes):
            await av.say(thread, "goodwill-note", fields={"text": f"note {number}"})


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Path]:
    world, hub, _ = make_folder(tmp_path_factory.mktemp("made"), plain=True)
    asyncio.run(fill(world))
    return world, hub


@pytest.fixture
def hub(filled: tuple[World, Path], tmp_path: Path) -> Path:
    path = tmp_path / "hub"
    shutil.copytree(filled[1], path)
    return path


def copied(hub: Path, out: Path, **options: Any) -> Manifest:
    return back_up(open_folder(hub), out, NOW, **options)


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["hub", *map(str, words)])


def test_a_backup_holds_the_store_and_everything_public_and_no_keys_unless_asked(hub: Path, tmp_path: Path) -> None:
    manifest = copied(hub, tmp_path / "out")
    assert manifest.size == 4
    assert "hub.key" not in manifest.files
    assert not (tmp_path / "out" / "hub.key").exists()
    assert set(manifest.files) >= {"hub.db", "hub.toml", "hub-card.json", "accord.jws", "accord.id"}
    assert [path.name for path in (tmp_path / "out").glob("hub.db*")] == ["hub.db"], "one file, no journal beside it"
    assert fsck(tmp_path / "out" / "hub.db", open_folder(hub).accord).holds
    assert read_backup(tmp_path / "out") == manifest
    for path in (tmp_path / "out").rglob("*"):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077
    again = copied(hub, tmp_path / "keys", with_keys=True)
    assert (tmp_path / "keys" / "hub.key").read_bytes() == (hub / "hub.key").read_bytes()
    assert again.root == manifest.root


async def test_a_backup_of_a_serving_hub_is_one_moment_of_it_and_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGES", 4)
    monkeypatch.setattr(module, "PAUSE", 0.01)
    world, path, _ = make_folder(tmp_path, plain=True)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = await open_thread(av, kv)
        copying = asyncio.create_task(asyncio.to_thread(copied, path, tmp_path / "out"))
        said = 0
        while not copying.done():
            await av.say(thread, "goodwill-note", fields={"text": f"note {said}"})
            said += 1
        manifest = await copying
        size = hub.hub.writer.standing.frontier.size
    assert said > 0
    assert 1 <= manifest.size < size
    assert fsck(tmp_path / "out" / "hub.db", world.accord).holds


@pytest.mark.parametrize("what", ["the store", "a ladder", "the disk"])
def test_a_copy_that_does_not_hold_leaves_no_backup(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    expected: type[Exception] = BackupFault
    if what == "the store":
        alter(hub / "hub.db", "UPDATE leaves SET data = data || x'00' WHERE idx = 2")
        expected = BackupDamaged
    made = open_folder(hub)
    if what == "a ladder":
        next((hub / "ladders").iterdir()).unlink()
    if what == "the disk":

        def full(_: Path) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(module, "flush", full)
    with pytest.raises(expected):
        back_up(made, tmp_path / "out", NOW)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "out.partial").exists()


def test_what_stands_is_never_overwritten(hub: Path, tmp_path: Path) -> None:
    copied(hub, tmp_path / "out")
    with pytest.raises(BackupFault, match="stands already"):
        copied(hub, tmp_path / "out")
    before = {path: path.read_bytes() for path in hub.rglob("*") if path.is_file()}
    with pytest.raises(RestoreFault, match="stands already"):
        restore(tmp_path / "out", hub)
    assert {path: path.read_bytes() for path in hub.rglob("*") if path.is_file()} == before


def test_a_restored_hub_is_the_one_that_was_backed_up_and_its_spent_links_are_gone(hub: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(hub / "hub.db")) as db:
        db.execute("INSERT INTO operators (name, password, totp, added) VALUES ('maria', '', x'00', 1)")
        db.execute("INSERT INTO login_tokens VALUES ('digest', 'maria', 9)")
        db.commit()
    manifest = copied(hub, tmp_path / "out")
    found = restore(tmp_path / "out", tmp_path / "new", hub / "hub.key")
    assert found.has_keys
    result = fsck(tmp_path / "new" / "hub.db", found.made.accord)
    assert (result.holds, result.leaves, result.root) == (True, manifest.size, manifest.root)
    with closing(sqlite3.connect(tmp_path / "new" / "hub.db")) as db:
        assert db.execute("SELECT count(*) FROM login_tokens").fetchone() == (0,)


@pytest.mark.parametrize("what", ["hub.db", "hub.toml", "manifest", "a link", "a way out", "missing"])
def test_a_backup_that_was_changed_is_not_restored(hub: Path, tmp_path: Path, what: str) -> None:
    out = tmp_path / "out"
    copied(hub, out)
    match what:
        case "manifest":
            (out / "manifest.json").write_text("{}")
        case "a link":
            (out / "hub.toml").rename(tmp_path / "elsewhere")
            (out / "hub.toml").symlink_to(tmp_path / "elsewhere")
        case "a way out":
            value = json.loads((out / "manifest.json").read_text())
            value["files"]["../hub/hub.key"] = value["files"]["hub.toml"]
            (out / "manifest.json").write_text(json.dumps(value))
        case "missing":
            value = json.loads((out / "manifest.json").read_text())
            del value["files"]["hub.db"]
            (out / "manifest.json").write_text(json.dumps(value))
        case name:
            data = bytearray((out / name).read_bytes())
            data[len(data) // 2] ^= 1
            (out / name).write_bytes(data)
    with pytest.raises(BackupDamaged):
        restore(out, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def head(world: World, size: int, root: bytes) -> str:
    log = ed25519_signer(world.accord.log_origin, world.keys.log)
    return sign_checkpoint(Checkpoint(world.accord.log_origin, size, root), log)


def test_a_copy_behind_a_signed_head_is_refused_with_what_is_lost_and_a_stranger_s_word_is_not(
    filled: tuple[World, Path], hub: Path, tmp_path: Path
) -> None:
    world = filled[0]
    manifest, made = copied(hub, tmp_path / "out"), open_folder(hub)
    refuse_fork(manifest, standings(made, ["rubbish", manifest.head] if manifest.head else ["rubbish"]))
    with pytest.raises(BehindWitnesses, match="lost are the 3 leaves from 4 on") as caught:
        refuse_fork(manifest, standings(made, [head(world, 7, bytes(32))]))
    assert caught.value.exit_status == 3
    with pytest.raises(BehindWitnesses, match="another history"):
        refuse_fork(manifest, standings(made, [head(world, 2, bytes(32))]))
    stranger = ed25519_signer(world.accord.log_origin, bytes([9]) * 32)
    foreign = sign_checkpoint(Checkpoint(world.accord.log_origin, 99, bytes(32)), stranger)
    assert compare([foreign], world.accord, 4, lambda _: b"") == []


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (web.Response(status=404), ""),
        (web.Response(status=500), "status 500"),
        (web.Response(text="rubbish"), "not this log's"),
        (web.Response(body=b"\xff" * 100), "does not answer"),
        (web.Response(body=b"x" * (4 << 20)), "more than a head"),
    ],
)
async def test_a_witness_that_answers_wrongly_says_nothing_and_that_is_said(
    filled: tuple[World, Path], answer: web.Response, problem: str
) -> None:
    async def handle(_: web.Request) -> web.Response:
        return answer

    app = web.Application()
    app.router.add_get("/{log}/checkpoint", handle)
    async with TestServer(app) as server:
        (heard,) = await ask_witnesses({"w": str(server.make_url("")).rstrip("/")}, filled[0].accord)
    assert heard.note == ""
    assert problem in heard.problem
    assert bool(problem) == bool(heard.problem)


async def test_a_neutral_witness_that_cosigned_since_finds_the_copy_old(tmp_path: Path) -> None:
    world, _, server = await with_neutral(tmp_path)
    async with server:
        world = at(world, str(server.make_url("/")))
        urls = witness_urls(world.settings, world.accord)
        old = HubFolder(tmp_path / "old", world.settings, world.accord, world.ladders)
        old.path.mkdir()
        async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
            thread = await open_thread(av, kv)
            await asyncio.gather(av.cosign_next(), kv.cosign_next())
            await av.expect(Published)
            await asyncio.to_thread(copy_store, world.path / "hub.db", old.path / "hub.db")
            (heard,) = await ask_witnesses(urls, world.accord)
            assert [each.how for each in standings(old, [heard.note])] == ["level"]
            await av.say(thread, "goodwill-note", fields={"text": "since"})
            await asyncio.gather(av.cosign_next(), kv.cosign_next())
            await av.expect(Published)
        (heard,) = await ask_witnesses(urls, world.accord)
        assert (heard.name, heard.problem) == ("neutral.test", "")
        (found,) = standings(old, [heard.note])
        assert (found.how, found.head.size) == ("behind", 2)
    (heard,) = await ask_witnesses(urls, world.accord)
    assert "does not answer" in heard.problem


def test_the_commands_copy_check_and_restore_and_end_with_3_where_the_copy_is_old(
    filled: tuple[World, Path], hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run("backup", hub, tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "4 leaves" in done.output
    done = run("restore", tmp_path / "out", tmp_path / "new")
    assert done.exit_code == 0, done.output
    assert "hub.key" in done.output
    from hotline.cli import hub_care
    from hotline.hub.asking import Heard

    monkeypatch.setattr(
        hub_care, "_ask", lambda _: (Heard("w", head(filled[0], 9, bytes(32))), Heard("v", "", "is away"))
    )
    done = run("restore", tmp_path / "out", tmp_path / "newer", "--key", hub / "hub.key")
    assert done.exit_code == 3, done.output
    assert "5 leaves from 4 on" in done.output
    assert "give-back" in done.output
    assert "v is away" in done.output
    done = run("check", tmp_path / "newer")
    assert done.exit_code == 1
    assert "which this store lacks" in done.output


def levels(*words: object) -> dict[str, str]:
    done = run("check", *words, "--json")
    value = json.loads(done.output)
    assert done.exit_code == (1 if value["level"] == "FAIL" else 0)
    assert all(part["do"] for part in value["parts"] if part["level"] != "OK"), "whatever is wrong, it says what to do"
    return {part["part"]: part["level"] for part in value["parts"]}


def test_a_hub_that_is_fit_is_said_to_be(hub: Path, tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_bytes(b"correct horse battery")
    (tmp_path / "passphrase").chmod(0o600)
    found = levels(hub, "--passphrase-file", tmp_path / "passphrase")
    assert found.pop("certificate") == "WARN", "this one is plain"
    found.pop("disk"), found.pop("heads")
    assert set(found.values()) == {"OK"}
    assert {"accord", "keys", "store", "form", "log", "clock", "port"} <= set(found)


@pytest.mark.parametrize(
    ("part", "level", "statement"),
    [
        ("log", "FAIL", "UPDATE leaves SET data = data || x'00' WHERE idx = 2"),
        ("form", "FAIL", "UPDATE alembic_version SET version_num = '9999'; DELETE FROM meta WHERE key = 'form.needs'"),
        ("form", "OK", "UPDATE alembic_version SET version_num = '9999'"),
        ("form", "FAIL", "INSERT INTO meta VALUES ('store.moved', 'elsewhere')"),
        ("form", "WARN", "UPDATE alembic_version SET version_num = '0001'"),
        ("clock", "FAIL", "UPDATE entries SET at = at + 3600000"),
    ],
)
def test_whatever_is_wrong_with_the_store_has_its_own_line(hub: Path, part: str, level: str, statement: str) -> None:
    alter(hub / "hub.db", *statement.split("; "))
    assert levels(hub)[part] == level


def test_a_lost_key_a_wrong_passphrase_and_a_lost_file_are_found(hub: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_bytes(b"something else altogether")
    (tmp_path / "wrong").chmod(0o600)
    assert levels(hub, "--passphrase-file", tmp_path / "wrong")["keys"] == "FAIL"
    (hub / "hub.key").unlink()
    assert levels(hub)["keys"] == "FAIL"
    (hub / "hub.db").unlink()
    assert levels(hub)["store"] == "WARN"
    (hub / "accord.jws").unlink()
    assert levels(hub) == {"folder": "FAIL"}


def test_a_port_that_another_program_has_and_a_locked_store_are_found(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    from hotline.hub import checkup

    monkeypatch.setattr(checkup, "BUSY", 0.05)
    with socket.socket() as other, closing(sqlite3.connect(hub / "hub.db", isolation_level=None)) as db:
        other.bind(open_folder(hub).settings.address)
        db.execute("BEGIN IMMEDIATE")
        found = levels(hub)
        db.execute("ROLLBACK")
    assert (found["port"], found["store"]) == ("FAIL", "FAIL")


def test_a_store_on_a_server_is_left_to_the_servers_own_tools_and_one_that_is_away_is_found(
    hub: Path, tmp_path: Path
) -> None:
    with (hub / "hub.toml").open("a") as file:
        file.write(f'[store]\nurl = "host={tmp_path / "nowhere"} dbname=hotline"\n')
    done = run("backup", hub, tmp_path / "out")
    assert done.exit_code == 1
    assert "pg_basebackup" in done.output
    found = levels(hub)
    assert {part for part, level in found.items() if level == "FAIL"} >= {"store", "log", "heads", "clock"}
    assert found["accord"] == "OK"
