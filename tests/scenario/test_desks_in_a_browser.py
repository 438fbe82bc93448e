"""Two officers at two desks, a real hub between them, a real Chromium in front of them."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from hotline.scenario.cast import OPERATOR, RELEASER
from hotline.scenario.stage import Exercise, login_link
from hotline.scenario.visit import open_visit
from tests.scenario.conftest import VISIT

playwright = pytest.importorskip("playwright.async_api", reason="SKIPPED LOUDLY: playwright is not installed")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
SECONDS = 40_000  # ms a page may take on a busy machine

pytestmark = [
    pytest.mark.browser,
    pytest.mark.scenario,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(CHROMIUM is None, reason="SKIPPED LOUDLY: no Chromium on this machine"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Any]:
    async with playwright.async_playwright() as player:
        launched = await player.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield launched
        await launched.close()


async def _page(browser: Any, link: str, complaints: list[str]) -> Any:
    context = await browser.new_context(viewport={"width": 1280, "height": 900}, ignore_https_errors=True)
    page = await context.new_page()
    page.set_default_timeout(SECONDS)
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(link)
    await page.wait_for_url(re.compile(r"/(console/overview)?$"))
    return page


async def _seconds_left(page: Any) -> int:
    """The countdown of the refusal in front, in seconds."""
    words = await page.locator("#write").get_by_text(re.compile(r"\d\d:\d\d:\d\d")).first.inner_text()
    hours, minutes, seconds = re.search(r"(\d+):(\d\d):(\d\d)", words).groups()  # type: ignore[union-attr]
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds)


async def test_an_officer_writes_to_the_other_desk_and_meets_a_refusal_that_counts_down(
    exercise: Exercise, browser: Any
) -> None:
    thread = await open_visit(exercise, VISIT)
    complaints: list[str] = []
    ours = await _page(browser, await exercise.link("AV", RELEASER), complaints)
    theirs = await _page(browser, await exercise.link("KV", RELEASER), complaints)
    await theirs.goto(f"{theirs.url}threads/{thread}")

    # Arvenia writes; the words appear on Kostrava's open page by themselves.
    await ours.goto(f"{ours.url}threads/{thread}?write=statement")
    await ours.locator("#write textarea[name=text]").fill("The pilot service answers again since 04:10Z. نعم")
    await ours.locator("#write form button.primary").click()
    await theirs.get_by_text("The pilot service answers again since 04:10Z.").wait_for()
    await ours.get_by_text("The pilot service answers again since 04:10Z.").wait_for()

    # Arvenia tries what the cooling-off forbids, and sees the rule and the time left, which runs.
    await ours.goto(ours.url.partition("?")[0].partition("#")[0] + "?write=public-attribution")
    refusal = ours.locator("#write")
    assert "Not allowed now" in await refusal.inner_text()
    assert f"{VISIT}/standstill" in await refusal.inner_text()
    before = await _seconds_left(ours)
    assert 0 < before <= 72 * 60
    await ours.locator("#write textarea[name=text]").fill("Arvenia holds Kostrava responsible.")
    await ours.locator("#write form button.primary").click()
    await ours.get_by_text("ladder.standstill").first.wait_for()
    assert "Arvenia holds Kostrava responsible." in await ours.content()
    await asyncio.sleep(1.1)
    assert await _seconds_left(ours) < before
    assert "Arvenia holds Kostrava responsible." not in await theirs.content()

    # The operator sees that something was said, and when, but not what.
    console = await _page(browser, await login_link("hub", exercise.folders.hub, OPERATOR), complaints)
    await console.goto(console.url.replace("overview", f"threads/{thread}"))
    trail = await console.content()
    assert "Statement" in trail
    assert "pilot service" not in trail
    # The refusal itself is a 409, which the browser mentions; nothing else was amiss, the content policy included.
    assert [words for words in complaints if "409 (Conflict)" not in words] == []


async def test_a_cut_line_is_said_and_what_was_written_meanwhile_arrives_after_it(
    exercise: Exercise, browser: Any
) -> None:
    thread = await open_visit(exercise, VISIT)
    complaints: list[str] = []
    ours = await _page(browser, await exercise.link("AV", RELEASER), complaints)
    theirs = await _page(browser, await exercise.link("KV", RELEASER), complaints)
    await theirs.goto(f"{theirs.url}threads/{thread}")
    await exercise.hub.kill()
    await ours.locator("#line").get_by_text(re.compile("reconnecting|line cut", re.IGNORECASE)).first.wait_for()
    await ours.goto(f"{ours.url}threads/{thread}?write=statement")
    await ours.locator("#write textarea[name=text]").fill("Written while the hub was down.")
    await ours.locator("#write form button.primary").click()
    await ours.locator("#pending").get_by_text("Written while the hub was down.").first.wait_for()
    await exercise.hub.start()
    await theirs.get_by_text("Written while the hub was down.").first.wait_for()
    await ours.locator("#log").get_by_text("Written while the hub was down.").first.wait_for()
    assert await ours.locator("#log").get_by_text("Written while the hub was down.").count() == 1
    assert complaints == []
