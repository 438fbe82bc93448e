"""The stand-alone witness on HTTP: others' vectors, its memory, and what it does when that is gone."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer
from click.testing import CliRunner

from hotline.cli import main
from hotline.witness import folder as folders
from hotline.witness import service
from hotline.witness import store as stores
from hotline.witness.app import make_app, origin_hash
from hotline.witness.errors import StateMoved, WitnessFault, WitnessRetired
from hotline.witness.service import Witness
from hotline.witness.store import WitnessStore
from protocols.translog import (
    Checkpoint,
    KeyKind,
    NoteSignature,
    Signer,
    VerifierKey,
    WitnessState,
    add_signatures,
    cosign,
    ed25519_cosigner,
    ed25519_signer,
    format_add_checkpoint,
    open_checkpoint,
    open_cosigned,
    read_cosignatures,
    sign_checkpoint,
    verify_equivocation,
)
from tests.protocols.translog.kit import LOG, ORIGIN, Log, log_of
from tests.protocols.translog.test_vectors import folder as vectors_folder
from tests.vectors import translog as vectors

PASSPHRASE = b"a passphrase for tests"
HISTORY = log_of(40)
FORK = log_of(40, lambda index: b"forged %d" % index if index >= 4 else b"leaf %d" % index)
NOW = 1_900_000_000


class Running:
    """A witness on a socket, its folder, and a clock that stands where it is put."""

    def __init__(self, path: Path, opened: folders.OpenWitness) -> None:
        self.path, self.opened, self.now, self.ended = path, opened, NOW, 0
        self.witness = Witness(opened.store, opened.signers, lambda: self.now, self.end)
        self.client: TestClient[object, object]

    def end(self) -> None:
        self.ended += 1

    @property
    def keys(self) -> list[VerifierKey]:
        return [signer.key for signer in self.opened.signers]

    async def ask(self, old: int, size: int, log: Log = HISTORY, note: str = "") -> tuple[int, str, str]:
        """Status, body and content type of one add-checkpoint."""
        proof = log.consistency(old, size) if old <= size else ()
        body = format_add_checkpoint(old, proof, note or log.note(size))
        async with self.client.post("/add-checkpoint", data=body) as response:
            return response.status, await response.text(), response.headers["Content-Type"]


def make(path: Path) -> Path:
    folders.create(
        path, name="witness.example", url="http://127.0.0.1:1/", passphrase=PASSPHRASE, profile="interactive"
    )
    memory = folders.open_memory(path)
    memory.add_log(LOG.key, NOW)
    memory.close()
    return path


@asynccontextmanager
async def running(path: Path) -> AsyncIterator[Running]:
    opened = folders.open_folder(path, PASSPHRASE)
    made = Running(path, opened)
    try:
        async with TestClient(TestServer(make_app(made.witness))) as client:
            made.client = client  # type: ignore[assignment]
            yield made
    finally:
        opened.store.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make(tmp_path / "witness")


async def test_a_growing_log_is_cosigned_with_both_keys_and_each_time_from_where_it_was(folder: Path) -> None:
    async with running(folder) as witness:
        for old, size in ((0, 5), (5, 12), (12, 12), (12, 40)):
            witness.now += 60
            status, body, _ = await witness.ask(old, size)
            assert status == 200
            lines = read_cosignatures(body, HISTORY.checkpoint(size), witness.keys)
            assert {line.key_id for line in lines} == {key.key_id for key in witness.keys}
        assert {key.kind for key in witness.keys} == {KeyKind.COSIGNATURE_ED25519, KeyKind.COSIGNATURE_MLDSA44}


async def test_each_refusal_has_the_status_of_the_specification(folder: Path) -> None:
    async with running(folder) as witness:
        assert (await witness.ask(0, 5))[0] == 200
        assert await witness.ask(3, 12) == (409, "5\n", "text/x.tlog.size")
        assert (await witness.ask(12, 5))[0] == 400
        assert (await witness.ask(5, 12, FORK))[0] == 422
        other = sign_checkpoint(Checkpoint("other.example/log", 5, bytes(32)), stranger())
        assert (await witness.ask(5, 5, note=other))[0] == 404
        false = HISTORY.note(12).replace("\n12\n", "\n13\n")
        assert (await witness.ask(5, 12, note=false))[0] == 403
        async with witness.client.post("/add-checkpoint", data=b"rubbish") as response:
            assert response.status == 400
        witness.now -= 1
        assert (await witness.ask(5, 12))[0] == 503, "a witness never dates backwards"


def stranger() -> Signer:
    return ed25519_signer("other.example/log", bytes([77]) * 32)


async def test_the_vectors_of_another_implementation_hold_over_http(tmp_path: Path) -> None:
    file = vectors.load(vectors_folder(), "witness-add-checkpoint")
    log = VerifierKey(file["log_origin"], KeyKind.ED25519, bytes.fromhex(file["log_pubkey_hex"]))
    path = tmp_path / "witness"
    folders.create(path, name="example.com/witness", url="http://w/", passphrase=PASSPHRASE, profile="interactive")
    memory = folders.open_memory(path)
    memory.add_log(log, NOW)
    memory.close()
    async with running(path) as witness:
        for case in file["cases"]:
            witness.now += 1
            async with witness.client.post("/add-checkpoint", data=case["body"].encode()) as response:
                body = await response.text()
            assert response.status == case["status"], (case["name"], body)
            if response.status == 409:
                assert body == case["response"]
            elif response.status != 200:
                assert case["response"] in body


async def test_monitors_get_the_newest_checkpoint_also_after_a_restart(folder: Path) -> None:
    path = f"/{origin_hash(ORIGIN)}/checkpoint"
    async with running(folder) as witness:
        async with witness.client.get(path) as response:
            assert response.status == 404
        await witness.ask(0, 9)
        async with witness.client.get(path) as response:
            before = open_cosigned(await response.text(), LOG.key, witness.keys)
        async with witness.client.get(f"/{'0' * 64}/checkpoint") as response:
            assert response.status == 404
    async with running(folder) as witness:
        async with witness.client.get(path) as response:
            after = open_cosigned(await response.text(), LOG.key, witness.keys)
        assert (after.checkpoint, after.cosignatures) == (before.checkpoint, before.cosignatures)
        assert len(after.cosignatures) == 2
        assert (await witness.ask(9, 20))[0] == 200


async def test_what_was_cosigned_is_on_the_disk_before_the_signature_exists(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def spy(checkpoint: Checkpoint, signer: Signer, time: int) -> NoteSignature:
        connection = sqlite3.connect(folder / "witness.db")
        seen.append(connection.execute("SELECT size FROM states").fetchone()[0])
        connection.close()
        return cosign(checkpoint, signer, time)

    monkeypatch.setattr(service, "cosign", spy)
    async with running(folder) as witness:
        await witness.ask(0, 7)
    assert seen == [7, 7]


async def test_a_disk_that_fails_makes_no_signature_and_no_memory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(folder) as witness:
        await witness.ask(0, 7)

        def fails(*_: object) -> None:
            raise sqlite3.OperationalError("disk I/O error")

        with monkeypatch.context() as patch:
            patch.setattr(WitnessStore, "swap", fails)
            status, body, _ = await witness.ask(7, 9)
        assert status == 500
        assert "witness.example" not in body
        assert (await witness.ask(7, 9))[0] == 200


async def test_of_two_requests_at_once_for_one_log_only_one_history_is_cosigned(folder: Path) -> None:
    async with running(folder) as witness:
        await witness.ask(0, 4)
        answers = await asyncio.gather(*(witness.ask(4, size, log) for size in (9, 12) for log in (HISTORY, FORK)))
        assert sorted(answer[0] for answer in answers) == [200, 409, 409, 409]


def test_a_head_considered_over_a_state_that_moved_is_not_stored(folder: Path) -> None:
    memory = folders.open_memory(folder)
    one, other = WitnessState(5, bytes(32), 1), WitnessState(6, bytes(32), 2)
    memory.swap(ORIGIN, None, one, "note")
    with pytest.raises(StateMoved):
        memory.swap(ORIGIN, None, other, "note")
    for back in (WitnessState(4, bytes(32), 3), WitnessState(5, b"\x01" * 32, 3), WitnessState(9, bytes(32), 0)):
        with pytest.raises(sqlite3.IntegrityError, match="forgets nothing"):
            memory.swap(ORIGIN, one, back, "note")
    memory.close()


async def test_two_histories_are_kept_as_a_proof_that_anybody_can_check(folder: Path) -> None:
    async with running(folder) as witness:
        await witness.ask(0, 12)
        assert (await witness.ask(12, 12, FORK))[0] == 422
        assert (await witness.ask(3, 12, FORK))[0] == 409, "the wrong old size does not hide it"
        (kept,) = witness.opened.store.evidence()
        assert kept.kind == "two-histories"
        first, second = verify_equivocation(kept.first, kept.second, LOG.key)
        assert {first.root, second.root} == {HISTORY.checkpoint(12).root, FORK.checkpoint(12).root}
        with pytest.raises(sqlite3.IntegrityError, match="insert-only"):
            witness.opened.store._connection.execute("DELETE FROM evidence")
        assert (await witness.ask(12, 20))[0] == 200, "the history it knows goes on"
    result = CliRunner().invoke(main, ["witness", "evidence", str(folder)])
    assert result.exit_code == 1
    assert "two-histories" in result.output


async def test_signatures_of_strangers_on_a_request_are_not_kept(folder: Path) -> None:
    checkpoint = HISTORY.checkpoint(9)
    padded = add_signatures(
        sign_checkpoint(checkpoint, LOG), [cosign(checkpoint, _cosigner(number), NOW) for number in range(40)]
    )
    async with running(folder) as witness:
        assert (await witness.ask(0, 9, note=padded))[0] == 200
        watched = witness.opened.store.find(ORIGIN)
        assert watched is not None
        assert watched.note == sign_checkpoint(checkpoint, LOG)


def _cosigner(number: int) -> Signer:
    return ed25519_cosigner(f"stranger{number}.example", bytes([number + 100]) * 32)


@pytest.mark.parametrize("loss", ["gone", "empty", "another's", "rubbish"])
def test_a_witness_without_its_memory_does_not_start(folder: Path, tmp_path: Path, loss: str) -> None:
    database = folder / "witness.db"
    for path in folder.glob("witness.db*"):
        path.unlink()
    if loss == "empty":
        database.touch()
    elif loss == "another's":
        make(tmp_path / "other")
        database.write_bytes((tmp_path / "other" / "witness.db").read_bytes())
    elif loss == "rubbish":
        database.write_bytes(b"This is not a database. " * 100)
    with pytest.raises(WitnessRetired):
        folders.open_folder(folder, PASSPHRASE)
    (folder / "pass").write_bytes(PASSPHRASE)
    (folder / "pass").chmod(0o600)
    said = CliRunner().invoke(main, ["witness", "serve", str(folder), "--passphrase-file", str(folder / "pass")])
    assert said.exit_code == 3
    assert "new key" in said.output


async def test_a_memory_from_an_older_copy_is_found_out_by_its_own_signature_and_retired_for_good(folder: Path) -> None:
    async with running(folder) as witness:
        await witness.ask(0, 4)
    old = {path.name: path.read_bytes() for path in folder.glob("witness.db*")}
    async with running(folder) as witness:
        witness.now += 60
        _, lines, _ = await witness.ask(4, 20)
    for path in folder.glob("witness.db*"):
        path.unlink()
    for name, data in old.items():
        (folder / name).write_bytes(data)
    async with running(folder) as witness:
        witness.now += 120
        note = HISTORY.note(20) + lines
        status, _, _ = await witness.ask(4, 20, note=note)
        assert status == 503
        assert witness.ended == 1
        assert (await witness.ask(4, 9))[0] == 503
        async with witness.client.get("/healthz") as response:
            assert response.status == 503
    with pytest.raises(WitnessRetired, match="20 leaves"):
        folders.open_folder(folder, PASSPHRASE)


async def test_large_and_many_and_slow_requests_are_bounded(folder: Path) -> None:
    async with running(folder) as witness:
        async with witness.client.post("/add-checkpoint", data=bytes(1 << 20)) as response:
            assert response.status == 413
        async with witness.client.get("/add-checkpoint") as response:
            assert response.status == 405


def test_a_log_is_watched_under_one_key_only(folder: Path) -> None:
    memory = folders.open_memory(folder)
    assert not memory.add_log(LOG.key, NOW)
    with pytest.raises(WitnessFault):
        memory.add_log(ed25519_signer(ORIGIN, bytes([9]) * 32).key, NOW)
    memory.close()


@pytest.mark.parametrize("url", ["ftp://w/", "http://u@w/", "w", "http://w/?a=1", "http://w/ b"])
def test_a_witness_is_made_whole_or_not_at_all(tmp_path: Path, url: str) -> None:
    with pytest.raises(WitnessFault):
        folders.create(tmp_path / "w", name="w", url=url, passphrase=PASSPHRASE)
    assert not (tmp_path / "w").exists()


def test_the_commands_make_a_witness_that_watches_a_log(tmp_path: Path) -> None:
    folder, secret = tmp_path / "w", tmp_path / "pass"
    secret.write_bytes(PASSPHRASE)
    secret.chmod(0o600)

    def run(*arguments: object, status: int = 0) -> str:
        result = CliRunner().invoke(main, ["witness", *map(str, arguments)], catch_exceptions=False)
        assert result.exit_code == status, result.output
        return result.output

    run("init", folder, "--name", "witness.example", "--url", "https://w.example", "--passphrase-file", secret)
    assert len(folders.read_card(folder / "witness-card.json").keys()) == 2
    assert "from now on" in run("add-log", folder, "--vkey", LOG.key.vkey)
    assert "already" in run("add-log", folder, "--vkey", LOG.key.vkey)
    assert "witness.fault" in run("add-log", folder, "--vkey", "rubbish", status=1)
    assert "Nothing" in run("evidence", folder)
    run("init", folder, "--name", "witness.example", "--url", "https://w", "--passphrase-file", secret, status=1)
    assert open_checkpoint(HISTORY.note(3), LOG.key).size == 3
    assert stores.MOST_REFUSED > 0
