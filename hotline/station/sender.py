"""The pump: brings the outbox to the hub, thread by thread, in order.

What only continues a thread is sealed while others are on their way (`hotline.station.flight`); an entry that changes keys
only when everything before it has come back through replay. What waits for an officer's key, for another station's key
package or for the line waits in the outbox.

What comes while a transaction is being written shares the next one: new intents, and whatever can be sealed at once. Nothing
leaves before the transaction that holds it, and the keys it was sealed from, is on the disk.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from hotline.station.claims import ClaimFailed, Claims
from hotline.station.core import Core, log
from hotline.station.duties import Duties
from hotline.station.errors import LineBroken, NothingToRejoin
from hotline.station.flight import OUT_OF_ORDER, Flight, Ready, on_the_way
from hotline.station.model import Thread
from hotline.station.outbox import Answer, Intent, Item, Sealed, encode
from hotline.station.parting import CODE, passes
from hotline.store import station as tables
from mediation.refusals import Refusal
from protocols import frames
from protocols.encoding import b64u, digest, rfc3339
from protocols.errors import ProtocolError
from protocols.mls import make_key_package

STALE = ("entry.wrong-epoch", "ladder.wrong-epoch")
"""The hub's word that the keys changed on the way: seal again."""

LATER = ("hub.not-stored", "keys.none-left", "keys.claim-refused")
"""Nothing wrong with the entry: the same again after a while."""

WAIT = "line.too-fast"
"""Nothing wrong with the entry: the same again when the hub says."""
LONGEST_WAIT = 120_000
"""ms. Whatever the hub says, it is asked again then."""
OF_KEYS = ("open", "rekey", "rejoin", "cannot-follow")
"""Before anything else: without it nothing can be sealed."""
ANSWERED = 0
"""Number of a submission that was refused while that is being written down."""
LOCKED = "waits until the officer who released it unlocks their key"
RENEWING = "waits until this station has renewed its keys: it was restored from an older copy"
RANK = {"FLASH": 0, "IMMEDIATE": 1, "PRIORITY": 2, "ROUTINE": 3}

LEAST_PACKAGES, MOST_PACKAGES = 10, 100
PACKAGE_DAYS = 60


def packages_kept(offices: int) -> int:
    """How many key packages a station keeps on the hub. With half of them each of so many offices can still have two, whatever
    the others took: the hub keeps that much for each, and the station fills up below it."""
    return min(MOST_PACKAGES, max(LEAST_PACKAGES, 4 * offices + 2))


@dataclass(frozen=True, slots=True, eq=False)
class _New:
    """An intent that is not in the store yet, and who waits for it to be."""

    row: str
    thread: str
    intent: Intent
    done: asyncio.Future[Item]


@dataclass(frozen=True, slots=True)
class _Unsure:
    """What the last commit was to write: rows that nobody was told of, all rows with a wire, threads with new keys; and the
    stations whose key packages are in it."""

    fresh: set[str]
    sealed: set[str]
    groups: set[str]
    packages: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Filled:
    """What could not be sealed: refused by our own ladder, or for a fault of ours."""

    refused: list[tuple[Item, Refusal]] = field(default_factory=list)
    fault: Exception | None = None


