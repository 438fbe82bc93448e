from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from hotline.station.views import Change, DueView, Outcome
from protocols.kinds import KINDS
from tests.web.conftest import Browser
from tests.web.fakes import HOSTILE, PASSPHRASE, STANDSTILL, T0, THREAD, UNTIL, FakeDesk, eid, entry
from web.desk.shortcuts import SHORTCUTS

PAGE = f"/threads/{THREAD}"


async def test_hostile_words_are_shown_as_words(officer: Browser, desk: FakeDesk) -> None:
    for path in ("/", PAGE, "/journal"):
        _, text = await officer.get(path)
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        assert "&lt;script&gt;alert" in text
    await officer.post(f"{PAGE}/send", {"kind": "statement", "subject": HOSTILE, "text": ""})
    _, text = await officer.post(f"{PAGE}/send", {"kind": "statement", "subject": HOSTILE, "text": ""})
    assert 'value="&lt;script&gt;' in text
    assert HOSTILE not in text


async def test_peoples_words_find_their_own_direction(officer: Browser) -> None:
    _, text = await officer.get(PAGE)
    assert re.search(r'lang="ar">\s*<div class="text" dir="auto">نؤكد', text)
    assert "<bdi>Kostrava</bdi>" in text


async def test_an_exercise_says_so_in_its_first_and_last_line(officer: Browser, desk: FakeDesk) -> None:
    _, text = await officer.get(PAGE)
    assert text.count("EXERCISE EX-STBRANNOC-01 EXERCISE") == 2
    desk.status = "ACTUAL"
    _, text = await officer.get(PAGE)
    assert "EXERCISE EX-" not in text


async def test_a_forbidden_step_is_visible_with_reason_rule_and_countdown(officer: Browser) -> None:
    _, text = await officer.get(PAGE)
    ladder = text[text.index('id="ladder-body"') :]
    assert "Call an inquiry" in ladder
    assert STANDSTILL in ladder
    assert "cpci-default/standstill/L6-inquiry" in ladder
    assert f'data-countdown="{UNTIL}">71:59:30' in ladder


async def test_a_refused_step_shows_rule_and_time_left_and_keeps_the_words(officer: Browser, desk: FakeDesk) -> None:
    await officer.get("/")
    typed = {"kind": "step-request", "step": "L6-inquiry", "text": "We insist.", "client_id": "c-1"}
    response, text = await officer.post(f"{PAGE}/send", typed)
    assert response.status == 409
    assert "Refused. Nothing was sent." in text
    assert STANDSTILL in text
    assert "cpci-default/standstill/L6-inquiry" in text
    assert "ladder.standstill" in text
    assert "15 Mar 03:11:30Z" in text
    assert "We insist.</textarea>" in text
    # A second try is a new try, not the first one's outcome again.
    assert 'name="client_id" value="c-1"' not in text


async def test_a_form_sent_twice_carries_one_id(officer: Browser, desk: FakeDesk) -> None:
    _, text = await officer.get(f"{PAGE}?write=statement")
    form = text[text.index('id="compose"') :]
    [client_id] = set(re.findall(r'name="client_id" value="([^"]+)"', form))
    for _ in range(2):
        await officer.post(f"{PAGE}/send", {"kind": "statement", "text": "x", "client_id": client_id})
    assert [given["client_id"] for name, given in desk.calls if name == "send"] == [client_id, client_id]


async def test_half_written_words_come_back(officer: Browser, desk: FakeDesk) -> None:
    await officer.get("/")
    draft = {"key": "statement", "values": {"text": ["Half a sen"], "kind": ["statement"], "client_id": ["c"]}}
    headers = {"Origin": officer.origin, "X-Hotline-CSRF": officer.csrf, "Content-Type": "application/json"}
    response = await officer.client.post(f"{PAGE}/scratch", data=json.dumps(draft), headers=headers)
    assert response.status == 204
    assert desk.kept["kid-ana", THREAD, "statement"] == {"text": ["Half a sen"]}
    _, text = await officer.get(f"{PAGE}?write=statement")
    assert "Half a sen</textarea>" in text
    _, other = await officer.get(f"{PAGE}?write=goodwill-note")
    assert "Half a sen" not in other


