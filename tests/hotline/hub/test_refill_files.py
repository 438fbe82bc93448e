"""Sealed files come back from stations by their hash and nothing else; nothing is held in memory; what is gone is named."""

from __future__ import annotations

import asyncio
import io
import secrets
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hotline import give_back
from hotline.give_back import BadFile, Writer
from hotline.hub.admission import Rules
from hotline.hub.backup import back_up
from hotline.hub.blob_refill import FilesBack, take_files
from hotline.hub.checkup import check_hub
from hotline.hub.folder import open_folder
from hotline.hub.fsck import fsck
from hotline.hub.given_back import Given, GivenEntry
from hotline.hub.hub import parse_ladders
from hotline.hub.marks import Marks
from hotline.hub.own_leaves import Look
from hotline.hub.refill import refill
from hotline.hub.restore import restore
from hotline.hub.safekeeping import Safe
from hotline.hub.settings import AttachmentTable
from hotline.station.give_back import write_give_back
from hotline.station.station import Station
from hotline.store.engine import Store, migrate
from protocols.encoding import digest
from protocols.keys import SeedSigner
from tests.hotline.harness import World, connect, running_hub
from tests.hotline.hub.test_process import make_folder
from tests.hotline.hub.test_refill import CAST, NOW, given_by
from tests.hotline.hub.test_refill import say as note
from tests.hotline.station.kit import identity_of, mirrored, officer, opened, running, until
from tests.hotline.test_attachments import ask_blob, attach, limited, say, state

LARGE = secrets.token_bytes(5 << 20)
LONG = "A long report. " * 10_000
ROOMY = AttachmentTable(spare=0)


@dataclass
class Lost:
    """A hub with a backup from the middle of its log; ``blobs``: its files by what became of them."""

    world: World
    backup: Path
    files: dict[str, bytes]
    blobs: dict[str, str]
    thread: str
    size: int


async def sent(station: Station, thread: str, data: bytes) -> str:
    file = await attach(station, thread, data)
    await until(lambda: state(station, thread, file.blob) == "whole")
    assert (await say(station, thread, file)).ok
    return file.blob


async def lose(path: Path) -> Lost:
    world, hub_path, _ = make_folder(path, plain=True)
    limited(world)
    with (hub_path / "hub.toml").open("a") as toml:
        toml.write('[attachments]\nfolder = "hub-blobs"\nspare = 0\n')
    blobs = {}
    async with (
        running_hub(world) as hub,
        running(world, "AV", hub.url) as av,
        running(world, "KV", hub.url) as kv,
        running(world, "MD", hub.url) as md,
    ):
        stations = (av, kv, md)
        thread = await opened(av, kv)
        blobs["backed up"] = await sent(av, thread, b"before" * 100)
        await mirrored(hub, *stations)
        manifest = await asyncio.to_thread(back_up, open_folder(hub_path), path / "backup", NOW)
        blobs["fetched"] = await sent(av, thread, LARGE)
        await until(lambda: blobs["fetched"] in kv.files(thread))
        await kv.fetch(officer(kv), thread, blobs["fetched"])
        await until(lambda: state(kv, thread, blobs["fetched"]) == "whole")
        blobs["the sender's only"] = await sent(av, thread, b"unfetched" * 100)
        blobs["gone"] = await sent(kv, thread, b"gone" * 100)
        await until(lambda: blobs["gone"] in av.files(thread))
        for _ in range(12):
            await note(av, thread, LONG)
        await hub.hub.writer.write(Look("maria", "the log"))
        await mirrored(hub, *stations)
        (hub_path / "KV-1-files" / blobs["gone"]).unlink()
        files = {office: await given_by(world, office, 0) for office in CAST}
    return Lost(world, path / "backup", files, blobs, thread, manifest.size)


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory) -> Lost:
    return asyncio.run(lose(tmp_path_factory.mktemp("lost")))


def given_from(lost: Lost, path: Path, since: int, **changed: bytes) -> Given:
    given = Given(lost.world.accord)
    for office in CAST:
        (path / office).write_bytes(changed.get(office, lost.files[office]))
        given.read(path / office, since)
    return given


async def take(lost: Lost, hub: Path, given: Given) -> FilesBack:
    """Refill and take the files, as the command does."""
    await migrate(hub / "hub.db", "hub")
    store, world = Store(hub / "hub.db"), lost.world
    try:
        rules = Rules(world.accord, parse_ladders(world.accord, world.ladders), SeedSigner(world.keys.sign))
        safe = Safe(world.keys.operators, world.accord.log_origin, secrets.token_bytes)
        await refill(store, rules, safe, given, NOW)
        return await take_files(store, hub / "hub-blobs", ROOMY, given, NOW)
    finally:
        await store.close()


