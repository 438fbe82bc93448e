"""The way out to a station: messages together, framed as RFC 6455 has it, and what is looked at in which order."""

from __future__ import annotations

import asyncio
import struct
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import WSMsgType
from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader
from aiohttp.base_protocol import BaseProtocol

from hotline.hub import lines
from hotline.hub.flow import Touched
from hotline.hub.outlet import AT_ONCE, Outlet, head
from protocols import frames
from tests.hotline.harness import connect, make_station, make_world, running_hub


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 300_000])
async def test_a_message_is_framed_as_a_reader_of_the_standard_expects(size: int) -> None:
    queue = WebSocketDataQueue(BaseProtocol(asyncio.get_running_loop()), 1 << 22, loop=asyncio.get_running_loop())
    reader = WebSocketReader(queue, 1 << 22, compress=False, decode_text=True)
    reader.feed_data(head(size) + b"x" * size + head(3) + b"abc")
    assert bytes((await queue.read()).data) == b"x" * size
    assert bytes((await queue.read()).data) == b"abc"


def test_a_head_is_no_longer_than_it_must_be() -> None:
    assert [len(head(size)) for size in (0, 125, 126, 65_535, 65_536)] == [2, 2, 4, 4, 10]
    assert head(65_536) == struct.pack("!BBQ", 0x82, 127, 65_536)


@pytest.mark.parametrize("tls", [True, False])
async def test_a_ping_while_a_station_reads_slowly_does_not_get_into_a_message(tls: bool) -> None:
    """aiohttp writes its pings to the same connection, also while the outlet waits for room."""
    written = bytearray()

    async def drained() -> None:
        written.extend(b"\x89\x00")

    transport = SimpleNamespace(write=written.extend, is_closing=lambda: False)
    request = SimpleNamespace(transport=transport, get_extra_info=lambda _name: object() if tls else None)
    connection = SimpleNamespace(full=True, drained=drained)
    outlet = Outlet(cast(Any, request), cast(Any, SimpleNamespace(closed=False)), cast(Any, connection), 1.0)
    messages = [b"a" * (AT_ONCE - 1), b"b" * 300_000, b"c"]
    await outlet.write(messages)
    queue = WebSocketDataQueue(BaseProtocol(asyncio.get_running_loop()), 1 << 22, loop=asyncio.get_running_loop())
    WebSocketReader(queue, 1 << 22, compress=False, decode_text=True).feed_data(bytes(written))
    read = [await queue.read() for _ in range(4)]
    assert [each.type for each in read].count(WSMsgType.PING) == 1
    assert [bytes(each.data) for each in read if each.type is WSMsgType.BINARY] == messages


def test_threads_are_looked_at_by_urgency_and_then_in_order() -> None:
    touched = Touched()
    assert not touched
    for thread, rank in (("a", 3), ("b", 3), ("c", 1), ("b", 0), ("a", 3), ("c", 2), ("d", 1)):
        touched.put(thread, rank)
    assert [touched.take() for _ in range(4)] == [("b", 0), ("c", 1), ("d", 1), ("a", 3)]
    assert not touched


async def test_what_is_larger_than_one_write_arrives_whole_and_in_order(tmp_path: Path) -> None:
    """The directory at login, larger than what is written at once."""
    world = make_world(tmp_path)
    more = [make_station("AV", str(number), world.roots["AV"], serial=number) for number in range(2, 120)]
    mandates = [each.mandate for each in more]
    assert sum(map(len, mandates)) > AT_ONCE
    async with running_hub(world) as hub:
        async with connect(hub.url, world, "AV") as av:
            for start in range(0, len(mandates), 100):
                await av.send(frames.Announce(tuple(mandates[start : start + 100])))
            told: list[bytes] = []
            while mandates[-1] not in told:
                told += (await av.expect(frames.Directory)).mandates
            assert [each for each in told if each in set(mandates)] == mandates
        async with connect(hub.url, world, "KV") as kv:
            assert set(mandates) <= set(kv.ready.mandates)


async def test_who_comes_and_goes_is_told_of_though_many_do_at_once(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    others = [make_station("KV", str(number), world.roots["KV"], serial=number) for number in range(2, 10)]
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av:
        there: dict[str, int] = {}
        async with AsyncExitStack() as lines_open:
            for each in others:
                await lines_open.enter_async_context(connect(hub.url, world, each))
            while not all(there.get(each.kid) for each in others):
                there |= (await av.expect(frames.Presence)).stations
        while any(there[each.kid] for each in others):
            there |= (await av.expect(frames.Presence)).stations
        assert hub.hub.lines.own().keys() == {av.station.kid}


async def test_changes_of_presence_are_gathered_and_the_last_one_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "TOGETHER", 0.5)
    x, y = "x" * 43, "y" * 43
    world = make_world(tmp_path)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av:
        found = hub.hub.lines
        await asyncio.sleep(0.6)
        av.inbox.clear()
        for since in (5, 0, 7):
            found.changed({x: since, y: 1})
        told = [(await av.expect(frames.Presence)).stations for _ in range(2)]
        while x not in told[0]:  # our own coming, told late
            told = [told[1], (await av.expect(frames.Presence)).stations]
        assert told == [{x: 5, y: 1}, {x: 7, y: 1}]
