"""Files that go with entries, at the station: sealed when they are chosen, handed over and fetched in the background.

A file lies here as ciphertext only, under its own key, and that key under the station's. ``<blob>`` is whole and checked;
``<blob>.part`` is on its way here; ``new-*`` is being sealed and worth nothing after a stop. What is known of each file is
in the store (`Record`), so that a transfer goes on where it was after a cut line, a reload, or a kill. Messages do not wait
for their files: a file is announced to the hub first, which keeps its place, and is carried while the talk goes on. The hub
cannot see which entry binds which file, and drops in the end what none does: it is told once the entry is in the log.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from hotline.station.carrier import Carrier, CarryFailed, WrongBytes
from hotline.station.core import Core, log
from hotline.station.errors import FileNotHere, FilesRefused, HubImposter, LineBroken
from hotline.station.model import Thread
from hotline.station.views import FileView
from protocols import frames
from protocols.attachment import (
    ATTACHMENTS,
    CHUNK,
    KEY,
    MAX_ATTACHMENT,
    Attachment,
    AttachmentDamaged,
    OpenStream,
    SealStream,
    attachments_of,
)
from protocols.encoding import b64u
from protocols.errors import ProtocolError

State = Literal["waiting", "announced", "whole", "refused"]
SPARE = 256 << 20
"""Bytes that stay free on this station's disk, for its store."""
PASSING = frozenset(
    {"attachment.not-whole", "attachment.offset", "attachment.busy", "attachment.differs", "attachment.ticket"}
)
"""Codes after which a transfer is tried again by itself."""
TELL = 1 << 20
"""Bytes after which pages are told how far a transfer is."""
GONE = "attachment.not-yours"
AGAIN = 600_000
"""ms after which a line that comes back is a reason to ask anew whether the hub has our files."""
AT_ONCE = 5
"""Files of which that is asked in one turn."""
CORRUPT_TRIES = 3
PLACE = "attachment/"


class Record(msgspec.Struct, forbid_unknown_fields=True):
    """One file as this station knows it. ``way``: "put" for our own. ``officer``: who attached or fetched it; ``at``: when
    (ms UTC). ``code``, ``sentence``: why it is not carried, or not yet. ``kept``: the hub knows that an entry binds it."""

    thread: str
    way: Literal["put", "get"]
    file: Attachment
    officer: str
    at: int
    state: State = "waiting"
    code: str = ""
    sentence: str = ""
    kept: bool = False


