"""What waits at this station for a person: drafts to be released, refused entries to be tried again or thrown away."""

from __future__ import annotations

import msgspec

from hotline.station.core import Core
from hotline.station.outcomes import no
from hotline.station.queueing import Queue
from hotline.station.views import Outcome
from hotline.station.writing import Writing, checked
from mediation.refusals import Refusal
from protocols.entry import Precedence
from protocols.errors import ProtocolError


class Waiting:
    """Acts on the items of one station's outbox that wait for a person; methods as in `hotline.station.views.Desk`."""

    def __init__(self, core: Core, writing: Writing, queue: Queue) -> None:
        self._core = core
        self._writing = writing
        self._queue = queue

    async def release(self, officer: str, draft: str, *, precedence: str | None = None) -> Outcome:
        core = self._core
        item = core.items.get(draft)
        if item is None or item.state != "draft":
            return no("station.no-draft", "There is no such draft any more. Nothing was sent.")
        signer = self._writing.signer(officer)
        if isinstance(signer, Outcome):
            return signer
        thread = self._writing.find(item.thread)
        if officer == item.intent.drafter:
            sentence = (
                "The drafter and the releaser must be two people. The draft is kept; a second officer releases it."
            )
            return await self._queue.refuse(
                item.thread, item.intent.kind, Refusal("entry.same-officer", "protocol", sentence)
            )
        try:
            self._writing.require(officer, "releaser")
            urgency = checked(precedence, Precedence) if precedence is not None else item.intent.precedence
        except ProtocolError as error:
            return await self._queue.refuse(
                item.thread, item.intent.kind, Refusal(error.code, "protocol", error.sentence)
            )
        intent = msgspec.structs.replace(item.intent, officer=officer, precedence=urgency)
        refusal = None if intent.force else self._writing.refusal_now(thread, intent, two_person=True)
        if refusal is not None:
            return await self._queue.refuse(item.thread, intent.kind, refusal)
        await self._queue.change(item, intent, "queued")
        return await self._queue.outcome(item)

    async def discard(self, officer: str, pending: str) -> Outcome:
        core = self._core
        async with core.lock:
            item = core.items.get(pending)
            if item is None or item.state not in ("draft", "refused"):
                return no(
                    "station.not-discardable",
                    "Only a draft or a refused entry can be thrown away. Nothing was changed.",
                )
            async with core.store.change() as change:
                await change.drop_outbox(item.id)
                words = f"{core.officer_name(officer, core.now())} threw away a {item.state} {item.intent.kind}."
                await core.note(change, "discarded", words)
            del core.items[item.id]
        core.tell(item.thread, "pending")
        return Outcome(True, "discarded", thread=item.thread)

    async def retry(self, officer: str, pending: str) -> Outcome:
        item = self._core.items.get(pending)
        if item is None or item.state != "refused":
            return no("station.not-refused", "Only a refused entry can be queued again. Nothing was changed.")
        intent = item.intent
        if not intent.auto and not intent.force:
            refusal = self._writing.refusal_now(
                self._writing.find(item.thread), intent, two_person=intent.draft is not None
            )
            if refusal is not None:
                return await self._queue.refuse(item.thread, intent.kind, refusal)
        await self._queue.change(item, intent, "queued")
        return await self._queue.outcome(item)
