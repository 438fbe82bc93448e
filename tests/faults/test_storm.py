"""Three stations behind lines that break in every way at once, on both kinds of store: the oracle finds every promise kept.

Cut, silent in both directions or in one (half open), delayed unequally, and late: what was sent before a break arrives at the
hub after what was sent since, over another connection. A station of two hubs changes between them as its lines break.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.faults.kit import impatient, opened, say, until
from tests.faults.oracle import Ledger
from tests.faults.proxy import Proxy, proxy
from tests.hotline.harness import make_station, make_world, running_hub
from tests.postgres import MISSING, available, new_database

STORMS = int(os.environ.get("HOTLINE_FAULT_ROUNDS", "10"))
pytestmark = pytest.mark.faults


@pytest.mark.parametrize(
    "store", ["file", pytest.param("postgresql", marks=pytest.mark.skipif(not available(), reason=MISSING))]
)
async def test_three_stations_in_a_storm_lose_double_and_reorder_nothing(
    tmp_path: Path, store: str, logs: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    world, rng = make_world(tmp_path), random.Random(f"storm {store}")
    second = make_station("AV", "2", world.roots["AV"], serial=20)
    if store == "postgresql":
        world.server = await asyncio.to_thread(new_database)
    ledger, weather = Ledger(world), Counter[str]()
    async with AsyncExitStack() as stack:
        hubs = [await stack.enter_async_context(running_hub(world)) for _ in range(2 if store == "postgresql" else 1)]
        lines, stations = [], []
        for number, cast in enumerate(("AV", "KV", second)):
            between = [await stack.enter_async_context(proxy(hub.port)) for hub in hubs]
            urls = [each.url for each in between]
            first = number % len(urls)
            station = await stack.enter_async_context(impatient(world, cast, *urls[first:], *urls[:first]))
            lines += between
            stations.append(ledger.watch(station))
        av, kv, _ = stations
        thread = await opened(av, kv)
        await until(lambda: all(thread in each.core.threads for each in stations))
        for storm in range(STORMS):
            for line in lines:
                weather[change(line, rng)] += 1
            for each in range(3):
                for station in stations:
                    text = f"{station.office.id}{station.core.identity.settings.name} {storm}.{each}"
                    await say(station, thread, text)
                    ledger.said[thread, station.core.identity.kid].append(text)
                await asyncio.sleep(rng.random() * 0.3)
            for line in lines:
                line.mend()
        for line in lines:
            line.up = line.down = line.late = 0.0
        await ledger.settle([thread], *stations)
        ledger.judge([thread], *stations)
    ledger.judge_store()
    assert not [event for event in logs if "fault" in event["event"]]
    with capsys.disabled():
        broken = sum(line.connections for line in lines)
        print(
            f"\nstorm on {store}: {ledger.figures(storms=STORMS, connections=broken, weather=dict(weather))}",
            flush=True,
        )


def change(line: Proxy, rng: random.Random) -> str:
    """Another weather on one line."""
    line.up = rng.choice((0.0, 0.0, 0.02, 0.2))
    line.down = rng.choice((0.0, 0.0, 0.02, 0.2))
    line.late = rng.choice((0.0, 0.3))
    how = rng.choice(("fair", "cut", "cut", "silent", "deaf", "mute"))
    if how == "cut":
        line.cut()
    elif how != "fair":
        line.silence(*{"silent": (), "deaf": ("down",), "mute": ("up",)}[how])
    return how
