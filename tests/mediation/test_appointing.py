"""A body appoints the mediator where the parties do not: nobody else in its place, no party against it, a way on without it."""

from __future__ import annotations

import pytest

from mediation.effects import ClockMet, ClockStarted, ClockStopped, Nominated
from mediation.errors import LadderError
from mediation.fold import advance
from mediation.ladder import parse_ladder
from mediation.ladder_check import read_all
from mediation.offers import allowed
from mediation.state import ThreadState
from protocols.kinds import Appointment, Nominate, Objection, Reveal, Step, Withdrawal
from tests.mediation.bodies import ALONE, ASKED, CHOOSES, board, board_text, stalled
from tests.mediation.council import COUNCIL, OFFICES, STATES, TEXT, agree
from tests.mediation.play import SALT, t


def options(state: ThreadState) -> set[tuple[str, str]]:
    return {(option.office, option.step) for option in state.options}


def nominees(state: ThreadState) -> list[str]:
    return [nominee.office for nominee in state.mediation.nominees] if state.mediation is not None else []


def test_the_body_is_given_the_appointment_and_makes_it_from_outside() -> None:
    play = stalled(board())
    assert options(play.at("26:00")) == {("CH", "default-appointment")}
    play.send("26:00", "KV", "statement")
    assert [effect.clock.rule for effect in play.all_of(ClockStarted)] == ["chair-time"]
    play.send("27:00", "CH", "default-appointment")
    assert play.saw(Nominated) == Nominated("HD", "body")
    assert [effect.clock.rule for effect in play.all_of(ClockMet)] == ["chair-time"]
    assert not any(seat.member for seat in play.state.seats.values() if seat.office == "CH")
    assert options(play.state) == set()
    play.send("28:00", "HD", "mediator-acceptance")


@pytest.mark.parametrize("office", ["AV", "KV", "NN", "OV", "HD", "MD", "AW"])
@pytest.mark.parametrize("edits", [(), (CHOOSES,), (ALONE,), (CHOOSES, ALONE)])
@pytest.mark.parametrize("named", [None, "HD", "MD"])
def test_nobody_appoints_in_the_bodys_place(office: str, edits: tuple[tuple[str, str], ...], named: str | None) -> None:
    play = stalled(board(*edits))
    refusal = play.refused("26:00", office, "default-appointment", Appointment(named))
    assert refusal.code in ("ladder.no-standing", "ladder.not-yours", "ladder.no-option")
    if office in ("AV", "KV") and not {ALONE} & set(edits):
        assert refusal.sentence.startswith(
            "The appointment is for the Chair of the centre to make, not for your office."
        )


@pytest.mark.parametrize("at", ["02:00", "25:59"])
def test_the_body_does_not_appoint_before_the_parties_time_is_over(at: str) -> None:
    refusal = stalled(board()).refused(at, "CH", "default-appointment")
    assert (refusal.code, refusal.until) == ("ladder.no-standing", None) or refusal.code == "ladder.no-option"


def test_a_body_that_takes_the_rosters_order_appoints_its_first_and_no_other() -> None:
    play = stalled(board())
    assert play.refused("26:00", "CH", "default-appointment", Appointment("MD")).code == "ladder.not-first"
    play.send("26:00", "CH", "default-appointment", Appointment("HD"))
    assert nominees(play.state) == ["HD"]


def test_a_body_that_chooses_names_any_office_that_can_be_appointed() -> None:
    play = stalled(board(CHOOSES))
    assert play.refused("26:00", "CH", "default-appointment").code == "ladder.name-one"
    for office in ("AV", "NN", "OV", "CH", "ZZ"):
        assert play.refused("26:00", "CH", "default-appointment", Appointment(office)).code == "ladder.not-on-roster"
    offers = [offer for offer in allowed(play.ladder, play.at("26:00"), "CH", t("26:00")) if offer.allowed]
    assert {offer.subject for offer in offers if offer.kind == "default-appointment"} == {"HD", "MD"}
    play.send("26:00", "CH", "default-appointment", Appointment("MD"))
    assert nominees(play.state) == ["MD"]
    play.send("26:30", "MD", "mediator-acceptance")
    play.send("26:30", "MD", "declaration")
    play.send("27:00", "AV", "objection", Objection("MD"))
    assert options(play.state) == {("CH", "default-appointment")}
    assert play.refused("27:30", "CH", "default-appointment", Appointment("MD")).code == "ladder.not-on-roster"
    play.send("27:30", "CH", "default-appointment", Appointment("HD"))
    assert nominees(play.state) == ["HD"]


