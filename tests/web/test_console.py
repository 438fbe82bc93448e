from __future__ import annotations

import html
import re
from dataclasses import replace

from hotline.hub.findings import ReplyFigures, Search
from hotline.hub.log_views import StampHealth
from tests.web.conftest import Browser
from tests.web.fakes import HOSTILE, HOUR, T0, THREAD, FakeConsole, log_health
from web.console.drawing import LEFT, WIDTH, draw
from web.console.looks import PAGE
from web.console.reply_chart import reply_chart
from web.console.state import SAME_LOOK
from web.shared.gate import CSP


async def test_the_public_page_says_what_the_hub_is_and_shows_nothing_else(visitor: Browser) -> None:
    response, text = await visitor.get("/")
    assert response.status == 200
    assert "It is no reader" in text
    assert THREAD not in text
    assert response.headers["Content-Security-Policy"] == CSP


async def test_links_work_under_the_mount(operator: Browser) -> None:
    _, text = await operator.get("/overview")
    assert 'href="/console/threads"' in text
    assert 'src="/console/static/console.js"' in text
    response, _ = await operator.get("/static/console.js")
    assert response.status == 200


async def test_what_grows_old_on_the_console_can_be_shown_as_old(operator: Browser) -> None:
    for path, places in (
        ("/overview", ("facts", "stations", "witnesses")),
        ("/threads", ("threads",)),
        (f"/threads/{THREAD}", ("facts", "drawing", "spans", "entries")),
        ("/log", ("log-state", "facts", "witnesses")),
    ):
        _, text = await operator.get(path)
        for place in places:
            assert re.search(rf'<[^>]* id="{place}"[^>]* data-ages[ >]', text), (path, place)


async def test_the_overview_says_why_there_are_more_keys_than_witnesses(
    operator: Browser, console: FakeConsole
) -> None:
    _, text = await operator.get("/overview")
    assert "witness-keys" not in text, "as many keys as witnesses need no words"
    console.health = log_health(witnesses=log_health().witnesses[:1])
    _, text = await operator.get("/overview")
    assert "1 witness signs with 2 keys" in text
    assert "A quorum counts witnesses, not keys." in text


async def test_a_closed_incident_is_called_so_once(operator: Browser, console: FakeConsole) -> None:
    row = replace(console.row(), closed=True, rung_title="Closed")
    console.row = lambda: row  # type: ignore[method-assign]
    _, text = await operator.get("/threads")
    assert "<bdi>Closed</bdi></td>" in text and ", closed" not in text


async def test_without_a_login_there_is_only_the_login(visitor: Browser, console: FakeConsole) -> None:
    for path in ("/overview", "/threads", f"/threads/{THREAD}", "/log"):
        response, text = await visitor.get(path)
        assert response.url.path == "/console/login"
        assert THREAD not in text
    response, _ = await visitor.post(f"/threads/{THREAD}/export")
    assert response.status == 401
    assert console.looks == []
    assert console.exports == []


async def test_name_password_and_code_open_the_console(visitor: Browser) -> None:
    await visitor.get("/login")
    wrong = {"operator": "op", "password": "long password", "code": "000000"}
    response, text = await visitor.post("/login", wrong)
    assert response.status == 403
    assert "long password" not in text
    response, _ = await visitor.post("/login", {**wrong, "code": "123 456"})
    assert response.url.path == "/console/overview"


async def test_an_address_that_fails_too_often_has_to_wait_and_nothing_is_tried(
    visitor: Browser, console: FakeConsole
) -> None:
    console.most_attempts = 2
    await visitor.get("/login")
    form = {"operator": "op", "password": "long password", "code": "000000"}
    assert [(await visitor.post("/login", form))[0].status for _ in range(3)] == [403, 403, 429]
    response, text = await visitor.post("/login", {**form, "code": "123456"})
    assert response.status == 429
    assert "Wait a minute" in text


async def test_a_link_is_good_once(visitor: Browser) -> None:
    response, _ = await visitor.login()
    assert response.url.path == "/console/overview"
    visitor.client.session.cookie_jar.clear()
    response, _ = await visitor.login()
    assert response.status == 403


