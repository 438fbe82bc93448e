"""A station that lost the keys of a thread comes back: where the ladder lets it, in its own place, in sight of all."""

from __future__ import annotations

import asyncio
import secrets
import time
from pathlib import Path
from typing import Any

import pytest

from hotline.cli import station as command
from hotline.ladders import load
from hotline.station.errors import NothingToRejoin, RejoinRefused
from hotline.station.station import Station
from mediation.state import ThreadState, state_hash
from protocols import mls
from protocols.encoding import digest, rfc3339
from protocols.entry import make_entry, parse_entry
from protocols.frames import Refused
from protocols.mandate import sign_mandate
from tests.hotline.harness import (
    LADDER,
    Client,
    Thread,
    World,
    connect,
    make_open,
    make_station,
    make_world,
    mandate_of,
    running_hub,
    station_keys,
)
from tests.hotline.station.kit import identity_of, opened, running, until
from tests.hotline.station.test_restored import keep, put_back, say, texts

RULE = b'\n[kinds.rejoin]\nwho = ["party", "mediator"]\n'


def ladder() -> bytes:
    data = load(LADDER)
    return data if b"[kinds.rejoin]" in data else data + RULE


def without() -> bytes:
    head, _, tail = ladder().partition(b"[kinds.rejoin]\n")
    return head + b"\n".join(tail.split(b"\n")[1:])


def state(station: Station, thread: str) -> ThreadState:
    found = station.core.threads[thread].state
    assert found is not None
    return found


def forget(world: World, office: str) -> None:
    """The disk is gone; the keys of the station, which are kept elsewhere, are not."""
    for path in world.path.glob(f"{office}-*.db*"):
        path.unlink()


async def test_a_station_whose_store_is_gone_comes_back(tmp_path: Path) -> None:
    world = make_world(tmp_path, ladder=ladder())
    async with running_hub(world) as hub, running(world, "KV", hub.url) as kv:
        async with running(world, "AV", hub.url) as av:
            thread = await opened(av, kv)
            await say(kv, thread, "before the fire")
            await until(lambda: texts(av, thread) == ["before the fire"])
        forget(world, "AV")
        async with running(world, "AV", hub.url) as av:
            held = av.core.threads[thread]
            assert held.keys.stuck == "replay.forgotten" and held.mls is None and held.frozen is None
            seq = await av.rejoin(thread)
            assert held.by_seq[seq].payload.kind == "rejoin" and held.keys.stuck == ""
            assert texts(av, thread) == [None], "coming back must not open what was sent before"
            await until(lambda: state(kv, thread).epoch == 2)
            alarm = next(words for words in kv.connection().alarms if "came back" in words)
            assert "AV, station" in alarm and "Check by phone" in alarm
            await say(kv, thread, "is it you?")
            await say(av, thread, "it is")
            for station in (av, kv):
                await until(lambda s=station: texts(s, thread)[1:] == ["is it you?", "it is"])  # type: ignore[misc]
            await until(lambda: state_hash(state(av, thread)) == state_hash(state(kv, thread)))
            with pytest.raises(NothingToRejoin):
                await av.rejoin(thread)
            with pytest.raises(NothingToRejoin):
                await av.rejoin("A" * 22)
        async with running(world, "AV", hub.url) as av:
            await say(av, thread, "after a restart")
            await until(lambda: texts(kv, thread)[-1:] == ["after a restart"])


async def test_the_command_logs_in_replays_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world(tmp_path, ladder=ladder())
    folder = tmp_path / "new disk"
    (folder / "officers").mkdir(parents=True)
    async with running_hub(world) as hub, running(world, "KV", hub.url) as kv:
        async with running(world, "AV", hub.url) as av:
            thread = await opened(av, kv)
        identity = identity_of(world, world.stations["AV"], hub.url)
        monkeypatch.setattr(command, "load_identity", lambda folder, opened, now: identity)
        with pytest.raises(NothingToRejoin):
            await command._rejoin(folder, {}, "no such thread")
        said = await command._rejoin(folder, {}, thread[:8])
        assert said.startswith(f"Back in thread {thread} with entry 2.")
        await until(lambda: any("came back" in words for words in kv.connection().alarms))
        with pytest.raises(NothingToRejoin):
            await command._rejoin(folder, {}, thread[:8])


async def test_a_station_restored_from_before_its_own_renewal_comes_back(tmp_path: Path) -> None:
    world = make_world(tmp_path, ladder=ladder())
    store = f"AV-{world.stations['AV'].name}.db"
    async with running_hub(world) as hub, running(world, "KV", hub.url) as kv:
        async with running(world, "AV", hub.url) as av:
            thread = await opened(av, kv)
        copy = keep(world, store)
        async with running(world, "AV", hub.url) as av:
            async with av.core.store.change() as change:
                await av.core.put_renewal(change, thread, 1)
            av.core.threads[thread].renew = 1
            await until(lambda: state(kv, thread).epoch == 2)
        put_back(copy)
        async with running(world, "AV", hub.url) as av:
            assert av.core.threads[thread].keys.stuck
            await av.rejoin(thread)
            await say(av, thread, "here again")
            await until(lambda: texts(kv, thread) == ["here again"])
            assert state(kv, thread).epoch == 3


async def test_where_the_ladder_does_not_allow_it_nobody_comes_back(tmp_path: Path) -> None:
    world = make_world(tmp_path, ladder=without())
    async with running_hub(world) as hub, running(world, "KV", hub.url) as kv:
        async with running(world, "AV", hub.url) as av:
            thread = await opened(av, kv)
        forget(world, "AV")
        async with running(world, "AV", hub.url) as av:
            with pytest.raises(RejoinRefused) as refused:
                await av.rejoin(thread)
            assert refused.value.refusal == "ladder.not-on-ladder"
            assert state(kv, thread).epoch == 1