async def test_the_newest_save_of_a_page_wins_whichever_comes_first(officer: Browser, desk: FakeDesk) -> None:
    _, text = await officer.get(f"{PAGE}?write=statement")
    assert 'name="draft" value=""' in text
    headers = {"Origin": officer.origin, "X-Hotline-CSRF": officer.csrf, "Content-Type": "application/json"}

    async def save(text: str, page: str, number: int, base: str) -> int:
        draft = {"key": "statement", "values": {"text": [text]}, "page": page, "number": number, "base": base}
        response = await officer.client.post(f"{PAGE}/scratch", data=json.dumps(draft), headers=headers)
        return response.status

    def kept() -> str:
        return str(desk.kept["kid-ana", THREAD, "statement"]["text"][0])

    async def newest() -> str:
        return str((await (await officer.client.get(f"{PAGE}/scratch?key=statement")).json())["version"])

    assert await newest() == ""
    assert await save("second", "a", 2, "") == 204
    assert await save("first", "a", 1, "") == 204
    assert kept() == "second" and await newest() == "a.2"
    assert await save("from a page of before", "b", 7, "") == 409
    assert kept() == "second"
    assert await save("second", "b", 7, "") == 204, "the same words are no conflict"
    assert await save("on top of them", "c", 1, "b.7") == 204
    assert await save("too late", "a", 3, "") == 409
    assert kept() == "on top of them" and await newest() == "c.1"
    _, text = await officer.get(f"{PAGE}?write=statement")
    assert 'name="draft" value="c.1"' in text
    desk.outcome = Outcome(False, "refused", code="x.y", sentence="No.")
    form = {"kind": "statement", "text": "from a form of before", "client_id": "b", "draft": "b.7"}
    _, text = await officer.post(f"{PAGE}/send", form)
    assert kept() == "on top of them" and 'name="draft" value="b.7"' in text
    _, text = await officer.post(f"{PAGE}/send", {**form, "client_id": "d", "draft": "c.1"})
    assert kept() == "from a form of before"
    desk.outcome = Outcome(True, "queued", id="o", thread=THREAD)
    await officer.post(f"{PAGE}/send", {**form, "client_id": "d", "draft": "c.1"})
    assert desk.kept["kid-ana", THREAD, "statement"] == {}
    assert await save("late", "d", 9, "c.1") == 204
    assert await save("late", "c", 9, "c.1") == 409
    assert desk.kept["kid-ana", THREAD, "statement"] == {}, "what was sent does not come back"


async def test_words_are_kept_until_the_station_has_them(officer: Browser, desk: FakeDesk) -> None:
    await officer.get("/")
    desk.outcome = Outcome(False, "refused", code="x.y", sentence="No.")
    await officer.post(f"{PAGE}/send", {"kind": "statement", "text": "Keep me"})
    assert desk.kept["kid-ana", THREAD, "statement"]["text"] == ["Keep me"]
    desk.outcome = Outcome(True, "queued", id="o", thread=THREAD)
    response, text = await officer.post(f"{PAGE}/send", {"kind": "statement", "text": "Keep me"})
    assert desk.kept["kid-ana", THREAD, "statement"] == {}
    assert response.url.query["done"] == "queued"
    assert "Safe on this station" in text


async def test_a_quiet_line_is_not_shown_as_a_live_one(officer: Browser, desk: FakeDesk) -> None:
    desk.line = replace(desk.line, state="quiet", since=T0 - 12_000, confirmed=T0 - 12_000)
    _, text = await officer.get("/")
    line = text[text.index('<section id="line"') : text.index("</section>", text.index('<section id="line"'))]
    assert 'data-state="quiet"' in line and "line-live" not in line and "●" not in line and "○" in line
    assert re.search(r"Quiet: hub not heard</strong> since 12 Mar 03:11:48Z\s*\(<span[^>]*>12 s</span>\)", line)


async def test_rubbish_as_a_draft_is_refused(officer: Browser) -> None:
    await officer.get("/")
    headers = {"Origin": officer.origin, "X-Hotline-CSRF": officer.csrf}
    for rubbish in (b"", b"{", b"\xff\xfe", b'{"key": 1}', b'{"key": "a", "values": {"b": 3}}', b"[]"):
        response = await officer.client.post(f"{PAGE}/scratch", data=rubbish, headers=headers)
        assert response.status == 400, rubbish


