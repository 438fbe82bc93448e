"""Steps: options, early exits, consent, and ladders of other shapes."""

from __future__ import annotations

from mediation import effects as fx
from mediation.fold import elapse
from mediation.ladder import Ladder, parse_ladder
from protocols.kinds import Step, StepAnswer
from tests.mediation.places import agreed, asked, chosen, declared, mediated, notified, on, opened
from tests.mediation.play import DATA, Play, t


def changed(*pairs: tuple[str, str]) -> Ladder:
    """The shipped ladder with words replaced."""
    text = DATA.decode()
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new, 1)
    return parse_ladder(text.encode())


def test_without_the_option_a_step_happens_only_by_acceptance() -> None:
    play = notified()
    request = play.send("01:00", "AV", "step-request", Step("L3-experts"))
    assert play.state.clocks == play.at("01:00").clocks
    assert not [clock for clock in play.state.clocks if clock.rule == "session"]
    assert play.refused("01:01", "AV", "step-accept", StepAnswer(request, "L3-experts")).code == "ladder.own-request"
    assert (
        play.refused("01:01", "KV", "step-accept", StepAnswer(request, "L6-inquiry")).code == "ladder.unknown-reference"
    )
    assert play.refused("01:01", "KV", "step-request", Step("L3-experts")).code == "ladder.request-open"
    play.send("01:02", "KV", "step-decline", StepAnswer(request, "L3-experts"))
    assert play.state.requests == ()
    assert play.state.rung == "L1-notify"


def test_the_office_that_asked_may_withdraw_its_request() -> None:
    play = notified()
    request = play.send("01:00", "AV", "step-request", Step("L3-experts"))
    play.send("01:01", "AV", "step-decline", StepAnswer(request, "L3-experts"))
    assert play.saw(fx.StepDeclined).office == "AV"
    assert (
        play.refused("01:02", "KV", "step-accept", StepAnswer(request, "L3-experts")).code == "ladder.unknown-reference"
    )


def test_an_upward_request_needs_two_people() -> None:
    play = notified()
    assert play.refused("01:00", "AV", "step-request", Step("L3-experts"), two_person=False).code == "ladder.two-person"
    play.send("01:00", "AV", "step-request", Step("L5-mediation"), two_person=False)


def test_a_request_that_cannot_be_taken_any_more_loses_its_object() -> None:
    play = notified()
    play.send("01:00", "AV", "step-request", Step("L3-experts"))
    play.send("01:01", "KV", "step-request", Step("L5-mediation"))
    assert play.state.requests == ()


def test_an_inquiry_is_taken_by_one_side_under_an_option_and_by_both_without() -> None:
    play = mediated()
    play.send("06:00", "AV", "step-request", Step("L6-inquiry"))
    assert play.state.rung == "L5-mediation"
    late = mediated()
    late.send("173:00", "AV", "step-request", Step("L6-inquiry"))
    assert late.state.rung == "L6-inquiry"
    assert late.state.options == ()


def test_a_step_the_ladder_does_not_have_or_that_a_kind_takes_is_refused() -> None:
    play = notified()
    assert play.refused("01:00", "AV", "step-request", Step("nowhere")).code == "ladder.unknown-step"
    assert play.refused("01:00", "AV", "step-request", Step("L2-clarify")).code == "ladder.unknown-step"
    assert play.refused("01:00", "AV", "step-request", Step("L7-referral")).code == "ladder.wrong-rung"
    assert on("L3-experts").refused("03:00", "AV", "step-request", Step("L3-experts")).code == "ladder.already-there"


def test_a_request_made_before_a_standstill_cannot_be_accepted_inside_it() -> None:
    play = mediated()
    request = play.send("06:00", "AV", "step-request", Step("L6-inquiry"))
    agreed(play, "06:10", "cool-off-beside")
    refusal = play.refused("06:20", "KV", "step-accept", StepAnswer(request, "L6-inquiry"))
    assert (refusal.code, refusal.until) == ("ladder.standstill", t("78:10"))


def test_a_step_down_takes_back_options_and_stops_the_clocks_it_names() -> None:
    play, _ = asked()
    state = play.at("26:00")
    assert state.options
    request = play.send("26:00", "KV", "step-request", Step("return-L1"))
    play.send("26:10", "AV", "step-accept", StepAnswer(request, "return-L1"))
    assert play.state.options == ()
    assert play.state.rung == "L1-notify"


def test_silence_moves_only_a_step_that_declares_negative_consensus() -> None:
    ladder = changed(
        (
            'id = "L4-cooling-off"\ntitle = "Cool off"',
            'id = "L4-cooling-off"\nnegative_consensus = true\ntitle = "Cool off"',
        ),
        ('from = "acceptance"\nof = "L4-cooling-off"', 'from = "opening"\nof = "L4-cooling-off"'),
        ('timeout = { option = "L4-cooling-off", to = "either" }', 'timeout = { moves = "L4-cooling-off" }'),
        ("needs_option = true\nearly_exit = true\n\n[step.standstill]", "\n[step.standstill]"),
    )
    play = Play(ladder)
    play.send("00:01", "AV", "incident-notice")
    play.send("09:00", "AV", "step-request", Step("L3-experts"))  # entitled: the notice was never received
    outcome = elapse(ladder, play.state, t("57:00"))
    assert outcome.state.rung == "L4-cooling-off"
    assert outcome.state.standstill is not None
    assert outcome.state.standstill.end == t("129:00")
    assert elapse(ladder, outcome.state, t("129:00")).state.standstill is None
    assert elapse(ladder, play.state, t("129:00")).state == elapse(ladder, outcome.state, t("129:00")).state


def test_a_step_that_may_not_be_taken_before_a_time_is_refused_until_then() -> None:
    ladder = changed(
        (
            '[[clock]]\nid = "inquiry"',
            '[[clock]]\nid = "patience"\ntitle = "No referral yet"\nkind = "not-before"\nafter = "P2D"\nfrom = "opening"\n'
            'of = "L6-inquiry"\nholds = ["cool-off-beside"]\nextend = "nobody"\ncheck = "D"\nwhy = "Test."\n\n'
            '[[clock]]\nid = "inquiry"',
        )
    )
    play = mediated(_declared(ladder))
    agreed(play, "06:00", "L6-inquiry")
    refusal = play.refused("07:00", "AV", "step-request", Step("cool-off-beside"))
    assert (refusal.code, refusal.rule, refusal.until) == ("ladder.not-before", "cpci-default/patience", t("54:00"))
    play.send("54:00", "AV", "step-request", Step("cool-off-beside"))


def _declared(ladder: Ladder) -> Play:
    play = Play(ladder)
    play.send("00:01", "AV", "incident-notice")
    return declared(chosen(play=opened(play)))
