"""Sealed files of the threads, kept by the hub, which has a key to none of them.

A station announces a file over the line (`AskBlob`) and gets a ticket for HTTP; only members of the thread get one, and
each use of it asks again whether they still are. A file is named by the SHA-256 of its ciphertext and lies at
``<thread>/<blob>`` once all of it is there and has that hash; before, at ``<thread>/<blob>.part``, from whose length
the transfer goes on after any interruption. What is announced counts against the thread's and the office's quota at once,
so that many begun transfers cannot fill the disk together. A transfer holds at most two pieces of `PIECE` bytes in memory.

Which entry binds a file the hub cannot see, for it stands in the sealed body. Stations say that one does (``keep``), and
whoever asks for a file that another office handed over can know of it from an entry only. What nobody has said so of is
dropped after a while (`AttachmentTable.unbound`); a station that sends an entry later hands the file over again.

Hubs that share a store share the folder. A mark in both says that they belong together (`agree`): a hub with another folder, or
before whose folder the disk is not mounted, takes and gives no files and does not start.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Protocol

import msgspec
import sqlalchemy as sa
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from hotline.hashed import PIECE, holds
from hotline.hub import blob_folder
from hotline.hub.blob_mark import agree
from hotline.hub.directory import Directory, current_station
from hotline.hub.errors import (
    BadTicket,
    BlobBusy,
    BlobNotWhole,
    BlobNotYours,
    BlobOffset,
    BlobQuota,
    BlobTooLarge,
    NoRoomForBlobs,
)
from hotline.hub.metrics import Metrics
from hotline.hub.settings import AttachmentTable
from hotline.hub.thread import Thread, may_see
from hotline.store import hub as t
from hotline.store.engine import Store
from protocols.encoding import Malformed, b64u, unb64u
from protocols.errors import ProtocolError
from protocols.frames import AskBlob, BlobTicket
from protocols.mandate import OutOfMandate, VerifiedMandate

_LOG = structlog.get_logger("hotline.hub.blobs")
FLUSH = 8 << 20
"""Bytes after which what has arrived is brought to the disk, so that a crash costs no more than that."""
TICKET_LASTS = 600_000
"""ms in which a transfer must begin; one that has begun goes on."""
CHECK = 1 << 20
"""Bytes after which the hub looks again whether the reader is still a member."""
MIB = 1 << 20
LOOK = 60.0
"""Seconds between two looks at the folder and at what is to be dropped."""


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


class Blobs:
    """The files of one hub. ``folder`` None: it keeps none. ``key``: for tickets, the same at all hubs of one store."""

    def __init__(
        self,
        store: Store,
        folder: Path | None,
        settings: AttachmentTable,
        key: bytes,
        directory: Directory,
        thread: Callable[[str], Thread | None],
        now: Callable[[], int],
        metrics: Metrics,
    ) -> None:
        self.store, self.folder, self.settings, self.key = store, folder, settings, key
        self.directory, self.thread, self.now, self.metrics = directory, thread, now, metrics
        self.running: Counter[str] = Counter()
        self.problem = ""
        """Why no files are taken or given though they should be, in words; "" where nothing is the matter."""
        self._mark = ""

    async def agree(self) -> None:
        """Before the start: make sure that all hubs of a store that is shared have the same folder. Raises `HubNotReady`."""
        if self.folder is None or not self.settings.largest or not self.store.shared:
            return
        self._mark = await agree(self.store, self.folder)

    async def run(self) -> None:
        """Look at the folder, drop what nobody needs, and count, for ever."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK)

    async def look(self) -> None:
        """Once. Raises nothing: a hub without its files still carries messages, and says so (`problem`)."""
        folder = self.folder
        if folder is None or not self.settings.largest:
            return
        try:
            await self._require_folder(folder)
            async with self.store.write() as connection:
                await self._drop_stale(folder, connection)
            await self._measure(folder)
        except NoRoomForBlobs as error:
            _LOG.error("no files", code=error.code, detail=error.detail)
        except (SQLAlchemyError, OSError) as error:
            self.problem = "its folder or its rows in the store cannot be used"
            _LOG.error("files not looked at", error=type(error).__name__)
        else:
            self.problem = ""

    async def _measure(self, folder: Path) -> None:
        b = t.blobs.c
        bound = b.bound.is_not(None)
        query = sa.select(b.whole, bound.label("bound"), sa.func.sum(b.size).label("size")).group_by(b.whole, bound)
        sizes = dict.fromkeys(("bound", "unbound", "coming"), 0)
        async with self.store.read() as connection:
            for row in await connection.execute(query):
                sizes["coming" if not row.whole else "bound" if row.bound else "unbound"] += int(row.size)
        for state, size in sizes.items():
            self.metrics.file_stored.labels(state).set(size)
        self.metrics.file_disk_free.set(await asyncio.to_thread(blob_folder.free, folder))

    async def _require_folder(self, folder: Path) -> None:
        """Raises `NoRoomForBlobs` where the folder is not the one that all hubs use: its disk is not mounted any more."""
        if not self._mark:
            return
        found = await asyncio.to_thread(blob_folder.read_mark, folder)
        if found != self._mark:
            self.problem = "its folder is not the one that the store's hubs share: is the disk mounted?"
            raise NoRoomForBlobs("the folder of files is not there")

    # -- over the line ------------------------------------------------------------------------------------------------

    async def ask(self, mandate: VerifiedMandate, asked: AskBlob) -> BlobTicket:
        """A ticket for a member of the thread.

        Raises `BlobNotYours`, and to hand over a file `BlobTooLarge`, `BlobQuota` and `NoRoomForBlobs`; to have one, or to have
        it kept, `BlobNotWhole`.
        """
        try:
            return await self._ask(mandate, asked)
        except ProtocolError as error:
            self.metrics.file_refusals.labels(error.code).inc()
            raise

    async def _ask(self, mandate: VerifiedMandate, asked: AskBlob) -> BlobTicket:
        self._require(mandate.kid, mandate.office, asked.thread)
        folder = self.folder
        if folder is None or not self.settings.largest:
            raise NoRoomForBlobs("this hub keeps no files")
        await self._require_folder(folder)
        if asked.way == "put":
            have = await self._announce(folder, mandate, asked)
        else:
            have = await self._whole(folder, mandate, asked)
        if asked.way == "keep":
            return BlobTicket(asked.ref, "", have, 0)
        until = self.now() + TICKET_LASTS
        ticket = Ticket(mandate.kid, mandate.office, asked.thread, asked.blob, asked.size, asked.way, until)
        return BlobTicket(asked.ref, self._sign(ticket), have, until)

    async def _whole(self, folder: Path, mandate: VerifiedMandate, asked: AskBlob) -> int:
        async with self.store.read() as connection:
            row = (await connection.execute(_row(asked.thread, asked.blob))).first()
        if row is None or row.size != asked.size:
            raise BlobNotYours("no such file")
        there = await asyncio.to_thread(blob_folder.length, folder / asked.thread / asked.blob) == asked.size
        if row.whole and not there:
            await self._lost(asked.thread, asked.blob)
        if not there or not (row.whole or await self._found_again(folder, asked.thread, asked.blob, asked.size)):
            raise BlobNotWhole(asked.blob)
        # The name of a file that another office handed over stands in an entry's body, and nowhere else.
        if row.bound is None and (asked.way == "keep" or row.office != mandate.office):
            async with self.store.write() as connection:
                bind = sa.update(t.blobs).where(*_key(asked.thread, asked.blob), t.blobs.c.whole.is_(True))
                if not (await connection.execute(bind.values(bound=self.now()))).rowcount:
                    raise BlobNotYours("dropped in this moment")
        return int(row.size)

    async def _lost(self, thread: str, blob: str) -> None:
        """A whole file is not in the folder any more: whoever has it may hand it over again."""
        _LOG.error("a file is gone from the folder")
        async with self.store.write() as connection:
            await connection.execute(sa.update(t.blobs).where(*_key(thread, blob)).values(whole=False, at=self.now()))

    async def _found_again(self, folder: Path, thread: str, blob: str, size: int) -> bool:
        """A file that the store does not list as whole is there all the same: this process was killed between the two, or the
        disk was away for a while. One with other bytes is removed, so that it is read once and not whenever somebody asks."""
        path = folder / thread / blob
        if not await asyncio.to_thread(holds, path, blob, size):
            _LOG.error("a file is other bytes than its name says: removed")
            await asyncio.to_thread(path.unlink, missing_ok=True)
            return False
        async with self.store.write() as connection:
            whole = sa.update(t.blobs).where(*_key(thread, blob)).values(whole=True, at=self.now())
            return bool((await connection.execute(whole)).rowcount)

    async def _announce(self, folder: Path, mandate: VerifiedMandate, asked: AskBlob) -> int:
        if asked.size > self.settings.largest * MIB:
            raise BlobTooLarge(f"{asked.size} bytes")
        final = folder / asked.thread / asked.blob
        have = await asyncio.to_thread(blob_folder.length, final.with_name(f"{asked.blob}.part"))
        there = await asyncio.to_thread(blob_folder.length, final) == asked.size
        free = await asyncio.to_thread(blob_folder.free, folder)
        if there:
            async with self.store.read() as connection:
                known = (await connection.execute(_row(asked.thread, asked.blob))).first()
            if known is not None and not known.whole and known.size == asked.size:
                there = await self._found_again(folder, asked.thread, asked.blob, asked.size)
        async with self.store.write() as connection:
            row = (await connection.execute(_row(asked.thread, asked.blob))).first()
            if row is not None and row.size != asked.size:
                raise BlobNotYours("announced with another size")
            if row is not None and row.whole:
                if there:
                    return asked.size
                _LOG.error("a file is gone from the folder")
                lost = sa.update(t.blobs).where(*_key(asked.thread, asked.blob))
                await connection.execute(lost.values(whole=False, at=self.now()))
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
        """Forget what was announced and of which nothing has come for long, and what came and nothing binds."""
        b, now = t.blobs.c, self.now()
        # A file that is bound is waited for as long as it takes: somebody may yet hand it over again.
        idle = sa.and_(b.whole.is_(False), b.bound.is_(None), b.at < now - int(self.settings.unfinished * 1000))
        for row in (await connection.execute(sa.select(t.blobs).where(idle))).all():
            part = folder / row.thread / f"{row.blob}.part"
            if await asyncio.to_thread(blob_folder.drop_if_idle, part, self.settings.unfinished):
                await connection.execute(sa.delete(t.blobs).where(*_key(row.thread, row.blob)))
                self.metrics.file_dropped.labels("unfinished").inc()
        unbound = sa.and_(b.whole.is_(True), b.bound.is_(None), b.at < now - int(self.settings.unbound * 1000))
        for row in (await connection.execute(sa.select(t.blobs).where(unbound))).all():
            # Should what follows not be committed: a row without its file is found out when it is asked for.
            await asyncio.to_thread((folder / row.thread / row.blob).unlink, missing_ok=True)
            await connection.execute(sa.delete(t.blobs).where(*_key(row.thread, row.blob)))
            self.metrics.file_dropped.labels("unbound").inc()
            _LOG.info("file dropped that nothing binds", office=row.office, bytes=row.size)

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
        await self._require_folder(self.folder)
        async with self.store.read() as connection:
            row = (await connection.execute(_row(ticket.thread, ticket.blob))).first()
        if row is None or row.size != ticket.size:
            raise BlobNotYours("not announced")
        if row.whole:
            return ticket.size
        final = self.folder / ticket.thread / ticket.blob
        part = final.with_name(f"{ticket.blob}.part")
        began = time.monotonic()
        with self._one_of(ticket):
            handle = await asyncio.to_thread(blob_folder.lock, part)
            try:
                have = await self._write(handle, ticket, offset, source)
                if have == ticket.size:
                    await asyncio.to_thread(blob_folder.finish, handle, part, final, ticket.blob)
                    async with self.store.write() as connection:
                        whole = sa.update(t.blobs).where(*_key(ticket.thread, ticket.blob))
                        await connection.execute(whole.values(whole=True, at=self.now()))
            finally:
                os.close(handle)
        seconds = round(time.monotonic() - began, 1)
        _LOG.info("file taken", office=ticket.office, bytes=have - offset, whole=have == ticket.size, seconds=seconds)
        return have

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
                await asyncio.to_thread(blob_folder.put, handle, have, data)
                have += len(data)
                self.metrics.file_bytes.labels("up").inc(len(data))
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
        await self._require_folder(self.folder)
        began, start = time.monotonic(), offset
        with self._one_of(ticket):
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
                    self.metrics.file_bytes.labels("down").inc(len(data))
                    if offset - checked >= CHECK:
                        self._require(ticket.station, ticket.office, ticket.thread)
                        checked = offset
            finally:
                os.close(handle)
        seconds = round(time.monotonic() - began, 1)
        _LOG.info("file given", office=ticket.office, bytes=offset - start, seconds=seconds)

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
    def _one_of(self, ticket: Ticket) -> Iterator[None]:
        station, running = ticket.station, self.metrics.file_transfers.labels("up" if ticket.way == "put" else "down")
        if self.running[station] >= self.settings.transfers:
            raise BlobBusy("too many at once")
        self.running[station] += 1
        running.inc()
        try:
            yield
        finally:
            running.dec()
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


__all__ = ["Blobs", "Source", "Ticket", "ticket_key"]
