"""Mandates that arrive while the hub runs: none unmakes what stands, and everybody hears of those that were taken."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from protocols.encoding import rfc3339
from protocols.frames import Announce, Directory, Failed, Refused
from protocols.mandate import sign_mandate
from tests.hotline.harness import (
    Station,
    World,
    connect,
    make_world,
    mandate_of,
    open_thread,
    running_hub,
    station_keys,
)


def revoked(world: World, station: Station, not_before: str, *, officer: int | None = None) -> bytes:
    keys = None if officer is not None else station_keys(station)
    key = station.sign if officer is None else station.officers[officer]
    mandate = mandate_of(station.office, "revoked", key, (), 9, keys, not_before=not_before)
    return sign_mandate(mandate, world.roots[station.office])


@pytest.mark.parametrize("officer", [None, 0])
async def test_an_office_cannot_take_back_a_mandate_for_a_time_that_is_over(
    tmp_path: Path, officer: int | None
) -> None:
    world = make_world(tmp_path)
    async with (
        running_hub(world) as hub,
        connect(hub.url, world, "AV") as av,
        connect(hub.url, world, "KV") as kv,
    ):
        thread = await open_thread(av, kv)
        await av.say(thread, "statement", fields={"text": "We own this."})
        late = revoked(world, world.stations["AV"], "2020-01-01T00:00:00.000Z", officer=officer)
        await av.send(Announce((late,)))
        refused = await av.expect(Refused)
        assert refused.code == "mandate.too-late"
        assert late not in {known.data for known in hub.hub.directory.book.all()}
        assert (await av.ping()).now
        now = rfc3339(time.time_ns() // 1_000_000 + 1)
        await av.send(Announce((revoked(world, world.stations["AV"], now, officer=officer),)))
        assert len((await kv.expect(Directory)).mandates) > 0


async def test_a_renewal_may_begin_before_it_arrives(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    station = world.stations["AV"]
    again = mandate_of("AV", "station 1", station.sign, ("station",), 9, station_keys(station))
    renewed = sign_mandate(again, world.roots["AV"])
    async with (
        running_hub(world) as hub,
        connect(hub.url, world, "AV") as av,
        connect(hub.url, world, "KV") as kv,
    ):
        await open_thread(av, kv)
        await av.send(Announce((renewed,)))
        await av.ping()
        assert renewed in {known.data for known in hub.hub.directory.book.all()}


async def test_a_revocation_before_rubbish_is_heard_and_cuts_at_once(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    late = revoked(world, world.stations["AV"], "2020-01-01T00:00:00.000Z")
    async with (
        running_hub(world) as hub,
        connect(hub.url, world, "AV") as av,
        connect(hub.url, world, "KV") as kv,
    ):
        await kv.send(Announce((late, b"rubbish")))
        assert (await kv.expect(Refused)).code == "entry.malformed"
        while late not in (await kv.expect(Directory)).mandates:
            pass
        assert (await av.expect(Failed)).code == "line.mandate-ended"
