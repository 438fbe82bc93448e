"""How much an office may hand in, what becomes of the rest, and that others do not wait for it."""

from __future__ import annotations

import asyncio
import time
from copy import copy
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotline.hub.allowance import MINUTE, Allowances, Bucket, Pace
from hotline.hub.errors import TooFast
from hotline.hub.flow import InFlight, Outgoing
from hotline.hub.lanes import Lanes
from hotline.hub.settings import Limits
from hotline.station.key_packages import packages_kept
from protocols.encoding import rfc3339
from protocols.frames import AskTails, Refused
from tests.hotline.harness import RunningHub, connect, make_station, make_world, open_thread, running_hub
from tests.hotline.hub.test_writer import job
from tests.hotline.station.kit import DUTY, officer, open_station, opened, running, until


def limited(hub: RunningHub, what: str) -> float:
    """How often this limit was met."""
    return hub.hub.metrics.registry.get_sample_value("hotline_limited_total", {"limit": what}) or 0


LIMITS = Limits(office_entries=20, station_entries=15, office_urgent=4, office_bytes=16 << 20, station_bytes=8 << 20)
ROUTINE, IMMEDIATE, FLASH = 3, 1, 0


@given(st.lists(st.tuples(st.floats(0, 5000), st.integers(1, 40)), max_size=40))
@settings(max_examples=60, deadline=None)
def test_never_more_than_a_buckets_size_and_its_refill_is_taken(asked: list[tuple[float, int]]) -> None:
    bucket, now, taken = Bucket(30, 0.0), 0.0, 0
    for pause, cost in asked:
        now += pause
        wait = bucket.wait(cost, now)
        assert wait >= 0
        if wait == 0:
            bucket.take(cost, now)
            taken += min(cost, 30)
        else:
            assert copy(bucket).wait(cost, now + wait) < 1e-6
        assert taken <= 30 + 30 * now / MINUTE + 1e-6


def test_over_the_allowance_it_is_said_when_to_come_again_and_then_there_is_room() -> None:
    allowances = Allowances(LIMITS)
    for _ in range(12):  # a fifth of 15 is kept for what is urgent
        assert allowances.admit("AV", "a", ROUTINE, 10, 0) == ROUTINE
    with pytest.raises(TooFast) as refusal:
        allowances.admit("AV", "a", ROUTINE, 10, 0)
    assert "15 messages a minute from one station" in refusal.value.sentence
    assert "Nothing is lost" in refusal.value.sentence
    assert 0 < refusal.value.wait <= MINUTE / 15 + 1
    assert allowances.admit("AV", "a", FLASH, 10, 0) == FLASH
    assert allowances.admit("KV", "k", ROUTINE, 10, 0) == ROUTINE
    assert allowances.admit("AV", "a", ROUTINE, 10, refusal.value.wait + MINUTE / 15) == ROUTINE


def test_all_stations_of_an_office_share_its_allowance_in_entries_and_in_bytes() -> None:
    allowances = Allowances(LIMITS)
    for number in range(16):
        allowances.admit("AV", f"a{number % 2}", ROUTINE, 10, 0)
    with pytest.raises(TooFast, match="one office"):
        allowances.admit("AV", "a2", ROUTINE, 10, 0)
    big = Allowances(LIMITS)
    big.admit("AV", "a", ROUTINE, 6 << 20, 0)
    with pytest.raises(TooFast, match="MiB a minute"):
        big.admit("AV", "a", ROUTINE, 4 << 20, 0)


def test_too_much_urgency_is_carried_as_routine_and_half_of_it_is_kept_for_flash() -> None:
    allowances = Allowances(LIMITS)
    assert [allowances.admit("AV", "a", IMMEDIATE, 1, 0) for _ in range(3)] == [IMMEDIATE, IMMEDIATE, ROUTINE]
    assert [allowances.admit("AV", "a", FLASH, 1, 0) for _ in range(3)] == [FLASH, FLASH, ROUTINE]
    assert allowances.admit("KV", "k", FLASH, 1, 0) == FLASH


def test_a_connection_is_read_no_faster_than_its_pace() -> None:
    pace = Pace(Limits(frames_per_second=10, bytes_per_second=1 << 16), 0)
    assert [pace.take(1, 10, 0) for _ in range(80)][-1] == 0
    assert 99 <= pace.take(1, 10, 0) <= 101
    assert pace.take(1, 10, 10_000) == 0
    assert pace.take(1, 1 << 20, 10_000) > 5_000