def changed(lost: Lost, office: str, change: Callable[[give_back.Record], give_back.Record | None]) -> bytes:
    """The office's own file, changed and signed again by the office itself."""
    file = io.BytesIO()
    writer = Writer(file)
    for record in give_back.read(io.BytesIO(lost.files[office])):
        if (kept := change(record)) is not None:
            writer.add(kept)
    writer.sign(lost.world.stations[office].sign)
    return file.getvalue()


@pytest.fixture
def hub(lost: Lost, tmp_path: Path) -> Path:
    restore(lost.backup, tmp_path / "hub")
    return tmp_path / "hub"


async def test_files_come_back_from_whoever_has_them_and_what_nobody_has_is_named(
    lost: Lost, hub: Path, tmp_path: Path
) -> None:
    back = await take(lost, hub, given_from(lost, tmp_path, lost.size))
    assert (back.count, back.there, back.strange, back.no_room) == (2, 1, 0, ())
    assert [each.blob for each in back.gone] == [lost.blobs["gone"]]
    kept = {path.name for path in (hub / "hub-blobs" / lost.thread).iterdir()}
    assert kept == set(lost.blobs.values()) - {lost.blobs["gone"]}
    row = next(row for row in check_hub(hub, None, NOW, lambda _: ()) if row.part == "files")
    assert row.level == "OK" and row.found.startswith("3 sealed files"), row
    assert fsck(hub / "hub.db", lost.world.accord).holds
    # And they are handed out again, to members.
    lost.world.path, before = hub, lost.world.path
    try:
        async with (
            running_hub(lost.world) as serving,
            connect(serving.url, lost.world, "KV", follow=False) as kv,
            connect(serving.url, lost.world, "MD", follow=False) as md,
        ):
            size = (hub / "hub-blobs" / lost.thread / lost.blobs["fetched"]).stat().st_size
            wanted = (lost.thread, lost.blobs["fetched"], size, "get")
            assert (await ask_blob(kv, *wanted)).have == size
            assert (await ask_blob(md, *wanted)).code == "attachment.not-yours"
    finally:
        lost.world.path = before


async def test_files_alone_are_put_back_where_nothing_else_was_lost_and_it_may_be_done_twice(
    lost: Lost, hub: Path, tmp_path: Path
) -> None:
    await take(lost, hub, given_from(lost, tmp_path, lost.size))
    size = fsck(hub / "hub.db", lost.world.accord).leaves
    for path in (hub / "hub-blobs" / lost.thread).iterdir():
        path.unlink()
    first = await take(lost, hub, given_from(lost, tmp_path, size))
    assert (first.count, first.there, len(first.gone)) == (3, 0, 1)
    second = await take(lost, hub, given_from(lost, tmp_path, size))
    assert (second.count, second.there, len(second.gone)) == (0, 3, 1)


async def test_other_bytes_under_a_files_name_are_not_taken_and_the_next_station_is_asked(
    lost: Lost, hub: Path, tmp_path: Path
) -> None:
    def lie(record: give_back.Record) -> give_back.Record:
        return give_back.Piece(bytes(len(record.data))) if isinstance(record, give_back.Piece) else record

    back = await take(lost, hub, given_from(lost, tmp_path, lost.size, AV=changed(lost, "AV", lie)))
    assert back.count == 1, "the one that the other side had fetched"
    assert {each.blob for each in back.gone} == {lost.blobs["gone"], lost.blobs["the sender's only"]}
    assert not list((hub / "hub-blobs").rglob("*.copy"))


async def test_a_station_can_put_nothing_into_threads_that_it_was_never_in(
    lost: Lost, hub: Path, tmp_path: Path
) -> None:
    data = b"rubbish" * 100
    file = io.BytesIO()
    writer = Writer(file)
    for record in give_back.read(io.BytesIO(lost.files["MD"])):
        writer.add(record)
    for thread in (lost.thread, "A" * 22):
        writer.add(give_back.File(thread, digest(data), len(data), lost.world.stations["AV"].kid, here=True))
        writer.add(give_back.Piece(data))
    writer.sign(lost.world.stations["MD"].sign)
    back = await take(lost, hub, given_from(lost, tmp_path, lost.size, MD=file.getvalue()))
    assert (back.strange, back.count) == (2, 2)
    assert not list((hub / "hub-blobs").rglob(digest(data)))


