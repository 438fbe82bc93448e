"""A TCP proxy that a test owns: it can cut, delay each direction, and go silent in one or both on open connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Proxy:
    """Between stations and a hub. ``up``, ``down``: seconds before anything is passed on to the hub, to stations.

    ``late``: what a station sent before its line broke still reaches the hub, after so many seconds, when the station is back
    on another connection: the one way in which TCP lets an older message arrive after a newer one.
    """

    def __init__(self, port: int) -> None:
        self.up = self.down = self.late = 0.0
        self.connections = 0
        self._target = port
        self._speaking = {"up": asyncio.Event(), "down": asyncio.Event()}
        for event in self._speaking.values():
            event.set()
        self._down = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where stations connect."""
        assert self._server is not None
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/line"

    @property
    def delay(self) -> float:
        """Seconds in both directions."""
        return self.up

    @delay.setter
    def delay(self, seconds: float) -> None:
        self.up = self.down = seconds

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def cut(self) -> None:
        """Reset every connection and refuse new ones until `mend`."""
        self._down = True
        for writer in tuple(self._writers):
            writer.transport.abort()

    def silence(self, *ways: str) -> None:
        """Keep every connection and pass on nothing more: what a dead router leaves behind. With ``up`` or ``down`` only that
        direction: a connection that is half open."""
        for way in ways or ("up", "down"):
            self._speaking[way].clear()

    def mend(self) -> None:
        """Pass on again. What was swallowed by a silence stays lost with its connection."""
        self._down = False
        if not all(event.is_set() for event in self._speaking.values()):
            for writer in tuple(self._writers):
                writer.transport.abort()
            for event in self._speaking.values():
                event.set()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._down:
            writer.transport.abort()
            return
        self.connections += 1
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, back}
        self._writers |= {writer} if self.late else both
        for way, source, sink in (("up", reader, back), ("down", there, writer)):
            task = asyncio.create_task(self._pass(way, source, sink, both))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass(
        self, way: str, source: asyncio.StreamReader, sink: asyncio.StreamWriter, both: set[asyncio.StreamWriter]
    ) -> None:
        late = self.late if way == "up" else 0.0
        with suppress(ConnectionError):
            while data := await source.read(65536):
                await self._speaking[way].wait()
                await asyncio.sleep(max(getattr(self, way), late))
                sink.write(data)
                await sink.drain()
        if self.late and way == "down":
            await asyncio.sleep(
                2 * self.late
            )  # what is on its way up arrives before the hub hears that the station is gone
        for writer in both:
            writer.transport.abort()
        self._writers -= both


@asynccontextmanager
async def proxy(port: int) -> AsyncIterator[Proxy]:
    """A proxy before a loopback port, closed at the end."""
    made = Proxy(port)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
