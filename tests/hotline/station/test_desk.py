"""What the desk itself refuses, before anything leaves the station."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hotline.harness import LADDER, make_world, running_hub
from tests.hotline.station.kit import officer, open_station, opened, running


async def test_no_incident_is_opened_after_the_accords_sunset(tmp_path: Path) -> None:
    dates = {"review": "2020-06-01T00:00:00.000Z", "sunset": "2021-01-01T00:00:00.000Z"}
    station = await open_station(make_world(tmp_path, dates=dates), "AV", "ws://127.0.0.1:9/line")
    outcome = await station.open_thread(officer(station), "KV", LADDER, "Too late")
    assert (outcome.ok, outcome.code) == (False, "accord.not-in-force")
    assert not station.core.items
    await station.core.store.close()


@pytest.mark.parametrize("kind", ["open", "rekey", "handover", "clock-expired"])
async def test_what_stations_and_hub_write_cannot_be_insisted_on(tmp_path: Path, kind: str) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        thread = await opened(av, kv)
        outcome, entry = await av.insist(officer(av), thread, kind, {}, {})
        assert (outcome.ok, outcome.code, entry) == (False, "entry.out-of-mandate", b"")
        assert not av.core.pending(thread)
        assert (await av.send(officer(av), thread, "statement", {}, {"text": "Still here."})).state == "accepted"