async def test_every_look_is_recorded_and_a_refreshing_page_is_one_look(
    operator: Browser, console: FakeConsole
) -> None:
    console.looks.clear()
    for _ in range(3):
        await operator.get(f"/threads/{THREAD}")
    await operator.get("/log")
    assert console.looks == [("op", f"trail {THREAD}"), ("op", "log")]
    console.clock.at += SAME_LOOK + 1
    await operator.get("/log")
    assert console.looks[-2:] == [("op", "log"), ("op", "log")]


async def test_what_is_not_in_the_log_is_not_shown(operator: Browser, console: FakeConsole) -> None:
    console.full = True
    for path in ("/overview", "/threads", f"/threads/{THREAD}", f"/threads/{THREAD}/ladder", "/log", "/looks"):
        console.clock.at += SAME_LOOK + 1
        response, text = await operator.get(path)
        assert response.status == 409, path
        assert "Nothing was shown" in text
        assert THREAD not in text.replace(path, "")
    response, _ = await operator.post(f"/threads/{THREAD}/export")
    assert response.status == 409
    assert console.exports == []


async def test_looks_are_listed_with_their_state_in_words(operator: Browser, console: FakeConsole) -> None:
    for number in range(PAGE + 5):
        await console.record_look("op", f"trail {number}")
    _, text = await operator.get("/looks")
    assert "trail 104" in text and "trail 2<" not in text
    for words in ("> proven<", "in the log, not under a published head yet", "/looks?before="):
        assert words in text
    older = text.partition("/looks?before=")[2].partition('"')[0]
    _, text = await operator.get(f"/looks?before={older}")
    assert "only this hub says it" in text and HOSTILE not in text
    assert console.looks[-1] == ("op", f"looks before {older}")
    for before in ("x", "-1", "1" * 30):
        response, _ = await operator.get(f"/looks?before={before}")
        assert response.status == 404


async def test_what_witnesses_prove_about_clocks_is_shown_with_word_and_mark(operator: Browser) -> None:
    response, text = await operator.get(f"/threads/{THREAD}")
    assert response.status == 200
    for words in ("Proven time", "ELAPSED</strong> as of entry 3", "NOT ELAPSED", "UNDETERMINED", "at least 3661 s"):
        assert words in text
    assert "no lower bound yet" in text


async def test_an_export_is_a_recorded_act(operator: Browser, console: FakeConsole) -> None:
    await operator.get(f"/threads/{THREAD}")
    response, _ = await operator.post(f"/threads/{THREAD}/export")
    assert response.content_type == "application/zip"
    assert await response.read() == b"PK\x03\x04 a bundle"
    assert "attachment" in response.headers["Content-Disposition"]
    assert console.looks[-1] == ("op", f"export {THREAD}")


async def test_a_preview_shows_each_entry_as_its_reader_will_see_it(operator: Browser, console: FakeConsole) -> None:
    console.looks.clear()
    response, text = await operator.get(f"/threads/{THREAD}/export")
    assert response.status == 200
    for words in (
        "This hub discloses no word of anybody", "3 entries are not in it", "11 of 11 entries shown, 0 left out",
        "sealed, 8 places", "The ladder can be replayed over all of them", 'aria-label="Leave out entry 7"',
    ):  # fmt: skip
        assert words in text, words
    assert "St Brannoc hospital trust" not in text and HOSTILE not in text
    assert console.looks == [("op", f"export preview {THREAD}")] and console.exports == []


def _sheet(text: str) -> str:
    found = re.search(r'name="sheet" value="([^"]*)"', text)
    assert found is not None
    return html.unescape(found[1])


