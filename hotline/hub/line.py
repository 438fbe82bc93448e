"""One station's connection: its frames in, one after another, and their answers. What goes out is `hotline.hub.sending`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog
from aiohttp import WSMsgType, web
from msgspec.structs import replace
from sqlalchemy.exc import SQLAlchemyError

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
    refused,
)
from hotline.hub.flow import InFlight
from hotline.hub.lanes import RANK, Answer
from hotline.hub.outlet import Outlet
from hotline.hub.safekeeping import read_own
from hotline.hub.sending import Sending
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
IN_A_ROW = 4
"""Frames that one station has taken at most before others have their turn."""


class Gone(Exception):
    """The other side closed the connection."""


class Line:
    """A logged-in station. Make one with `serve`."""

    def __init__(self, hub: Hub, ws: web.WebSocketResponse, outlet: Outlet, mandate: VerifiedMandate) -> None:
        self._hub, self._ws, self._outlet, self._mandate = hub, ws, outlet, mandate
        self.kid, self.office, self.since = mandate.kid, mandate.office, hub.clock.now()
        self.witness = _witness_keys(mandate, hub)
        self._limits = hub.settings.limits
        self.out = Sending(hub, outlet, mandate, self.cut)
        """What is said to the station."""
        self._pace = Pace(self._limits, _monotonic())
        self._turns = 0
        self._cut: ProtocolError | NotStored | None = None
        self._in_flight = InFlight(self._limits.in_flight, self._limits.in_flight_bytes)

    def cut(self, why: ProtocolError | NotStored) -> None:
        """End the connection, telling the station why where it still reads."""
        if self._cut is None:
            self._cut = why
            self.out.stop()

    # -- running --------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until either side ends it. Raises nothing."""
        hub = self._hub
        reader = asyncio.create_task(self._read(), name=f"read {self.kid}")
        sender = asyncio.create_task(self.out.run(), name=f"send {self.kid}")
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
            await self.out.room()
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
            self._turns = (self._turns + 1) % IN_A_ROW
            if wait > 0 or self._turns == 0:
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
                    self.out.push(Claimed(frame.ref, found))
                case Announce():
                    await hub.take_mandates(frame.mandates)
                case Cosign():
                    await self._cosign(frame)
                case Evidence():
                    await hub.take_evidence(self.kid, frame)
                case Hashes():
                    self.out.push(Hashed(frame.ref, frame.start, await hub.heads.leaf_hashes(frame.start, MAX_HASHES)))
                case Recall():
                    self.out.push(Recalled(frame.ref, await hub.heads.recall(frame.digest)))
                case AskOwn():
                    self.out.push(await self._own(frame))
                case AskTails():
                    hub.ask_tails(self.kid, frame.threads)
                case AskBlob():
                    self.out.push(await hub.blobs.ask(self._mandate, frame))
                case Ping():
                    self.out.push(Pong(frame.ref, hub.clock.now(), await hub.directory.left(self.kid)))
                case Disagreement():
                    await hub.disagree(frame, self._mandate)
                case Hello() | Proof():
                    self.cut(OutOfTurn("a second login"))
        except ProtocolError as error:
            self.out.push(refused(ref, error))
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
            self.out.push(replace(refused(frame.ref, error, entry.id), until=hub.clock.now() + error.wait))
            return
        if rank != said:
            hub.metrics.limited.labels("urgent").inc()
        await self._in_flight.enter(size)

        def done(found: Answer) -> None:
            self._in_flight.leave(size)
            if isinstance(found, NotStored | Closing):
                # No answer at all: the station keeps the entry in its outbox and hands it in again when it reconnects.
                self.cut(found)
            else:
                self.out.answer(_answer(frame.ref, entry.id, found))

        hub.writer.hand_in(entry, frame.parts, done, owner=self.office, rank=rank)

    async def _follow(self, frame: Follow) -> None:
        hub = self._hub
        try:
            await hub.hear(self.witness[0].name if self.witness else None, frame.head)
        except BehindWitnesses:
            self.cut(Closing("the hub's store is older than its log"))
            return
        # Before anything here waits: "caught up" is said when no thread is left to look at.
        threads = (thread.thread for thread in hub.threads() if self._concerns(thread))
        self.out.follow(frame.cursors, frame.tails, threads)
        self.out.push_bytes(hub.lines.present())
        if hub.heads.published is not None:
            self.out.push(Published(hub.heads.published.note))
        for first, second in await hub.claims.proofs_kept():
            self.out.push(TwoHistories(first, second))
        await self.offer_head()
        for thread in hub.threads():
            if may_see(thread, self.kid) is not None:
                for said in hub.disagreements.of(thread.thread):
                    self.out.push(said)

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
        if self.witness and self.out.following:
            held = self._hub.claims.held.get(self.witness[0].name, 0)
            request = await self._hub.heads.request(self.witness[0].vkey, held)
            if request is not None:
                self.out.push(Head(request))


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
        _LOG.info("login refused", code=why.code, detail=why.detail[:200], address=address)
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
