"""A hub that lost days of its store gets them back from its stations, byte for byte, or is told what is missing."""

from __future__ import annotations

import asyncio
import io
import secrets
import shutil
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hotline import give_back
from hotline.errors import LocalFault
from hotline.give_back import BadFile, Writer
from hotline.hub.admission import Rules
from hotline.hub.backup import back_up
from hotline.hub.folder import open_folder
from hotline.hub.fsck import fsck
from hotline.hub.given_back import Given, GivenOwn, TwoHistories
from hotline.hub.hub import parse_ladders
from hotline.hub.own_leaves import Look
from hotline.hub.refill import Refilled, RefillFault, Unheard, log_size, refill
from hotline.hub.restore import restore
from hotline.hub.safekeeping import NotOurs, Safe
from hotline.station.give_back import write_give_back
from hotline.station.station import Station
from hotline.store.engine import Store, migrate
from hotline.store.place import Place
from protocols.encoding import b64u
from protocols.errors import ProtocolError
from protocols.keys import SeedSigner
from protocols.translog import Checkpoint, ed25519_signer, sign_checkpoint
from tests import postgres
from tests.hotline.harness import World, running_hub
from tests.hotline.hub.test_process import PASSPHRASE, Serving, make_folder
from tests.hotline.station.kit import identity_of, mirrored, officer, opened, running, until
from tests.hotline.test_attachments import attach, saved, state
from tests.hotline.test_attachments import say as say_file

NOW = 1_890_000_000_000
CAST = ("AV", "KV", "MD")


@dataclass
class Lost:
    """A hub with a backup from the middle of its log, and what its stations give back. ``whole``: its last state."""

    world: World
    backup: Path
    whole: Path
    files: dict[str, bytes]
    size: int


async def say(station: Station, thread: str, text: str) -> None:
    assert (await station.send(officer(station), thread, "goodwill-note", {}, {"text": text})).state == "accepted"


async def given_by(world: World, office: str, since: int) -> bytes:
    cast, file = world.stations[office], io.BytesIO()
    identity = identity_of(world, cast, "ws://unused")
    await write_give_back(identity, world.path / f"{office}-{cast.name}.db", since, file, NOW)
    return file.getvalue()


async def lose(path: Path) -> Lost:
    world, hub_path, _ = make_folder(path, plain=True)
    async with (
        running_hub(world) as hub,
        running(world, "AV", hub.url) as av,
        running(world, "KV", hub.url) as kv,
        running(world, "MD", hub.url) as md,
    ):
        stations = (av, kv, md)
        first = await opened(av, kv)
        await say(av, first, "before")
        await mirrored(hub, *stations)
        manifest = await asyncio.to_thread(back_up, open_folder(hub_path), path / "backup", NOW)
        second = await opened(kv, av)
        for number in range(3):
            await say(av, first, f"after {number}")
            await say(kv, second, f"and {number}")
            await mirrored(hub, *stations)
            await hub.hub.writer.write(Look("maria", "the log"))
            await mirrored(hub, *stations)
        await say(kv, first, "last")
        await mirrored(hub, *stations)
        files = {office: await given_by(world, office, 0) for office in CAST}
    shutil.copytree(hub_path, path / "whole")
    return Lost(world, path / "backup", path / "whole", files, manifest.size)


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory) -> Lost:
    return asyncio.run(lose(tmp_path_factory.mktemp("lost")))


@dataclass
class Trial:
    """A folder restored from the backup, to be refilled."""

    lost: Lost
    folder: Path

    async def run(self, given: Given | None = None, *offices: str, **options: Any) -> Refilled:
        world = self.lost.world
        await migrate(self.folder / "hub.db", "hub")
        store = Store(self.folder / "hub.db")
        try:
            assert await log_size(store) == self.lost.size
            given = given or self.given(*offices)
            signer = SeedSigner(world.keys.sign)
            rules = Rules(world.accord, parse_ladders(world.accord, world.ladders), signer)
            safe = Safe(options.pop("key", world.keys.operators), world.accord.log_origin, secrets.token_bytes)
            return await refill(store, rules, safe, given, NOW, **options)
        finally:
            await store.close()

    def given(self, *offices: str) -> Given:
        given = Given(self.lost.world.accord)
        for office in offices or CAST:
            self.read(given, office, self.lost.files[office])
        return given

    def read(self, given: Given, name: str, data: bytes) -> None:
        path = self.folder.parent / name
        path.write_bytes(data)
        given.read(path, self.lost.size)

    def rows(self) -> dict[str, list[Any]]:
        return rows(self.folder / "hub.db")


