"""The ladder in numbers: entries folded in a second by one process, the size of the state, the checker's time.

python benchmarks/ladder.py [--quick]

A thread of 10,000 entries under the default ladder, as an incident makes them: mostly talk (statements, updates, goodwill
notes), receipts for it, and now and then questions with their clocks, answers, extensions and steps. The same again with
long-running clocks and options on every entry, which is the worst a thread stands in for long. `--quick`: without the
checker, whose time for each shipped ladder is below 5 s.
"""

from __future__ import annotations

import sys
import time

from hotline import ladders
from mediation import rehearsal
from mediation.checker import check
from mediation.context import OfficeRole, ThreadContext
from mediation.fold import Outcome, open_thread, step
from mediation.ladder import Ladder, parse_ladder
from mediation.move import Move
from mediation.refusals import Refusal
from mediation.state import ThreadState, from_bytes, state_hash, to_bytes
from protocols.encoding import b64u, digest
from protocols.kinds import KINDS, Act, Answer, Ask, Empty, Member, Open, Received, Supersede

ENTRIES = 10_000
ROUNDS = 5
TARGET = 100_000
SECOND = 1_000
LADDER = parse_ladder(ladders.load("cpci-default"))
STATIONS = {"AV": digest(b"AV"), "KV": digest(b"KV")}
BEGIN = 1_931_051_520_000


class Thread:
    """A thread under the default ladder that writes its own next entry; what it wrote can be folded again."""

    def __init__(self) -> None:
        offices = (OfficeRole("AV", "party"), OfficeRole("KV", "party"), OfficeRole("MD", "mediator"))
        roster = tuple(Member(station, office) for office, station in STATIONS.items())
        move = Move(digest(b"open"), 1, "open", "AV", STATIONS["AV"], 1, 0, Open(LADDER.id, ("AV", "KV"), roster))
        outcome = open_thread(ThreadContext(LADDER, 1, "ACTUAL", offices), move, BEGIN)
        assert isinstance(outcome, Outcome), outcome
        self.first = self.state = outcome.state
        self.moves: list[tuple[Move, int]] = []

    def write(self, office: str, kind: str, act: Act) -> str:
        """Appends an entry a second after the last one."""
        state, station = self.state, STATIONS[office]
        name = digest(f"{state.seq + 1} {kind}".encode())
        officers = ("a", "b") if KINDS[kind].author.value == "officer" else ()
        move = Move(
            name, state.seq + 1, kind, office, station, state.seats[station].serial + 1, state.seq, act, officers, True
        )
        at = state.at + SECOND
        outcome = step(LADDER, state, move, at)
        assert isinstance(outcome, Outcome), (kind, outcome)
        self.moves.append((move, at))
        self.state = outcome.state
        return name


def incident() -> Thread:
    """An incident's mixture; of 100 entries two are questions and two are answers."""
    thread = Thread()
    thread.write("KV", "receipt", Received(thread.write("AV", "incident-notice", Empty())))
    while len(thread.moves) < ENTRIES:
        for office, other in (("AV", "KV"), ("KV", "AV")):
            for kind in ("statement", "update") * 12:
                act: Act = Supersede() if kind == "update" else Empty()
                thread.write(other, "receipt", Received(thread.write(office, kind, act)))
            asked = thread.write(office, "clarification-request", Ask(5))
            thread.write(other, "receipt", Received(asked))
            answered = thread.write(other, "clarification-answer", Answer(asked, ("answered",) * 5))
            thread.write(office, "receipt", Received(answered))
    del thread.moves[ENTRIES:]
    return thread


def talk() -> Thread:
    """Nothing but words, with no clock running."""
    thread = Thread()
    for number in range(ENTRIES):
        thread.write("AV" if number % 2 else "KV", "goodwill-note", Empty())
    return thread


def clocked() -> Thread:
    """The same words with eight clocks running that nothing meets."""
    thread = Thread()
    thread.write("KV", "receipt", Received(thread.write("AV", "incident-notice", Empty())))
    for _ in range(5):
        thread.write("KV", "receipt", Received(thread.write("AV", "clarification-request", Ask(5))))
    while len(thread.moves) < ENTRIES:
        thread.write("AV" if len(thread.moves) % 2 else "KV", "goodwill-note", Empty())
    return thread


def fold(thread: Thread) -> float:
    """Entries folded in a second, the best of some rounds: what else the machine does only slows it."""
    best = 0.0
    for _ in range(ROUNDS):
        state: ThreadState = thread.first
        begin = time.perf_counter()
        for move, at in thread.moves:
            outcome = step(LADDER, state, move, at)
            if isinstance(outcome, Refusal):
                raise SystemExit(outcome.sentence)
            state = outcome.state
        best = max(best, len(thread.moves) / (time.perf_counter() - begin))
    return best


def rate(work: object, times: int) -> float:
    begin = time.perf_counter()
    for _ in range(times):
        work()  # type: ignore[operator]  # any callable
    return times / (time.perf_counter() - begin)


def folding() -> None:
    print(f"{'thread of 10,000 entries':28} {'entries/s':>12} {'target':>9} {'state':>9} {'hash/s':>9} {'load/s':>9}")
    for name, make in (("words, no clock", talk), ("words, eight clocks", clocked), ("an incident", incident)):
        thread = make()
        state = thread.state
        data = to_bytes(state)
        print(
            f"{name:28} {fold(thread):12,.0f} {TARGET:9,} {len(data):7,} B"
            f" {rate(lambda state=state: state_hash(state), 2000):9,.0f}"
            f" {rate(lambda data=data: from_bytes(data), 2000):9,.0f}"
        )


def largest_state(ladder: Ladder) -> int:
    """The largest state (bytes) that a short rehearsal of a ladder meets: everything open, done once, then time passes."""
    begun = rehearsal.begin(ladder, BEGIN)
    if isinstance(begun, Refusal):
        return 0
    session, largest = begun[0], 0
    for _ in range(6):
        for office in rehearsal.actors(session)[:6]:
            for choice in rehearsal.choices(session, office):
                if choice.refusal is None and choice.kind not in ("close", "withdrawal", "step-decline"):
                    done = rehearsal.do(session, choice, (), b64u(b"s" * 32))
                    session = session if isinstance(done, Refusal) else done[0]
                    largest = max(largest, len(to_bytes(session.state)))
        moment = rehearsal.next_moment(session)
        if moment is not None:
            session, _ = rehearsal.wait(session, moment)
    return largest


def checking() -> None:
    print(
        f"\n{'ladder':32} {'rungs':>6} {'steps':>6} {'clocks':>6} {'state':>9} {'states':>8} {'checked in':>11}  faults"
    )
    for name, data in ladders.shipped().items():
        ladder = parse_ladder(data)
        begin = time.perf_counter()
        report = check(data)
        seconds = time.perf_counter() - begin
        print(
            f"{name:32} {len(ladder.rungs):6} {len(ladder.steps):6} {len(ladder.clocks):6} {largest_state(ladder):7,} B"
            f" {report.states:8,} {seconds:9.2f} s  {len(report.violations) or 'none'}",
            flush=True,
        )


if __name__ == "__main__":
    folding()
    if "--quick" not in sys.argv[1:]:
        checking()
