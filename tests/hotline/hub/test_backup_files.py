"""Sealed files in backups: every one that the store lists and the hub has, compared with its hash; what is lost is said."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import shutil
import sqlite3
import tracemalloc
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hotline.cli import main
from hotline.hub import blob_keep
from hotline.hub.backup import BackupDamaged, Manifest, back_up
from hotline.hub.blob_keep import NotNames, check_files
from hotline.hub.folder import open_folder
from hotline.hub.restore import restore
from protocols.encoding import digest
from tests.hotline.harness import World, connect, open_thread, running_hub
from tests.hotline.hub.stored import alter
from tests.hotline.hub.test_process import make_folder
from tests.hotline.test_attachments import ask, limited, put

NOW = 1_790_000_000_000
FILES = tuple(secrets.token_bytes(size) for size in (1000, 300_000, 70_000))


async def fill(world: World) -> str:
    """Three whole files, the last of which nothing binds, and one that is half here."""
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = await open_thread(av, kv)
        for data in FILES:
            assert (await put(hub, (await ask(av, thread.id, data)).ticket, data))[0] == 204
        for data in FILES[:2]:
            await ask(kv, thread.id, data, "get")
        half = secrets.token_bytes(100_000)
        assert (await put(hub, (await ask(av, thread.id, half)).ticket, half[:50_000]))[0] == 204
        return thread.id


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    world, hub, _ = make_folder(tmp_path_factory.mktemp("made"), plain=True)
    with (hub / "hub.toml").open("a") as file:
        file.write('[attachments]\nfolder = "hub-blobs"\n')  # where `running_hub` puts them
    thread = asyncio.run(fill(limited(world)))
    return hub, thread


@pytest.fixture
def hub(filled: tuple[Path, str], tmp_path: Path) -> Path:
    path = tmp_path / "hub"
    shutil.copytree(filled[0], path)
    return path


def copied(hub: Path, out: Path, **options: Any) -> Manifest:
    return back_up(open_folder(hub), out, NOW, **options)


def file(hub: Path, number: int) -> Path:
    (found,) = (hub / "hub-blobs").glob(f"*/{digest(FILES[number])}")
    return found


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["hub", *map(str, words)])


def line(hub: Path, *words: object) -> dict[str, str]:
    parts: list[dict[str, str]] = json.loads(run("check", hub, "--json", *words).output)["parts"]
    return next(part for part in parts if part["part"] == "files")


def test_a_backup_holds_every_whole_file_and_a_restored_hub_has_them_again(
    hub: Path, tmp_path: Path, filled: tuple[Path, str]
) -> None:
    manifest = copied(hub, tmp_path / "out")
    assert (manifest.blobs, manifest.blob_bytes, manifest.lost) == (3, sum(map(len, FILES)), 0)
    for data in FILES:
        assert (tmp_path / "out" / "blobs" / filled[1] / digest(data)).read_bytes() == data
    assert not list((tmp_path / "out").rglob("*.part"))
    found = restore(tmp_path / "out", tmp_path / "new")
    assert (found.kept.count, found.kept.lost) == (3, ())
    for number, data in enumerate(FILES):
        assert file(tmp_path / "new", number).read_bytes() == data
    assert line(tmp_path / "new")["level"] == "OK"


async def test_a_file_taken_while_the_store_is_copied_is_in_the_next_backup_and_none_is_half_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, path, _ = make_folder(tmp_path, plain=True)
    with (path / "hub.toml").open("a") as toml:
        toml.write('[attachments]\nfolder = "hub-blobs"\n')
    async with (
        running_hub(limited(world)) as hub,
        connect(hub.url, world, "AV") as av,
        connect(hub.url, world, "KV") as kv,
    ):
        thread = (await open_thread(av, kv)).id
        assert (await put(hub, (await ask(av, thread, FILES[0])).ticket, FILES[0]))[0] == 204
        loop, real = asyncio.get_running_loop(), blob_keep.listed

        async def more() -> None:
            assert (await put(hub, (await ask(av, thread, FILES[1])).ticket, FILES[1]))[0] == 204

        def slowly(place: Any) -> Any:
            found = real(place)
            asyncio.run_coroutine_threadsafe(more(), loop).result(20)
            return found

        with monkeypatch.context() as patch:
            patch.setattr(blob_keep, "listed", slowly)
            first = await asyncio.to_thread(copied, path, tmp_path / "one")
        second = await asyncio.to_thread(copied, path, tmp_path / "two", older=tmp_path / "one")
    assert (first.blobs, second.blobs) == (1, 2)
    one, two = (tmp_path / name / "blobs" / thread / digest(FILES[0]) for name in ("one", "two"))
    assert one.stat().st_ino == two.stat().st_ino, "stored once"
    assert one.stat().st_ino != (path / "hub-blobs" / thread / digest(FILES[0])).stat().st_ino, (
        "and apart from the hub's"
    )


def test_an_older_backup_that_was_damaged_is_not_built_on(hub: Path, tmp_path: Path) -> None:
    copied(hub, tmp_path / "one")
    for path in (tmp_path / "one" / "blobs").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert copied(hub, tmp_path / "two", older=tmp_path / "one").lost == 0
    assert restore(tmp_path / "two", tmp_path / "new").kept.count == 3


@pytest.mark.parametrize("how", ["gone", "other bytes"])
def test_what_the_hub_has_lost_is_named_and_the_log_is_backed_up_all_the_same(
    hub: Path, tmp_path: Path, how: str
) -> None:
    lost = file(hub, 1)
    if how == "gone":
        lost.unlink()
    else:
        lost.write_bytes(b"x" * lost.stat().st_size)
    found = line(hub)
    assert (found["level"], lost.name in found["found"]) == ("WARN" if how == "gone" else "FAIL", True)
    if how == "other bytes":
        assert line(hub, "--quick")["level"] == "OK", "of the same size: only the hash tells"
    done = run("backup", hub, tmp_path / "out")
    assert done.exit_code == 0 and "1 sealed files are not in it" in done.output
    done = run("restore", tmp_path / "out", tmp_path / "new")
    assert done.exit_code == 0 and lost.name in done.output and "give-back" in done.output, done.output
    assert line(tmp_path / "new")["level"] == "WARN"


def test_what_was_dropped_because_nothing_binds_it_is_forgotten_by_the_backup_too(hub: Path, tmp_path: Path) -> None:
    file(hub, 2).unlink()
    manifest = copied(hub, tmp_path / "out")
    assert (manifest.blobs, manifest.lost) == (2, 0)
    assert restore(tmp_path / "out", tmp_path / "new").kept.count == 2


@pytest.mark.parametrize("how", ["gone", "other bytes", "longer"])
def test_a_backup_that_lost_a_file_since_is_not_restored(hub: Path, tmp_path: Path, how: str) -> None:
    copied(hub, tmp_path / "out")
    path = next(path for path in (tmp_path / "out" / "blobs").rglob("*") if path.is_file())
    match how:
        case "gone":
            path.unlink()
        case "longer":
            path.write_bytes(path.read_bytes() + b"x")
        case _:
            path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(BackupDamaged, match=path.name):
        restore(tmp_path / "out", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_store_that_lists_a_way_out_of_the_folder_is_followed_nowhere(hub: Path, tmp_path: Path) -> None:
    alter(hub / "hub.db", "UPDATE blobs SET blob = '../../' || blob WHERE whole")
    with pytest.raises(NotNames):
        copied(hub, tmp_path / "out")
    assert line(hub)["level"] == "FAIL"
    assert not (tmp_path / "out").exists()


def test_a_backup_of_the_form_before_is_restored_and_says_what_it_lacks(hub: Path, tmp_path: Path) -> None:
    copied(hub, tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / "blobs")
    path = tmp_path / "out" / "manifest.json"
    value = json.loads(path.read_text())
    for name in ("blobs", "blob_bytes", "lost"):
        del value[name]
    path.write_text(json.dumps({**value, "form": "hotline-hub-backup/1"}))
    found = restore(tmp_path / "out", tmp_path / "new")
    assert (found.kept.count, len(found.kept.missing)) == (0, 3)


def test_files_that_lie_elsewhere_are_put_back_there_and_none_is_written_over(hub: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    copied(hub, tmp_path / "out")
    shutil.copytree(hub / "hub-blobs", elsewhere)
    (there,) = elsewhere.glob(f"*/{digest(FILES[0])}")
    (broken,) = elsewhere.glob(f"*/{digest(FILES[1])}")
    broken.write_bytes(b"x")
    before = there.stat().st_mtime_ns
    (tmp_path / "out" / "hub.toml").write_text(
        (tmp_path / "out" / "hub.toml").read_text().replace('"hub-blobs"', json.dumps(str(elsewhere)))
    )
    value = json.loads((tmp_path / "out" / "manifest.json").read_text())
    data = (tmp_path / "out" / "hub.toml").read_bytes()
    value["files"]["hub.toml"] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (tmp_path / "out" / "manifest.json").write_text(json.dumps(value))
    assert restore(tmp_path / "out", tmp_path / "new").kept.count == 3
    assert there.stat().st_mtime_ns == before and broken.read_bytes() == FILES[1]


def test_no_file_is_held_in_memory_while_it_is_copied_or_checked(hub: Path, tmp_path: Path) -> None:
    data = secrets.token_bytes(8 << 20)
    folder = file(hub, 0).parent
    (folder / digest(data)).write_bytes(data)
    with closing(sqlite3.connect(hub / "hub.db")) as db, db:
        row = (folder.name, digest(data), "AV", "x", len(data), 1, True, 1)
        db.execute(
            "INSERT INTO blobs (thread, blob, office, station, size, at, whole, bound) VALUES (?,?,?,?,?,?,?,?)", row
        )
    made = open_folder(hub)
    (tmp_path / "out").mkdir()
    tracemalloc.start()
    try:
        kept = blob_keep.copy_files(hub / "hub.db", made.files, tmp_path / "out")
        assert check_files(made.place, made.files).count == kept.count == 4
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()
