"""Officers of offices outside the group at real desks, with nothing but the keyboard: they second, block, accept, take a
step that rests on evidence, and are told plainly when it is too late or too little."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.web.desks import CHROMIUM, Desks, running_desks

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

ALL = ("AV", "KV", "CH", "NN", "OO")
FOCUS = "(e => e ? e.innerText || e.getAttribute('aria-label') || e.name || '' : '')(document.activeElement)"
WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


async def tab_to(page: Any, words: str, *, limit: int = 150) -> None:
    """Press Tab until what is focused says ``words``."""
    for _ in range(limit):
        await page.keyboard.press("Tab")
        if words in " ".join((await page.evaluate(FOCUS)).split()):
            return
    raise AssertionError(f"no Tab leads to {words!r}")


async def choose(page: Any, words: str) -> None:
    """From the part of the page where an officer writes, with the keys the help names."""
    await page.keyboard.press("Escape")
    await page.keyboard.press("w")
    await tab_to(page, words)
    await page.keyboard.press("Enter")
    await page.locator("#compose").wait_for()
    await page.wait_for_selector("body[data-connected=yes]")


async def type_and_send(page: Any, words: str) -> None:
    await page.keyboard.press("w")
    await tab_to(page, "text")
    await page.keyboard.type(words)
    await page.keyboard.press("Control+Enter")


async def text_of(page: Any, selector: str) -> str:
    return " ".join((await page.locator(selector).inner_text()).split())


async def asked(desks: Desks) -> str:
    """A thread on the council's first rung: AV has asked KV for an explanation."""
    thread = await desks.opened()
    await desks.say("AV", thread, "step-request", {"step": "ask"}, text="What are these troops doing there?")
    return thread


async def test_another_state_seconds_and_blocks_with_the_keyboard_alone(tmp_path: Path, browser: Any) -> None:
    async with running_desks(tmp_path, browser, ("AV", "KV", "NN", "OO")) as desks:
        thread = await asked(desks)
        meet = await desks.say("AV", thread, "step-request", {"step": "meet"}, text="We ask for a meeting of all.")
        await desks.say("AV", thread, "step-request", {"step": "inspect"}, text="We ask for an inspection.")
        await desks.seen("NN", thread, lambda view: sum(offer.allowed for offer in view.offers) == 2)
        page = await desks.page("NN")
        second = await page.context.new_page()

        # The list says as what this office is asked, and that it may act.
        assert "As The other states: you may act now" in await text_of(page, "#threads")
        await tab_to(page, "AV – KV")
        await page.keyboard.press("Enter")
        await page.locator("#write").wait_for()
        said = await text_of(page, "#write")
        assert "Your office stands outside this incident, as The other states" in said
        assert "Second: Call an emergency meeting raises the level · asked for by Arvenia closes in 47:59" in said
        assert "Block: Inspect on challenge helps to stop it · asked for by Arvenia closes in 11:59" in said
        assert "Level 1, as the hub says" in await text_of(page, "#status")

        # A second tab has the same form open before anything is sent.
        await second.goto(desks.url("NN", f"/threads/{thread}?write=second&step=meet&entry={meet}#write"))

        await choose(page, "Second: Call an emergency meeting")
        form = await text_of(page, "#write")
        assert "Arvenia asks for it. The time for it ends in 47:59" in form
        assert "seconded within 48 hours by 2 of: The other states" in form
        await page.keyboard.press("w")
        await tab_to(page, "text")
        await page.keyboard.type("So do we.")
        await page.locator("#saved").get_by_text("Kept on this station").wait_for()
        await page.reload()
        assert await page.input_value("#f-text") == "So do we."
        await page.keyboard.press("w")
        await tab_to(page, "text")
        await page.keyboard.press("Control+Enter")
        await page.get_by_text("Sent. The hub has it.").wait_for()

        # The other tab says the same again: refused, in words, and what was typed stands.
        await type_and_send(second, "So do we, again.")
        await second.locator("#refusal").wait_for()
        refusal = await text_of(second, "#refusal")
        assert "Your office has already said so about this request." in refusal
        assert "ladder.already-said" in refusal
        assert await second.input_value("#f-text") == "So do we, again."
        assert await second.evaluate("document.activeElement.id") in ("write", "refusal")
        assert await second.locator("#pending article").count() == 0, "the words stand once, in the form"

        await choose(page, "Block: Inspect on challenge")
        assert "Blocking works against the step." in await text_of(page, "#write")
        await type_and_send(page, "Not yet.")
        await page.get_by_text("Sent. The hub has it.").wait_for()

        # A party sees how far each request has come.
        await desks.seen("AV", thread, lambda view: any(entry.kind == "block" for entry in view.entries))
        party = await desks.page("AV")
        await party.goto(desks.url("AV", f"/threads/{thread}"))
        waiting = await text_of(party, "#requests")
        assert "Seconded by 1 of 2 needed (The other states): NN." in waiting
        assert "needed (Members of the council): NN." in waiting
        assert [words for words in desks.complaints if "409 (Conflict)" not in words] == []