# -- attacks, by raw clients --------------------------------------------------------------------------------------------


async def threaded(by: Client, *others: Client) -> tuple[Thread, bytes]:
    """A thread whose opening brought a GroupInfo to come back by."""
    for other in others:
        await other.publish()
    entry, parts, thread = await make_open(by, *(other.station for other in others))
    assert thread.group is not None
    info = thread.group.group_info(external_commit=True)
    thread = await _opened(by, entry, parts, thread, info)
    for other in others:
        other.threads[thread.id] = Thread(thread.id, None, prev=thread.prev, prev_seq=1)
    return thread, info


async def _opened(by: Client, entry: bytes, parts: dict[str, bytes], thread: Thread, info: bytes) -> Thread:
    parts = {**parts, "external": info}
    act = parse_entry(entry).payload.act
    payload = by.payload(thread, "open", act, parts={name: digest(data) for name, data in parts.items()})
    answer = await by.submit(make_entry(payload, by.station.sign), parts)
    assert not isinstance(answer, Refused), answer
    thread.serial = 1
    by.note(thread, answer.id, answer.seq)
    return thread


def come_back(info: bytes, station: Any, **changes: Any) -> bytes:
    """An external commit in place of the station's own former leaf."""
    members = mls.PublicGroup.from_group_info(info, 0).members()
    former = next((m.leaf for m in members if m.identity == station.kid.encode()), None)
    values: dict[str, Any] = {"replaces": former, **changes}
    _, commit = mls.Group.join_external(
        info, station.kid.encode(), station.mls_seed, now=int(time.time()), rng=secrets.token_bytes, **values
    )
    return commit


async def hand_in(client: Client, thread: Thread, commit: bytes, epoch: int, **parts: bytes) -> str:
    given = {"commit": commit, **parts}
    marks = {name: digest(data) for name, data in given.items()}
    payload = client.payload(thread, "rejoin", {"epoch": epoch}, parts=marks)
    answer = await client.submit(make_entry(payload, client.station.sign), given)
    return answer.code if isinstance(answer, Refused) else ""


async def test_nobody_but_the_station_itself_takes_its_place(tmp_path: Path) -> None:
    world = make_world(tmp_path, ladder=ladder())
    stranger = make_station("AV", "2", world.roots["AV"], serial=50)
    async with (
        running_hub(world) as hub,
        connect(hub.url, world, "AV") as av,
        connect(hub.url, world, "KV") as kv,
        connect(hub.url, world, "MD") as md,
        connect(hub.url, world, stranger) as second,
    ):
        opening, info = await threaded(av, kv)
        thread = kv.threads[opening.id]
        # Another station of the same office, and a mediator who was never admitted: not in the roster.
        for client in (second, md):
            own = Thread(thread.id, None, prev=thread.prev, prev_seq=1)
            assert await hand_in(client, own, come_back(info, client.station), 2) in (
                "ladder.not-member",
                "ladder.no-standing",
            )
        # Beside its former self, instead of in its place.
        with pytest.raises(mls.MlsError):
            come_back(info, kv.station, replaces=None)
        # Somebody else's leaf, by one's own engine and by a forged commit handed in as one's own.
        with pytest.raises(mls.MlsError):
            come_back(info, kv.station, replaces=0)
        assert await hand_in(kv, thread, come_back(info, av.station), 2) == "rekey.invalid"
        # A member's ordinary commit is no coming back, and a coming back no renewal.
        assert opening.group is not None
        plain = opening.group.commit(now=int(time.time()), rng=secrets.token_bytes).commit
        assert await hand_in(av, opening, plain, 2) == "rekey.invalid"
        back = come_back(info, kv.station)
        marks = {"commit": digest(back)}
        entry = make_entry(kv.payload(thread, "rekey", {"epoch": 2}, parts=marks), kv.station.sign)
        answer = await kv.submit(entry, {"commit": back})
        assert isinstance(answer, Refused) and answer.code == "rekey.invalid"
        # A GroupInfo of another epoch beside it, the wrong epoch, then the real one, and the same again.
        assert await hand_in(kv, thread, back, 2, external=info) == "rekey.invalid"
        assert await hand_in(kv, thread, back, 3) == "ladder.wrong-epoch"
        assert await hand_in(kv, thread, back, 2) == ""
        thread.serial += 1
        assert await hand_in(kv, thread, come_back(info, kv.station), 2) == "ladder.wrong-epoch"
        assert await hand_in(kv, thread, come_back(info, kv.station), 3) == "rekey.invalid"
        assert {len(found.state.roster) for found in hub.hub.threads()} == {2}


async def test_a_revoked_station_does_not_come_back(tmp_path: Path) -> None:
    world = make_world(tmp_path, ladder=ladder())
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        opening, info = await threaded(av, kv)
        keys = station_keys(kv.station)
        revoked = mandate_of("KV", "station 1", kv.station.sign, (), 90, keys, not_before=_soon())
        await hub.hub.take_mandates((sign_mandate(revoked, world.roots["KV"]),))
        await asyncio.sleep(1.2)
        code = ""
        try:
            code = await hand_in(kv, kv.threads[opening.id], come_back(info, kv.station), 2)
        except Exception as error:  # the hub may have cut the line already
            code = type(error).__name__
        assert code in ("entry.out-of-mandate", "ConnectionClosedOK", "ConnectionClosedError"), code
        assert hub.hub.threads()[0].state.epoch == 1


def _soon() -> str:
    return rfc3339(int(time.time() * 1000) + 1000)
