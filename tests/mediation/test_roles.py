"""Who holds a role, who is left out, what holders may do from outside the group, and nothing else."""

from __future__ import annotations

import pytest

from mediation.effects import ClockMet, Invited, StepTaken
from mediation.fold import open_thread
from mediation.offers import allowed
from mediation.refusals import Refusal
from mediation.state import from_bytes, to_bytes
from protocols.kinds import Breach, Extension, Step, StepAnswer
from tests.mediation.council import COUNCIL, OFFICES, STATES, asked, changed, council
from tests.mediation.play import context, opening, t


def test_the_holders_are_fixed_at_the_opening_without_parties_and_their_nationals() -> None:
    state = council().state
    assert state.initiator == "AV"
    assert state.holders == {
        "chair": ("CH",),
        "others": ("NN", "OO", "PP", "QQ"),  # neither the parties nor AW, an office of AV's state
        "members": ("AV", "KV", "NN", "OO", "PP", "QQ", "AW"),
    }
    assert from_bytes(to_bytes(state)) == state


@pytest.mark.parametrize(
    ("roles", "why"),
    [
        ({}, "nobody named"),
        ({"chair": ("AV",)}, "a party"),
        ({"chair": ("AW",)}, "a national"),
        ({"chair": ()}, "none"),
    ],
)
def test_a_thread_does_not_open_while_a_named_role_has_no_holder_left(
    roles: dict[str, tuple[str, ...]], why: str
) -> None:
    refusal = open_thread(context(COUNCIL, offices=OFFICES, roles=roles, states=STATES), opening(COUNCIL), t("00:00"))
    assert isinstance(refusal, Refusal), why
    assert refusal.code == "ladder.role-vacant"
    assert "Chair of the centre" in refusal.sentence


def test_no_thread_opens_after_the_sunset_date() -> None:
    ladder = changed(('review = "P1Y"', 'review = "P1Y"\nsunset = "2031-03-13"'))
    opened = context(ladder, offices=OFFICES, roles={"chair": ("CH",)}, states=STATES)
    assert not isinstance(open_thread(opened, opening(ladder), t("20:47")), Refusal)  # 2031-03-12T23:59Z
    refusal = open_thread(opened, opening(ladder), t("20:48"))
    assert isinstance(refusal, Refusal)
    assert refusal.code == "ladder.sunset"


def test_a_holder_is_invited_once_when_a_step_is_open_to_it() -> None:
    play = council()
    assert play.state.invited == ()
    play.send("01:00", "AV", "step-request", Step("ask"))
    assert play.all_of(Invited) == [Invited("CH", "chair")]
    play.send("02:00", "CH", "step-request", Step("report"))
    assert play.all_of(Invited) == []


def test_a_chair_reports_from_outside_and_meets_its_clock() -> None:
    play = asked()
    report = play.send("02:00", "CH", "step-request", Step("report"))
    assert [effect.clock.rule for effect in play.all_of(ClockMet)] == ["due-report"]
    assert play.saw(StepTaken) == StepTaken("report", "CH")
    assert play.state.rung == "L1"
    clock = next(clock for clock in play.state.clocks if clock.rule == "answer-report")
    assert (clock.requester, clock.respondent, clock.entry) == ("AV", "KV", report)
    assert not any(seat.member for seat in play.state.seats.values() if seat.office == "CH")
    assert play.refused("03:00", "AV", "step-request", Step("answer")).code == "ladder.not-yours"  # the initiator
    play.send("03:00", "KV", "step-request", Step("answer"))
    assert [effect.clock.rule for effect in play.all_of(ClockMet)] == ["answer-report"]


@pytest.mark.parametrize("kind", ["statement", "goodwill-note", "close", "breach-report", "public-safety-notice"])
def test_a_holder_says_nothing_else(kind: str) -> None:
    act = Breach() if kind == "breach-report" else None
    assert asked().refused("02:00", "CH", kind, act).code in ("ladder.not-member", "ladder.not-yours")


def test_a_step_is_taken_by_those_the_ladder_names_and_by_nobody_else() -> None:
    play = asked()
    for office, step in (("AV", "report"), ("KV", "report"), ("NN", "report"), ("CH", "ask"), ("CH", "meet")):
        code = play.refused("02:00", office, "step-request", Step(step)).code
        assert code == "ladder.not-yours", (office, step)
    assert play.refused("02:00", "XX", "step-request", Step("report")).code == "ladder.no-standing"


def test_a_party_speaks_only_as_a_member_even_where_it_holds_a_role() -> None:
    play = asked()
    refusal = play.refused("02:00", "KV", "step-request", Step("answer"), station="k" * 43)
    assert refusal.code == "ladder.not-member"


def test_a_clock_that_binds_a_role_is_met_by_its_holder_only_and_lengthened_by_whom_it_names() -> None:
    play = asked()
    play.send("02:00", "AV", "statement")  # the explanation is the counterpart's to give
    clock = play.clock("explain")
    end = next(c.end for c in play.state.clocks if c.id == clock)
    for office in ("AV", "KV"):
        code = play.refused("03:00", office, "extension", Extension(clock, end + 1)).code
        assert code == "ladder.extension-not-yours"
    play.send("03:00", "CH", "extension", Extension(clock, end + 1))
    assert next(c.end for c in play.state.clocks if c.id == clock) == end + 1
    assert play.refused("03:00", "CH", "extension", Extension(clock, end)).code == "ladder.not-longer"
    play.send("04:00", "KV", "statement")
    assert "explain" not in {c.rule for c in play.state.clocks}


def test_a_timeout_gives_a_role_its_option_and_nobody_else() -> None:
    play = asked()
    assert play.refused("48:00", "CH", "step-request", Step("convene")).code == "ladder.no-option"
    assert {(o.office, o.step) for o in play.at("49:00").options} == {("CH", "convene")}
    play.send("49:00", "CH", "step-request", Step("convene"))
    assert play.state.rung == "L2"


def test_the_panel_offers_a_holder_what_it_may_do() -> None:
    play = asked()
    open_ = {(o.kind, o.step) for o in allowed(COUNCIL, play.state, "CH", t("02:00")) if o.allowed}
    assert open_ == {("step-request", "report"), ("extension", None)}
    request = play.send("02:00", "AV", "step-request", Step("poll"))
    assert play.all_of(Invited) == [Invited(office, "others") for office in ("NN", "OO", "PP", "QQ")]
    open_ = {
        (o.kind, o.subject) for o in allowed(COUNCIL, play.state, "CH", t("02:00")) if o.allowed and o.step == "poll"
    }
    assert open_ == {("step-accept", request), ("step-decline", request)}
    offers = [o for o in allowed(COUNCIL, play.state, "NN", t("02:00")) if o.allowed]
    assert [(o.kind, o.act) for o in offers] == [("second", StepAnswer(request, "poll"))]


def test_a_monitor_has_a_voice_only_where_the_ladder_names_monitors() -> None:
    assert asked().refused("02:00", "OV", "step-request", Step("report")).code == "ladder.no-standing"
    play = asked(changed(('who = ["chair"]', 'who = ["chair", "monitor"]')))
    assert play.state.holders["monitor"] == ("CH", "OV")
    play.send("02:00", "OV", "step-request", Step("report"))