async def test_a_chair_names_its_evidence_and_accepts_with_the_keyboard_alone(tmp_path: Path, browser: Any) -> None:
    async with running_desks(tmp_path, browser, ("AV", "KV", "CH", "NN")) as desks:
        thread = await asked(desks)
        await desks.seen("CH", thread, lambda view: any(offer.allowed for offer in view.offers))
        page = await desks.page("CH")
        await page.goto(desks.url("CH", f"/threads/{thread}"))
        shut = await text_of(page, ".not-now")
        assert "It rests on “Breach report” and “Statement”, and one of each must have been sent" in shut
        assert "It opens only when a clock that gives it has run out" in shut

        # Too little: the hub's own refusal, and the words stay.
        await choose(page, "Try it all the same : The chair calls both in on what was shown")
        await type_and_send(page, "I call both in.")
        await page.locator("#refusal").wait_for()
        refusal = await text_of(page, "#refusal")
        assert "rests on a message of the kind 'Breach report'" in refusal
        assert "ladder.evidence" in refusal
        assert await page.input_value("#f-text") == "I call both in."

        # The parties send both; the page offers the step, and the words are back in its form.
        await desks.say("AV", thread, "breach-report", {}, text="Tanks crossed at four.")
        await desks.say("KV", thread, "statement", {}, text="It is an exercise.")
        await page.goto(desks.url("CH", f"/threads/{thread}"))
        await page.locator("#write").get_by_text("raises the level").wait_for()
        await choose(page, "The chair calls both in")
        assert await page.input_value("#f-text") == "I call both in."
        named = await text_of(page, ".many")
        assert "the newest “Breach report”, which this station may not read" in named
        assert "the newest “Statement”, which this station may not read" in named

        # What is not ticked is not named: with the report alone it is refused, with the statement too the step is taken.
        await page.keyboard.press("w")
        assert await page.evaluate("document.activeElement.name") == "evidence"
        await page.keyboard.press("Space")
        await page.keyboard.press("Control+Enter")
        await page.locator("#refusal").wait_for()
        assert "'Statement'" in await text_of(page, "#refusal")
        await page.wait_for_selector("body[data-connected=yes]")
        await page.keyboard.press("w")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Space")
        await page.locator("#saved").get_by_text("Kept on this station").wait_for()
        assert [await box.is_checked() for box in await page.locator("input[name=evidence]").all()] == [True, True]

        # Meanwhile a party asks for what the chair must accept.
        await desks.say("AV", thread, "step-request", {"step": "poll"}, text="Let us ask the others.")
        await page.locator("#ladder").get_by_text("Accept: Poll the others").wait_for()
        assert await page.input_value("#f-text") == "I call both in.", "a page that goes on keeps what is typed"
        await page.goto(desks.url("CH", f"/threads/{thread}"))
        await choose(page, "Accept: Poll the others")
        await type_and_send(page, "The chair agrees.")
        await page.get_by_text("Sent. The hub has it.").wait_for()
        party = await desks.page("AV")
        await party.goto(desks.url("AV", f"/threads/{thread}"))
        await party.locator("#requests").get_by_text("Accepted; it waits for seconds.").wait_for()

        await choose(page, "The chair calls both in")
        await page.keyboard.press("w")
        await page.keyboard.press("Control+Enter")
        await page.get_by_text("Sent. The hub has it.").wait_for()
        await desks.seen("KV", thread, lambda view: view.summary.rung == "L2")
        assert [words for words in desks.complaints if "409 (Conflict)" not in words] == []