async def test_entries_are_left_out_with_a_reason_and_a_label_and_may_be_shown_again(
    operator: Browser, console: FakeConsole
) -> None:
    await operator.get(f"/threads/{THREAD}/export")
    why = {
        "do": "add",
        "reason": "court-order",
        "by": "Court of Meridia",
        "order": "Order of 3 May 2031",
        "docket": "7/31",
    }
    response, text = await operator.post(
        f"/threads/{THREAD}/export", [*why.items(), ("withhold", "4"), ("withhold", "9")]
    )
    assert response.status == 200 and console.exports == []
    assert "9 of 11 entries shown, 2 left out" in text and "replayed up to entry 3" in text
    assert text.count("Order of 3 May 2031, 7/31") == 2
    other = {"do": "add", "reason": "life-safety", "by": HOSTILE, "sheet": _sheet(text), "withhold": "5"}
    _, text = await operator.post(f"/threads/{THREAD}/export", other)
    assert "3 left out" in text and "endanger" in text and HOSTILE not in text
    _, text = await operator.post(f"/threads/{THREAD}/export", {"do": "show 9", "sheet": _sheet(text)})
    assert "2 left out" in text
    response, _ = await operator.post(
        f"/threads/{THREAD}/export", {"do": "download", "sheet": _sheet(text), "upto": "11"}
    )
    assert console.upto == [11], "what was not in the preview does not go out"
    assert response.content_type == "application/zip"
    assert [(item.seq, item.reason, item.by, item.withheld) for item in console.withheld[-1]] == [
        (4, "court-order", "Court of Meridia", True),
        (5, "life-safety", HOSTILE, True),
    ]
    assert console.looks[-1] == ("op", f"export {THREAD} without 4 5")


async def test_nothing_is_left_out_without_reason_and_nothing_ticked_is_exported_by_mistake(
    operator: Browser, console: FakeConsole
) -> None:
    await operator.get(f"/threads/{THREAD}/export")
    path = f"/threads/{THREAD}/export"
    for form, words in (
        ({"do": "add", "reason": "other", "by": "AV"}, "Tick the entries"),
        ({"do": "add", "withhold": "4", "by": "AV"}, "Choose why"),
        ({"do": "add", "withhold": "4", "by": "AV", "reason": "not-in-source"}, "Choose why"),
        ({"do": "add", "withhold": "4", "reason": "other", "by": "  "}, "who decided"),
        ({"do": "add", "withhold": "4", "reason": "court-order", "by": "AV"}, "Name the court"),
        ({"do": "add", "withhold": "99", "reason": "other", "by": "AV"}, "does not have"),
        ({"do": "add", "withhold": "4", "reason": "other", "by": "A" * 201}, "too long"),
        ({"do": "download", "withhold": "4"}, "no reason was given"),
        ({"withhold": "4"}, "no reason was given"),
        ({"upto": "-1"}, "not whole"),
    ):
        response, text = await operator.post(path, form)
        assert (response.status, "Not done" in text) == (400, True), form
        assert words in text, form
    _, text = await operator.post(path, {"withhold": "4"})
    assert 'value="4" aria-label="Leave out entry 4" checked' in text, "what was ticked stays ticked"
    for sheet in ("{}", "nonsense", '{"v":1,"thread":"' + "B" * 22 + '","items":[]}'):
        response, _ = await operator.post(path, {"do": "download", "sheet": sheet})
        assert response.status == 400
    assert console.exports == []


async def test_an_unknown_or_malformed_incident_is_not_found(operator: Browser) -> None:
    for thread in ("B" * 22, "x", "%22%3E"):
        response, _ = await operator.get(f"/threads/{thread}")
        assert response.status == 404


async def test_hostile_names_are_words_in_the_drawing_too(operator: Browser) -> None:
    for path in (f"/threads/{THREAD}", "/log"):
        _, text = await operator.get(path)
        assert HOSTILE not in text
        assert "&lt;script&gt;" in text


async def test_a_ladder_that_grows_old_is_said_on_every_page_that_lists_incidents_or_shows_one(
    operator: Browser,
) -> None:
    for path, count in (("/overview", 2), ("/threads", 2), (f"/threads/{THREAD}", 1)):
        _, text = await operator.get(path)
        assert text.count("<strong>Agreement:</strong>") == count, path


async def test_clocks_whose_number_nobody_read_say_so_in_the_table_and_below_it(
    operator: Browser, console: FakeConsole
) -> None:
    _, text = await operator.get(f"/threads/{THREAD}")
    table = text[text.index('id="spans"') : text.index('id="entries"')]
    assert '<span aria-hidden="true">※</span> unverified</span>' in table
    assert "not been read again in its source" in table