async def test_drafts_are_released_by_another_officer_only(officer: Browser, desk: FakeDesk) -> None:
    _, text = await officer.get(PAGE)
    assert f"{PAGE}/pending/p1/release" in text
    assert f"{PAGE}/pending/p2/release" not in text
    assert "You drafted this: another officer must release it." in text
    await officer.post(f"{PAGE}/pending/p1/release", {"precedence": "FLASH"})
    await officer.post(f"{PAGE}/pending/p1/discard")
    await officer.post(f"{PAGE}/pending/p5/retry")
    assert desk.calls[-3:] == [
        ("release", ("kid-ana", "p1", "FLASH")),
        ("discard", ("kid-ana", "p1")),
        ("retry", ("kid-ana", "p5")),
    ]


async def test_a_release_that_is_refused_says_why(officer: Browser, desk: FakeDesk) -> None:
    await officer.get("/")
    desk.outcome = Outcome(False, "refused", code="ladder.x", sentence="Not by you.", until=UNTIL)
    response, text = await officer.post(f"{PAGE}/pending/p1/release")
    assert response.status == 409
    assert "Not by you." in text
    assert "71:59:30" in text


async def test_every_state_of_an_entry_is_in_words(officer: Browser) -> None:
    _, text = await officer.get(PAGE)
    for word in (
        "crossed with 7", "superseded by 9", "Sealed. This station may not read it", "handed over to us", "line down",
        "silent", "holding", "declined", "log proof pending", "here now", "TLP:AMBER+STRICT", "FLASH",
        "waiting for receipt", "ran out", "◷</span> <strong><bdi>Reply to the notice", "answered late",
        "Refused: not sent", "Waiting to go out", "waits for a second officer",
    ):  # fmt: skip
        assert word in text, word


async def test_clocks_whose_number_nobody_read_say_so_beside_their_title_and_what_that_means(officer: Browser) -> None:
    _, text = await officer.get(PAGE)
    clocks = text[text.index('id="clocks-body"') : text.index('id="mediators"')]
    for shape, word in (("※", "unverified"), ("≈", "inferred")):
        assert f'<span aria-hidden="true">{shape}</span> {word}</span>' in clocks
        assert clocks.count(word) == 2  # beside the clock, and explained below
    assert "not been read again in its source" in clocks
    assert "title=" not in clocks


async def test_a_ladder_that_grows_old_is_said_where_incidents_are_listed_and_where_one_runs_under_it(
    officer: Browser,
) -> None:
    _, text = await officer.get("/")
    assert text.count("<strong>Agreement:</strong>") == 2
    _, text = await officer.get(PAGE)
    assert text.count("<strong>Agreement:</strong>") == 1
    assert "&lt;script&gt;" in text[text.index('id="aging"') :][:400]


async def test_what_we_have_in_hand_is_not_asked_for_again(officer: Browser) -> None:
    _, text = await officer.get(PAGE)
    seventh = text[text.index('id="e7"') : text.index('id="e8"')]
    assert "I have it" not in seventh
    twelfth = text[text.index('id="e12"') : text.index('id="e13"')]
    assert "I have it" in twelfth


async def test_i_have_it_is_one_click(officer: Browser, desk: FakeDesk) -> None:
    _, text = await officer.get(PAGE)
    form = re.search(
        rf'<form[^>]*>(?:(?!</form>).)*value="acknowledgement"(?:(?!</form>).)*{eid(12)}.*?</form>', text, re.S
    )
    assert form is not None
    values = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form[0]))
    await officer.post(f"{PAGE}/send", values)
    assert desk.sent()["act"] == {"entry": eid(12)}


async def test_the_line_says_since_when_it_is_cut(officer: Browser, desk: FakeDesk) -> None:
    desk.line = replace(desk.line, state="offline", since=T0 - 240_000, alarms=("Heads differ. Use the phone.",))
    _, text = await officer.get("/")
    assert "Line cut</strong> since 12 Mar 03:08:00Z" in text
    assert re.search(r">4 min</span>\), trying again\. What you see may be old", text)
    desk.line = replace(desk.line, confirmed=None)
    assert "No line</strong> since 12 Mar 03:08:00Z" in (await officer.get("/"))[1]
    assert "2 waiting to go out" in text
    assert "Heads differ. Use the phone." in text


OURS = DueView("reply/2", "Reply to the notice", "AV", True, T0 + 91_000)
THEIRS = DueView("clarify", "Answers to all questions", "KV", False, T0 - 330_000, "unverified")


