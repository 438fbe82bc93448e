"""Carries sealed files between a station and its hub over HTTP, at the address at which the line stands.

TLS is pinned to the certificate of the accord, as on the line. A ticket that the line gave out is all that the hub asks for;
it stands in a header. What is carried is ciphertext; whether it is the right one is judged by who asked for it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import msgspec

from hotline.errors import RemoteFault
from hotline.station.core import Core
from hotline.station.errors import HubImposter, LineBroken
from protocols.encoding import unb64u
from protocols.frames import BlobTicket

PIECE = 128 * 1024
IDLE = 45.0
"""Seconds that a transfer may stand still."""
MAX_ANSWER = 4096


class CarryFailed(RemoteFault):
    """The hub said no; ``refusal`` is its stable code and ``said`` its sentence."""

    code = "attachment.not-carried"

    def __init__(self, refusal: str, said: str) -> None:
        super().__init__(refusal)
        self.refusal, self.said = refusal, said

    @property
    def sentence(self) -> str:
        return f"The file was not carried: {self.said}"


class WrongBytes(RemoteFault):
    """What the hub handed over has another hash than the file that was asked for."""

    code = "attachment.wrong-bytes"
    _sentence = (
        "The hub handed over another file than the one asked for. It was thrown away unopened and is asked for again."
    )


class _Answer(msgspec.Struct):
    code: str = "hub.fault"
    sentence: str = "The hub did not say why."


class Carrier:
    """An async context: one HTTP session. Progress is told as bytes that are there in all."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=IDLE)
        self._session = aiohttp.ClientSession(
            timeout=timeout, trust_env=False, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def put(self, path: Path, size: int, ticket: BlobTicket, moved: Callable[[int], None]) -> int:
        """Hand over a file from ``ticket.have`` on; how many bytes the hub has then. Raises `CarryFailed`, `LineBroken`."""
        headers = self._headers(ticket)
        headers |= {"Upload-Offset": str(ticket.have), "Content-Length": str(size - ticket.have)}
        headers["Content-Type"] = "application/octet-stream"
        try:
            async with self._request("PATCH", headers, _read(path, ticket.have, moved)) as response:
                if response.status != 204:
                    raise await _refusal(response)
                return int(response.headers.get("Upload-Offset", "0"))
        except (aiohttp.ClientError, TimeoutError, ConnectionError, ValueError) as error:
            raise _broken(error) from error

    async def get(self, part: Path, size: int, ticket: BlobTicket, moved: Callable[[int], None]) -> None:
        """Bring ``part`` to ``size`` bytes, from what it has on. Raises `CarryFailed`, `LineBroken`."""
        handle = await asyncio.to_thread(os.open, part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            have = os.fstat(handle).st_size
            if have > size:
                os.ftruncate(handle, 0)
                have = 0
            if have < size:
                headers = self._headers(ticket) | {"Range": f"bytes={have}-"}
                async with self._request("GET", headers, None) as response:
                    if response.status not in (200, 206) or (have and response.status != 206):
                        raise await _refusal(response)
                    async for data in response.content.iter_chunked(PIECE):
                        data = data[: size - have]
                        await asyncio.to_thread(_append, handle, have, data)
                        have += len(data)
                        moved(have)
                if have < size:
                    raise LineBroken("the download ended early")
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            raise _broken(error) from error
        finally:
            await asyncio.to_thread(os.fsync, handle)
            os.close(handle)

    def _headers(self, ticket: BlobTicket) -> dict[str, str]:
        return {"Authorization": f"Hotline {ticket.ticket}", "Connection": "close"}

    def _request(
        self, method: str, headers: dict[str, str], data: AsyncGenerator[bytes, None] | None
    ) -> aiohttp.client._RequestContextManager:
        if self._session is None:
            raise LineBroken("not begun")
        pin = self._core.identity.accord.accord.hub.tls
        url = blob_url(self._core.line.address)
        if pin and not url.startswith("https://"):
            raise LineBroken("the accord asks for TLS and this address has none")
        # With a pin, aiohttp checks the certificate before a single header is sent; names and authorities do not count.
        tls = aiohttp.Fingerprint(unb64u(pin, size=32)) if pin else True
        return self._session.request(method, url, headers=headers, data=data, ssl=tls, allow_redirects=False)


def blob_url(address: str) -> str:
    """Where files are carried, at the hub whose line stands at ``address``."""
    parts = urlsplit(address)
    path = parts.path.removesuffix("/").rpartition("/")[0] + "/blob"
    return urlunsplit(("https" if parts.scheme == "wss" else "http", parts.netloc, path, "", ""))


async def _read(path: Path, at: int, moved: Callable[[int], None]) -> AsyncGenerator[bytes, None]:
    handle = await asyncio.to_thread(os.open, path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while data := await asyncio.to_thread(os.pread, handle, PIECE, at):
            yield data
            at += len(data)
            moved(at)
    finally:
        os.close(handle)


def _append(handle: int, at: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(handle, view, at)
        at, view = at + written, view[written:]


async def _refusal(response: aiohttp.ClientResponse) -> CarryFailed | LineBroken:
    if response.status in (500, 502, 503, 504):
        return LineBroken(f"status {response.status}")
    body = await response.content.read(MAX_ANSWER)
    try:
        said = msgspec.json.decode(body, type=_Answer)
    except msgspec.DecodeError:
        return LineBroken(f"status {response.status}")
    return CarryFailed(said.code[:64], said.sentence[:1000])


def _broken(error: Exception) -> LineBroken | HubImposter:
    if isinstance(error, aiohttp.ServerFingerprintMismatch):
        return HubImposter("another certificate than the accord's")
    return LineBroken(type(error).__name__)
