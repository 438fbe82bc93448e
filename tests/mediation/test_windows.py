"""A window gives its step while it is open, and neither before nor after."""

from __future__ import annotations

from mediation.effects import OptionOpened, WindowOpened
from mediation.fold import advance, elapse
from protocols.kinds import Step
from tests.mediation.council import COUNCIL, agree, asked, changed
from tests.mediation.play import Play, t

WINDOW_ONLY = changed(('timeout = { option = "convene", to = "chair" }\n', ""))


def options(play: Play, at: str) -> set[tuple[str, str]]:
    return {(option.office, option.step) for option in play.at(at).options}


def test_the_option_comes_with_the_opening_and_goes_with_the_end() -> None:
    play = asked(WINDOW_ONLY)
    assert options(play, "48:59") == set()
    assert options(play, "49:00") == {("CH", "convene")}
    assert options(play, "72:59") == {("CH", "convene")}
    assert options(play, "73:00") == set()
    outcome = elapse(WINDOW_ONLY, play.state, t("49:00"))
    assert [type(effect) for effect in outcome.effects if isinstance(effect, (WindowOpened, OptionOpened))] == [
        WindowOpened,
        OptionOpened,
    ]


def test_before_and_after_the_step_is_refused_and_inside_it_is_taken() -> None:
    play = asked(WINDOW_ONLY)
    for at in ("48:59", "73:00"):
        assert play.refused(at, "CH", "step-request", Step("convene")).code == "ladder.no-option"
    play.send("49:00", "CH", "step-request", Step("convene"))
    assert play.state.rung == "L2"


def test_time_passes_alike_in_one_step_and_in_many() -> None:
    play = asked(WINDOW_ONLY)
    small = play.state
    for hour in range(40, 80):
        small = advance(WINDOW_ONLY, small, t(f"{hour}:30"))
    assert small == advance(WINDOW_ONLY, play.state, t("79:30"))


def test_an_option_that_a_clock_gave_outlasts_the_window() -> None:
    play = asked()  # here the explanation's running out gives the same option at the same moment
    assert options(play, "73:00") == {("CH", "convene")}
    assert not play.at("73:00").options[0].window


def test_an_open_window_gives_its_option_again_when_the_rung_fits_again() -> None:
    play = asked(WINDOW_ONLY)
    agree(play, "50:00", "down")
    assert options(play, "50:00") == set()
    play.send("51:00", "AV", "step-request", Step("ask"))
    assert options(play, "51:00") == {("CH", "convene")}


def test_a_window_that_stands_still_does_not_open() -> None:
    play = asked(WINDOW_ONLY)
    play.send("40:00", "AV", "step-request", Step("seize"))
    assert options(play, "60:00") == set()
    play.send("60:00", "KV", "step-request", Step("resume"))
    assert options(play, "68:59") == set()
    assert options(play, "69:00") == {("CH", "convene")}
    assert options(play, "93:00") == set()
    assert COUNCIL.clocks["meeting"].kind == "window"