async def test_what_is_owed_stands_before_the_standstill_in_the_list_and_on_the_incident(
    officer: Browser, desk: FakeDesk
) -> None:
    desk.due = (OURS, THEIRS)
    _, text = await officer.get("/")
    first = text[text.index('<p class="when">') :].split("</p>", 1)[0]
    ours, theirs, still = (first.index(words) for words in ("We owe", "<bdi>Kostrava</bdi> owes", "Standstill"))
    assert ours < theirs < still
    assert "<bdi>Reply to the notice</bdi>" in first and 'data-countdown="1931051611000">00:01:31' in first
    assert "overdue by <span" in first[theirs:still] and ">5 min 30 s<" in first[theirs:still]
    assert first.count("Answers to all questions") == 1, "the next clock is the one that is owed"
    _, text = await officer.get(PAGE)
    status = text[text.index('id="status"') : text.index('id="parting"')]
    assert status.index("We owe") < status.index("Kostrava</bdi> owes") < status.index("Level 4") < status.index("‖")
    assert "was due <time" in status and "Next clock" not in status and "none running" not in status


async def test_what_is_owed_does_not_vanish_when_it_is_overdue(officer: Browser, desk: FakeDesk) -> None:
    desk.due = (replace(OURS, end=T0 - 1_000),)
    desk.clocks = ()
    for path in ("/", PAGE):
        _, text = await officer.get(path)
        assert re.search(r'class="due is-over".*?▲</span> overdue by <span data-age="\d+">1 s<', text, re.S), path
    desk.due = tuple(replace(OURS, id=f"reply/{number}") for number in range(5))
    _, text = await officer.get("/")
    assert "and 3 more owed" in text


async def test_with_our_own_line_cut_no_office_is_said_to_be_on_it(officer: Browser, desk: FakeDesk) -> None:
    _, text = await officer.get("/")
    table = text[text.index('id="offices"') :]
    assert "on the line <span" in table and "Our own line" not in table
    desk.line = replace(desk.line, state="reconnecting", since=T0 - 53_000)
    _, text = await officer.get("/")
    table = text[text.index('id="offices"') :]
    assert table.startswith('id="offices" data-swap data-ages')
    assert "Our own line is down</strong> since 12 Mar 03:11:07Z" in table
    ours, kostrava, meridia, halden = (cell for cell in re.findall(r'<td class="office-line.*?</td>', table, re.S))
    assert '✕</span> off the line <span class="muted">since 12 Mar 03:11:07Z' in ours
    for other in (kostrava, meridia, halden):
        assert "?</span> not known" in other and "●" not in other
    assert "when last heard: off the line since 12 Mar 03:08:00Z" in kostrava
    assert "when last heard: on the line since 12 Mar 02:12:00Z" in meridia
    assert "when last heard" not in halden


async def test_a_clock_that_is_level_with_the_hubs_has_no_sign(officer: Browser, desk: FakeDesk) -> None:
    for offset, words in ((-30, "0.0"), (30, "0.0"), (-60, "-0.1"), (400, "+0.4")):
        desk.line = replace(desk.line, offset=offset)
        _, text = await officer.get("/")
        assert f"hub clock {words} s against" in text


async def test_a_closed_incident_is_called_so_once(officer: Browser, desk: FakeDesk) -> None:
    desk.closed = "Closed"
    for path in ("/", PAGE):
        _, text = await officer.get(path)
        shown = re.sub(r"<[^>]*>", " ", text[text.index("<main") :].split('id="parting"')[0])
        first = shown.split("Open an incident")[0].split("unread")[0]
        assert len(re.findall(r"\bclosed\b", first, re.IGNORECASE)) == 1, first
    desk.closed = "Filed away"
    for path in ("/", PAGE):
        _, text = await officer.get(path)
        assert "closed</strong>" in text or "<br>closed" in text


async def test_an_incident_is_opened_with_the_other_party(officer: Browser, desk: FakeDesk) -> None:
    _, text = await officer.get("/")
    assert '<option value="KV"' in text
    assert '<option value="MD"' not in text
    response, _ = await officer.post("/open", {"title": "Dam", "counterpart": "KV", "ladder": "cpci-default"})
    assert desk.calls[-1] == ("open", ("kid-ana", "KV", "cpci-default", "Dam"))
    assert response.url.path == PAGE
    desk.outcome = Outcome(False, "refused", code="a.b", sentence="No station of Kostrava is known.")
    response, text = await officer.post("/open", {"title": "Dam", "counterpart": "KV", "ladder": "cpci-default"})
    assert response.status == 409
    assert "No station of Kostrava is known." in text
    assert 'value="Dam"' in text


