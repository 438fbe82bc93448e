"""A lean client of the hub: it logs in as a station does and counts frames. It verifies the hub's signature and nothing
else, because the hub is what is measured."""

from __future__ import annotations

import asyncio
import secrets
import ssl
import time
from collections.abc import Callable
from typing import Any

import aiohttp

from benchmarks.load.world import Made, Station, World
from protocols import frames
from protocols.encoding import b64u
from protocols.keys import public_from, verify


def session() -> aiohttp.ClientSession:
    """As many connections as one likes. The hub's certificate is its own, and pinned in life; here nothing is checked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, ssl=context))


class Client:
    """One logged-in station. ``delivered``, ``mandates``: how many entries and mandates it was sent since the login."""

    def __init__(self, world: World, station: Station) -> None:
        self.world, self.station = world, station
        self.ref = 0
        self.delivered = 0
        self.mandates = 0
        self.on_deliver: Callable[[frames.Deliver], None] | None = None
        self.caught = asyncio.Event()
        self._directory = asyncio.Event()
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._ws: aiohttp.ClientWebSocketResponse | None = None
        self._task: asyncio.Task[None] | None = None

    async def open(self, session: aiohttp.ClientSession, url: str, *, cursors: dict[str, int] | None = None) -> None:
        """Connect, log in by challenge and proof, and follow."""
        self._ws = ws = await session.ws_connect(url, max_msg_size=frames.MAX_FRAME_BYTES, compress=0)
        nonce = b64u(secrets.token_bytes(32))
        accord, kid = self.world.accord, self.station.kid
        await self._send(frames.Hello(frames.VERSION, accord.id, kid, self.station.mandate, nonce))
        challenge = frames.decode_from_hub(await ws.receive_bytes())
        if not isinstance(challenge, frames.Challenge):
            raise RuntimeError(f"no challenge but {challenge!r}")
        terms = {"hub": accord.accord.hub.name, "accord": accord.id, "station": kid}
        terms |= {"theirs": nonce, "ours": challenge.nonce}
        verify(public_from(accord.accord.hub.key), frames.login_text("hub", **terms), challenge.signature)
        await self._send(frames.Proof(self.station.sign.sign(frames.login_text("station", **terms))))
        ready = frames.decode_from_hub(await ws.receive_bytes())
        if not isinstance(ready, frames.Ready):
            raise RuntimeError(f"not ready but {ready!r}")
        self.caught.clear()
        self._task = asyncio.create_task(self._read())
        await self._send(frames.Follow(cursors or {}))

    async def close(self) -> None:
        """End the connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._ws is not None:
            await self._ws.close()

    async def announce(self, *more: bytes) -> None:
        """Tell the hub of the officers, and of ``more`` mandates."""
        mandates = (*self.world.officer_mandates, *more)
        for start in range(0, len(mandates), 100):
            await self._send(frames.Announce(mandates[start : start + 100]))

    async def told_of(self, mandates: int) -> None:
        """Wait until the hub has passed on that many mandates."""
        while self.mandates < mandates:
            self._directory.clear()
            await self._directory.wait()

    async def submit(self, made: Made) -> frames.Accepted:
        """Hand an entry in and wait for the hub's durable answer. Raises `RuntimeError` on a refusal."""
        return await self.hand_in(made)

    def hand_in(self, made: Made) -> asyncio.Future[Any]:
        """The same, as a future."""
        self.ref += 1
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[self.ref] = future
        if self._ws is None:
            raise RuntimeError("not connected")
        data = frames.encode_frame(frames.Submit(self.ref, made.entry, made.parts))
        task = asyncio.ensure_future(self._ws.send_bytes(data))
        future.add_done_callback(lambda _: task)
        return future

    async def _send(self, frame: frames.Frame) -> None:
        if self._ws is None:
            raise RuntimeError("not connected")
        await self._ws.send_bytes(frames.encode_frame(frame))

    async def _read(self) -> None:
        if self._ws is None:
            raise RuntimeError("not connected")
        async for message in self._ws:
            frame = frames.decode_from_hub(message.data)
            if isinstance(frame, frames.Deliver):
                self.delivered += 1
                if self.on_deliver is not None:
                    self.on_deliver(frame)
            elif isinstance(frame, frames.Accepted):
                self._answers.pop(frame.ref).set_result(frame)
            elif isinstance(frame, frames.Refused):
                self._answers.pop(frame.ref).set_exception(RuntimeError(f"{frame.code}: {frame.sentence}"))
            elif isinstance(frame, frames.Directory):
                self.mandates += len(frame.mandates)
                self._directory.set()
            elif isinstance(frame, frames.Caught):
                self.caught.set()


class Latencies:
    """Milliseconds of each round, with the usual summaries."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def since(self, started: float) -> None:
        self.values.append((time.perf_counter() - started) * 1000)

    def at(self, share: float) -> float:
        """The value under which ``share`` of all lie."""
        ordered = sorted(self.values)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0

    def over(self, entries: int, seconds: float) -> dict[str, float]:
        """The figures of a run of so many entries."""
        return {
            "rate": entries / seconds,
            "p50_ms": self.at(0.5),
            "p99_ms": self.at(0.99),
            "entries": entries,
            "seconds": seconds,
        }
