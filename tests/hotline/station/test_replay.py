"""A lying hub: whatever it forges, the station refuses it, freezes that thread and says so; the others go on."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from hotline.station.station import Station
from protocols import jws
from protocols.entry import TYP, Stamp, parse_entry, stamp_entry, verify_stamp
from protocols.frames import Deliver
from protocols.keys import SeedSigner
from tests.hotline.harness import Client, Thread, World, connect, make_world, open_thread, running_hub
from tests.hotline.station.kit import open_station


@dataclass
class Tape:
    """What a real hub delivered to AV in one thread, to be played back, changed."""

    world: World
    thread: str
    frames: list[Deliver]

    def restamped(self, number: int, **changes: object) -> Deliver:
        """One frame with the hub's own signature over other claims: the hub holds its key, so it can do this."""
        frame = self.frames[number]
        entry = parse_entry(frame.leaf)
        stamp = msgspec.structs.replace(verify_stamp(entry, self.world.accord), **changes)
        bare = jws.Jws(entry.jws.payload, tuple(s for s in entry.jws.signatures if s.role != "hub"))
        leaf = stamp_entry(parse_entry(bare.to_bytes()), stamp, SeedSigner(self.world.keys.sign))
        return msgspec.structs.replace(frame, leaf=leaf, seq=stamp.seq)


async def record(world: World, work: Callable[[Client, Client], Awaitable[Thread]]) -> tuple[Tape, Station]:
    """Let two raw clients talk over a real hub; the tape, and a station of KV that joined nothing yet."""
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        station = await open_station(world, "MD", hub.url)
        thread = await work(av, kv)
        found = {frame.seq: frame for frame in await kv.follow({}) if frame.thread == thread.id}
        for office in ("AV", "KV"):
            cast = world.stations[office]
            await station._mandates((cast.mandate, *cast.officer_mandates))
        return Tape(world, thread.id, [found[seq] for seq in sorted(found)]), station


@pytest.fixture
async def tape(tmp_path: Path) -> AsyncIterator[tuple[Tape, Station]]:
    world = make_world(tmp_path)

    async def work(av: Client, kv: Client) -> Thread:
        thread = await open_thread(av, kv)
        for text in ("one", "two", "three"):
            await av.say(thread, "goodwill-note", fields={"text": text})
        return thread

    found, station = await record(world, work)
    try:
        yield found, station
    finally:
        await station.stop()


@asynccontextmanager
async def _played(station: Station, *played: Deliver) -> AsyncIterator[Station]:
    for frame in played:
        await station.intake.take((frame,), [])
    yield station


def reason(station: Station, thread: str) -> str:
    found = station.core.threads[thread]
    assert found.frozen is not None
    assert found.frozen in station.connection().alarms
    assert any(what == "alarm" for _, what, _ in station.journal())
    return found.frozen


async def test_what_follows_is_replayed_without_being_a_member(tape: tuple[Tape, Station]) -> None:
    found, station = tape
    async with _played(station, *found.frames):
        assert station.core.threads[found.thread].position.seq == 4
        assert not station.connection().alarms


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"chain": "A" * 43}, "replay.chain"),
        ({"at": 1_700_000_000_000}, "replay.time"),
        ({"seq": 9}, "replay.gap"),
    ],
)
async def test_a_false_stamp_freezes_the_thread_where_it_stood(
    tape: tuple[Tape, Station], changes: dict[str, object], code: str
) -> None:
    found, station = tape
    async with _played(station, found.frames[0], found.restamped(1, **changes), found.frames[1]):
        assert code in reason(station, found.thread)
        assert station.core.threads[found.thread].position.seq == 1


async def test_another_state_in_a_good_stamp_stops_steps_and_a_broken_chain_after_it_stops_everything(
    tape: tuple[Tape, Station],
) -> None:
    found, station = tape
    async with _played(station, found.frames[0], found.restamped(1, state="A" * 43)):
        thread = station.core.threads[found.thread]
        assert thread.frozen is None and thread.parted is not None
        assert (thread.parted.seq, thread.parted.stamped) == (2, "A" * 43)
        assert thread.position.seq == 2
        assert any("another ladder state" in alarm for alarm in station.connection().alarms)
        await station.intake.take((found.frames[2],), [])  # the hub told one side another leaf: the chain shows it
        assert "replay.chain" in reason(station, found.thread)


async def test_a_stamp_by_another_key_is_refused(tape: tuple[Tape, Station]) -> None:
    found, station = tape
    frame = found.frames[1]
    entry = parse_entry(frame.leaf)
    stamp = verify_stamp(entry, found.world.accord)
    bare = jws.Jws(entry.jws.payload, entry.jws.signatures[:-1])
    other = SeedSigner(secrets.token_bytes(32))
    extra = msgspec.to_builtins(stamp)
    assert isinstance(stamp, Stamp)
    leaf = bare.with_signature(jws.sign(bare.payload, other, typ=TYP, role="hub", **extra)).to_bytes()
    async with _played(station, found.frames[0], msgspec.structs.replace(frame, leaf=leaf)):
        assert "entry.bad-signature" in reason(station, found.thread)


async def test_a_second_history_under_one_number_is_refused(tape: tuple[Tape, Station]) -> None:
    found, station = tape
    async with _played(station, *found.frames[:3], found.restamped(2, at=verify_at(found, 2) + 1)):
        assert "replay.two-histories" in reason(station, found.thread)


async def test_a_left_out_entry_is_noticed_and_a_repeated_one_is_harmless(tape: tuple[Tape, Station]) -> None:
    found, station = tape
    async with _played(station, found.frames[0], found.frames[1], found.frames[1], found.frames[0]):
        assert station.core.threads[found.thread].frozen is None
        await station.intake.take((found.frames[3],), [])
        assert "replay.gap" in reason(station, found.thread)


async def test_a_frozen_thread_stays_frozen_after_a_restart(tape: tuple[Tape, Station]) -> None:
    found, station = tape
    async with _played(station, found.frames[0], found.restamped(1, chain="A" * 43)):
        await station.core.store.close()
    again = await open_station(found.world, "MD", "ws://127.0.0.1:9/line")
    assert "replay.chain" in reason(again, found.thread)
    await again.intake.take((found.frames[1],), [])
    assert again.core.threads[found.thread].position.seq == 1
    await again.stop()


def verify_at(tape: Tape, at: int) -> int:
    return verify_stamp(parse_entry(tape.frames[at].leaf), tape.world.accord).at
