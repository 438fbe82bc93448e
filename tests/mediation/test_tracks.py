"""Tracks, calendar lengths, parallel mediation, forbidden kinds, neutral wording, validity."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediation.durations import DAY, HOUR, add_months, end_of, parse_span
from mediation.ladder import parse_ladder
from mediation.validity import warnings
from mediation.words import ran_out
from protocols.kinds import Step, StepAnswer
from tests.mediation.council import COUNCIL, TEXT, agree, asked, changed
from tests.mediation.play import LADDER, T0, Play, t


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("start", "length", "end"),
    [
        ("2031-01-31T12:00", "P1M", "2031-02-28T12:00"),
        ("2032-01-31T12:00", "P1M", "2032-02-29T12:00"),
        ("2031-12-31T23:59", "P2M", "2032-02-29T23:59"),
        ("2032-02-29T00:00", "P1Y", "2033-02-28T00:00"),
        ("2031-03-12T03:12", "P1Y6M", "2032-09-12T03:12"),
        ("2031-01-31T06:00", "P1M10D", "2031-03-10T06:00"),
        ("2031-03-12T03:12", "P3W", "2031-04-02T03:12"),
        ("2031-03-12T03:12", "P1MT1H", "2031-04-12T04:12"),
        ("2099-12-31T00:00", "P2M", "2100-02-28T00:00"),
        ("2031-03-12T03:12", "P12M", "2032-03-12T03:12"),
    ],
)
def test_months_are_counted_on_the_calendar(start: str, length: str, end: str) -> None:
    assert end_of(at(start), parse_span(length)) == at(end)


@given(st.integers(0, 253_370_764_800_000), st.integers(0, 240))
def test_months_agree_with_pythons_calendar(start: int, months: int) -> None:
    moved = add_months(start, months)
    assert moved >= start
    assert (moved - start) % DAY == 0
    assert months * 28 * DAY <= moved - start <= months * 31 * DAY
    if moved < 253_402_300_800_000:
        before, after = (datetime.fromtimestamp(x // 1000, UTC) for x in (start, moved))
        assert (after.year - before.year) * 12 + after.month - before.month == months
        assert after.day == before.day or (after.day < before.day and (moved + DAY) // DAY == moved // DAY + 1)


@given(st.integers(0, 253_370_764_800_000), st.sampled_from(["P1M", "P3M", "P1Y", "P1Y6M", "P1M10D", "P10D"]))
def test_no_length_is_shorter_than_the_shortest_that_is_shown(start: int, length: str) -> None:
    span = parse_span(length)
    assert end_of(start, span) - start >= span.shortest
    assert end_of(start, span, 60) == start + (end_of(start, span) - start) // 60


def test_a_months_clock_ends_alike_for_every_reader() -> None:
    play = asked()
    clock = next(clock for clock in play.state.clocks if clock.rule == "due-report")
    assert clock.end == at("2031-04-12T04:12")  # asked on 12 March 04:12
    exercise = asked(scale=60, status="EXERCISE")
    clock = next(clock for clock in exercise.state.clocks if clock.rule == "due-report")
    assert clock.end - clock.start == 31 * DAY // 60


def test_a_track_shortens_only_clocks_that_start_afterwards() -> None:
    play = asked()
    before = {clock.id: clock.end for clock in play.state.clocks}
    agree(play, "02:00", "hurry")
    assert play.state.track == "urgent"
    assert {clock.id: clock.end for clock in play.state.clocks} == before
    agree(play, "03:00", "down")
    for rule in ("explain", "due-report"):  # the old ones still run
        assert rule in {clock.rule for clock in play.state.clocks}
    play.send("03:30", "KV", "statement")
    fresh = asked()
    agree(fresh, "01:00", "hurry")
    agree(fresh, "01:10", "down")
    fresh.send("01:20", "KV", "statement")  # the explanation is given, its clock is gone
    fresh.send("02:00", "AV", "step-request", Step("ask"))
    clock = next(clock for clock in fresh.state.clocks if clock.rule == "explain")
    assert clock.end - clock.start == 12 * HOUR


def test_mediation_beside_the_rungs_leaves_the_rung_and_is_open_once() -> None:
    play = asked()
    play.send("02:00", "KV", "step-request", Step("mediate"))
    assert play.state.rung == "L1"
    assert play.state.mediation is not None
    assert play.refused("03:00", "AV", "step-request", Step("mediate")).code == "ladder.already-there"
    assert {(o.office, o.step) for o in play.at("26:00").options} == {
        ("AV", "default-appointment"),
        ("KV", "default-appointment"),
    }
    play.send("26:00", "AV", "default-appointment")
    agree(play, "27:00", "calm")
    play.send("28:00", "HD", "mediator-acceptance")
    play.send("28:00", "HD", "declaration")
    assert play.state.rung == "L1"
    assert play.state.mediation is not None
    assert play.state.mediation.nominees[0].declared


def test_a_rung_refuses_the_kinds_it_forbids() -> None:
    play = asked()
    play.send("02:00", "AV", "public-attribution")
    request = play.send("02:00", "AV", "step-request", Step("meet"))
    for office in ("NN", "OO"):
        play.send("02:00", office, "second", StepAnswer(request, "meet"))
    assert play.refused("03:00", "AV", "public-attribution").code == "ladder.wrong-rung"


def test_a_clock_that_ran_out_is_told_in_neutral_words() -> None:
    play = asked()
    state = play.at("60:00")
    found = {clock.rule: ran_out(COUNCIL, COUNCIL.clocks[clock.rule], clock.end) for clock in state.expired}
    assert found["explain"] == "The time for the explanation is over; the chair may convene the parties."
    plain = Play()
    notice = plain.send("00:01", "AV", "incident-notice")
    assert notice
    late = plain.at("09:00")
    (silent,) = [clock for clock in late.expired if clock.rule == "notice-silent"]
    said = ran_out(LADDER, LADDER.clocks["notice-silent"], silent.end)
    assert said.startswith("No receipt of the notice ran out at 12 Mar 2031 11:13:00Z. Nothing moved by itself. ")
    assert "Call the experts" in said


@pytest.mark.parametrize(
    ("days", "codes"),
    [
        (0, []),
        (276, ["ladder.review-due"]),
        (366, ["ladder.sunset-near", "ladder.review-overdue"]),
        (500, ["ladder.sunset", "ladder.review-overdue"]),
    ],
)
def test_review_and_sunset_are_told_in_time(days: int, codes: list[str]) -> None:
    ladder = changed(('review = "P1Y"', 'review = "P1Y"\nsunset = "2032-05-01"'))
    found = warnings(ladder, T0, T0 + days * DAY)
    assert [warning.code for warning in found] == codes
    assert all(warning.sentence.endswith(".") for warning in found)


def test_the_ladder_of_these_tests_reads_without_a_complaint() -> None:
    assert parse_ladder(TEXT.encode()).id == "council"
    assert t("01:00") == T0 + HOUR
