"""Clocks of the ladder run in the hub: they fire once, never early, survive a restart, and say how late they are."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hotline import clock as clock_module
from hotline.cli.hub import _forget_mark
from hotline.clock import boot_id
from hotline.hub.console import HubConsole
from protocols.entry import parse_entry
from protocols.frames import Accepted, Deliver
from tests.hotline.harness import Client, Thread, connect, make_world, open_thread, running_hub
from tests.hotline.test_clock import Wall

DAY = 86_400_000


async def notify(av: Client, kv: Client) -> Thread:
    """AV notifies; KV's receipt starts the clocks of its answer."""
    thread = await open_thread(av, kv)
    notice = await av.say(thread, "incident-notice", fields={"text": "St Brannoc is down"}, drafter=1)
    theirs = kv.threads[thread.id]
    await kv.deliveries(theirs, 2)
    await kv.say(theirs, "receipt", {"entry": notice.id}, officer=None)
    await av.deliveries(thread, 3)
    return thread


async def test_a_clock_that_ran_out_is_noted_once_and_never_early(tmp_path: Path) -> None:
    world = make_world(tmp_path, scale=1200)  # ten minutes in half a second, thirty in one and a half
    async with (
        running_hub(world) as hub,
        connect(hub.url, world, "AV") as av,
        connect(hub.url, world, "KV") as kv,
    ):
        await notify(av, kv)
        clocks = {clock.rule: clock for clock in hub.hub.threads()[0].state.clocks}
        found = [parse_entry((await av.expect(Deliver)).leaf) for _ in range(2)]
        assert [entry.payload.kind for entry in found] == ["clock-expired"] * 2
        assert [str(entry.payload.act["clock"]).split("/")[0] for entry in found] == ["page-alternate", "human-ack"]
        for entry, rule in zip(found, ("page-alternate", "human-ack"), strict=True):
            stamp = entry.jws.signatures[-1].extra["at"]
            assert entry.payload.act["end"] == clocks[rule].end <= stamp < clocks[rule].end + 500


async def test_clocks_keep_their_ends_over_a_restart_and_fire_once(tmp_path: Path) -> None:
    world = make_world(tmp_path, scale=1200)
    async with (
        running_hub(world) as hub,
        connect(hub.url, world, "AV") as av,
        connect(hub.url, world, "KV") as kv,
    ):
        thread = await notify(av, kv)
        ends = {clock.id: clock.end for clock in hub.hub.threads()[0].state.clocks}
    await asyncio.sleep(1.7)  # the hub is down while both of KV's first clocks run out
    for _ in range(2):
        async with running_hub(world) as hub, connect(hub.url, world, "AV", follow=False) as av:
            while hub.hub.threads()[0].seq < 5:
                await asyncio.sleep(0.02)
            state = hub.hub.threads()[0].state
            assert {clock.id: clock.end for clock in state.clocks}.items() <= ends.items()
            found = [parse_entry(each.leaf).payload for each in await av.follow({thread.id: 3})]
            noted = [entry for entry in found if entry.kind == "clock-expired"]
            assert [entry.act["end"] for entry in noted[:2]] == sorted(ends.values())[:2]
            assert len({entry.act["clock"] for entry in noted}) == len(noted)
            assert int(noted[0].act["late"]) > 500


@pytest.mark.parametrize("jump", [DAY, -DAY])
async def test_a_jump_of_the_wall_clock_moves_no_clock_forward_back_or_twice_and_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: int
) -> None:
    wall = Wall(monkeypatch)
    world = make_world(tmp_path, scale=1200)
    async with (
        running_hub(world) as hub,
        connect(hub.url, world, "AV") as av,
        connect(hub.url, world, "KV") as kv,
    ):
        await notify(av, kv)
        wall.off = jump
        hub.hub.check_clock()
        ends = {clock.id: clock.end for clock in hub.hub.threads()[0].state.clocks}
        found = [parse_entry((await av.expect(Deliver)).leaf) for _ in range(2)]
        stamps = [entry.jws.signatures[-1].extra["at"] for entry in found]
        assert [ends[str(entry.payload.act["clock"])] for entry in found] == [e.payload.act["end"] for e in found]
        for entry, at in zip(found, stamps, strict=True):
            assert 0 <= at - int(entry.payload.act["end"]) == entry.payload.act.get("late", 0) < 500
        alarm = HubConsole(hub.hub).summary().alarms
        assert len(alarm) == 1 and "1 d" in alarm[0] and ("ahead of" if jump > 0 else "behind") in alarm[0]
        assert f"hotline_clock_drift_seconds {'' if jump > 0 else '-'}8" in hub.hub.metrics.text().decode()
        wall.off = 0
        hub.hub.check_clock()
        assert HubConsole(hub.hub).summary().alarms == ()


