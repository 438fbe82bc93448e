"""Stations for tests: the harness's keys in this package's own identity, on a store in a temporary folder."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

import msgspec
import pytest

from hotline.station.folder import DutyTable, Identity, Keys, LineTable, StationSettings
from hotline.station.observer import begin_memory
from hotline.station.officers import OfficersInMemory
from hotline.station.station import Station
from mediation.ladder import parse_ladder
from protocols.mandate import MandateBook
from protocols.mls import Decrypted, Group
from protocols.translog import parse_policy, parse_vkey
from tests.hotline.harness import LADDER, RunningHub, World
from tests.hotline.harness import Station as Cast

LINE = LineTable(base=0.02, cap=0.1, connect=3.0, ping=5.0, silence=20.0)
DUTY = DutyTable(fallback=1.0, tick=0.1, answer=20.0)


def identity_of(world: World, cast: Cast, url: str, *, duty: DutyTable = DUTY) -> Identity:
    """What `Station.open` takes, for one member of the harness's cast."""
    book = MandateBook(world.accord.accord)
    mandate = book.add_bytes(cast.mandate)
    for data in cast.officer_mandates:
        book.add_bytes(data)
    keys = Keys(cast.sign, cast.mls_seed, bytes(cast.seal), cast.witness, b"d" * 32)
    settings = StationSettings(cast.office, cast.name, addresses=(url,), line=LINE, duty=duty)
    ladders = {name: parse_ladder(data) for name, data in world.ladders.items()}
    policy, log = parse_policy(world.accord.accord.policy), parse_vkey(world.accord.accord.hub.log)
    return Identity(settings, keys, world.accord, ladders, book, mandate, policy, log, world.ladders)


async def open_station(world: World, office: str | Cast, url: str, *, duty: DutyTable = DUTY) -> Station:
    """A station with its officers unlocked, not started."""
    cast = world.stations[office] if isinstance(office, str) else office
    seeds = {str(number): officer._secret[:32] for number, officer in enumerate(cast.officers)}
    path = world.path / f"{cast.office}-{cast.name}.db"
    if not path.exists():
        await begin_memory(path, cast.witness.key)
    station = await Station.open(identity_of(world, cast, url, duty=duty), path, OfficersInMemory(seeds))
    for officer in cast.officers:
        assert await station.unlock(officer.kid, b"")
    return station


@asynccontextmanager
async def running(world: World, office: str | Cast, url: str, *, duty: DutyTable = DUTY) -> AsyncIterator[Station]:
    """A station on the line, stopped at the end."""
    station = await open_station(world, office, url, duty=duty)
    await station.start()
    try:
        await until(lambda: station.core.line.caught)
        yield station
    finally:
        await station.stop()


async def until(what: Callable[[], object], seconds: float = 25.0) -> None:
    """Wait until ``what`` is true."""
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            raise AssertionError("it never became true")
        await asyncio.sleep(0.01)


async def opened(av: Station, kv: Station) -> str:
    """A thread between two stations, followed by both."""
    outcome = await av.open_thread(officer(av), kv.office.id, LADDER, "Test thread")
    assert outcome.ok, outcome
    thread = str(outcome.thread)
    await until(lambda: thread in av.core.threads and thread in kv.core.threads)
    return thread


def officer(station: Station, number: int = 0) -> str:
    """The kid of one of the station's officers, in the harness's order."""
    names = {view.name: view.kid for view in station.officers() if view.unlocked}
    return names[f"officer {number + 1}"]


def seq(station: Station, thread: str) -> int:
    found = station.core.threads.get(thread)
    return 0 if found is None else found.position.seq


async def act(station: Station, thread: str, kind: str, act: Mapping[str, object], **fields: object) -> str:
    """Send, releasing it by the second officer where the ladder wants one; the entry's id."""
    outcome = await station.send(officer(station), thread, kind, act, fields)
    if outcome.state == "draft":
        outcome = await station.release(officer(station, 1), str(outcome.id))
    assert outcome.state == "accepted", (kind, outcome)
    return str(outcome.id)


async def mediator_admitted(
    av: Station, kv: Station, md: Station, thread: str, scope: Mapping[str, object] | None = None
) -> None:
    """MD comes in as the ladder wants it, up to both parties' admission; its keys may follow later or not.

    ``scope``: what it may read of what came before, nothing if None.
    """
    await act(kv, thread, "step-request", {"step": "L5-mediation"})
    for station in (av, kv):
        await until(lambda: seq(av, thread) == seq(kv, thread))
        outcome = await station.nominate(officer(station), thread, ("MD",))
        assert outcome.state == "accepted", outcome
    await until(lambda: thread in md.core.threads)
    await act(md, thread, "mediator-acceptance", {})
    await until(lambda: any(offer.kind == "declaration" for offer in md.thread(thread).offers))
    await act(md, thread, "declaration", {}, text="None.")
    for station in (av, kv):
        await until(lambda station=station: any(e.kind == "declaration" for e in station.thread(thread).entries))  # type: ignore[misc]
        await act(station, thread, "waiver", {"mediators": ["MD"]})
    for station in (av, kv):
        await until(lambda: seq(av, thread) == seq(kv, thread))
        await act(station, thread, "admission", {"mediators": ["MD"], "scope": scope or {}})


async def mirrored(hub: RunningHub, *stations: Station) -> None:
    """Wait until these stations keep every leaf of the hub's own that is in the log now."""
    size = hub.hub.writer.standing.frontier.size
    await until(lambda: all(each.observer.mirroring.keeping.upto >= size for each in stations))


class MessageKey(NamedTuple):
    """What sealed one message: no two messages may have the same."""

    group: bytes
    epoch: int
    leaf: int
    generation: int


def keys_used(monkeypatch: pytest.MonkeyPatch) -> list[MessageKey]:
    """The key of every message that any station of this process opens from now on."""
    found: list[MessageKey] = []
    plain = Group.decrypt

    def decrypt(self: Group, message: bytes) -> Decrypted:
        opened = plain(self, message)
        found.append(MessageKey(self.group_id, opened.epoch, opened.sender_leaf, opened.generation))
        return opened

    monkeypatch.setattr(Group, "decrypt", decrypt)
    return found


__all__ = [
    "DUTY",
    "LADDER",
    "MessageKey",
    "act",
    "identity_of",
    "keys_used",
    "mediator_admitted",
    "mirrored",
    "msgspec",
    "officer",
    "open_station",
    "opened",
    "running",
    "seq",
    "until",
]
