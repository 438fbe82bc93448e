"""Clocks as the replay follows them, from effect to effect."""

from __future__ import annotations

from mediation.audit.ladder import Replay
from mediation.effects import ClockExpired, ClockExtended, ClockMet, ClockStarted, ClockStopped, Resumed, Suspended
from mediation.ladder import parse_ladder
from mediation.state import Clock
from tests.mediation.court import LADDER, LADDER_ID, LINE, THREAD


def replay() -> Replay:
    return Replay(parse_ladder(LADDER), LINE.accord, LADDER_ID, THREAD)


def clock(name: str, start: int, end: int, paused: int | None = None) -> Clock:
    return Clock(id=name, rule="reply", start=start, end=end, entry="", seq=1, paused=paused)


def test_a_clock_that_started_at_anothers_end_counts_from_the_entry_that_began_it_all() -> None:
    run = replay()
    run.follow(ClockStarted(clock("first", 1_000, 3_000)), 4, 1_000)
    run.follow(ClockExpired(clock("first", 1_000, 3_000)), 7, 9_000)
    run.follow(ClockStarted(clock("second", 3_000, 8_000)), 7, 9_000)
    found = run.clocks["second"]
    assert (found.start_seq, found.length) == (4, 7_000)
    run.follow(ClockExpired(clock("second", 3_000, 8_000)), 7, 9_000)
    assert (found.ended, found.end_seq) == ("ran out", 7)


def test_a_longer_clock_is_judged_by_its_new_end() -> None:
    run = replay()
    run.follow(ClockStarted(clock("one", 1_000, 3_000)), 4, 1_000)
    run.follow(ClockExtended(clock("one", 1_000, 6_000), 3_000), 5, 2_000)
    run.follow(ClockMet(clock("one", 1_000, 6_000)), 6, 5_000)
    found = run.clocks["one"]
    assert (found.length, found.ended, found.end_seq) == (5_000, "met", 6)


def test_a_clock_that_lost_its_object_is_neither_met_nor_run_out() -> None:
    run = replay()
    run.follow(ClockStarted(clock("one", 1_000, 3_000)), 4, 1_000)
    run.follow(ClockStopped(clock("one", 1_000, 3_000)), 5, 2_000)
    assert run.clocks["one"].ended == "stopped"


def test_whatever_ran_or_began_in_a_suspension_is_marked() -> None:
    run = replay()
    run.follow(ClockStarted(clock("before", 1_000, 3_000)), 4, 1_000)
    run.follow(ClockStarted(clock("over", 1_000, 1_500)), 4, 1_000)
    run.follow(ClockExpired(clock("over", 1_000, 1_500)), 5, 2_000)
    run.follow(Suspended("AV"), 5, 2_000)
    run.follow(ClockStarted(clock("during", 2_500, 9_000, paused=2_500)), 6, 2_500)
    run.follow(Resumed("AV", 1_000), 7, 3_000)
    run.follow(ClockStarted(clock("after", 4_000, 9_000)), 8, 4_000)
    assert [name for name, found in run.clocks.items() if found.stood_still] == ["before", "during"]
