"""Clocks of the ladder run in the hub: they fire once, never early, survive a restart, and say how late they are."""

from __future__ import annotations

import asyncio
from pathlib import Path

from protocols.entry import parse_entry
from protocols.frames import Deliver
from tests.hotline.harness import Client, Thread, connect, make_world, open_thread, running_hub


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
