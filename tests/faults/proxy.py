"""A TCP proxy that a test owns: it can cut, delay, and go silent while it keeps its connections open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Proxy:
    """Between stations and a hub. ``delay``: seconds before anything is passed on. ``silent``: nothing is."""

    def __init__(self, port: int) -> None:
        self.delay = 0.0
        self.connections = 0
        self._target = port
        self._speaking = asyncio.Event()
        self._speaking.set()
        self._down = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where stations connect."""
        assert self._server is not None
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/line"

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

    def silence(self) -> None:
        """Keep every connection and pass on nothing more: what a dead router leaves behind."""
        self._speaking.clear()

    def mend(self) -> None:
        """Pass on again. What was swallowed by a silence stays lost with its connection."""
        self._down = False
        if not self._speaking.is_set():
            for writer in tuple(self._writers):
                writer.transport.abort()
            self._speaking.set()

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
        self._writers |= both
        for source, sink in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._pass(source, sink, both))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, both: set[asyncio.StreamWriter]
    ) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65536):
                await self._speaking.wait()
                await asyncio.sleep(self.delay)
                sink.write(data)
                await sink.drain()
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
