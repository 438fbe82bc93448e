"""What goes out to one station, in which order.

Answers wait in a bounded queue; entries do not wait at all: what is remembered is how far each thread was sent, and it is read
on from there, so a slow reader costs the hub nothing and one that is cut off resumes by its cursor. Between any two entries
waiting answers go first, and of several threads the one with the most urgent entry.

A station that is up to date and reads has nothing waiting: what is new for it goes out from where it comes up, together with
whatever else comes up for it in the same turn of the loop (`hotline.hub.lines`), without waking anybody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from hotline.hub import delivery
from hotline.hub.errors import TooSlow
from hotline.hub.flow import Outgoing, Touched
from hotline.hub.invitations import concerning, invitations
from hotline.hub.lanes import RANK
from hotline.hub.outlet import AT_ONCE, Outlet
from hotline.hub.thread import Thread, may_see
from protocols.errors import ProtocolError
from protocols.frames import Caught, Frame, Invitation, encode_frame
from protocols.mandate import VerifiedMandate

if TYPE_CHECKING:
    from hotline.hub.hub import Hub


class Sending:
    """The way out to a station. ``cut`` ends its line.

    ``following``: the station has said how far it is, and is sent entries. ``over``: nothing is sent any more.
    """

    def __init__(
        self, hub: Hub, outlet: Outlet, mandate: VerifiedMandate, cut: Callable[[ProtocolError], None]
    ) -> None:
        self._hub, self._outlet, self._mandate, self._cut = hub, outlet, mandate, cut
        self._kid, self._office = mandate.kid, mandate.office
        limits = hub.settings.limits
        self._answers = Outgoing(limits.answers, limits.answer_bytes)
        self._wake = asyncio.Event()
        self.following = self.over = False
        self._fault: Exception | None = None
        self._caught = False
        self._resting = False
        """Nothing is on its way and nothing waits: `run` is waiting to be woken."""
        self._cursors = delivery.Cursors()
        self._touched = Touched()
        self._rank = -1
        """How urgent the thread is whose entries are being sent; -1: more urgent ones have come."""
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._rest: dict[str, delivery.Batch] = {}
        """What was read of threads whose delivery something more urgent broke into."""
        self._tails = 0
        self._invited: dict[tuple[str, str, str | None], Invitation] = {}

    # -- what others say; none of these waits -----------------------------------------------------------------------

    def push(self, frame: Frame) -> None:
        """Send a frame; a station that lets too many wait is cut off."""
        self.push_bytes(encode_frame(frame))

    def push_bytes(self, data: bytes) -> None:
        """The same with a frame that is encoded already."""
        if self._at_once:
            self._put(data)
        elif not self.over:
            if not self._answers.put(data):
                self._hub.metrics.limited.labels("answers").inc()
                self._cut(TooSlow("answers"))
                return
            self._wake.set()

    def answer(self, frame: Frame) -> None:
        """The same after the news that were told before, where the station reads: it hears "accepted" when it has what was
        accepted. (One that reads slowly may hear it before.)"""
        if self._at_once:
            try:
                self._put(encode_frame(frame))
            except Exception as error:
                self._failed(error)
        else:  # `run` was woken for the news; what is queued now it would send first
            asyncio.get_running_loop().call_soon(self.push, frame)

    def news(self, thread: Thread, rank: int) -> None:
        """A thread may hold something new, the most urgent of it of this rank."""
        if not self.following:
            return
        if self._caught and self._at_once:
            try:
                if self._sent_at_once(thread):
                    return
            except Exception as error:
                self._failed(error)
                return
        self.touch(thread.thread, rank)

    def _sent_at_once(self, thread: Thread) -> bool:
        """Whether all that is new of a thread could be sent from memory."""
        batch = delivery.fresh_batch(self._hub.recent, thread, self._cursors, self._kid, AT_ONCE)
        if batch is None:
            return False
        for frame in batch.frames:
            self._put(encode_frame(frame))
        self._hub.metrics.delivered.inc(len(batch.frames))
        if batch.more:
            return False
        for invitation in self._changed_invitations(thread):
            self._put(encode_frame(invitation))
        return True

    def touch(self, thread: str, rank: int) -> None:
        """Look at a thread in its turn."""
        self._touched.put(thread, rank)
        if rank < self._rank:
            self._rank = -1
        self._wake.set()

    def wake(self) -> None:
        """Look whether there is something to send."""
        self._wake.set()

    def stop(self) -> None:
        """Send nothing more."""
        self.over = True
        self._wake.set()

    def follow(self, cursors: Mapping[str, int], tails: int, threads: Iterator[str]) -> None:
        """The station has everything up to these ``cursors`` and was told of ends of threads up to ``tails`` (`frames.Follow`).
        ``threads``: those of which it may get something."""
        self._cursors = delivery.Cursors(dict(cursors))
        self._rest.clear()
        self._tails = tails
        self.following, self._caught = True, False
        for thread in threads:
            self.touch(thread, RANK["ROUTINE"])
        self._wake.set()

    async def room(self) -> None:
        """Wait while too much is unread: who does not read its answers is not asked for more questions."""
        await self._answers.room()

    def hand_over(self) -> None:
        """Send what came up, where `run` does not."""
        if self._out and self._resting and not self.over:
            messages = self._taken()
            try:
                self._outlet.put(messages)
            except (ConnectionError, RuntimeError):  # closing transport
                self._cut(TooSlow("gone"))
            except Exception as error:
                self._failed(error)

    def _failed(self, error: Exception) -> None:
        """A fault over what one station is sent ends its line (by `run`), and stops neither the writer nor other lines."""
        self._fault = error
        self.stop()

    @property
    def _at_once(self) -> bool:
        """Whether what comes up goes out at once: nothing waits for its turn, and the station reads."""
        return (
            self._resting
            and not self.over
            and not self._answers
            and not self._touched
            and self._out_bytes < AT_ONCE
            and self._outlet.open
        )

    def _put(self, data: bytes) -> None:
        if not self._out:
            self._hub.lines.soon(self)
        self._out.append(data)
        self._out_bytes += len(data)

    def _taken(self) -> list[bytes]:
        messages, self._out, self._out_bytes = self._out, [], 0
        return messages

    # -- what goes out in its turn ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until `stop`. Raises what the store raises, and what went wrong over something that went out at once."""
        while True:
            self._resting = True
            try:
                await self._wake.wait()
            finally:
                self._resting = False
            self._wake.clear()
            while not self.over and (self._answers or self._touched or self._behind or self._tails_due):
                await self._send_answers()
                if self._touched:
                    await self._send_thread(*self._touched.take())
                elif self._behind:
                    self._caught = True
                    await self._send_frame(Caught(self._hub.clock.now()))
                elif self._tails_due:
                    await self._send_tails()
            await self._flush()
            if self._fault is not None:
                raise self._fault
            if self.over:
                return

    @property
    def _behind(self) -> bool:
        return self.following and not self._caught

    @property
    def _tails_due(self) -> int:
        """Up to which size of the log there are ends of threads that this station was not told; 0: none."""
        published = self._hub.heads.published
        upto = 0 if published is None else min(published.checkpoint.size, self._hub.writer.standing.heads)
        return upto if self.following and upto > self._tails else 0

    async def _send_tails(self) -> None:
        """Where this station's threads end, as the log says; after every entry up to there, so that one that is missing
        at the station was held back."""
        await self._flush()  # what is there already need not wait for the disk
        hub, upto = self._hub, self._tails_due
        found = await hub.ends.read(self._kid, self._tails, upto)
        behind = [tail.thread for tail in found.values() if self._cursors.of(tail.thread, member=True) < tail.seq]
        if behind:
            for thread in behind:
                self.touch(thread, RANK["ROUTINE"])
            return
        self._tails = upto
        for frame in await hub.ends.frames(found.values()):
            await self._send_frame(frame)

    async def _send_answers(self) -> None:
        while self._answers and not self.over:
            await self._send_bytes(self._answers.take())

    async def _send_thread(self, name: str, rank: int) -> None:
        hub, cursors = self._hub, self._cursors
        thread = hub.writer.standing.threads.get(name)
        if thread is None:
            return
        batch = self._rest.pop(name, None)
        if batch is None:
            batch = delivery.fresh_batch(hub.recent, thread, self._cursors, self._kid)
        if batch is None:
            await self._flush()  # what is there already need not wait for the disk
            about = concerning(hub.ladders[thread.ladder], thread.state, self._office)
            batch = await delivery.next_batch(hub.store, hub.backlog, thread, cursors, self._mandate, about)
        self._rank = rank
        for number, frame in enumerate(batch.frames, 1):
            if cursors is not self._cursors:
                return  # the station has said anew how far it is, and this thread is looked at again from there
            await self._send_frame(frame)
            hub.metrics.delivered.inc()
            await self._send_answers()
            if self._rank != rank and number < len(batch.frames):
                # Something more urgent has come: the rest of these afterwards.
                self._rest[name] = delivery.Batch(batch.frames[number:], more=True)
                self._touched.put(name, rank)
                return
        if batch.more:
            self._touched.put(name, rank)
            return
        for invitation in self._changed_invitations(thread):
            await self._send_frame(invitation)

    def _changed_invitations(self, thread: Thread) -> list[Invitation]:
        """What changed of the invitations to this thread; one that no longer stands is said to be over."""
        ladder, at = self._hub.ladders[thread.ladder], self._hub.clock.now()
        found = invitations(thread, ladder, self._office, self._kid, at)
        now = {(thread.thread, each.role, each.about): each for each in found}
        changed = []
        if self._invited and may_see(thread, self._kid) is None:
            for key in [key for key in self._invited if key[0] == thread.thread and key not in now]:
                last = self._invited.pop(key)
                changed.append(replace(last, status="over", seq=thread.seq, head=thread.head))
        for key, invitation in now.items():
            if self._invited.get(key) != invitation:
                self._invited[key] = invitation
                changed.append(invitation)
        return changed

    async def _send_frame(self, frame: Frame) -> None:
        await self._send_bytes(encode_frame(frame))

    async def _send_bytes(self, data: bytes) -> None:
        """With what comes after it, once that is much or there is no more."""
        self._out.append(data)
        self._out_bytes += len(data)
        if self._out_bytes >= AT_ONCE:
            await self._flush()

    async def _flush(self) -> None:
        if not self._out or self.over:
            return
        size, messages = self._out_bytes, self._taken()
        try:
            await self._outlet.write(messages)
            if size >= AT_ONCE:
                await asyncio.sleep(0)  # who has much to read leaves a turn to others
        except TimeoutError:
            self._cut(TooSlow("reading"))
        except (ConnectionError, RuntimeError):  # closing transport
            self._cut(TooSlow("gone"))
