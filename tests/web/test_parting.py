"""The page of an incident in which station and hub do not agree: what differs, what goes on, what waits; in words, by
keyboard, in a real browser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest_asyncio

from hotline.station.views import PartingView, ReportView, ThreadSummary, ThreadView
from tests.web.conftest import Browser
from tests.web.fakes import HOSTILE, T0, THREAD, FakeConsole, FakeDesk
from tests.web.test_browser import CHROMIUM, Stage, faults, pytest
from tests.web.test_browser import stage as stage  # a fixture

in_chromium = pytest.mark.skipif(CHROMIUM is None, reason="SKIPPED LOUDLY: no Chromium on this machine")
PAGE = f"/threads/{THREAD}"
OURS, HUBS = "o" * 43, "h" * 43
WORDS = (
    ("Level", "Cooling-off, since 2031-03-12T03:12:00.000Z"),
    ("Standstill", "until 2031-03-15T03:12:00.000Z"),
    ("Options", HOSTILE),
)
PARTING = PartingView(
    True,
    5,
    "Step accepted",
    T0,
    HUBS,
    OURS,
    WORDS,
    ("rung", "clocks"),
    (ReportView("KV", 5, "Step accepted", HUBS, OURS, T0),),
)
SENTENCE = "Thread AAAAAA: from entry 5 (Step accepted) on this station computes another ladder state than the hub vouches for."


@dataclass
class Apart(FakeDesk):
    """A desk whose incident has parted from the hub (``found``)."""

    found: PartingView = PARTING

    def summary(self) -> ThreadSummary:
        return replace(super().summary(), parted=SENTENCE if self.found.own else None)

    def thread(self, thread: str, *, since: int = 0) -> ThreadView:
        view = super().thread(thread, since=since)
        entries = tuple(replace(e, agreed=not self.found.own or e.seq < self.found.seq) for e in view.entries)
        return replace(view, parting=self.found, entries=entries)


@pytest.fixture
def desk() -> FakeDesk:
    return Apart()


async def test_the_page_says_what_differs_since_when_and_what_goes_on(officer: Browser) -> None:
    _, text = await officer.get(PAGE)
    for words in (
        "Not agreed since number 5",
        "Messages go on both ways",
        "Steps wait",
        OURS,
        HUBS,
        "hotline station thaw",
    ):
        assert words in text
    assert "same as this station" in text and "rung, clocks" in text
    assert text.count("Not agreed state:") == sum(e.seq >= 5 for e in Apart().entries)
    assert HOSTILE not in text
    _, text = await officer.get("/")
    assert "Not agreed, steps wait:" in text


async def test_the_page_of_the_side_that_agrees_says_who_differs_and_stops_nothing(
    officer: Browser, desk: Apart
) -> None:
    desk.found = replace(PARTING, own=False, computed=HUBS, moved=())
    _, text = await officer.get(PAGE)
    assert "nothing is stopped here" in text and "call them before you take a step" in text
    assert "same as the hub" in text and "differs from the hub" in text
    assert "Not agreed state:" not in text


async def test_the_console_says_which_station_computes_another_state(operator: Browser, console: FakeConsole) -> None:
    alarm = f"Incident {THREAD[:8]}…: a station of KV computes another ladder state than this hub from entry 5 on."
    summary = console.summary
    console.summary = lambda: replace(summary(), alarms=(alarm,))  # type: ignore[method-assign]
    for page in ("/overview", "/threads", f"/threads/{THREAD}", "/log"):
        _, text = await operator.get(page)
        assert alarm in text, page


@pytest_asyncio.fixture(loop_scope="module")
async def apart(stage: Stage) -> AsyncIterator[Stage]:
    """The stage of `tests.web.test_browser`, its desk's incident parted from the hub."""
    real = stage.desk.thread
    found = Apart().thread(THREAD)

    def thread(name: str, *, since: int = 0) -> ThreadView:
        return replace(real(name, since=since), parting=PARTING, entries=found.entries)

    stage.desk.thread = thread  # type: ignore[method-assign]
    yield stage


@in_chromium
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_no_fault_and_the_panel_opens_by_keyboard(apart: Stage, scheme: str) -> None:
    for width in (1280, 400):
        page = await apart.page(width=width, color_scheme=scheme)
        await page.goto(apart.url(PAGE))
        await page.locator("#parting-state summary").focus()
        assert not await page.locator("#parting-state dl").is_visible()
        await page.keyboard.press("Enter")
        assert await page.locator("#parting-state dl").is_visible()
        assert await faults(page) == []
        wide = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        assert await page.evaluate(wide), width
    tree = await page.locator("#parting").aria_snapshot()
    assert 'heading "Not agreed since number 5"' in tree and "table" in tree


@in_chromium
@pytest.mark.asyncio(loop_scope="module")
async def test_digits_never_run_back_when_the_hub_turns_out_minutes_slower_and_a_sleep_is_noticed(apart: Stage) -> None:
    page = await apart.page()
    await page.goto(apart.url(PAGE))
    await page.wait_for_selector("body[data-connected=yes]")
    read = "document.querySelector('.standstill [data-countdown]').textContent"
    seen = [await page.evaluate(read)]
    apart.desk.clock.ahead = -90_000  # type: ignore[attr-defined]
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    for _ in range(8):
        await page.wait_for_timeout(300)
        seen.append(await page.evaluate(read))
    assert seen == sorted(seen, reverse=True) and seen[0] != seen[-1]
    apart.desk.clock.ahead = 60_000  # type: ignore[attr-defined]
    # As after a sleep: the wall clock has leapt between two ticks, and the page asks for the time by itself.
    await page.evaluate("{ const real = Date.now; Date.now = () => real() + 3_600_000; }")
    for _ in range(40):
        await page.wait_for_timeout(100)
        if _seconds(await page.evaluate(read)) < _seconds(seen[-1]) - 30:
            break
    else:
        raise AssertionError("the page did not ask for the time")


def _seconds(digits: str) -> int:
    hours, minutes, seconds = map(int, digits.split(":"))
    return hours * 3600 + minutes * 60 + seconds
