"""Sealing what goes alone: openings, renewals, returns, what is sealed again; from the key packages of others where it needs
them.

What may share the way with others is sealed in `hotline.station.flight`.
"""

from __future__ import annotations

from hotline.station.claims import ClaimFailed, Claims
from hotline.station.core import Core
from hotline.station.errors import NothingToRejoin
from hotline.station.hindrance import LOCKED, hindrance
from hotline.station.model import Thread
from hotline.station.outbox import Answer, Item, Sealed
from hotline.station.parting import CODE, passes
from hotline.station.storing import Storing
from hotline.station.submissions import Submissions
from mediation.refusals import Refusal
from protocols.errors import ProtocolError


class Alone:
    """Seals one item at a time and stores it with the keys it was sealed from."""

    def __init__(self, core: Core, claims: Claims, storing: Storing, submissions: Submissions) -> None:
        self._core, self._claims, self._storing, self._submissions = core, claims, storing, submissions
        self.lacking: set[str] = set()
        """Items that wait because a key package could not be had."""

    async def prepare(self, item: Item, thread: Thread | None) -> bool:
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
            await self._submissions.settle(item, Answer(CODE, thread.parted.refusal(), core.now(), "station"))
            return False
        state = None if thread is None else thread.state
        if item.newer_than is not None and state is not None and state.epoch <= item.newer_than:
            return False
        try:
            packages = await self._claims.collect(item, thread)
        except ClaimFailed as error:
            item.waiting = str(error)
            self._submissions.not_before[item.id] = core.clock.now() + 2_000
            self.lacking.add(item.id)
            core.tell(item.thread, "pending")
            return False
        async with core.lock:
            await self._storing.make_sure()
            if item.state != "queued":
                return item.state == "sending" and item.ref is None  # it stands sealed on the disk already
            intent = item.intent  # a receipt may have taken in more since
            thread = core.threads.get(item.thread)  # it may have moved on while the packages were fetched
            if thread is not None and (thread.frozen or intent.kind == "open"):
                return False
            if thread is not None and hindrance(core, item, thread) is not None:
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
                await self._storing.store_alone(item, thread, sealed, packages)
                return True
        await self._submissions.settle(item, answer_of(core, refusal), intent)
        return False

    def _judge(self, thread: Thread | None, sealed: Sealed, force: bool) -> Refusal | None:
        core = self._core
        if thread is None or thread.state is None or force or thread.parted is not None:
            # What our ladder says of a state that is not agreed is no reason to keep words back.
            core.replay.admissible(sealed.entry, core.now())
            return None
        return core.replay.judge(thread, sealed.entry, core.now())


def answer_of(core: Core, refusal: Refusal) -> Answer:
    """A refusal of our own ladder, as the officer is told it."""
    return Answer(refusal.code, refusal.sentence, core.now(), "station", refusal.rule, refusal.clock, refusal.until)
