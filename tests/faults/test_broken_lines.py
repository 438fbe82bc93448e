"""Lines that break in every way a network knows: the station catches up in order, and what it meant to say is said once."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from hotline.station.key_packages import packages_kept
from tests.faults.kit import agree, impatient, opened, positions, say, texts, until
from tests.faults.proxy import proxy
from tests.hotline.harness import make_world, running_hub


@pytest.mark.parametrize("how", ["cut", "silence"])
async def test_a_station_behind_a_dead_line_catches_up_in_order_and_says_what_waited(tmp_path: Path, how: str) -> None:
    """``silence`` is a connection that is open and carries nothing: only the station's own patience ends it."""
    world = make_world(tmp_path)
    async with (
        running_hub(world) as hub,
        proxy(hub.port) as between,
        impatient(world, "KV", hub.url) as kv,
        impatient(world, "AV", between.url) as av,
    ):
        thread = await opened(av, kv)
        await until(lambda: len(positions(thread, av, kv)) == 1)
        getattr(between, how)()
        for number in range(6):
            await say(av, thread, f"av {number}")
            await say(kv, thread, f"kv {number}")
        await until(lambda: av.connection().state != "live" and not kv.connection().queued)
        assert not texts(kv, thread, "AV") and not texts(av, thread, "KV")
        assert av.connection().queued == 6
        between.mend()
        await until(lambda: not av.connection().queued and len(positions(thread, av, kv)) == 1)
        agree(thread, av, kv)
        for station in (av, kv):
            assert texts(station, thread, "AV") == [f"av {number}" for number in range(6)]
            assert texts(station, thread, "KV") == [f"kv {number}" for number in range(6)]
        assert av.connection().state == "live" and not av.connection().alarms


async def test_a_line_that_keeps_breaking_in_mid_traffic_loses_and_doubles_nothing(tmp_path: Path) -> None:
    world, rng = make_world(tmp_path), random.Random(3)
    async with (
        running_hub(world) as hub,
        proxy(hub.port) as between,
        impatient(world, "KV", between.url) as kv,
        impatient(world, "AV", between.url) as av,
    ):
        thread = await opened(av, kv)
        for number in range(24):
            between.delay = rng.choice((0.0, 0.0, 0.02, 0.1))
            await say(av, thread, f"av {number}")
            await say(kv, thread, f"kv {number}")
            if number % 4 == 3:
                between.cut()
                between.mend()
        between.delay = 0.0
        stations = (av, kv)
        await until(
            lambda: not any(each.connection().queued for each in stations) and len(positions(thread, *stations)) == 1
        )
        agree(thread, *stations)
        for office in ("av", "kv"):
            assert texts(kv, thread, office.upper()) == [f"{office} {number}" for number in range(24)]
        assert between.connections > 4


async def test_a_station_that_stays_on_the_line_never_runs_out_of_key_packages(tmp_path: Path) -> None:
    """Each thread opened with it spends one; it fills up when half of them are left."""
    world = make_world(tmp_path)
    async with (
        running_hub(world) as hub,
        impatient(world, "KV", hub.url) as kv,
        impatient(world, "AV", hub.url) as av,
    ):
        kid, keep = world.stations["KV"].kid, packages_kept(4)
        for _ in range(keep // 2 + 1):
            await opened(av, kv)
        assert await hub.hub.directory.left(kid) >= keep // 2 - 1
        assert len(kv.core.bundles) >= keep // 2 - 1
        before = hub.hub.lines.since()[kid]
        for _ in range(200):
            if await hub.hub.directory.left(kid) == keep:
                break
            await asyncio.sleep(0.05)
        assert await hub.hub.directory.left(kid) == keep
        assert hub.hub.lines.since()[kid] == before, "it did not log in again"


async def test_a_line_that_carries_nothing_is_shown_as_quiet_before_it_is_given_up(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with (
        running_hub(world) as hub,
        proxy(hub.port) as between,
        impatient(world, "AV", between.url) as av,
    ):
        shown = [av.connection().state]

        async def look() -> None:
            async for _ in av.changes():
                if av.connection().state != shown[-1]:
                    shown.append(av.connection().state)
                    if shown[-1] == "quiet":
                        assert av.connection().since == av.connection().confirmed

        async with asyncio.TaskGroup() as group:
            looking = group.create_task(look())
            await until(lambda: av.connection().state == "live")
            between.silence()
            await until(lambda: av.connection().state == "reconnecting")
            assert not av.connection().alarms
            between.mend()
            await until(lambda: av.connection().state == "live")
            looking.cancel()
        assert shown[:3] == ["live", "quiet", "reconnecting"], "each time the desk is told"
