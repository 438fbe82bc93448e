"""The line: one WebSocket to the hub at a time, opened again for ever, over several addresses in turn.

Both sides prove their accord key before anything else is said. TLS is pinned to the certificate the accord names; no
authority's word counts. What is received goes to a `Receiver` in order, all that has come at once: it can store together
what came together. What waits meanwhile is bounded, so that a slow disk slows the hub and fills no memory.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidURI, WebSocketException

from hotline.station.errors import HubImposter, LineBroken, LoginRefused
from hotline.station.inbox import Inbox
from hotline.tasks import end
from protocols import frames
from protocols.accord import SignedAccord
from protocols.encoding import b64u, unb64u
from protocols.errors import ProtocolError
from protocols.keys import Signer, public_from, verify

log = structlog.get_logger("hotline.station.line")


@dataclass(frozen=True, slots=True)
class LineSettings:
    """Waits in seconds. After a failure the next try comes after ``base * 2**n`` up to ``cap``, jittered by half; the
    other addresses are tried first, without waiting."""

    base: float = 1.0
    cap: float = 60.0
    connect: float = 10.0
    ping: float = 5.0
    silence: float = 30.0


PASSING = ("hub.not-stored", "line.closing", "line.too-slow", "login.throttled", "login.too-slow")
"""Codes with which an honest hub ends a connection that may be opened again: no alarm."""


class Receiver(Protocol):
    """Who deals with what the line brings."""

    def hello(self) -> tuple[bytes, Signer]:
        """Our mandate and the key that proves it."""
        ...

    async def up(self, ready: frames.Ready, address: str) -> None:
        """Logged in."""
        ...

    async def receive(self, *frames: frames.FromHub) -> None:
        """What has come since the last call, in order."""
        ...

    async def down(self, why: HubImposter | LoginRefused | LineBroken) -> None:
        """The connection is over, or did not come about."""
        ...


class Line:
    """Keeps one connection to the hub. `run` until cancelled; `send` while it is up."""

    def __init__(
        self,
        accord: SignedAccord,
        addresses: tuple[str, ...],
        receiver: Receiver,
        rng: Callable[[int], bytes],
        settings: LineSettings | None = None,
    ) -> None:
        self._accord = accord
        self._addresses = addresses
        self._receiver = receiver
        self._rng = rng
        self._settings = settings or LineSettings()
        self._socket: ClientConnection | None = None
        self._stopped = asyncio.Event()

    async def stop(self) -> None:
        """Let `run` end between two frames."""
        self._stopped.set()
        if self._socket is not None:
            await self._socket.close()

    async def run(self) -> None:
        """Connect, serve, connect again, until `stop`."""
        if not self._addresses:
            raise ValueError("no address of the hub")
        failures = 0
        while not self._stopped.is_set():
            for address in self._addresses:
                try:
                    if await self._once(address):
                        failures = 0
                        break
                except (HubImposter, LoginRefused, LineBroken) as error:
                    log.warning("line down", code=error.code, detail=error.detail, address=address)
                    await self._receiver.down(error)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause(failures)):
                    await self._stopped.wait()
            failures += 1

    async def send(self, frame: frames.Frame) -> None:
        """Send one frame. Raises `LineBroken` where the line is not up."""
        socket = self._socket
        if socket is None:
            raise LineBroken("not connected")
        try:
            await socket.send(frames.encode_frame(frame))
        except (WebSocketException, OSError) as error:
            raise LineBroken(type(error).__name__) from error

    def _pause(self, failures: int) -> float:
        most: float = min(self._settings.cap, self._settings.base * 2 ** min(failures, 16))
        # Jitter keeps all stations from coming back in the same second after the hub restarts.
        return most * (0.5 + random.random() / 2)  # noqa: S311 - no secret depends on it

    async def _once(self, address: str) -> bool:
        """One connection from start to end; True where it got as far as a login."""
        socket = await self._open(address)
        try:
            # asyncio.timeout and never wait_for: Python 3.11's wait_for may swallow a cancellation.
            async with asyncio.timeout(self._settings.connect):
                ready = await self._login(socket)
            self._socket = socket
            if self._stopped.is_set():
                return True
            await self._receiver.up(ready, address)
            await self._serve(socket)
        except TimeoutError:
            raise LineBroken("the hub went silent") from None
        except (WebSocketException, OSError) as error:
            if self._socket is None:
                raise LineBroken(type(error).__name__) from error
            await self._receiver.down(LineBroken(type(error).__name__))
            return True
        except ProtocolError as error:
            raise LineBroken(str(error)) from error
        finally:
            self._socket = None
            await socket.close()
        return True

    async def _open(self, address: str) -> ClientConnection:
        pin = self._accord.accord.hub.tls
        if pin and not address.startswith("wss://"):
            raise HubImposter("the accord asks for TLS and this address has none")
        try:
            async with asyncio.timeout(self._settings.connect):
                socket = await connect(
                    address,
                    ssl=_context() if address.startswith("wss://") else None,
                    # A proxy from the environment would see who talks to whom, and is nobody the accord names.
                    proxy=None,
                    max_size=frames.MAX_FRAME_BYTES,
                    max_queue=8,
                    compression=None,
                    open_timeout=None,
                    ping_interval=self._settings.ping,
                    ping_timeout=self._settings.silence,
                    close_timeout=2,
                    user_agent_header=None,
                )
        except TimeoutError:
            raise LineBroken("no answer") from None
        except (OSError, InvalidURI, WebSocketException) as error:
            raise LineBroken(type(error).__name__) from error
        if pin and _fingerprint(socket) != unb64u(pin):
            await socket.close()
            raise HubImposter("another certificate than the accord's")
        return socket

    async def _login(self, socket: ClientConnection) -> frames.Ready:
        mandate, signer = self._receiver.hello()
        nonce = b64u(self._rng(32))
        hello = frames.Hello(frames.VERSION, self._accord.id, signer.kid, mandate, nonce)
        await socket.send(frames.encode_frame(hello))
        challenge = await self._take(socket)
        if isinstance(challenge, frames.Failed):
            raise _ended(challenge)
        if not isinstance(challenge, frames.Challenge):
            raise LineBroken("no challenge")
        hub = self._accord.accord.hub
        terms = {"hub": hub.name, "accord": self._accord.id, "station": signer.kid}
        try:
            text = frames.login_text("hub", **terms, theirs=nonce, ours=challenge.nonce)
            if challenge.hub != hub.name:
                raise HubImposter("another hub's name")
            verify(public_from(hub.key), text, challenge.signature)
        except ProtocolError as error:
            raise HubImposter(str(error)) from error
        ours = signer.sign(frames.login_text("station", **terms, theirs=nonce, ours=challenge.nonce))
        await socket.send(frames.encode_frame(frames.Proof(ours)))
        ready = await self._take(socket)
        if isinstance(ready, frames.Failed):
            raise _ended(ready)
        if not isinstance(ready, frames.Ready):
            raise LineBroken("no answer to the login")
        return ready

    async def _serve(self, socket: ClientConnection) -> None:
        inbox = Inbox()
        reading = asyncio.create_task(self._read(socket, inbox))
        try:
            while not self._stopped.is_set():
                found, over = _decode(await inbox.take())
                if found:
                    await self._receiver.receive(*found)
                if over is not None:
                    raise over
        finally:
            await end((reading,))

    async def _read(self, socket: ClientConnection, inbox: Inbox) -> None:
        try:
            while True:
                async with asyncio.timeout(self._settings.silence):
                    data = await socket.recv()
                if isinstance(data, str):
                    raise LineBroken("text where bytes are due")
                await inbox.put(data)
        except Exception as error:
            inbox.close(error)

    async def _take(self, socket: ClientConnection) -> frames.FromHub:
        data = await socket.recv()
        if isinstance(data, str):
            raise LineBroken("text where bytes are due")
        return frames.decode_from_hub(data)


def _decode(waiting: Iterable[bytes]) -> tuple[list[frames.FromHub], Exception | None]:
    """What came, up to the frame that ends the connection, and why that one does."""
    found: list[frames.FromHub] = []
    for data in waiting:
        try:
            frame = frames.decode_from_hub(data)
        except ProtocolError as error:
            return found, error
        if isinstance(frame, frames.Failed):
            return found, _ended(frame)
        found.append(frame)
    return found, None


def _ended(frame: frames.Failed) -> LoginRefused | LineBroken:
    if frame.code in PASSING:
        return LineBroken(frame.code)
    return LoginRefused(frame.code, frame.sentence)


def _context() -> ssl.SSLContext:
    # The pin decides, checked on the open connection before a single frame is sent; names and authorities do not.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _fingerprint(socket: ClientConnection) -> bytes:
    found = socket.transport.get_extra_info("ssl_object")
    certificate = None if found is None else found.getpeercert(binary_form=True)
    return b"" if not certificate else hashlib.sha256(certificate).digest()
