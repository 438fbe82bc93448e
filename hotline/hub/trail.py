"""A thread's trail for the console: its entries, and spans for the drawing, replayed from the stored leaves.

The replay is the same pure fold that admitted the entries, so the drawing shows what every station computed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import sqlalchemy as sa

from hotline.hub.tally import REPLIES, bound
from hotline.hub.thread import Thread
from hotline.hub.views import RanOut, Span, ThreadRow, ThreadTrail, TrailEntry
from hotline.store import hub as t
from hotline.store.engine import Store
from hotline.words import act_words, late_words
from mediation import effects as fx
from mediation import fold
from mediation.drawing import Chart
from mediation.inputs import context_of, move_of
from mediation.ladder import Ladder
from mediation.refusals import Refusal
from mediation.state import Clock, ThreadState
from mediation.words import mark
from protocols.accord import SignedAccord
from protocols.entry import Entry, parse_entry, verify_entry, verify_stamp
from protocols.mandate import MandateBook


@dataclass(frozen=True, slots=True)
class Leaf:
    """A stored leaf with the two facts that only the store knows: bytes in all, and the rungs before and after."""

    data: bytes
    size: int
    rung_before: str
    rung_after: str


@dataclass
class Drawing:
    """Spans as they grow during a replay."""

    ladder: Ladder
    spans: list[Span] = field(default_factory=list)
    running: dict[str, tuple[Clock, int]] = field(default_factory=dict)
    started: dict[str, tuple[Clock, int]] = field(default_factory=dict)
    """Every clock by its id, and the entry with which it started."""
    begun: dict[str, int] = field(default_factory=dict)
    """When that entry was stamped (ms UTC)."""
    still: set[str] = field(default_factory=set)
    """Clocks that stood still in a suspension: for how long is the hub's word, so nothing is proven about them."""
    ran_out: list[RanOut] = field(default_factory=list)
    met: list[RanOut] = field(default_factory=list)

    def tell(self, effects: tuple[fx.Effect, ...], at: int, seq: int = 0) -> None:
        """Take what became true at ``at`` (ms UTC), with the entry ``seq`` where one made it so."""
        for effect in effects:
            match effect:
                case fx.ClockStarted(clock):
                    self.running[clock.id] = (clock, clock.start)
                    self.started[clock.id], self.begun[clock.id] = (clock, seq), at
                    self.still.discard(clock.id)
                    if clock.paused is not None:
                        self.still.add(clock.id)
                case fx.Suspended():
                    self.still |= set(self.running)
                case fx.ClockMet(clock):
                    self._met(clock, seq)
                    self._ended(clock, at)
                case fx.ClockStopped(clock):
                    self._ended(clock, at)
                case fx.ClockExpired(clock):
                    self._ended(clock, clock.end)
                case fx.ClockExtended(clock, _):
                    _, start = self.running.get(clock.id, (clock, clock.start))
                    self.running[clock.id] = (clock, start)

    def note(self, entry: Entry, seq: int) -> None:
        """Take the hub's note that a clock ran out."""
        clock, start = self.started.get(str(entry.payload.act["clock"]), (None, 0))
        if clock is not None and start:
            length = int(entry.payload.act["end"]) - clock.start
            title = self.ladder.clocks[clock.rule].title
            self.ran_out.append(RanOut(title, bound(self.ladder, clock), start, seq, length, clock.id))

    def _met(self, clock: Clock, seq: int) -> None:
        """Take a clock that was met in time by the entry ``seq``, counted from the entry with which it started."""
        rule = self.ladder.clocks[clock.rule]
        _, start = self.started.get(clock.id, (clock, 0))
        if rule.kind in REPLIES and start and clock.id not in self.still:
            length = clock.end - self.begun[clock.id]
            self.met.append(RanOut(rule.title, bound(self.ladder, clock), start, seq, length, clock.id, met=True))

    def finish(self) -> list[Span]:
        """All spans; clocks that still run have no end."""
        open_ = [self._span(clock, start, None) for clock, start in self.running.values()]
        return sorted([*self.spans, *open_], key=lambda span: (span.start, span.lane))

    def _ended(self, clock: Clock, at: int) -> None:
        _, start = self.running.pop(clock.id, (clock, clock.start))
        self.spans.append(self._span(clock, start, max(at, start)))

    def _span(self, clock: Clock, start: int, end: int | None) -> Span:
        rule = self.ladder.clocks[clock.rule]
        kind = "standstill" if clock.rule in self.ladder.standstill_clocks else "clock"
        on = bound(self.ladder, clock)
        who = f" ({on})" if on else ""
        # The mark is part of the line's name, so that the drawing says it beside the bar.
        marked = f" ({mark(rule)})" if mark(rule) else ""
        return Span(f"{rule.title}{marked}", f"{rule.title}{who}", start, end, kind, mark(rule))