@pytest.mark.skipif(not boot_id(), reason="this system does not name its boots")
@pytest.mark.parametrize("jump", [DAY, -DAY])
async def test_a_hub_started_again_after_the_wall_clock_jumped_counts_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: int
) -> None:
    wall = Wall(monkeypatch)
    world = make_world(tmp_path, scale=120)  # ten minutes are five seconds
    async with (
        running_hub(world) as hub,
        connect(hub.url, world, "AV") as av,
        connect(hub.url, world, "KV") as kv,
    ):
        await notify(av, kv)
        ends = {clock.id: clock.end for clock in hub.hub.threads()[0].state.clocks}
        before = hub.hub.clock.now()
    wall.off = jump
    async with running_hub(world) as hub:
        assert 0 <= hub.hub.clock.now() - before < 4_000
        assert hub.hub.clock_alarm
        await asyncio.sleep(0.1)
        thread = hub.hub.threads()[0]
        assert thread.seq == 3  # nothing fired
        assert {clock.id: clock.end for clock in thread.state.clocks} == ends


async def test_a_stamp_never_goes_back_though_the_machine_was_started_anew_with_a_clock_that_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall = Wall(monkeypatch)
    world = make_world(tmp_path)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = await open_thread(av, kv)
        first = await av.say(thread, "goodwill-note", fields={"text": "before"})
    wall.off = -DAY
    monkeypatch.setattr(clock_module, "boot_id", lambda: "another boot")
    async with running_hub(world) as hub, connect(hub.url, world, "AV", follow=False) as av:
        second = await av.say(thread, "goodwill-note", fields={"text": "after"})
        assert first.at <= second.at < first.at + 60_000
        assert "behind" in hub.hub.clock_alarm


async def test_two_hubs_on_one_store_note_a_clock_once_and_each_delivers_what_the_other_took(tmp_path: Path) -> None:
    world = make_world(tmp_path, scale=1200)
    async with (
        running_hub(world) as one,
        running_hub(world) as two,
        connect(one.url, world, "AV") as av,
        connect(one.url, world, "KV") as kv,
        connect(two.url, world, "AV", follow=False) as elsewhere,
    ):
        thread = await notify(av, kv)
        found = [parse_entry((await av.expect(Deliver)).leaf).payload for _ in range(2)]
        assert [entry.kind for entry in found] == ["clock-expired"] * 2
        await asyncio.sleep(1.2)  # both looked again
        heard = [parse_entry(each.leaf).payload for each in await elsewhere.follow()]
        noted = [str(entry.act["clock"]) for entry in heard if entry.kind == "clock-expired"]
        assert len(noted) == len(set(noted)) >= 2
        assert one.hub.metrics.faults._value.get() == two.hub.metrics.faults._value.get() == 0
        assert not one.hub.failed.done() and not two.hub.failed.done()
        standing = two.hub.threads()[0]
        # An entry handed to the second hub follows what the first one took.
        thread.serial, answer = (
            2,
            await elsewhere.submit(*elsewhere.write(thread, "acknowledgement", {"entry": found[0].prev})),
        )
        assert isinstance(answer, Accepted), answer
        assert answer.seq > standing.seq - 1 and answer.at >= standing.at


async def test_what_was_noted_late_is_said_so_in_the_entry_and_on_the_console(tmp_path: Path) -> None:
    world = make_world(tmp_path, scale=1200)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = await notify(av, kv)
    await asyncio.sleep(1.7)  # the hub is down while the first clock runs out
    async with running_hub(world) as hub:
        while hub.hub.threads()[0].seq < 4:
            await asyncio.sleep(0.02)
        trail = await HubConsole(hub.hub).trail(thread.id)
        assert trail is not None
        noted = next(entry for entry in trail.entries if entry.kind == "clock-expired")
        assert noted.act["late"] >= 1_000
        assert noted.act_words.endswith("after its time")


@pytest.mark.skipif(not boot_id(), reason="this system does not name its boots")
async def test_an_operator_can_have_a_stopped_hub_take_the_mended_clock_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall = Wall(monkeypatch)
    world = make_world(tmp_path)
    wall.off = -DAY
    async with running_hub(world):
        pass
    wall.off = 0
    async with running_hub(world) as hub:
        assert hub.hub.clock.drift() > DAY / 2
    said = await _forget_mark(tmp_path / "hub.db")
    assert said == "1 d ahead of"
    async with running_hub(world) as hub:
        assert abs(hub.hub.clock.drift()) < 1_000
        assert not hub.hub.clock_alarm


async def test_after_the_machine_slept_any_message_has_the_clocks_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, awake = make_world(tmp_path), clock_module._steady
    async with (
        running_hub(world) as hub,
        connect(hub.url, world, "AV") as av,
        connect(hub.url, world, "KV") as kv,
    ):
        slow, other = await notify(av, kv), await open_thread(av, kv)
        ends = sorted(clock.end for clock in hub.hub.threads()[0].state.clocks)
        await asyncio.sleep(0.2)
        slept = ends[0] + 1 - hub.hub.clock.now()
        assert slept > 60_000  # what is waited for is counted while the machine is awake, and would be late by that
        monkeypatch.setattr(clock_module, "_steady", lambda: awake() + slept)
        await av.say(other, "statement", fields={"text": "We are back."})
        async with asyncio.timeout(10):
            while hub.hub.threads()[0].seq < 4:
                await asyncio.sleep(0.02)
        assert hub.hub.threads()[0].thread == slow.id
