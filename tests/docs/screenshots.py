"""Remakes the pictures of the README: ``python -m tests.docs.screenshots``, by hand, when the pages have changed.

Plays the exercise on this machine, looks at a desk and at the console with Chromium, and ends everything again. Needs
Playwright and Chromium, as the browser tests do.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import sys
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright

HERE = Path(__file__).parents[2] / "docs" / "images"
LINK = re.compile(r"^  (\S+) +(\S+) +(https?://\S+)$")
ARGS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
SIZE = {"width": 1280, "height": 900}
ENOUGH = 250_000  # bytes of a picture in a README


async def links(lines: asyncio.StreamReader) -> dict[tuple[str, str], str]:
    """The login links that the demo prints once the exercise is over: by (office, officer)."""
    found: dict[tuple[str, str], str] = {}
    while line := (await lines.readline()).decode():
        print(line, end="", flush=True)
        if match := LINK.match(line.rstrip("\n")):
            found[match[1], match[2]] = match[3]
        if line.startswith("Try:"):
            return found
    raise SystemExit("the exercise ended before it printed its links")


async def open_page(browser: Browser, link: str) -> Page:
    """A page that is logged in."""
    context = await browser.new_context(viewport=SIZE, ignore_https_errors=True)  # type: ignore[arg-type]
    page = await context.new_page()
    await page.goto(link)
    await page.wait_for_url(lambda url: "/login" not in url)
    return page


async def desk(browser: Browser, link: str) -> Path:
    """Arvenia's desk in the cooling-off: an attribution tried, and refused."""
    page = await open_page(browser, link)
    await page.get_by_role("link", name="Visitor").click()
    await page.get_by_role("link", name="Try it all the same").first.click()
    await page.fill("#f-text", "Arvenia holds Kostrava responsible.")
    await page.get_by_role("button", name="Keep as draft for release").click()
    await page.wait_for_selector(".refusal")
    await page.set_viewport_size({"width": 1280, "height": 1000})
    await page.evaluate("document.querySelector('#write').scrollIntoView({block: 'end'})")
    path = HERE / "desk.png"
    await page.screenshot(path=path)
    return path


async def console(browser: Browser, link: str) -> Path:
    """The drawing of the St Brannoc exercise on the console."""
    page = await open_page(browser, link)
    await page.get_by_role("link", name="Incidents").click()
    await page.locator("a[href*='/console/threads/']").last.click()
    await page.wait_for_selector("#drawing svg")
    drawing = await page.locator("#drawing").bounding_box()
    assert drawing is not None
    path = HERE / "console.png"
    height = drawing["y"] + drawing["height"] + 12
    await page.screenshot(path=path, full_page=True, clip={"x": 0, "y": 0, "width": 1280, "height": height})
    return path


async def main() -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("Chromium is needed (apt-get install chromium)")
    demo = await asyncio.create_subprocess_exec(
        sys.executable, "-u", "-m", "hotline", "demo", stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    try:
        assert demo.stdout is not None
        found = await links(demo.stdout)
        async with async_playwright() as player:
            browser = await player.chromium.launch(executable_path=chromium, args=ARGS)
            for path in (
                await desk(browser, found["Arvenia", "duty-officer"]),
                await console(browser, found["Console", "operator"]),
            ):
                size = path.stat().st_size
                print(f"{path}: {size:,} bytes{'' if size <= ENOUGH else ': too large for a README'}")
            await browser.close()
    finally:
        if demo.returncode is None:
            demo.send_signal(signal.SIGINT)
        await demo.wait()


if __name__ == "__main__":
    asyncio.run(main())
