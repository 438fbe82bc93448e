"""One thread that does not read from the store: it is frozen and said, the others go on, and nothing is lost by trying."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.hotline.harness import World, make_world, running_hub
from tests.hotline.station.kit import officer, open_station, opened, running, seq, until

WAYS = ("leaf", "state", "gone", "title", "keys")


def damage(world: World, thread: str, way: str) -> None:
    """Write rubbish over part of what KV's store holds of a thread."""
    with sqlite3.connect(world.path / "KV-1.db") as store:
        match way:
            case "leaf":
                store.execute("UPDATE entries SET leaf = ? WHERE thread = ? AND seq = 2", (b"rubbish", thread))
            case "gone":
                store.execute("DELETE FROM entries WHERE thread = ? AND seq = 2", (thread,))
            case "state":
                store.execute("UPDATE threads SET state = ? WHERE id = ?", (b"rubbish", thread))
            case "title":
                store.execute("UPDATE threads SET title = ? WHERE id = ?", (b"rubbish", thread))
            case "keys":
                store.execute("UPDATE threads SET mls = ? WHERE id = ?", (b"rubbish", thread))
    store.close()


@pytest.mark.parametrize("way", WAYS)
async def test_a_damaged_thread_is_frozen_with_an_alarm_and_the_others_go_on(tmp_path: Path, way: str) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av:
        async with running(world, "KV", hub.url) as kv:
            bad, good = await opened(av, kv), await opened(av, kv)
            for thread in (bad, good):
                assert (await av.send(officer(av), thread, "goodwill-note", {}, {"text": "before"})).ok
                await until(lambda thread=thread: seq(kv, thread) == 2)  # type: ignore[misc]
        damage(world, bad, way)
        async with running(world, "KV", hub.url) as kv:
            found = kv.core.threads[bad]
            assert found.frozen is not None and "does not read" in found.frozen
            assert found.frozen in kv.connection().alarms
            refused = await kv.send(officer(kv), bad, "goodwill-note", {}, {"text": "no"})
            assert (refused.ok, refused.code) == (False, "station.frozen")
            assert (await kv.send(officer(kv), good, "goodwill-note", {}, {"text": "the other goes on"})).ok
            await until(lambda: seq(av, good) == 3)
            assert (await av.send(officer(av), bad, "goodwill-note", {}, {"text": "while it is frozen"})).ok
            kv.threads()
            kv.thread(bad)


async def test_a_thread_that_another_program_reads_comes_back_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av:
        async with running(world, "KV", hub.url) as kv:
            thread = await opened(av, kv)
        kv = await open_station(world, "KV", hub.url)
        await kv.core.store.close()
        real = type(kv.core.replay).fold

        def fails(*_: object) -> None:
            raise KeyError("as if by a fault of the program")

        monkeypatch.setattr(type(kv.core.replay), "fold", fails)
        kv = await open_station(world, "KV", hub.url)
        assert kv.core.threads[thread].frozen is not None
        await kv.core.store.close()
        monkeypatch.setattr(type(kv.core.replay), "fold", real)
        async with running(world, "KV", hub.url) as kv:
            assert kv.core.threads[thread].frozen is None and not kv.connection().alarms
            assert (await kv.send(officer(kv), thread, "goodwill-note", {}, {"text": "back"})).ok


async def test_a_damaged_body_hides_that_text_and_nothing_else(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av:
        async with running(world, "KV", hub.url) as kv:
            thread = await opened(av, kv)
            for text in ("one", "two"):
                assert (await av.send(officer(av), thread, "goodwill-note", {}, {"text": text})).ok
            await until(lambda: seq(kv, thread) == 3)
            first = kv.core.threads[thread].by_seq[2].id
        with sqlite3.connect(world.path / "KV-1.db") as store:
            store.execute("UPDATE bodies SET sealed = ? WHERE entry = ?", (b"rubbish", first))
        store.close()
        async with running(world, "KV", hub.url) as kv:
            found = kv.core.threads[thread]
            assert found.frozen is None and found.by_seq[2].complaint == "station.store-damaged"
            assert [held.fields["text"] for held in found.held if held.fields] == ["two"]