def row_of(thread: Thread, ladder: Ladder) -> ThreadRow:
    """One line of the list of threads."""
    state = thread.state
    rung = ladder.rungs[state.rung]
    return ThreadRow(
        thread.thread,
        state.parties,
        tuple(sorted(set(state.roster.values()))),
        thread.ladder,
        state.scale,
        state.rung,
        rung.title,
        rung.level,
        state.standstill.end if state.standstill is not None else None,
        thread.seq,
        thread.opened,
        thread.at,
        state.rung == ladder.closed,
    )


async def read_leaves(store: Store, thread: str) -> list[Leaf]:
    """Every leaf of a thread, in order."""
    e = t.entries.c
    async with store.read() as connection:
        rows = await connection.execute(
            sa.select(t.leaves.c.data, e.size, e.rung_before, e.rung_after)
            .join(t.leaves, t.leaves.c.idx == e.idx)
            .where(e.thread == thread)
            .order_by(e.seq)
        )
        return [Leaf(*row) for row in rows]


def make_trail(
    thread: Thread, leaves: list[Leaf], ladder: Ladder, accord: SignedAccord, book: MandateBook, now: int
) -> ThreadTrail:
    """Replay and describe. Pure, and slow for long threads: call it off the loop."""
    drawing = Drawing(ladder)
    entries: list[TrailEntry] = []
    names: dict[str, str] = {}
    rungs: list[tuple[str, int]] = []
    state: ThreadState | None = None
    for leaf in leaves[: thread.seq]:
        entry = parse_entry(leaf.data)
        stamp = verify_stamp(entry, accord)
        verified = verify_entry(entry, accord, book, at=stamp.at)
        move = move_of(verified, stamp.seq)
        if state is None:
            name = str(entry.payload.act["ladder"])
            context = context_of(accord, name, ladder, entry.payload.thread, stamp.at)
            outcome = fold.open_thread(context, move, stamp.at)
        else:
            outcome = fold.step(ladder, state, move, stamp.at)
        if isinstance(outcome, Refusal):
            raise RuntimeError(f"the stored entry {stamp.seq} of {thread.thread} does not replay: {outcome.code}")
        state = outcome.state
        drawing.tell(outcome.effects, stamp.at, stamp.seq)
        if entry.payload.kind == "clock-expired":
            drawing.note(entry, stamp.seq)
        if not rungs or rungs[-1][0] != state.rung:
            rungs.append((state.rung, state.rung_since))
        names[entry.id] = f"entry {stamp.seq}"
        entries.append(_entry(entry, leaf, stamp.seq, stamp.index, stamp.at, ladder, names))
    if state is not None:
        drawing.tell(fold.elapse(ladder, state, now).effects, now)
    spans = _rung_spans(ladder, rungs) + drawing.finish() + _member_spans(thread, entries)
    table = tuple((rung.id, rung.title, rung.level) for rung in ladder.rungs.values())
    chart = Chart(ladder, state, now)
    return ThreadTrail(
        row_of(thread, ladder), tuple(entries), tuple(spans), table, chart, tuple(drawing.ran_out), tuple(drawing.met)
    )


def _entry(
    entry: Entry, leaf: Leaf, seq: int, index: int, at: int, ladder: Ladder, names: dict[str, str]
) -> TrailEntry:
    payload = entry.payload
    words = act_words(payload.kind, payload.act, ladder, lambda name: names.get(name, "another entry"))
    if payload.kind == "clock-expired" and (late := late_words(payload.act.get("late", 0))):
        words = f"{words}; {late}"
    return TrailEntry(
        entry.id,
        seq,
        index,
        at,
        payload.kind,
        entry.kind.title,
        payload.office,
        payload.act,
        words,
        payload.precedence,
        leaf.size,
        leaf.rung_before,
        leaf.rung_after,
        len(payload.sd),
    )


def _rung_spans(ladder: Ladder, rungs: list[tuple[str, int]]) -> list[Span]:
    ends: list[int | None] = [start for _, start in rungs[1:]]
    return [
        Span("Rung", ladder.rungs[rung].title, start, end, "rung")
        for (rung, start), end in zip(rungs, [*ends, None], strict=True)
    ]


def _member_spans(thread: Thread, entries: list[TrailEntry]) -> list[Span]:
    """One span an office and membership; two stations of one office that overlap make one."""
    at = {entry.seq: entry.at for entry in entries}
    found: dict[str, list[tuple[int, int | None]]] = {}
    for station, times in thread.members.items():
        seat = thread.state.seats.get(station)
        if seat is None:
            continue
        for time in times:
            left = None if time.left is None else at[time.left]
            found.setdefault(seat.office, []).append((at[time.joined], left))
    spans = []
    for office, times_ in sorted(found.items()):
        merged: list[tuple[int, int | None]] = []
        for start, end in sorted(times_, key=lambda each: each[0]):
            if merged and (merged[-1][1] is None or start <= merged[-1][1]):
                before = merged[-1][1]
                merged[-1] = (merged[-1][0], None if before is None or end is None else max(before, end))
            else:
                merged.append((start, end))
        spans += [Span("Members", office, start, end, "member") for start, end in merged]
    return spans
