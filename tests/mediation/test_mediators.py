"""No mediator enters but by the agreed way, and every shortcut is refused."""

from __future__ import annotations

import pytest

from mediation import effects as fx
from mediation.fold import due
from protocols.encoding import b64u
from protocols.kinds import (
    Admission,
    Ask,
    Handover,
    Member,
    Nominate,
    Objection,
    ObjectionAnswer,
    Proposal,
    ProposalAnswer,
    Rekey,
    Reveal,
    Scope,
    Step,
    Waiver,
    Withdrawal,
)
from protocols.nomination import nomination_digest
from tests.mediation.places import agreed, chosen, declared, mediated, opened
from tests.mediation.play import SALT, Play, kid, t


def test_the_sealed_nomination_is_bound_to_thread_office_list_and_salt() -> None:
    one = nomination_digest("t" * 22, "AV", ("MD", "HD"), SALT)
    assert one == nomination_digest("t" * 22, "AV", ("MD", "HD"), SALT)
    for other in (
        nomination_digest("u" * 22, "AV", ("MD", "HD"), SALT),
        nomination_digest("t" * 22, "KV", ("MD", "HD"), SALT),
        nomination_digest("t" * 22, "AV", ("HD", "MD"), SALT),
        nomination_digest("t" * 22, "AV", ("MD", "HD"), b64u(bytes(32))),
    ):
        assert other != one


@pytest.mark.parametrize(
    ("first", "second", "nominee"),
    [
        (("MD", "HD"), ("MD",), "MD"),
        (("NR", "MD"), ("MD", "NR"), "MD"),  # equal sums: roster order, HD before MD before NR
        (("MD", "HD"), ("HD", "MD"), "HD"),
        (("NR", "HD", "MD"), ("NR", "MD"), "NR"),
        (("OSTERRA", "KV", "MD"), ("XX", "OV", "MD"), "MD"),  # only mediators of the roster count, and no party
    ],
)
def test_the_common_nominee_with_the_least_sum_of_ranks_is_chosen(
    first: tuple[str, ...], second: tuple[str, ...], nominee: str
) -> None:
    play = chosen(first, second)
    assert play.saw(fx.Nominated) == fx.Nominated(nominee, "overlap")
    assert play.saw(fx.Invited) == fx.Invited(nominee, "nominee")


def test_without_a_common_nominee_either_party_may_have_the_first_of_the_roster_appointed() -> None:
    play = chosen(("NR",), ("OSTERRA",))
    assert {effect.office for effect in play.all_of(fx.OptionOpened)} == {"AV", "KV"}
    play.send("03:10", "KV", "default-appointment")
    assert play.saw(fx.Nominated) == fx.Nominated("HD", "default")
    assert play.refused("03:11", "AV", "default-appointment").code == "ladder.no-option"


def test_a_party_that_never_nominates_cannot_block() -> None:
    play = opened()
    play.send("03:00", "AV", "nomination", Nominate(play.sealed("AV", "MD")))
    early = play.refused("25:00", "AV", "default-appointment")
    assert (early.code, early.until) == ("ladder.no-option", t("26:00"))
    play.send("26:00", "AV", "default-appointment")
    assert play.saw(fx.Nominated) == fx.Nominated("HD", "default")
    assert play.refused("26:01", "KV", "nomination", Nominate(kid("x"))).code == "ladder.nominations-over"


def test_a_nominee_that_stays_silent_makes_way() -> None:
    play = chosen()
    assert play.refused("14:00", "AV", "default-appointment").code == "ladder.no-option"
    play.send("15:00", "AV", "default-appointment")
    assert play.saw(fx.Nominated) == fx.Nominated("HD", "default")
    assert play.refused("15:01", "MD", "mediator-acceptance").code == "ladder.no-standing"


def test_a_default_appointment_stops_at_the_end_of_the_roster() -> None:
    play = chosen(("NR",), ("OSTERRA",))
    for number, office in enumerate(("HD", "MD", "NR")):
        play.send(f"{4 + number}:00", "AV", "default-appointment")
        assert play.saw(fx.Nominated).office == office
        play.send(f"{4 + number}:10", office, "mediator-acceptance")
        play.send(f"{4 + number}:20", office, "declaration")
        play.send(f"{4 + number}:30", "KV", "objection", Objection(office))
    assert play.refused("09:00", "AV", "default-appointment").code == "ladder.roster-exhausted"


