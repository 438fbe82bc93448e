"""What goes out to a station: at once where nothing waits, in its turn otherwise, and the same either way."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hotline.hub import delivery
from hotline.hub.outlet import AT_ONCE, Outlet
from hotline.hub.sending import Sending
from hotline.hub.thread import Thread
from protocols.entry import parse_entry
from protocols.frames import Caught, Deliver, Follow, Invitation, Pong, encode_frame
from tests.hotline.harness import connect, make_world, open_thread, running_hub


@pytest.mark.parametrize("at_once", [True, False])
async def test_who_hears_accepted_was_sent_the_entry_before_and_the_other_side_has_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    if not at_once:
        monkeypatch.setattr(Sending, "_at_once", False)
    world = make_world(tmp_path)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = await open_thread(av, kv)
        for number in range(5):
            av.inbox.clear()
            answer = await av.say(thread, "goodwill-note", fields={"text": str(number)})
            delivered = [frame for frame in av.inbox if isinstance(frame, Deliver)]
            assert [parse_entry(frame.leaf).id for frame in delivered] == [answer.id]
            while (frame := await kv.expect(Deliver)).seq < answer.seq:
                pass
            assert frame == delivered[0]


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_fault_over_what_one_station_is_sent_ends_its_line_and_nobody_elses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = await open_thread(av, kv)
        if not at_once:
            monkeypatch.setattr(Sending, "_at_once", False)
        honest = Sending._changed_invitations

        def faulty(self: Sending, about: Thread) -> list[Invitation]:
            if self._kid == kv.station.kid:
                raise ZeroDivisionError
            return honest(self, about)

        monkeypatch.setattr(Sending, "_changed_invitations", faulty)
        answer = await av.say(thread, "goodwill-note", fields={"text": "1"})
        async with asyncio.timeout(10):
            while kv.station.kid in hub.hub.lines.since():
                await asyncio.sleep(0.01)
        assert hub.hub.metrics.faults._value.get() == 1
        assert hub.hub.runs
        monkeypatch.setattr(Sending, "_changed_invitations", honest)
        async with connect(hub.url, world, "KV", follow=False) as again:
            assert answer.seq in [frame.seq for frame in await again.follow()]
        await av.say(thread, "goodwill-note", fields={"text": "2"})


async def test_a_station_that_says_anew_how_far_it_is_is_sent_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = await open_thread(av, kv)
        for number in range(4):
            await av.say(thread, "goodwill-note", fields={"text": str(number)})
        real, follow, asked, followed = delivery.next_batch, Sending.follow, 0, asyncio.Event()

        def heard(self: Sending, *args: Any) -> None:
            follow(self, *args)
            followed.set()

        async def interrupted(*args: Any) -> delivery.Batch:
            nonlocal asked
            asked += 1
            batch = await real(*args)
            if asked == 1:  # what was read is on its way to a station that asks again meanwhile
                followed.clear()
                await again.send(Follow({thread.id: 3}))
                await followed.wait()
            return batch

        monkeypatch.setattr(Sending, "follow", heard)
        monkeypatch.setattr(delivery, "fresh_batch", lambda *_: None)
        monkeypatch.setattr(delivery, "next_batch", interrupted)
        async with connect(hub.url, world, "KV", follow=False) as again:
            await again.send(Follow({thread.id: 1}))
            await again.expect(Caught)
            assert asked == 2
            assert [frame.seq for frame in again.inbox if isinstance(frame, Deliver)] == [4, 5]


class Way:
    """A way out with a transport that keeps what it is given; ``full``: the station does not read."""

    def __init__(self, *, full: bool = False) -> None:
        self.written = bytearray()
        self.connection = SimpleNamespace(full=full)
        transport = SimpleNamespace(write=self.written.extend, is_closing=lambda: False)
        request = SimpleNamespace(transport=transport, get_extra_info=lambda _name: None)
        self.outlet = Outlet(
            cast(Any, request), cast(Any, SimpleNamespace(closed=False)), cast(Any, self.connection), 1.0
        )
        self.soon: list[Sending] = []
        limits = SimpleNamespace(answers=4, answer_bytes=1 << 20)
        hub = SimpleNamespace(
            settings=SimpleNamespace(limits=limits),
            lines=SimpleNamespace(soon=self.soon.append),
            metrics=SimpleNamespace(limited=SimpleNamespace(labels=lambda _name: SimpleNamespace(inc=lambda: None))),
        )
        self.why: list[Any] = []
        mandate = SimpleNamespace(kid="k", office="AV")
        self.sending = Sending(cast(Any, hub), self.outlet, cast(Any, mandate), self.why.append)

    async def rest(self) -> asyncio.Task[None]:
        task = asyncio.create_task(self.sending.run())
        await asyncio.sleep(0)
        return task


async def test_what_comes_up_in_one_turn_goes_out_in_one_write_and_wakes_nobody() -> None:
    way = Way()
    task = await way.rest()
    pongs = [Pong(number, 5, 5) for number in range(3)]
    for pong in pongs:
        way.sending.push(pong)
    assert not way.written and way.soon == [way.sending]
    way.sending.hand_over()
    assert all(encode_frame(pong) in way.written for pong in pongs)
    assert not way.sending._wake.is_set()
    way.sending.stop()
    await task


async def test_a_station_that_does_not_read_is_handed_nothing_more_and_cut_off_when_too_much_waits() -> None:
    way = Way(full=True)
    task = await way.rest()
    for number in range(4):
        way.sending.push(Pong(number, 5, 5))
    assert not way.written and not way.soon and not way.why
    way.sending.push(Pong(9, 5, 5))
    assert [each.code for each in way.why] == ["line.too-slow"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_in_one_turn_no_more_is_gathered_than_is_written_at_once() -> None:
    way = Way()
    task = await way.rest()
    for _ in range(3):
        way.sending.push_bytes(bytes(AT_ONCE // 2))
    assert way.sending._out_bytes == AT_ONCE, "the third waits in the queue that is bounded"
    way.sending.stop()
    await task


async def test_a_station_that_is_gone_is_found_out_when_it_is_written_to() -> None:
    way = Way()
    task = await way.rest()
    cast(Any, way.outlet._transport).is_closing = lambda: True
    way.sending.push(Pong(1, 5, 5))
    way.sending.hand_over()
    assert [each.code for each in way.why] == ["line.too-slow"]
    way.sending.stop()
    await task
