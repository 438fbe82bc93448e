"""A soak: stations send, lose their lines, open and close threads, for as long as one likes; nothing may grow but the thread.

``HOTLINE_SOAK_SECONDS`` says how long (45 where it is not set). The hub and both stations are processes of their own. A hub
keeps no entry in memory, so its memory is flat; a station keeps what its threads hold, so its memory grows by no more than
`PER_ENTRY` for each entry. Files and sockets are flat at all three.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import statistics
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from protocols.translog import ed25519_cosigner
from tests.faults.kit import impatient
from tests.faults.oracle import Ledger
from tests.faults.processes import Child, Hub, Remote, witness_name
from tests.faults.proxy import Proxy, proxy
from tests.hotline.harness import World, make_station, make_world

SECONDS = float(os.environ.get("HOTLINE_SOAK_SECONDS", "45"))
MIB = 1 << 20
HUB_GROWS = 4 * MIB
"""Bytes by which a hub's memory may differ between the second third of a soak and its end."""
STATION_GROWS, PER_ENTRY = 4 * MIB, 24 << 10
"""The same of a station, and what each entry that it holds may add."""
DESCRIPTORS_GROW = 6
PAUSE = 0.08
"""Seconds between two texts of one station."""
pytestmark = pytest.mark.faults


@dataclass
class Measured:
    """What one process took, time after time: seconds since the start, bytes, descriptors, entries held."""

    rows: list[tuple[float, int, int, int]] = field(default_factory=list)

    def take(self, at: float, child: Child, entries: int) -> None:
        self.rows.append((at, child.resident(), child.descriptors(), entries))

    def between(self, first: float, last: float) -> tuple[float, float, int]:
        """Middle memory, most descriptors and middle number of entries in a part of the time (0 to 1)."""
        end = self.rows[-1][0]
        rows = [row for row in self.rows if first * end <= row[0] <= last * end]
        memory, entries = (statistics.median(row[number] for row in rows) for number in (1, 3))
        return memory, entries, max(row[2] for row in rows)


@dataclass
class Talk:
    """Two stations that say things to each other in a few threads."""

    ledger: Ledger
    stations: tuple[Remote, Remote]
    rng: random.Random
    asked: int = 0
    open: list[str] = field(default_factory=list)
    all: list[str] = field(default_factory=list)
    known: dict[str, set[str]] = field(default_factory=dict)
    closing: Counter[str] = field(default_factory=Counter)
    entries: Counter[str] = field(default_factory=Counter)
    waiting: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def hear(self) -> None:
        """Take in what the stations told."""
        for station in self.stations:
            for word in self.ledger.hear(station):
                match word:
                    case ("opened", _, True, _):
                        self.asked += 1
                    case ("closed", thread, True, _):
                        self.closing[thread] += 1
                        self.ledger.said[thread, station.cast.kid].append(f"closed by {station.cast.office}")
                    case ("counted", held, waiting):
                        self.known[station.name] = set(held)
                        self.entries[station.name], self.waiting[station.name] = sum(held.values()), waiting
                    case _:
                        self.problems.append(str(word))

        for thread in sorted(set.intersection(*self.known.values()) if len(self.known) == 2 else ()):
            if thread not in self.all:
                self.all.append(thread)
                self.open.append(thread)

    def say(self, number: int) -> None:
        """One more text of each that has not too much waiting already."""
        for station in self.stations:
            if self.open and self.waiting[station.name] < 30:
                thread = self.rng.choice(self.open[-4:])
                station.tell(thread, f"{station.cast.office} {number}")


async def test_hours_of_talk_leave_memory_and_descriptors_where_they_were(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world, rng = make_world(tmp_path), random.Random(23)
    hub, began = Hub(world), time.monotonic()
    async with AsyncExitStack() as stack:
        stack.callback(hub.close)
        await hub.start()
        between = await stack.enter_async_context(proxy(hub.port))
        stations = tuple(remote(world, office, between) for office in ("AV", "KV"))
        for station in stations:
            stack.callback(station.close)
            await station.start()
        ledger = Ledger(world)
        talk = Talk(ledger, stations, rng)  # type: ignore[arg-type]
        measured = await soak(talk, hub, between)
        for station in stations:
            station.ask("count")
        await asyncio.sleep(1)
        talk.hear()
        for station in stations:
            assert await station.end() == 0
        talk.hear()
        assert not talk.problems, talk.problems[:5]
        present = [await stack.enter_async_context(impatient(world, each.cast, hub.url)) for each in stations]
        await ledger.settle(talk.all, *present)
        ledger.judge(talk.all, *present)
        await stack.aclose()
    ledger.judge_store()
    closed = sum(count == 2 for count in talk.closing.values())
    lines = [figures(name, rows) for name, rows in measured.items()]
    with capsys.disabled():
        more = {"seconds": round(time.monotonic() - began), "lines": between.connections, "threads": len(talk.all)}
        print(f"\nsoak: {ledger.figures(**more, closed=closed)}\n" + "\n".join(lines), flush=True)
    assert len(talk.all) > 2 and closed
    for name, rows in measured.items():
        (before, had, files), (after, has, now) = rows.between(0.4, 0.6), rows.between(0.85, 1.0)
        allowed = HUB_GROWS if name == "hub" else STATION_GROWS + PER_ENTRY * (has - had)
        assert after - before <= allowed, figures(name, rows)
        assert now - files <= DESCRIPTORS_GROW, figures(name, rows)


def remote(world: World, office: str, between: Proxy) -> Remote:
    seed = secrets.token_bytes(32)
    witness = ed25519_cosigner(witness_name(office, "1"), seed)
    return Remote(world, make_station(office, "1", world.roots[office], witness, serial=20), seed, between.url)


def figures(name: str, rows: Measured) -> str:
    (before, had, files), (after, has, now) = rows.between(0.4, 0.6), rows.between(0.85, 1.0)
    grown = f"{before / MIB:.1f} -> {after / MIB:.1f} MiB"
    return f"{name}: {grown}, entries held {had:.0f} -> {has:.0f}, descriptors {files} -> {now}"


async def soak(talk: Talk, hub: Hub, between: Proxy) -> dict[str, Measured]:
    """Until the time is over."""
    measured = {each.name: Measured() for each in (hub, *talk.stations)}
    began, number = time.monotonic(), 0
    every = max(4.0, SECONDS / 40)  # an office gives another sixty key packages an hour
    opened = cut = counted = -1e9
    while (at := time.monotonic() - began) < SECONDS:
        if at - opened >= every:
            opened = at
            turn(talk)
        if at - cut >= 3.0:
            cut = at
            if at > 3.0:
                between.cut()
                between.mend()
        if at - counted >= 1.0:
            counted = at
            for station in talk.stations:
                station.ask("count")
                measured[station.name].take(at, station, talk.entries[station.name])
            measured[hub.name].take(at, hub, 0)
        talk.say(number)
        number += 1
        await asyncio.sleep(PAUSE)
        talk.hear()
        assert hub.runs
    return measured


def turn(talk: Talk) -> None:
    """One thread more, by either station; once there are some, the oldest is closed by both."""
    av, kv = talk.stations
    opener, other = talk.rng.choice(((av, "KV"), (kv, "AV")))
    if len(talk.all) == talk.asked:  # one that is cut off in the middle of asking for keys takes a while
        opener.ask("open", other)
    if len(talk.open) > 1:
        thread = talk.open.pop(0)
        for station in talk.stations:
            station.ask("close", thread)
