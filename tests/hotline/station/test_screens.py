"""What a thread's screens say; and that whatever the other side sends never keeps the page from opening."""

from __future__ import annotations

from typing import Any, cast

import pytest

from hotline.station.model import Held, Thread
from hotline.station.screens.clocks import clocks
from hotline.station.screens.entries import shown_fields
from hotline.station.screens.outside import outside_clocks, outside_offers, standing, standing_words
from hotline.station.screens.requests import requests
from mediation.durations import HOUR
from mediation.fold import advance
from protocols.frames import Invitation, Opening
from protocols.kinds import Step, StepAnswer
from tests.mediation.council import COUNCIL, asked
from tests.mediation.play import t


class _Body:
    class payload:  # noqa: N801 - stands for an attribute
        kind = "handover"

    def __init__(self, fields: dict[str, Any]) -> None:
        self.fields = fields


@pytest.mark.parametrize("history", [5, None, "abc", [1, 2], True, {"x": ["y"]}])
def test_a_handover_of_any_form_can_be_shown(history: Any) -> None:
    shown = shown_fields(cast(Held, _Body({"history": history})), lambda entry: f"entry {entry}")
    assert shown == {"history": ["entry x"] if isinstance(history, dict) else []}


def test_a_window_says_when_it_opens_and_then_when_it_closes() -> None:
    play = asked()
    shut = next(clock for clock in clocks(COUNCIL, play.state) if clock.title == "Time of the meeting")
    assert (shut.state, shut.opens) == ("opens later", t("01:00") + 48 * HOUR)
    assert "while it is open, “The chair convenes” is open to Chair of the centre" in shut.then
    later = advance(COUNCIL, play.state, shut.opens)
    opened = next(clock for clock in clocks(COUNCIL, later) if clock.title == "Time of the meeting")
    assert (opened.state, opened.opens) == ("open", None)


def test_a_clock_is_on_those_who_must_act_and_not_on_whoever_is_the_other_party() -> None:
    play = asked()
    play.send("02:00", "AV", "step-request", Step("meet"))
    play.send("02:00", "AV", "step-request", Step("inspect"))
    on = {clock.title: clock.on for clock in clocks(COUNCIL, play.state)}
    assert on["Seconds"] == "The other states"
    assert on["Time to block"] == "Members of the council"
    assert on["The chair's report"] == "Chair of the centre"


def test_a_request_that_waits_says_for_whom_how_many_are_there_and_until_when() -> None:
    play = asked()
    meet = play.send("02:00", "AV", "step-request", Step("meet"))
    play.send("03:00", "NN", "second", StepAnswer(meet, "meet"))
    poll = play.send("04:00", "KV", "step-request", Step("poll"))
    found = {each.entry: each for each in requests(COUNCIL, play.state, lambda office: f"<{office}>")}
    assert found[meet].waits == ("Seconded by 1 of 2 needed (The other states): <NN>.",)
    assert found[meet].closes == t("02:00") + 48 * HOUR
    assert found[poll].waits[-1] == "Chair of the centre must accept."
    assert "by 0 of 2 needed (The other states): nobody yet." in found[poll].waits[0]
    assert found[poll].closes is None


def outside(*openings: Opening, role: str = "chair", rung: str = "L1", status: str = "open") -> Thread:
    """A thread of which this station knows one invitation."""
    thread = Thread("T" * 22, "council", COUNCIL)
    thread.invite(
        Invitation("T" * 22, "council", ("AV", "KV"), role, status, 4, "h" * 43, 1, (), rung=rung, open=openings)
    )
    return thread


@pytest.mark.parametrize(
    "opening",
    [
        Opening("no-such-kind", {}, "AV", 5),
        Opening("second", {}, "AV", 5),
        Opening("second", {"request": "r" * 43, "step": "no-such-step"}, "AV", 5),
        Opening("statement", {}, "AV", 5),
        Opening("step-request", {"step": "report"}, "AV", 5),
        Opening("extension", {"clock": "no-such-clock/1", "until": 5}),
        Opening("step-request", {"step": "report", "evidence": "x"}),
    ],
)
def test_whatever_the_hub_says_is_open_the_page_of_an_office_outside_opens(opening: Opening) -> None:
    for thread in (outside(opening), outside(opening, role="no-such-role", rung="no-such-rung", status="no-such-word")):
        outside_offers(thread)
        outside_clocks(thread)
        assert standing(thread) is not None
        assert standing_words(thread)


def test_an_office_outside_is_told_why_its_other_steps_are_not_offered() -> None:
    thread = outside(rung="L0", status="waiting")
    reasons = {offer.step: str(offer.reason) for offer in outside_offers(thread)}
    assert "It can be taken from “Request”" in reasons["convene"] and "stands on “Routine”" in reasons["convene"]
    assert standing_words(thread) == "As Chair of the centre: nothing asked now"
    assert standing_words(outside(status="over")) == "Your part is over"


def test_a_clock_that_an_office_outside_may_lengthen_is_there_though_its_end_is_not_told() -> None:
    (clock,) = outside_clocks(outside(Opening("extension", {"clock": "explain/2", "until": 5})))
    assert (clock.title, clock.end, clock.extendable) == ("Explanation", None, True)
