"""A station started from an older copy of its store: no message key is used twice, and nothing is lost or said twice."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hotline.station.station import Station
from tests.hotline.harness import World, make_world, running_hub
from tests.hotline.station.kit import MessageKey, keys_used, officer, open_station, opened, running, seq, until


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[MessageKey]:
    return keys_used(monkeypatch)


async def say(station: Station, thread: str, text: str) -> None:
    sent = await station.send(officer(station), thread, "statement", {}, {"text": text})
    assert sent.state == "accepted", sent


def texts(station: Station, thread: str) -> list[str | None]:
    entries = station.thread(thread).entries
    return [str(e.fields["text"]) if e.fields else None for e in entries if e.kind == "statement"]


def complaints(station: Station) -> list[str]:
    return [words for _, what, words in station.journal() if what in ("complaint", "suspect", "refused")]


def keep(world: World, name: str) -> Path:
    """Copy the store of a station that is stopped; where the copy lies."""
    path, copy = world.path / name, world.path / f"{name}.old"
    shutil.copy(path, copy)
    return copy


def put_back(copy: Path) -> None:
    path = copy.with_suffix("")
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    shutil.copy(copy, path)


async def test_a_restored_station_renews_its_keys_before_it_seals_anything(
    tmp_path: Path, used: list[MessageKey]
) -> None:
    world = make_world(tmp_path)
    store = f"AV-{world.stations['AV'].name}.db"
    async with running_hub(world) as hub, running(world, "KV", hub.url) as kv:
        async with running(world, "AV", hub.url) as av:
            thread = await opened(av, kv)
            await say(av, thread, "before the copy")
        copy = keep(world, store)
        async with running(world, "AV", hub.url) as av:
            await say(av, thread, "after the copy")
            await say(av, thread, "and another")
        put_back(copy)
        async with running(world, "AV", hub.url) as av:
            await say(av, thread, "restored")
            await until(lambda: texts(kv, thread)[-1:] == ["restored"])
            assert texts(kv, thread) == ["before the copy", "after the copy", "and another", "restored"]
            assert texts(av, thread) == ["before the copy", None, None, "restored"]
            lost = [e for e in av.thread(thread).entries if e.kind == "statement" and not e.fields]
            assert all("restored from an older copy" in " ".join(e.notes) for e in lost)
            rekeys = [held for held in av.core.threads[thread].held if held.payload.kind == "rekey"]
            assert [held.payload.office for held in rekeys] == ["AV"]
            serials = [h.payload.serial for h in kv.core.threads[thread].held if h.payload.office == "AV"]
            assert serials == list(range(1, len(serials) + 1))
            assert any(what == "alarm" and "older copy" in words for _, what, words in av.journal())
            await until(lambda: not av.connection().alarms)
            await say(kv, thread, "answer")
            await until(lambda: texts(av, thread)[-1:] == ["answer"])
            await until(lambda: seq(av, thread) == seq(kv, thread))
            assert not kv.connection().alarms and not complaints(av) and not complaints(kv)
    assert len(used) == len(set(used)) > 4


async def test_words_that_waited_in_the_copy_and_were_sent_since_are_not_said_twice(
    tmp_path: Path, used: list[MessageKey]
) -> None:
    world = make_world(tmp_path)
    store = f"AV-{world.stations['AV'].name}.db"
    async with running_hub(world) as hub, running(world, "KV", hub.url) as kv:
        async with running(world, "AV", hub.url) as av:
            thread = await opened(av, kv)
            await say(av, thread, "one")
        silent = await open_station(world, "AV", "ws://127.0.0.1:9/line")
        queued = await silent.send(officer(silent), thread, "statement", {}, {"text": "waits"})
        assert queued.state == "queued", queued
        await silent.stop()
        copy = keep(world, store)
        async with running(world, "AV", hub.url) as av:
            await until(lambda: texts(kv, thread) == ["one", "waits"])
        put_back(copy)
        async with running(world, "AV", hub.url) as av:
            await say(av, thread, "two")
            await until(lambda: texts(kv, thread)[-1:] == ["two"])
            assert texts(kv, thread) == texts(av, thread) == ["one", "waits", "two"]
            assert not complaints(av) and not complaints(kv)
    assert len(used) == len(set(used))


async def test_the_mark_outlives_a_restart_and_what_is_sealed_waits(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, running(world, "KV", hub.url) as kv:
        async with running(world, "AV", hub.url) as av:
            thread = await opened(av, kv)
            epoch = av.core.threads[thread].state.epoch  # type: ignore[union-attr]
        station = await open_station(world, "AV", hub.url)
        async with station.core.store.change() as change:
            await station.core.put_renewal(change, thread, epoch)
        await station.stop()
        station = await open_station(world, "AV", hub.url)
        assert station.core.threads[thread].must_renew
        assert any("older copy" in words for words in station.connection().alarms)
        queued = await station.send(officer(station), thread, "statement", {}, {"text": "waits"})
        item = station.core.items[str(queued.id)]
        assert not await station.sender.alone.prepare(item, station.core.threads[thread])
        assert item.wire is None and "renewed its keys" in str(item.waiting)
        await station.stop()
        async with running(world, "AV", hub.url) as av:
            await until(lambda: texts(kv, thread) == ["waits"])
            assert not av.core.threads[thread].must_renew and not av.connection().alarms
        again = await open_station(world, "AV", hub.url)
        assert again.core.threads[thread].renew is None
        await again.stop()


async def test_keys_that_the_restored_station_made_itself_are_missed_in_plain_words_and_the_steps_followed(
    tmp_path: Path,
) -> None:
    world = make_world(tmp_path)
    store = f"AV-{world.stations['AV'].name}.db"
    async with running_hub(world) as hub, running(world, "KV", hub.url) as kv:
        async with running(world, "AV", hub.url) as av:
            thread = await opened(av, kv)
            epoch = av.core.threads[thread].state.epoch  # type: ignore[union-attr]
        copy = keep(world, store)
        async with running(world, "AV", hub.url) as av:
            other = await opened(av, kv)
            async with av.core.store.change() as change:
                await av.core.put_renewal(change, thread, epoch)
            av.core.threads[thread].renew = epoch
            await until(lambda: kv.core.threads[thread].state.epoch == epoch + 1)  # type: ignore[union-attr]
        put_back(copy)
        async with running(world, "AV", hub.url) as av:
            for name in (thread, other):
                held = av.core.threads[name]
                assert held.frozen is None and held.mls is None and held.keys.stuck == "replay.forgotten"
                assert "restored from an older copy" in av.core.alarms[f"keys/{name}"]
                await say(kv, name, "who is there?")
                await until(lambda name=name: texts(av, name) == [None])  # type: ignore[misc]
                queued = await av.send(officer(av), name, "statement", {}, {"text": "waits"})
                assert queued.state == "queued", queued
            again = await opened(av, kv)
            await say(av, again, "the matter again")
            await until(lambda: texts(kv, again) == ["the matter again"])
            assert not any(held.payload.kind == "cannot-follow" for held in kv.core.threads[thread].held)
        assert not kv.connection().alarms
