"""The pages in a real Chromium: seen, typed into, cut off and measured."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from hotline.station.views import Change, DueView, Outcome
from tests.web.desks import CHROMIUM
from tests.web.fakes import ARABIC, PASSPHRASE, T0, THREAD, FakeConsole, FakeDesk, StoppedClock, eid, entry
from web.console import make_console
from web.desk import make_desk
from web.shared.language import Language
from web.shared.live import SOCKETS
from web.shared.sessions import SESSIONS

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

PAGE = f"/threads/{THREAD}"
FORMS = (
    "incident-notice", "clarification-request", "clarification-answer", "extension", "admission", "proposal",
    "nomination", "objection", "finding",
)  # fmt: skip


class RunningClock(StoppedClock):
    """Runs with the machine from T0; ``ahead`` ms may be changed, as a hub's clock is corrected."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = time.monotonic()
        self.ahead = 0

    def now(self) -> int:
        return T0 + self.ahead + int((time.monotonic() - self.begun) * 1000)


@dataclass
class Stage:
    """A desk, a console, a browser; and everything the browser complained about."""

    desk: FakeDesk
    console: FakeConsole
    server: TestServer
    hub: TestServer
    app: web.Application
    browser: object
    complaints: list[str] = field(default_factory=list)

    def url(self, path: str) -> str:
        server = self.hub if path.startswith("/console") else self.server
        return f"http://127.0.0.1:{server.port}{path}"

    async def page(self, *, login: bool = True, width: int = 1280, **context: object):  # type: ignore[no-untyped-def]
        made = await self.browser.new_context(viewport={"width": width, "height": 900}, **context)  # type: ignore[attr-defined]
        page = await made.new_page()
        page.set_default_timeout(10_000)
        page.on(
            "console", lambda message: message.type in ("error", "warning") and self.complaints.append(message.text)
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        if login:
            self.desk.tokens["a-token"] = "kid-ana"
            await page.goto(self.url("/login#a-token"))
            await page.wait_for_url(self.url("/"))
        return page


@pytest_asyncio.fixture(loop_scope="module")
async def stage(browser: object) -> AsyncIterator[Stage]:
    desk, console = FakeDesk(clock=RunningClock()), FakeConsole()
    app = make_desk(desk, allowed_hosts=["127.0.0.1"], clock=desk.clock)
    root = web.Application()
    root.add_subapp("/console/", make_console(console, allowed_hosts=["127.0.0.1"], secure=False, clock=console.clock))
    server, hub = TestServer(app), TestServer(root)
    await server.start_server()
    await hub.start_server()
    yield Stage(desk, console, server, hub, app, browser)
    for context in browser.contexts:  # type: ignore[attr-defined]
        await context.close()  # before what its pages are connected to
    await server.close()
    await hub.close()


async def until(page: object, script: str) -> None:
    """Wait until ``script`` is true. Playwright's own waiting evaluates strings, which the pages' CSP rightly forbids."""
    for _ in range(100):
        if await page.evaluate(script):  # type: ignore[attr-defined]
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"never true: {script}")


async def faults(page: object) -> list[str]:
    """What axe finds on a page: rule and the elements concerned."""
    found = await axe_module.Axe().run(page)
    return [
        f"{page.url} {violation['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:240]}"  # type: ignore[attr-defined]
        for violation in found.response["violations"]
        for node in violation["nodes"]
    ]


