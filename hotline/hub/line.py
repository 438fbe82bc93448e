"""One station's connection: frames in, answers and deliveries out.

Answers wait in a bounded queue; entries do not wait at all: the line remembers only how far each thread was sent and
reads on from the store, so a slow reader costs the hub nothing and one that is cut off resumes by its cursor. Between
any two entries waiting answers go first, and of several threads the one with the most urgent entry.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog
from aiohttp import WSMsgType, web
from msgspec.structs import replace
from sqlalchemy.exc import SQLAlchemyError

from hotline.hub import delivery
from hotline.hub.allowance import Pace
from hotline.hub.commits import Position
from hotline.hub.errors import (
    BadCosignature,
    BehindWitnesses,
    Closing,
    LoginTooSlow,
    NotProvenYet,
    NotStored,
    NotYours,
    OutOfTurn,
    TooFast,
    TooSlow,
    refused,
)
from hotline.hub.flow import InFlight, Outgoing, Touched
from hotline.hub.invitations import concerning, invitations
from hotline.hub.lanes import RANK, Answer
from hotline.hub.outlet import AT_ONCE, Outlet
from hotline.hub.safekeeping import read_own
from hotline.hub.thread import Thread, may_see
from protocols.encoding import Malformed
from protocols.entry import parse_entry
from protocols.errors import ProtocolError
from protocols.frames import (
    MAX_HASHES,
    Accepted,
    Announce,
    AskBlob,
    AskOwn,
    AskTails,
    Caught,
    Claim,
    Claimed,
    Cosign,
    Disagreement,
    Evidence,
    Failed,
    Follow,
    Frame,
    FromStation,
    Hashed,
    Hashes,
    Head,
    Hello,
    Invitation,
    Own,
    Ping,
    Pong,
    Proof,
    Publish,
    Published,
    Recall,
    Recalled,
    Submit,
    TwoHistories,
    decode_from_station,
    encode_frame,
    encode_ready,
)
from protocols.mandate import VerifiedMandate
from protocols.translog import TranslogError, VerifierKey, parse_vkey

if TYPE_CHECKING:
    from hotline.hub.hub import Hub

_LOG = structlog.get_logger("hotline.hub.line")


class Gone(Exception):
    """The other side closed the connection."""


class Line:
    """A logged-in station. Make one with `serve`."""

    def __init__(self, hub: Hub, ws: web.WebSocketResponse, outlet: Outlet, mandate: VerifiedMandate) -> None:
        self._hub, self._ws, self._outlet, self._mandate = hub, ws, outlet, mandate
        self.kid, self.office, self.since = mandate.kid, mandate.office, hub.clock.now()
        self.witness = _witness_keys(mandate, hub)
        self._limits = hub.settings.limits
        self._answers = Outgoing(self._limits.answers, self._limits.answer_bytes)
        self._pace = Pace(self._limits, _monotonic())
        self._wake = asyncio.Event()
        self._cut: ProtocolError | NotStored | None = None
        self._in_flight = InFlight(self._limits.in_flight, self._limits.in_flight_bytes)
        self._following = False
        self._caught = False
        self._cursors = delivery.Cursors()
        self._touched = Touched()
        self._sending = -1
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._rest: dict[str, delivery.Batch] = {}
        """What was read of threads whose delivery something more urgent broke into."""
        self._tails = 0
        self._invited: dict[tuple[str, str, str | None], Invitation] = {}

    # -- what others tell this line; none of these waits ----------------------------------------------------------

    def push(self, frame: Frame) -> None:
        """Queue a frame; a station that lets too many wait is cut off."""
        self.push_bytes(encode_frame(frame))

    def push_bytes(self, data: bytes) -> None:
        """The same with a frame that is encoded already."""
        if self._cut is not None:
            return
        if not self._answers.put(data):
            self._hub.metrics.limited.labels("answers").inc()
            self.cut(TooSlow("answers"))
            return
        self._wake.set()

    def touch(self, threads: Iterable[tuple[str, int]]) -> None:
        """These threads may hold something new: (thread, rank of the most urgent entry)."""
        if self._following:
            for thread, rank in threads:
                self._touched.put(thread, rank)
                if rank < self._sending:
                    self._sending = -1
            self._wake.set()

    def wake(self) -> None:
        """Look whether there is something to send."""
        self._wake.set()

    def cut(self, why: ProtocolError | NotStored) -> None:
        """End the connection, telling the station why where it still reads."""
        if self._cut is None:
            self._cut = why
            self._wake.set()

    # -- running --------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until either side ends it. Raises nothing."""
        hub = self._hub
        reader = asyncio.create_task(self._read(), name=f"read {self.kid}")
        sender = asyncio.create_task(self._send(), name=f"send {self.kid}")
        hub.lines.add(self)
        try:
            await asyncio.wait((reader, sender), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reader, sender):
                task.cancel()
            try:
                for result in await asyncio.gather(reader, sender, return_exceptions=True):
                    if isinstance(result, Exception):
                        hub.metrics.faults.inc()
                        _LOG.error("fault on a line", station=self.kid, exc_info=result)
            finally:
                # Last: a hub that stops closes its store when no line is left, and the reader may have been writing.
                hub.lines.remove(self)
        if self._cut is not None:
            hub.metrics.cut.labels(self._cut.code).inc()
            _LOG.info("line cut", station=self.kid, code=self._cut.code)
            await end(self._ws, self._cut)

    async def _read(self) -> None:
        while self._cut is None:
            await self._answers.room()
            try:
                data = await receive_bytes(self._ws)
                frame = decode_from_station(data)
            except Gone:
                return
            except Malformed as error:
                self.cut(error)
                return
            wait = self._pace.take(_worth(frame), len(data), _monotonic())
            if wait > 0:
                self._hub.metrics.limited.labels("pace").inc()
            # Even at 0: frames that are there already would be read without a turn for anybody else.
            await asyncio.sleep(wait / 1000)
            await self._take(frame, len(data))

    async def _take(self, frame: FromStation, size: int) -> None:
        hub = self._hub
        ref = getattr(frame, "ref", 0)
        try:
            match frame:
                case Submit():
                    await self._submit(frame, size)
                case Follow():
                    await self._follow(frame)
                case Publish():
                    await hub.directory.publish(self._mandate, frame.key_packages)
                case Claim():
                    found = await hub.directory.claim(self._mandate, frame.stations, hub.threads)
                    self.push(Claimed(frame.ref, found))
                case Announce():
                    await hub.take_mandates(frame.mandates)
                case Cosign():
                    await self._cosign(frame)
                case Evidence():
                    await hub.take_evidence(self.kid, frame)
                case Hashes():
                    self.push(Hashed(frame.ref, frame.start, await hub.heads.leaf_hashes(frame.start, MAX_HASHES)))
                case Recall():
                    self.push(Recalled(frame.ref, await hub.heads.recall(frame.digest)))
                case AskOwn():
                    self.push(await self._own(frame))
                case AskTails():
                    hub.ask_tails(self.kid, frame.threads)
                case AskBlob():
                    self.push(await hub.blobs.ask(self._mandate, frame))
                case Ping():
                    self.push(Pong(frame.ref, hub.clock.now(), await hub.directory.left(self.kid)))
                case Disagreement():
                    await hub.disagree(frame, self._mandate)
                case Hello() | Proof():
                    self.cut(OutOfTurn("a second login"))
        except ProtocolError as error:
            self.push(refused(ref, error))
        except (SQLAlchemyError, OSError) as error:
            _LOG.error("not stored", frame=type(frame).__name__, error=type(error).__name__)
            self.cut(NotStored(type(error).__name__))

    async def _own(self, frame: AskOwn) -> Own:
        hub = self._hub
        size = 0 if hub.heads.published is None else hub.heads.published.checkpoint.size
        if frame.start >= size:
            raise NotProvenYet(f"leaf {frame.start}")
        async with hub.store.read() as connection:
            return Own(frame.ref, *await read_own(connection, hub.safe, frame.start, size))

    async def _submit(self, frame: Submit, size: int) -> None:
        hub = self._hub
        entry = parse_entry(frame.entry)
        if entry.payload.station != self.kid:
            raise NotYours("the entry names another station")
        said = RANK[entry.payload.precedence]
        try:
            rank = hub.allowances.admit(self.office, self.kid, said, size, _monotonic())
        except TooFast as error:
            hub.metrics.limited.labels("entries").inc()
            self.push(replace(refused(frame.ref, error, entry.id), until=hub.clock.now() + error.wait))
            return
        if rank != said:
            hub.metrics.limited.labels("urgent").inc()
        await self._in_flight.enter(size)
        answer = hub.writer.submit(entry, frame.parts, owner=self.office, rank=rank)

        def done(future: asyncio.Future[Answer]) -> None:
            self._in_flight.leave(size)
            found = future.result()
            if isinstance(found, NotStored | Closing):
                # No answer at all: the station keeps the entry in its outbox and hands it in again when it reconnects.
                self.cut(found)
            else:
                self.push(_answer(frame.ref, entry.id, found))

        answer.add_done_callback(done)

    async def _follow(self, frame: Follow) -> None:
        hub = self._hub
        try:
            await hub.hear(self.witness[0].name if self.witness else None, frame.head)
        except BehindWitnesses:
            self.cut(Closing("the hub's store is older than its log"))
            return
        self._cursors = delivery.Cursors(dict(frame.cursors))
        self._rest.clear()
        self._tails = frame.tails
        self._following, self._caught = True, False
        # Before anything here waits: "caught up" is said when no thread is left to look at.
        self.touch((thread.thread, RANK["ROUTINE"]) for thread in hub.threads() if self._concerns(thread))
        self.push_bytes(hub.lines.present())
        if hub.heads.published is not None:
            self.push(Published(hub.heads.published.note))
        for first, second in await hub.claims.proofs_kept():
            self.push(TwoHistories(first, second))
        await self.offer_head()
        for thread in hub.threads():
            if may_see(thread, self.kid) is not None:
                for said in hub.disagreements.of(thread.thread):
                    self.push(said)

    def _concerns(self, thread: Thread) -> bool:
        """Whether there may be something of it to send: a party's stations get nothing of what they are no members of."""
        return self.kid in thread.members or self.office not in thread.state.parties

    async def _cosign(self, frame: Cosign) -> None:
        if not self.witness:
            raise BadCosignature("this station is no witness of the accord's policy")
        if await self._hub.heads.cosigned(self.witness, frame.size, frame.lines):
            await self.offer_head()

    async def offer_head(self) -> None:
        """Send the newest head for cosigning, if this station is a witness that has one to cosign."""
        if self.witness and self._following:
            held = self._hub.claims.held.get(self.witness[0].name, 0)
            request = await self._hub.heads.request(self.witness[0].vkey, held)
            if request is not None:
                self.push(Head(request))

    # -- sending --------------------------------------------------------------------------------------------------

    async def _send(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._cut is None and (self._answers or self._touched or self._behind or self._tails_due):
                await self._send_answers()
                if self._touched:
                    await self._send_thread(*self._touched.take())
                elif self._behind:
                    self._caught = True
                    await self._send_frame(Caught(self._hub.clock.now()))
                elif self._tails_due:
                    await self._send_tails()
            await self._flush()
            if self._cut is not None:
                return

    @property
    def _behind(self) -> bool:
        return self._following and not self._caught

    @property
    def _tails_due(self) -> int:
        """Up to which size of the log there are ends of threads that this station was not told; 0: none."""
        published = self._hub.heads.published
        upto = 0 if published is None else min(published.checkpoint.size, self._hub.writer.standing.heads)
        return upto if self._following and upto > self._tails else 0

    async def _send_tails(self) -> None:
        """Where this station's threads end, as the log says; after every entry up to there, so that one that is missing
        at the station was held back."""
        hub, upto = self._hub, self._tails_due
        found = await hub.ends.read(self.kid, self._tails, upto)
        behind = [tail.thread for tail in found.values() if self._cursors.of(tail.thread, member=True) < tail.seq]
        if behind:
            self.touch((thread, RANK["ROUTINE"]) for thread in behind)
            return
        self._tails = upto
        for frame in await hub.ends.frames(found.values()):
            await self._send_frame(frame)

    async def _send_answers(self) -> None:
        while self._answers and self._cut is None:
            await self._send_bytes(self._answers.take())

    async def _send_thread(self, name: str, rank: int) -> None:
        hub = self._hub
        thread = hub.writer.standing.threads.get(name)
        if thread is None:
            return
        batch = self._rest.pop(name, None)
        if batch is None:
            batch = delivery.fresh_batch(hub.recent, thread, self._cursors, self.kid)
        if batch is None:
            await self._flush()  # what is there already need not wait for the disk
            about = concerning(hub.ladders[thread.ladder], thread.state, self.office)
            batch = await delivery.next_batch(hub.store, hub.backlog, thread, self._cursors, self._mandate, about)
        self._sending = rank
        for number, frame in enumerate(batch.frames, 1):
            await self._send_frame(frame)
            hub.metrics.delivered.inc()
            await self._send_answers()
            if self._sending != rank and number < len(batch.frames):
                # Something more urgent has come: the rest of these afterwards.
                self._rest[name] = delivery.Batch(batch.frames[number:], batch.more)
                self._touched.put(name, rank)
                return
        if batch.more:
            self._touched.put(name, rank)
            return
        await self._send_invitations(thread)

    async def _send_invitations(self, thread: Thread) -> None:
        """What changed of the invitations to this thread; one that no longer stands is said to be over."""
        ladder, at = self._hub.ladders[thread.ladder], self._hub.clock.now()
        found = invitations(thread, ladder, self.office, self.kid, at)
        now = {(thread.thread, each.role, each.about): each for each in found}
        if may_see(thread, self.kid) is None:
            for key in [key for key in self._invited if key[0] == thread.thread and key not in now]:
                last = self._invited.pop(key)
                await self._send_frame(replace(last, status="over", seq=thread.seq, head=thread.head))
        for key, invitation in now.items():
            if self._invited.get(key) != invitation:
                self._invited[key] = invitation
                await self._send_frame(invitation)

    async def _send_frame(self, frame: Frame) -> None:
        await self._send_bytes(encode_frame(frame))

    async def _send_bytes(self, data: bytes) -> None:
        """With what comes after it, once that is much or there is no more."""
        self._out.append(data)
        self._out_bytes += len(data)
        if self._out_bytes >= AT_ONCE:
            await self._flush()

    async def _flush(self) -> None:
        if not self._out or self._cut is not None:
            return
        messages, size = self._out, self._out_bytes
        self._out, self._out_bytes = [], 0
        try:
            await self._outlet.write(messages)
            if size >= AT_ONCE:
                await asyncio.sleep(0)  # who has much to read leaves a turn to others
        except TimeoutError:
            self.cut(TooSlow("reading"))
        except (ConnectionError, RuntimeError):  # closing transport
            self.cut(TooSlow("gone"))


async def serve(hub: Hub, ws: web.WebSocketResponse, outlet: Outlet, address: str, known: Callable[[], None]) -> None:
    """A connection from its first byte to its last. Whatever arrives, this raises nothing but cancellation.

    ``known`` is called when a station has proved itself; from then on frames go out by ``outlet``.
    """

    async def send(frame: Frame) -> None:
        try:
            await ws.send_bytes(encode_frame(frame))
        except (ConnectionError, RuntimeError) as error:
            raise Gone from error

    async def receive_frame() -> Frame:
        return await receive(ws)

    if hub.closing:
        # A station that comes back at once must not open the store again behind the hub's back.
        await end(ws, Closing())
        return
    try:
        async with asyncio.timeout(hub.settings.limits.login):
            mandate = await hub.door.login(receive_frame, send)
            known()
            await hub.take_mandates((mandate.data,))
            left = await hub.directory.left(mandate.kid)
            await outlet.write((encode_ready(hub.clock.now(), hub.directory.encoded(), left),))
    except (Gone, ConnectionError):
        return
    except (ProtocolError, TimeoutError) as error:
        why = LoginTooSlow() if isinstance(error, TimeoutError) else error
        hub.throttle.failed(address, hub.clock.now())
        hub.metrics.logins.labels(why.code).inc()
        _LOG.info("login refused", code=why.code, detail=why.detail[:200])
        await end(ws, why)
        return
    except (SQLAlchemyError, OSError) as error:
        _LOG.error("not stored", frame="login", error=type(error).__name__)
        await end(ws, NotStored(type(error).__name__))
        return
    hub.metrics.logins.labels("ok").inc()
    _LOG.info("login", station=mandate.kid, office=mandate.office)
    await Line(hub, ws, outlet, mandate).run()


async def receive(ws: web.WebSocketResponse) -> FromStation:
    """The next frame. Raises `Gone` or `Malformed`."""
    return decode_from_station(await receive_bytes(ws))


async def receive_bytes(ws: web.WebSocketResponse) -> bytes:
    """The next frame as it came. Raises `Gone` or `Malformed`."""
    try:
        message = await ws.receive()
    except ConnectionError as error:
        # Their ping is answered in there, and they may have gone in between.
        raise Gone from error
    if message.type is WSMsgType.BINARY:
        return bytes(message.data)
    if message.type is WSMsgType.TEXT:
        raise Malformed("a text message; frames are binary")
    raise Gone


async def end(ws: web.WebSocketResponse, why: ProtocolError | NotStored) -> None:
    """Say why and close; a peer that does not read is left to its fate."""
    with suppress(ConnectionError, RuntimeError, TimeoutError):
        async with asyncio.timeout(5):
            await ws.send_bytes(encode_frame(Failed(why.code, why.sentence[:1000])))
            await ws.close()


def _monotonic() -> float:
    """ms"""
    return time.monotonic() * 1000


def _worth(frame: FromStation) -> int:
    """How many ordinary frames one is worth, by the signatures and rows it makes the hub look at."""
    match frame:
        case Submit() | Ping():
            return 1
        case Announce():
            return 1 + len(frame.mandates)
        case Publish():
            return 1 + 2 * len(frame.key_packages)
        case Claim():
            return 1 + 5 * len(frame.stations)
        case _:
            return 5


def _answer(ref: int, entry: str, answer: Answer) -> Frame:
    if isinstance(answer, Position):
        return Accepted(ref, answer.id, answer.thread, answer.seq, answer.index, answer.at)
    return refused(ref, answer, entry)


def _witness_keys(mandate: VerifiedMandate, hub: Hub) -> tuple[VerifierKey, ...]:
    """The station's witness keys that the accord's policy knows."""
    own = mandate.station_keys
    try:
        keys = [parse_vkey(vkey) for vkey in (own.witness, own.witness_pq) if vkey]
    except TranslogError:
        return ()
    known = {each.key.vkey for each in hub.heads.policy.witnesses}
    return tuple(key for key in keys if key.vkey in known)