def test_of_the_equally_urgent_each_owner_has_its_turn() -> None:
    lanes = Lanes()
    flood = [job(f"f{number % 5}", str(number), "ROUTINE") for number in range(100)]
    for each in flood:
        each.owner = "F"
        lanes.put(each)
    lanes.take(10)
    honest = [job("h", str(number), "ROUTINE") for number in range(3)]
    for each in honest:
        each.owner = "H"
        lanes.put(each)
    assert set(honest) <= set(lanes.take(8))
    assert len(lanes.take(200)) == 100 - 10 - 5


def test_urgency_beyond_the_allowance_takes_a_small_part_of_a_batch_and_is_not_forgotten() -> None:
    lanes = Lanes()
    flood = [job("f", str(number % 20), "FLASH") for number in range(60)]
    for each in flood:
        each.rank = ROUTINE
        lanes.put(each)
    honest = job("h", "t", "ROUTINE")
    lanes.put(honest)
    first = lanes.take(64, 8)
    assert len(first) == 9 and honest in first
    rest: list[object] = []
    while len(lanes):
        rest += lanes.take(64, 8)
    assert {id(each) for each in (*first, *rest)} == {id(each) for each in (*flood, honest)}
    for lane in range(20):
        mine = [each for each in (*first, *rest) if each in flood[lane::20]]
        assert mine == flood[lane::20]


async def test_submissions_wait_for_room_in_number_and_in_bytes() -> None:
    flight = InFlight(2, 100)
    await flight.enter(500)  # larger than all the room: alone
    second = asyncio.create_task(flight.enter(10))
    await asyncio.sleep(0)
    assert not second.done()
    flight.leave(500)
    await second
    await flight.enter(10)
    third = asyncio.create_task(flight.enter(1))
    await asyncio.sleep(0)
    assert not third.done()
    flight.leave(10)
    await third
    assert (flight.count, flight.bytes) == (2, 11)


