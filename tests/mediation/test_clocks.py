"""Clocks start from receipt, give options, move nothing, and are lengthened only by those whom they bind."""

from __future__ import annotations

import pytest

from mediation import effects as fx
from mediation.fold import due, elapse
from mediation.move import HUB
from protocols.kinds import About, Answer, Ask, Expired, Extension, Received, Step, StepAnswer
from tests.mediation.places import asked, mediated, notified, on, opened
from tests.mediation.play import LADDER, Play, kid, t


def test_reply_clocks_start_with_the_receipt_not_with_the_sending() -> None:
    play = Play()
    notice = play.send("00:01", "AV", "incident-notice")
    assert {clock.rule for clock in due(play.state)} == {"notice-silent"}
    play.send("03:00", "KV", "receipt", Received(notice))
    assert {clock.rule: clock.start for clock in due(play.state)} == dict.fromkeys(
        ("page-alternate", "human-ack", "reply"), t("03:00")
    )


def test_one_receipt_of_one_office_counts_and_the_senders_own_does_not() -> None:
    play = Play()
    notice = play.send("00:01", "AV", "incident-notice")
    play.send("00:02", "AV", "receipt", Received(notice))
    assert {clock.rule for clock in due(play.state)} == {"notice-silent"}
    play.send("00:03", "KV", "receipt", Received(notice))
    assert play.refused("00:04", "KV", "receipt", Received(notice)).code == "ladder.already-received"
    statement = play.send("00:05", "AV", "statement")
    play.send("00:06", "KV", "receipt", Received(statement))


def test_a_party_that_stays_offline_cannot_block() -> None:
    play = Play()
    play.send("00:01", "AV", "incident-notice")
    play.send("00:02", "AV", "clarification-request", Ask(1))
    outcome = elapse(LADDER, play.state, t("48:02"))
    opened_ = [effect for effect in outcome.effects if isinstance(effect, fx.OptionOpened)]
    assert opened_ == [fx.OptionOpened("L3-experts", "AV")]
    assert outcome.state.rung == "L2-clarify"


def test_a_person_who_answers_before_the_machine_confirms_has_met_the_clock() -> None:
    play = Play()
    notice = play.send("00:01", "AV", "incident-notice")
    play.send("00:02", "KV", "acknowledgement", About(notice))
    play.send("00:03", "KV", "receipt", Received(notice))
    assert {clock.rule for clock in due(play.state)} == {"reply"}


def test_an_acknowledgement_of_something_else_or_by_the_sender_meets_nothing() -> None:
    play = notified()
    notice = next(clock.entry for clock in play.state.clocks)
    play.send("00:02", "KV", "acknowledgement", About(kid("open")))
    play.send("00:02", "AV", "acknowledgement", About(notice))
    assert {clock.rule for clock in due(play.state)} == {"page-alternate", "human-ack", "reply"}
    play.send("00:02", "KV", "acknowledgement", About(notice))
    assert {clock.rule for clock in due(play.state)} == {"reply"}


def test_answers_count_when_no_question_is_left_for_later_and_may_improve() -> None:
    play, questions = asked(3)
    assert (
        play.refused("02:00", "AV", "clarification-answer", Answer(questions, ("later",) * 3)).code
        == "ladder.own-request"
    )
    wrong = play.refused("02:00", "KV", "clarification-answer", Answer(questions, ("answered",)))
    assert wrong.code == "ladder.answers-count"
    unknown = play.refused("02:00", "KV", "clarification-answer", Answer(kid("x"), ("answered",)))
    assert unknown.code == "ladder.unknown-reference"
    play.send("02:00", "KV", "clarification-answer", Answer(questions, ("answered", "later", "refused")))
    assert play.clock("clarify")
    play.send("03:00", "KV", "holding-reply", About(questions))
    assert play.clock("clarify")
    play.send("04:00", "KV", "clarification-answer", Answer(questions, ("later", "answered", "later")))
    assert play.saw(fx.ClockMet).clock.rule == "clarify"
    assert play.state.asked[0].answers == ("answered", "answered", "refused")
    play.send("05:00", "KV", "clarification-answer", Answer(questions, ("later", "later", "answered")))
    assert play.state.asked[0].answers == ("answered", "answered", "answered")


def test_what_arrives_at_the_very_end_is_late_but_still_recorded() -> None:
    play, questions = asked(1)
    clarify = play.clock("clarify")
    play.send("25:00", "KV", "clarification-answer", Answer(questions, ("answered",)))
    assert play.saw(fx.OptionOpened) == fx.OptionOpened("L3-experts", "AV")
    (late,) = [clock for clock in play.state.expired if clock.id == clarify]
    assert late.answered


def test_paging_is_announced_once_and_not_after_a_late_acknowledgement() -> None:
    play = notified()
    page = play.clock("page-alternate")
    notice = play.state.clocks[0].entry
    play.send("00:12", "KV", "acknowledgement", About(notice))
    play.hub("00:12", page)
    assert play.all_of(fx.PageAlternate) == []


