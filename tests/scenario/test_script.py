"""The script and the player fit each other."""

from __future__ import annotations

from hotline.scenario.play import StBrannoc
from hotline.scenario.script import st_brannoc


def test_every_live_event_can_be_played_and_says_what_must_be_seen() -> None:
    for event in st_brannoc().event:
        assert hasattr(StBrannoc, event.id.lower()) == event.live, event.id
        assert bool(event.expect if event.live else event.waits_for), event.id


def test_events_that_are_played_stand_in_the_order_of_their_times() -> None:
    minutes = [event.minutes for event in st_brannoc().event if event.live]
    assert minutes == sorted(minutes)


def test_an_exercise_never_calls_itself_real() -> None:
    script = st_brannoc()
    assert script.status == "EXERCISE"
    assert script.exercise
