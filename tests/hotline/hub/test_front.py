"""Strangers at the hub's port: how many, for how long, and how much they may send before they are known."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from websockets.asyncio.client import connect as ws_connect
from websockets.exceptions import ConnectionClosed

from hotline.hub.front import Connection, Front, origin, timed
from hotline.hub.metrics import Metrics
from hotline.hub.settings import Limits
from tests.hotline.harness import RunningHub, connect, make_world, running_hub


@asynccontextmanager
async def knock(hub: RunningHub, data: bytes) -> AsyncIterator[asyncio.StreamReader]:
    """A bare connection that has sent ``data``."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    try:
        writer.write(data)
        await writer.drain()
        yield reader
    finally:
        writer.close()


async def is_cut(reader: asyncio.StreamReader, seconds: float) -> bool:
    """Whether the other side ends it within ``seconds``."""
    try:
        async with asyncio.timeout(seconds):
            while await reader.read(65536):
                pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


def limited(hub: RunningHub, why: str) -> float:
    return hub.hub.metrics.registry.get_sample_value("hotline_limited_total", {"limit": f"connection-{why}"}) or 0


@pytest.mark.parametrize(
    ("address", "counts_as"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("", ""),
    ],
)
def test_one_customers_whole_network_is_one_address(address: str, counts_as: str) -> None:
    assert origin(address) == counts_as


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"G"])
async def test_a_request_that_is_never_finished_is_cut(tmp_path: Path, sent: bytes) -> None:
    async with running_hub(make_world(tmp_path, limits=Limits(login=0.3))) as hub:
        async with knock(hub, sent) as reader:
            assert await is_cut(reader, 5)
        assert limited(hub, "head") == 1
        assert hub.hub.front.strangers == 0


async def test_a_second_request_that_is_never_finished_is_cut_and_so_is_a_silent_one(tmp_path: Path) -> None:
    async with running_hub(make_world(tmp_path, limits=Limits(login=0.2, idle=1.0))) as hub:
        whole = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        async with knock(hub, whole) as silent, knock(hub, whole) as slow:
            assert (await silent.readuntil(b"ok\n"))[-3:] == (await slow.readuntil(b"ok\n"))[-3:] == b"ok\n"
            assert await is_cut(silent, 5)
        async with knock(hub, whole + b"GET /he") as slow:
            assert await is_cut(slow, 5)
        assert limited(hub, "idle") >= 2


async def test_a_body_that_does_not_come_is_cut() -> None:
    async def take(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    app = web.Application(middlewares=[timed()])
    app.router.add_post("/", take)
    runner = web.AppRunner(app)
    await runner.setup()
    front = Front(Limits(body=0.3), Metrics())
    server = await front.listen(runner.server, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\na")
    assert await is_cut(reader, 5)
    writer.close()
    server.close()
    await runner.cleanup()
    assert front.strangers == 0


async def test_a_stranger_may_not_send_more_than_a_login_needs(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av:
        async with ws_connect(hub.url, proxy=None) as ws:
            with pytest.raises(ConnectionClosed):
                await ws.send(bytes(3 << 20))
                await ws.recv()
        assert limited(hub, "bytes") == 1
        assert (await av.ping()).now


async def test_an_address_that_floods_crowds_out_itself_and_no_station_on_the_line(tmp_path: Path) -> None:
    world = make_world(tmp_path, limits=Limits(strangers_each=4))
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(knock(hub, b"G")) for _ in range(9)]
        await asyncio.sleep(0.1)
        assert hub.hub.front.strangers == 4
        assert [await is_cut(reader, 0.05) for reader in readers] == [False] * 4 + [True] * 5
        assert limited(hub, "address") == 5
        assert (await av.ping()).now
    assert hub.hub.front.strangers == 0


async def test_an_address_may_not_open_connections_without_end(tmp_path: Path) -> None:
    async with running_hub(make_world(tmp_path, limits=Limits(arrivals_each=10))) as hub:
        for number in range(14):
            async with knock(hub, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") as reader:
                try:
                    answer = await reader.read()
                except ConnectionError:
                    answer = b""
                assert answer.endswith(b"ok\n") == (number < 10)
        assert limited(hub, "arrivals") == 4


async def test_nothing_is_kept_of_a_connection_that_is_gone(tmp_path: Path) -> None:
    def kept() -> int:
        gc.collect()
        return sum(isinstance(each, Connection | web.WebSocketResponse) for each in gc.get_objects())

    world = make_world(tmp_path)
    async with running_hub(world) as hub:
        before = kept()  # of tests that ran before this one in the same process
        for _ in range(5):
            async with ws_connect(hub.url, proxy=None) as ws:
                await ws.send(b"no hello")
                await ws.recv()
        async with asyncio.timeout(10):
            while kept() > before:
                await asyncio.sleep(0.1)


class Wire(asyncio.Transport):
    """A transport that only knows its peer and whether it was ended."""

    def __init__(self, address: str) -> None:
        super().__init__({"peername": (address, 1)})
        self.ended = False

    def abort(self) -> None:
        self.ended = True


async def test_when_all_places_are_taken_the_busiest_address_gives_one_up() -> None:
    front = Front(Limits(strangers=8, strangers_each=8), Metrics())

    def come(address: str) -> Wire:
        wire = Wire(address)
        Connection(front, Limits(), asyncio.Protocol()).connection_made(wire)
        return wire

    flood = [come("192.0.2.1") for _ in range(8)]
    honest = [come(f"198.51.100.{number}") for number in range(7)]
    assert not any(wire.ended for wire in honest)
    assert [wire.ended for wire in flood] == [True] * 7 + [False]
    assert come("203.0.113.1").ended  # every address has one: nobody is put out for the newest
    assert front.strangers == 8
