"""What stations that are behind are sent, read for many at once; and questions answered together."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Connection

from hotline.hub import backlog, own_leaves
from hotline.hub.backlog import Stretch, read_stretches
from hotline.hub.own_leaves import Heads, TailRow
from hotline.hub.together import Together
from protocols.frames import Ready, encode_frame, encode_mandates, encode_ready
from tests.hotline.harness import connect, make_world, open_thread, running_hub


async def test_what_waits_while_an_answer_is_on_its_way_is_asked_together() -> None:
    rounds: list[Sequence[int]] = []

    async def read(asked: Sequence[int]) -> Mapping[int, int]:
        rounds.append(asked)
        await asyncio.sleep(0)
        return {each: each * 10 for each in asked[:3]}

    together = Together(read)
    found = await asyncio.gather(*(together.ask(each % 5) for each in range(10)))
    assert found == [each % 5 * 10 for each in range(10)]
    assert rounds == [(0, 1, 2, 3, 4), (3, 4)]


async def test_a_fault_reaches_all_that_asked_and_none_that_ask_later() -> None:
    faults = [OSError("disk")]

    async def read(asked: Sequence[str]) -> Mapping[str, str]:
        await asyncio.sleep(0)
        if faults:
            raise faults.pop()
        return {each: each for each in asked}

    together = Together(read)
    found = await asyncio.gather(together.ask("a"), together.ask("b"), return_exceptions=True)
    assert [type(each) for each in found] == [OSError, OSError]
    assert await together.ask("a") == "a"


async def test_who_stops_waiting_takes_nothing_from_who_waits_for_the_same() -> None:
    go = asyncio.Event()

    async def read(asked: Sequence[str]) -> Mapping[str, str]:
        await go.wait()
        return {each: each for each in asked}

    together = Together(read)
    first, second = (asyncio.create_task(together.ask("a")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    go.set()
    assert await second == "a"
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_reading_that_is_cancelled_leaves_nobody_waiting_and_no_later_question_unanswered() -> None:
    go = asyncio.Event()

    async def read(asked: Sequence[str]) -> Mapping[str, str]:
        await go.wait()
        return {each: each for each in asked}

    together = Together(read)
    first = asyncio.create_task(together.ask("a"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    second = asyncio.create_task(together.ask("b"))  # while the first is read
    await asyncio.sleep(0)
    assert together._task is not None
    together._task.cancel()
    async with asyncio.timeout(10):
        assert [type(each) for each in await asyncio.gather(first, second, return_exceptions=True)] == [
            asyncio.CancelledError,
            asyncio.CancelledError,
        ]
        go.set()
        assert await together.ask("b") == "b"


async def test_an_answer_that_leaves_out_the_first_question_is_a_fault_and_no_endless_loop() -> None:
    async def read(asked: Sequence[str]) -> Mapping[str, str]:
        return {each: each for each in asked[1:]}

    with pytest.raises(LookupError):
        await Together(read).ask("a")


def test_a_ready_of_encoded_mandates_is_the_frame_itself() -> None:
    for mandates in ((), (b"one",), (b"one", b"x" * 70_000)):
        assert encode_ready(5, encode_mandates(mandates), 7) == encode_frame(Ready(5, mandates, 7))


@pytest.mark.parametrize("most", [1, 6000, backlog.MOST_BYTES])
async def test_stretches_are_read_whole_in_order_and_no_more_than_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(backlog, "MOST_BYTES", most)
    world = make_world(tmp_path)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        threads = [await open_thread(av, kv) for _ in range(3)]
        for number in range(6):
            for thread in threads:
                await av.say(thread, "goodwill-note", fields={"text": f"{number}"})
        names = [thread.id for thread in threads]
        asked = [Stretch(name, after, 6) for name in names for after in (0, 3)] + [Stretch("n" * 22, 0, 6)]
        whole = {(each.thread, each.seq): each for name in names for each in hub.hub.recent.after(name, 0, 9, 99)}
        left, read = list(asked), dict[Stretch, list[int]]()
        while left:
            found = await hub.hub.store.fetch(lambda connection, some=tuple(left): read_stretches(connection, some))
            assert left[0] in found
            for stretch, entries in found.items():
                assert [each.seq for each in entries] == list(
                    range(stretch.after + 1, stretch.after + 1 + len(entries))
                )
                assert all(each == whole[each.thread, each.seq] for each in entries)
                read[stretch] = [each.seq for each in entries]
                left.remove(stretch)
        assert all(read[each] for each in asked[:-1]) and read[asked[-1]] == []
        if most > 6000:
            assert all(read[each][-1] == 6 for each in asked[:-1])
        if most == 1:
            assert all(len(read[each]) == 1 for each in asked[:-1]), "one at least, and here no more"


async def test_a_station_that_was_away_gets_what_is_no_longer_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hotline.hub.recent.Recent.after", lambda *_: ())
    world = make_world(tmp_path)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av:
        async with connect(hub.url, world, "KV") as kv:
            thread = await open_thread(av, kv)
        for number in range(80):
            await av.say(thread, "goodwill-note", fields={"text": f"{number}"})
        async with connect(hub.url, world, "KV", follow=False) as kv:
            found = await kv.follow({thread.id: 1})
    assert [frame.seq for frame in found] == list(range(2, 82))
    assert all(frame.parts for frame in found)


async def test_the_ends_of_threads_are_read_once_for_all_and_are_for_each_what_it_would_read_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        threads = [await open_thread(av, kv) for _ in range(3)]
        for thread in threads[:2]:
            await hub.hub.writer.write(Heads(frozenset(), moved=True))
            await av.say(thread, "goodwill-note", fields={"text": "x"})
        await hub.hub.writer.write(Heads(frozenset(), moved=True))
        size = hub.hub.writer.standing.frontier.size
        read, calls = own_leaves.read_tails, list[int]()

        def counted(connection: Connection, since: int, upto: int) -> dict[str, TailRow]:
            calls.append(since)
            return read(connection, since, upto)

        alone = [await hub.hub.store.fetch(lambda c, since=since: read(c, since, size)) for since in range(size)]
        monkeypatch.setattr(own_leaves, "read_tails", counted)
        assert await asyncio.gather(*(hub.hub.ends.read(kv.station.kid, each, size) for each in range(size))) == alone
        assert calls == [0] and len({len(each) for each in alone}) > 2
        stranger = world.stations["MD"].kid
        assert await hub.hub.ends.read(stranger, 0, size) == {}
