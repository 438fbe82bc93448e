"""What two people decided once was decided once: a draft cannot be released again."""

from __future__ import annotations

from protocols.kinds import Step, StepAnswer
from tests.mediation.places import notified


def test_a_draft_that_was_released_cannot_be_released_again() -> None:
    play = notified()
    before = play.state.seq
    request = play.send("01:00", "AV", "step-request", Step("L3-experts"), prev_seq=before)
    play.send("01:01", "KV", "step-decline", StepAnswer(request, "L3-experts"))
    assert play.refused("01:02", "AV", "step-request", Step("L3-experts"), prev_seq=before).code == "ladder.draft-spent"
    play.send("01:03", "AV", "step-request", Step("L3-experts"))


def test_drafts_on_other_matters_and_of_others_stay_good() -> None:
    play = notified()
    before = play.state.seq
    first = play.send("01:00", "AV", "step-request", Step("L3-experts"), prev_seq=before)
    play.send("01:01", "KV", "step-decline", StepAnswer(first, "L3-experts"))
    play.send("01:02", "AV", "public-attribution", prev_seq=before)
    play.send("01:03", "KV", "step-request", Step("L3-experts"), prev_seq=before)


def test_what_one_person_may_send_is_not_asked_for_its_draft() -> None:
    play = notified()
    before = play.state.seq
    play.send("01:00", "AV", "statement", prev_seq=before)
    play.send("01:01", "AV", "statement", prev_seq=before)
