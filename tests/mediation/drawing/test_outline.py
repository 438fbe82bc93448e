"""The list beside the picture says what the picture says, once, and open or closed only where the thread is."""

from __future__ import annotations

import pytest

from mediation.drawing import outline, position_of
from mediation.drawing.words import cards, other_clocks
from tests.mediation.drawing.test_layout import NAMES, ladder_of, position_in
from tests.mediation.drawing.test_svg import cooling_off
from tests.mediation.play import LADDER, t


@pytest.mark.parametrize("name", NAMES)
def test_every_line_of_every_card_is_in_the_list_once(name: str) -> None:
    ladder = ladder_of(name)
    found = outline(ladder)
    said = [line for step in (*found.anywhere, *(s for rung in found.rungs for s in rung.steps)) for line in step.lines]
    lines = [line for card in cards(ladder).values() for line in card.lines]
    assert sorted(said) == sorted(f"{line.words} [{line.mark}]" if line.mark else line.words for line in lines)
    assert {line.words for line in other_clocks(ladder) if not line.mark} <= set(found.rest)


@pytest.mark.parametrize("name", NAMES)
def test_the_list_goes_from_the_lowest_level_up_and_marks_one_place(name: str) -> None:
    ladder = ladder_of(name)
    found = outline(ladder, position_in(ladder))
    assert [rung.level for rung in found.rungs] == sorted(rung.level for rung in ladder.rungs.values())
    assert [rung.here for rung in found.rungs].count(True) == 1
    assert not any(rung.here for rung in outline(ladder).rungs)


def test_open_and_closed_is_said_on_the_present_rung_only() -> None:
    found = outline(LADDER, position_of(LADDER, cooling_off().state, t("03:00")))
    for rung in found.rungs:
        for step in rung.steps:
            assert bool(step.status) is rung.here, (rung.title, step.title)
    here = next(rung for rung in found.rungs if rung.here)
    states = {step.title: step.status for step in here.steps}
    assert states["Back to the experts"] == "Open now for AV, KV"
    assert states["Call an inquiry"].startswith("Forbidden by the standstill until")


def test_a_body_that_appoints_is_told_where_mediation_opens_and_where_it_is_asked() -> None:
    shown = {name: card.lines for name, card in cards(ladder_of("icsid-mediation-appointment")).items()}
    said = {name: [line.words for line in lines] for name, lines in shown.items()}
    body = "Secretary-General of ICSID"
    assert (
        f"Where the parties agree on no mediator, the {body} appoints an office of the roster, as it chooses."
        in (said["register"])
    )
    assert f"Then “Default appointment” is open to {body}" in said["default"]
    conciliation = cards(ladder_of("unclos-v-conciliation"))["default-appoint"].lines
    asked = "Opens for Secretary-General of the United Nations when “Ask the Secretary-General to appoint” is taken"
    assert asked in {line.words for line in conciliation}
    board = [line.words for line in cards(ladder_of("us-rla-major-dispute"))["admit-mediator"].lines]
    assert any(
        "The National Mediation Board names a mediator (from the body's turn to appoint)" in words for words in board
    )
