"""What a station keeps for the hub: its own leaves as they stand in the log, and nothing that does not stand there."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hotline.hub import safekeeping
from hotline.hub.hub import Hub
from hotline.hub.own_leaves import Look
from hotline.station.station import Station
from hotline.store import station as tables
from protocols import frames
from tests.hotline.harness import World, connect, make_world, running_hub
from tests.hotline.station.kit import mirrored, opened, running, until


async def kept(station: Station) -> dict[int, bytes]:
    return {row.idx: row.leaf for row in await station.core.store.rows(tables.kept_leaves)}


async def look(hub: Hub, count: int) -> None:
    for number in range(count):
        await hub.writer.write(Look("maria", f"page {number}"))


def world_of(path: Path) -> World:
    return make_world(path, quorum=2)


async def test_leaves_of_the_hubs_own_are_kept_as_they_stand_in_the_log_also_after_an_absence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(safekeeping, "AT_ONCE", 2)
    world = world_of(tmp_path)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "MD", hub.url):
        async with running(world, "KV", hub.url) as kv:
            await opened(av, kv)
            await look(hub.hub, 1)
            await until(lambda: kv.observer.mirroring.keeping.upto >= 2)
        await look(hub.hub, 5)
        async with running(world, "KV", hub.url) as kv:
            await mirrored(hub, av, kv)
            assert sorted(await kept(kv)) == sorted(await kept(av)) == [1, 2, 3, 4, 5, 6]
            assert await kept(kv) == await kept(av)


@pytest.mark.parametrize("lie", ["other bytes", "an entry", "another place", "twice", "no progress"])
async def test_what_is_not_in_the_log_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lie: str) -> None:
    real, lying, lied = safekeeping.read_own, True, asyncio.Event()

    async def read_own(*arguments: object) -> tuple[tuple[frames.OwnLeaf, ...], int]:
        leaves, upto = await real(*arguments)  # type: ignore[arg-type]
        if not lying or not leaves:
            return leaves, upto
        first = leaves[0]
        if first.index + 1 >= min(each.observer.mirroring.size for each in (av, kv)):
            return (), first.index  # where the station cannot see yet it sees no lie: not before it can
        lied.set()
        match lie:
            case "other bytes":
                other = b"A" if first.leaf[-1:] != b"A" else b"Q"
                first = frames.OwnLeaf(first.index, first.leaf[:-1] + other, first.sealed)
            case "an entry":
                first = frames.OwnLeaf(0, first.leaf, first.sealed)
            case "another place":
                first = frames.OwnLeaf(first.index + 1, first.leaf, first.sealed)
            case "twice":
                return (first, *leaves), upto
            case "no progress":
                return leaves, 0
        return (first, *leaves[1:]), upto

    monkeypatch.setattr("hotline.hub.line.read_own", read_own)
    world = world_of(tmp_path)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        await opened(av, kv)
        await look(hub.hub, 2)
        async with asyncio.timeout(20):
            await lied.wait()
        await until(lambda: av.observer.mirroring.size >= 3)
        assert not await kept(av)
        lying = False
        await look(hub.hub, 1)
        await until(lambda: av.observer.mirroring.keeping.upto >= 4)
        assert sorted(await kept(av)) == [1, 2, 3]


async def test_a_hub_gives_only_what_a_published_head_covers(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av:
        await look(hub.hub, 1)
        await av.send(frames.AskOwn(7, 0))
        refused = await av.expect(frames.Refused)
        assert (refused.ref, refused.code) == (7, "log.not-yet")


async def test_what_opens_a_leaf_is_sealed_and_large_answers_are_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(safekeeping, "MOST_BYTES", 1)
    world = world_of(tmp_path)
    async with running_hub(world) as hub:
        await look(hub.hub, 3)
        async with hub.hub.store.read() as connection:
            leaves, upto = await safekeeping.read_own(connection, hub.hub.safe, 0, 3)
        assert ([each.index for each in leaves], upto) == ([0], 1)
        assert b"maria" not in leaves[0].leaf + leaves[0].sealed
        assert set(hub.hub.safe.open(0, leaves[0].sealed)) == {"operator", "what"}
