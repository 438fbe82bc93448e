"""Every party counts down to the same ends, on the hub's clock, however its own machine's clock stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotline.clock import SystemClock
from hotline.station.observer import begin_memory
from hotline.station.officers import OfficersInMemory
from hotline.station.station import Station
from tests.hotline.harness import make_world, running_hub
from tests.hotline.station.kit import identity_of, officer, opened, running, until


class Skewed(SystemClock):
    """A machine whose clock is ``ms`` ahead of the hub's (negative: behind)."""

    def __init__(self, ms: int) -> None:
        super().__init__()
        self.ms = ms

    def now(self) -> int:
        return super().now() + self.ms


@pytest.mark.parametrize("skew", [90_000, -90_000])
async def test_ends_and_what_is_left_are_the_same_at_hub_and_stations_whatever_their_clocks_say(
    tmp_path: Path, skew: int
) -> None:
    world = make_world(tmp_path)
    cast = world.stations["KV"]
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av:
        seeds = {str(number): each._secret[:32] for number, each in enumerate(cast.officers)}
        path, identity = tmp_path / "skewed.db", identity_of(world, cast, hub.url)
        await begin_memory(path, cast.witness.key)
        kv = await Station.open(identity, path, OfficersInMemory(seeds), clock=Skewed(skew))
        await kv.start()
        try:
            await until(lambda: kv.core.line.caught)
            thread = await opened(av, kv)
            draft = await av.send(officer(av), thread, "incident-notice", {}, {"text": "down"})
            assert (await av.release(officer(av, 1), str(draft.id))).ok
            await until(lambda: hub.hub.threads()[0].seq == 3)  # KV's receipt started the clocks
            await until(lambda: all(each.core.threads[thread].position.seq == 3 for each in (av, kv)))
            ends = {clock.id: clock.end for clock in hub.hub.threads()[0].state.clocks}
            assert len(ends) >= 2
            for station in (av, kv):
                shown = {clock.id: clock.end for clock in station.thread(thread).clocks if clock.state == "running"}
                assert shown == ends
                assert abs(station.now() - hub.hub.clock.now()) < 1_500
            assert abs(kv.connection().offset + skew) < 1_500
            assert not kv.connection().alarms
        finally:
            await kv.stop()
