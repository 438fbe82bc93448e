"""Sealed files of the threads, kept by the hub, which has a key to none of them.

A station announces a file over the line (`AskBlob`) and gets a ticket for HTTP; only members of the thread get one, and
each use of it asks again whether they still are. A file is named by the SHA-256 of its ciphertext and lies at
``<thread>/<blob>`` once all of it is there and has that hash; before, at ``<thread>/<blob>.part``, from whose length
the transfer goes on after any interruption. What is announced counts against the thread's and the office's quota at once,
so that many begun transfers cannot fill the disk together. A transfer holds at most two pieces of `PIECE` bytes in memory.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import hmac
import os
import shutil
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from hotline.hub.directory import Directory, current_station
from hotline.hub.errors import (
    BadTicket,
    BlobBusy,
    BlobDiffers,
    BlobNotWhole,
    BlobNotYours,
    BlobOffset,
    BlobQuota,
    BlobTooLarge,
    NoRoomForBlobs,
)
from hotline.hub.settings import AttachmentTable
from hotline.hub.thread import Thread, may_see
from hotline.store import hub as t
from hotline.store.engine import Store
from protocols.encoding import Malformed, b64u, unb64u
from protocols.frames import AskBlob, BlobTicket
from protocols.mandate import OutOfMandate, VerifiedMandate

PIECE = 64 * 1024
"""Bytes read or written at once."""
FLUSH = 8 << 20
"""Bytes after which what has arrived is brought to the disk, so that a crash costs no more than that."""
TICKET_LASTS = 600_000
"""ms in which a transfer must begin; one that has begun goes on."""
CHECK = 1 << 20
"""Bytes after which the hub looks again whether the reader is still a member."""
MIB = 1 << 20


class Source(Protocol):
    """What a file is read from: an aiohttp request's ``content``."""

    async def readany(self) -> bytes:
        """What has come; ``b""`` at the end."""
        ...