async def test_the_drawing_has_a_title_a_description_and_a_table(operator: Browser) -> None:
    _, text = await operator.get(f"/threads/{THREAD}")
    assert 'aria-labelledby="drawing-title drawing-desc"' in text
    assert "The drawing as a table" in text
    assert 'class="stand-bar"' in text


async def test_the_drawing_keeps_every_mark_inside_its_frame(console: FakeConsole) -> None:
    trail = await console.trail(THREAD)
    assert trail is not None
    drawing = draw(trail, console.clock.now())
    assert all(bar.x >= LEFT and bar.x + bar.width <= WIDTH for bar in drawing.bars)
    assert all(bar.y < drawing.height for bar in drawing.bars)
    assert drawing.path.startswith("M")
    lines = {round(y) for y, _ in drawing.rungs}
    corners = re.findall(r"[ML][\d.]+ ([\d.]+)", drawing.path)
    assert {round(float(y)) for y in corners} <= lines
    assert len(set(corners)) == 4
    assert len({bar.y for bar in drawing.bars}) == len(drawing.bars)
    steps = drawing.path.count("L")
    assert steps == 2 * sum(span.kind == "rung" for span in trail.spans) - 1


async def test_a_thread_of_one_moment_is_drawn_without_failing(console: FakeConsole) -> None:
    trail = await console.trail(THREAD)
    assert trail is not None
    first = trail.entries[0].at
    bare = replace(trail, entries=(), spans=(), row=replace(trail.row, opened=first, last_at=first, closed=True))
    assert draw(bare, first).bars == ()


async def test_a_long_name_of_a_bar_takes_two_rows_and_is_not_cut(console: FakeConsole) -> None:
    trail = await console.trail(THREAD)
    assert trail is not None
    name = "Holding or substantive reply to the notice of the other side"
    spans = tuple(replace(span, lane=name) for span in trail.spans if span.kind == "clock")[:1]
    (bar,) = draw(replace(trail, spans=spans), console.clock.now()).bars
    assert " ".join(words for _, words in bar.label) == name
    assert [y - bar.y for y, _ in bar.label] == [6, 18]


async def test_the_log_page_says_in_words_how_the_log_does_and_who_is_behind(
    operator: Browser, console: FakeConsole
) -> None:
    _, text = await operator.get("/log")
    for words in (
        "A quorum is on its way", "a quorum needs 3", "2 missing", "never cosigned", "far behind: call its office",
        "forgot what it signed: retire it",
        '<span aria-hidden="true">●</span> level', "3 entries without a quorum for",
    ):  # fmt: skip
        assert words in text
    for given, words in (
        ({"waiting_since": T0 - HOUR}, "<strong>Late</strong>"),
        ({"waiting_since": None, "have": 3}, "<strong>In order</strong>"),
        ({"size": 0, "waiting_since": None, "witnesses": ()}, "names no witnesses"),
    ):
        console.health = log_health(**given)
        _, text = await operator.get("/log")
        assert words in text


async def test_the_log_page_says_how_old_the_newest_time_stamp_is_where_one_is_asked_for(
    operator: Browser, console: FakeConsole
) -> None:
    _, text = await operator.get("/log")
    assert "Time-stamps" not in text
    for stamps, words in (
        (StampHealth(0, None, None, False), "<strong>On its way</strong>: no authority"),
        (StampHealth(0, None, None, True), "<strong>Late</strong>: no authority"),
        (
            StampHealth(40, T0 - HOUR, T0 - HOUR - 500, False),
            "<strong>In order</strong>: entries up to 40 were stamped",
        ),
        (StampHealth(40, T0 - 50 * HOUR, T0 - 50 * HOUR, True), "<strong>Late</strong>: entries up to 40"),
    ):
        console.health = log_health(stamps=stamps)
        _, text = await operator.get("/log")
        assert words in text


async def test_a_search_is_in_the_address_and_each_search_is_a_look(operator: Browser, console: FakeConsole) -> None:
    console.looks.clear()
    response, text = await operator.get(
        f"/search?thread={THREAD[:6]}&office=KV&kind=update&from=2031-03-12T03:12&to=2031-03-12T04:12:30"
    )
    assert response.status == 200
    assert console.searches == [Search(THREAD[:6], "KV", "update", T0, T0 + HOUR + 30_000)]
    assert f'value="{THREAD[:6]}"' in text and '<option value="KV" selected>' in text
    assert f'href="/console/threads/{THREAD}#entry-14"' in text
    await operator.get("/search?office=AV")
    assert [what for _, what in console.looks] == [
        f"search thread={THREAD[:6]}&office=KV&kind=update&from=2031-03-12T03%3A12&to=2031-03-12T04%3A12%3A30",
        "search office=AV",
    ]