async def test_axe_finds_the_faults_of_a_faulty_page(stage: Stage) -> None:
    page = await stage.page(login=False)
    await page.set_content(
        "<html><body><img src='data:,'><input><a href='#x'></a><button></button>"
        "<p style='color:#bbb;background:#fff'>pale</p><div role='nonsense'>x</div></body></html>"
    )
    found = " ".join(await faults(page))
    for rule in ("image-alt", "label", "link-name", "button-name", "color-contrast", "html-has-lang", "document-title"):
        assert rule in found, rule


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_no_fault_on_any_page_of_the_desk(stage: Stage, scheme: str) -> None:
    page = await stage.page(login=False, color_scheme=scheme)
    await page.goto(stage.url("/login"))
    found = await faults(page)
    stage.desk.unlocked = False
    stage.desk.tokens["t"] = "kid-ana"
    await page.goto(stage.url("/help#leave"))
    await page.fill("#token", "t")
    await page.click("#login button")
    await page.wait_for_url(stage.url("/unlock"))
    found += await faults(page)
    await page.fill("#passphrase", PASSPHRASE.decode())
    await page.click("button.primary")
    await page.wait_for_url(stage.url("/"))
    paths = ["/", PAGE, f"{PAGE}/ladder", "/journal", "/help", "/nowhere", *(f"{PAGE}?write={kind}" for kind in FORMS)]
    for path in paths:
        await page.goto(stage.url(path))
        found += await faults(page)
    await page.goto(stage.url(f"{PAGE}?write=step-request&step=L6-inquiry"))
    await page.click("#send")
    await page.wait_for_selector("#refusal")
    found += await faults(page)
    await page.goto(stage.url(f"{PAGE}/export"))
    found += await faults(page)
    await page.check("[value='2:text']")
    await page.press("[value='2:text']", "Enter")
    await page.wait_for_selector("#seen-title")
    found += await faults(page)
    assert not [name for name, _ in stage.desk.calls if name == "export"], "Enter in a box exports nothing"
    stage.desk.line = replace(stage.desk.line, state="offline", alarms=("Heads differ.",))
    stage.desk.frozen = "State hashes differ at 12."
    await page.goto(stage.url(PAGE))
    found += await faults(page)
    assert found == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_no_fault_on_any_page_of_the_console(stage: Stage, scheme: str) -> None:
    page = await stage.page(login=False, color_scheme=scheme)
    found: list[str] = []
    for path in ("/console/", "/console/login"):
        await page.goto(stage.url(path))
        found += await faults(page)
    await page.fill("#token", "good-token")
    await page.click("#login button")
    await page.wait_for_url(stage.url("/console/overview"))
    for path in (
        "overview", "threads", f"threads/{THREAD}", f"threads/{THREAD}/ladder", "log", "statistics",
        f"threads/{THREAD}/statistics", f"threads/{THREAD}/export", "search", "search?office=KV",
        "looks",
    ):  # fmt: skip
        await page.goto(stage.url(f"/console/{path}"))
        found += await faults(page)
    assert stage.complaints == []
    await page.goto(stage.url("/console/search?from=x"))  # refused with a sentence, which Chromium calls an error
    found += await faults(page)
    await page.goto(stage.url(f"/console/threads/{THREAD}/export"))
    await page.check("[name=withhold][value='4']")
    await page.select_option("#reason", "other")
    await page.fill("#by", "Court of Meridia")
    await page.press("#by", "Enter")
    await page.wait_for_selector("tr.withheld")
    found += await faults(page)
    assert stage.console.exports == [], "Enter in a field exports nothing"
    assert found == []


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
async def test_no_page_of_the_console_is_wider_than_a_narrow_window(
    stage: Stage, direction: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = await stage.page(login=False, width=360)
    monkeypatch.setattr("web.shared.rendering.ENGLISH", Language("en", "English", direction))
    await page.goto(stage.url("/console/login"))
    await page.fill("#token", "good-token")
    await page.click("#login button")
    await page.wait_for_url(stage.url("/console/overview"))
    for path in ("log", "looks", "search", "statistics", f"threads/{THREAD}/statistics", f"threads/{THREAD}/export"):
        await page.goto(stage.url(f"/console/{path}"))
        assert await page.evaluate("document.dir") == direction
        width = await page.evaluate("document.documentElement.scrollWidth")
        assert width <= 360, (path, width)


async def test_the_token_leaves_the_address_line_and_the_history(stage: Stage) -> None:
    page = await stage.page()
    assert "a-token" not in page.url
    await page.go_back()
    assert "a-token" not in page.url
    assert stage.complaints == []


@pytest.mark.parametrize(("login", "then"), [("/login", "/"), ("/console/login", "/console/overview")])
async def test_a_link_opened_where_the_login_stands_already_logs_in(stage: Stage, login: str, then: str) -> None:
    page = await stage.page(login=False)
    await page.goto(stage.url(login))
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")  # "Skip to content" is no token
    assert page.url == stage.url(f"{login}#main")
    # The page is older than the station.
    (stage.hub.app._subapps[0] if "console" in login else stage.app)[SESSIONS]._key = b"another process's key"
    await page.evaluate("location.hash = 'good-token'")
    await page.wait_for_url(stage.url(then))
    for _ in range(3):
        await page.go_back()
        assert "good-token" not in page.url
    assert stage.complaints == []


async def test_the_browser_complains_about_nothing_on_the_way_through(stage: Stage) -> None:
    page = await stage.page()
    for path in ("/", PAGE, f"{PAGE}/ladder", f"{PAGE}?write=statement", "/journal", "/help"):
        await page.goto(stage.url(path))
        await page.wait_for_selector("body[data-connected=yes]")
        assert await page.locator("script:not([src])").count() == 0
    assert stage.complaints == []


async def test_nothing_typed_is_lost_on_reload_and_it_is_sent_once(stage: Stage) -> None:
    page = await stage.page()
    await page.goto(stage.url(f"{PAGE}?write=statement"))
    await page.fill("#f-text", "We have seen your note.\nنراكم.")
    await until(page, "document.getElementById('saved').textContent.startsWith('Kept')")
    await page.reload()
    assert await page.input_value("#f-text") == "We have seen your note.\nنراكم."
    # A change and a reload at once: the last words go out as the page goes.
    await page.locator("#f-text").press_sequentially("!")
    await page.reload()
    await page.wait_for_timeout(300)
    await page.goto(stage.url(f"{PAGE}?write=statement"))
    assert (await page.input_value("#f-text")).endswith("!") or "!" in await page.input_value("#f-text")
    await page.dblclick("#send")
    await page.wait_for_url(re.compile("done=queued"))
    sent = [given for name, given in stage.desk.calls if name == "send"]
    assert len({given["client_id"] for given in sent}) == 1
    assert sent[0]["fields"]["text"].startswith(("We have seen", "!We have seen"))
    await page.goto(stage.url(f"{PAGE}?write=statement"))
    assert await page.input_value("#f-text") == ""
    assert stage.complaints == []


async def test_a_refused_step_shows_its_rule_and_a_countdown_that_runs(stage: Stage) -> None:
    page = await stage.page()
    await page.goto(stage.url(PAGE))
    await page.click(".panel >> text=Try it all the same")
    await page.fill("#f-text", "We insist.")
    await page.click("#send")
    refusal = page.locator("#refusal")
    await refusal.wait_for()
    assert "cpci-default/standstill/L6-inquiry" in await refusal.inner_text()
    first = await refusal.locator("[data-countdown]").inner_text()
    assert first.startswith("71:59:")
    await until(page, f"document.querySelector('#refusal [data-countdown]').textContent !== '{first}'")
    assert await refusal.locator("[data-countdown]").inner_text() < first
    assert await page.input_value("#f-text") == "We insist."


async def test_what_is_owed_turns_overdue_in_words_and_shape_while_the_page_stands(stage: Stage) -> None:
    page = await stage.page()
    for path, place in ((PAGE, ".owed-card .due"), ("/", ".when .due")):
        stage.desk.due = (DueView("reply/2", "Reply to the notice", "AV", True, stage.desk.now() + 3_000),)
        await page.goto(stage.url(path))
        shown = page.locator(place).first
        assert re.fullmatch(r"due in 00:00:0[0-3]", await shown.inner_text())
        await shown.locator(".due-over").wait_for()
        assert re.fullmatch(r"▲ overdue by \d s", (await shown.inner_text()).strip())


async def test_digits_never_run_backwards_when_the_hubs_clock_is_corrected(stage: Stage) -> None:
    page = await stage.page()
    await page.goto(stage.url(PAGE))
    await page.wait_for_selector("body[data-connected=yes]")
    read = "document.querySelector('.standstill [data-countdown]').textContent"
    seen = [await page.evaluate(read)]
    stage.desk.clock.ahead = -3_000  # type: ignore[attr-defined]
    stage.desk.tell(Change(None, "connection"))
    for _ in range(8):
        await page.wait_for_timeout(250)
        seen.append(await page.evaluate(read))
    assert seen == sorted(seen, reverse=True)


async def test_a_new_message_comes_in_without_disturbing_what_is_being_typed(stage: Stage) -> None:
    page = await stage.page()
    await page.goto(stage.url(f"{PAGE}?write=statement"))
    await page.wait_for_selector("body[data-connected=yes]")
    await page.fill("#f-text", "Half a sen")
    await page.focus("#f-text")
    await page.evaluate("window.kept = document.getElementById('e2')")
    stage.desk.entries = (*stage.desk.entries, entry(15, "statement", "KV", fields={"text": "News."}, unread=True))
    stage.desk.tell(Change(THREAD, "entry", alarm=True))
    await page.locator("#e15").wait_for()
    assert "News." in await page.locator("#e15").inner_text()
    assert await page.evaluate("window.kept === document.getElementById('e2')")
    assert await page.input_value("#f-text") == "Half a sen"
    assert await page.evaluate("document.activeElement.id") == "f-text"
    assert "(4)" in await page.title()


async def test_a_form_whose_offer_is_gone_stays_and_the_page_around_it_goes_on(stage: Stage) -> None:
    page = await stage.page()
    await page.goto(stage.url(f"{PAGE}?write=step-accept&step=return-L3&entry={eid(14)}"))
    await page.wait_for_selector("body[data-connected=yes]")
    await page.fill("#f-text", "Agreed.")
    stage.desk.offers = tuple(offer for offer in stage.desk.offers if offer.kind != "step-accept")
    stage.desk.entries = (*stage.desk.entries, entry(15, "step-accept", "AV"))
    stage.desk.tell(Change(THREAD, "entry"))
    await page.locator("#e15").wait_for()
    assert await page.input_value("#f-text") == "Agreed."
    assert stage.complaints == []


async def test_at_1280_the_head_is_one_line_and_no_heading_or_choice_is_cut(stage: Stage) -> None:
    page = await stage.page()
    await page.evaluate("document.getElementById('sound').hidden = false")
    middles = """[...document.querySelectorAll('.top nav a, .top button')]
      .map(e => e.getBoundingClientRect()).map(box => (box.top + box.bottom) / 2)"""
    found = await page.evaluate(middles)
    assert max(found) - min(found) < 8
    cut = """(name) => { const select = document.getElementById(name), pen = document.createElement('canvas').getContext('2d');
      pen.font = getComputedStyle(select).font;
      return [...select.options].map(o => o.text).filter(t => pen.measureText(t).width > select.clientWidth - 40); }"""
    await page.goto(stage.url(f"{PAGE}?write=statement"))
    assert await page.evaluate(cut, "f-tlp") == await page.evaluate(cut, "f-precedence") == []
    page = await stage.page(login=False)
    await page.goto(stage.url("/console/login#good-token"))
    await page.wait_for_url(stage.url("/console/overview"))
    await page.goto(stage.url(f"/console/threads/{THREAD}"))
    headings = "[...document.querySelectorAll('#entries thead th')]"
    broken = f"{headings}.filter(e => e.clientHeight > 40).map(e => e.textContent)"
    assert await page.evaluate(broken) == []


BROKEN = """() => {
  const found = [], range = document.createRange();
  for (const cell of document.querySelectorAll('main th, main td')) {
    if (cell.dir === 'auto') continue;  // people's words may be one word of any length
    const walk = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) for (const word of walk.currentNode.data.matchAll(/[\\w+]+/g)) {
      range.setStart(walk.currentNode, word.index);
      range.setEnd(walk.currentNode, word.index + word[0].length);
      if (new Set([...range.getClientRects()].map(box => box.top)).size > 1) found.push(word[0]);
    }
  }
  return found;
}"""


@pytest.mark.parametrize("width", [360, 1280])
async def test_no_word_of_a_table_is_broken_and_no_ladder_cut_off(stage: Stage, width: int) -> None:
    page = await stage.page(width=width)
    for path in ("/", "/help"):
        await page.goto(stage.url(path))
        assert await page.evaluate(BROKEN) == [], path
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, path
    await page.goto(stage.url("/"))
    ladder = page.get_by_role("radio", name=re.compile("Default ladder for civilian infrastructure incidents"))
    assert await ladder.is_checked()
    await page.goto(stage.url("/console/login"))
    await page.fill("#token", "good-token")
    await page.click("#login button")
    await page.wait_for_url(stage.url("/console/overview"))
    assert await page.evaluate(BROKEN) == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= width


async def test_the_page_says_when_it_lost_its_station_and_when_it_is_back(stage: Stage) -> None:
    page = await stage.page()
    await page.goto(stage.url(PAGE))
    await page.wait_for_selector("body[data-connected=yes]")
    await page.context.set_offline(True)
    for socket in tuple(stage.app[SOCKETS]):
        await socket.close()
    await page.wait_for_selector("body.stale")
    assert "lost its station at" in await page.locator("#page-line").inner_text()
    await page.context.set_offline(False)
    await page.wait_for_selector("body:not(.stale)")


async def test_a_console_whose_hub_is_gone_says_so_grows_no_older_and_says_why_it_logs_out(stage: Stage) -> None:
    page = await stage.page(login=False)
    await page.goto(stage.url("/console/login#good-token"))
    await page.wait_for_selector("body[data-connected=yes]")
    age = "document.querySelector('#facts [data-age]').textContent"
    first = await page.evaluate(age)
    await until(page, f"{age} !== '{first}'")
    await page.context.set_offline(True)
    console = stage.hub.app._subapps[0]  # type: ignore[union-attr]
    for socket in tuple(console[SOCKETS]):
        await socket.close()
    await page.wait_for_selector("body.stale")
    said = await page.locator("#page-line").inner_text()
    assert "lost its hub at" in said and "station" not in said and "type" not in said
    assert (
        await page.evaluate("getComputedStyle(document.querySelector('#facts').closest('[data-ages]')).filter")
        != "none"
    )
    at = await page.evaluate(age)
    await page.wait_for_timeout(2_500)
    assert await page.evaluate(age) == at
    console[SESSIONS].end_all("op")
    await page.context.set_offline(False)
    await page.wait_for_url(stage.url("/console/login"))
    said = await page.locator("#ended").inner_text()
    assert "the hub was started anew" in said and "hotline hub login-link" in said


async def test_the_line_coming_back_is_announced_with_what_was_caught_up(stage: Stage) -> None:
    page = await stage.page()
    live = stage.desk.line
    stage.desk.line = replace(live, state="offline", since=T0 - 60_000)
    await page.goto(stage.url(PAGE))
    await page.wait_for_selector("body[data-connected=yes]")
    assert "Line cut since 12 Mar 03:11:00Z" in await page.locator("#line").inner_text()
    # The station is on the line again before the hub has handed over what came meanwhile.
    stage.desk.line = replace(live, caught=False)
    stage.desk.tell(Change(None, "connection"))
    await page.wait_for_selector("#line[data-state=live]")
    news = {"fields": {"text": "News."}}
    ours = entry(16, "statement", "AV", **news), entry(17, "receipt", "KV")
    stage.desk.entries = (*stage.desk.entries, entry(15, "statement", "KV", **news), *ours)
    stage.desk.tell(Change(THREAD, "entry"))
    await page.locator("#e17").wait_for()
    assert await page.locator("#announce").inner_text() == ""
    stage.desk.line = live
    stage.desk.tell(Change(None, "connection"))
    await until(page, "document.getElementById('announce').textContent.includes('. 1 message caught up')")
    stage.desk.line = replace(live, state="quiet")
    stage.desk.tell(Change(None, "connection"))
    await until(page, "document.getElementById('announce').textContent.startsWith('The hub has not been heard')")
    stage.desk.line = live
    stage.desk.tell(Change(None, "connection"))
    await until(page, "document.getElementById('announce').textContent.includes('No messages caught up')")


async def test_arabic_runs_from_right_to_left_inside_an_english_page(stage: Stage) -> None:
    page = await stage.page()
    await page.goto(stage.url(PAGE))
    text = page.locator("#e4 .text")
    assert (await text.inner_text()).strip() == ARABIC
    assert await text.evaluate("e => getComputedStyle(e).direction") == "rtl"
    assert await page.locator("#e2 .text").first.evaluate("e => getComputedStyle(e).direction") == "ltr"


async def test_keys_work_outside_of_fields_only_and_letters_can_be_switched_off(stage: Stage) -> None:
    page = await stage.page()
    await page.goto(stage.url(f"{PAGE}?write=statement"))
    await page.focus("#f-text")
    await page.keyboard.type("g?n")
    assert await page.input_value("#f-text") == "g?n"
    await page.keyboard.press("Escape")
    await page.keyboard.press("n")
    assert await page.evaluate("document.activeElement.id") == "e12"
    await page.keyboard.press("?")
    await page.wait_for_url(stage.url("/help"))
    await page.uncheck("#letters")
    await page.goto(stage.url(PAGE))
    await page.keyboard.press("g")
    await page.wait_for_timeout(200)
    assert page.url == stage.url(PAGE)


async def test_the_sound_indicator_tells_the_truth(stage: Stage) -> None:
    page = await stage.page()
    assert "blocked" in await page.locator("#sound-state").inner_text()
    await page.click("#shift")
    await page.wait_for_selector("body[data-sound=on]")
    assert "Sound on" in await page.locator("#sound-state").inner_text()


async def test_the_desk_reads_and_sends_without_scripts(stage: Stage) -> None:
    stage.desk.tokens["t"] = "kid-ana"
    page = await stage.page(login=False, java_script_enabled=False)
    await page.goto(stage.url("/login"))
    await page.fill("#token", "t")
    await page.click("#login button")
    await page.click("text=St Brannoc hospitals")
    await page.click("#write >> text=Statement")
    await page.fill("#f-text", "By hand.")
    await page.click("#send")
    assert "Safe on this station" in await page.locator(".done").inner_text()
    assert stage.desk.sent()["fields"]["text"] == "By hand."


@pytest.mark.parametrize("path", ["/", PAGE, f"{PAGE}?write=admission", "/help", "/journal"])
async def test_nothing_needs_sideways_scrolling_on_a_narrow_screen(stage: Stage, path: str) -> None:
    page = await stage.page(width=320)
    await page.goto(stage.url(path))
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320


async def test_things_to_press_are_large_enough(stage: Stage) -> None:
    page = await stage.page()
    for path in ("/", PAGE, f"{PAGE}?write=clarification-answer"):
        await page.goto(stage.url(path))
        small = await page.evaluate(
            """() => [...document.querySelectorAll('button, .button, select, textarea, nav a, input:not([type=hidden])')]
                .filter(e => e.type !== 'checkbox' && e.offsetParent && (e.offsetHeight < 24 || e.offsetWidth < 24))
                .map(e => e.outerHTML)"""
        )
        assert small == []


async def test_a_printed_incident_has_its_messages_and_no_buttons(stage: Stage, tmp_path: Path) -> None:
    page = await stage.page()
    await page.goto(stage.url(PAGE))
    await page.emulate_media(media="print")
    assert await page.locator("#e2").is_visible()
    assert not await page.locator("#write").is_visible()
    assert not await page.locator("nav").first.is_visible()
    assert len(await page.pdf()) > 10_000


async def test_a_session_that_ends_sends_the_tab_to_the_login(stage: Stage) -> None:
    page = await stage.page()
    await page.wait_for_selector("body[data-connected=yes]")
    other = await page.context.new_page()
    await other.goto(stage.url("/help"))
    await other.click("text=Log out")
    await other.wait_for_url(stage.url("/login"))
    stage.desk.tell(Change(None, "list"))
    await page.wait_for_url(stage.url("/login"))
    assert "your session ended" in await page.locator("#ended").inner_text()


async def test_a_draft_is_offered_to_the_second_officer(stage: Stage) -> None:
    stage.desk.outcome = Outcome(True, "draft", id="p9", thread=THREAD)
    page = await stage.page()
    await page.goto(stage.url(f"{PAGE}?write=close"))
    await page.click("text=Keep as draft for release")
    await page.wait_for_url(re.compile("done=draft"))
    assert "Another officer must release it" in await page.locator(".done").inner_text()
    await page.click("#release-p1")
    await page.wait_for_url(re.compile("done=released"))
    assert stage.desk.calls[-1] == ("release", ("kid-ana", "p1", "PRIORITY"))
    await asyncio.sleep(0)


async def test_i_have_it_is_one_press(stage: Stage) -> None:
    page = await stage.page()
    await page.goto(stage.url(PAGE))
    await page.click("#have-12")
    await page.wait_for_url(re.compile("done=queued"))
    assert stage.desk.sent()["act"] == {"entry": eid(12)}