def test_nominations_cannot_be_sent_twice_opened_early_or_changed() -> None:
    play = opened()
    entry = play.send("03:00", "AV", "nomination", Nominate(play.sealed("AV", "MD", "HD")))
    assert play.refused("03:01", "AV", "nomination", Nominate(kid("x"))).code == "ladder.already-nominated"
    early = play.refused("03:01", "AV", "nomination-reveal", Reveal(entry, ("MD", "HD"), SALT))
    assert (early.code, early.until) == ("ladder.reveal-early", t("14:00"))
    other = play.send("03:02", "KV", "nomination", Nominate(play.sealed("KV", "MD")))
    for nomination, nominees, salt, code in (
        (entry, ("HD", "MD"), SALT, "nomination-mismatch"),
        (entry, ("MD", "HD"), kid("salt"), "nomination-mismatch"),
        (entry, ("MD", "HD"), "!" * 43, "nomination-mismatch"),
        (entry, ("MD", "MD"), SALT, "duplicate-nominee"),
        (other, ("MD",), SALT, "unknown-reference"),
    ):
        refusal = play.refused("03:03", "AV", "nomination-reveal", Reveal(nomination, nominees, salt))
        assert refusal.code == f"ladder.{code}"
    play.send("03:03", "AV", "nomination-reveal", Reveal(entry, ("MD", "HD"), SALT))
    again = play.refused("03:04", "AV", "nomination-reveal", Reveal(entry, ("MD", "HD"), SALT))
    assert again.code == "ladder.already-revealed"


def test_a_digest_copied_from_the_other_party_cannot_be_opened() -> None:
    play = opened()
    play.send("03:00", "AV", "nomination", Nominate(play.sealed("AV", "MD")))
    copied = play.send("03:01", "KV", "nomination", Nominate(play.sealed("AV", "MD")))
    assert play.refused("03:02", "KV", "nomination-reveal", Reveal(copied, ("MD",), SALT)).code == (
        "ladder.nomination-mismatch"
    )


def test_admission_waits_for_declaration_window_and_objections() -> None:
    both = Admission(("MD",), Scope())
    play = opened()
    assert play.refused("02:10", "AV", "admission", both).code == "ladder.not-nominee"
    play = chosen()
    assert play.refused("03:10", "AV", "admission", both).code == "ladder.not-declared"
    assert play.refused("03:10", "AV", "objection", Objection("MD")).code == "ladder.not-declared"
    assert play.refused("03:10", "AV", "waiver", Waiver(("MD",))).code == "ladder.not-declared"
    assert play.refused("03:10", "AV", "waiver", Waiver(("HD",))).code == "ladder.not-nominee"
    play = declared()
    early = play.refused("05:00", "AV", "admission", both)
    assert (early.code, early.rule, early.until) == ("ladder.objection-window", "cpci-default/objections", t("10:00"))
    for wrong in (("HD",), ("MD", "HD"), ("MD", "MD")):
        assert play.refused("10:00", "AV", "admission", Admission(wrong, Scope())).code == "ladder.not-nominees"
    assert play.refused("10:00", "AV", "admission", Admission(("MD",), Scope("no-rung"))).code == "ladder.unknown-rung"
    assert play.refused("10:00", "AV", "admission", both, two_person=False).code == "ladder.two-person"
    assert play.refused("10:00", "AV", "objection", Objection("MD")).code == "ladder.window-closed"
    play.send("10:00", "AV", "admission", both)
    play.send("10:01", "KV", "admission", both)
    assert play.saw(fx.RekeyDue) == fx.RekeyDue(("MD",), ())


def test_both_admissions_are_the_same_word_for_word_and_the_first_may_be_replaced() -> None:
    play = declared()
    scope = Scope("L1-notify", (kid("open"),))
    play.send("10:00", "AV", "admission", Admission(("MD",), Scope()))
    assert play.refused("10:01", "KV", "admission", Admission(("MD",), scope)).code == "ladder.scope-differs"
    play.send("10:02", "AV", "admission", Admission(("MD",), scope))
    play.send("10:03", "KV", "admission", Admission(("MD",), scope))
    assert play.saw(fx.AdmissionComplete) == fx.AdmissionComplete(("MD",), scope, "KV")


def test_one_partys_waiver_ends_no_window() -> None:
    play = declared()
    play.send("05:00", "AV", "waiver", Waiver(("MD",)))
    assert play.refused("05:01", "AV", "waiver", Waiver(("MD",))).code == "ladder.already-waived"
    assert play.refused("05:01", "AV", "objection", Objection("MD")).code == "ladder.window-closed"
    assert play.refused("05:01", "AV", "admission", Admission(("MD",), Scope())).code == "ladder.objection-window"
    play.send("05:02", "KV", "objection", Objection("MD"))
    assert play.saw(fx.NomineeRemoved) == fx.NomineeRemoved("MD")


def test_a_further_declaration_opens_the_window_anew() -> None:
    play = declared()
    play.send("09:00", "MD", "declaration")
    assert [clock.end for clock in due(play.state) if clock.rule == "objections"] == [t("15:00")]
    play.send("15:00", "MD", "declaration")
    assert play.refused("16:00", "AV", "admission", Admission(("MD",), Scope())).until == t("21:00")