async def test_a_search_that_makes_no_sense_says_why_and_asks_the_hub_nothing(
    operator: Browser, console: FakeConsole
) -> None:
    for query, words in (
        ("thread=%3Cscript%3E", "named by its number"),
        ("office=ZZ", "no office ZZ"),
        ("kind=secret", "no kind of entry"),
        ("from=yesterday", "From is not a time"),
        ("to=9999999999999", "To is not a time"),
        ("to=2031-03-12T05:12%2B02:00&from=2031-03-12T03:12", "From must be before To"),
        ("from=2031-03-12T03:12&to=2031-03-12T03:12", "From must be before To"),
        ("before=-1", "not whole"),
    ):
        response, text = await operator.get(f"/search?{query}")
        assert response.status == 400, query
        assert words in text and "Not searched" in text
        assert "<script>" not in text.partition("<main")[2]
    assert console.searches == []


async def test_a_search_says_when_nothing_matches_and_leads_to_older_pages(
    operator: Browser, console: FakeConsole
) -> None:
    console.found = 0
    _, text = await operator.get("/search?office=AV")
    assert "Nothing matches." in text
    console.found = 6
    _, text = await operator.get("/search?office=AV")
    assert "More than 6" in text
    older = re.search(r'href="([^"]*before=\d+)"', text)
    assert older is not None
    response, text = await operator.get(older[1].removeprefix("/console").replace("&amp;", "&"))
    assert response.status == 200
    assert console.searches[-1].before == 109 and console.searches[-1].office == "AV"
    assert "To the newest" in text
    assert HOSTILE not in text


async def test_figures_say_what_they_count_and_of_how_many(operator: Browser, console: FakeConsole) -> None:
    console.looks.clear()
    _, text = await operator.get("/statistics")
    for words in (
        "Over 14 of 14 entries", "Answers timed", "its claim", "5 h", "1 d 5 h", "none yet", 'aria-labelledby="chart-title',
        "median 42 min, 90th percentile 5 h, worst 1 d 5 h, of 9 answers",
    ):  # fmt: skip
        assert words in text, words
    assert HOSTILE not in text and "Still counting" not in text
    console.counted = 9
    _, text = await operator.get(f"/threads/{THREAD}/statistics")
    assert "Still counting" in text
    for words in ("answered late", "ran out, not answered", "ELAPSED", "under 1 s"):
        assert words in text, words
    assert [what for _, what in console.looks] == ["statistics", f"statistics {THREAD}"]
    response, _ = await operator.get(f"/threads/{'B' * 22}/statistics")
    assert response.status == 404


async def test_a_hub_without_clocks_yet_says_so_instead_of_showing_zeros(
    operator: Browser, console: FakeConsole
) -> None:
    console.quiet = True
    _, text = await operator.get("/statistics")
    assert text.count("nothing to count") == 2 and "No clarification was requested yet." in text
    assert "<svg" not in text


def test_the_chart_keeps_every_mark_inside_its_frame_and_in_order() -> None:
    rows = tuple(
        ReplyFigures(f"Clock {n}", n, 0, 0, 0, 0, n, low, middle, high)
        for n, (low, middle, high) in enumerate(((0, 0, 0), (1, 900, 10**4), (10**5, 10**8, 10**10), (5, 5, 5)), 1)
    )
    chart = reply_chart((*rows, ReplyFigures("None", 0, 0, 1, 0, 0, 0, None, None, None)))
    assert chart is not None and len(chart.rows) == 4
    for row in chart.rows:
        assert chart.left <= row.median <= row.p90 <= row.worst <= chart.width - chart.right
        assert row.y < chart.height
    assert all(chart.left <= x <= chart.width - chart.right for x, _ in chart.ticks)
    assert reply_chart(()) is None