def test_the_hub_announces_a_clock_once_and_never_early_and_writes_nothing_else() -> None:
    play = notified()
    page = play.clock("page-alternate")
    hub = {"station": kid("hub")}
    early = play.refused("00:10", HUB, "clock-expired", Expired(page, t("00:11")), **hub)
    assert (early.code, early.until) == ("ladder.clock-running", t("00:11"))
    assert play.refused("00:11", HUB, "clock-expired", Expired("x", 1), **hub).code == "ladder.unknown-clock"
    assert play.refused("00:11", HUB, "clock-expired", Expired(page, 1), **hub).code == "ladder.wrong-end"
    play.hub("00:11", page)
    again = play.refused("00:12", HUB, "clock-expired", Expired(page, t("00:11")), **hub)
    assert again.code == "ladder.already-announced"
    assert play.refused("00:12", HUB, "goodwill-note", **hub).code == "ladder.hub-only"
    assert play.refused("00:12", "AV", "clock-expired", Expired(page, t("00:11"))).code == "ladder.hub-only"
    assert (
        play.refused("00:12", HUB, "extension", Extension(play.clock("reply"), t("09:00")), **hub).code
        == "ladder.hub-only"
    )


def test_the_asking_side_alone_extends_its_own_clock() -> None:
    play, _ = asked()
    clarify = play.clock("clarify")
    assert play.refused("02:00", "KV", "extension", Extension(clarify, t("30:00"))).code == "ladder.extension-not-yours"
    play.send("02:00", "AV", "extension", Extension(clarify, t("30:00")))
    assert play.saw(fx.ClockExtended).clock.end == t("30:00")
    assert play.refused("02:00", "AV", "extension", Extension(clarify, t("29:00"))).code == "ladder.not-longer"
    assert play.refused("02:00", "AV", "extension", Extension("none/1", t("29:00"))).code == "ladder.unknown-clock"
    assert (
        play.refused("02:00", "AV", "extension", Extension(clarify, t("20000:00"))).code == "ladder.extension-too-long"
    )
    play.hub("30:00", clarify)
    assert play.refused("31:00", "AV", "extension", Extension(clarify, t("40:00"))).code == "ladder.clock-over"


def test_a_clock_that_nobody_may_extend_is_extended_by_nobody() -> None:
    play = notified()
    page = play.clock("page-alternate")
    for office in ("AV", "KV"):
        assert (
            play.refused("00:02", office, "extension", Extension(page, t("09:00"))).code == "ladder.extension-not-yours"
        )


def test_mediation_is_extended_by_consensus_of_parties_and_mediators() -> None:
    play = mediated()
    duration = play.clock("mediation")
    end = t("5:00") + 8 * 86_400_000
    play.send("06:00", "AV", "extension", Extension(duration, end))
    play.send("06:00", "KV", "extension", Extension(duration, end))
    assert play.all_of(fx.ClockExtended) == []
    play.send("06:00", "MD", "extension", Extension(duration, end))
    assert play.saw(fx.ClockExtended).clock.end == end


def test_an_office_has_at_most_the_agreed_number_of_open_questions() -> None:
    play = notified()
    for _ in range(LADDER.limits.open_questions):
        play.send("00:05", "AV", "clarification-request", Ask(1))
    assert play.refused("00:05", "AV", "clarification-request", Ask(1)).code == "ladder.too-many-open"
    play.send("00:05", "KV", "clarification-request", Ask(1))


def test_declining_does_not_stop_the_clock_that_an_entitled_request_started() -> None:
    play, _ = asked()
    request = play.send("26:00", "AV", "step-request", Step("L3-experts"))
    play.send("27:00", "KV", "step-decline", StepAnswer(request, "L3-experts"))
    assert play.clock("session")
    state = play.at("74:00")
    assert {(option.step, option.office) for option in state.options} >= {
        ("L4-cooling-off", "AV"),
        ("L4-cooling-off", "KV"),
    }
    assert state.rung == "L2-clarify"


def test_a_standstill_in_the_middle_of_mediation_leaves_the_rung() -> None:
    play = opened()
    request = play.send("03:00", "AV", "step-request", Step("cool-off-beside"))
    play.send("03:00", "KV", "step-accept", StepAnswer(request, "cool-off-beside"))
    assert play.state.rung == "L5-mediation"
    assert play.refused("04:00", "AV", "public-attribution").until == t("75:00")
    assert play.refused("04:00", "AV", "step-request", Step("cool-off-beside")).code == "ladder.standstill-running"


@pytest.mark.parametrize("step", ["return-L3", "return-L2", "return-L1", "return-L0"])
def test_every_way_down_is_open_by_agreement_inside_a_standstill(step: str) -> None:
    play = on("L4-cooling-off")
    request = play.send("08:00", "KV", "step-request", Step(step))
    play.send("08:00", "AV", "step-accept", StepAnswer(request, step))
    assert play.state.rung == LADDER.steps[step].to
    assert play.state.standstill is not None
    if step == "return-L0":
        play.send("09:00", "AV", "incident-notice")
        assert play.state.rung == "L0-routine"
