"""The desk's hand on the outbox: what goes in, what is changed there, and what became of it."""

from __future__ import annotations

import asyncio

from hotline.station.core import Core
from hotline.station.outbox import Intent, Item
from hotline.station.outcomes import refused
from hotline.station.sender import Sender
from hotline.station.views import Outcome
from mediation.refusals import Refusal


class Queue:
    """Puts intents into one station's outbox and waits a little for what the hub says."""

    def __init__(self, core: Core, sender: Sender) -> None:
        self._core = core
        self._sender = sender

    async def refuse(self, thread: str, kind: str, refusal: Refusal) -> Outcome:
        """Refused at this station: kept in the journal, sent nowhere."""
        await self._core.record(
            "refused", f"{kind} refused by the station: {refusal.sentence} [{refusal.code}]", thread=thread
        )
        return refused(refusal, thread)

    async def keep_draft(self, row: str, thread: str, intent: Intent) -> Outcome:
        """Keep it until a second officer releases it."""
        core = self._core
        async with core.lock:
            async with core.store.change() as change:
                item = await core.queue(change, row, thread, intent, "draft")
            core.items[row] = item
        core.tell(thread, "pending")
        return Outcome(True, "draft", id=row, thread=thread)

    async def enqueue(self, row: str, thread: str, intent: Intent) -> Outcome:
        """On the disk first, then out."""
        return await self.outcome(await self._sender.put(row, thread, intent))

    async def change(self, item: Item, intent: Intent, state: str) -> None:
        """Put a changed intent in an item\'s place."""
        core = self._core
        async with core.lock:
            sealed = core.seal_intent(item.id, intent)
            async with core.store.change() as change:
                await change.put_outbox(item.id, state=state, intent=sealed, entry=None, wire=None, answer=None)
            item.intent, item.state, item.entry, item.wire, item.answer = intent, state, None, None, None
        core.tell(item.thread, "pending")

    async def outcome(self, item: Item) -> Outcome:
        """Wait a little for the hub's answer, then say where the item stands."""
        if item.state in ("queued", "sending"):
            done = self._sender.submissions.done.setdefault(item.id, asyncio.get_running_loop().create_future())
            if item.state == "queued":
                self._sender.wake(item.thread)
            if self._core.line.caught:
                await asyncio.wait([done], timeout=self._core.identity.settings.duty.answer)
        answer = item.answer
        if answer is not None:
            return Outcome(
                False,
                "refused",
                id=item.id,
                thread=item.thread,
                code=answer.code,
                sentence=answer.sentence,
                rule=answer.rule,
                clock=answer.clock,
                until=answer.until,
            )
        if item.state == "accepted" or item.accepted:
            return Outcome(True, "accepted", id=item.entry, thread=item.thread)
        state = "draft" if item.state == "draft" else "queued"
        return Outcome(True, state, id=item.id, thread=item.thread, sentence=item.waiting)
