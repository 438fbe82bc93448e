"""What is owed on a thread's clocks, as the list of incidents and the page of one show it first."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from hotline.station.desk import StationDesk
from hotline.station.screens.clocks import clocks
from hotline.station.screens.due import due
from hotline.station.views import DueView, ThreadSummary
from mediation.state import ThreadState
from protocols.kinds import About, Answer, Ask, Received, Step
from tests.mediation.council import COUNCIL
from tests.mediation.council import asked as council_asked
from tests.mediation.places import agreed, asked, chosen, notified
from tests.mediation.play import LADDER, t


def owed(state: ThreadState, office: str) -> list[tuple[str, str, bool, int]]:
    return [(each.id.split("/")[0], each.on, each.ours, each.end) for each in due(LADDER, state, office)]


def test_what_this_office_owes_stays_until_it_is_answered_however_late() -> None:
    play, questions = asked()
    assert ("clarify", "KV", True, t("25:00")) in owed(play.state, "KV")
    assert ("clarify", "KV", False, t("25:00")) in owed(play.state, "AV"), "AV is told what it waits for"
    for at in ("25:00", "600:00"):
        assert ("clarify", "KV", True, t("25:00")) in owed(play.at(at), "KV")
    play.send("26:00", "KV", "clarification-answer", Answer(questions, ("answered", "later")))
    assert ("clarify", "KV", True, t("25:00")) in owed(play.state, "KV"), "a part of the answers is not the answer"
    play.send("27:00", "KV", "clarification-answer", Answer(questions, ("answered", "refused")))
    assert owed(play.state, "KV") == []


def test_an_answer_that_came_too_late_is_not_shown_as_one_in_time() -> None:
    play, questions = asked(1)
    clarify = play.clock("clarify")
    assert next(each.state for each in clocks(LADDER, play.at("25:00")) if each.id == clarify) == "ran out"
    play.send("25:06", "KV", "clarification-answer", Answer(questions, ("answered",)))
    assert next(each.state for each in clocks(LADDER, play.state) if each.id == clarify) == "answered late"


def test_a_standstill_that_one_side_asked_for_binds_both() -> None:
    play, _ = asked()
    agreed(play, "74:00", "L4-cooling-off")
    on = {clock.id.split("/")[0]: clock.on for clock in clocks(LADDER, play.state)}
    assert on["standstill"] == "both"
    assert on["clarify"] == "KV"
    on = {clock.title: clock.on for clock in clocks(LADDER, chosen().state)}
    assert on["The nominee accepts and declares interests"] == "MD"


def test_a_standstill_takes_nothing_off_what_is_owed() -> None:
    play, _ = asked()
    agreed(play, "74:00", "L4-cooling-off")
    assert play.state.standstill is not None
    assert ("clarify", "KV", True, t("25:00")) in owed(play.state, "KV")


def test_the_most_pressing_of_ours_comes_before_what_others_owe() -> None:
    play = notified()
    assert [name for name, *_ in owed(play.state, "KV")] == ["page-alternate", "human-ack", "reply"]
    play.send("00:20", "KV", "acknowledgement", About(play.log[0][0].id))
    assert [name for name, *_ in owed(play.state, "KV")] == ["reply"]
    play, _ = asked()
    back = play.send("02:00", "KV", "clarification-request", Ask(1))
    play.send("02:00", "AV", "receipt", Received(back))
    assert owed(play.state, "AV") == [("clarify", "AV", True, t("26:00")), ("clarify", "KV", False, t("25:00"))]
    assert owed(play.state, "KV") == [("clarify", "KV", True, t("25:00")), ("clarify", "AV", False, t("26:00"))]


def test_what_both_owe_together_and_what_a_silent_nominee_owed_is_on_nobody() -> None:
    play = chosen()
    assert ("nominee-answer", "MD", True, t("15:00")) in owed(play.state, "MD")
    assert not [each for each in owed(play.at("16:00"), "AV") if each[0] in ("nominee-answer", "default-appointment")]
    assert not [each for each in owed(play.state, "AV") if each[0] in ("nominations", "default-appointment")]


def test_of_silence_that_takes_a_step_nobody_owes_anything_and_a_role_is_named_by_its_title() -> None:
    play = council_asked()
    play.send("02:00", "AV", "step-request", Step("meet"))
    play.send("02:00", "AV", "step-request", Step("inspect"))
    found = {each.title: (each.on, each.ours) for each in due(COUNCIL, play.state, "CH")}
    assert found["The chair's report"] == ("Chair of the centre", True)
    assert "Time to block" not in found and "Seconds" not in found


def test_open_incidents_come_first_and_the_most_pressing_on_top_whatever_was_noted_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def line(name: str, last_at: int, *due: DueView, closed: bool = False, unread: int = 0) -> ThreadSummary:
        return ThreadSummary(
            name, name, (), (), "L1", "L1", None, None, "", unread, last_at, closed, None, due=due
        )  # fmt: skip

    found = [
        line("closed, noted by the hub just now", 900, closed=True, unread=1),
        line("quiet", 100),
        line("talked about", 500),
        line("unread", 200, unread=2),
        line("due later", 800, DueView("reply/2", "Reply", "AV", True, 5_000)),
        line("overdue", 50, DueView("reply/2", "Reply", "AV", True, 10)),
        line("they owe", 400, DueView("reply/2", "Reply", "KV", False, 5)),
        line("closed long ago", 90, closed=True),
    ]
    monkeypatch.setattr("hotline.station.screens.summary", lambda _, thread: thread)
    desk = SimpleNamespace(_core=SimpleNamespace(threads={each.id: each for each in found}))
    assert [each.id for each in StationDesk.threads(cast(StationDesk, desk))] == [
        "overdue",
        "due later",
        "unread",
        "talked about",
        "they owe",
        "quiet",
        "closed, noted by the hub just now",
        "closed long ago",
    ]


def test_of_a_closed_incident_nothing_is_owed() -> None:
    play = notified()
    assert owed(play.at("05:00"), "KV")
    play.send("06:00", "AV", "close")
    play.send("06:00", "KV", "close")
    assert owed(play.state, "KV") == []