class Attachments:
    """The files of one station. `load` once, then `run` until cancelled."""

    def __init__(
        self,
        core: Core,
        folder: Path,
        send: Callable[[frames.Frame], Awaitable[None]],
        ref: Callable[[], int],
    ) -> None:
        self._core, self._folder, self._send, self._ref = core, folder, send, ref
        self._records: dict[str, Record] = {}
        self._have: dict[str, int] = {}
        self._wake = {"put": asyncio.Event(), "get": asyncio.Event()}
        self._asked: dict[int, asyncio.Future[frames.BlobTicket]] = {}
        self._wrong: dict[str, int] = {}
        self._searched: dict[str, int] = {}
        self._again: deque[str] = deque()
        self._asked_again = -AGAIN

    async def load(self) -> None:
        """Read what is known, and clear away what a stop left half sealed."""
        core = self._core
        for name, sealed in await core.store.sealed_like(PLACE):
            record = msgspec.convert(core.vault.open_json(name, sealed), Record)
            self._records[name.removeprefix(PLACE)] = record
        await asyncio.to_thread(self._tidy)

    def _tidy(self) -> None:
        for path in self._folder.glob("new-*"):
            path.unlink()
        for blob, record in self._records.items():
            part = self._folder / f"{blob}.part"
            if record.way == "get" and record.state != "whole" and part.exists():
                self._have[blob] = part.stat().st_size

    # -- what officers do ---------------------------------------------------------------------------------------------

    async def attach(self, officer: str, thread: str, name: str, type_: str, source: AsyncIterator[bytes]) -> FileView:
        """Seal a file as it comes, to go with something that is written in ``thread``.

        Raises `FileNotHere` for a thread this station cannot write in, `AttachmentTooLarge`, `FilesRefused` where the disk is
        full, and what ``source`` raises; nothing is kept then.
        """
        core = self._core
        self._member(thread)
        if await asyncio.to_thread(_free, self._folder) < SPARE + MAX_ATTACHMENT:
            raise FilesRefused("station.disk-full", "The disk of this station is nearly full. Nothing was attached.")
        stream = SealStream(core.rng(KEY), thread)
        path = self._folder / f"new-{core.rng(12).hex()}"
        handle = await asyncio.to_thread(os.open, path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            async for data in source:
                await asyncio.to_thread(_write, handle, stream.push, data)
            await asyncio.to_thread(_write, handle, lambda _: stream.end(), b"")
            await asyncio.to_thread(os.fsync, handle)
            file = stream.attachment(name, type_)
            await asyncio.to_thread(_rename, path, self._folder / file.blob)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(handle)
        await self._keep(Record(thread, "put", file, officer, core.now()))
        self._wake["put"].set()
        return self._view(file, self._records[file.blob])

    async def drop(self, thread: str, blob: str) -> None:
        """Take back a file that went with nothing yet. The hub gives its place free when nothing more comes of it."""
        record = self._records.get(blob)
        if record is None or record.thread != thread or record.way != "put" or self._said(thread, blob):
            raise FileNotHere(blob[:43])
        async with self._core.store.change() as change:
            await change.drop_sealed(PLACE + blob)
        self._records.pop(blob, None)
        await asyncio.to_thread((self._folder / blob).unlink, missing_ok=True)

    def fields(self, thread: str, blobs: Sequence[str]) -> dict[str, Any]:
        """The body's fields for files attached before. Raises `FilesRefused` where the hub has not kept a place for one."""
        if len(blobs) > len(ATTACHMENTS):
            raise FilesRefused("attachment.too-many", f"One message takes {len(ATTACHMENTS)} files. Nothing was sent.")
        found: dict[str, Any] = {}
        for name, blob in zip(ATTACHMENTS, dict.fromkeys(blobs), strict=False):
            record = self._records.get(blob)
            if record is None or record.thread != thread or record.way != "put":
                raise FileNotHere(blob[:43])
            if record.state in ("waiting", "refused"):
                said = record.sentence or "The hub has not kept a place for it yet; the line may be down."
                raise FilesRefused(
                    record.code or "attachment.not-announced",
                    f"The file {record.file.name} cannot go with it: {said} Nothing was sent. Wait, or take the file off.",
                )
            found[name] = msgspec.to_builtins(record.file)
        return found

    async def fetch(self, officer: str, thread: str, blob: str) -> FileView:
        """Have a file of an entry brought here. Raises `FileNotHere`."""
        known = self._records.get(blob)
        if known is None or known.state == "refused":
            file = self._said(thread, blob)
            if file is None or (known is not None and known.way == "put"):
                raise FileNotHere(blob[:43])
            known = Record(thread, "get", file, officer, self._core.now())
            await self._keep(known)
            await self._core.record("file", f"{self._who(officer)} has the file {file.name} fetched.", thread=thread)
        if known.thread != thread:
            raise FileNotHere(blob[:43])
        self._wake["get"].set()
        return self._view(known.file, known)

    async def read(self, officer: str, thread: str, blob: str) -> tuple[Attachment, AsyncGenerator[bytes, None]]:
        """A whole file and its plaintext, chunk by chunk; each chunk is checked again. Raises `FileNotHere`, and
        `AttachmentDamaged` in the middle where somebody changed it on this disk."""
        record = self._records.get(blob)
        if record is None or record.thread != thread or not self._here(blob, record):
            raise FileNotHere(blob[:43])
        await self._core.record("file", f"{self._who(officer)} saved the file {record.file.name}.", thread=thread)
        return record.file, self._plain(record)

    def views(self, thread: str) -> dict[str, FileView]:
        """The files of a thread by blob: those of its entries, and ours that go with none yet."""
        found: dict[str, FileView] = {}
        for held in self._thread(thread).held:
            for file in _files(held.fields):
                found[file.blob] = self._view(file, self._records.get(file.blob))
        for blob, record in self._records.items():
            if record.thread == thread and blob not in found:
                found[blob] = self._view(record.file, record)
        return found

    # -- the line -----------------------------------------------------------------------------------------------------

    def up(self) -> None:
        """The line stands: go on. The hub may be another one than before, or an older one: what it keeps is asked again."""
        now = self._core.clock.now()
        if now - self._asked_again >= AGAIN:
            self._asked_again = now
            kept = (each for each in self._records.values() if each.way == "put" and each.kept)
            self._again = deque(each.file.blob for each in sorted(kept, key=lambda each: each.at, reverse=True))
        for event in self._wake.values():
            event.set()

    def lost(self) -> None:
        """The line is down: no ticket comes any more."""
        for asked in self._asked.values():
            if not asked.done():
                asked.set_exception(LineBroken("the line broke"))
        self._asked.clear()

    def ticketed(self, frame: frames.BlobTicket) -> None:
        asked = self._asked.pop(frame.ref, None)
        if asked is not None and not asked.done():
            asked.set_result(frame)

    def refused(self, frame: frames.Refused) -> bool:
        """Whether this was an answer to us."""
        asked = self._asked.pop(frame.ref, None)
        if asked is None:
            return False
        if not asked.done():
            asked.set_exception(CarryFailed(frame.code, frame.sentence))
        return True

    async def run(self) -> None:
        """Carry what there is to carry, one file each way at a time, until cancelled."""
        async with Carrier(self._core) as carrier:
            await asyncio.gather(self._run("put", carrier), self._run("get", carrier))

    async def _run(self, way: Literal["put", "get"], carrier: Carrier) -> None:
        wake = self._wake[way]
        while True:
            wake.clear()
            if self._core.line.state == "live":
                for blob, record in list(self._records.items()):
                    if record.way == way and record.state in ("waiting", "announced"):
                        await self._try(carrier, blob, record)
                    elif way == "put" and record.state == "whole" and not record.kept and self._bound(blob, record):
                        await self._keep_there(record)
                if way == "put":
                    await self._ask_again()
            try:
                async with asyncio.timeout(self._core.identity.settings.duty.tick):
                    await wake.wait()
            except TimeoutError:
                continue

    async def _try(self, carrier: Carrier, blob: str, record: Record) -> None:
        try:
            ticket = await self._ticket(record)
            if record.state == "waiting":
                await self._mark(record, "announced")
            if record.way == "put":
                await self._put(carrier, record, ticket)
            else:
                await self._get(carrier, record, ticket)
        except CarryFailed as error:
            if error.refusal in PASSING:
                await self._mark(record, record.state, error.refusal, error.said)
            else:
                await self._mark(record, "refused", error.refusal, error.said)
                words = f"The file {record.file.name} was not carried: {error.said} [{error.refusal}]"
                await self._core.record("file", words[:2000], thread=record.thread, alarm=record.way == "put")
        except LineBroken as error:
            log.info("file waits", detail=error.detail)
        except HubImposter as error:
            await self._core.alarm("line", error.sentence)
        except (OSError, SQLAlchemyError) as error:
            log.error("file not carried", error=type(error).__name__)
            await self._mark(record, record.state, "station.disk", "This station could not read or write the file.")

    def _bound(self, blob: str, record: Record) -> bool:
        """Whether an entry of the log binds a file of ours. Each entry is looked at once."""
        thread = self._core.threads.get(record.thread)
        if thread is None:
            return False
        held, start = thread.held, self._searched.get(blob, 0)
        if start > len(held):
            start = 0  # the thread was replayed anew
        for at in range(start, len(held)):
            if any(file.blob == blob for file in _files(held[at].fields)):
                self._searched[blob] = at
                return True
        self._searched[blob] = len(held)
        return False

    async def _ask_again(self) -> None:
        """A few of our files at a time, the newest first: the rest of the line has the right of way."""
        for _ in range(min(AT_ONCE, len(self._again))):
            record = self._records.get(self._again.popleft())
            if record is not None and record.state == "whole" and self._core.line.state == "live":
                await self._keep_there(record)

    async def _keep_there(self, record: Record) -> None:
        """Tell the hub that an entry binds a file; hand it over again where the hub dropped it meanwhile."""
        try:
            await self._ticket(record, "keep")
        except CarryFailed as error:
            if error.refusal not in (GONE, "attachment.not-whole"):
                await self._mark(record, "whole", error.refusal, error.said)
                return
            thread = self._core.threads.get(record.thread)
            state = None if thread is None else thread.state
            if state is not None and self._core.identity.kid in state.roster:
                log.info("the hub has a file no more: handed over again")
                await self._mark(record, "waiting")
                self._searched.pop(record.file.blob, None)
                self._wake["put"].set()
            else:
                await self._mark(record, "whole", kept=True)  # we left the thread: nobody there waits for us
        except LineBroken as error:
            log.info("file waits", detail=error.detail)
        else:
            self._searched.pop(record.file.blob, None)
            await self._mark(record, "whole", kept=True)

    async def _ticket(self, record: Record, way: Literal["put", "get", "keep"] | None = None) -> frames.BlobTicket:
        ref = self._ref()
        asked: asyncio.Future[frames.BlobTicket] = asyncio.get_running_loop().create_future()
        self._asked[ref] = asked
        file = record.file
        try:
            await self._send(frames.AskBlob(ref, record.thread, file.blob, file.sealed_size, way or record.way))
            async with asyncio.timeout(self._core.identity.settings.line.silence):
                return await asked
        except TimeoutError:
            raise LineBroken("no answer about a file") from None
        finally:
            self._asked.pop(ref, None)

    async def _put(self, carrier: Carrier, record: Record, ticket: frames.BlobTicket) -> None:
        file = record.file
        if ticket.have < file.sealed_size:
            have = await carrier.put(self._folder / file.blob, file.sealed_size, ticket, self._progress(record))
            if have < file.sealed_size:
                raise LineBroken("the upload ended early")
        await self._mark(record, "whole")

    async def _get(self, carrier: Carrier, record: Record, ticket: frames.BlobTicket) -> None:
        file = record.file
        part = self._folder / f"{file.blob}.part"
        if await asyncio.to_thread(_free, self._folder) < SPARE + file.sealed_size:
            raise CarryFailed("station.disk-full", "The disk of this station is nearly full; the file was not fetched.")
        await carrier.get(part, file.sealed_size, ticket, self._progress(record))
        try:
            await asyncio.to_thread(_check, part, record)
        except WrongBytes:
            self._have.pop(file.blob, None)
            self._wrong[file.blob] = self._wrong.get(file.blob, 0) + 1
            if self._wrong[file.blob] < CORRUPT_TRIES:
                raise CarryFailed(
                    "attachment.differs", "What the hub handed over is another file. It is asked again."
                ) from None
            self._wrong.pop(file.blob)
            raise CarryFailed(AttachmentDamaged.code, AttachmentDamaged("").sentence) from None
        except ProtocolError as error:
            raise CarryFailed(error.code, error.sentence) from error
        await asyncio.to_thread(_rename, part, self._folder / file.blob)
        await self._mark(record, "whole")

    # -- small parts --------------------------------------------------------------------------------------------------

    def _progress(self, record: Record) -> Callable[[int], None]:
        blob, told = record.file.blob, 0

        def moved(have: int) -> None:
            nonlocal told
            self._have[blob] = have
            if have - told >= TELL:
                told = have
                self._core.tell(record.thread, "file")

        return moved

    async def _keep(self, record: Record) -> None:
        core, place = self._core, PLACE + record.file.blob
        async with core.store.change() as change:
            await change.put_sealed(place, core.vault.seal_json(place, msgspec.to_builtins(record)))
        self._records[record.file.blob] = record

    async def _mark(
        self, record: Record, state: State, code: str = "", sentence: str = "", *, kept: bool = False
    ) -> None:
        if (record.state, record.code, record.kept) == (state, code, kept) or record.file.blob not in self._records:
            return
        await self._keep(msgspec.structs.replace(record, state=state, code=code, sentence=sentence, kept=kept))
        # Whoever carries it goes on with what they hold: it must say the same.
        record.state, record.code, record.sentence, record.kept = state, code, sentence, kept
        self._records[record.file.blob] = record
        self._core.tell(record.thread, "file")

    def _thread(self, name: str) -> Thread:
        found = self._core.threads.get(name)
        if found is None:
            raise FileNotHere(name[:22])
        return found

    def _member(self, name: str) -> None:
        found = self._thread(name)
        if found.frozen or found.state is None or self._core.identity.kid not in found.state.roster:
            raise FileNotHere("no member")

    def _said(self, thread: str, blob: str) -> Attachment | None:
        """A file as an entry of the thread binds it."""
        held = self._thread(thread).held
        return next((file for each in held for file in _files(each.fields) if file.blob == blob), None)

    def _here(self, blob: str, record: Record) -> bool:
        return record.way == "put" or record.state == "whole"

    def _who(self, officer: str) -> str:
        return self._core.officer_name(officer, self._core.now())

    def _view(self, file: Attachment, record: Record | None) -> FileView:
        if record is None:
            return FileView(file.blob, file.name, file.type, file.size, "get", "known", 0, file.sealed_size)
        have = file.sealed_size if record.state == "whole" else self._have.get(file.blob, 0)
        here = self._here(file.blob, record)
        return FileView(
            file.blob,
            file.name,
            file.type,
            file.size,
            record.way,
            record.state,
            have,
            file.sealed_size,
            here,
            record.sentence,
        )

    async def _plain(self, record: Record) -> AsyncGenerator[bytes, None]:
        stream = OpenStream(record.file, record.thread)
        handle = await asyncio.to_thread(os.open, self._folder / record.file.blob, os.O_RDONLY | os.O_CLOEXEC)
        try:
            while data := await asyncio.to_thread(os.read, handle, CHUNK):
                if plain := await asyncio.to_thread(stream.push, data):
                    yield plain
            yield await asyncio.to_thread(stream.end)
        finally:
            os.close(handle)


def _files(fields: Any) -> tuple[Attachment, ...]:
    return tuple(attachments_of(fields).values()) if fields else ()


def _free(folder: Path) -> int:
    """Bytes free where files lie; the folder is made with the first of them."""
    folder.mkdir(mode=0o700, exist_ok=True)
    return shutil.disk_usage(folder).free


def _write(handle: int, seal: Callable[[bytes], bytes], data: bytes) -> None:
    view = memoryview(seal(data))
    while view:
        view = view[os.write(handle, view) :]


def _rename(path: Path, to: Path) -> None:
    path.replace(to)
    folder = os.open(to.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _check(part: Path, record: Record) -> None:
    """The ciphertext's hash before anything is opened, then every chunk and the plaintext's hash. What fails is removed.

    Raises `WrongBytes`, `AttachmentDamaged`.
    """
    state = hashlib.sha256()
    with part.open("rb") as file:
        while data := file.read(CHUNK):
            state.update(data)
    try:
        if b64u(state.digest()) != record.file.blob:
            raise WrongBytes(record.file.blob)
        stream = OpenStream(record.file, record.thread)
        with part.open("rb") as file:
            while data := file.read(CHUNK):
                stream.push(data)
        stream.end()
    except (WrongBytes, AttachmentDamaged):
        part.unlink()
        raise


__all__ = ["Attachments", "Record"]