async def test_one_station_that_kept_the_hubs_own_leaves_badly_holds_up_nothing(
    lost: Lost, hub: Path, tmp_path: Path
) -> None:
    def spoil(record: give_back.Record) -> give_back.Record:
        return give_back.Own(record.index, record.leaf, b"x" * 100) if isinstance(record, give_back.Own) else record

    assert any(isinstance(each, give_back.Own) for each in give_back.read(io.BytesIO(lost.files["AV"])))
    for office in ("AV", "MD"):
        restore(lost.backup, tmp_path / office / "hub")
        given = given_from(lost, tmp_path / office, lost.size, **{office: changed(lost, office, spoil)})
        assert (await take(lost, tmp_path / office / "hub", given)).count == 2


@pytest.mark.parametrize("what", ["fewer pieces", "more pieces", "out of order", "twice"])
def test_a_file_whose_records_do_not_fit_counts_for_nothing(lost: Lost, tmp_path: Path, what: str) -> None:
    seen = {"pieces": 0, "leaves": 0}

    def change(record: give_back.Record) -> give_back.Record | None:
        if isinstance(record, give_back.Piece):
            seen["pieces"] += 1
            if seen["pieces"] == 1:
                return None if what == "fewer pieces" else record
        if isinstance(record, give_back.File) and what == "more pieces":
            return give_back.File(record.thread, record.blob, 20, record.station, record.here)
        if isinstance(record, give_back.Leaf) and what == "twice":
            seen["leaves"] += 1
            return record if seen["leaves"] > 1 else None
        return record

    data = changed(lost, "AV", change)
    if what in ("out of order", "twice"):
        records = list(give_back.read(io.BytesIO(data)))
        file = io.BytesIO()
        writer = Writer(file)
        leaf = next(each for each in records if isinstance(each, give_back.Leaf))
        for record in records:
            writer.add(record)
            if what == "twice" and record is leaf:
                writer.add(leaf)
        if what == "out of order":
            writer.add(leaf)
        writer.sign(lost.world.stations["AV"].sign)
        data = file.getvalue()
    (tmp_path / "AV").write_bytes(data)
    given = Given(lost.world.accord)
    with pytest.raises(BadFile):
        given.read(tmp_path / "AV", 0)
    assert given.top == 0 and not given.spoken and not given.files


async def test_neither_leaves_nor_files_are_held_in_memory(lost: Lost, hub: Path, tmp_path: Path) -> None:
    await take(lost, hub, given_from(lost, tmp_path, lost.size))  # whatever is imported and cached once
    (hub / "hub-blobs" / lost.thread / lost.blobs["fetched"]).unlink()
    size = sum(len(data) for data in lost.files.values())
    assert size > 2 * len(LARGE) + 20 * len(LONG)
    store = Store(hub / "hub.db")
    tracemalloc.start()
    try:
        given = given_from_paths(lost, tmp_path)
        held = sum(1 for leaf in given.walk() if isinstance(leaf, GivenEntry))
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        back = await take_files(store, hub / "hub-blobs", ROOMY, given, NOW)
        print(
            f"{size} bytes of files: peak {top} to go through the leaves, {tracemalloc.get_traced_memory()[1]} for files"
        )
        assert held >= 12 and back.count == 1
        assert max(top, tracemalloc.get_traced_memory()[1]) < 3 << 20
    finally:
        tracemalloc.stop()
        await store.close()


def given_from_paths(lost: Lost, path: Path) -> Given:
    given = Given(lost.world.accord)
    for office in CAST:
        given.read(path / office, lost.size)
    return given


async def test_a_station_gives_back_what_it_has_names_what_it_knows_and_leaves_files_out_when_told(lost: Lost) -> None:
    def named(data: bytes) -> dict[str, bool]:
        return {each.blob: each.here for each in give_back.read(io.BytesIO(data)) if isinstance(each, give_back.File)}

    mine, theirs = named(lost.files["AV"]), named(lost.files["KV"])
    assert {lost.blobs[name]: name != "gone" for name in lost.blobs} == mine
    assert {lost.blobs[name]: name == "fetched" for name in lost.blobs} == theirs
    assert named(lost.files["MD"]) == {}, "it was never in that thread"
    assert b"plan.pdf" not in b"".join(lost.files.values())
    file, cast = io.BytesIO(), lost.world.stations["AV"]
    identity = identity_of(lost.world, cast, "ws://unused")
    done = await write_give_back(identity, lost.world.path / "AV-1.db", 0, file, NOW, files=False)
    assert (done.files, done.away, named(file.getvalue())) == (0, 0, {})
    assert done.entries > 12


def test_marks_are_a_set_of_indexes() -> None:
    one, two = Marks(), Marks()
    for index in (0, 7, 8, 1000):
        one.add(index)
    two.add(9)
    two.add(5000)
    one.update(two)
    assert [index for index in range(6000) if index in one] == [0, 7, 8, 9, 1000, 5000]
    assert (one.top, two.top, Marks().top) == (5001, 5001, 0)