@pytest.fixture
def trial(lost: Lost, tmp_path: Path) -> Trial:
    restore(lost.backup, tmp_path / "hub", lost.whole / "hub.key")
    return Trial(lost, tmp_path / "hub")


TABLES = (
    "leaves",
    "entries",
    "own_leaves",
    "own_disclosures",
    "parts",
    "recipients",
    "nodes",
    "threads",
    "members",
    "mandates",
)


def rows(database: Path) -> dict[str, list[Any]]:
    """What a hub knows, but for when it learnt of a mandate."""
    with closing(sqlite3.connect(database)) as db:
        found = {table: sorted(db.execute(f"SELECT * FROM {table}").fetchall()) for table in TABLES}
    found["mandates"] = [(row[0], row[1], row[2], row[4]) for row in found["mandates"]]
    return found


async def test_two_parties_files_bring_back_every_row_of_the_store_byte_for_byte(lost: Lost, trial: Trial) -> None:
    done = await trial.run(None, "AV", "KV", without=[lost.world.stations["MD"].kid])
    assert (done.before, done.uncovered) == (lost.size, 0)
    assert done.size > lost.size + 10
    assert trial.rows() == rows(lost.whole / "hub.db"), (
        "the hub's own leaves, who looked at what, keys of groups: all of it"
    )
    result = fsck(trial.folder / "hub.db", lost.world.accord)
    assert result.holds, result.findings
    assert result.root == done.root


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_hub_of_which_only_its_keys_are_left_gets_all_of_its_log_back_into_an_empty_store(
    lost: Lost, tmp_path: Path, kind: str
) -> None:
    if kind == "postgresql" and not postgres.available():
        pytest.skip(postgres.MISSING)
    place: Place = tmp_path / "hub.db" if kind == "sqlite" else await asyncio.to_thread(postgres.new_database)
    world, given = lost.world, Given(lost.world.accord)
    for office in CAST:
        (tmp_path / office).write_bytes(lost.files[office])
        given.read(tmp_path / office, 0)
    await migrate(place, "hub")
    store = Store(place)
    try:
        rules = Rules(world.accord, parse_ladders(world.accord, world.ladders), SeedSigner(world.keys.sign))
        done = await refill(
            store, rules, Safe(world.keys.operators, world.accord.log_origin, secrets.token_bytes), given, NOW
        )
    finally:
        await store.close()
    whole = fsck(lost.whole / "hub.db", world.accord)
    assert (done.before, done.size, done.root) == (0, whole.leaves, whole.root)
    result = fsck(place, world.accord)
    assert result.holds, result.findings
    assert result.threads == whole.threads


async def test_a_store_of_another_accord_is_not_refilled(trial: Trial) -> None:
    with closing(sqlite3.connect(trial.folder / "hub.db")) as db:
        db.execute("UPDATE meta SET value = 'another' WHERE key = 'accord'")
        db.commit()
    await refused(trial, trial.given(), RefillFault, "another accord")


async def test_a_refilled_hub_hands_out_no_key_package_a_second_time(trial: Trial) -> None:
    with closing(sqlite3.connect(trial.folder / "hub.db")) as db:
        assert db.execute("SELECT count(*) FROM key_packages WHERE claimed_at IS NULL").fetchone()[0] > 0
    await trial.run()
    with closing(sqlite3.connect(trial.folder / "hub.db")) as db:
        assert db.execute("SELECT count(*) FROM key_packages WHERE claimed_at IS NULL").fetchone() == (0,)


def records(data: bytes) -> list[give_back.Record]:
    return list(give_back.read(io.BytesIO(data)))


def rewritten(lost: Lost, office: str, change: Callable[[give_back.Record], give_back.Record | None]) -> bytes:
    """The office's own file, changed and signed again by the office itself."""
    file = io.BytesIO()
    writer = Writer(file)
    for record in records(lost.files[office]):
        if (kept := change(record)) is not None:
            writer.add(kept)
    writer.sign(lost.world.stations[office].sign)
    return file.getvalue()


async def refused(trial: Trial, given: Given, error: type[Exception], match: str, **options: Any) -> LocalFault:
    before = trial.rows()
    with pytest.raises(error, match=match) as caught:
        await trial.run(given, **options)
    assert trial.rows() == before, "refused, and nothing changed"
    assert isinstance(caught.value, LocalFault)
    return caught.value


