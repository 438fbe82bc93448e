"""Mandates that the hub passes on: none makes a station's own history false."""

from __future__ import annotations

from pathlib import Path

from protocols.frames import Directory
from protocols.mandate import sign_mandate
from tests.hotline.harness import make_world, mandate_of, running_hub, station_keys
from tests.hotline.station.kit import officer, open_station, opened, running


async def test_a_mandate_that_unmakes_what_was_replayed_is_left_out_and_the_station_starts_again(
    tmp_path: Path,
) -> None:
    world = make_world(tmp_path)
    key = world.stations["AV"].sign
    denial = mandate_of("AV", "station 1", key, (), 9, station_keys(world.stations["AV"]))
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        thread = await opened(av, kv)
        assert (await av.send(officer(av), thread, "statement", {}, {"text": "It was us."})).state == "accepted"
        await kv.receive(Directory((sign_mandate(denial, world.roots["AV"]),)))
        assert any(what == "mandate" for _, what, _ in kv.journal())
    again = await open_station(world, "KV", hub.url)
    assert again.thread(thread).entries
    await again.core.store.close()