async def test_frames_on_their_way_out_are_counted_in_bytes_too() -> None:
    out = Outgoing(10, 100)
    assert out.put(bytes(500))
    assert not out.put(b"x")
    waiting = asyncio.create_task(out.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    out.take()
    await waiting
    assert all(out.put(b"x") for _ in range(10))
    assert not out.put(b"x")
    assert (len(out), out.bytes) == (10, 10)


async def test_a_refusal_for_haste_changes_nothing_and_says_until_when(tmp_path: Path) -> None:
    world = make_world(tmp_path, limits=LIMITS)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = await open_thread(av, kv)
        for number in range(11):
            await av.say(thread, "goodwill-note", fields={"text": str(number)})
        entry, parts = av.write(thread, "goodwill-note", fields={"text": "one too many"})
        size = hub.hub.writer.standing.frontier.size
        refused = await av.submit(entry, parts)
        assert isinstance(refused, Refused) and refused.code == "line.too-fast"
        assert refused.until is not None and 0 < refused.until - hub.hub.clock.now() <= 8_000
        assert hub.hub.writer.standing.frontier.size == size
        assert limited(hub, "entries") == 1
        await kv.say(kv.threads[thread.id], "goodwill-note", fields={"text": "others go on"})


async def test_a_station_that_is_too_fast_says_when_it_goes_on_and_loses_nothing(tmp_path: Path) -> None:
    limits = msgspec.structs.replace(LIMITS, station_entries=60, office_entries=600)
    world = make_world(tmp_path, limits=limits)
    async with (
        running_hub(world) as hub,
        running(world, "AV", hub.url, duty=msgspec.structs.replace(DUTY, answer=0.05)) as av,
        running(world, "KV", hub.url) as kv,
    ):
        thread = await opened(av, kv)
        kid, drained = av.core.identity.kid, False
        while not drained:
            try:
                hub.hub.allowances.admit("AV", kid, ROUTINE, 10, time.monotonic() * 1000)
            except TooFast:
                drained = True
        wanted = [str(number) for number in range(4)]
        for text in wanted:
            assert (await av.send(officer(av), thread, "goodwill-note", {}, {"text": text}, client_id=text)).ok
        await until(lambda: any(item.waiting for item in av.core.pending(thread)))
        said = next(item.waiting for item in av.core.pending(thread) if item.waiting)
        assert said.startswith("The hub takes 60 messages a minute from one station") and "Nothing is lost" in said
        assert f"Next at {rfc3339(hub.hub.clock.now())[11:14]}" in said
        assert not av.connection().alarms

        def read() -> list[str]:
            return [each.fields["text"] for each in kv.thread(thread).entries if each.fields]

        await until(lambda: read() == wanted, 40)
        await until(lambda: not av.core.pending(thread))


async def test_flash_overtakes_what_waits_in_the_outbox(tmp_path: Path) -> None:
    world, quick = make_world(tmp_path), msgspec.structs.replace(DUTY, answer=0.05)
    async with running_hub(world) as hub, running(world, "KV", hub.url) as kv:
        async with running(world, "AV", hub.url) as av:
            thread = await opened(av, kv)
        offline = await open_station(world, "AV", hub.url, duty=quick)
        for urgency in ("ROUTINE", "PRIORITY", "ROUTINE", "FLASH"):
            text = f"{urgency} {len(offline.core.pending(thread))}"
            await offline.send(
                officer(offline), thread, "goodwill-note", {}, {"text": text}, precedence=urgency, client_id=text
            )
        await offline.stop()
        async with running(world, "AV", hub.url):
            wanted = ["FLASH 3", "PRIORITY 1", "ROUTINE 0", "ROUTINE 2"]
            await until(lambda: [each.fields["text"] for each in kv.thread(thread).entries if each.fields] == wanted)


async def test_unread_answers_stop_the_questions_and_cut_nobody(tmp_path: Path) -> None:
    world = make_world(tmp_path, limits=Limits(answers=8, answer_bytes=1 << 20))
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av:
        for _ in range(100):
            await av.send(AskTails(("A" * 22,)))
        assert (await av.ping()).now
        assert limited(hub, "answers") == 0


async def test_no_office_can_use_up_the_key_packages_that_others_need(tmp_path: Path) -> None:
    world = make_world(tmp_path, limits=Limits(claims_each_per_hour=3, office_claims_per_hour=5))
    async with (
        running_hub(world) as hub,
        connect(hub.url, world, "AV") as av,
        connect(hub.url, world, "KV") as kv,
    ):
        await kv.publish(20)
        await av.publish(20)
        mine, theirs = av.station.kid, kv.station.kid
        assert [type(await av.claim(theirs)) for _ in range(3)] == [dict] * 3
        refused = await av.claim(theirs)
        assert isinstance(refused, Refused) and refused.code == "keys.claim-refused"
        assert [type(await av.claim(mine)) for _ in range(3)] == [dict, dict, Refused]  # five in all
        assert (await hub.hub.directory.left(theirs), await hub.hub.directory.left(mine)) == (17, 18)
        assert isinstance(await kv.claim(theirs), dict)


async def test_a_hostile_office_leaves_each_other_office_enough_to_open_a_thread_also_over_a_restart(
    tmp_path: Path,
) -> None:
    world = make_world(tmp_path, others={"XX": "party", "YY": "party"})
    keep = packages_kept(6)
    second = make_station("XX", "2", world.roots["XX"], serial=40)
    async with running_hub(world) as hub, connect(hub.url, world, "KV") as kv:
        await kv.publish(keep)
        theirs = kv.station.kid
        async with connect(hub.url, world, "XX") as xx, connect(hub.url, world, second) as more:
            answers = [await client.claim(theirs) for _ in range(keep) for client in (xx, more)]
        had = [each for each in answers if isinstance(each, dict)]
        refused = {each.code for each in answers if isinstance(each, Refused)}
        assert refused == {"keys.kept"}, "one office, however many stations it has"
        bundles, left = kv.packages, await hub.hub.directory.left(theirs)
        assert (len(had), left) == (keep - 2 * 5, 2 * 5)
        assert left < packages_kept(6) // 2, "so a station on the line fills up with its next ping"
    async with running_hub(world) as hub:
        async with connect(hub.url, world, "XX") as xx:
            assert (await xx.claim(theirs)).code == "keys.kept"  # type: ignore[union-attr]
        for office in ("AV", "YY"):
            async with connect(hub.url, world, office) as client:
                assert [type(await client.claim(theirs)) for _ in range(3)] == [dict, dict, Refused]
        async with connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
            await kv.publish(keep - await hub.hub.directory.left(theirs))
            kv.packages += bundles
            assert (await open_thread(av, kv)).id in kv.threads
        async with connect(hub.url, world, "XX") as xx:
            assert isinstance(await xx.claim(theirs), dict), "the station was there: everybody has a share again"


async def test_what_ran_out_by_age_is_counted_to_nobody(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        await kv.publish(4, lifetime=2)
        now = int(time.time())
        await kv.publish(2)
        while time.time() < now + 3:  # whole seconds: it holds through the last one
            await asyncio.sleep(0.1)
        assert [type(await av.claim(kv.station.kid)) for _ in range(3)] == [dict, dict, Refused]
        assert await hub.hub.directory.left(kv.station.kid) == 0


def test_a_station_keeps_so_many_that_half_of_them_are_more_than_what_is_kept_for_others() -> None:
    for offices in range(2, 25):
        keep = packages_kept(offices)
        assert 10 <= keep <= Limits().key_packages
        assert keep // 2 > Limits().claims_reserved * (offices - 1)
        # Whoever met `keys.kept` finds a station that fills up: what is left then is below the half.
    assert packages_kept(100) == Limits().key_packages
