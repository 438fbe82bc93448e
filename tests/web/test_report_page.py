"""The report in a bundle, opened as a file in a real browser: by day, by night, narrow, from right to left, printed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from hotline import bundles
from tests.docs.example_bundle import BUNDLE
from tests.web.desks import CHROMIUM
from tests.web.test_browser import axe_module

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(
        CHROMIUM is None, reason="SKIPPED LOUDLY: no Chromium on this machine (apt-get install chromium)"
    ),
]


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "report.html"
    path.write_bytes(bundles.load(BUNDLE).reports["report.html"])
    return path


async def opened(browser: Any, report: Path, width: int = 1000, **context: Any) -> tuple[Any, list[str]]:
    """The page, and whatever it asked for beside itself or complained about."""
    made = await browser.new_context(viewport={"width": width, "height": 900}, **context)
    page, noticed = await made.new_page(), []
    page.on("console", lambda message: noticed.append(message.text))
    page.on("request", lambda request: request.url == report.as_uri() or noticed.append(request.url))
    await page.goto(report.as_uri())
    return page, noticed


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_no_fault_and_nothing_is_asked_for(browser: Any, report: Path, scheme: str) -> None:
    page, noticed = await opened(browser, report, color_scheme=scheme)
    assert noticed == []
    paper = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 29)"}[scheme]
    found = await axe_module.Axe().run(page)
    assert [(each["id"], each["nodes"][0]["html"][:120]) for each in found.response["violations"]] == []


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
async def test_a_narrow_screen_never_scrolls_sideways(browser: Any, report: Path, direction: str) -> None:
    page, _ = await opened(browser, report, width=320)
    await page.evaluate(f"document.documentElement.dir = '{direction}'")
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320


async def test_words_of_another_script_run_their_own_way(browser: Any, report: Path) -> None:
    page, _ = await opened(browser, report)
    mixed = await page.evaluate("getComputedStyle(document.querySelector('#e6 blockquote')).unicodeBidi")
    assert mixed == "plaintext"
    assert "لقد قرأناها الآن." in await page.inner_text("#e6 blockquote")


async def test_it_prints_on_a4_in_dark_ink_although_the_screen_is_dark(browser: Any, report: Path) -> None:
    page, _ = await opened(browser, report, color_scheme="dark")
    await page.emulate_media(media="print")
    ink, paper = await page.evaluate(
        "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    )
    assert (ink, paper) == ("rgb(0, 0, 0)", "rgb(255, 255, 255)")
    data = await page.pdf(prefer_css_page_size=True)
    assert data.count(b"/Type /Page\n") <= 6
    width, height = re.findall(rb"/MediaBox \[0 0 ([0-9.]+) ([0-9.]+)\]", data)[0]
    assert (round(float(width)), round(float(height))) == (595, 842), "A4 in points"
