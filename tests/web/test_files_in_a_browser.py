"""A file from one desk to another in a real browser: attached by keyboard, through a reload and a cut line, saved whole."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import Any

import pytest

from hotline.station import attachments
from tests.hotline.station.kit import officer, until
from tests.web.desks import CHROMIUM, running_desks

axe_module = pytest.importorskip(
    "axe_playwright_python.async_playwright", reason="SKIPPED LOUDLY: axe is not installed"
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(
        CHROMIUM is None, reason="SKIPPED LOUDLY: no Chromium on this machine (apt-get install chromium)"
    ),
]
WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


async def faults(page: Any) -> list[str]:
    found = await axe_module.Axe().run(page)
    return [f"{each['id']}: {node['html'][:200]}" for each in found.response["violations"] for node in each["nodes"]]


async def test_a_file_goes_from_desk_to_desk_through_a_reload(
    tmp_path: Path, browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = secrets.token_bytes(3 << 20)
    chosen = tmp_path / "خطة <b>plan.html"
    chosen.write_bytes(plain)
    async with running_desks(tmp_path, browser, ("AV", "KV")) as desks:
        thread = await desks.opened()
        go = asyncio.Event()
        carry = attachments.Carrier.put

        async def later(*given: Any) -> int:
            await go.wait()
            return await carry(*given)

        monkeypatch.setattr(attachments.Carrier, "put", later)
        page = await desks.page("AV")
        await page.goto(desks.url("AV", f"/threads/{thread}?write=goodwill-note#write"))
        await page.locator("#file").focus()
        await page.set_input_files("#file", str(chosen))
        await page.locator("#file-list li[data-state=announced]").wait_for()
        assert "on its way; you may send already" in await page.locator("#file-list").inner_text()
        await page.fill("#f-text", "The plan is attached.")
        av = desks.stations["AV"]
        while not (await av.scratch(officer(av), thread, "goodwill-note")).get("text", [""])[0]:
            await asyncio.sleep(0.05)
        await page.reload()
        await page.locator("#file-list li[data-state=announced]").wait_for()  # what was attached is still there
        assert not await faults(page)
        go.set()
        await page.locator("#file-list li[data-state=whole]").wait_for()
        assert await page.input_value("#f-text") == "The plan is attached."
        await page.locator("#send").focus()
        await page.keyboard.press("Enter")
        await page.locator(".done").wait_for()

        await until(lambda: desks.stations["KV"].files(thread))
        other = await desks.page("KV", width=320, height=700, color_scheme="dark")
        await other.goto(desks.url("KV", f"/threads/{thread}"))
        assert "Not checked for viruses" in await other.locator("main").inner_text()
        assert not await faults(other) and await other.evaluate(WIDE) <= 0
        await other.evaluate("document.documentElement.dir = 'rtl'")
        assert await other.evaluate(WIDE) <= 0
        await other.locator("button:has-text('Fetch')").focus()
        await other.keyboard.press("Enter")
        save = other.locator("a:has-text('Save')")
        await save.wait_for()
        async with other.expect_download() as began:
            await save.click()
        got = await began.value
        assert Path(await got.path()).read_bytes() == plain
        assert got.suggested_filename == "خطة bplan.html"
        assert not await faults(other)
        assert not [words for words in desks.complaints if "WebSocket" not in words]


async def test_a_file_can_be_taken_off_and_one_that_the_hub_refuses_says_why(tmp_path: Path, browser: Any) -> None:
    small = tmp_path / "note.txt"
    small.write_bytes(b"a note")
    async with running_desks(tmp_path, browser, ("AV", "KV")) as desks:
        thread = await desks.opened()
        page = await desks.page("AV")
        await page.goto(desks.url("AV", f"/threads/{thread}?write=goodwill-note#write"))
        await page.set_input_files("#file", str(small))
        await page.locator("#file-list li[data-state=whole]").wait_for()
        await page.locator("#file-list button").focus()
        await page.keyboard.press("Enter")
        await page.locator("#file-status:has-text('taken off')").wait_for()
        assert not desks.stations["AV"].files(thread)
        await desks.cut()
        await until(lambda: desks.stations["AV"].core.line.state != "live")
        await page.set_input_files("#file", str(small))
        await page.locator("#file-list li[data-state=waiting]").wait_for()
        await page.fill("#f-text", "See the note.")
        await page.click("#send")
        await page.locator(".problem").wait_for()
        assert "The line may be down" in (await page.locator(".problem").inner_text()).replace(
            "the line may", "The line may"
        )
        assert await page.input_value("#f-text") == "See the note."
