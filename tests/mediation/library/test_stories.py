"""What is particular about single mechanisms, played: seconds, blocks, windows, tracks, exclusion, suspension."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mediation.durations import DAY, HOUR, add_months
from mediation.fold import Outcome, advance, step
from mediation.refusals import Refusal
from mediation.state import Clock
from protocols.kinds import About, Act, Answer, Appointment, Ask, Extension, Received, Step, StepAnswer
from tests.mediation.library.table import ladder
from tests.mediation.library.walk import COUNTERPART, INITIATOR, MEDIATOR, OTHERS, Place, move_of, named, opened
from tests.mediation.play import T0


class Story:
    """One thread under a shipped ladder; times are milliseconds since its opening."""

    def __init__(self, name: str) -> None:
        self.ladder = ladder(name)
        self.place: Place = opened(name)

    def send(self, at: int, office: str, kind: str, act: Act | None = None, **how: Any) -> str:
        """The id of the admitted entry."""
        move = move_of(self.place.state, office, kind, act, **how)
        outcome = step(self.ladder, self.place.state, move, T0 + at)
        assert isinstance(outcome, Outcome), outcome
        self.place = replace(self.place, state=outcome.state, at=T0 + at)
        return move.id

    def ask(self, at: int, office: str, name: str, *evidence: str) -> str:
        return self.send(at, office, "step-request", Step(name, evidence))

    def refused(self, at: int, office: str, kind: str, act: Act | None = None, **how: Any) -> str:
        outcome = step(self.ladder, self.place.state, move_of(self.place.state, office, kind, act, **how), T0 + at)
        assert isinstance(outcome, Refusal), kind
        return outcome.code

    def rung(self, at: int) -> str:
        return advance(self.ladder, self.place.state, T0 + at).rung

    def clock(self, rule: str) -> Clock:
        (found,) = (clock for clock in self.place.state.clocks if clock.rule == rule)
        return found

    def body(self, role: str) -> tuple[str, ...]:
        return named(self.ladder)[role]


def emergency() -> tuple[Story, str]:
    """Berlin: asked, not answered for 48 hours, emergency meeting asked for at hour 48."""
    story = Story("osce-berlin-emergency")
    asked = story.send(0, INITIATOR, "clarification-request", Ask(1))
    assert story.refused(47 * HOUR, INITIATOR, "step-request", Step("emergency", (asked,))) == "ladder.no-option"
    return story, story.ask(48 * HOUR, INITIATOR, "emergency", asked)


def test_twelve_states_must_second_an_emergency_meeting_within_48_hours() -> None:
    story, request = emergency()
    for office in OTHERS[:11]:
        story.send(60 * HOUR, office, "second", StepAnswer(request, "emergency"))
    assert story.rung(95 * HOUR) == "clarification"
    assert story.refused(60 * HOUR, COUNTERPART, "second", StepAnswer(request, "emergency")) == "ladder.not-yours"
    assert (
        story.refused(96 * HOUR, OTHERS[11], "second", StepAnswer(request, "emergency")) == "ladder.unknown-reference"
    )
    story.send(95 * HOUR, OTHERS[11], "second", StepAnswer(request, "emergency"))
    assert story.rung(95 * HOUR) == "seconded"


def test_an_emergency_meeting_opens_in_its_window_and_neither_before_nor_after() -> None:
    story, request = emergency()
    for office in OTHERS[:12]:
        story.send(48 * HOUR, office, "second", StepAnswer(request, "emergency"))
    (chair,) = story.body("chair")
    assert story.refused(96 * HOUR - 1, chair, "step-request", Step("meeting")) == "ladder.no-option"
    assert story.refused(120 * HOUR, chair, "step-request", Step("meeting")) == "ladder.no-option"
    assert story.refused(96 * HOUR, INITIATOR, "step-request", Step("meeting")) == "ladder.not-yours"
    story.ask(96 * HOUR, chair, "meeting")
    assert story.rung(96 * HOUR) == "meeting"


def test_a_reply_that_does_not_satisfy_opens_the_next_step_as_silence_would() -> None:
    story = Story("vd11-ch3-unusual-activities")
    asked = story.send(0, INITIATOR, "clarification-request", Ask(1))
    story.send(47 * HOUR, COUNTERPART, "clarification-answer", Answer(asked, ("refused",)))
    story.ask(47 * HOUR, INITIATOR, "ask-meeting")
    assert story.rung(47 * HOUR) == "meeting"


def test_nine_states_carry_a_mission_without_the_consent_of_the_state_concerned() -> None:
    story = Story("osce-vienna-moscow")
    request = story.ask(0, INITIATOR, "mission-serious-threat")
    for office in OTHERS[:9]:
        assert story.rung(30 * DAY) == "routine"
        story.send(30 * DAY, office, "second", StepAnswer(request, "mission-serious-threat"))
    assert story.rung(30 * DAY) == "mission"


@pytest.mark.parametrize(("blocks", "rung"), [(2, "challenge"), (3, "routine")])
def test_a_challenge_inspection_goes_ahead_unless_three_quarters_block_it_in_twelve_hours(
    blocks: int, rung: str
) -> None:
    story = Story("cwc-ix")
    request = story.ask(0, INITIATOR, "challenge-inspection")
    for office in story.body("council")[:blocks]:
        story.send(11 * HOUR, office, "block", StepAnswer(request, "challenge-inspection"))
    assert story.refused(11 * HOUR, COUNTERPART, "block", StepAnswer(request, "challenge-inspection"))
    assert story.rung(12 * HOUR - 1) == "routine"
    assert story.rung(12 * HOUR) == rung


def reported() -> Story:
    """WTO: panel report circulated at day 0 + 60 days of consultations."""
    story = Story("wto-dsu")
    notice = story.send(0, INITIATOR, "incident-notice")
    story.send(0, COUNTERPART, "receipt", Received(notice))
    story.ask(60 * DAY, INITIATOR, "panel")
    story.ask(60 * DAY, OTHERS[0], "circulate")
    return story


def test_a_report_is_adopted_by_silence_after_sixty_days_but_not_once_appealed() -> None:
    story = reported()
    assert (story.rung(120 * DAY - 1), story.rung(120 * DAY)) == ("report", "adopted")
    story.ask(70 * DAY, COUNTERPART, "appeal")
    assert story.rung(120 * DAY) == "appeal"


def test_only_all_members_together_block_the_adoption_of_a_report() -> None:
    story = reported()
    (dsb,) = story.body("dsb")
    assert story.refused(80 * DAY - 1, dsb, "step-request", Step("adopt")) == "ladder.not-before"
    request = story.ask(80 * DAY, dsb, "adopt")
    for office in (COUNTERPART, *OTHERS):
        story.send(81 * DAY, office, "block", StepAnswer(request, "adopt"))
    assert story.rung(90 * DAY) == "adopted"
    story.send(81 * DAY, INITIATOR, "block", StepAnswer(request, "adopt"))
    assert story.rung(90 * DAY) == "report"


def test_an_urgent_case_has_shorter_clocks_and_a_panel_has_calendar_months() -> None:
    story = Story("wto-dsu")
    story.ask(0, INITIATOR, "urgent")
    notice = story.send(0, INITIATOR, "incident-notice")
    story.send(0, COUNTERPART, "receipt", Received(notice))
    story.send(DAY, COUNTERPART, "holding-reply", About(notice))
    story.send(2 * DAY, COUNTERPART, "session-open", About(notice))
    assert not story.place.state.options
    story.ask(20 * DAY, INITIATOR, "panel")
    story.ask(20 * DAY, story.body("dsb")[0], "compose")
    assert story.clock("panel-report").end == add_months(T0 + 20 * DAY, 3)
    assert story.clock("panel-report-cap").end == add_months(T0 + 20 * DAY, 9)


def test_consultations_end_early_when_both_consider_that_they_failed() -> None:
    story = Story("wto-dsu")
    notice = story.send(0, INITIATOR, "incident-notice")
    story.send(0, COUNTERPART, "receipt", Received(notice))
    request = story.ask(DAY, INITIATOR, "panel")
    assert story.rung(DAY) == "consultations"
    story.send(DAY, COUNTERPART, "step-accept", StepAnswer(request, "panel"))
    assert story.rung(DAY) == "panel"


def test_the_parties_have_no_vote_on_whether_a_request_is_frivolous() -> None:
    story = Story("seanwfz-annex")
    story.send(0, INITIATOR, "incident-notice")
    for party in (INITIATOR, COUNTERPART):
        assert story.refused(DAY, party, "step-request", Step("admit")) == "ladder.not-yours"
        assert party not in story.place.state.holders["committee"]
        assert party not in story.place.state.holders["inspectors"]
    request = story.ask(DAY, OTHERS[0], "admit")
    for office in OTHERS[1:9]:
        story.send(DAY, office, "second", StepAnswer(request, "admit"))
    assert story.rung(DAY) == "admitted"


def test_clocks_stand_still_while_another_body_has_the_dispute() -> None:
    story = Story("csce-stockholm-conciliation")
    (commission,) = story.body("commission")
    story.send(0, INITIATOR, "incident-notice")
    story.ask(0, commission, "constitute")
    story.ask(DAY, commission, "report")
    story.ask(2 * DAY, COUNTERPART, "other-body")
    assert story.refused(3 * DAY, commission, "step-request", Step("forward")) == "ladder.suspended"
    story.ask(12 * DAY, INITIATOR, "resume")
    assert story.clock("report-accept").end == T0 + (1 + 30 + 10) * DAY


def test_a_year_of_inquiry_is_nobodys_to_shorten_even_when_the_report_comes_early() -> None:
    story = Story("bryan-cooling-off")
    (commission,) = story.body("commission")
    story.ask(0, INITIATOR, "inquiry")
    end = story.clock("inquiry").end
    assert end == add_months(T0, 12)
    story.ask(30 * DAY, commission, "report")
    for office in (INITIATOR, COUNTERPART):
        assert story.refused(31 * DAY, office, "step-request", Step("release")) == "ladder.standstill"
        shorter = Extension(story.clock("inquiry").id, end - 1)
        assert story.refused(31 * DAY, office, "extension", shorter) == "ladder.not-longer"
    story.ask(end - T0, INITIATOR, "release")


def test_the_two_cooling_offs_of_the_railway_act_run_one_after_the_other_in_full() -> None:
    story = Story("us-rla-major-dispute")
    story.ask(0, INITIATOR, "mediate")
    assert story.refused(0, INITIATOR, "step-request", Step("proffer")) == "ladder.not-yours"
    story.ask(0, story.body("nmb")[0], "proffer")
    story.ask(0, COUNTERPART, "refuse-arbitration")
    story.ask(10 * DAY, story.body("president")[0], "create-board")
    assert story.refused(20 * DAY, story.body("board")[0], "step-request", Step("board-report"))
    story.ask(31 * DAY, story.body("board")[0], "board-report")
    assert story.refused(60 * DAY, INITIATOR, "step-request", Step("self-help")) == "ladder.standstill"
    story.ask(61 * DAY, INITIATOR, "self-help")


@pytest.mark.parametrize(("asked", "free"), [("consult", True), ("consult-refrain", False)])
def test_a_planning_state_refrains_for_six_months_only_if_that_was_asked_for(asked: str, free: bool) -> None:
    story = Story("unwc-planned-measures")
    story.send(0, INITIATOR, "incident-notice")
    story.ask(DAY, COUNTERPART, asked)
    later = add_months(T0 + DAY, 6) - T0
    if free:
        story.ask(2 * DAY, INITIATOR, "implement-after")
    else:
        assert story.refused(later - 1, INITIATOR, "step-request", Step("implement-after")) == "ladder.standstill"
        story.ask(later, INITIATOR, "implement-after")


def test_a_party_that_names_no_conciliators_does_not_stop_the_conciliation() -> None:
    story = Story("unclos-v-conciliation")
    (body,) = story.body("secretary-general")
    notice = story.send(0, INITIATOR, "incident-notice")
    story.send(0, COUNTERPART, "receipt", Received(notice))
    assert story.refused(20 * DAY, body, "step-request", Step("default-appoint")) == "ladder.no-option"
    story.ask(21 * DAY, INITIATOR, "ask-appointment")
    for party in (INITIATOR, COUNTERPART):
        assert story.refused(22 * DAY, party, "step-request", Step("default-appoint")) == "ladder.not-yours"
    story.ask(22 * DAY, body, "default-appoint")
    assert story.rung(22 * DAY) == "appointed"
    story.ask(52 * DAY, COUNTERPART, "ask-chair")
    story.ask(60 * DAY, body, "chair-default")
    assert story.rung(60 * DAY) == "conciliation"


def test_a_secretary_general_that_stays_silent_leaves_the_initiator_the_end_of_the_proceedings() -> None:
    story = Story("unclos-v-conciliation")
    story.send(0, INITIATOR, "incident-notice")
    story.ask(42 * DAY, INITIATOR, "ask-appointment")  # the notice was never received
    story.ask(72 * DAY, INITIATOR, "terminate")
    assert story.rung(72 * DAY) == "routine"


def test_the_odihr_appoints_the_last_rapporteur_when_the_others_have_not_agreed() -> None:
    story = Story("osce-vienna-moscow")
    (body,) = story.body("odihr")
    request = story.ask(0, INITIATOR, "mission-serious-threat")
    for office in OTHERS[:9]:
        story.send(0, office, "second", StepAnswer(request, "mission-serious-threat"))
    assert story.refused(14 * DAY - 1, body, "step-request", Step("appoint-by-odihr")) == "ladder.no-option"
    assert story.refused(14 * DAY, INITIATOR, "step-request", Step("appoint-by-odihr")) == "ladder.not-yours"
    story.ask(14 * DAY, body, "appoint-by-odihr")
    assert story.clock("report-odihr").end == T0 + 35 * DAY


def test_a_mediation_without_a_mediator_lapses_after_120_days() -> None:
    story = Story("icsid-mediation-appointment")
    story.ask(0, INITIATOR, "register")
    assert (story.rung(120 * DAY - 1), story.rung(120 * DAY)) == ("registered", "routine")


def test_the_secretary_general_appoints_when_the_parties_have_not_agreed() -> None:
    story = Story("icsid-mediation-appointment")
    (body,) = story.body("secretary-general")
    story.ask(0, INITIATOR, "register")
    assert story.refused(59 * DAY, INITIATOR, "step-request", Step("default")) == "ladder.no-option"
    assert story.refused(60 * DAY, body, "default-appointment", Appointment(MEDIATOR)) == "ladder.no-option"
    assert story.place.state.invited == ()
    story.ask(60 * DAY, INITIATOR, "default")
    assert story.place.state.invited == ("secretary-general",)
    for party in (INITIATOR, COUNTERPART):
        assert story.refused(61 * DAY, party, "default-appointment", Appointment(MEDIATOR)) == "ladder.not-yours"
    assert story.refused(61 * DAY, body, "default-appointment") == "ladder.name-one"
    story.send(61 * DAY, body, "default-appointment", Appointment(MEDIATOR))
    assert story.clock("acceptance").end == T0 + 81 * DAY


def test_without_the_secretary_general_no_party_appoints_and_the_mediation_lapses_or_is_left() -> None:
    story = Story("icsid-mediation-appointment")
    story.ask(0, INITIATOR, "register")
    story.ask(60 * DAY, INITIATOR, "default")
    assert story.refused(100 * DAY, INITIATOR, "default-appointment", Appointment()) == "ladder.not-yours"
    assert (story.rung(120 * DAY - 1), story.rung(120 * DAY)) == ("registered", "routine")
    story.ask(100 * DAY, COUNTERPART, "withdraw")
    assert story.rung(100 * DAY) == "routine"


def test_a_mediation_board_names_the_mediator_and_a_party_only_after_its_silence() -> None:
    story = Story("us-rla-major-dispute")
    (board,) = story.body("nmb")
    story.ask(0, INITIATOR, "mediate")
    story.ask(0, INITIATOR, "admit-mediator")
    assert story.refused(20 * DAY - 1, board, "default-appointment", Appointment(MEDIATOR)) == "ladder.no-option"
    for party in (INITIATOR, COUNTERPART):
        assert story.refused(30 * DAY - 1, party, "default-appointment") == "ladder.no-option"
    story.send(30 * DAY, COUNTERPART, "default-appointment")
    assert story.place.state.mediation is not None
    assert [nominee.office for nominee in story.place.state.mediation.nominees] == [MEDIATOR]
    assert story.place.state.options == ()


def test_a_yearly_meeting_renews_its_own_clock() -> None:
    story = Story("incsea-1972")
    for at in (0, 300 * DAY):
        request = story.ask(at, INITIATOR, "annual-meeting")
        story.send(at, COUNTERPART, "step-accept", StepAnswer(request, "annual-meeting"))
        assert story.clock("annual-review").end == add_months(T0 + at, 12)


def test_the_councils_day_runs_from_its_own_receipt_and_the_states_two_days_from_that_states() -> None:
    story = Story("ctbt-iv-clarification")
    (council,) = story.body("council")
    asked = story.ask(0, INITIATOR, "via-council")
    story.send(1 * HOUR, COUNTERPART, "receipt", Received(asked))
    assert {clock.rule for clock in story.place.state.clocks} == {"no-receipt-council"}, "it is not for the other state"
    story.send(30 * HOUR, council, "receipt", Received(asked))
    assert story.clock("via-council-forward").end == T0 + 54 * HOUR
    forwarded = story.ask(50 * HOUR, council, "forward")
    story.send(51 * HOUR, INITIATOR, "receipt", Received(forwarded))
    story.send(60 * HOUR, COUNTERPART, "receipt", Received(forwarded))
    assert story.clock("via-council-answer").end == T0 + 108 * HOUR
    story.ask(108 * HOUR, INITIATOR, "council-meeting")
    assert story.rung(108 * HOUR) == "council-meeting"


def test_a_council_that_stays_offline_keeps_nobody_from_its_meeting() -> None:
    story = Story("ctbt-iv-clarification")
    story.ask(0, INITIATOR, "via-council")
    story.ask(48 * HOUR, INITIATOR, "council-meeting")
    assert story.rung(48 * HOUR) == "council-meeting"


def test_inspectors_arrive_within_six_days_of_the_councils_receipt_of_the_request() -> None:
    story = Story("ctbt-iv-clarification")
    (council,) = story.body("council")
    request = story.ask(0, INITIATOR, "osi-request")
    story.send(5 * HOUR, council, "receipt", Received(request))
    assert story.clock("osi-decision").end == T0 + 101 * HOUR
    assert story.clock("osi-arrival").end == T0 + 5 * HOUR + 6 * DAY


def test_a_committees_three_weeks_begin_with_its_first_member_and_the_missions_with_the_other_party() -> None:
    story = Story("seanwfz-annex")
    request = story.send(0, INITIATOR, "incident-notice")
    story.send(2 * HOUR, OTHERS[1], "receipt", Received(request))
    story.send(9 * HOUR, OTHERS[0], "receipt", Received(request))
    story.send(12 * HOUR, COUNTERPART, "receipt", Received(request))
    assert story.clock("screen").end == T0 + 2 * HOUR + 21 * DAY
    assert story.clock("mission").end == T0 + 12 * HOUR + 21 * DAY


def test_data_are_due_forty_five_days_after_the_receipt_of_the_order() -> None:
    story = Story("budapest-24-7")
    story.ask(0, INITIATOR, "reach")
    order = story.ask(1 * HOUR, INITIATOR, "order")
    story.send(9 * HOUR, COUNTERPART, "receipt", Received(order))
    assert story.clock("subscriber-data").end == T0 + 9 * HOUR + 45 * DAY


def test_without_a_receipt_both_choices_of_the_initiator_of_a_conciliation_open_after_twice_the_time() -> None:
    story = Story("unclos-v-conciliation")
    story.send(0, INITIATOR, "incident-notice")
    for name in ("ask-appointment", "terminate"):
        assert story.refused(41 * DAY, INITIATOR, "step-request", Step(name)) == "ladder.no-option"
    story.ask(42 * DAY, INITIATOR, "terminate")