async def test_an_unknown_incident_is_said_in_words(officer: Browser) -> None:
    response, text = await officer.get("/threads/nonsense")
    assert response.status == 404
    assert "This station holds no such incident" in text


async def test_help_and_handlers_come_from_one_table(officer: Browser) -> None:
    _, text = await officer.get("/help")
    _, script = await officer.get("/static/shortcuts.js")
    for shortcut in SHORTCUTS:
        assert f"<kbd>{shortcut.keys}</kbd></td><td>{shortcut.words}" in text
        assert re.search(rf'["\s]{shortcut.does}"?: \(', script), shortcut.does


async def test_the_socket_gives_the_hubs_time_and_hints_without_content(officer: Browser, desk: FakeDesk) -> None:
    async with officer.client.ws_connect("/live", headers={"Origin": officer.origin}) as socket:
        assert await socket.receive_json(timeout=5) == {"now": T0}
        while not desk.listeners:
            await socket.send_str("time")
            await socket.receive_json(timeout=5)
        desk.tell(Change(THREAD, "entry", alarm=True))
        assert await socket.receive_json(timeout=5) == {"now": T0, "changed": THREAD, "what": "entry", "alarm": True}
        await socket.send_str("rubbish")
        await socket.send_str("time")
        assert await socket.receive_json(timeout=5) == {"now": T0}
    while desk.listeners:
        await officer.get("/help")


async def test_the_passphrase_is_never_shown_again(stranger: Browser, desk: FakeDesk) -> None:
    desk.unlocked = False
    await stranger.login()
    _, text = await stranger.post("/unlock", {"passphrase": PASSPHRASE.decode() + "x"})
    assert PASSPHRASE.decode() not in text


async def test_a_form_whose_offer_is_gone_leads_to_the_incident_and_says_so(officer: Browser, desk: FakeDesk) -> None:
    address = f"{PAGE}?write=step-accept&step=return-L3&entry={eid(14)}"
    assert "Accept the step" in (await officer.get(address))[1]
    desk.offers = tuple(offer for offer in desk.offers if offer.kind != "step-accept")
    response, text = await officer.get(address)
    assert response.status == 200 and "is not open to you in this incident now" in text
    assert 'id="compose"' not in text and 'id="offers"' in text
    response, _ = await officer.get(f"{PAGE}?write=rubbish")
    assert response.status == 404


async def test_each_note_on_an_entry_has_its_own_mark(officer: Browser, desk: FakeDesk) -> None:
    late = "the hub noted it 3 s after its time"
    desk.entries = (*desk.entries, entry(15, "clock-expired", "HUB", officers=(), notes=(late,)))
    _, text = await officer.get(PAGE)
    for mark, words in (("⇄", "crossed with 7"), ("↻", "superseded by 9"), ("◷", late)):
        assert f'<span aria-hidden="true">{mark}</span> {words}' in text


async def test_the_list_says_what_runs_out_next_and_tells_two_ladders_apart(officer: Browser) -> None:
    _, text = await officer.get("/")
    assert re.search(r"<bdi>Joint lessons learned</bdi>: <span class=.countdown", text)
    assert (
        "Default ladder for civilian infrastructure incidents (<code>cpci-default</code>, clocks 60 times faster)"
        in text
    )


async def test_fields_of_any_type_keep_the_page_open(officer: Browser, desk: FakeDesk) -> None:
    strange: list[object] = [10**30, -(10**30), True, None, [], [[1], {"a": [None]}], {"b": {"c": 1}}, "", "x"]
    for kind in ("update", "clarification-request", "clarification-answer", "proposal", "incident-notice"):
        for value in strange:
            names = dict.fromkeys(KINDS[kind].fields, value)
            desk.entries = tuple(replace(each, fields=names) if each.kind == kind else each for each in desk.entries)
            response, _ = await officer.get(PAGE)
            assert response.status == 200, (kind, value)


async def test_what_was_acknowledged_and_not_answered_stands_in_the_list_and_on_the_page(
    officer: Browser, desk: FakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = FakeDesk.summary
    monkeypatch.setattr(FakeDesk, "summary", lambda self: replace(real(self), unanswered=2))
    _, listed = await officer.get("/")
    assert "2 not answered" in listed
    _, page = await officer.get(f"/threads/{THREAD}")
    assert "2 acknowledged by us and not answered" in page
