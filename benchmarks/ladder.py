"""Entries folded in one second by one process: plain messages, and the same with running clocks.

python benchmarks/ladder.py
"""

from __future__ import annotations

import time
from pathlib import Path

from mediation.context import OfficeRole, ThreadContext
from mediation.fold import Outcome, open_thread, step
from mediation.ladder import parse_ladder
from mediation.move import Move
from mediation.state import ThreadState, state_hash
from protocols.encoding import digest
from protocols.kinds import About, Ask, Empty, Member, Open

ENTRIES = 50_000
LADDER = parse_ladder((Path(__file__).parents[1] / "mediation" / "ladders" / "cpci-default.toml").read_bytes())
STATIONS = {"AV": digest(b"AV"), "KV": digest(b"KV")}


def opened() -> ThreadState:
    offices = (OfficeRole("AV", "party"), OfficeRole("KV", "party"), OfficeRole("MD", "mediator"))
    roster = tuple(Member(station, office) for office, station in STATIONS.items())
    move = Move(digest(b"open"), 1, "open", "AV", STATIONS["AV"], 1, 0, Open(LADDER.id, ("AV", "KV"), roster))
    outcome = open_thread(ThreadContext(LADDER, 1, "ACTUAL", offices), move, 0)
    assert isinstance(outcome, Outcome), outcome
    return outcome.state


def with_clocks(state: ThreadState) -> ThreadState:
    entry = digest(b"notice")
    for office, kind, act in (
        ("AV", "incident-notice", Empty()),
        ("KV", "receipt", About(entry)),
        ("AV", "clarification-request", Ask(5)),
    ):
        serial = state.seats[STATIONS[office]].serial + 1
        move = Move(
            entry, state.seq + 1, kind, office, STATIONS[office], serial, state.seq, act, ("a", "b"), two_person=True
        )
        outcome = step(LADDER, state, move, state.at)
        assert isinstance(outcome, Outcome), outcome
        state = outcome.state
    return state


def measure(name: str, state: ThreadState, kind: str) -> None:
    moves = []
    serials = {office: state.seats[station].serial for office, station in STATIONS.items()}
    for index in range(ENTRIES):
        office = "AV" if index % 2 else "KV"
        serials[office] += 1
        seq = state.seq + index + 1
        moves.append(
            Move(
                digest(str(index).encode()),
                seq,
                kind,
                office,
                STATIONS[office],
                serials[office],
                seq - 1,
                Empty(),
                ("a",),
            )
        )
    begin = time.perf_counter()
    for move in moves:
        outcome = step(LADDER, state, move, state.at)
        assert isinstance(outcome, Outcome), outcome
        state = outcome.state
    folded = ENTRIES / (time.perf_counter() - begin)
    begin = time.perf_counter()
    for _ in range(1000):
        state_hash(state)
    hashed = 1000 / (time.perf_counter() - begin)
    print(f"{name:32} {folded:10,.0f} entries/s   state hash {hashed:10,.0f}/s")


if __name__ == "__main__":
    measure("goodwill notes, no clocks", opened(), "goodwill-note")
    measure("goodwill notes, five clocks", with_clocks(opened()), "goodwill-note")
    measure("statements, no clocks", opened(), "statement")
