"""A picture is text that a strict page can hold, that a screen reader can read, and that says what the ladder says."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import msgspec
import pytest

from hotline import ladders
from mediation.drawing import position_of, svg
from mediation.drawing.metrics import width, wrap
from mediation.drawing.plan import make_plan
from mediation.drawing.position import forbidden
from mediation.drawing.words import cards
from mediation.ladder import parse_ladder
from protocols.kinds import Step, StepAnswer
from tests.mediation.drawing.test_layout import NAMES, ladder_of, position_in
from tests.mediation.places import notified
from tests.mediation.play import LADDER, Play, t

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</text><script>alert('x')</script> \u202egnp.exe\x00\ud7ff &amp; \""
every = pytest.mark.parametrize("name", NAMES)


def words_of(text: str) -> str:
    """Every word of the picture, in order, wrapped lines joined."""
    return " ".join(part.text or "" for part in ET.fromstring(text).iter(f"{SVG}text"))


def cooling_off() -> Play:
    play = notified()
    request = play.send("01:00", "AV", "step-request", Step("L4-cooling-off"))
    play.send("02:00", "KV", "step-accept", StepAnswer(request, "L4-cooling-off"))
    return play


@every
def test_inside_a_page_a_picture_carries_no_style_and_no_script(name: str) -> None:
    ladder = ladder_of(name)
    for position in (None, position_in(ladder)):
        root = ET.fromstring(svg(ladder, position, standalone=False))
        for part in root.iter():
            assert part.tag.removeprefix(SVG) in {
                "svg", "title", "desc", "defs", "pattern", "line", "text", "rect", "circle", "path", "g",
            }  # fmt: skip
            assert not any(key == "style" or key.startswith("on") or "href" in key for key in part.attrib)


@every
def test_a_picture_has_a_role_a_title_and_a_description(name: str) -> None:
    root = ET.fromstring(svg(ladder_of(name), prefix="one"))
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "one-title one-desc"
    assert [root[0].tag, root[0].get("id"), root[1].get("id")] == [f"{SVG}title", "one-title", "one-desc"]
    assert root[0].text
    assert root[1].text


def test_a_file_of_its_own_has_colours_for_light_and_dark() -> None:
    text = svg(LADDER)
    assert "prefers-color-scheme: dark" in text
    assert "<style>" not in svg(LADDER, standalone=False)


@pytest.mark.parametrize("name", ladders.shipped())
def test_the_picture_says_every_rung_step_and_clock_and_marks_every_unverified_number(name: str) -> None:
    ladder = parse_ladder(ladders.load(name))
    text = svg(ladder)
    said = re.sub(r"\s+", "", words_of(text))
    titles = [rung.title for rung in ladder.rungs.values()] + [step.title for step in ladder.steps.values()]
    titles += [clock.title for clock in ladder.clocks.values()] + [role.title for role in ladder.roles.values()]
    for title in titles:
        assert re.sub(r"\s+", "", title) in said, title
    signs = text.count('d="M6 .5L11.5 6L6 11.5L.5 6Z"')
    shown = {line.clock for card in cards(ladder).values() for line in card.lines if line.mark == "unverified"}
    in_the_key = any(clock.check == "T" for clock in ladder.clocks.values())
    assert signs - in_the_key >= len(shown)
    told = {line.clock for card in cards(ladder).values() for line in card.lines if line.clock}
    assert {clock.id for clock in ladder.clocks.values() if clock.check == "T"} & told == shown


@every
def test_a_lane_says_exactly_what_the_ladder_says(name: str) -> None:
    ladder = ladder_of(name)
    plan = make_plan(ladder, cards(ladder))
    level = {rung.id: rung.level for rung in ladder.rungs.values()}
    drawn: list[str] = [step for band in plan.bands for step in band]
    drawn += [step for steps in plan.inside.values() for step in steps]
    for lanes, lower in ((plan.left, True), (plan.right, False)):
        for lane in lanes:
            drawn += lane.steps
            if len(lane.steps) == 1:
                continue
            for rung in lane.sources:
                assert set(lane.dots) in (set(), set(lane.sources))
                assert lane.dots or lane.scope
                real = {ladder.steps[step].to for step in lane.steps if rung in ladder.steps[step].start}
                shown = {to for to in lane.targets if (level[to] < level[rung] if lower else to != rung)}
                # Leading from a rung to itself is nothing that a picture could show.
                assert real - {rung} == shown
    assert sorted(drawn) == sorted(ladder.steps), "every step is drawn, and once"


def test_hostile_words_stay_words() -> None:
    hostile = msgspec.structs.replace(
        LADDER,
        title=HOSTILE,
        rungs={
            name: msgspec.structs.replace(rung, title=HOSTILE, about=HOSTILE) for name, rung in LADDER.rungs.items()
        },
        steps={name: msgspec.structs.replace(step, title=HOSTILE) for name, step in LADDER.steps.items()},
    )
    text = svg(hostile, standalone=False)
    ET.fromstring(text)
    assert "<script" not in text
    assert "\u202e" not in text
    assert "\x00" not in text


def test_the_position_names_the_rung_the_clocks_and_what_the_standstill_forbids() -> None:
    play = cooling_off()
    position = position_of(LADDER, play.state, t("03:00"))
    assert position.rung == "L4-cooling-off"
    assert position.standstill == "L4-cooling-off"
    assert {"L6-inquiry", "L7-referral", "L3-experts"} <= forbidden(LADDER, position)
    assert not {"L5-mediation", "return-L1"} & forbidden(LADDER, position)
    assert set(position.takers) >= {"L5-mediation", "return-L3"}
    assert position.takers["L5-mediation"] == ("AV", "KV")
    assert "L6-inquiry" not in position.takers
    said = words_of(svg(LADDER, position))
    assert said.count("You are here") == 1
    assert "Open now for AV, KV" in said
    assert "Standstill until" in said
    assert "Forbidden by the standstill until" in said
    assert f"{3 * 24 - 1} h left" not in said  # days come first
    assert "2 d 23 h left" in said


def test_what_the_picture_calls_open_is_what_the_fold_takes() -> None:
    play = cooling_off()
    position = position_of(LADDER, play.state, t("03:00"), "KV")
    for step in position.takers:
        if LADDER.steps[step].trigger == "step-request":
            play.send("03:00", "KV", "step-request", Step(step))
            break
    else:
        pytest.fail("a step that is open in the picture could not be asked for")


@pytest.mark.parametrize("words", ["", "short", "two words", "x" * 300, "日本語の説明" * 20, "a\u0301" * 50])
def test_wrapped_lines_fit_and_lose_nothing(words: str) -> None:
    lines = wrap(words, 120, 13)
    assert all(width(line, 13) <= 120 for line in lines)
    assert "".join(lines).replace(" ", "") == words.replace(" ", "")
