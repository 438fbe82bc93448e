"""A running station: its parts put together.

::

    line <──frames──> hub
     │ deliver, invite          accepted, refused, claimed       heads, proofs
     v                               v                               v
    intake ──duties──> outbox ──> sender                          observer
     └───────────────> core (threads, store) <── desk <── pages

`Station.open` reads the store, `start` opens the line, `stop` ends everything cleanly; nothing needs `stop` to be safe.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from hotline.clock import Clock, SystemClock, span_words
from hotline.station import quiet
from hotline.station.attachments import Attachments
from hotline.station.core import Core, log
from hotline.station.desk import StationDesk
from hotline.station.disagreements import Disagreements
from hotline.station.duties import Duties
from hotline.station.errors import HubImposter, LineBroken, LoginRefused, NothingToRejoin, RejoinRefused
from hotline.station.folder import Identity
from hotline.station.intake import Intake
from hotline.station.line import Line
from hotline.station.lookout import Lookout
from hotline.station.observer import Observer
from hotline.station.officers import OfficerKeys
from hotline.station.outbox import Intent, Item
from hotline.station.papers import Papers
from hotline.station.replay import MAX_AHEAD
from hotline.station.sender import Sender
from hotline.station.tails import Tails
from hotline.store import station as tables
from hotline.store.station import StationStore
from hotline.tasks import end
from protocols import frames
from protocols.encoding import digest
from protocols.errors import ProtocolError
from protocols.keys import Signer
from protocols.mandate import OutOfMandate, VerifiedMandate, verify_mandate

ANNOUNCED_AT_ONCE = 100
CLOCKS_DIFFER = (
    "The hub's clock and this station's differ by more than two minutes. Countdowns here go by this station's clock until "
    "they agree. Nothing is lost; have both clocks checked, and ask the other side by another path which one is right."
)
STOP_WAIT = 3.0  # seconds
CUT_AFTER = 10.0
"""Seconds without a line after which it is called cut: a hub that is started anew is back sooner."""

REJOIN_TRIES = 5


class Station(StationDesk):
    """The station and its desk in one object. Make it with `open`."""

    def __init__(self, core: Core, keys: OfficerKeys, files: Path) -> None:
        """Use `open`."""
        self.core = core
        identity = core.identity
        duties = Duties(identity, core.nominations.get, core.rng, core.clock.now, identity.settings.duty.fallback)
        sender = Sender(core, duties, self._send)
        attachments = Attachments(core, files, self._send, sender.submissions.ref)
        super().__init__(core, sender, keys, attachments)
        self.sender = sender
        self.intake = Intake(core, duties.after, duties.invited, sender.storing.make_sure)
        self.disagreements = Disagreements(core, self._send)
        self.lookout = Lookout(core)
        self.observer = Observer(core, self._send, sender.submissions.ref)
        self.tails = Tails(core, self.intake.held_back, self._send)
        addresses = (*identity.settings.addresses, *identity.accord.accord.hub.addresses)
        self.line = Line(
            identity.accord,
            tuple(dict.fromkeys(addresses)),
            self,
            core.rng,
            identity.settings.line_settings(),
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._pings: dict[int, int] = {}
        self._papers: Papers | None = None
        self._told: set[str] = set()
        self._cutting: asyncio.TimerHandle | None = None

    @classmethod
    async def open(
        cls,
        identity: Identity,
        path: Path,
        keys: OfficerKeys,
        *,
        clock: Clock | None = None,
        rng: Callable[[int], bytes] = secrets.token_bytes,
    ) -> Station:
        """Open the store at ``path`` and replay it. Raises `LocalFault` where store and identity do not fit."""
        core = Core(identity, StationStore.open(path), clock or SystemClock(), rng)
        await core.load()
        station = cls(core, keys, path.with_name(f"{path.stem}-files"))
        for row in await core.store.rows(tables.witness):
            station.observer.load(row.size, row.root, row.time, row.note)
        await station.observer.start()
        await station.tails.load()
        await station.attachments.load()
        return station

    def watch(self, papers: Papers) -> None:
        """Before `start`: look for new mandates there every ``duty.tick`` seconds, take them and hand them to the hub."""
        self._papers = papers

    async def start(self) -> None:
        """Open the line and keep it open."""
        parts = {"line": self.line.run, "outbox": self.sender.run, "ping": self._ping, "lookout": self.lookout.run}
        parts["tails"] = self.tails.run
        parts["quiet"] = partial(quiet.watch, self.core)
        parts["files"] = self.attachments.run
        if self._papers is not None:
            parts["papers"] = self._look
        for name, work in parts.items():
            self._tasks.append(asyncio.create_task(self._watched(name, work()), name=f"{self.name} {name}"))

    async def stop(self) -> None:
        """End the line, keep everything. The store is closed; make a new `Station` to go on."""
        self.sender.stop()
        self._not_cut()
        if self._tasks:
            await self.line.stop()
            # Between two frames and two entries, so that no transaction is cut; what hangs on the network is cancelled.
            working, sleeping = self._tasks[:2], self._tasks[2:]
            for task in sleeping:
                task.cancel()
            await asyncio.wait(working, timeout=STOP_WAIT)
            await end(self._tasks)
        self._tasks.clear()
        await self.core.store.close()

    async def rejoin(self, name: str) -> int:
        """Come back into the keys of a thread that this station lost; the seq of the entry by which it did.

        The line must be up and level with the hub. Nothing of before is read by these keys. Raises `NothingToRejoin`,
        `RejoinRefused` and `LineBroken`.
        """
        core = self.core
        for _ in range(REJOIN_TRIES):
            thread = core.threads.get(name)
            if thread is None or thread.state is None or thread.frozen or not thread.keys.stuck:
                raise NothingToRejoin(name[:22])
            row = f"rejoin.{name}.{thread.state.epoch + 1}"
            item = core.items.get(row)
            if item is None:
                async with core.lock:
                    async with core.store.change() as change:
                        intent = Intent("rejoin", {}, core.now(), precedence="IMMEDIATE")
                        item = await core.queue(change, row, name, intent)
                    core.items[row] = item
            done = self.sender.submissions.done.setdefault(row, asyncio.get_running_loop().create_future())
            self.sender.wake()
            await asyncio.wait([done], timeout=core.identity.settings.duty.answer)
            if not thread.keys.stuck:
                return next(held.seq for held in reversed(thread.held) if held.id == item.entry)
            if item.answer is not None:
                raise RejoinRefused(item.answer.code, item.answer.sentence)
        raise LineBroken("others renewed the keys each time, or the hub does not answer")

    # -- the line's receiver ------------------------------------------------------------------------------------------

    def hello(self) -> tuple[bytes, Signer]:
        core = self.core
        mandate = core.identity.mandates.find(core.identity.kid, core.clock.now())
        return mandate.data, core.identity.keys.sign

    async def up(self, ready: frames.Ready, address: str) -> None:
        """Logged in. A fault of our own ends the connection, as in `receive`."""
        try:
            await self._up(ready, address)
        except LineBroken:
            raise
        except Exception as error:
            await self._fault("logging in", error)

    async def _up(self, ready: frames.Ready, address: str) -> None:
        core = self.core
        line = core.line
        self._not_cut()
        line.state, line.since, line.address = "live", core.clock.now(), address
        line.heard, line.problem = core.clock.now(), None
        await self._hear_time(ready.now - core.clock.now())
        line.presence_known = False
        self.intake.held_back.clear()
        core.alarms.pop("line", None)
        await self._mandates(ready.mandates)
        known = {digest(data) for data in ready.mandates}
        ours = [m.data for m in core.identity.mandates.all() if digest(m.data) not in known]
        if ours:
            await self._send(frames.Announce(tuple(ours[:ANNOUNCED_AT_ONCE])))
        await self.sender.replenish(ready.key_packages)
        cursors = {thread.id: thread.position.seq for thread in core.threads.values() if thread.state is not None}
        self.intake.unsaid.clear()
        await self._send(frames.Follow(cursors, self.observer.newest, self.tails.resume()))
        await self.disagreements.begin()
        self.attachments.up()
        core.tell(None, "connection")

    async def receive(self, *found: frames.FromHub) -> None:
        """Frames in order; entries that follow each other are stored together. A fault of our own ends the connection: what
        was not stored is delivered again."""
        self.core.line.heard = self.core.clock.now()
        what = ""
        try:
            entries: list[frames.Deliver] = []
            for frame in found:
                what = type(frame).__name__
                if isinstance(frame, frames.Deliver):
                    entries.append(frame)
                elif isinstance(frame, frames.Accepted):
                    # That the hub has an entry changes nothing about those it delivers.
                    await self.sender.accepted(frame)
                else:
                    await self._delivered(entries)
                    entries = []
                    await self._receive(frame)
            await self._delivered(entries)
        except LineBroken:
            raise
        except Exception as error:
            await self._fault(what, error)

    async def _delivered(self, entries: list[frames.Deliver]) -> None:
        if not entries:
            return
        back: list[Item] = []
        try:
            await self.intake.take(entries, back)
        finally:
            for item in back:
                self.sender.submissions.delivered(item)
        threads = dict.fromkeys(frame.thread for frame in entries)
        for thread in threads:
            await self.tails.arrived(thread)
        self.sender.wake(*threads)
        await self.disagreements.tell(self.intake.unsaid)

    async def _fault(self, what: str, error: Exception) -> NoReturn:
        log.error("fault while receiving", frame=what, exc_info=error)
        await self.core.alarm(
            "fault",
            f"This station failed while taking in what the hub sent ({type(error).__name__}). Nothing is lost; it "
            "connects again. Tell your engineers.",
        )
        raise LineBroken("a fault of this station") from error

    async def down(self, why: HubImposter | LoginRefused | LineBroken) -> None:
        core, line = self.core, self.core.line
        self.sender.lost()
        self.observer.mirroring.lost()
        self.attachments.lost()
        self._pings.clear()
        if line.state == "live":
            line.state, line.since = "reconnecting", core.clock.now()
            self._cutting = asyncio.get_running_loop().call_later(CUT_AFTER, self._cut)
        line.caught, line.problem = False, why.sentence
        if isinstance(why, HubImposter | LoginRefused):
            line.state = "offline"
            await core.alarm("line", why.sentence)
        core.tell(None, "connection")

    def _cut(self) -> None:
        """No attempt has succeeded for so long that it is said plainly; it stays said until one does."""
        self.core.line.state = "offline"
        self.core.tell(None, "connection")

    def _not_cut(self) -> None:
        if self._cutting is not None:
            self._cutting.cancel()
            self._cutting = None

    async def _receive(self, frame: frames.FromHub) -> None:
        match frame:
            case frames.Invitation():
                await self.intake.invite(frame)
                self.sender.wake()
            case frames.Refused() if self.attachments.refused(frame):
                pass
            case frames.BlobTicket():
                self.attachments.ticketed(frame)
            case frames.Refused():
                await self.observer.mirroring.refused(frame.ref)
                if frame.ref == 0:
                    await self._not_taken(frame)
                await self.sender.refused(frame)
            case frames.Claimed():
                self.sender.claimed(frame)
            case frames.Head():
                await self.observer.head(frame)
            case frames.Published():
                await self.observer.published(frame)
            case frames.TwoHistories():
                await self.observer.two_histories(frame)
            case frames.Tails():
                await self.tails.received(frame)
            case frames.Hashed():
                await self.observer.mirroring.hashed(frame)
            case frames.Own():
                await self.observer.mirroring.own(frame)
            case frames.Recalled():
                await self.observer.mirroring.recalled(frame)
            case frames.Directory():
                await self._mandates(frame.mandates)
            case frames.Presence():
                self._presence(frame)
                self.sender.retry()
            case frames.Pong():
                await self._pong(frame)
            case frames.Caught():
                self._caught()
            case frames.Disagreement():
                await self.disagreements.heard(frame)
            case _:
                raise LineBroken(f"{type(frame).__name__} out of turn")

    # -- small parts --------------------------------------------------------------------------------------------------

    async def _send(self, frame: frames.Frame) -> None:
        await self.line.send(frame)

    def _caught(self) -> None:
        self.core.line.caught = True
        self.core.tell(None, "connection")
        self.sender.wake()

    def _presence(self, frame: frames.Presence) -> None:
        line = self.core.line
        if not line.presence_known:
            line.presence, line.presence_known = {}, True
            line.presence_heard = True
        for kid, since in frame.stations.items():
            if since:
                line.presence[kid] = since
                line.left.pop(kid, None)
            else:
                line.presence.pop(kid, None)
                line.left[kid] = self.core.now()
        self.core.tell(None, "presence")

    async def _pong(self, frame: frames.Pong) -> None:
        asked = self._pings.pop(frame.ref, None)
        if asked is not None:
            # Half the round trip is the best guess at when the hub read its clock.
            await self._hear_time(frame.now - (asked + self.core.clock.now()) // 2)
        # A station may stay on the line for months: what others used up is not only made good at the next login.
        await self.sender.replenish(frame.key_packages)
        if self.intake.held_back:
            raise LineBroken("to ask again for what was stamped in the future")

    async def _hear_time(self, offset: int) -> None:
        """The hub's clock minus ours, ms. A difference beyond what stamps may have is not believed: with it a hub could
        show a cooling-off as over, or a mandate as begun."""
        if abs(offset) > MAX_AHEAD:
            self.core.line.offset = 0
            way = "ahead" if offset > 0 else "behind"
            await self.core.alarm("clock", f"{CLOCKS_DIFFER} The hub's is {span_words(round(offset, -4))} {way}.")
            return
        self.core.line.offset = offset
        self.core.alarms.pop("clock", None)

    async def _not_taken(self, frame: frames.Refused) -> None:
        """The hub refused what is not numbered: mandates, key packages, a cosignature. Said once."""
        words = f"The hub did not take what this station passed on: {frame.sentence} [{frame.code}]"
        if words not in self._told:
            self._told.add(words)
            await self.core.record("refused", words, alarm=True)

    async def _look(self) -> None:
        while self._papers is not None:
            await asyncio.sleep(self.core.identity.settings.duty.tick)
            found = await asyncio.to_thread(self._papers.fresh)
            before = {digest(mandate.data) for mandate in self.core.identity.mandates.all()}
            await self._mandates(found, "The station's folder holds")
            after = {digest(mandate.data) for mandate in self.core.identity.mandates.all()}
            new = tuple(data for data in found if digest(data) in after - before)
            for start in range(0, len(new), ANNOUNCED_AT_ONCE):
                await self._announce(new[start : start + ANNOUNCED_AT_ONCE])

    async def _announce(self, mandates: tuple[bytes, ...]) -> None:
        words = f"{len(mandates)} new in this station's folder; the hub is told."
        await self.core.record("mandate", words)
        try:
            await self._send(frames.Announce(mandates))
        except LineBroken as error:  # the next login hands over what the hub does not have
            log.info("mandates not sent", detail=error.detail)

    async def _mandates(self, found: tuple[bytes, ...], whose: str = "The hub passed on") -> None:
        """Take mandates from the directory; each is checked, one that does not hold is journalled and left out."""
        core = self.core
        known = {digest(mandate.data) for mandate in core.identity.mandates.all()}
        for data in found:
            name = digest(data)
            if name in known:
                continue
            try:
                mandate = verify_mandate(data, core.identity.accord.accord)
                self._check_start(mandate)
                core.identity.mandates.add(mandate)
            except ProtocolError as error:
                await core.record(
                    "mandate", f"{whose} a mandate that was not taken: {error.sentence} [{error}]", alarm=True
                )
                continue
            async with core.lock, core.store.change() as change:
                await change.add_mandate(name, data)
            self.sender.retry()

    def _check_start(self, found: VerifiedMandate) -> None:
        """Refuses (`OutOfMandate`) a mandate that would unmake entries this station has replayed already: with it in the
        store, no thread of that office would replay at the next start. An honest hub passes none on."""
        core = self.core
        if not core.identity.mandates.takes_back(found, core.clock.now()):
            return
        for thread in core.threads.values():
            seats = () if thread.state is None else thread.state.seats.values()
            if thread.position.at >= found.not_before and any(seat.office == found.office for seat in seats):
                raise OutOfMandate(f"{found.office} takes back what stands in thread {thread.id}")

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(self.core.identity.settings.line.ping)
            if self.core.line.state != "live":
                continue
            ref = self.sender.submissions.ref()
            self._pings = {ref: self.core.clock.now()}
            try:
                await self._send(frames.Ping(ref))
            except LineBroken as error:
                log.info("ping not sent", detail=error.detail)

    async def _watched(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:
            log.exception("task ended", task=name)
            await self.core.alarm(
                "task", f"Part of this station stopped ({name}). Start it again and tell your engineers."
            )
            raise
