"""Two stations that say something all the time while hubs come and go, and what their desks showed meanwhile.

The oracle is what the stations hold: every message once, in its sender's order, the same thread at both of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from hotline.station.station import Station
from tests.faults.kit import agree, impatient, opened, say, texts
from tests.faults.test_replicas_killed import settle
from tests.hotline.harness import World

PAUSE = 0.1
"""Seconds between two messages of a station."""
BACKLOG = 8
"""Messages that a station has waiting before it says no more."""


class Talk:
    """Two stations that say something all the time, and what their desks showed meanwhile."""

    def __init__(self, thread: str, **stations: Station) -> None:
        self.thread, self.stations = thread, stations
        self.said: dict[str, list[str]] = {office: [] for office in stations}
        self.shown: set[str] = set()
        self.alarms: set[str] = set()
        self.last: asyncio.Future[None] | None = None
        """What is being said: it may be in no outbox yet when the talk is ended."""

    async def run(self) -> None:
        """Until it is cancelled."""
        number = 0
        while True:
            for office, station in self.stations.items():
                text = f"{office} {number}"
                self.said[office].append(text)
                self.last = asyncio.ensure_future(say(station, self.thread, text))
                await asyncio.shield(self.last)
                view = station.connection()
                self.shown.add(view.state)
                self.alarms.update(view.alarms)
            number += 1
            await asyncio.sleep(PAUSE)
            while any(station.connection().queued > BACKLOG for station in self.stations.values()):
                await asyncio.sleep(PAUSE)

    async def more(self, count: int = 3) -> None:
        """Wait until that many more were said, and got through."""
        goal = {office: len(said) + count for office, said in self.said.items()}
        async with asyncio.timeout(60):
            while not all(
                len(texts(station, self.thread, office)) >= goal[office]
                for station in self.stations.values()
                for office in goal
            ):
                await asyncio.sleep(0.05)

    def check(self) -> None:
        """What was said is what everybody holds, and no desk showed anything but a line that is made anew."""
        agree(self.thread, *self.stations.values())
        for station in self.stations.values():
            for office, expected in self.said.items():
                assert texts(station, self.thread, office) == expected
        assert not self.alarms
        assert self.shown <= {"live", "quiet", "reconnecting"}, self.shown


@asynccontextmanager
async def talk(world: World, first: tuple[str, ...], second: tuple[str, ...]) -> AsyncIterator[Talk]:
    """Stations AV and KV, which know these addresses, in a thread; they talk until the block ends, and then hold the same."""
    async with impatient(world, "AV", *first) as av, impatient(world, "KV", *second) as kv:
        talk = Talk(await opened(av, kv), AV=av, KV=kv)
        talking = asyncio.create_task(talk.run())
        try:
            await talk.more()
            yield talk
        finally:
            talking.cancel()
            with suppress(asyncio.CancelledError):
                await talking
        if talk.last is not None:
            await talk.last
        await settle(talk.thread, av, kv)
        talk.check()
