"""Verdicts on clocks out of a bundle alone: by what witnesses signed, whatever one of them lies and the hub claims.

A minute of the ladder is a second in this exercise: of an incident notice's clocks `notice-silent` runs 480 s from the
notice, and `page-alternate` 10 s, `human-ack` 30 s and `reply` 240 s from the other side's receipt.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest

from mediation.audit import Report, Trust
from mediation.audit.waits import LATER, Waiting
from protocols.translog import Bounds, Wait
from tests.mediation.audit.kit import START, Watched, check, clock, codes, notified, silent, withheld
from tests.mediation.court import TRUST, WITNESSES

LIARS = ({}, {"HD": -500_000}, {"HD": 500_000}, {"AV": -500_000})


def told(court: Watched, trust: Trust = TRUST) -> Report:
    report = check(court.evidence(), trust)
    assert report.holds, report.problems
    return report


# -- waits ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("off", LIARS)
def test_a_wait_is_proven_by_an_entry_that_saw_a_head_of_after_its_end(off: Mapping[str, int]) -> None:
    found = clock(told(silent(off)), "notice-silent/2")
    assert (found.ended, found.wait, found.relied) == ("ran out", "ELAPSED", "ELAPSED")
    assert (found.start_seq, found.proven_by, found.relied_seq, found.length) == (2, 4, 4, 480_000)
    assert found.least is not None and found.least >= 484


def test_before_the_witnesses_prove_it_a_wait_is_undetermined_although_the_stamps_say_it_is_over() -> None:
    found = clock(told(silent(last=488)), "notice-silent/2")  # 483 s are proven, 484 are needed
    assert (found.ended, found.wait, found.relied) == ("ran out", "UNDETERMINED", "UNDETERMINED")
    assert found.least == 483


def test_a_later_entry_proves_the_end_but_not_that_the_step_came_after_it() -> None:
    court = silent(last=488)
    court.word(496)
    court.publish(497)
    found = clock(told(court), "notice-silent/2")
    assert (found.wait, found.proven_by, found.relied) == ("ELAPSED", 5, "UNDETERMINED")


@pytest.mark.parametrize("off", LIARS)
def test_a_step_taken_before_its_time_is_proven_against_the_hubs_stamps(off: Mapping[str, int]) -> None:
    court = notified(off)
    court.publish(20, off=off)
    court.tell(492, "step-request", "AV", {"step": "L3-experts"}, two=True)  # so the hub stamps it
    court.publish(30, off=off)  # but four witnesses saw it at second 30
    report = check(court.evidence())
    assert {(problem.code, problem.seq) for problem in report.problems} == {("audit.premature", 3)}
    found = clock(report, "notice-silent/2")
    assert (found.wait, found.relied) == ("NOT ELAPSED", "NOT ELAPSED")
    assert found.most is not None and found.most <= 30


def test_the_verifier_says_how_far_honest_clocks_may_be_off() -> None:
    bundle = silent().evidence()
    for epsilon, verdict in ((2, "ELAPSED"), (3, "UNDETERMINED"), (0, "ELAPSED")):
        report = check(bundle, dataclasses.replace(TRUST, epsilon=epsilon))
        assert clock(report, "notice-silent/2").wait == verdict
        assert report.epsilon == epsilon
    with pytest.raises(ValueError, match="off by nothing"):
        Trust(TRUST.policy, TRUST.accord, -1)


def test_the_hubs_note_is_the_end_that_is_judged() -> None:
    court = notified(receipt=True)
    court.publish(22)
    end = next(each.end for each in court.state.clocks if each.rule == "page-alternate") if court.state else 0
    court.tell(23, "clock-expired", "HUB", {"clock": "page-alternate/2", "end": end})
    court.publish(24)
    found = clock(told(court), "page-alternate/2")
    assert (found.ended, found.end_seq, found.wait, found.proven_by) == ("ran out", 4, "ELAPSED", 4)
    assert clock(told(court), "reply/2").ended == "running"
    assert clock(told(court), "reply/2").wait is None
    assert clock(told(court), "notice-silent/2").ended == "met"


def test_of_several_entries_the_first_that_proves_the_end_is_named_and_no_more_than_so_many_are_asked() -> None:
    start, early, late = Bounds(0, 1), Bounds(5, 10), Bounds(20, 21)
    waiting = Waiting(start, 10_000, 0)
    assert [waiting.feed(seq, each) for seq, each in enumerate((early, early, late), 7)] == [False, False, True]
    assert (waiting.verdict, waiting.proven_by, waiting.least) == (Wait.ELAPSED, 9, 19)
    waiting = Waiting(start, 10_000, 0)
    fed = 1
    while not waiting.feed(fed, early):
        fed += 1
    assert fed == LATER + 1
    assert waiting.verdict is Wait.UNDETERMINED


def test_a_length_of_odd_milliseconds_is_rounded_against_whatever_is_claimed() -> None:
    elapsed, early = Waiting(Bounds(0, 0), 1_500, 0), Waiting(Bounds(0, 0), 1_500, 0)
    elapsed.feed(1, Bounds(1, None))
    early.feed(1, Bounds(None, 1))
    assert elapsed.verdict is early.verdict is Wait.UNDETERMINED
    elapsed.feed(2, Bounds(2, None))
    assert elapsed.verdict is Wait.ELAPSED


# -- deadlines -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("off", LIARS)
def test_an_answer_in_time_is_proven(off: Mapping[str, int]) -> None:
    court = notified(off, receipt=True)
    court.tell(9, "acknowledgement", "KV", {"entry": court.ids[1]}, fields={"text": "I have it."})
    court.publish(12, off=off)
    report = told(court)
    found = clock(report, "human-ack/2")
    assert (found.ended, found.deadline, found.act_seq, found.office) == ("met", "IN TIME", 4, "KV")
    # 7 s are possible, and of 10 s less twice the clocks' error 6 are left.
    assert clock(report, "page-alternate/2").deadline == "UNDETERMINED"


@pytest.mark.parametrize("off", LIARS)
def test_silence_is_proven_if_heads_lack_the_answer_and_the_partys_path_worked(off: Mapping[str, int]) -> None:
    court = silent(off)
    found = clock(told(court), "notice-silent/2")
    assert (found.ended, found.deadline, found.act_seq) == ("ran out", "MISSED", None)
    assert found.path == "entry 3 of KV"


def test_the_partys_own_cosignature_in_time_shows_its_path_too() -> None:
    found = clock(told(silent(word=False)), "notice-silent/2")
    assert (found.deadline, found.path) == ("MISSED", "KV itself cosigned cp.002 in time")


def test_without_a_sign_of_the_partys_path_nothing_is_held_against_it() -> None:
    court = notified()
    others = tuple(name for name in WITNESSES if name != "KV")
    court.published[-1] = court.head(others, dict.fromkeys(others, START + 5))
    court.publish(489, others)
    court.tell(492, "step-request", "AV", {"step": "L3-experts"}, two=True)
    court.publish(495, others)
    found = clock(told(court), "notice-silent/2")
    assert (found.deadline, found.path) == ("UNDETERMINED", "")


def test_a_head_that_is_too_early_to_show_the_absence_proves_no_silence() -> None:
    for end, verdict in ((488, "UNDETERMINED"), (489, "MISSED")):
        assert clock(told(silent(last=486, end=end)), "notice-silent/2").deadline == verdict


def test_an_answer_that_came_too_late_is_told_as_missed() -> None:
    court = silent(step=False)
    court.tell(496, "statement", "KV", fields={"text": "We looked into it."}, two=True)
    court.publish(498)
    found = clock(told(court), "notice-silent/2")
    assert (found.ended, found.deadline, found.act_seq) == ("ran out", "MISSED", 5)


def test_silence_after_the_last_entry_is_proven_only_with_the_tail() -> None:
    court = notified()
    court.word(8, "KV")
    court.publish(12)
    court.publish(489)
    assert clock(told(court), "notice-silent/2").deadline == "MISSED"  # a head of the same size holds no more entries
    court.other_leaf()
    court.published.pop()
    court.publish(489)  # it could hold an answer that the bundle leaves out
    assert clock(told(court), "notice-silent/2").deadline == "UNDETERMINED"
    court.end(491)
    court.publish(492)
    report = told(court)
    assert report.tail is not None and report.tail.whole
    found = clock(report, "notice-silent/2")
    assert (found.ended, found.deadline, found.path) == ("running", "MISSED", "entry 3 of KV")


def test_nothing_is_said_of_clocks_after_the_replay_ended() -> None:
    court = silent()
    report = check(withheld(court.evidence(), 3), allow_withheld=True)
    assert report.holds
    assert report.replayed == 2
    assert clock(report, "notice-silent/2").ended == "running"
    assert clock(report, "notice-silent/2").deadline == "UNDETERMINED"


def test_a_bundle_without_other_heads_leaves_everything_undetermined() -> None:
    bundle = dataclasses.replace(silent().evidence(), heads=())
    report = check(bundle)
    assert report.holds
    assert {each.wait for each in report.clocks if each.ended == "ran out"} == {"UNDETERMINED"}
    assert {each.deadline for each in report.clocks} == {"UNDETERMINED"}
    assert "audit.final" not in {problem.code for problem in report.problems}
    assert codes(dataclasses.replace(bundle, exhibits=())) == set()
