"""Giving notice of a disclosure, and answering one, at the desk."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from protocols.kinds import KINDS
from tests.web.conftest import Browser
from tests.web.fakes import HOSTILE, THREAD, FakeDesk, all_entries, all_offers, eid, entry

PAGE = f"/threads/{THREAD}"
NOTICE = {"recipient": "court", "portions": [{"seq": 2, "fields": ["text"]}]}


@pytest.fixture
def desk() -> FakeDesk:
    notice = entry(18, "disclosure-notice", "KV", act=NOTICE, act_words="means to show to a court of entry 2: text")
    own = entry(19, "disclosure-notice", "AV", act=NOTICE)
    kind = KINDS["disclosure-consent"]
    others = tuple(offer for offer in all_offers() if offer.kind != kind.name)
    sample = next(offer for offer in all_offers() if offer.kind == kind.name)
    answer = replace(sample, act={"notice": notice.id, "agree": False})
    return FakeDesk(entries=(*all_entries(), notice, own), offers=(*others, answer))


async def test_a_notice_has_the_answer_beside_it_and_ones_own_has_not(officer: Browser) -> None:
    _, text = await officer.get(PAGE)
    assert "means to show to a court of entry 2: text" in text
    links = set(re.findall(r'href="[^"]*write=disclosure-consent[^"]*entry=([^"&#]+)', text))
    assert links == {eid(18)}


async def test_the_answer_is_a_choice_that_nobody_made_beforehand(officer: Browser) -> None:
    _, text = await officer.get(f"{PAGE}?write=disclosure-consent&entry={eid(18)}")
    assert 'for="f-agree"' in text
    assert re.search(r'<select id="f-agree" name="agree" required[^>]*>\s*<option value=""', text)
    assert 'aria-describedby="hint-agree"' in text
    assert f'name="notice" value="{eid(18)}"' in text


async def test_every_readable_field_of_every_message_can_be_ticked_and_nothing_is_beforehand(officer: Browser) -> None:
    _, text = await officer.get(f"{PAGE}?write=disclosure-notice")
    values = re.findall(r'<input type="checkbox" name="portions" value="([^"]+)"( checked)?>', text)
    assert ("2:text", "") in values
    assert ("2:harm", "") in values
    assert all(not ticked for _, ticked in values)
    assert HOSTILE not in text
    fields = {f"{each.seq}:{name}" for each in all_entries() for name in each.fields or {}}
    assert {value for value, _ in values} == fields


@pytest.mark.parametrize(
    "typed",
    [
        [("to", "court")],
        [("to", ""), ("portions", "2:text")],
        [("to", "friend"), ("portions", "2:text")],
        [("to", "court"), ("portions", "99:text")],
        [("to", "court"), ("portions", "2:secret")],
    ],
)
async def test_a_notice_of_nothing_or_to_nobody_is_not_sent(
    officer: Browser, desk: FakeDesk, typed: list[tuple[str, str]]
) -> None:
    await officer.get(PAGE)
    common = [("kind", "disclosure-notice"), ("client_id", "c"), ("read_to", "14"), ("precedence", "ROUTINE")]
    _, text = await officer.post(f"{PAGE}/send", [*common, ("tlp", "RED"), *typed])
    assert "problem-text" in text
    assert not [call for call in desk.calls if call[0] == "send"]


@pytest.mark.parametrize("agree", ["", "maybe"])
async def test_an_answer_that_nobody_chose_is_not_taken_for_a_no(officer: Browser, desk: FakeDesk, agree: str) -> None:
    await officer.get(PAGE)
    typed = [
        ("kind", "disclosure-consent"),
        ("notice", eid(18)),
        ("agree", agree),
        ("client_id", "c"),
        ("read_to", "14"),
    ]
    _, text = await officer.post(f"{PAGE}/send", [*typed, ("precedence", "ROUTINE"), ("tlp", "RED")])
    assert "problem-text" in text
    assert not [call for call in desk.calls if call[0] == "send"]
