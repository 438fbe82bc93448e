"""Wall clocks that jump by a day, under hubs that run, are killed, and begin again: no ladder clock is shortened or doubled.

How long a ladder clock really ran is measured by this process's steady clock, which the jumps do not reach.
"""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import pytest

from hotline import clock as clock_module
from hotline.clock import boot_id
from hotline.station.station import Station
from tests.faults.kit import impatient, open_impatient, opened, say, texts, until
from tests.faults.oracle import Ledger, judge_clocks
from tests.faults.processes import Hub
from tests.hotline.harness import make_world
from tests.hotline.station.kit import officer
from tests.hotline.test_clock import Wall

DAY = 86_400_000
SCALE = 200
ACK = 1800 / SCALE
"""Seconds that a person has to acknowledge a notice, at this scale."""
pytestmark = [pytest.mark.faults, pytest.mark.skipif(not boot_id(), reason="this system does not name its boots")]


async def notify(av: Station, kv: Station, ledger: Ledger) -> tuple[str, float]:
    """A notified incident; the thread, and when (steady clock) KV's receipt was there, from which its clocks run."""
    thread = await opened(av, kv)
    draft = await av.send(officer(av), thread, "incident-notice", {}, {"text": "down"})
    assert (await av.release(officer(av, 1), str(draft.id))).ok
    ledger.said[thread, av.core.identity.kid].append("down")
    await until(lambda: "receipt" in kinds(kv, thread))
    return thread, time.monotonic()


def kinds(station: Station, thread: str) -> list[str]:
    return [each.payload.kind for each in station.core.threads[thread].held]


def expired(station: Station, thread: str) -> set[str]:
    held = station.core.threads[thread].held
    return {str(each.payload.act["clock"]).split("/")[0] for each in held if each.payload.kind == "clock-expired"}


@pytest.mark.parametrize("jumps", [(DAY, -DAY), (-DAY, DAY)], ids=["ahead-first", "back-first"])
async def test_the_hubs_wall_clock_jumps_a_day_each_way_and_over_kills(tmp_path: Path, jumps: tuple[int, int]) -> None:
    world = make_world(tmp_path, scale=SCALE)
    hub, ledger = Hub(world), Ledger(world)
    try:
        await hub.start()
        async with impatient(world, "AV", hub.url) as av, impatient(world, "KV", hub.url) as kv:
            ledger.watch(av), ledger.watch(kv)
            thread, since = await notify(av, kv, ledger)
            number = 0

            async def talk() -> None:
                nonlocal number
                for station in (av, kv):
                    text = f"{station.office.id} {number}"
                    await say(station, thread, text)
                    ledger.said[thread, station.core.identity.kid].append(text)
                number += 1

            for jump in (*jumps, 0):
                (tmp_path / "wall").write_text(str(jump))  # while it runs
                await talk()
                await asyncio.sleep(0.5)
                await talk()
                await hub.end(signal.SIGKILL)
                await talk()
                await hub.start()
                await until(lambda: av.core.line.caught and kv.core.line.caught)
                if time.monotonic() - since < ACK - 1:
                    assert "human-ack" not in expired(kv, thread)
            await until(lambda: "human-ack" in expired(kv, thread))
            assert time.monotonic() - since > ACK - 1.5
            await ledger.settle([thread], av, kv)
            ledger.judge([thread], av, kv)
            assert judge_clocks(world, kv.core.threads[thread].held) >= 2
        assert await hub.end() == 0
        ledger.judge_store()
        assert {event["event"] for event in hub.logged()} >= {"machine clock differs"}
    finally:
        hub.close()


async def test_a_machine_that_starts_anew_a_day_behind_lengthens_its_clocks_and_shortens_none(tmp_path: Path) -> None:
    """Nothing tells a machine that was started anew how late it is; it goes on from its newest stamp."""
    world = make_world(tmp_path, scale=SCALE)
    hub, ledger = Hub(world), Ledger(world)
    (tmp_path / "boot").write_text("first")
    try:
        await hub.start()
        async with impatient(world, "AV", hub.url) as av, impatient(world, "KV", hub.url) as kv:
            ledger.watch(av), ledger.watch(kv)
            thread, since = await notify(av, kv, ledger)
            await hub.end(signal.SIGKILL)
            (tmp_path / "boot").write_text("second")
            (tmp_path / "wall").write_text(str(-DAY))
            await asyncio.sleep(2.0)  # which the hub does not know of
            await hub.start()
            await until(lambda: "human-ack" in expired(kv, thread), 60)
            assert time.monotonic() - since > ACK
            await ledger.settle([thread], av, kv)
            ledger.judge([thread], av, kv)
        assert await hub.end() == 0
        ledger.judge_store()
    finally:
        hub.close()


@pytest.mark.parametrize("jump", [DAY, -DAY])
async def test_a_station_that_begins_with_a_clock_a_day_off_says_so_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: int
) -> None:
    world = make_world(tmp_path, scale=SCALE)
    hub, ledger = Hub(world), Ledger(world)
    try:
        await hub.start()
        async with impatient(world, "AV", hub.url) as av:
            ledger.watch(av)
            async with impatient(world, "KV", hub.url) as kv:
                thread, _ = await notify(av, kv, ledger)
            wall = Wall(monkeypatch)
            wall.off = jump
            kv = ledger.watch(await open_impatient(world, "KV", hub.url))
            await kv.start()
            try:
                await until(lambda: any("clock" in words for words in kv.connection().alarms))
                for number in range(3):
                    await say(av, thread, f"av {number}")
                    await say(kv, thread, f"kv {number}")
                    ledger.said[thread, av.core.identity.kid].append(f"av {number}")
                    ledger.said[thread, kv.core.identity.kid].append(f"kv {number}")
                await until(lambda: not av.connection().queued)
                assert not kv.core.threads[thread].frozen
            finally:
                await kv.stop()
            monkeypatch.undo()
            assert clock_module.time is time
            async with impatient(world, "KV", hub.url) as kv:
                ledger.watch(kv)
                await until(lambda: "human-ack" in expired(kv, thread))
                await ledger.settle([thread], av, kv)
                ledger.judge([thread], av, kv)
                assert texts(av, thread, "KV") == [f"kv {number}" for number in range(3)]
        assert await hub.end() == 0
        ledger.judge_store()
    finally:
        hub.close()
