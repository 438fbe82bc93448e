"""Evidence of one thread from the hub and from both parties, made of what a real line left behind, and verified."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotline import bundles
from hotline.hub.export import export_thread as from_hub
from hotline.station.export import NotYetProven
from hotline.station.export import export_thread as from_station
from hotline.station.station import Station
from hotline.store import station as tables
from hotline.store.engine import Store
from mediation.audit import Report, Trust, verify
from protocols.translog import parse_policy
from tests.hotline.harness import World, make_world, running_hub
from tests.hotline.station.kit import running, until


async def _say(station: Station, thread: str, text: str) -> None:
    outcome = await station.send(station.officers()[0].kid, thread, "goodwill-note", {}, {"text": text})
    assert outcome.state == "accepted"
    await until(lambda: all(held.proven for held in station.core.threads[thread].held))


async def _of(station: Station, world: World, thread: str, *disclose: str) -> tuple[Report, int]:
    store, core = station.core.store._store, station.core
    async with store.read() as connection:
        bundle, left_out = await from_station(connection, world.accord, world.ladders, thread, disclose, core.vault)
    return verify(bundle, _trust(world)), left_out


def _trust(world: World) -> Trust:
    return Trust(parse_policy(world.accord.accord.policy), world.accord.id)


async def test_hub_and_both_parties_prove_the_same_thread_and_when_each_entry_was_made(tmp_path: Path) -> None:
    world = make_world(tmp_path, quorum=2)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        outcome = await av.open_thread(av.officers()[0].kid, "KV", "cpci-default", "Evidence")
        thread = str(outcome.thread)
        await until(lambda: thread in kv.core.threads and kv.core.threads[thread].state is not None)
        for station in (av, kv):
            await until(lambda s=station: all(held.proven for held in s.core.threads[thread].held))  # type: ignore[misc]
        for number in range(4):
            await _say(kv if number % 2 else av, thread, f"number {number}")
        data = await from_hub(hub.hub, thread)
        whole = verify(bundles.unpack(data), _trust(world))
        assert whole.holds, whole.problems
        assert set(bundles.unpack(data).reports) == {"report.html", "report.txt"}
        assert whole.tail is not None and whole.tail.whole
        reports = [whole]
        for station in (av, kv):
            await until(lambda s=station: s.observer.mirroring.size >= 5)  # type: ignore[misc]
            report, left_out = await _of(station, world, thread, "*:text")
            assert report.holds, report.problems
            assert left_out == 0
            reports.append(report)
        for report in reports:
            assert [entry.seq for entry in report.entries] == [1, 2, 3, 4, 5]
            assert all(entry.by is not None for entry in report.entries)
            assert all(entry.after is not None for entry in report.entries[1:]), "each author had seen a head"
            assert all(entry.after <= entry.by for entry in report.entries[1:])  # type: ignore[operator]
            assert {entry.grade for entry in report.entries} == {"L3"}
        assert len({report.rung for report in reports}) == 1
        assert [entry.fields.get("text") for entry in reports[1].entries[1:]] == [f"number {n}" for n in range(4)]


async def test_a_station_makes_its_evidence_although_the_hub_is_gone(tmp_path: Path) -> None:
    world = make_world(tmp_path, quorum=2)
    async with (
        running_hub(world) as hub,
        running(world, "AV", hub.url) as av,
        running(world, "KV", hub.url),
    ):
        outcome = await av.open_thread(av.officers()[0].kid, "KV", "cpci-default", "Evidence")
        thread = str(outcome.thread)
        await _say(av, thread, "before the end")
    (tmp_path / "hub.db").unlink()
    store = Store(next(tmp_path.glob("AV-*.db")))
    try:
        async with store.read() as connection:
            bundle, left_out = await from_station(connection, world.accord, world.ladders, thread)
    finally:
        await store.close()
    report = verify(bundle, _trust(world))
    assert report.holds, report.problems
    assert left_out == 0 and len(report.entries) == 2


async def test_words_of_an_entry_that_is_not_proven_yet_are_not_exported_and_the_officer_hears_why(
    tmp_path: Path,
) -> None:
    world = make_world(tmp_path, quorum=2)
    async with (
        running_hub(world) as hub,
        running(world, "AV", hub.url) as av,
        running(world, "KV", hub.url),
    ):
        outcome = await av.open_thread(av.officers()[0].kid, "KV", "cpci-default", "Evidence")
        thread = str(outcome.thread)
        await _say(av, thread, "proven")
        async with av.core.store.change() as change:
            row = (await av.core.store.rows(tables.mirrored))[0]
            await change.put_mirrored(row.origin, 1, row.note)
        with pytest.raises(NotYetProven, match=r"entry 2"):
            await _of(av, world, thread, "2:text")