def test_an_office_of_a_partys_state_is_not_appointed_where_the_ladder_leaves_nationals_out() -> None:
    states = {**STATES, "HD": "KV"}
    open_to_all = stalled(board(CHOOSES), states=states)
    open_to_all.send("26:00", "CH", "default-appointment", Appointment("HD"))
    without = stalled(
        board(CHOOSES, ('appoints = "any"\n', 'appoints = "any"\nexclude = ["nationals"]\n')), states=states
    )
    assert without.state.nationals == ("HD",)
    assert without.refused("26:00", "CH", "default-appointment", Appointment("HD")).code == "ladder.not-on-roster"
    without.send("26:00", "CH", "default-appointment", Appointment("MD"))
    first = stalled(
        board(('appointed_by = "chair"\n', 'appointed_by = "chair"\nexclude = ["nationals"]\n')), states=states
    )
    first.send("26:00", "CH", "default-appointment")
    assert nominees(first.state) == ["MD"]


def test_with_every_office_excluded_the_body_is_told_that_nobody_is_left() -> None:
    play = stalled(board(CHOOSES), offices=tuple(office for office in OFFICES if office.role != "mediator"))
    assert play.refused("26:00", "CH", "default-appointment", Appointment("HD")).code == "ladder.roster-exhausted"


def test_a_body_that_stays_silent_lets_the_parties_appoint_in_the_rosters_order() -> None:
    play = stalled(board(CHOOSES))
    assert options(play.at("31:59")) == {("CH", "default-appointment")}
    both = {("AV", "default-appointment"), ("KV", "default-appointment"), ("CH", "default-appointment")}
    assert options(play.at("32:00")) == both
    assert play.refused("32:00", "KV", "default-appointment", Appointment("MD")).code == "ladder.not-first"
    play.send("32:00", "KV", "default-appointment")
    assert play.saw(Nominated) == Nominated("HD", "default")
    assert options(play.state) == set()


def test_after_the_parties_may_too_the_body_still_may() -> None:
    play = stalled(board(CHOOSES))
    play.send("40:00", "CH", "default-appointment", Appointment("MD"))
    assert nominees(play.state) == ["MD"]
    assert options(play.state) == set()


def test_each_turn_of_the_body_has_its_own_time() -> None:
    play = stalled(board())
    play.send("40:00", "KV", "default-appointment")
    play.send("41:00", "HD", "mediator-acceptance")
    play.send("41:00", "HD", "declaration")
    play.send("42:00", "AV", "objection", Objection("HD"))
    assert options(play.state) == {("CH", "default-appointment")}
    (clock,) = [clock for clock in play.state.clocks if clock.rule == "chair-time"]
    assert (clock.start, clock.end) == (t("42:00"), t("48:00"))


def test_parties_that_agree_after_all_take_the_appointment_from_the_body() -> None:
    play = stalled(board())
    sealed = {
        party: play.send("26:00", party, "nomination", Nominate(play.sealed(party, "MD"))) for party in ("AV", "KV")
    }
    for party, entry in sealed.items():
        play.send("26:30", party, "nomination-reveal", Reveal(entry, ("MD",), SALT))
    assert play.saw(Nominated) == Nominated("MD", "overlap")
    assert options(play.state) == set()
    assert [effect.clock.rule for effect in play.all_of(ClockStopped)] == ["chair-time"]
    assert play.refused("27:00", "CH", "default-appointment").code == "ladder.no-option"


def test_lists_without_a_common_office_give_the_body_the_appointment_at_once() -> None:
    play = stalled(board(CHOOSES))
    lists = {"AV": ("HD",), "KV": ("MD",)}
    sealed = {
        party: play.send("03:00", party, "nomination", Nominate(play.sealed(party, *names)))
        for party, names in lists.items()
    }
    for party, entry in sealed.items():
        play.send("03:30", party, "nomination-reveal", Reveal(entry, lists[party], SALT))
    assert options(play.state) == {("CH", "default-appointment")}


