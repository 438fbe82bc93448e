"""What a station notices because time passes: a matter acknowledged and forgotten, an entry that the hub took and never
delivered back, a log whose heads grow old.

Looked at every ``duty.tick`` on the station's own steady clock. Nothing here is kept on the disk: it all follows from the
entries, so that a restart forgets no wait and shortens none.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from hotline.clock import span_words
from hotline.station.core import Core, log
from hotline.station.model import Held, Thread
from protocols.encoding import rfc3339

AWAITED = frozenset(
    {
        "incident-notice",
        "clarification-request",
        "authenticity-query",
        "step-request",
        "objection",
        "proposal",
        "breach-report",
    }
)
"""Kinds that somebody waits for an answer to; of other kinds only the urgent ones are reminded of."""
URGENT = ("FLASH", "IMMEDIATE")
NOWHERE = ("", 0)
GIVEN_UP = 7 * 86_400_000
"""ms after an acknowledgement from which nobody is called any more: the page still says it."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """An entry that our office acknowledged at ``since`` (ms UTC) and has not answered; ``every`` ms somebody is reminded."""

    held: Held
    since: int
    every: int

    def times(self, now: int) -> int:
        """How many reminders are due by ``now``; 0 where it is too early, or too late to wake anybody."""
        waited = now - self.since
        return 0 if not 0 < self.every <= waited or waited > GIVEN_UP else waited // self.every


def forgotten(core: Core, thread: Thread) -> tuple[Forgotten, ...]:
    """What our office has in hand in a thread: acknowledged, and neither answered nor held since, nor anything written."""
    state, ours = thread.state, core.identity.office
    if state is None or thread.ladder is None or thread.frozen or state.rung == thread.ladder.closed:
        return ()
    acknowledged = sorted(thread.in_hand.get(ours, {}).values(), key=lambda held: held.seq)
    in_hand = [held for held in acknowledged if held.reached[ours][0] == "acknowledged"]
    if not in_hand:
        return ()
    duty = core.identity.settings.duty
    spoken = max(
        (held.stamp.at for held in thread.held if held.payload.office == ours and held.kind.content), default=-1
    )
    found = []
    for held in in_hand:
        reached = held.reached[ours]
        urgent = held.payload.precedence in URGENT
        if spoken >= reached[1]:
            continue
        if held.payload.kind in AWAITED or urgent:
            seconds = duty.remind_urgent if urgent else duty.remind
            found.append(Forgotten(held, reached[1], int(seconds * 1000) // max(1, state.scale)))
    return tuple(found)


def unanswered(core: Core, thread: Thread, held: Held) -> int | None:
    """How long (ms) an entry has been acknowledged by our office and not answered; None before the first reminder."""
    if held.reached.get(core.identity.office, NOWHERE)[0] != "acknowledged":
        return None
    found = next((each for each in forgotten(core, thread) if each.held is held), None)
    waited = 0 if found is None else core.now() - found.since
    return waited if found is not None and 0 < found.every <= waited else None


def reminded(core: Core, thread: Thread) -> int:
    """How many entries of a thread wait for our answer since at least the first reminder."""
    now = core.now()
    return sum(0 < each.every <= now - each.since for each in forgotten(core, thread))


class Lookout:
    """`run` until cancelled; `look` once."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._rung: dict[str, int] = {}

    async def run(self) -> None:
        """Look every tick."""
        while True:
            await asyncio.sleep(self._core.identity.settings.duty.tick)
            try:
                await self.look()
            except (SQLAlchemyError, OSError) as error:
                # The disk: whoever writes next raises the alarm; here it is tried again at the next tick.
                log.error("not looked", error=type(error).__name__)

    async def look(self) -> None:
        """Remind and raise what is due, lower what is over."""
        await self._remind()
        await self._undelivered()
        await self._heads()

    async def _remind(self) -> None:
        core, now = self._core, self._core.now()
        waiting = set()
        for thread in tuple(core.threads.values()):
            for each in forgotten(core, thread):
                waiting.add(each.held.id)
                times = each.times(now)
                if times > self._rung.get(each.held.id, 0):
                    self._rung[each.held.id] = times
                    words = (
                        f"Thread {thread.id[:6]}: entry {each.held.seq} ({each.held.kind.title}, {each.held.payload.office}) "
                        f"was acknowledged by your office {span_words(now - each.since)} ago and is not answered."
                    )
                    await core.record("reminder", words, alarm=True, thread=thread.id)
        # What was answered may be forgotten here too; what waits is remembered.
        self._rung = {entry: times for entry, times in self._rung.items() if entry in waiting}

    async def _undelivered(self) -> None:
        core = self._core
        wait, now = int(core.identity.settings.duty.undelivered * 1000), core.clock.now()
        standing = set()
        for item in core.items.open():
            if item.promised is None or now - item.promised < wait:
                continue
            name = f"undelivered/{item.id}"
            standing.add(name)
            if name not in core.alarms:
                at = rfc3339(item.promised + core.line.offset)[:19]
                item.waiting = f"The hub said at {at}Z that it has it, and has not delivered it back since."
                await core.alarm(
                    name,
                    f"Thread {item.thread[:6]}: the hub said at {at}Z that it had taken our {item.intent.kind}, and has not "
                    "delivered it back. Until it does, count it as not sent: nobody can prove that it stands. It is kept and "
                    "handed in again with every connection. Ask the other side by another path whether they have it, and "
                    "tell your engineers.",
                )
                core.tell(item.thread, "pending")
        self._lower("undelivered/", standing)

    async def _heads(self) -> None:
        core = self._core
        wait, now = int(core.identity.settings.duty.heads * 1000), core.now()
        size = 0 if core.head is None else core.head[0]
        oldest: tuple[int, Thread, Held] | None = None
        for thread in core.threads.values():
            for held in reversed(thread.held):
                if held.stamp.index < size:
                    break
                if oldest is None or held.stamp.at < oldest[0]:
                    oldest = (held.stamp.at, thread, held)
        if oldest is None or not core.line.caught or now - oldest[0] < wait:
            if oldest is None or core.line.caught:
                self._lower("heads", set())
            return
        at, thread, held = oldest
        if "heads" not in core.alarms:
            await core.alarm(
                "heads",
                f"The log's heads grow old: entry {held.seq} of thread {thread.id[:6]} was taken at {rfc3339(at)[:19]}Z, and "
                f"the newest head with a quorum (size {size}) does not cover it yet. Messages go on, but what was said since "
                "cannot be proved. Too few witnesses sign, or the hub holds its heads back: ask the hub's operator, and the "
                "other side which head they see.",
            )

    def _lower(self, prefix: str, standing: set[str]) -> None:
        core = self._core
        over = [name for name in core.alarms if name.startswith(prefix) and name not in standing]
        for name in over:
            del core.alarms[name]
        if over:
            core.tell(None, "connection")