def test_a_flat_objection_brings_the_next_common_nominee() -> None:
    play = declared(chosen(("MD", "HD"), ("MD", "HD")))
    play.send("05:00", "KV", "objection", Objection("MD"))
    assert play.saw(fx.Nominated) == fx.Nominated("HD", "overlap")
    assert play.refused("05:01", "AV", "admission", Admission(("MD",), Scope())).code == "ladder.not-nominees"


def test_a_condition_refused_removes_the_nominee_and_one_unanswered_gives_the_option() -> None:
    play = declared()
    entry = play.send("05:00", "AV", "objection", Objection("MD", "HD"))
    assert (
        play.refused("05:01", "AV", "objection-answer", ObjectionAnswer(entry, agree=True)).code == "ladder.own-request"
    )
    assert play.refused("05:01", "KV", "objection-answer", ObjectionAnswer(kid("x"), agree=True)).code == (
        "ladder.unknown-reference"
    )
    assert play.refused("05:01", "KV", "objection", Objection("MD")).code == "ladder.objection-open"
    assert play.refused("05:01", "KV", "waiver", Waiver(("MD",))).code == "ladder.objection-open"
    play.send("05:02", "KV", "objection-answer", ObjectionAnswer(entry, agree=False))
    assert play.saw(fx.NomineeRemoved).office == "MD"
    play = declared()
    play.send("05:00", "AV", "objection", Objection("MD", "HD"))
    play.send("11:00", "KV", "default-appointment")
    assert play.saw(fx.Nominated) == fx.Nominated("HD", "default")
    assert play.state.mediation is not None
    assert "MD" in play.state.mediation.excluded


@pytest.mark.parametrize("co_mediator", ["XX", "AV", "MD", "OV", "NOBODY"])
def test_a_co_mediator_is_another_office_of_the_roster(co_mediator: str) -> None:
    assert declared().refused("05:00", "AV", "objection", Objection("MD", co_mediator)).code == "ladder.not-on-roster"


def test_a_mediator_takes_no_step_of_the_parties() -> None:
    play = mediated()
    for kind, act in (
        ("step-request", Step("L6-inquiry")),
        ("clarification-request", Ask(1)),
        ("public-attribution", None),
        ("nomination", Nominate(kid("x"))),
        ("admission", Admission(("MD",), Scope())),
    ):
        assert play.refused("06:00", "MD", kind, act).code == "ladder.not-yours"
    play.send("06:00", "MD", "statement")
    play.send("06:00", "MD", "declaration")


def test_history_is_handed_over_only_once_somebody_is_admitted() -> None:
    assert declared().refused("05:00", "AV", "handover", Handover((kid("open"),))).code == "ladder.not-admitted"
    mediated().send("06:00", "AV", "handover", Handover((kid("open"),)))


def test_consent_can_be_withdrawn_and_the_keys_must_follow_at_once() -> None:
    play = mediated()
    assert play.refused("06:00", "MD", "withdrawal", Withdrawal("HD")).code == "ladder.not-yours"
    assert play.refused("06:00", "AV", "withdrawal", Withdrawal("HD")).code == "ladder.unknown-reference"
    play.send("06:00", "KV", "withdrawal", Withdrawal("MD"))
    assert play.saw(fx.RekeyDue) == fx.RekeyDue((), ("MD",))
    assert play.refused("06:01", "AV", "statement").code == "ladder.rekey-due"
    play.send("06:01", "AV", "public-safety-notice")
    assert play.refused("06:01", "MD", "statement").code == "ladder.no-standing"
    assert play.refused("06:01", "AV", "rekey", Rekey(3)).code == "ladder.rekey-due"
    play.send("06:02", "AV", "rekey", Rekey(3, (), (Member(kid("MD-1"), "MD"),)))
    play.send("06:03", "AV", "statement")
    # Everything begins anew, without MD.
    assert {clock.rule for clock in due(play.state)} >= {"nominations", "default-appointment"}
    entry = play.send("07:00", "AV", "nomination", Nominate(play.sealed("AV", "MD", "HD")))
    other = play.send("07:00", "KV", "nomination", Nominate(play.sealed("KV", "MD", "HD")))
    play.send("07:01", "AV", "nomination-reveal", Reveal(entry, ("MD", "HD"), SALT))
    play.send("07:01", "KV", "nomination-reveal", Reveal(other, ("MD", "HD"), SALT))
    assert play.saw(fx.Nominated).office == "HD"


def test_a_mediator_who_withdraws_before_the_new_keys_is_never_let_in() -> None:
    play = declared()
    for office in ("AV", "KV"):
        play.send("10:00", office, "admission", Admission(("MD",), Scope()))
    play.send("10:01", "MD", "withdrawal", Withdrawal("MD"))
    assert play.state.due_adds == ()
    assert play.refused("10:02", "KV", "rekey", Rekey(2, (Member(kid("MD-1"), "MD"),))).code == "ladder.roster"


