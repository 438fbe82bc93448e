"""What the fault tests share: impatient stations, and what was read in a thread."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from hotline.station.folder import DutyTable, LineTable
from hotline.station.observer import begin_memory
from hotline.station.officers import OfficersInMemory
from hotline.station.station import Station
from tests.hotline.harness import LADDER, World
from tests.hotline.harness import Station as Cast
from tests.hotline.station.kit import identity_of, officer, until

LINE = LineTable(base=0.02, cap=0.2, connect=2.0, ping=0.5, silence=1.5)
DUTY = DutyTable(fallback=0.5, tick=0.1, answer=0.05)


async def open_impatient(world: World, office: str | Cast, url: str, *more: str) -> Station:
    """A station that notices a dead line within two seconds and does not wait for answers. ``more``: further addresses."""
    cast = world.stations[office] if isinstance(office, str) else office
    identity = identity_of(world, cast, url)
    settings = msgspec.structs.replace(identity.settings, addresses=(url, *more), line=LINE, duty=DUTY)
    seeds = {str(number): each._secret[:32] for number, each in enumerate(cast.officers)}
    path = world.path / f"{cast.office}-{cast.name}.db"
    if not path.exists():
        await begin_memory(path, cast.witness.key)
    station = await Station.open(dataclasses.replace(identity, settings=settings), path, OfficersInMemory(seeds))
    for each in cast.officers:
        assert await station.unlock(each.kid, b"")
    return station


@asynccontextmanager
async def impatient(world: World, office: str | Cast, url: str, *more: str) -> AsyncIterator[Station]:
    """`open_impatient`, on the line; stopped at the end."""
    station = await open_impatient(world, office, url, *more)
    await station.start()
    try:
        await until(lambda: station.core.line.caught)
        yield station
    finally:
        await station.stop()


@asynccontextmanager
async def back_again(world: World, office: str, url: str, thread: str, other: Station) -> AsyncIterator[Station]:
    """The station once more, after its process was killed: level with the other one, and of the same history."""
    async with impatient(world, office, url) as again:
        await until(lambda: again.core.line.caught and not again.connection().queued, 40)
        await until(lambda: not other.connection().queued and len(positions(thread, other, again)) == 1, 40)
        agree(thread, other, again)
        yield again


async def opened(av: Station, kv: Station) -> str:
    """A thread between two stations, held by both."""
    outcome = await av.open_thread(officer(av), kv.office.id, LADDER, "Test thread")
    assert outcome.ok, outcome
    thread = str(outcome.thread)
    await until(lambda: thread in av.core.threads and thread in kv.core.threads)
    return thread


async def say(station: Station, thread: str, text: str) -> None:
    """Kept by the station, whatever the line does. The same text again adds nothing."""
    outcome = await station.send(officer(station), thread, "goodwill-note", {}, {"text": text}, client_id=text)
    assert outcome.ok, outcome


def texts(station: Station, thread: str, by: str = "") -> list[str]:
    """What this station can read in a thread, in order; of one office where ``by`` names it."""
    held = station.core.threads[thread].held
    return [each.fields["text"] for each in held if each.fields and by in ("", each.payload.office)]


def agree(thread: str, *stations: Station) -> None:
    """All hold the same history and state, read every body, and raised no alarm over the thread."""
    first = stations[0].core.threads[thread]
    for station in stations:
        found = station.core.threads[thread]
        assert found.frozen is None
        assert [each.admitted.leaf for each in found.held] == [each.admitted.leaf for each in first.held]
        assert station.thread(thread).state_hash == stations[0].thread(thread).state_hash
        unread = [each.seq for each in found.held if each.payload.sd and each.fields is None]
        assert not unread, (station.name, unread, [each.complaint for each in found.held if each.complaint])
        doubled = [text for text, count in Counter(texts(station, thread)).items() if count > 1]
        assert not doubled, doubled


def positions(thread: str, *stations: Station) -> set[int]:
    """The newest entry at each station."""
    return {station.core.threads[thread].position.seq for station in stations}


__all__ = ["DUTY", "agree", "back_again", "impatient", "open_impatient", "opened", "positions", "say", "texts", "until"]
