"""The writer: urgent first but never out of a station's order, and nothing answered that is not on the disk."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from hotline.hub import admission, commits
from hotline.hub.errors import BehindWitnesses
from hotline.hub.hub import Hub
from hotline.hub.lanes import Job, Lanes
from hotline.hub.settings import Limits
from protocols.entry import parse_entry
from protocols.frames import Accepted, Failed, Refused, Submit, encode_frame
from tests.hotline.harness import Client, Thread, connect, handed_in, make_world, open_thread, running_hub


class FakePayload:
    def __init__(self, station: str, thread: str, precedence: str) -> None:
        self.station, self.thread, self.precedence = station, thread, precedence


class FakeEntry:
    def __init__(self, *payload: str) -> None:
        self.payload = FakePayload(*payload)


def job(*payload: str) -> Job:
    return Job(FakeEntry(*payload), {}, None)  # type: ignore[arg-type]


def test_flash_goes_first_and_pulls_along_what_stands_before_it_in_its_lane() -> None:
    lanes = Lanes()
    routine, early, flash = job("a", "t", "ROUTINE"), job("b", "t", "ROUTINE"), job("b", "t", "FLASH")
    priority, other = job("c", "t", "PRIORITY"), job("b", "u", "IMMEDIATE")
    for each in (routine, early, flash, priority, other):
        lanes.put(each)
    assert lanes.take(2) == [early, flash]
    assert lanes.take(9) == [other, priority, routine]
    assert len(lanes) == 0


async def test_what_the_disk_refused_is_not_answered_and_is_taken_when_handed_in_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    save = commits.save
    async with running_hub(world) as hub:
        async with connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
            thread = await open_thread(av, kv)
            entry, parts = av.write(thread, "goodwill-note", fields={"text": "kept"})

            def full(*_: Any) -> None:
                raise OperationalError("INSERT", {}, Exception("database or disk is full"))

            monkeypatch.setattr(commits, "save", full)
            await av.send(Submit(9, entry, parts))
            assert (await av.expect(Failed)).code == "hub.not-stored"
            assert not [frame for frame in av.inbox if isinstance(frame, Accepted | Refused)]
            assert not await hub.hub.check()
        monkeypatch.setattr(commits, "save", save)
        async with connect(hub.url, world, "AV") as av:
            answer = await av.submit(entry, parts)
            assert isinstance(answer, Accepted) and answer.seq == 2
            assert await hub.hub.check()


async def test_a_fault_over_one_entry_stops_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world(tmp_path)
    async with (
        running_hub(world) as hub,
        connect(hub.url, world, "AV") as av,
        connect(hub.url, world, "KV") as kv,
    ):
        thread = await open_thread(av, kv)
        check = admission.check_parts

        def faulty(payload: Any, parts: Any) -> None:
            if payload.precedence == "FLASH":
                raise ZeroDivisionError
            check(payload, parts)

        monkeypatch.setattr(admission, "check_parts", faulty)
        poison = kv.write(kv.threads[thread.id], "goodwill-note", fields={"text": "x"}, precedence="FLASH")
        good = av.write(thread, "goodwill-note", fields={"text": "y"})
        bad, fine = await asyncio.gather(kv.submit(*poison), av.submit(*good))
        assert isinstance(bad, Refused) and bad.code == "hub.fault"
        assert isinstance(fine, Accepted)


async def test_where_the_store_goes_back_while_entries_are_taken_one_by_one_none_of_them_waits_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = await open_thread(av, kv)
        entries = [av.write(thread, "goodwill-note", fields={"text": str(number)}) for number in range(3)]
        tried = 0

        def faulty(*_: Any) -> None:
            nonlocal tried
            tried += 1
            raise ZeroDivisionError if tried < 3 else BehindWitnesses("as if")  # together, the first alone, the second

        monkeypatch.setattr(commits, "read_stand", faulty)
        told = [handed_in(hub.hub.writer, parse_entry(entry), parts) for entry, parts in entries]
        async with asyncio.timeout(10):
            answers = await asyncio.gather(*told)
        assert [getattr(each, "code", "") for each in answers] == ["hub.fault", "line.closing", "line.closing"]
        assert isinstance(await _failure(hub.hub), BehindWitnesses)


async def _failure(hub: Hub) -> BaseException | None:
    await asyncio.wait((hub.failed,), timeout=10)
    return hub.failed.exception()


async def test_a_station_that_does_not_read_is_cut_and_the_others_go_on(tmp_path: Path) -> None:
    world = make_world(tmp_path, limits=Limits(send=0.5))
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av:
        async with connect(hub.url, world, "KV") as kv:
            thread = await open_thread(av, kv)
            kv.ws.transport.pause_reading()
            for number in range(40):
                await av.say(thread, "goodwill-note", fields={"text": "x" * 150_000 + str(number)})
            for _ in range(200):
                if kv.station.kid not in hub.hub.lines.since():
                    break
                await asyncio.sleep(0.05)
            assert kv.station.kid not in hub.hub.lines.since()
            kv.ws.transport.abort()
        assert (await av.ping()).now > 0


async def test_entries_under_load_share_their_flushes(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with (
        running_hub(world) as hub,
        connect(hub.url, world, "AV") as av,
        connect(hub.url, world, "KV") as kv,
    ):
        thread = await open_thread(av, kv)
        made = [_next(av, thread) for _ in range(60)]
        for ref, (entry, parts) in enumerate(made, 500):
            await av.ws.send(encode_frame(Submit(ref, entry, parts)))
        answers = [await av.answer(500 + number) for number in range(60)]
        assert [answer.seq for answer in answers if isinstance(answer, Accepted)] == list(range(2, 62))
        batches = hub.hub.metrics.registry.get_sample_value("hotline_batch_entries_count")
        assert batches is not None and batches < 40


def _next(client: Client, thread: Thread) -> tuple[bytes, dict[str, bytes]]:
    made = client.write(thread, "goodwill-note", fields={"text": "x"})
    thread.serial += 1
    return made
