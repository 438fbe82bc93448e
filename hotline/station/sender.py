"""The pump: brings the outbox to the hub, thread by thread, in order.

What only continues a thread is sealed while others are on their way (`hotline.station.flight`); an entry that changes keys
only when everything before it has come back through replay. What waits for an officer's key, for another station's key
package or for the line waits in the outbox.

What comes while a transaction is being written shares the next one: new intents, and whatever can be sealed at once. Nothing
leaves before the transaction that holds it, and the keys it was sealed from, is on the disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from hotline.station.alone import Alone, answer_of
from hotline.station.claims import Claims
from hotline.station.core import Core, log
from hotline.station.duties import Duties
from hotline.station.errors import LineBroken
from hotline.station.flight import Flight, Ready, on_the_way
from hotline.station.hindrance import hindrance
from hotline.station.key_packages import replenish
from hotline.station.model import Thread
from hotline.station.outbox import Intent, Item
from hotline.station.storing import Storing
from hotline.station.submissions import Submissions
from hotline.station.turns import Turns
from mediation.refusals import Refusal
from protocols import frames

AT_ONCE = 8
"""New intents in one transaction: the hub and the receivers work on the first of many while the next are sealed."""


@dataclass(frozen=True, slots=True, eq=False)
class _New:
    """An intent that is not in the store yet, and who waits for it to be."""

    row: str
    thread: str
    intent: Intent
    done: asyncio.Future[Item]


@dataclass(slots=True)
class _Filled:
    """What could not be sealed: refused by our own ladder, or for a fault of ours."""

    refused: list[tuple[Item, Intent, Refusal]] = field(default_factory=list)
    fault: Exception | None = None


class Sender:
    """``submit`` sends a frame (`LineBroken` where it cannot). `run` until cancelled; `wake` when something changed."""

    def __init__(self, core: Core, duties: Duties, send: Callable[[frames.Frame], Awaitable[None]]) -> None:
        self._core = core
        self._duties = duties
        self._send = send
        self._event = asyncio.Event()
        self._touched: set[str] | None = None
        """Threads that something happened to since the last round; None: to any of them."""
        self._all_due = 0
        """When the keys of all threads are looked at again at the latest (ms UTC)."""
        self._stopping = False
        self._flight = Flight(core)
        self.submissions = Submissions(core, self._flight, self._ask, self.wake)
        self._new: list[_New] = []
        self._claims = Claims(core, self._ask, self.submissions.ref)
        self.storing = Storing(core, self._claims.spent)
        self.alone = Alone(core, self._claims, self.storing, self.submissions)
        self._turns = Turns(core, self.submissions.not_before)
        self._once: set[str] = set()
        """Complaints made: one that is refused is not made again."""

    # -- from outside -------------------------------------------------------------------------------------------------

    def wake(self, *threads: str) -> None:
        """Look at the outbox now, and at what the keys of these threads ask for; without any, of all of them."""
        self._touched = self._touched | set(threads) if threads and self._touched is not None else None
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
                    await self._store_new(new)
        except asyncio.CancelledError:
            if new in self._new:  # it is not stored, nor being stored by somebody else
                self._new.remove(new)
            raise
        item = new.done.result()
        core.tell(thread, "pending")
        await self.submissions.flush_or_wait()
        if item.state == "queued":
            self.wake(thread)
        return item

    def stop(self) -> None:
        """Let `run` end between two entries."""
        self._stopping = True
        self.lost()
        self.wake()

    def retry(self) -> None:
        """Somebody came onto the line or was mandated: look at once for the key packages that were lacking."""
        for row in self.alone.lacking:
            self.submissions.not_before.pop(row, None)
        self.alone.lacking.clear()
        self.wake()

    async def _ask(self, frame: frames.Frame) -> None:
        await self._send(frame)

    async def run(self) -> None:
        """Pump whenever woken, and every tick, until `stop`."""
        while not self._stopping:
            try:
                async with asyncio.timeout(self._turns.pause()):
                    await self._event.wait()
            except TimeoutError:  # time itself can make something due
                self.wake()
            self._event.clear()
            if not self._core.line.caught or self._stopping:
                continue
            try:
                await self._round()
            except LineBroken as error:
                self._touched = None
                log.info("send interrupted", detail=error.detail)
            except Exception as error:  # a fault of ours must not stop the outbox for ever; it is tried again
                self._touched = None
                log.exception("fault in the outbox")
                sentence = (
                    f"This station failed while sending ({type(error).__name__}). It tries again; what is queued is "
                    "safe. Tell your engineers."
                )
                await self._core.alarm("outbox", sentence)

    def lost(self) -> None:
        """The connection is gone: nothing asked or submitted on it will be answered."""
        self.submissions.lost()
        self._claims.lost()

    async def accepted(self, frame: frames.Accepted) -> None:
        """The hub has an entry."""
        await self.submissions.accepted(frame)

    async def refused(self, frame: frames.Refused) -> None:
        """The hub said no to an entry or a claim."""
        if not self._claims.refused(frame):
            await self.submissions.refused(frame)

    def claimed(self, frame: frames.Claimed) -> None:
        """The hub hands out key packages."""
        self._claims.claimed(frame)

    async def replenish(self, left: int) -> None:
        """Keep key packages on the hub: it holds ``left`` of ours."""
        await replenish(self._core, self._ask, left)

    # -- the pump -----------------------------------------------------------------------------------------------------

    async def _round(self) -> None:
        core = self._core
        if core.now() >= self._all_due:
            # Time makes things due in quiet threads too, however busy others are.
            self._touched = None
        touched, self._touched = self._touched, set()
        if touched is None:
            self._all_due = core.now() + round(core.identity.settings.duty.tick * 1000)
        of_keys = tuple(core.threads if touched is None else touched & core.threads.keys())
        for thread in [core.threads[name] for name in of_keys]:
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
        names = self._turns.by_urgency()
        for name in names:
            try:
                await self._advance(name)
            except LineBroken:
                raise
            except Exception as error:  # told by `run`, once the other threads have had their turn
                failed = error
        async with core.lock:
            filled = await self._fill(names)
        await self.submissions.flush()
        await self._settle_all(filled.refused)
        failed = failed or filled.fault
        if failed is not None:
            raise failed

    async def _advance(self, name: str) -> None:
        """One thread: submit again what is sealed, or seal the next that must be alone."""
        thread = self._core.threads.get(name)
        if thread is not None and thread.frozen:
            return
        items = [item for item in self._core.pending(name) if item.state in ("queued", "sending")]
        flight = on_the_way(items)
        for item in flight:
            if item.ref is None and not item.accepted:
                if not self._turns.is_time(item):
                    return  # those behind it would leave a gap
                await self.submissions.submit(item)
        if flight:
            return
        while (head := self._turns.head(items)) is not None:
            items.remove(head)
            if thread is not None and self._duties.is_done(thread, head.intent):
                await self.submissions.drop(head, head.intent)
                continue
            if thread is not None and self._flight.has_room(thread, ()) and self._flight.may_share(head):
                if hindrance(self._core, head, thread) is None:
                    return  # with others: `_fill`
            elif await self.alone.prepare(head, thread):
                await self.submissions.submit(head)
                return
            if not head.intent.auto:
                # Equally urgent entries of officers keep their order; the station's own are not held up by them.
                items = [each for each in items if each.intent.auto]

    def _ready(self, thread: Thread, flight: Sequence[Item], queued: list[Item]) -> Iterable[Item]:
        """What of a thread may be sealed now with what is on the way, in order."""
        while (item := self._turns.head(queued)) is not None:
            queued.remove(item)
            if not self._flight.may_share(item) or self._duties.is_done(thread, item.intent):
                return  # `_advance` has it sealed, or drops it, once the others are back
            if hindrance(self._core, item, thread) is None:
                yield item
            elif not item.intent.auto:
                queued[:] = [each for each in queued if each.intent.auto]

    async def _store_new(self, wanted: _New) -> None:
        """Store the first new intents, ``wanted`` among them, and seal what can be sealed of their threads, in one
        transaction. Under the lock."""
        upto = max(AT_ONCE, self._new.index(wanted) + 1)
        new, self._new = self._new[:upto], self._new[upto:]
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
        await self.storing.make_sure()
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
            if found.refused is not None:
                item, refusal = found.refused
                filled.refused.append((item, item.intent, refusal))
            filled.fault = filled.fault or found.fault
        await self.storing.store(fresh.values(), ready)
        for made in ready:
            self.submissions.number(made.item)
        for each in new:
            if not each.done.done():
                each.done.set_result(items[each.row])
        return filled

    async def _settle_all(self, refused: Iterable[tuple[Item, Intent, Refusal]]) -> None:
        for item, intent, refusal in refused:
            await self.submissions.settle(item, answer_of(self._core, refusal), intent)
        if refused:
            self.wake()