def test_where_the_body_appoints_at_a_partys_request_either_party_asks_and_only_then() -> None:
    play = stalled(board(CHOOSES, *ASKED))
    both = {("AV", "ask-chair"), ("KV", "ask-chair")}
    assert options(play.at("26:00")) == both
    assert play.refused("26:00", "CH", "default-appointment", Appointment("MD")).code in (
        "ladder.no-option", "ladder.no-standing")  # fmt: skip
    play.send("27:00", "KV", "step-request", Step("ask-chair"))
    assert options(play.state) == {("CH", "default-appointment")}
    assert play.refused("27:00", "KV", "default-appointment", Appointment("MD")).code == "ladder.no-option"
    play.send("28:00", "CH", "default-appointment", Appointment("MD"))
    play.send("29:00", "AV", "withdrawal", Withdrawal("MD"))
    assert options(play.state) == both
    assert not [clock for clock in play.state.clocks if clock.rule == "chair-time"]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('appointed_by = "chair"', 'appointed_by = "council"', "There is no declared role 'council'"),
        ('appointed_by = "chair"', 'appointed_by = "party"', "There is no declared role 'party'"),
        ('appointed_by = "chair"', 'appointed_by = "members"', "A party could hold the role 'members'"),
        ('appointed_by = "chair"', 'appointed_by = "others"', "appoint, not 'chair'"),
        ('appointed_by = "chair"\n', 'appoints = "any"\n', "Only a body of 'appointed_by' chooses"),
        ('appointed_by = "chair"\n', "", "No body appoints under this ladder"),
        ('option = "default-appointment", to = "chair"', 'option = "default-appointment", to = "others"', "not 'others'"),
        ('exclude = ["parties", "nationals"]', "", "A party could hold the role 'chair'"),
        ("\n[mediation]\n", '\n[kinds.default-appointment]\nwho = ["party"]\n\n[mediation]\n', "may not send"),
        (
            'direction = "down"\nconsent = "other"\n',
            'direction = "down"\nconsent = "other"\nstops = ["chair-time"]\n',
            "stops only when it need not appoint",
        ),
        (
            'title = "Mediate beside"\n',
            'title = "Mediate beside"\nwhen_taken = { moves = "down" }\n',
            "Taking a step gives an option; it moves nothing.",
        ),
        ('title = "Mediate beside"\n', 'title = "Mediate beside"\nwhen_taken = { option = "x" }\n', "There is no step 'x'"),
    ],
)  # fmt: skip
def test_a_ladder_that_contradicts_itself_about_the_appointment_is_refused(old: str, new: str, sentence: str) -> None:
    _, errors = read_all(board_text((old, new)).encode())
    assert [error for error in errors if sentence in error.sentence], errors


def test_an_option_to_appoint_in_a_ladder_without_mediation_is_refused() -> None:
    text = TEXT[: TEXT.index("[mediation]\n")]
    with pytest.raises(LadderError, match="without mediation"):
        parse_ladder(text.encode())


def test_a_step_down_leaves_the_way_to_a_mediator_while_mediation_goes_on_beside_the_rungs() -> None:
    play = stalled(COUNCIL)
    play.send("27:00", "KV", "statement")
    before = options(play.state)
    assert before == {("AV", "default-appointment"), ("KV", "default-appointment")}
    agree(play, "28:00", "down")
    assert play.state.rung == "L0"
    assert options(play.state) == before
    assert play.refused("28:00", "AV", "step-request", Step("mediate")).code == "ladder.already-there"
    play.send("29:00", "AV", "default-appointment")
    assert nominees(play.state) == ["HD"]


def test_a_step_down_takes_the_other_options() -> None:
    play = stalled(COUNCIL)
    rest = {step for _, step in options(advance(COUNCIL, play.state, t("60:00")))} - {"default-appointment"}
    assert rest
    agree(play, "60:00", "down")
    assert {step for _, step in options(play.state)} == {"default-appointment"}


def test_a_step_down_that_ends_the_time_for_choosing_by_agreement_ends_the_mediation() -> None:
    stopping = 'consent = "other"\nstops = ["nominations", "default-appointment"]\n\n[[clock]]\nid = "explain"'
    ladder = parse_ladder(TEXT.replace('consent = "other"\n\n[[clock]]\nid = "explain"', stopping).encode())
    play = stalled(ladder)
    agree(play, "28:00", "down")
    assert options(play.state) == set()
    play.send("29:00", "AV", "step-request", Step("mediate"))


def test_it_does_not_end_while_somebody_is_chosen() -> None:
    stopping = 'consent = "other"\nstops = ["nominations", "default-appointment"]\n\n[[clock]]\nid = "explain"'
    ladder = parse_ladder(TEXT.replace('consent = "other"\n\n[[clock]]\nid = "explain"', stopping).encode())
    play = stalled(ladder)
    play.send("26:00", "AV", "default-appointment")
    agree(play, "39:00", "down")  # the nominee let its twelve hours pass
    assert options(play.state) == {("AV", "default-appointment"), ("KV", "default-appointment")}
    play.send("40:00", "KV", "default-appointment")
    assert nominees(play.state) == ["MD"]


def test_what_was_held_for_the_body_outlives_a_step_down_too() -> None:
    play = stalled(board(CHOOSES))
    play.send("27:00", "KV", "statement")
    agree(play, "28:00", "down")
    assert options(play.state) == {("CH", "default-appointment")}
    assert "chair-time" in {clock.rule for clock in play.state.clocks}
    asking = stalled(board(CHOOSES, *ASKED))
    agree(asking, "28:00", "down")
    assert options(asking.state) == {("AV", "ask-chair"), ("KV", "ask-chair")}


def test_a_closed_thread_keeps_no_option() -> None:
    play = stalled(COUNCIL)
    play.send("28:00", "AV", "close")
    play.send("28:00", "KV", "close")
    assert options(play.state) == set()
