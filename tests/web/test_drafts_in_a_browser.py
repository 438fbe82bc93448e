"""What is typed and not sent, in a real Chromium: reloads at any moment, slow saves, two tabs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.web.desks import CHROMIUM
from tests.web.fakes import THREAD
from tests.web.test_browser import PAGE, Stage, stage, until  # noqa: F401 - a fixture
from web.desk.drafts import DRAFTS, SENT, Place, Save

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(
        CHROMIUM is None, reason="SKIPPED LOUDLY: no Chromium on this machine (apt-get install chromium)"
    ),
]
FORM = f"{PAGE}?write=statement"
PLACE = ("kid-ana", THREAD, "statement")
SAVED = "document.getElementById('saved').textContent"
SAVES = f"**{PAGE}/scratch"


@pytest_asyncio.fixture(loop_scope="module")
async def form(stage: Stage) -> AsyncIterator[Any]:  # noqa: F811
    """The form of a statement, with words in it that the station has."""
    page = await stage.page()
    await page.goto(stage.url(FORM))
    await page.fill("#f-text", "Kept.")
    await until(page, f"{SAVED}.startsWith('Kept')")
    yield page
    assert [said for said in stage.complaints if "409" not in said] == []


async def shows(page: Any, text: str) -> None:
    """Wait until the page shows the text and takes words again. It may be loaded anew in between."""
    for _ in range(100):
        try:
            if await page.input_value("#f-text", timeout=1_000) == text:
                return
        except Exception as error:  # the page is being loaded
            if "closed" in str(error):
                raise
        await asyncio.sleep(0.1)
    raise AssertionError(await page.input_value("#f-text"))


def slowed(stage: Stage, seconds: float) -> None:  # noqa: F811
    """From now on saves of what is typed take so long to reach the station."""
    drafts = stage.app[DRAFTS]
    at_once = drafts.save

    async def save(place: Place, values: Any, save: Save) -> bool:
        if save.number < SENT:
            await asyncio.sleep(seconds)
        return await at_once(place, values, save)

    drafts.save = save  # type: ignore[method-assign]


async def add(page: Any, text: str) -> None:
    await page.focus("#f-text")
    await page.keyboard.press("Control+End")
    await page.keyboard.type(text)


@pytest.mark.parametrize("wait", [0, 100, 500, 700])
async def test_words_typed_just_before_a_reload_are_there_after_it(stage: Stage, form: Any, wait: int) -> None:  # noqa: F811
    slowed(stage, 1.5)  # longer than the next page takes
    await add(form, " And this")
    await form.wait_for_timeout(wait)
    await form.reload()
    await shows(form, "Kept. And this")
    await until(form, "sessionStorage.length === 0")
    await add(form, ", too.")
    await until(form, f"{SAVED}.startsWith('Kept')")
    assert stage.desk.kept[PLACE]["text"] == ["Kept. And this, too."]


async def test_whoever_goes_on_while_the_last_words_arrive_is_not_brought_back(stage: Stage, form: Any) -> None:  # noqa: F811
    slowed(stage, 1)
    await add(form, " And this")
    await form.reload()
    await until(form, f"{SAVED}.startsWith('What you typed last is on its way')")

    async def slow(route: Any) -> None:
        await asyncio.sleep(1.5)  # the words arrive while the next page is being made
        await route.continue_()

    await form.route("**/journal", slow)
    await form.goto(stage.url("/journal"))
    await form.wait_for_timeout(500)
    assert form.url == stage.url("/journal")
    await form.goto(stage.url(FORM))
    assert await form.input_value("#f-text") == "Kept. And this"


async def test_nothing_is_typed_on_top_of_older_words_and_their_loss_is_said(stage: Stage, form: Any) -> None:  # noqa: F811
    slowed(stage, 30)
    await add(form, " And this")
    await form.reload()
    await until(form, f"{SAVED}.startsWith('What you typed last is on its way')")
    assert await form.evaluate("document.querySelector('#f-text').closest('[inert]') !== null")
    assert await form.evaluate("Object.values(sessionStorage).every(each => /^[\\w-]+[.]\\d+$/.test(each))")
    await until(form, f"{SAVED}.includes('has not reached this station')")
    assert await form.evaluate("document.querySelector('#f-text').closest('[inert]') === null")
    assert await form.input_value("#f-text") == "Kept."


async def test_a_page_never_writes_over_words_that_it_never_showed(stage: Stage, form: Any) -> None:  # noqa: F811
    other = await form.context.new_page()
    await other.goto(stage.url(FORM))
    await add(form, " Newer.")
    await until(form, f"{SAVED}.startsWith('Kept')")
    await add(other, " Older.")
    await until(other, f"{SAVED}.startsWith('✕ Not kept')")
    assert stage.desk.kept[PLACE]["text"] == ["Kept. Newer."]
    assert await other.input_value("#f-text") == "Kept. Older."
    await other.click("text=Keep these instead")
    await until(other, f"{SAVED}.startsWith('Kept')")
    assert stage.desk.kept[PLACE]["text"] == ["Kept. Older."]
    await add(form, " Third.")
    await until(form, f"{SAVED}.startsWith('✕ Not kept')")
    await form.click("text=Show those")
    await shows(form, "Kept. Older.")


async def test_what_was_sent_does_not_come_back_with_a_slow_save(stage: Stage, form: Any) -> None:  # noqa: F811
    slowed(stage, 2)
    await add(form, " And this")
    await form.wait_for_timeout(700)  # a save is on its way
    await form.click("#send")
    await form.wait_for_url(re.compile("done=queued"))
    await form.wait_for_timeout(2_500)
    assert stage.desk.kept[PLACE] == {}
    await form.goto(stage.url(FORM))
    await shows(form, "")


async def test_words_too_long_for_a_page_that_goes_ask_before_they_go(stage: Stage, form: Any) -> None:  # noqa: F811
    asked: list[str] = []

    async def dialog(shown: Any) -> None:
        asked.append(shown.type)
        await asyncio.sleep(1)  # while it stands the words go out
        await shown.accept()

    form.on("dialog", dialog)
    await form.click("#f-text")
    await form.keyboard.insert_text("نص " * 15_000)
    await form.reload()
    await shows(form, "Kept." + "نص " * 15_000)
    assert asked == ["beforeunload"]
