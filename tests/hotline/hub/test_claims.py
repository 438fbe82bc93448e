"""A hub that wakes up from an older copy stops; a witness that forgot is retired; two histories reach every desk."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
import sqlite3
from pathlib import Path

import msgspec
import pytest
from aiohttp.test_utils import TestServer

from hotline.accords import _with_witnesses
from hotline.hub.errors import BehindWitnesses, HubNotReady
from hotline.hub.hub import Hub
from hotline.store.migrate import upgrade
from hotline.store.station import evidence
from hotline.witness import folder as folders
from hotline.witness.app import make_app
from hotline.witness.service import Witness
from protocols.entry import parse_entry
from protocols.frames import Cosign, Follow, Head, Published, Refused
from protocols.translog import (
    Checkpoint,
    KeyKind,
    ed25519_cosigner,
    ed25519_signer,
    format_add_checkpoint,
    liars_tolerated,
    mldsa44_cosigner,
    open_with_policy,
    parse_policy,
    sign_checkpoint,
)
from tests.hotline.harness import World, connect, handed_in, make_world, open_thread, running_hub
from tests.hotline.station.kit import officer, opened, running, until

NOW = 1_900_000_000


def copy_store(world: World, to: Path) -> None:
    to.mkdir()
    for path in world.path.glob("hub.db*"):
        shutil.copy(path, to / path.name)


def bring_back(world: World, old: Path) -> None:
    for path in world.path.glob("hub.db*"):
        path.unlink()
    for path in old.iterdir():
        shutil.copy(path, world.path / path.name)


def forked(world: World, size: int) -> str:
    log = ed25519_signer(world.accord.log_origin, world.keys.log)
    return sign_checkpoint(Checkpoint(world.accord.log_origin, size, bytes([size]) * 32), log)


async def test_a_hub_restored_from_an_older_copy_is_stopped_by_the_first_station_before_it_takes_anything(
    tmp_path: Path,
) -> None:
    world = make_world(tmp_path, quorum=2)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        await opened(av, kv)
        await until(lambda: av.core.cosigned and av.core.head)
        seen = hub.hub.writer.standing.frontier.size
    copy_store(world, tmp_path / "old")
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        await opened(av, kv)
        await until(lambda: av.core.cosigned > seen)
    bring_back(world, tmp_path / "old")
    async with running_hub(world) as hub:
        size = hub.hub.writer.standing.frontier.size
        with pytest.raises(AssertionError):
            async with running(world, "AV", hub.url):
                pass
        error = hub.hub.failed.exception()
        assert isinstance(error, BehindWitnesses)
        assert error.exit_status == 3
        assert hub.hub.writer.standing.frontier.size == size
        answer = await handed_in(hub.hub.writer, parse_entry(await leaf_of(world)), {})
        assert getattr(answer, "code", "") == "line.closing"


async def leaf_of(world: World) -> bytes:
    def read() -> bytes:
        connection = sqlite3.connect(world.path / "hub.db")
        try:
            return bytes(connection.execute("SELECT data FROM leaves WHERE idx = 0").fetchone()[0])
        finally:
            connection.close()

    return await asyncio.to_thread(read)


@pytest.mark.parametrize("ahead", [True, False])
async def test_one_head_that_our_own_key_signed_is_enough_and_a_stranger_s_word_is_not(
    tmp_path: Path, ahead: bool
) -> None:
    world = make_world(tmp_path, quorum=2)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        await open_thread(av, kv)
        stranger = ed25519_signer(world.accord.log_origin, bytes([9]) * 32)
        await hub.hub.hear("av.test", sign_checkpoint(Checkpoint(world.accord.log_origin, 99, bytes(32)), stranger))
        await hub.hub.hear("av.test", "rubbish")
        assert not hub.hub.failed.done()
        with pytest.raises(BehindWitnesses):
            await hub.hub.hear(None, forked(world, 99 if ahead else 1))
        assert hub.hub.failed.done()
        hub.hub.failed.exception()


async def test_no_head_is_signed_before_enough_witnesses_have_said_what_they_hold(tmp_path: Path) -> None:
    world = make_world(tmp_path, quorum=3)
    async with (
        running_hub(world) as hub,
        connect(hub.url, world, "AV") as av,
        connect(hub.url, world, "KV", follow=False) as kv,
    ):
        await kv.publish()
        heads = hub.hub.heads
        assert not hub.hub.claims.confirmed
        assert any("Too few witnesses" in alarm for alarm in hub.hub.alarms())
        await heads.new_head()
        assert heads.head is None
        await kv.send(Follow({}))
        await kv.ping()
        assert hub.hub.claims.confirmed
        assert not hub.hub.alarms()
        await open_thread(av, kv)
        assert (await av.expect(Head)).request.startswith("old 0\n")


async def test_a_witness_that_says_less_than_it_signed_is_not_offered_anything_and_operators_are_told(
    tmp_path: Path,
) -> None:
    world = make_world(tmp_path, quorum=2)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = await open_thread(av, kv)
        await av.say(thread, "goodwill-note", fields={"text": "two"})
        while await av.cosign_next() < 2:
            pass
        await av.ping()
        await av.send(Cosign(1, ""))
        await av.ping()
        assert hub.hub.heads.forgetful == {"av.test": 1}
        assert any("av.test has forgotten" in alarm for alarm in hub.hub.alarms())
        assert not any(isinstance(frame, Head) and frame.request.startswith("old 1\n") for frame in av.inbox)


async def test_an_entry_that_names_a_head_that_was_never_published_is_refused(tmp_path: Path) -> None:
    world = make_world(tmp_path, quorum=2)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = await open_thread(av, kv)
        answer = await av.submit(*av.write(thread, "goodwill-note", fields={"text": "x"}, seen="A" * 43))
        assert isinstance(answer, Refused) and answer.code == "entry.unknown-head"
        await asyncio.gather(av.cosign_next(), kv.cosign_next())
        await av.expect(Published)
        assert hub.hub.heads.published is not None
        await av.say(thread, "goodwill-note", fields={"text": "y"}, seen=hub.hub.heads.published.digest)


async def test_stations_put_the_newest_published_head_into_what_they_say_and_the_hub_into_its_own(
    tmp_path: Path,
) -> None:
    world = make_world(tmp_path, quorum=2)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        thread = await opened(av, kv)
        await until(lambda: av.core.head is not None)
        assert av.core.head is not None
        known = {av.core.head[1]}
        outcome = await av.send(officer(av), thread, "goodwill-note", {}, {"text": "later"})
        assert outcome.ok
        await until(lambda: any(h.payload.kind == "goodwill-note" for h in kv.core.threads[thread].held))
        said = next(h for h in kv.core.threads[thread].held if h.payload.kind == "goodwill-note")
        if av.core.head is not None:
            known.add(av.core.head[1])
        assert said.payload.seen is not None
        assert said.payload.seen in known or await is_published(world, said.payload.seen)


async def is_published(world: World, digest: str) -> bool:
    def read() -> bool:
        connection = sqlite3.connect(world.path / "hub.db")
        try:
            found = connection.execute("SELECT 1 FROM published WHERE digest = ?", (digest,)).fetchone()
            return found is not None
        finally:
            connection.close()

    return await asyncio.to_thread(read)


async def test_two_histories_found_by_one_witness_raise_the_alarm_on_every_desk_and_stop_the_signing(
    tmp_path: Path,
) -> None:
    world = make_world(tmp_path, quorum=2)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av:
        async with running(world, "KV", hub.url) as kv:
            await opened(av, kv)
            await until(lambda: kv.core.cosigned >= 1 and av.core.cosigned >= 1)
            size = kv.core.cosigned
            request = format_add_checkpoint(size, (), forked(world, size)).decode()
            await kv.observer.head(Head(request))
            for station in (av, kv):
                await until(lambda station=station: any("two different" in a for a in station.connection().alarms))
                assert len(await station.core.store.rows(evidence)) == 1
        async with running(world, "MD", hub.url) as late:
            await until(lambda: any("two different" in a for a in late.connection().alarms))
        assert hub.hub.claims.proofs == 1
        assert any("two histories" in alarm for alarm in hub.hub.alarms())
        signed = hub.hub.heads.head
        hub.hub.heads.grown()
        await hub.hub.heads.new_head()
        assert hub.hub.heads.head == signed
    connection = sqlite3.connect(tmp_path / "hub.db")
    for attempt in ("DELETE FROM evidence", "UPDATE evidence SET first = second"):
        with pytest.raises(sqlite3.IntegrityError, match="insert-only"):
            connection.execute(attempt)
    connection.close()
    async with running_hub(world) as hub, running(world, "KV", hub.url) as kv:
        assert hub.hub.claims.proofs == 1
        assert any("two different" in a for a in kv.connection().alarms), "it is raised again after a restart"


async def test_a_station_whose_store_is_gone_confirms_nothing_under_its_old_key_and_messages_go_on(
    tmp_path: Path,
) -> None:
    world = make_world(tmp_path, quorum=2)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av:
        async with running(world, "KV", hub.url) as kv:
            thread = await opened(av, kv)
            await until(lambda: kv.core.cosigned >= 1)
        for path in tmp_path.glob("KV-1.db*"):
            path.unlink()
        upgrade(tmp_path / "KV-1.db", "station")
        async with running(world, "KV", hub.url) as kv:
            assert any("no longer confirms" in alarm for alarm in kv.connection().alarms)
            assert not kv.observer.is_witness
            await asyncio.sleep(0.3)
            assert kv.core.cosigned == 0
            assert thread in kv.core.threads


async def test_a_station_restored_from_an_older_copy_finds_its_own_signature_and_is_retired_for_good(
    tmp_path: Path,
) -> None:
    world = make_world(tmp_path, quorum=2)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av:
        async with running(world, "KV", hub.url) as kv:
            await opened(av, kv)
            await until(lambda: kv.core.cosigned >= 1)
        (tmp_path / "old").mkdir()
        for path in tmp_path.glob("KV-1.db*"):
            shutil.copy(path, tmp_path / "old" / path.name)
        async with running(world, "KV", hub.url) as kv:
            before = kv.core.cosigned
            await opened(av, kv)
            await until(lambda: kv.core.cosigned > before and kv.core.head and kv.core.head[0] > before)
        for path in tmp_path.glob("KV-1.db*"):
            path.unlink()
        for path in (tmp_path / "old").iterdir():
            shutil.copy(path, tmp_path / path.name)
        for _ in range(2):
            async with running(world, "KV", hub.url) as kv:
                await until(lambda: any("no longer confirms" in alarm for alarm in kv.connection().alarms))
                assert not kv.observer.is_witness


async def test_a_neutral_witness_is_asked_at_start_offered_heads_over_http_and_counts(tmp_path: Path) -> None:
    world, witness, server = await with_neutral(tmp_path)
    async with server:
        world = at(world, str(server.make_url("/")))
        async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
            await open_thread(av, kv)
            await asyncio.gather(av.cosign_next(), kv.cosign_next())
            note = (await av.expect(Published)).checkpoint
            opened_ = open_with_policy(note, parse_policy(world.accord.accord.policy))
            assert {each.key.kind for each in opened_.cosignatures if each.key.name == "neutral.test"} == {
                KeyKind.COSIGNATURE_ED25519,
                KeyKind.COSIGNATURE_MLDSA44,
            }
        watched = witness.opened.find(world.accord.log_origin)
        assert watched is not None and watched.state is not None
        # Then its memory says more than a restored hub knows: that one does not even start.
        for path in tmp_path.glob("hub.db*"):
            path.unlink()
        with pytest.raises(BehindWitnesses):
            await Hub.open(tmp_path / "hub.db", world.settings, world.keys, world.accord, world.ladders)
    witness.opened.close()


async def test_a_witness_that_is_away_holds_up_nothing_and_a_stranger_in_the_settings_is_refused(
    tmp_path: Path,
) -> None:
    world, witness, _ = await with_neutral(tmp_path, quorum=2)
    world = at(world, "http://127.0.0.1:9")
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        await open_thread(av, kv)
        await asyncio.gather(av.cosign_next(), kv.cosign_next())
        await av.expect(Published)
        assert not hub.hub.failed.done()
    witness.opened.close()
    bad = at(world, "http://x", name="stranger.test")
    with pytest.raises(HubNotReady, match=r"stranger\.test"):
        await Hub.open(tmp_path / "hub.db", bad.settings, bad.keys, bad.accord, bad.ladders)


class Neutral:
    def __init__(self, path: Path) -> None:
        folders.create(path, name="neutral.test", url="http://n/", passphrase=b"p" * 12, profile="interactive")
        found = folders.open_folder(path, b"p" * 12)
        self.opened, self.signers = found.store, found.signers


async def with_neutral(path: Path, quorum: int = 3) -> tuple[World, Neutral, TestServer]:
    witness = await asyncio.to_thread(Neutral, path / "neutral")
    world = make_world(path, quorum=quorum, neutral=tuple(signer.key.vkey for signer in witness.signers))
    log = ed25519_signer(world.accord.log_origin, world.keys.log).key
    witness.opened.add_log(log, NOW)
    service = Witness(witness.opened, witness.signers, lambda: NOW, lambda: None)
    return world, witness, TestServer(make_app(service))


def at(world: World, url: str, name: str = "neutral.test") -> World:
    settings = msgspec.structs.replace(world.settings, witnesses={name: url})
    return dataclasses.replace(world, settings=settings)


def test_the_number_of_liars_a_policy_stands_is_that_of_its_members_with_all_their_machines() -> None:
    log = ed25519_signer("h/log", bytes(range(32))).key.vkey
    text = f"log {log}\nquorum none\n"
    number = 0
    for office, machines in (("AA", 2), ("BB", 1), ("CC", 1), ("DD", 1)):
        keys = []
        for machine in range(machines):
            number += 1
            seed = bytes([number]) * 32
            name = f"station.{office.lower()}.{machine}"
            keys.append([ed25519_cosigner(name, seed).key.vkey, mldsa44_cosigner(name, seed).key.vkey])
        text = _with_witnesses(text, office, keys)
    policy = parse_policy(text)
    assert (len(policy.operators), policy.smallest_quorum()) == (5, 3)
    assert liars_tolerated(policy) == 2, "one office of four may lie, with both its stations"
