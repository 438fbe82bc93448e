"""Several entries of one thread on their way to the hub at once.

An entry that only continues its thread need not wait until the one before it has come back: it is sealed on the state that
the ladder will have reached by then, with the next serial and the next key, and submitted behind it. The hub keeps a
station's entries of a thread in order. Where one of them is not taken after all, those behind it do not follow (their serials
leave a gap): the hub refuses them, and they are sealed again. What the ladder refuses on a state that is only foreseen is
not refused here: it waits until everything before it has landed, and is judged then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from hotline.station.core import Core
from hotline.station.model import Thread
from hotline.station.outbox import Item, Sealed
from mediation.fold import Outcome
from mediation.refusals import Refusal
from mediation.state import ThreadState
from protocols.entry import Entry, VerifiedEntry, parse_entry
from protocols.errors import ProtocolError

WINDOW = 32
"""Entries of one thread on the way at once."""

OUT_OF_ORDER = "ladder.serial"
"""The hub's word that an entry leaves a gap."""

ALONE = ("open", "rekey", "rejoin", "cannot-follow", "resealed", "handover")
"""Kinds that make or need keys that nothing else may cross."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A sealed item of a thread, to be stored together with the group's snapshot ``sealed.mls``."""

    item: Item
    thread: Thread
    sealed: Sealed
    verified: VerifiedEntry


@dataclass(frozen=True, slots=True)
class Sealing:
    """What came of trying to seal: items that are ready, in order; the first one where our own ladder refuses it; and the
    fault of ours that stopped it."""

    ready: tuple[Ready, ...] = ()
    refused: tuple[Item, Refusal] | None = None
    fault: Exception | None = None


@dataclass(frozen=True, slots=True)
class _Foreseen:
    """The state after everything on the way has landed on ``base``."""

    base: ThreadState
    entries: tuple[str | None, ...]
    state: ThreadState | None


def on_the_way(items: Iterable[Item]) -> list[Item]:
    """Those that are sealed and not back yet, in the order of their serials."""
    return sorted((item for item in items if item.state == "sending"), key=lambda item: item.serial)


def _entry(item: Item) -> Entry:
    """What an item is on the way as. Raises `ProtocolError`."""
    return parse_entry(b"" if item.wire is None else item.wire.entry)


class Flight:
    """Seals ahead, thread by thread. Nothing here is stored: the caller does, and says so by `landed` or not at all."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._foreseen: dict[str, _Foreseen] = {}

    def may_share(self, item: Item) -> bool:
        """Whether an item may be on the way together with others."""
        return item.intent.kind not in ALONE and not item.intent.force

    def behind(self, item: Item) -> bool:
        """Whether something of ours stands between an item and what the hub has of its thread."""
        thread = self._core.threads.get(item.thread)
        if thread is None or thread.state is None:
            return False
        seat = thread.state.seats.get(self._core.identity.kid)
        return item.serial > (0 if seat is None else seat.serial) + 1

    def has_room(self, thread: Thread | None, flight: Sequence[Item]) -> bool:
        """Whether more of a thread may be sealed before those on the way are back."""
        if (
            thread is None
            or thread.state is None
            or thread.ladder is None
            or thread.frozen
            or thread.parted is not None
        ):
            return False
        # One that is not submitted, or was refused a moment ago, goes first or falls out.
        shared = all(self.may_share(item) and (item.ref or item.accepted) for item in flight)
        return shared and len(flight) < WINDOW

    def seal(self, thread: Thread, flight: Sequence[Item], items: Iterable[Item]) -> Sealing:
        """Seal as many of ``items`` as may be on the way with ``flight``, in the order given, each on the state that the one
        before it will leave."""
        state = self._after(thread, flight)
        if state is None:
            return Sealing()
        core, ready = self._core, list[Ready]()
        ahead = replace(thread, state=state)
        for item in items:
            if len(flight) + len(ready) >= WINDOW:
                break
            intent = item.intent
            officer = None if intent.officer is None else core.officers.get(intent.officer)
            try:
                sealed = core.sealer.seal(ahead, intent, officer)
                verified = core.replay.admissible(sealed.entry, core.now())
                outcome = core.replay.foresee(ahead, verified, core.now())
            except ProtocolError as error:
                outcome = Refusal(error.code, "protocol", error.sentence)
            except Exception as error:  # what was sealed before it goes out all the same
                return Sealing(tuple(ready), fault=error)
            if not isinstance(outcome, Outcome):
                first = not flight and not ready
                return Sealing(tuple(ready), (item, outcome) if first else None)
            ahead.state = outcome.state
            ahead.mls = ahead.mls if sealed.mls is None else sealed.mls
            ready.append(Ready(item, thread, sealed, verified))
        self._note(thread, (*flight, *(each.item for each in ready)), ready, ahead.state)
        return Sealing(tuple(ready))

    def _note(self, thread: Thread, items: Sequence[Item], ready: Sequence[Ready], state: ThreadState | None) -> None:
        if thread.state is None:
            return
        fresh = {each.item.id: each.sealed.id for each in ready}
        entries = tuple(fresh.get(item.id, item.entry) for item in items)
        self._foreseen[thread.id] = _Foreseen(thread.state, entries, state)

    def _after(self, thread: Thread, flight: Sequence[Item]) -> ThreadState | None:
        """The state once everything on the way has landed; None where that is not to be foreseen."""
        core, state = self._core, thread.state
        if state is None or not flight:
            return state
        entries = tuple(item.entry for item in flight)
        kept = self._foreseen.get(thread.id)
        if kept is not None and kept.base is state and kept.entries == entries:
            return kept.state
        ahead = replace(thread)
        for item in flight:
            try:
                verified = item.verified or core.replay.admissible(_entry(item), core.now())
                outcome = core.replay.foresee(ahead, verified, core.now())
            except ProtocolError as error:
                outcome = Refusal(error.code, "protocol", error.sentence)
            if not isinstance(outcome, Outcome):
                ahead.state = None
                break
            item.verified, ahead.state = verified, outcome.state
        self._foreseen[thread.id] = _Foreseen(state, entries, ahead.state)
        return ahead.state
