"""The seventh stage: the ladder, folded again from the first entry, allows every entry and comes to the state that the hub
stamped; and every clock is followed from its start to its end.

The replay ends before the first entry that does not follow, or that is withheld: what the ladder's state was later is the
hub's signed claim (a hash) and no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mediation.audit.case import Case, Item
from mediation.audit.findings import Refuted
from mediation.effects import (
    ClockExpired,
    ClockExtended,
    ClockMet,
    ClockStarted,
    ClockStopped,
    Effect,
    Suspended,
)
from mediation.fold import advance, open_thread, step
from mediation.inputs import context_of, move_of
from mediation.ladder import Ladder
from mediation.refusals import Refusal
from mediation.state import Clock, ThreadState, state_hash
from protocols.accord import SignedAccord
from protocols.kinds import Expired, Step

Ended = Literal["running", "met", "stopped", "ran out"]


@dataclass
class Followed:
    """A clock as the replay saw it. Entries go by ``seq``.

    ``start_seq``: the entry with which it started, or, where it started at another clock's end, that clock's; ``begin``:
    that entry's stamp (ms UTC), so that ``clock.end - begin`` is the whole length from there. ``end_seq``: the entry with
    which it was met, stopped or first seen to have run out. ``noted_seq``: the hub's note that it ran out. ``late_seq``:
    what it waited for, come too late. ``relied_seq``: the first step asked for because it had run out. ``stood_still``:
    another forum was seized meanwhile.
    """

    clock: Clock
    start_seq: int
    begin: int
    ended: Ended = "running"
    end_seq: int | None = None
    noted_seq: int | None = None
    late_seq: int | None = None
    relied_seq: int | None = None
    stood_still: bool = False

    @property
    def length(self) -> int:
        """From the entry it started with to its end, in milliseconds of this thread (an exercise's are scaled)."""
        return self.clock.end - self.begin


class Replay:
    """The fold over a bundle's entries; ``state`` is after entry ``reached``."""

    def __init__(self, ladder: Ladder, accord: SignedAccord, name: str, thread: str) -> None:
        self.ladder, self.state, self.reached = ladder, None, 0
        self._accord, self._name, self._thread = accord, name, thread
        self.clocks: dict[str, Followed] = {}

    state: ThreadState | None

    def take(self, item: Item) -> None:
        """Fold one entry. Raises `Refuted` where the ladder refuses it or comes to another state than was stamped."""
        assert item.verified is not None and item.stamp is not None  # noqa: S101 - only sound items come here
        at, move = item.stamp.at, move_of(item.verified, item.seq)
        relied = self._relied(item)
        if self.state is None:
            context = context_of(self._accord, self._name, self.ladder, self._thread, at)
            outcome = open_thread(context, move, at)
        else:
            outcome = step(self.ladder, self.state, move, at)
        if isinstance(outcome, Refusal):
            raise Refuted("audit.ladder", f"{outcome.code} by {outcome.rule}")
        if state_hash(outcome.state) != item.stamp.state:
            raise Refuted("audit.state")
        before, self.state, self.reached = self.state, outcome.state, item.seq
        for effect in outcome.effects:
            self.follow(effect, item.seq, at)
        for name in relied:
            if (followed := self.clocks.get(name)) is not None and followed.relied_seq is None:
                followed.relied_seq = item.seq
        self._follow_late(before, item.seq)
        act = item.verified.entry.act
        if isinstance(act, Expired) and act.clock in self.clocks:
            self.clocks[act.clock].noted_seq = item.seq

    def follow(self, effect: Effect, seq: int, at: int) -> None:
        """Take what became true with the entry ``seq``, stamped ``at``."""
        match effect:
            case ClockStarted(clock):
                parent = self._ended_at(clock.start) if clock.start != at else None
                start, begin = (seq, at) if parent is None else (parent.start_seq, parent.begin)
                self.clocks[clock.id] = Followed(clock, start, begin, stood_still=clock.paused is not None)
            case ClockExtended(clock, _):
                self.clocks[clock.id].clock = clock
            case ClockMet(clock):
                self._end(clock, "met", seq)
            case ClockStopped(clock):
                self._end(clock, "stopped", seq)
            case ClockExpired(clock):
                self._end(clock, "ran out", seq)
            case Suspended():
                for followed in self.clocks.values():
                    followed.stood_still |= followed.ended == "running"
            case _:
                pass

    def _end(self, clock: Clock, how: Ended, seq: int) -> None:
        followed = self.clocks[clock.id]
        followed.clock, followed.ended, followed.end_seq = clock, how, seq

    def _ended_at(self, moment: int) -> Followed | None:
        """The clock at whose end another started."""
        over = (each for each in self.clocks.values() if each.ended == "ran out" and each.clock.end == moment)
        return next(over, None)

    def _relied(self, item: Item) -> frozenset[str]:
        """The clocks that had run out for this to be asked for: those that open the step, and those that held it shut."""
        assert item.verified is not None and item.stamp is not None  # noqa: S101 - only sound items come here
        act, payload = item.verified.entry.act, item.verified.payload
        if self.state is None or not (isinstance(act, Step) or payload.kind == "default-appointment"):
            return frozenset()
        step, now = act.step if isinstance(act, Step) else payload.kind, advance(self.ladder, self.state, item.stamp.at)
        opened = {option.clock for option in now.options if option.step == step and option.office == payload.office}
        over = {clock.id for clock in now.expired}
        held = {clock.id for clock in now.expired if step in self.ladder.clocks[clock.rule].holds}
        return frozenset((opened & over) | held)

    def _follow_late(self, before: ThreadState | None, seq: int) -> None:
        if before is None or self.state is None or self.state.expired is before.expired:
            return
        known = {clock.id for clock in before.expired if clock.answered}
        for clock in self.state.expired:
            if clock.answered and clock.id not in known and clock.id in self.clocks:
                self.clocks[clock.id].late_seq = seq


def replay(case: Case) -> Replay | None:
    """Sets each item's ``rung`` as far as the ladder could be replayed; None without a ladder."""
    if case.ladder is None:
        return None
    run = Replay(case.ladder, case.accord, case.bundle.ladder_id, case.bundle.thread)
    for item in case.items:
        if not item.sound or item.verified is None:
            break
        item.sound = False
        with case.findings.noting(item.seq):
            run.take(item)
            item.sound = True
        if not item.sound:
            break
        assert run.state is not None  # noqa: S101 - an entry was taken
        item.rung = run.state.rung
    return run
