"""While another forum is seized clocks stand still, nothing leads up, and a standstill goes on."""

from __future__ import annotations

from mediation.durations import HOUR
from mediation.effects import Resumed, Suspended
from mediation.fold import next_due, unannounced
from protocols.kinds import Extension, Step, StepAnswer
from tests.mediation.council import agree, asked
from tests.mediation.play import Play, t


def suspended() -> Play:
    """At 10:00, on L1 since 01:00, with a standstill since 05:00."""
    play = asked()
    agree(play, "05:00", "calm")
    play.send("10:00", "AV", "step-request", Step("seize"))
    assert play.saw(Suspended) == Suspended("AV")
    return play


def ends(play: Play) -> dict[str, int]:
    return {clock.rule: clock.end for clock in play.state.clocks}


def test_every_clock_but_the_standstills_ends_later_by_exactly_the_pause() -> None:
    play = suspended()
    before = ends(play)
    assert {clock.rule for clock in play.state.clocks if clock.paused is None} == {"standstill"}
    play.send("33:00", "KV", "step-request", Step("resume"))
    assert play.saw(Resumed) == Resumed("KV", 23 * HOUR)
    for rule, end in ends(play).items():
        assert end == before[rule] + (0 if rule == "standstill" else 23 * HOUR), rule
    assert all(clock.paused is None for clock in play.state.clocks)


def test_nothing_runs_out_meanwhile_but_the_standstill() -> None:
    play = suspended()
    assert next_due(play.state) == t("77:00")
    late = play.at("2000:00")
    assert [clock.rule for clock in late.expired] == ["standstill"]
    assert late.standstill is None
    assert [clock.rule for clock in unannounced(play.state, t("2000:00"))] == ["standstill"]
    assert late.options == ()


def test_steps_up_and_across_are_refused_and_words_and_ways_down_pass() -> None:
    play = asked()
    play.send("10:00", "AV", "step-request", Step("seize"))
    for office, step in (("AV", "meet"), ("AV", "inspect"), ("CH", "report"), ("AV", "hurry"), ("KV", "seize")):
        assert play.refused("11:00", office, "step-request", Step(step)).code == "ladder.suspended"
    play.send("11:00", "KV", "statement")
    agree(play, "11:00", "calm")
    assert play.state.standstill is not None
    agree(play, "12:00", "down")
    assert play.state.rung == "L0"


def test_a_request_from_before_cannot_be_seconded_or_accepted_meanwhile() -> None:
    play = asked()
    meet = play.send("02:00", "AV", "step-request", Step("meet"))
    poll = play.send("02:00", "AV", "step-request", Step("poll"))
    play.send("03:00", "KV", "step-request", Step("seize"))
    assert play.refused("04:00", "NN", "second", StepAnswer(meet, "meet")).code == "ladder.suspended"
    assert play.refused("04:00", "CH", "step-accept", StepAnswer(poll, "poll")).code == "ladder.suspended"
    play.send("99:00", "KV", "step-request", Step("resume"))
    play.send("99:00", "NN", "second", StepAnswer(meet, "meet"))
    play.send("99:00", "OO", "second", StepAnswer(meet, "meet"))
    assert play.state.rung == "L2"


def test_what_is_not_suspended_cannot_be_resumed() -> None:
    assert asked().refused("02:00", "AV", "step-request", Step("resume")).code == "ladder.not-suspended"


def test_a_clock_that_starts_meanwhile_starts_standing_still() -> None:
    play = asked()
    play.send("10:00", "AV", "step-request", Step("seize"))
    play.send("11:00", "AV", "step-request", Step("mediate"))
    clock = next(clock for clock in play.state.clocks if clock.rule == "nominations")
    assert clock.paused == t("11:00")
    play.send("21:00", "AV", "step-request", Step("resume"))
    assert ends(play)["nominations"] == t("33:00")


def test_a_standstill_agreed_meanwhile_runs() -> None:
    play = asked()
    play.send("10:00", "AV", "step-request", Step("seize"))
    agree(play, "11:00", "calm")
    assert play.at("83:00").standstill is None
    assert play.at("82:59").standstill is not None


def test_a_clock_that_stands_still_is_not_lengthened() -> None:
    play = suspended()
    clock = play.clock("explain")
    refusal = play.refused("11:00", "CH", "extension", Extension(clock, t("500:00")))
    assert refusal.code == "ladder.clock-paused"


def test_closing_ends_it_but_not_the_standstill() -> None:
    play = suspended()
    play.send("11:00", "AV", "close")
    play.send("11:00", "KV", "close")
    assert play.state.suspension is None
    assert {clock.rule for clock in play.state.clocks} == {"standstill"}
