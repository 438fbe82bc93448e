"""Seconds carry a request, blocks fell it, and neither can be given twice, by the wrong office, or for one's own request."""

from __future__ import annotations

import pytest

from mediation.effects import Blocked, Seconded, StepAccepted, StepBlocked, StepLapsed
from mediation.fold import elapse
from mediation.rules import Quorum
from mediation.words import quorum
from protocols.kinds import Step, StepAnswer
from tests.mediation.council import COUNCIL, agree, asked, changed
from tests.mediation.play import Play, t


def called() -> tuple[Play, str]:
    play = asked()
    return play, play.send("02:00", "AV", "step-request", Step("meet"))


def test_the_step_is_taken_with_the_last_second_it_needs() -> None:
    play, request = called()
    assert play.state.rung == "L1"
    play.send("03:00", "NN", "second", StepAnswer(request, "meet"))
    assert play.saw(Seconded) == Seconded("meet", "NN", request, 1, 2)
    play.send("04:00", "QQ", "second", StepAnswer(request, "meet"))
    assert play.state.rung == "L2"
    assert play.state.requests == ()
    assert "seconds" not in {clock.rule for clock in play.state.clocks}


def test_an_office_seconds_once_and_only_the_others_do() -> None:
    play, request = called()
    answer = StepAnswer(request, "meet")
    play.send("03:00", "NN", "second", answer)
    assert play.refused("03:01", "NN", "second", answer).code == "ladder.already-said"
    for office in ("AV", "KV", "CH"):
        assert play.refused("03:01", office, "second", answer).code == "ladder.not-yours"
    assert play.refused("03:01", "OV", "second", answer).code == "ladder.no-standing"
    assert play.refused("03:01", "AW", "second", answer).code == "ladder.not-yours"  # a national of a party
    assert play.refused("03:01", "OO", "second", StepAnswer("x" * 43, "meet")).code == "ladder.unknown-reference"
    assert play.refused("03:01", "OO", "block", answer).code == "ladder.no-blocking"


def test_a_request_without_enough_seconds_in_time_lapses_and_may_be_made_again() -> None:
    play, request = called()
    play.send("03:00", "NN", "second", StepAnswer(request, "meet"))
    outcome = elapse(COUNCIL, play.state, t("50:00"))
    assert StepLapsed("meet", "AV", request) in outcome.effects
    assert outcome.state.rung == "L1"
    assert outcome.state.requests == ()
    assert play.refused("50:00", "QQ", "second", StepAnswer(request, "meet")).code == "ladder.unknown-reference"
    again = play.send("50:00", "AV", "step-request", Step("meet"))
    play.send("51:00", "NN", "second", StepAnswer(again, "meet"))
    play.send("51:00", "OO", "second", StepAnswer(again, "meet"))
    assert play.state.rung == "L2"


def test_the_other_party_can_neither_accept_nor_decline_what_waits_for_seconds() -> None:
    play, request = called()
    for kind in ("step-accept", "step-decline"):
        assert play.refused("03:00", "KV", kind, StepAnswer(request, "meet")).code == "ladder.not-yours"
    play.send("03:00", "AV", "step-decline", StepAnswer(request, "meet"))  # its own: a withdrawal
    assert play.state.requests == ()
    assert "seconds" not in {clock.rule for clock in play.state.clocks}


def test_consent_of_a_role_and_a_third_of_the_others_are_both_needed_in_either_order() -> None:
    for order in (("CH", "NN", "OO"), ("NN", "OO", "CH"), ("NN", "CH", "OO")):
        play = asked()
        request = play.send("02:00", "AV", "step-request", Step("poll"))
        for office in order:
            assert play.state.rung == "L1"
            play.send("03:00", office, "step-accept" if office == "CH" else "second", StepAnswer(request, "poll"))
            if office == "CH" and play.state.rung == "L1":
                assert play.saw(StepAccepted).office == "CH"
                again = play.refused("03:00", "CH", "step-accept", StepAnswer(request, "poll"))
                assert again.code == "ladder.already-accepted"
        assert play.state.rung == "L2"


