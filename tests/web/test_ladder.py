"""The ladder as a picture on desk and console: the same drawing, with the place the incident has on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec

from mediation.drawing.svg import RULES
from tests.mediation.play import LADDER
from tests.web.conftest import Browser
from tests.web.fakes import HOSTILE, THREAD, FakeDesk

PAGE = f"/threads/{THREAD}/ladder"
SHEET = Path(__file__).parents[2] / "web" / "shared" / "static" / "hotline.css"


async def test_the_desk_shows_the_ladder_with_the_place_the_incident_has_on_it(officer: Browser) -> None:
    _, text = await officer.get(f"/threads/{THREAD}")
    assert f'href="{PAGE}"' in text
    _, text = await officer.get(PAGE)
    assert text.count(">You are here<") == 1
    assert text.count("you are here") == 1
    assert "Forbidden by the standstill until" in text
    assert "Open now for AV, KV" in text
    assert f'href="/threads/{THREAD}#ladder"' in text


async def test_the_console_shows_the_same_picture_and_records_the_look(operator: Browser) -> None:
    _, text = await operator.get(f"/threads/{THREAD}")
    assert PAGE in text
    _, text = await operator.get(PAGE)
    assert text.count(">You are here<") == 1


async def test_the_picture_needs_no_inline_style_and_no_script(officer: Browser) -> None:
    _, text = await officer.get(PAGE)
    picture = text[text.index("<svg") : text.index("</svg>")]
    assert "style=" not in picture
    assert "<style" not in picture
    assert "<script" not in picture


async def test_the_list_says_every_rung_and_every_step(officer: Browser) -> None:
    _, text = await officer.get(PAGE)
    words = text[text.index('id="ladder-list"') :]
    titles = [rung.title for rung in LADDER.rungs.values()] + [step.title for step in LADDER.steps.values()]
    for title in [*titles, *(clock.title for clock in LADDER.clocks.values())]:
        assert title.replace("'", "&#39;") in words


async def test_hostile_titles_are_words_in_the_picture_and_in_the_list(officer: Browser, desk: FakeDesk) -> None:
    view = desk.thread(THREAD)
    assert view.chart is not None
    rungs = {name: msgspec.structs.replace(rung, title=HOSTILE) for name, rung in LADDER.rungs.items()}
    hostile = msgspec.structs.replace(LADDER, title=HOSTILE, rungs=rungs)
    chart = replace(view.chart, ladder=hostile)
    desk.thread = lambda thread, *, since=0: replace(view, chart=chart)  # type: ignore[method-assign]
    _, text = await officer.get(PAGE)
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    desk.thread = lambda thread, *, since=0: replace(view, chart=None)  # type: ignore[method-assign]
    _, text = await officer.get(PAGE)
    assert "does not have the ladder" in text


def test_the_sheet_of_the_pages_has_the_colours_of_the_picture() -> None:
    assert RULES.strip() in SHEET.read_text(encoding="utf-8")