async def test_a_second_that_comes_too_late_is_told_so_and_keeps_its_words(tmp_path: Path, browser: Any) -> None:
    async with running_desks(tmp_path, browser, ("AV", "KV", "NN"), scale=28_800) as desks:
        thread = await asked(desks)
        page = await desks.page("NN")
        meet = await desks.say("AV", thread, "step-request", {"step": "meet"}, text="We ask for a meeting of all.")
        await desks.seen("NN", thread, lambda view: any(offer.allowed for offer in view.offers))
        await page.goto(desks.url("NN", f"/threads/{thread}?write=second&step=meet&entry={meet}#write"))
        await page.keyboard.press("w")
        await tab_to(page, "text")
        await page.keyboard.type("So do we.")
        await desks.seen("NN", thread, lambda view: not any(offer.kind == "second" for offer in view.offers))
        await page.keyboard.press("Control+Enter")
        await page.locator("#refusal").wait_for()
        refusal = await text_of(page, "#refusal")
        assert "No open request matches this answer." in refusal
        assert "Nothing was sent" in refusal
        assert await page.input_value("#f-text") == "So do we."
        await page.goto(desks.url("NN", f"/threads/{thread}?write=second&step=meet&entry={meet}#write"))
        assert "is not open to you any more" in await text_of(page, "#write")
        assert await page.input_value("#f-text") == "So do we."


async def test_a_cut_line_loses_no_word_of_a_role_holder(tmp_path: Path, browser: Any) -> None:
    async with running_desks(tmp_path, browser, ("AV", "KV", "NN")) as desks:
        thread = await asked(desks)
        meet = await desks.say("AV", thread, "step-request", {"step": "meet"}, text="We ask for a meeting of all.")
        await desks.seen("NN", thread, lambda view: any(offer.allowed for offer in view.offers))
        page = await desks.page("NN")
        await page.goto(desks.url("NN", f"/threads/{thread}?write=second&step=meet&entry={meet}#write"))
        await page.wait_for_selector("body[data-connected=yes]")

        # The browser loses its station while the officer types.
        await page.context.set_offline(True)
        await page.keyboard.press("w")
        await tab_to(page, "text")
        await page.keyboard.type("So do we.")
        await page.locator("#saved").get_by_text("Not kept yet").wait_for()
        await page.context.set_offline(False)
        await page.locator("#saved").get_by_text("Kept on this station").wait_for()

        # The station loses its hub; what is sent now is safe on its disk, and sent once.
        await desks.cut()
        await page.locator("#line[data-state=reconnecting], #line[data-state=offline]").wait_for()
        await page.keyboard.press("Control+Enter")
        await page.get_by_text("Safe on this station. It goes out as soon as the line allows.").wait_for()
        assert "So do we." in await text_of(page, "#pending")
        assert await page.locator("#pending article").count() == 1


LOOKS: dict[str, dict[str, Any]] = {
    "dark": {"color_scheme": "dark"},
    "narrow": {"width": 320},
    "right-to-left": {},
}


async def test_axe_finds_no_fault_at_the_desks_outside(tmp_path: Path, browser: Any) -> None:
    async with running_desks(tmp_path, browser, ALL) as desks:
        thread = await asked(desks)
        meet = await desks.say(
            "AV", thread, "step-request", {"step": "meet"}, text="نطلب اجتماعا. We ask for a meeting."
        )
        await desks.say("AV", thread, "step-request", {"step": "inspect"}, text="We ask for an inspection.")
        await desks.say("AV", thread, "breach-report", {}, text="Tanks crossed at four.")
        await desks.seen("NN", thread, lambda view: sum(offer.allowed for offer in view.offers) == 2)
        await desks.seen("CH", thread, lambda view: any(offer.allowed for offer in view.offers))
        path, found = f"/threads/{thread}", list[str]()
        forms = {
            "NN": f"second&step=meet&entry={meet}",
            "CH": "step-request&step=rule",
            "AV": "step-request&step=proved",
        }
        for (office, form), (look, context) in product(forms.items(), LOOKS.items()):
            page = await desks.page(office, **context)
            for address in ("/", path, f"{path}/ladder", f"{path}?write={form}"):
                await page.goto(desks.url(office, address))
                if look == "right-to-left":
                    await page.evaluate("document.documentElement.dir = 'rtl'")
                results = await axe_module.Axe().run(page)
                found += [
                    f"{look} {office} {address} {violation['id']}: {node['html'][:160]}"
                    for violation in results.response["violations"]
                    for node in violation["nodes"]
                ]
                if await page.evaluate(WIDE) > 0:
                    found.append(f"{look} {office} {address} needs sideways scrolling")
            await page.context.close()
        assert found == []