async def test_a_leaf_that_nobody_gives_back_is_named_and_nothing_is_changed(lost: Lost, trial: Trial) -> None:
    gone = {lost.size + 1, lost.size + 2, lost.size + 5}

    def without_some(record: give_back.Record) -> give_back.Record | None:
        return None if isinstance(record, give_back.Leaf | give_back.Own) and record.index in gone else record

    given = Given(lost.world.accord)
    for office in CAST:
        trial.read(given, office, rewritten(lost, office, without_some))
    await refused(
        trial, given, RefillFault, f"missing are the leaves {lost.size + 1} to {lost.size + 2}, {lost.size + 5} of"
    )


async def test_the_hub_s_own_leaves_are_not_passed_over_either(lost: Lost, trial: Trial) -> None:
    given = Given(lost.world.accord)
    for office in CAST:
        trial.read(given, office, rewritten(lost, office, lambda r: None if isinstance(r, give_back.Own) else r))
    await refused(trial, given, RefillFault, "missing are the leaves")


async def test_the_last_leaves_are_missed_because_somebody_holds_a_head_over_them(lost: Lost, trial: Trial) -> None:
    size = max(record.index for record in records(lost.files["AV"]) if isinstance(record, give_back.Leaf))

    def cut(record: give_back.Record) -> give_back.Record | None:
        return None if isinstance(record, give_back.Leaf | give_back.Own) and record.index >= size else record

    given = Given(lost.world.accord)
    for office in CAST:
        trial.read(given, office, rewritten(lost, office, cut))
    await refused(trial, given, RefillFault, f"missing are the leaves {size} of")


async def test_a_published_head_that_a_leaf_names_must_be_given_back_too(lost: Lost, trial: Trial) -> None:
    for kind in (give_back.Own, give_back.Leaf):
        given = trial.given()
        seen = {
            leaf.leaf.payload.seen if isinstance(leaf, GivenOwn) else leaf.entry.payload.seen
            for leaf in given.walk()
            if isinstance(leaf, GivenOwn) == (kind is give_back.Own)
        } - {None}
        assert seen
        for name in seen:
            given.notes.pop(str(name), None)
        await refused(trial, given, RefillFault, "names a published head that nobody gave back")


async def test_sealed_parts_that_nobody_kept_are_named(lost: Lost, trial: Trial) -> None:
    def bare(record: give_back.Record) -> give_back.Record:
        return give_back.Leaf(record.index, record.leaf) if isinstance(record, give_back.Leaf) else record

    given = Given(lost.world.accord)
    for office in CAST:
        trial.read(given, office, rewritten(lost, office, bare))
    await refused(trial, given, RefillFault, "sealed parts are missing of the leaves")


async def test_stations_that_are_silent_are_named_and_passed_over_only_by_name(lost: Lost, trial: Trial) -> None:
    kid = lost.world.stations["MD"].kid
    await refused(trial, trial.given("AV", "KV"), Unheard, f"MD station 1 \\({kid}\\)")
    both = [kid, lost.world.stations["KV"].kid]
    await refused(trial, trial.given("AV"), Unheard, "1 of the 2 witnesses", without=both)
    assert (await trial.run(trial.given("AV"), without=both, heard=["md.test"])).before == lost.size


async def test_a_head_of_another_history_ends_it(lost: Lost, trial: Trial) -> None:
    log = ed25519_signer(lost.world.accord.log_origin, lost.world.keys.log)
    for size in (1, lost.size, lost.size + 2):
        given = trial.given()
        given.roots.pop(size, None)
        given.hear(sign_checkpoint(Checkpoint(lost.world.accord.log_origin, size, bytes(32)), log))
        error = await refused(trial, given, TwoHistories, str(size))
        assert error.exit_status == 3


async def test_a_larger_head_than_all_leaves_is_not_passed_over(lost: Lost, trial: Trial) -> None:
    log = ed25519_signer(lost.world.accord.log_origin, lost.world.keys.log)
    given = trial.given()
    given.hear(sign_checkpoint(Checkpoint(lost.world.accord.log_origin, 999, bytes(32)), log))
    await refused(trial, given, RefillFault, "to 998 of 999")
    stranger = ed25519_signer(lost.world.accord.log_origin, bytes([7]) * 32)
    given = trial.given()
    given.hear(sign_checkpoint(Checkpoint(lost.world.accord.log_origin, 999, bytes(32)), stranger))
    given.hear("rubbish")
    assert (await trial.run(given)).before == lost.size


