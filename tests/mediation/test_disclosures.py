"""Notices of disclosure and their answers: by the parties, on every rung, once, about what was sent."""

from __future__ import annotations

import pytest

from mediation import effects as fx
from mediation.disclosures import NOTICES_KEPT
from mediation.fold import Outcome, step
from mediation.offers import allowed
from mediation.state import to_bytes
from protocols.kinds import Complaint, DisclosureConsent, DisclosureNotice, Portion
from tests.mediation.places import mediated, on
from tests.mediation.play import LADDER, Play, kid, t

SHOWN = DisclosureNotice("court", (Portion(1, ("text", "harm")),))


def told(play: Play, office: str = "AV", at: str = "08:00") -> str:
    return play.send(at, office, "disclosure-notice", SHOWN)


@pytest.mark.parametrize("rung", LADDER.rungs)
def test_either_party_gives_notice_and_the_other_answers_on_every_rung(rung: str) -> None:
    play = on(rung)
    notice = told(play)
    assert [(each.office, each.answer) for each in play.state.notices] == [("AV", "")]
    play.send("08:01", "KV", "disclosure-consent", DisclosureConsent(notice, agree=True))
    assert play.saw(fx.DisclosureAnswered) == fx.DisclosureAnswered("KV", notice, agree=True)
    assert [each.answer for each in play.state.notices] == ["yes"]
    assert play.state.rung == rung
    other = told(play, "KV", "08:02")
    play.send("08:03", "AV", "disclosure-consent", DisclosureConsent(other, agree=False))
    assert [each.answer for each in play.state.notices] == ["yes", "no"]


def test_a_mediator_neither_gives_notice_nor_consents() -> None:
    play = mediated()
    notice = told(play)
    assert play.refused("08:01", "MD", "disclosure-notice", SHOWN).code == "ladder.not-yours"
    agreed = DisclosureConsent(notice, agree=True)
    assert play.refused("08:01", "MD", "disclosure-consent", agreed).code == "ladder.not-yours"
    assert play.refused("08:01", "XX", "disclosure-consent", agreed).code == "ladder.no-standing"


def test_not_even_a_ladder_of_its_own_lets_a_mediator_consent_for_a_party() -> None:
    play = mediated()
    notice = told(play)
    rule = LADDER.kinds["disclosure-consent"]
    wide = LADDER.kinds | {"disclosure-consent": type(rule)(("party", "mediator"))}
    ladder = type(LADDER)(**{name: getattr(LADDER, name) for name in LADDER.__struct_fields__} | {"kinds": wide})
    move = play.move("MD", "disclosure-consent", DisclosureConsent(notice, agree=True))
    outcome = step(ladder, play.state, move, t("08:01"))
    assert not isinstance(outcome, Outcome)
    assert outcome.code == "ladder.not-yours"


def test_nobody_consents_to_their_own_notice_or_to_one_that_does_not_exist() -> None:
    play = on("L2-clarify")
    notice = told(play)
    own = DisclosureConsent(notice, agree=True)
    assert play.refused("08:01", "AV", "disclosure-consent", own).code == "ladder.own-request"
    unknown = DisclosureConsent(kid("open"), agree=True)
    assert play.refused("08:01", "KV", "disclosure-consent", unknown).code == "ladder.unknown-reference"


@pytest.mark.parametrize("first", [True, False])
def test_an_answer_stands(first: bool) -> None:
    play = on("L2-clarify")
    notice = told(play)
    play.send("08:01", "KV", "disclosure-consent", DisclosureConsent(notice, agree=first))
    for again in (True, False):
        answer = DisclosureConsent(notice, agree=again)
        assert play.refused("08:02", "KV", "disclosure-consent", answer).code == "ladder.already-answered"


@pytest.mark.parametrize(
    ("portions", "code"),
    [
        ((Portion(2, ("text",)), Portion(1, ("text",))), "ladder.notice-order"),
        ((Portion(1, ("text",)), Portion(1, ("harm",))), "ladder.notice-order"),
        ((Portion(1, ("text", "text")),), "ladder.notice-order"),
        ((Portion(99, ("text",)),), "ladder.unknown-reference"),
    ],
)
def test_a_notice_names_each_message_once_and_none_that_is_still_to_come(
    portions: tuple[Portion, ...], code: str
) -> None:
    play = on("L2-clarify")
    act = DisclosureNotice("public", portions)
    assert play.refused("08:00", "AV", "disclosure-notice", act).code == code
    own = DisclosureNotice("public", (Portion(play.state.seq + 1, ("text",)),))
    assert play.refused("08:00", "AV", "disclosure-notice", own).code == "ladder.unknown-reference"


def test_notices_do_not_pile_up_and_one_party_cannot_push_out_the_others() -> None:
    play = on("L2-clarify")
    theirs = told(play, "KV")
    first = told(play)
    for _ in range(NOTICES_KEPT):
        told(play)
    assert len(play.state.notices) == NOTICES_KEPT + 1
    late = DisclosureConsent(first, agree=True)
    assert play.refused("08:01", "KV", "disclosure-consent", late).code == "ladder.unknown-reference"
    play.send("08:01", "AV", "disclosure-consent", DisclosureConsent(theirs, agree=True))
    assert len(to_bytes(play.state)) < 64_000


def test_the_panel_offers_an_answer_for_each_notice_that_waits_for_one() -> None:
    play = on("L2-clarify")
    notices = {told(play), told(play)}
    offers = [offer for offer in allowed(LADDER, play.state, "KV", t("08:01")) if offer.kind == "disclosure-consent"]
    assert {offer.subject for offer in offers if offer.allowed} == notices
    mine = [offer for offer in allowed(LADDER, play.state, "AV", t("08:01")) if offer.kind == "disclosure-consent"]
    assert [offer.allowed for offer in mine] == [False]


def test_a_complaint_about_a_text_moves_nothing() -> None:
    play = Play()
    before = play.state
    play.send("00:01", "KV", "complaint", Complaint(kid("open"), "entry.digest-mismatch"))
    assert play.effects == ()
    assert (play.state.rung, play.state.clocks) == (before.rung, before.clocks)