def test_a_role_that_declines_ends_the_request() -> None:
    play = asked()
    request = play.send("02:00", "AV", "step-request", Step("poll"))
    play.send("03:00", "CH", "step-decline", StepAnswer(request, "poll"))
    assert play.state.requests == ()


def test_a_request_that_can_never_get_its_seconds_is_refused() -> None:
    ladder = changed(("count = 2", "count = 5"))
    assert asked(ladder).refused("02:00", "AV", "step-request", Step("meet")).code == "ladder.too-few-to-second"


def test_no_second_counts_inside_a_standstill() -> None:
    play, request = called()
    agree(play, "03:00", "calm")
    refusal = play.refused("04:00", "NN", "second", StepAnswer(request, "meet"))
    assert (refusal.code, refusal.until) == ("ladder.standstill", t("75:00"))


def test_silence_lets_a_blockable_step_proceed() -> None:
    play = asked()
    play.send("02:00", "KV", "step-request", Step("inspect"))
    assert play.state.rung == "L1"
    assert play.at("13:59").rung == "L1"
    assert play.at("14:00").rung == "L3"
    assert play.at("14:00").requests == ()


def test_three_quarters_of_all_members_block_it_and_its_clock_stops() -> None:
    play = asked()
    request = play.send("02:00", "AV", "step-request", Step("inspect"))
    answer = StepAnswer(request, "inspect")
    voices = ("KV", "NN", "OO", "PP", "QQ", "AW")  # six of seven are three quarters, rounded up
    for count, office in enumerate(voices, 1):
        assert play.state.requests
        play.send("03:00", office, "block", answer)
        assert play.saw(Blocked) == Blocked("inspect", office, request, count, 6)
    assert play.saw(StepBlocked) == StepBlocked("inspect", request)
    assert play.state.requests == ()
    assert "silence" not in {clock.rule for clock in play.state.clocks}
    assert play.at("99:00").rung == "L1"


def test_blocking_is_once_each_never_of_ones_own_request_and_no_party_ends_it_alone() -> None:
    play = asked()
    request = play.send("02:00", "AV", "step-request", Step("inspect"))
    answer = StepAnswer(request, "inspect")
    assert play.refused("03:00", "AV", "block", answer).code == "ladder.own-request"
    play.send("03:00", "KV", "block", answer)
    assert play.refused("03:00", "KV", "block", answer).code == "ladder.already-said"
    assert play.refused("03:00", "CH", "block", answer).code == "ladder.not-yours"
    assert play.refused("03:00", "KV", "step-decline", answer).code == "ladder.not-yours"
    assert play.refused("03:00", "NN", "second", answer).code == "ladder.no-seconds"


def test_silence_moves_nothing_into_a_standstill_and_the_request_lapses() -> None:
    play = asked()
    request = play.send("02:00", "AV", "step-request", Step("inspect"))
    agree(play, "03:00", "calm")
    outcome = elapse(COUNCIL, play.state, t("14:00"))
    assert outcome.state.rung == "L1"
    assert StepLapsed("inspect", "AV", request) in outcome.effects


def test_a_request_lapses_when_the_rung_it_was_for_is_left() -> None:
    play, request = called()
    agree(play, "03:00", "down")
    assert StepLapsed("meet", "AV", request) in play.effects
    assert "seconds" not in {clock.rule for clock in play.state.clocks}


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Quorum("members", count=12), "12 of: Members of the council"),
        (Quorum("members", fraction="1/1"), "all of: Members of the council"),
        (Quorum("members", fraction="3/3"), "all of: Members of the council"),
        (Quorum("members", fraction="1/2"), "at least half of: Members of the council"),
        (Quorum("members", fraction="2/4"), "at least half of: Members of the council"),
        (Quorum("members", fraction="1/3"), "at least one third of: Members of the council"),
        (Quorum("members", fraction="3/4"), "at least three quarters of: Members of the council"),
        (Quorum("members", fraction="7/11"), "at least 7/11 of: Members of the council"),
    ],
)
def test_a_quorum_is_said_as_people_say_it(rule: Quorum, words: str) -> None:
    assert quorum(COUNCIL, rule) == words
