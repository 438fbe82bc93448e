"""An option from a clock that is met in time: for a side that the answer does not satisfy."""

from __future__ import annotations

import pytest

from hotline import ladders
from mediation.durations import HOUR
from mediation.fold import Outcome, advance, open_thread, step
from mediation.ladder import parse_ladder
from mediation.ladder_check import read_all
from mediation.state import ThreadState
from protocols.kinds import Act, Answer, Ask, Received
from tests.mediation.library.walk import COUNTERPART, INITIATOR, context, move_of
from tests.mediation.play import T0, opening

TEXT = ladders.load("vd11-ch3-unusual-activities").decode()
GIVEN = 'when_met = { option = "ask-meeting", to = "requester" }'
FROM_RECEIPT = TEXT.replace('from = "admission"', 'from = "receipt"').encode()


def sent(data: bytes, *moves: tuple[int, str, str, Act]) -> tuple[ThreadState, str]:
    """The state after the moves, and the id of the first."""
    ladder = parse_ladder(data)
    outcome = open_thread(context(ladder), opening(ladder), T0)
    assert isinstance(outcome, Outcome)
    state, first = outcome.state, ""
    for at, office, kind, act in moves:
        if first and hasattr(act, "entry"):
            act = type(act)(first, *([act.answers] if isinstance(act, Answer) else []))
        move = move_of(state, office, kind, act)
        done = step(ladder, state, move, T0 + at)
        assert isinstance(done, Outcome), done
        state, first = done.state, first or move.id
    return state, first


NOTHING = "A" * 43
ASKED = (0, INITIATOR, "clarification-request", Ask(2))
FULL = (HOUR, COUNTERPART, "clarification-answer", Answer(NOTHING, ("refused", "answered")))
PART = (HOUR, COUNTERPART, "clarification-answer", Answer(NOTHING, ("answered", "later")))


def options(state: ThreadState) -> set[tuple[str, str]]:
    return {(option.step, option.office) for option in state.options}


def test_a_full_answer_in_time_opens_the_option_for_the_side_that_asked() -> None:
    state, _ = sent(TEXT.encode(), ASKED, FULL)
    assert options(state) == {("ask-meeting", INITIATOR)}


def test_a_partial_answer_meets_nothing_and_opens_nothing() -> None:
    state, _ = sent(TEXT.encode(), ASKED, PART)
    assert not options(state)


def test_silence_opens_the_same_option_only_at_the_end() -> None:
    state, _ = sent(TEXT.encode(), ASKED)
    ladder = parse_ladder(TEXT.encode())
    assert not options(advance(ladder, state, T0 + 48 * HOUR - 1))
    assert options(advance(ladder, state, T0 + 48 * HOUR)) == {("ask-meeting", INITIATOR)}


def test_an_answer_before_the_receipt_opens_the_option_too() -> None:
    state, _ = sent(FROM_RECEIPT, ASKED, FULL)
    assert options(state) == {("ask-meeting", INITIATOR)}
    state, _ = sent(FROM_RECEIPT, ASKED, FULL, (2 * HOUR, COUNTERPART, "receipt", Received(NOTHING)))
    assert not [clock for clock in state.clocks if clock.rule == "reply"]


@pytest.mark.parametrize(
    ("instead", "sentence"),
    [
        ('when_met = { moves = "ask-meeting" }', "Being met gives an option; it moves nothing."),
        ('when_met = { option = "nowhere" }', "There is no step 'nowhere' in this ladder."),
        ('when_met = { option = "ask-meeting", to = "nobody" }', "There is no role 'nobody' in this ladder."),
    ],
)
def test_what_a_met_clock_cannot_bring_is_refused_with_its_line(instead: str, sentence: str) -> None:
    text = TEXT.replace(GIVEN, instead, 1)
    _, errors = read_all(text.encode())
    said = [error for error in errors if sentence in str(error)]
    assert said
    assert {error.line for error in said} == {text[: text.index(instead)].count("\n") + 1}


def test_a_clock_that_nothing_meets_promises_nothing_for_being_met() -> None:
    text = TEXT.replace('met_by = ["clarification-answer"]\n', "", 1)
    _, errors = read_all(text.encode())
    assert any("Nothing meets this clock." in str(error) for error in errors)
