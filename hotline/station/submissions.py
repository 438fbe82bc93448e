"""What is submitted on this connection, and what came of it.

Each submission has a number until the hub answers it. What was refused is settled, sealed anew or submitted again after a
while; nothing is submitted twice on one connection before the answer is on the disk.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from hotline.station.core import Core, log
from hotline.station.errors import LineBroken
from hotline.station.flight import OUT_OF_ORDER, Flight
from hotline.station.outbox import Answer, Intent, Item, encode
from protocols import frames
from protocols.encoding import rfc3339

STALE = ("entry.wrong-epoch", "ladder.wrong-epoch")
"""The hub's word that the keys changed on the way: seal again."""

LATER = ("hub.not-stored", "keys.none-left", "keys.claim-refused")
"""Nothing wrong with the entry: the same again after a while."""

WAIT = "line.too-fast"
"""Nothing wrong with the entry: the same again when the hub says."""
LONGEST_WAIT = 120_000
"""ms. Whatever the hub says, it is asked again then."""
ANSWERED = 0
"""Number of a submission that was refused while that is being written down."""


class Submissions:
    """``send`` sends a frame (`LineBroken` where it cannot); ``wake`` has the outbox looked at again, for a thread."""

    def __init__(
        self, core: Core, flight: Flight, send: Callable[[frames.Frame], Awaitable[None]], wake: Callable[[str], None]
    ) -> None:
        self._core, self._flight, self._send, self._wake = core, flight, send, wake
        self._next_ref = 0
        self._refs: dict[int, Item] = {}
        self._outgoing: deque[tuple[int, Item]] = deque()
        self._sending = asyncio.Lock()
        self.not_before: dict[str, int] = {}
        """When an item may be tried again, by row: ms UTC."""
        self.done: dict[str, asyncio.Future[None]] = {}
        """Whom to tell when an item is answered, by row."""

    def ref(self) -> int:
        """A fresh number for a question to the hub."""
        self._next_ref += 1
        return self._next_ref

    def number(self, item: Item) -> None:
        """Hand an item to whoever flushes next, in the order in which it was stored."""
        item.ref = self.ref()
        self._refs[item.ref] = item
        self._outgoing.append((item.ref, item))

    async def submit(self, item: Item) -> None:
        """Submit a sealed item, behind what was handed over before. Raises `LineBroken` as `flush`."""
        if item.wire is not None:
            self.number(item)
            await self.flush()

    async def flush(self) -> None:
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

    async def flush_or_wait(self) -> None:
        """As `flush`; where the line is down, it waits in the outbox."""
        try:
            await self.flush()
        except LineBroken as error:
            log.info("send interrupted", detail=error.detail)

    def lost(self) -> None:
        """The connection is gone: nothing submitted on it will be answered."""
        for item in self._refs.values():
            item.ref = None
        for item in self._core.items.values():
            # Asked again on the next connection: the answer to a repeated submission is the same.
            item.accepted = item.state == "accepted"
        self._refs.clear()
        self._outgoing.clear()

    async def accepted(self, frame: frames.Accepted) -> None:
        """The hub has it; it comes back through delivery."""
        item = self._refs.pop(frame.ref, None)
        if item is None or item.ref != frame.ref:
            return
        item.accepted = True
        item.promised = item.promised or self._core.clock.now()
        self._core.tell(item.thread, "pending")

    async def refused(self, frame: frames.Refused) -> None:
        """The hub said no to an entry."""
        item = self._refs.pop(frame.ref, None)
        if item is None or item.ref != frame.ref:
            return  # an answer to what was submitted before; it has been sealed anew since
        item.promised, item.accepted = None, False
        if frame.code == WAIT:
            item.ref = None
            self._wait(item, frame)
        elif frame.code in LATER:
            item.ref = None
            self.not_before[item.id] = self._core.clock.now() + 2_000
            item.waiting = frame.sentence
        else:
            await self._not_taken(item, frame)
        self._wake(item.thread)

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
        self.not_before[item.id] = core.clock.now() + wait
        item.waiting = f"{frame.sentence} Next at {rfc3339(core.now() + wait)[11:19]}Z."
        core.tell(item.thread, "pending")

    async def _unseal(self, item: Item, *, stale: bool) -> None:
        """Back to an intent: the hub said for certain that this entry does not stand. ``stale``: nor will another under the
        same keys."""
        core = self._core
        epoch = None if item.wire is None else item.wire.epoch
        if item.intent.kind in ("rekey", "rejoin"):
            await self.drop(item)
            return
        async with core.lock:
            async with core.store.change() as change:
                await change.put_outbox(item.id, state="queued", entry=None, wire=None)
            item.state, item.entry, item.wire, item.verified = "queued", None, None, None
            item.newer_than = epoch if stale else None

    def delivered(self, item: Item) -> None:
        """Our entry came back and was replayed."""
        if item.ref is not None:
            self._refs.pop(item.ref, None)
            item.ref = None
        self._answered(item)
        self._wake(item.thread)

    async def settle(self, item: Item, answer: Answer, judged: Intent | None = None) -> None:
        """Mark an item refused: an officer's stays for them to see, a station's own is dropped; both are journalled.
        ``judged``: what was refused, where that was not sent: if it has become another since, nothing was said of that."""
        core = self._core
        words = f"{item.intent.kind} refused by the {answer.by}: {answer.sentence} [{answer.code}]"
        async with core.lock:
            if judged is not None and (item.intent is not judged or item.state != "queued"):
                return
            item.answer = answer
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

    async def drop(self, item: Item, judged: Intent | None = None) -> None:
        """Forget an item that is not needed any more; ``judged`` as in `settle`."""
        core = self._core
        async with core.lock:
            if judged is not None and (item.intent is not judged or item.state != "queued"):
                return
            async with core.store.change() as change:
                await change.drop_outbox(item.id)
            core.items.pop(item.id, None)
        self._answered(item)

    def _answered(self, item: Item) -> None:
        self.not_before.pop(item.id, None)
        waiting = self.done.pop(item.id, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)