async def test_leaves_that_go_between_the_two_readings_of_a_file_are_missed(
    lost: Lost, trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, walk = trial.given(), Given.walk
    monkeypatch.setattr(Given, "walk", lambda self: (leaf for _, leaf in zip(range(3), walk(self), strict=False)))
    before = trial.rows()
    with pytest.raises(RefillFault, match=f"from {lost.size + 3} on are not there any more"):
        await trial.run(given)
    assert trial.rows() == before


async def test_another_hub_s_keys_open_nothing(trial: Trial) -> None:
    await refused(trial, trial.given(), NotOurs, "leaf", key=bytes(32))


async def test_leaves_beyond_every_head_are_taken_by_their_stamps(lost: Lost, trial: Trial) -> None:
    given = trial.given()
    top = max(given.roots)
    del given.roots[top]
    given.notes = {name: note for name, note in given.notes.items() if int(note.split("\n")[1]) < top}
    done = await trial.run(given)
    assert (done.size, done.uncovered) == (top, top - done.head)
    assert done.uncovered > 0


def test_a_file_that_is_not_whole_or_not_signed_counts_for_nothing(lost: Lost, trial: Trial) -> None:
    data = lost.files["AV"]
    wrong = [
        b"",
        data[:10],
        data[:-1],
        data[: len(data) // 2],
        data + b"\x00",
        data[:500] + bytes([data[500] ^ 1]) + data[501:],
    ]
    for changed in wrong:
        given = Given(lost.world.accord)
        with pytest.raises((BadFile, ProtocolError)):
            trial.read(given, "AV", changed)
        assert given.top == 0
        assert not given.spoken


@pytest.mark.parametrize("what", ["another log", "too late", "another stamp", "another part", "another station"])
def test_a_file_that_does_not_fit_is_refused(lost: Lost, trial: Trial, what: str) -> None:
    world = lost.world

    def change(record: give_back.Record) -> give_back.Record:
        match record, what:
            case give_back.Begin(), "another log":
                return give_back.Begin("other/log", record.accord, record.sign, record.since, record.made)
            case give_back.Begin(), "too late":
                return give_back.Begin(record.log, record.accord, record.sign, lost.size + 1, record.made)
            case give_back.Begin(), "another station":
                other = b64u(world.stations["KV"].sign.public)
                return give_back.Begin(record.log, record.accord, other, record.since, record.made)
            case give_back.Leaf(), "another stamp":
                return give_back.Leaf(record.index + 1, record.leaf, record.parts)
            case give_back.Leaf(), "another part":
                return give_back.Leaf(record.index, record.leaf, dict.fromkeys(record.parts, b"x") or {"body": b"x"})
        return record

    with pytest.raises(BadFile):
        trial.read(Given(world.accord), "AV", rewritten(lost, "AV", change))


async def test_a_file_by_nobody_s_station_counts_for_nothing(lost: Lost, trial: Trial) -> None:
    stranger, file = SeedSigner(bytes([5]) * 32), io.BytesIO()
    writer = Writer(file)
    accord = lost.world.accord
    writer.add(give_back.Begin(accord.log_origin, accord.id, b64u(stranger.public), 0, NOW))
    writer.sign(stranger)
    given = trial.given()
    trial.read(given, "stranger", file.getvalue())
    await refused(trial, given, RefillFault, "no office has mandated")


def test_what_people_wrote_is_in_no_file(lost: Lost) -> None:
    for data in lost.files.values():
        assert b"after 1" not in data
        assert b"maria" not in data


def test_disclosures_are_sealed_to_their_place_and_hide_their_number() -> None:
    safe = Safe(bytes(32), "hub/log", secrets.token_bytes)
    sealed = safe.seal(3, {"thread": "x"})
    assert safe.open(3, sealed) == {"thread": "x"}
    assert len(sealed) == len(safe.seal(3, {"a" * 22: "y" * 200}))
    for index, data in ((4, sealed), (3, sealed[:-1]), (3, b"")):
        with pytest.raises(NotOurs):
            safe.open(index, data)
    with pytest.raises(NotOurs):
        Safe(bytes(32), "hub/other", secrets.token_bytes).open(3, sealed)


# -- the rehearsal ------------------------------------------------------------------------------------------------------


@pytest.fixture
async def serving(tmp_path: Path) -> AsyncIterator[tuple[World, Serving]]:
    world, hub, port = make_folder(tmp_path, plain=True)
    (hub / "hub.toml").write_text((hub / "hub.toml").read_text().replace("head_interval = 60.0", "head_interval = 1.0"))
    with (hub / "hub.toml").open("a") as settings:
        settings.write("[attachments]\nspare = 0\n")
    process = Serving(tmp_path, hub, port, plain=True)
    await process.start()
    try:
        yield world, process
    finally:
        await kill(process)


async def kill(serving: Serving) -> None:
    if serving.process is not None and serving.process.poll() is None:
        await serving.end(signal.SIGKILL)


def hotline(*words: object) -> tuple[int, str]:
    from click.testing import CliRunner

    from hotline.cli import main

    done = CliRunner().invoke(main, [str(word) for word in words])
    return done.exit_code, done.output


async def sent_file(station: Station, thread: str, data: bytes) -> str:
    file = await attach(station, thread, data)
    await until(lambda: state(station, thread, file.blob) == "whole")
    assert (await say_file(station, thread, file)).ok
    return file.blob


async def test_rehearsal_back_up_go_on_kill_restore_refill_and_everybody_has_everything(
    serving: tuple[World, Serving], tmp_path: Path
) -> None:
    world, process = serving
    url = f"ws://127.0.0.1:{process.port}/line"
    secret = ("--passphrase-file", tmp_path / "passphrase")
    async with running(world, "AV", url) as av, running(world, "KV", url) as kv, running(world, "MD", url) as md:
        stations = (av, kv, md)
        thread = await opened(av, kv)
        await until(lambda: all(each.observer.mirroring.size >= 1 for each in stations))
        early = await sent_file(av, thread, b"plan of the site " * 5000)
        status, said = await asyncio.to_thread(hotline, "hub", "backup", process.hub, tmp_path / "backup")
        assert status == 0 and "1 sealed files" in said, said
        late = await sent_file(av, thread, b"plan of the valley " * 5000)
        for number in range(4):
            await say(av, thread, f"from Arvenia {number}")
            await say(kv, thread, f"from Kostrava {number}")
            await asyncio.sleep(0.4)  # the hub says where the thread ends, in leaves of its own, in between
        placed = max(held.stamp.index for held in av.core.threads[thread].held)
        await until(lambda: all(each.observer.mirroring.keeping.upto > placed for each in stations))
        await kill(process)

        new = tmp_path / "new"
        key = process.hub / "hub.key"
        status, said = await asyncio.to_thread(hotline, "hub", "restore", tmp_path / "backup", new, "--key", key)
        assert status == 0, said  # no witness here has a URL: the stations are asked when they connect
        process.hub = new
        serve = [sys.executable, "-m", "hotline", "hub", "serve", str(new), *map(str, secret)]
        with (tmp_path / "behind.log").open("wb") as log:
            behind = await asyncio.create_subprocess_exec(*serve, stderr=log, cwd=Path(__file__).parents[3])
            try:
                async with asyncio.timeout(60):
                    assert await behind.wait() == 3, "the first station that connected stopped it"
            finally:
                if behind.returncode is None:
                    behind.kill()

        files = []
        for office in ("AV", "KV", "MD"):
            files.append(tmp_path / f"{office}.back")
            files[-1].write_bytes(await given_by(world, office, 0))
        status, said = await asyncio.to_thread(hotline, "hub", "refill", new, files[0], *secret)
        assert (status, "KV station 1" in said) == (1, True), said
        status, said = await asyncio.to_thread(hotline, "hub", "refill", new, *files, *secret)
        assert status == 0, said
        assert "The hub may serve" in said and "1 sealed files were put back" in said

        await process.start()
        await until(lambda: all(each.core.line.caught for each in stations), 60)
        cosigned = md.core.cosigned
        await say(kv, thread, "Do you still read us?")
        await until(lambda: len(av.core.threads[thread].held) == len(kv.core.threads[thread].held) == 12)
        await until(lambda: md.core.cosigned > cosigned)
        await until(lambda: all(held.proven for held in av.core.threads[thread].held))
        assert not any(each.core.threads[thread].frozen for each in (av, kv))
        texts = [held.fields["text"] for held in kv.core.threads[thread].held if held.fields and "text" in held.fields]
        assert len(texts) == 11
        for blob, data in ((early, b"plan of the site " * 5000), (late, b"plan of the valley " * 5000)):
            await kv.fetch(officer(kv), thread, blob)
            await until(lambda blob=blob: state(kv, thread, blob) == "whole", 60)  # type: ignore[misc]
            assert await saved(kv, thread, blob) == data
    await kill(process)
    found = fsck(new / "hub.db", world.accord)
    assert found.holds, found.findings
    assert PASSPHRASE.decode() not in said
