"""The mirror of the log: what is proven is what stands there, and a hub that shows another log is found out."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from hotline.hub.log import HeadKeeper
from hotline.station.mirroring import Mirroring
from hotline.station.station import Station
from hotline.store import station as tables
from protocols.translog import leaf_hash
from tests.hotline.harness import World, make_world, running_hub
from tests.hotline.station.kit import running, until


async def opened(av: Station) -> str:
    outcome = await av.open_thread(av.officers()[0].kid, "KV", "cpci-default", "Log")
    return str(outcome.thread)


async def say(av: Station, thread: str, text: str) -> None:
    assert (await av.send(av.officers()[0].kid, thread, "goodwill-note", {}, {"text": text})).state == "accepted"


async def notes(station: Station) -> dict[str, int]:
    return {row.digest: row.size for row in await station.core.store.rows(tables.notes)}


def world_of(path: Path) -> World:
    return make_world(path, quorum=2)


async def test_entries_are_proven_and_the_heads_that_date_them_are_kept_even_those_only_their_author_knew(
    tmp_path: Path,
) -> None:
    world = world_of(tmp_path)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        thread = await opened(av)
        for number in range(4):
            await until(lambda: all(held.proven for held in av.core.threads[thread].held))
            await say(av, thread, str(number))
        for station in (av, kv):
            await until(
                lambda s=station: (
                    len(s.core.threads[thread].held) == 5  # type: ignore[misc]
                    and all(held.proven for held in s.core.threads[thread].held)
                )
            )
            seen = {held.payload.seen for held in station.core.threads[thread].held} - {None}
            assert seen
            async with asyncio.timeout(10):
                while not seen <= set(await notes(station)):
                    await asyncio.sleep(0.05)


async def test_a_station_that_was_away_and_one_that_restarts_mirror_on_from_where_they_were(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    async with running_hub(world) as hub:
        async with running(world, "MD", hub.url), running(world, "AV", hub.url) as av:
            async with running(world, "KV", hub.url) as kv:
                thread = await opened(av)
                await until(lambda: kv.observer.mirroring.size > 0)
                before = kv.observer.mirroring.size
            for number in range(3):
                await say(av, thread, str(number))
            await until(lambda: av.observer.mirroring.size >= 4)
            async with running(world, "KV", hub.url) as kv:
                assert kv.observer.mirroring.size >= before
                await until(
                    lambda: (
                        len(kv.core.threads[thread].held) == 4
                        and all(held.proven for held in kv.core.threads[thread].held)
                    )
                )
        async with running(world, "KV", hub.url) as kv:
            assert all(held.proven for held in kv.core.threads[thread].held), "by the mirror on the disk, at once"


@pytest.mark.parametrize("lie", ["other hashes", "too few bytes", "nothing"])
async def test_a_hub_that_shows_other_leaf_hashes_proves_nothing_and_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lie: str
) -> None:
    real, lying = HeadKeeper.leaf_hashes, True

    async def leaf_hashes(self: HeadKeeper, start: int, most: int) -> bytes:
        found = await real(self, start, most)
        if not lying:
            return found
        match lie:
            case "other hashes":
                return hashlib.sha256(found).digest() * (len(found) // 32)
            case "too few bytes":
                return found[:-1]
        return b""

    monkeypatch.setattr(HeadKeeper, "leaf_hashes", leaf_hashes)
    world = world_of(tmp_path)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url):
        thread = await opened(av)
        await until(lambda: "log" in av.core.alarms)
        assert not any(held.proven for held in av.core.threads[thread].held)
        assert av.observer.mirroring.size == 0
        lying = False
        await say(av, thread, "Do you still read us?")
        await until(lambda: all(held.proven for held in av.core.threads[thread].held))


async def test_an_entry_that_does_not_stand_where_its_stamp_says_sounds_the_alarm_and_stays_unproven(
    tmp_path: Path,
) -> None:
    world = world_of(tmp_path)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url):
        thread = await opened(av)
        await say(av, thread, "one")
        await until(lambda: all(held.proven for held in av.core.threads[thread].held))
        first, second = av.core.threads[thread].held
        second.proven = False
        tile = (await av.core.store.read_tiles({(0, 0)}))[0, 0]
        place = second.stamp.index * 32
        assert tile[place : place + 32] == leaf_hash(second.admitted.leaf)
        changed = tile[:place] + leaf_hash(first.admitted.leaf) + tile[place + 32 :]
        async with av.core.store.change() as change:
            await change.put_tiles({(0, 0): changed})
        await av.observer.mirroring._mark([second], said=True)
        assert f"proof/{second.id}" in av.core.alarms and not second.proven


@pytest.mark.parametrize("stands", [False, True], ids=["nothing stands", "the commit stands though it failed"])
async def test_a_head_that_the_disk_did_not_take_is_reached_again_and_nobody_is_alarmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stands: bool
) -> None:
    real, failed = Mirroring._reached, []

    async def reached(self: Mirroring, *of: object) -> None:
        if len(failed) < 3:
            failed.append(self)
            if stands:
                before = self.size, self._note, self._target
                await real(self, *of)  # type: ignore[arg-type]
                self.size, self._note, self._target, self._ahead = *before, True
            raise OSError(28, "No space left on device")
        await real(self, *of)  # type: ignore[arg-type]

    monkeypatch.setattr(Mirroring, "_reached", reached)
    world = world_of(tmp_path)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        thread = await opened(av)
        said = 0
        while len(failed) < 3 and said < 30:  # the hub may put several entries under one head
            outcome = await av.send(av.officers()[0].kid, thread, "goodwill-note", {}, {"text": str(said)})
            assert outcome.state in ("accepted", "queued"), outcome  # the fault cuts the line, the outbox holds
            said += 1
        for station in (av, kv):
            await until(
                lambda s=station: (
                    len(s.core.threads[thread].held) == 1 + said  # type: ignore[misc]
                    and all(held.proven for held in s.core.threads[thread].held)
                )
            )
            assert "log" not in station.core.alarms
    assert len(failed) == 3


async def test_what_is_proven_is_not_gone_through_again_and_what_is_delivered_anew_is(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url):
        thread = await opened(av)
        held, mirroring = av.core.threads[thread], av.observer.mirroring
        await say(av, thread, "one")
        assert [each.id for each in mirroring._unproven()] == [each.id for each in held.held if not each.proven]
        held.held[0].proven = True
        assert held.held[0] not in mirroring._unproven()
        anew = av.core.threads[thread] = held.without_content()
        assert mirroring._unproven() == []
        again = replace(held.held[0], proven=False)
        anew.add(again)
        assert mirroring._unproven() == [again]
        av.core.threads[thread] = held