class Ticket(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a ticket lets its station do until ``until`` (ms UTC)."""

    station: str
    office: str
    thread: str
    blob: str
    size: int
    way: Literal["put", "get"]
    until: int


@dataclass(frozen=True, slots=True)
class Blobs:
    """The files of one hub. ``folder`` None: it keeps none. ``key``: for tickets, the same at all hubs of one store."""

    store: Store
    folder: Path | None
    settings: AttachmentTable
    key: bytes
    directory: Directory
    thread: Callable[[str], Thread | None]
    now: Callable[[], int]
    running: Counter[str]

    # -- over the line ------------------------------------------------------------------------------------------------

    async def ask(self, mandate: VerifiedMandate, asked: AskBlob) -> BlobTicket:
        """A ticket for a member of the thread.

        Raises `BlobNotYours`, and to hand over a file `BlobTooLarge`, `BlobQuota` and `NoRoomForBlobs`; to have one
        `BlobNotWhole`.
        """
        self._require(mandate.kid, mandate.office, asked.thread)
        if self.folder is None or not self.settings.largest:
            raise NoRoomForBlobs("this hub keeps no files")
        if asked.way == "put":
            have = await self._announce(self.folder, mandate, asked)
        else:
            have = await self._whole(asked)
        until = self.now() + TICKET_LASTS
        ticket = Ticket(mandate.kid, mandate.office, asked.thread, asked.blob, asked.size, asked.way, until)
        return BlobTicket(asked.ref, self._sign(ticket), have, until)

    async def _whole(self, asked: AskBlob) -> int:
        async with self.store.read() as connection:
            row = (await connection.execute(_row(asked.thread, asked.blob))).first()
        if row is None or row.size != asked.size:
            raise BlobNotYours("no such file")
        if not row.whole:
            raise BlobNotWhole(asked.blob)
        return int(row.size)

    async def _announce(self, folder: Path, mandate: VerifiedMandate, asked: AskBlob) -> int:
        if asked.size > self.settings.largest * MIB:
            raise BlobTooLarge(f"{asked.size} bytes")
        part = folder / asked.thread / f"{asked.blob}.part"
        have = await asyncio.to_thread(_length, part)
        free = await asyncio.to_thread(_free, folder)
        async with self.store.write() as connection:
            row = (await connection.execute(_row(asked.thread, asked.blob))).first()
            if row is not None and row.size != asked.size:
                raise BlobNotYours("announced with another size")
            if row is not None and row.whole:
                return asked.size
            if free - (asked.size - have) < self.settings.spare * MIB:
                raise NoRoomForBlobs(f"{free} bytes are free")
            if row is None:
                await self._drop_stale(folder, connection)
                await self._check_quota(connection, mandate.office, asked)
                values = {"office": mandate.office, "station": mandate.kid, "size": asked.size, "at": self.now()}
                await connection.execute(
                    sa.insert(t.blobs).values(thread=asked.thread, blob=asked.blob, whole=False, **values)
                )
        return have

    async def _check_quota(self, connection: AsyncConnection, office: str, asked: AskBlob) -> None:
        for what, column, value, most in (
            ("thread", t.blobs.c.thread, asked.thread, self.settings.thread),
            ("office", t.blobs.c.office, office, self.settings.office),
        ):
            found = await connection.execute(sa.select(sa.func.sum(t.blobs.c.size)).where(column == value))
            if int(found.scalar() or 0) + asked.size > most * MIB:
                raise BlobQuota(what)

    async def _drop_stale(self, folder: Path, connection: AsyncConnection) -> None:
        """Forget what was announced and of which nothing has come for long."""
        before = self.now() - int(self.settings.unfinished * 1000)
        old = sa.and_(t.blobs.c.whole.is_(False), t.blobs.c.at < before)
        for row in (await connection.execute(sa.select(t.blobs).where(old))).all():
            part = folder / row.thread / f"{row.blob}.part"
            if await asyncio.to_thread(_drop_if_idle, part, self.settings.unfinished):
                await connection.execute(sa.delete(t.blobs).where(*_key(row.thread, row.blob)))

    # -- over HTTP ----------------------------------------------------------------------------------------------------

    def open_ticket(self, text: str, way: Literal["put", "get"]) -> Ticket:
        """The ticket in an ``Authorization`` header, if its station may still do ``way``. Raises `BadTicket`,
        `BlobNotYours`."""
        body, _, mac = text.partition(".")
        try:
            data = unb64u(body)
            if not hmac.compare_digest(self._mac(data), unb64u(mac, size=32)):
                raise BadTicket("not of this hub")
            ticket = msgspec.json.decode(data, type=Ticket)
        except (Malformed, msgspec.DecodeError) as error:
            raise BadTicket("not a ticket") from error
        if ticket.way != way or ticket.until <= self.now():
            raise BadTicket("for another use, or too old")
        self._require(ticket.station, ticket.office, ticket.thread)
        return ticket

    async def take(self, ticket: Ticket, offset: int, source: Source) -> int:
        """Write what comes, from ``offset`` on; how many bytes are here afterwards. All of them: the file is whole.

        Raises `BlobNotYours`, `BlobOffset`, `BlobBusy`, `BlobTooLarge`, `BlobDiffers`, `TimeoutError` where nothing comes,
        and what reading raises; what had come before stays.
        """
        if self.folder is None:
            raise NoRoomForBlobs("this hub keeps no files")
        async with self.store.read() as connection:
            row = (await connection.execute(_row(ticket.thread, ticket.blob))).first()
        if row is None or row.size != ticket.size:
            raise BlobNotYours("not announced")
        if row.whole:
            return ticket.size
        final = self.folder / ticket.thread / ticket.blob
        part = final.with_name(f"{ticket.blob}.part")
        with self._one_of(ticket.station):
            handle = await asyncio.to_thread(_lock, part)
            try:
                have = await self._write(handle, ticket, offset, source)
                if have == ticket.size:
                    await asyncio.to_thread(_finish, handle, part, final, ticket.blob)
                    async with self.store.write() as connection:
                        await connection.execute(
                            sa.update(t.blobs).where(*_key(ticket.thread, ticket.blob)).values(whole=True)
                        )
                return have
            finally:
                os.close(handle)

    async def _write(self, handle: int, ticket: Ticket, offset: int, source: Source) -> int:
        have = os.fstat(handle).st_size
        if have > ticket.size:  # never written by this program
            os.ftruncate(handle, 0)
            have = 0
        if offset != have:
            raise BlobOffset(have)
        flushed = checked = have
        try:
            while have < ticket.size:
                async with asyncio.timeout(self.settings.idle):
                    data = await source.readany()
                if not data:
                    break
                if have + len(data) > ticket.size:
                    raise BlobTooLarge("more than was announced")
                await asyncio.to_thread(_put, handle, have, data)
                have += len(data)
                if have - flushed >= FLUSH:
                    await asyncio.to_thread(os.fsync, handle)
                    flushed = have
                if have - checked >= CHECK:
                    self._require(ticket.station, ticket.office, ticket.thread)
                    checked = have
        finally:
            await asyncio.to_thread(os.fsync, handle)
        return have

    async def give(self, ticket: Ticket, offset: int) -> AsyncGenerator[bytes, None]:
        """The bytes of a whole file from ``offset`` on. Raises `BlobNotYours`, also in the middle, `BlobOffset`,
        `BlobBusy`."""
        if self.folder is None:
            raise NoRoomForBlobs("this hub keeps no files")
        if not 0 <= offset < ticket.size:
            raise BlobOffset(ticket.size)
        with self._one_of(ticket.station):
            path = self.folder / ticket.thread / ticket.blob
            try:
                handle = await asyncio.to_thread(os.open, path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError as error:
                raise BlobNotYours("the file is gone") from error
            try:
                checked = offset
                while offset < ticket.size:
                    data = await asyncio.to_thread(os.pread, handle, min(PIECE, ticket.size - offset), offset)
                    if not data:
                        raise BlobNotYours("the file is shorter than it was")
                    yield data
                    offset += len(data)
                    if offset - checked >= CHECK:
                        self._require(ticket.station, ticket.office, ticket.thread)
                        checked = offset
            finally:
                os.close(handle)

    # -- small parts --------------------------------------------------------------------------------------------------

    def _require(self, station: str, office: str, thread: str) -> None:
        """Raises `BlobNotYours` unless the station is a member of the thread now, under a mandate in force now."""
        found = self.thread(thread)
        membership = None if found is None else may_see(found, station)
        if membership is None or membership.left is not None:
            raise BlobNotYours("no member")
        try:
            current_station(self.directory.book, station, office, self.now())
        except OutOfMandate as error:
            raise BlobNotYours("no mandate") from error

    @contextmanager
    def _one_of(self, station: str) -> Iterator[None]:
        if self.running[station] >= self.settings.transfers:
            raise BlobBusy("too many at once")
        self.running[station] += 1
        try:
            yield
        finally:
            self.running[station] -= 1
            if not self.running[station]:
                del self.running[station]

    def _mac(self, data: bytes) -> bytes:
        return hmac.digest(self.key, data, "sha256")

    def _sign(self, ticket: Ticket) -> str:
        data = msgspec.json.encode(ticket)
        return f"{b64u(data)}.{b64u(self._mac(data))}"


def ticket_key(sign: bytes) -> bytes:
    """From the hub's signing seed, which all hubs of one store have, the key of its tickets."""
    return hmac.digest(sign, b"hotline-attachment-ticket/v1", "sha256")


def _key(thread: str, blob: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return t.blobs.c.thread == thread, t.blobs.c.blob == blob


def _row(thread: str, blob: str) -> sa.Select[tuple[object, ...]]:
    return sa.select(t.blobs).where(*_key(thread, blob))


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _free(folder: Path) -> int:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return shutil.disk_usage(folder).free


def _lock(part: Path) -> int:
    """The part, open, and nobody else's: also no other hub's that shares the folder. Raises `BlobBusy`."""
    part.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever had it may have finished it in between: then this is no part any more, or another file of that name.
        if not part.exists() or os.fstat(handle).st_ino != part.stat().st_ino:
            raise BlobBusy("just finished")
    except BlockingIOError as error:
        os.close(handle)
        raise BlobBusy("another transfer writes it") from error
    except BaseException:
        os.close(handle)
        raise
    return handle


def _put(handle: int, at: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(handle, view, at)
        at, view = at + written, view[written:]


def _finish(handle: int, part: Path, final: Path, blob: str) -> None:
    """Give a part its name, if its bytes have that hash; throw them away if not (`BlobDiffers`)."""
    state, at = hashlib.sha256(), 0
    while data := os.pread(handle, PIECE, at):
        state.update(data)
        at += len(data)
    if b64u(state.digest()) != blob:
        os.ftruncate(handle, 0)
        raise BlobDiffers(blob)
    part.replace(final)
    folder = os.open(final.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _drop_if_idle(part: Path, seconds: float) -> bool:
    """Remove a part to which nothing came for so long. By the disk's own clock: the hub's may be ahead of it."""
    try:
        if time.time() - part.stat().st_mtime < seconds:
            return False
        part.unlink()
    except FileNotFoundError:
        return True
    return True


__all__ = ["Blobs", "Source", "Ticket", "ticket_key"]