def test_the_roster_changes_only_by_what_is_due_or_ones_own() -> None:
    play = mediated()
    member = Member
    for adds, removes, code in (
        ((member(kid("XX-1"), "XX"),), (), "roster"),
        ((member(kid("KV-9"), "KV"),), (), "roster"),
        ((member(kid("MD-1"), "MD"),), (), "roster"),
        ((member(kid("AV-2"), "AV"), member(kid("AV-2"), "AV")), (), "roster"),
        ((member(kid("KV-1"), "AV"),), (), "roster"),
        ((), (member(kid("KV-1"), "KV"),), "roster"),
        ((), (member(kid("AV-1"), "AV"),), "roster"),
        ((), (member(kid("AV-7"), "AV"),), "roster"),
        ((), (member(kid("MD-1"), "AV"),), "roster"),
        ((), (member(kid("AV-2"), "AV"), member(kid("AV-2"), "AV")), "roster"),
        (tuple(member(kid(f"AV-{n}"), "AV") for n in range(2, 40)), (), "too-many-stations"),
    ):
        assert play.refused("06:00", "AV", "rekey", Rekey(3, adds, removes)).code == f"ladder.{code}", (adds, removes)
    assert play.refused("06:00", "AV", "rekey", Rekey(2)).code == "ladder.wrong-epoch"
    play.send("06:00", "AV", "rekey", Rekey(3))
    assert play.refused("06:01", "AV", "statement", epoch=2).code == "ladder.wrong-epoch"
    play.send("06:01", "MD", "rekey", Rekey(4, (member(kid("MD-2"), "MD"),)))
    play.send("06:02", "MD", "statement", station=kid("MD-2"))


def test_a_station_that_leaves_and_returns_keeps_counting() -> None:
    play = Play()
    play.send("00:01", "KV", "rekey", Rekey(2, (Member(kid("KV-2"), "KV"),)))
    play.send("00:02", "KV", "goodwill-note", station=kid("KV-2"))
    play.send("00:03", "KV", "rekey", Rekey(3, (), (Member(kid("KV-2"), "KV"),)))
    play.send("00:04", "KV", "rekey", Rekey(4, (Member(kid("KV-2"), "KV"),)))
    assert play.refused("00:05", "KV", "goodwill-note", station=kid("KV-2"), serial=1).code == "ladder.serial"
    play.send("00:05", "KV", "goodwill-note", station=kid("KV-2"), serial=2)


def test_only_the_newest_text_can_be_accepted_and_only_by_both() -> None:
    play = mediated()
    assert (
        play.refused("06:00", "AV", "proposal-accept", ProposalAnswer(kid("x"), 1)).code == "ladder.unknown-reference"
    )
    assert play.refused("06:00", "AV", "proposal", Proposal(1)).code == "ladder.not-yours"
    assert play.refused("06:00", "MD", "proposal", Proposal(2)).code == "ladder.wrong-version"
    one = play.send("06:00", "MD", "proposal", Proposal(1))
    play.send("06:01", "AV", "proposal-accept", ProposalAnswer(one, 1))
    assert play.refused("06:02", "AV", "proposal-accept", ProposalAnswer(one, 1)).code == "ladder.already-accepted"
    two = play.send("06:03", "MD", "proposal", Proposal(2))
    for entry, version in ((one, 1), (one, 2), (two, 1)):
        refusal = play.refused("06:04", "KV", "proposal-accept", ProposalAnswer(entry, version))
        assert refusal.code == "ladder.superseded-proposal"
    play.send("06:05", "KV", "proposal-accept", ProposalAnswer(two, 2))
    play.send("06:06", "KV", "proposal-refuse", ProposalAnswer(two, 2))
    play.send("06:07", "AV", "proposal-accept", ProposalAnswer(two, 2))
    assert play.state.settlement is None
    assert play.refused("06:07", "KV", "proposal-accept", ProposalAnswer(two, 2), two_person=False).code == (
        "ladder.two-person"
    )
    play.send("06:08", "KV", "proposal-accept", ProposalAnswer(two, 2))
    assert play.saw(fx.Settled) == fx.Settled(two, 2)
    assert play.state.rung == "monitoring"
    assert play.refused("06:09", "AV", "proposal-refuse", ProposalAnswer(two, 2)).code == "ladder.already-settled"
    assert due(play.state) == ()


def test_mediation_reopened_keeps_the_mediators() -> None:
    play = mediated()
    agreed(play, "06:00", "return-L3")
    play.send("07:00", "AV", "step-request", Step("L5-mediation"))
    assert play.state.admitted == ("MD",)
    assert "nominations" not in {clock.rule for clock in due(play.state)}
    play.send("07:01", "MD", "proposal", Proposal(1))