class Sender:
    """``submit`` sends a frame (`LineBroken` where it cannot). `run` until cancelled; `wake` when something changed."""

    def __init__(self, core: Core, duties: Duties, send: Callable[[frames.Frame], Awaitable[None]]) -> None:
        self._core = core
        self._duties = duties
        self._send = send
        self._event = asyncio.Event()
        self._next_ref = 0
        self._stopping = False
        self._refs: dict[int, Item] = {}
        self._flight = Flight(core)
        self._new: list[_New] = []
        self._outgoing: deque[tuple[int, Item]] = deque()
        self._unsure: _Unsure | None = None
        self._sending = asyncio.Lock()
        self._claims = Claims(core, self._ask, self.ref)
        self._not_before: dict[str, int] = {}
        self._once: set[str] = set()
        """Complaints made: one that is refused is not made again."""
        self._lacking: set[str] = set()
        """Items that wait because a key package could not be had."""
        self.done: dict[str, asyncio.Future[None]] = {}
        """Whom to tell when an item is answered, by row."""

    # -- from outside -------------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Look at the outbox now."""
        self._event.set()

    async def put(self, row: str, thread: str, intent: Intent) -> Item:
        """Queue an intent: it is on the disk when this returns, and on its way if nothing stands against that. The same row
        twice is one item. Raises what storing raises, and then nothing was kept."""
        core = self._core
        new = _New(row, thread, intent, asyncio.get_running_loop().create_future())
        self._new.append(new)
        try:
            async with core.lock:
                if not new.done.done():
                    await self._store_new()
        except asyncio.CancelledError:
            if new in self._new:  # it is not stored, nor being stored by somebody else
                self._new.remove(new)
            raise
        item = new.done.result()
        core.tell(thread, "pending")
        await self._flush_or_wait()
        if item.state == "queued":
            self.wake()
        return item

    def stop(self) -> None:
        """Let `run` end between two entries."""
        self._stopping = True
        self.lost()
        self.wake()

    def retry(self) -> None:
        """Somebody came onto the line or was mandated: look at once for the key packages that were lacking."""
        for row in self._lacking:
            self._not_before.pop(row, None)
        self._lacking.clear()
        self.wake()

    def ref(self) -> int:
        """A fresh number for a question to the hub."""
        self._next_ref += 1
        return self._next_ref

    async def _ask(self, frame: frames.Frame) -> None:
        await self._send(frame)

    async def run(self) -> None:
        """Pump whenever woken, and every tick, until `stop`."""
        while not self._stopping:
            with suppress(TimeoutError):  # time itself can make something due
                async with asyncio.timeout(self._pause()):
                    await self._event.wait()
            self._event.clear()
            if not self._core.line.caught or self._stopping:
                continue
            try:
                await self._round()
            except LineBroken as error:
                log.info("send interrupted", detail=error.detail)
            except Exception as error:  # a fault of ours must not stop the outbox for ever; it is tried again
                log.exception("fault in the outbox")
                sentence = (
                    f"This station failed while sending ({type(error).__name__}). It tries again; what is queued is "
                    "safe. Tell your engineers."
                )
                await self._core.alarm("outbox", sentence)

    def lost(self) -> None:
        """The connection is gone: nothing submitted on it will be answered."""
        for item in self._refs.values():
            item.ref = None
        for item in self._core.items.values():
            # Asked again on the next connection: the answer to a repeated submission is the same.
            item.accepted = item.state == "accepted"
        self._refs.clear()
        self._outgoing.clear()
        self._claims.lost()

    async def accepted(self, frame: frames.Accepted) -> None:
        """The hub has it; it comes back through delivery."""
        item = self._refs.pop(frame.ref, None)
        if item is None or item.ref != frame.ref:
            return
        item.accepted = True
        item.promised = item.promised or self._core.clock.now()
        self._core.tell(item.thread, "pending")

    async def refused(self, frame: frames.Refused) -> None:
        """The hub said no to an entry or a claim."""
        if self._claims.refused(frame):
            return
        item = self._refs.pop(frame.ref, None)
        if item is None or item.ref != frame.ref:
            return  # an answer to what was submitted before; it has been sealed anew since
        item.promised, item.accepted = None, False
        if frame.code == WAIT:
            item.ref = None
            self._wait(item, frame)
        elif frame.code in LATER:
            item.ref = None
            self._not_before[item.id] = self._core.clock.now() + 2_000
            item.waiting = frame.sentence
        else:
            await self._not_taken(item, frame)
        self.wake()

    async def _not_taken(self, item: Item, frame: frames.Refused) -> None:
        # Until what follows is on the disk, nobody may submit it again, nor anything behind it.
        item.ref = ANSWERED
        try:
            if frame.code in STALE or (frame.code == OUT_OF_ORDER and self._flight.behind(item)):
                await self._unseal(item, stale=frame.code in STALE)
            else:
                at = self._core.now()
                answer = Answer(frame.code, frame.sentence, at, "hub", frame.rule, frame.clock, frame.until)
                await self.settle(item, answer)
        finally:
            item.ref = None

    def _wait(self, item: Item, frame: frames.Refused) -> None:
        """The hub takes no more from us for now, and says until when: keep the entry, and say so to whoever looks."""
        core = self._core
        wait = min(max(0 if frame.until is None else frame.until - core.now(), 250), LONGEST_WAIT)
        self._not_before[item.id] = core.clock.now() + wait
        item.waiting = f"{frame.sentence} Next at {rfc3339(core.now() + wait)[11:19]}Z."
        core.tell(item.thread, "pending")

    def claimed(self, frame: frames.Claimed) -> None:
        """The hub hands out key packages."""
        self._claims.claimed(frame)

    def delivered(self, item: Item) -> None:
        """Our entry came back and was replayed."""
        if item.ref is not None:
            self._refs.pop(item.ref, None)
            item.ref = None
        self._answered(item)
        self.wake()

    async def replenish(self, left: int) -> None:
        """Keep key packages on the hub: it holds ``left`` of ours."""
        core, identity = self._core, self._core.identity
        keep = packages_kept(len(identity.accord.accord.offices))
        if left >= keep // 2:
            return
        now = core.clock.now() // 1000
        fresh = [
            make_key_package(
                identity.accord.accord.suite,
                identity.kid.encode("ascii"),
                identity.keys.mls,
                not_before=now - 3600,
                not_after=now + PACKAGE_DAYS * 86_400,
                rng=core.rng,
            )
            for _ in range(keep - left)
        ]
        # One that was handed out may still arrive in a welcome: it is kept until it could no longer be used.
        stale = [name for name, expires in core.expiry.items() if expires < now - 86_400]
        async with core.lock, core.store.change() as change:
            for bundle in fresh:
                name = digest(bundle.ref)
                parts = [b64u(part) for part in (bundle.key_package, bundle.private, bundle.ref)]
                sealed = core.vault.seal_json(f"key_packages/{name}", parts)
                await change.add_key_package(name, now + PACKAGE_DAYS * 86_400, sealed)
            await change.drop_key_packages(stale)
        for bundle in fresh:
            core.bundles[digest(bundle.ref)] = bundle
            core.expiry[digest(bundle.ref)] = now + PACKAGE_DAYS * 86_400
        for name in stale:
            core.bundles.pop(name, None)
            core.expiry.pop(name, None)
        await self._send(frames.Publish(tuple(bundle.key_package for bundle in fresh)))

    async def settle(self, item: Item, answer: Answer) -> None:
        """Mark an item refused: an officer's stays for them to see, a station's own is dropped; both are journalled."""
        core = self._core
        words = f"{item.intent.kind} refused by the {answer.by}: {answer.sentence} [{answer.code}]"
        item.answer = answer
        async with core.lock:
            async with core.store.change() as change:
                if item.intent.auto and item.intent.kind != "open":
                    await change.drop_outbox(item.id)
                else:
                    sealed = core.vault.seal(f"outbox/answer/{item.id}", encode(answer))
                    await change.put_outbox(item.id, state="refused", answer=sealed)
                await core.note(change, "refused", words, alarm=False)
            if item.intent.auto and item.intent.kind != "open":
                core.items.pop(item.id, None)
            else:
                item.state, item.answer, item.waiting = "refused", answer, None
        self._answered(item)
        core.tell(item.thread, "pending")

    def _pause(self) -> float:
        """Seconds until an item that waits for a time is due, at most a tick."""
        now = self._core.clock.now()
        waiting = [item for item in self._core.items.open() if item.state in ("queued", "sending")]
        times = [at for item in waiting for at in (item.intent.after, self._not_before.get(item.id, 0)) if at > now]
        return min([self._core.identity.settings.duty.tick, *((at - now) / 1000 for at in times)])

    # -- the pump -----------------------------------------------------------------------------------------------------

    async def _round(self) -> None:
        core = self._core
        for thread in list(core.threads.values()):
            await core.settle_keys(thread)
            for due in self._duties.keys(thread, core.now()):
                if due[0] in core.items or due[0] in self._once:
                    continue
                self._once.update({due[0]} if due[1].kind == "cannot-follow" else ())
                async with core.lock:
                    async with core.store.change() as change:
                        item = await core.queue(change, due[0], thread.id, due[1])
                    core.items[item.id] = item
        failed: Exception | None = None
        names = self._by_urgency()
        for name in names:
            try:
                await self._advance(name)
            except LineBroken:
                raise
            except Exception as error:  # told by `run`, once the other threads have had their turn
                failed = error
        async with core.lock:
            filled = await self._fill(names)
        await self._flush()
        await self._settle_all(filled.refused)
        failed = failed or filled.fault
        if failed is not None:
            raise failed

    def _by_urgency(self) -> list[str]:
        """The threads in which something waits to go out, the one with the most urgent first, then the oldest."""
        first: dict[str, tuple[int, int]] = {}
        for item in self._core.items.open():
            if item.state in ("queued", "sending"):
                mine = RANK[item.intent.precedence], item.position
                first[item.thread] = min(mine, first.get(item.thread, mine))
        return sorted(first, key=lambda name: first[name])

    async def _advance(self, name: str) -> None:
        """One thread: submit again what is sealed, or seal the next that must be alone."""
        thread = self._core.threads.get(name)
        if thread is not None and thread.frozen:
            return
        items = [item for item in self._core.pending(name) if item.state in ("queued", "sending")]
        flight = on_the_way(items)
        for item in flight:
            if item.ref is None and not item.accepted:
                if not self._is_time(item):
                    return  # those behind it would leave a gap
                await self._submit(item)
        if flight:
            return
        while (head := self._head(items)) is not None:
            items.remove(head)
            if thread is not None and self._duties.is_done(thread, head.intent):
                await self._drop(head)
                continue
            if thread is not None and self._flight.has_room(thread, ()) and self._flight.may_share(head):
                if self._hindrance(head, thread) is None:
                    return  # with others: `_fill`
            elif await self._prepare(head, thread):
                await self._submit(head)
                return
            if not head.intent.auto:
                # Equally urgent entries of officers keep their order; the station's own are not held up by them.
                items = [each for each in items if each.intent.auto]

    def _ready(self, thread: Thread, flight: Sequence[Item], queued: list[Item]) -> Iterable[Item]:
        """What of a thread may be sealed now with what is on the way, in order."""
        while (item := self._head(queued)) is not None:
            queued.remove(item)
            if not self._flight.may_share(item) or self._duties.is_done(thread, item.intent):
                return  # `_advance` has it sealed, or drops it, once the others are back
            if self._hindrance(item, thread) is None:
                yield item
            elif not item.intent.auto:
                queued[:] = [each for each in queued if each.intent.auto]

    def _hindrance(self, item: Item, thread: Thread) -> str | None:
        """Why an item of a thread cannot be sealed now, said in the item too; None where it can."""
        core, intent = self._core, item.intent
        why = None
        if intent.officer is not None and intent.officer not in core.officers:
            why = LOCKED
        elif item.newer_than is not None and thread.state is not None and thread.state.epoch <= item.newer_than:
            return "waits for newer keys"
        elif intent.sd:
            why = _keyless(thread, intent.kind) or (RENEWING if thread.must_renew else None)
        if why is not None and item.waiting != why:
            item.waiting = why
            core.tell(item.thread, "pending")
        return why

    async def _store_new(self) -> None:
        """Store every new intent, and seal what can be sealed of their threads, in one transaction. Under the lock."""
        new, self._new = self._new, []
        try:
            filled = await self._fill({each.thread: None for each in new}, new)
        except asyncio.CancelledError:
            # Only who stored for all of them gives up: the others' are stored when their turn comes.
            self._new[:0] = [each for each in new if not each.done.done()]
            raise
        except Exception as error:
            for each in new:
                if not each.done.done():
                    each.done.set_exception(error)
            return
        if filled.refused or filled.fault is not None:
            # The pump meets it again: it settles what is refused without the lock, and tells of faults.
            self.wake()

    async def _fill(self, names: Iterable[str], new: Sequence[_New] = ()) -> _Filled:
        """Seal what may go together of these threads; store it, and what is ``new``, in one transaction. Under the lock."""
        core = self._core
        await self.make_sure()
        items: dict[str, Item] = {}
        for each in new:
            known = core.items.get(each.row) or items.get(each.row)
            items[each.row] = known or Item(core.store.position(), each.row, each.thread, "queued", each.intent)
        fresh = {row: item for row, item in items.items() if row not in core.items}
        ready: list[Ready] = []
        filled = _Filled()
        for name in names if core.line.caught and not self._stopping else ():
            thread = core.threads.get(name)
            pending = [*core.pending(name), *(item for item in fresh.values() if item.thread == name)]
            flight = on_the_way(pending)
            if thread is None or not self._flight.has_room(thread, flight):
                continue
            queued = [item for item in pending if item.state == "queued"]
            found = self._flight.seal(thread, flight, self._ready(thread, flight, queued))
            ready += found.ready
            filled.refused += [] if found.refused is None else [found.refused]
            filled.fault = filled.fault or found.fault
        await self._store(fresh.values(), ready)
        for each in new:
            if not each.done.done():
                each.done.set_result(items[each.row])
        return filled

    async def _store(self, fresh: Iterable[Item], ready: Sequence[Ready]) -> None:
        core = self._core
        sealed = {each.item.id: each for each in ready}
        # The newest snapshot of a group holds none of the keys from which these were sealed.
        groups = {each.thread.id: each for each in ready if each.sealed.mls is not None}
        fresh = tuple(fresh)
        # Should the disk's answer be lost, the store says what stands (`make_sure`).
        self._unsure = _Unsure({item.id for item in fresh}, set(sealed), set(groups))
        async with core.store.change() as change:
            for item in fresh:
                made = sealed.pop(item.id, None)
                await change.add_outbox(
                    item.position,
                    item.id,
                    item.thread,
                    "queued" if made is None else "sending",
                    core.seal_intent(item.id, item.intent),
                    entry=None if made is None else made.sealed.id,
                    wire=None if made is None else self._seal_wire(made.item, made.sealed),
                )
            for each in sealed.values():
                wire = self._seal_wire(each.item, each.sealed)
                await change.put_outbox(each.item.id, state="sending", entry=each.sealed.id, wire=wire)
            for name, each in groups.items():
                # The keys are gone from the disk before the ciphertexts exist anywhere else.
                await change.put_thread(name, mls=core.seal_mls(name, each.sealed.mls))
        self._unsure = None
        for item in fresh:
            core.items[item.id] = item
        for each in ready:
            self._sealed(each.item, each.thread, each.sealed)
            each.item.verified = each.verified
            self._number(each.item)

    async def make_sure(self) -> None:
        """After a commit that failed: whether it reached the disk is unknown, and no key may be used that it has used. What
        nobody was told is kept is dropped; of the rest memory takes over what is stored. Under the lock, before anything else
        writes the keys of a thread."""
        unsure, core = self._unsure, self._core
        if unsure is None:
            return
        stored = {row.id: row for row in await core.store.outbox()}
        # All of it stands or nothing. What else moved a group on the disk is taken again, and must not move it in memory.
        stood = any(row in stored and stored[row].state == "sending" for row in unsure.sealed)
        groups = {row.id: row.mls for row in await core.store.rows(tables.threads) if stood and row.id in unsure.groups}
        async with core.store.change() as change:
            for row in unsure.fresh & stored.keys():
                await change.drop_outbox(row)
        for row in (unsure.sealed - unsure.fresh) & stored.keys() & core.items.keys():
            kept = core.read_item(stored[row])
            item = core.items[row]
            item.state, item.entry, item.wire, item.serial = kept.state, kept.entry, kept.wire, kept.serial
            item.waiting = item.verified = None
        for name, mls in groups.items():
            if mls is not None:
                core.threads[name].mls = core.vault.open(f"threads/mls/{name}", mls)
        if stood:
            self._claims.spent(unsure.packages)
        self._unsure = None

    def _seal_wire(self, item: Item, sealed: Sealed) -> bytes:
        return self._core.vault.seal(f"outbox/wire/{item.id}", encode(sealed.wire))

    def _sealed(self, item: Item, thread: Thread | None, sealed: Sealed) -> None:
        """In memory what is on the disk."""
        item.state, item.entry, item.wire, item.waiting = "sending", sealed.id, sealed.wire, None
        item.verified = None
        item.serial = sealed.entry.payload.serial
        if thread is not None and sealed.mls is not None:
            thread.mls = sealed.mls

    async def _settle_all(self, refused: Iterable[tuple[Item, Refusal]]) -> None:
        for item, refusal in refused:
            await self.settle(item, self._answer(refusal))
        if refused:
            self.wake()

    def _answer(self, refusal: Refusal) -> Answer:
        at = self._core.now()
        return Answer(refusal.code, refusal.sentence, at, "station", refusal.rule, refusal.clock, refusal.until)

    def _head(self, items: list[Item]) -> Item | None:
        ready = [item for item in items if self._is_time(item)]
        auto = next((item for item in ready if item.intent.auto), None)
        written = [item for item in items if not item.intent.auto]
        theirs = min(written, key=lambda item: (RANK[item.intent.precedence], item.position), default=None)
        if theirs is None or theirs not in ready:
            return auto
        urgent = RANK[theirs.intent.precedence] < RANK["PRIORITY"]
        return theirs if auto is None or (urgent and auto.intent.kind not in OF_KEYS) else auto

    def _is_time(self, item: Item) -> bool:
        now = self._core.clock.now()
        return item.intent.after <= now and self._not_before.get(item.id, 0) <= now

    async def _prepare(self, item: Item, thread: Thread | None) -> bool:
        """Seal an item and store it with the keys it was sealed from; False where it has to wait or was refused."""
        core, intent = self._core, item.intent
        officer = core.officers.get(intent.officer) if intent.officer is not None else None
        if intent.officer is not None and officer is None:
            item.waiting = LOCKED
            return False
        if thread is None and intent.kind != "open":
            item.waiting = "waits until the thread is open"
            return False
        if thread is not None and thread.parted is not None and not passes(intent.kind, thread.ladder, thread.state):
            if intent.auto:
                item.waiting = "waits until this station and the hub agree again where the ladder stands"
                return False
            await self.settle(item, Answer(CODE, thread.parted.refusal(), core.now(), "station"))
            return False
        state = None if thread is None else thread.state
        if item.newer_than is not None and state is not None and state.epoch <= item.newer_than:
            return False
        try:
            packages = await self._claims.collect(item, thread)
        except ClaimFailed as error:
            item.waiting = str(error)
            self._not_before[item.id] = core.clock.now() + 2_000
            self._lacking.add(item.id)
            core.tell(item.thread, "pending")
            return False
        async with core.lock:
            await self.make_sure()
            if item.state != "queued":
                return item.state == "sending" and item.ref is None  # it stands sealed on the disk already
            thread = core.threads.get(item.thread)  # it may have moved on while the packages were fetched
            if thread is not None and (thread.frozen or intent.kind == "open"):
                return False
            if thread is not None and intent.sd and (why := _keyless(thread, intent.kind)):
                item.waiting = why
                core.tell(item.thread, "pending")
                return False
            if thread is not None and intent.sd and thread.must_renew:
                item.waiting = RENEWING
                core.tell(item.thread, "pending")
                return False
            try:
                if thread is None:
                    sealed = core.sealer.open(item.thread, intent, packages)
                elif intent.kind == "rekey" and thread.state is not None:
                    sealed = core.sealer.rekey(thread, thread.state, intent, packages)
                elif intent.kind == "rejoin" and thread.state is not None:
                    sealed = core.sealer.rejoin(thread, thread.state, intent)
                else:
                    sealed = core.sealer.seal(thread, intent, officer)
                refusal = self._judge(thread, sealed, intent.force)
            except (ProtocolError, NothingToRejoin) as error:
                refusal = Refusal(error.code, "protocol", error.sentence)
            if refusal is None:
                await self._persist(item, thread, sealed, packages)
                self._claims.spent(packages)
                return True
        await self.settle(item, self._answer(refusal))
        return False

    def _judge(self, thread: Thread | None, sealed: Sealed, force: bool) -> Refusal | None:
        core = self._core
        if thread is None or thread.state is None or force or thread.parted is not None:
            # What our ladder says of a state that is not agreed is no reason to keep words back.
            core.replay.admissible(sealed.entry, core.now())
            return None
        return core.replay.judge(thread, sealed.entry, core.now())

    async def _persist(self, item: Item, thread: Thread | None, sealed: Sealed, packages: Iterable[str]) -> None:
        core = self._core
        groups = {thread.id} if thread is not None and sealed.mls is not None else set()
        self._unsure = _Unsure(set(), {item.id}, groups, frozenset(packages))
        async with core.store.change() as change:
            wire = self._seal_wire(item, sealed)
            await change.put_outbox(item.id, state="sending", entry=sealed.id, wire=wire)
            if thread is not None and sealed.mls is not None:
                # The key is gone from the disk before the ciphertext exists anywhere else.
                await change.put_thread(thread.id, mls=core.seal_mls(thread.id, sealed.mls))
        self._unsure = None
        self._sealed(item, thread, sealed)

    # -- submitting ---------------------------------------------------------------------------------------------------

    def _number(self, item: Item) -> None:
        """Hand an item to whoever flushes next, in the order in which it was stored."""
        item.ref = self.ref()
        self._refs[item.ref] = item
        self._outgoing.append((item.ref, item))

    async def _submit(self, item: Item) -> None:
        if item.wire is not None:
            self._number(item)
            await self._flush()

    async def _flush(self) -> None:
        """Submit what was handed over, one after another. Raises `LineBroken`: it is asked for again on the next line."""
        async with self._sending:
            while self._outgoing:
                ref, item = self._outgoing.popleft()
                if item.ref != ref or item.wire is None:
                    continue  # the line went down meanwhile
                try:
                    await self._send(frames.Submit(ref, item.wire.entry, item.wire.parts))
                except LineBroken:
                    for each in (item, *(left for _, left in self._outgoing)):
                        self._refs.pop(each.ref or 0, None)
                        each.ref = None
                    self._outgoing.clear()
                    raise
                self._core.tell(item.thread, "pending")

    async def _flush_or_wait(self) -> None:
        """As `_flush`; where the line is down, it waits in the outbox."""
        try:
            await self._flush()
        except LineBroken as error:
            log.info("send interrupted", detail=error.detail)

    async def _unseal(self, item: Item, *, stale: bool) -> None:
        """Back to an intent: the hub said for certain that this entry does not stand. ``stale``: nor will another under the
        same keys."""
        core = self._core
        epoch = None if item.wire is None else item.wire.epoch
        if item.intent.kind in ("rekey", "rejoin"):
            await self._drop(item)
            return
        async with core.lock:
            async with core.store.change() as change:
                await change.put_outbox(item.id, state="queued", entry=None, wire=None)
            item.state, item.entry, item.wire, item.verified = "queued", None, None, None
            item.newer_than = epoch if stale else None

    async def _drop(self, item: Item) -> None:
        core = self._core
        async with core.lock:
            async with core.store.change() as change:
                await change.drop_outbox(item.id)
            core.items.pop(item.id, None)
        self._answered(item)

    def _answered(self, item: Item) -> None:
        self._not_before.pop(item.id, None)
        waiting = self.done.pop(item.id, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)


def _keyless(thread: Thread, kind: str) -> str | None:
    """Why nothing can be sealed in a thread now, or None."""
    if thread.keys.stuck:
        return "waits until this station has the keys of this incident again"
    state = thread.state
    if kind == "resealed" and state is not None and (state.due_removes or state.leaving):
        return "waits for keys without those who were put out"
    return None
