"""Every kind an officer can write: what is typed becomes exactly this act and these fields."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from protocols.kinds import KINDS, Author, check_fields, parse_act
from tests.web.conftest import Browser
from tests.web.fakes import THREAD, FakeDesk, all_entries, eid, entry

Form = list[tuple[str, str]]

WORDS = {"text": "Words.", "language": "en"}
TEXT: Form = [("text", "Words."), ("language", "en")]

NOTICE = {"recipient": "court", "portions": [{"seq": 2, "fields": ["text"]}]}

CASES: dict[str, tuple[Form, dict[str, Any], dict[str, Any]]] = {
    "incident-notice": (
        [*TEXT, ("subject", "S"), ("severity", "severe"), ("harm-people", "1140"), ("harm-since", ""),
         ("asks", "One\r\n\r\n Two "), ("next", "Ask.")],
        {},
        {**WORDS, "subject": "S", "severity": "severe", "harm": {"people": "1140"}, "asks": ["One", "Two"], "next": "Ask."},
    ),
    "update": ([*TEXT, ("supersedes", eid(2))], {"supersedes": eid(2)}, WORDS),
    "statement": (TEXT, {}, WORDS),
    "acknowledgement": ([("entry", eid(12))], {"entry": eid(12)}, {}),
    "holding-reply": (
        [*TEXT, ("entry", eid(12)), ("next_word", "2031-03-12T20:00")],
        {"entry": eid(12)},
        {**WORDS, "next_word": 1_931_112_000_000},
    ),
    "clarification-request": (
        [("question", "One?"), ("question", " "), ("question", "Two?"), ("preservation", "yes"), ("preserve", "Logs"),
         ("language", "en"), ("text", "")],
        {"questions": 2, "preservation": True},
        {"questions": ["One?", "Two?"], "preserve": "Logs", "language": "en"},
    ),
    "clarification-answer": (
        [("entry", eid(12)), ("state-0", "answered"), ("answer-0", "These."), ("state-1", "refused"), ("answer-1", "")],
        {"entry": eid(12), "answers": ["answered", "refused"]},
        {"answers": ["These.", ""]},
    ),
    "authenticity-query": ([*TEXT, ("claim", "From: x")], {}, {**WORDS, "claim": "From: x"}),
    "authenticity-answer": ([("entry", eid(15)), ("verdict", "not-ours")], {"entry": eid(15), "verdict": "not-ours"}, {}),
    "goodwill-note": (TEXT, {}, WORDS),
    "public-safety-notice": (TEXT, {}, WORDS),
    "step-request": ([*TEXT, ("step", "L5-mediation")], {"step": "L5-mediation"}, WORDS),
    "step-accept": (
        [("step", "return-L3"), ("request", eid(14)), ("about", eid(14)), ("language", "en")],
        {"request": eid(14), "step": "return-L3"},
        {},
    ),
    "step-decline": (
        [("step", "return-L3"), ("request", eid(14)), ("reason", "Too early.")],
        {"request": eid(14), "step": "return-L3"},
        {"reason": "Too early."},
    ),
    **{
        kind: (
            [("step", "return-L3"), ("request", eid(14)), ("text", "")],
            {"request": eid(14), "step": "return-L3"},
            {},
        )
        for kind in ("second", "block")
    },
    "extension": (
        [("clock", "clarify"), ("until", "2031-03-13T00:00:00")],
        {"clock": "clarify", "until": 1_931_126_400_000},
        {},
    ),
    "session-open": ([("entry", eid(14))], {"entry": eid(14)}, {}),
    "carve-out-notice": ([*TEXT, ("ground", "public-safety")], {"ground": "public-safety"}, WORDS),
    "breach-report": ([*TEXT, ("verifier", "HD"), ("evidence", "E")], {"verifier": "HD"}, {**WORDS, "evidence": "E"}),
    "finding": (
        [*TEXT, ("entry", eid(16)), ("finding", "accidental"), ("indicators", "I")],
        {"entry": eid(16), "finding": "accidental"},
        {**WORDS, "indicators": "I"},
    ),
    "close": ([("indicators", "99.4 %")], {}, {"indicators": "99.4 %"}),
    "default-appointment": ([], {}, {}),  # the roster's order decides; a body that chooses has its own test
    "mediator-acceptance": (TEXT, {}, WORDS),
    "declaration": ([*TEXT, ("interests", "8 %")], {}, {**WORDS, "interests": "8 %"}),
    "objection": (
        [("mediator", "MD"), ("co_mediator", "HD"), ("reason", "R")],
        {"mediator": "MD", "co_mediator": "HD"},
        {"reason": "R"},
    ),
    "objection-answer": ([("objection", eid(17)), ("agree", "no")], {"objection": eid(17), "agree": False}, {}),
    "waiver": ([("mediators", "MD"), ("mediators", "HD")], {"mediators": ["MD", "HD"]}, {}),
    "admission": (
        [("mediators", "MD"), ("from_rung", "L3-experts"), ("entries", eid(7)), ("entries", eid(2))],
        {"mediators": ["MD"], "scope": {"from_rung": "L3-experts", "entries": [eid(2), eid(7)]}},
        {},
    ),
    "withdrawal": ([("mediator", "MD"), ("reason", "R")], {"mediator": "MD"}, {"reason": "R"}),
    "proposal": (
        [("text-en", "Both."), ("text-ar", "كلا")],
        {"version": 3, "languages": ["en", "ar"]},
        {"text": {"en": "Both.", "ar": "كلا"}},
    ),
    "disclosure-notice": (
        [("to", "court"), ("portions", "15:text"), ("portions", "2:text"), ("portions", "2:harm"), ("made", "yes"),
         ("addressee", "High Court, HC-44")],
        {
            "recipient": "court",
            "portions": [{"seq": 2, "fields": ["harm", "text"]}, {"seq": 15, "fields": ["text"]}],
            "made": True,
        },
        {"addressee": "High Court, HC-44"},
    ),
    "disclosure-consent": ([("notice", eid(18)), ("agree", "no")], {"notice": eid(18), "agree": False}, {}),
    "proposal-accept": ([("proposal", eid(13))], {"proposal": eid(13), "version": 2}, {}),
    "proposal-refuse": ([("proposal", eid(13)), ("reason", "R")], {"proposal": eid(13), "version": 2}, {"reason": "R"}),
}  # fmt: skip


def test_every_kind_an_officer_writes_has_a_case() -> None:
    written = {kind.name for kind in KINDS.values() if kind.author is Author.OFFICER}
    assert written - set(CASES) == {"nomination", "public-attribution"}


@pytest.fixture
def desk() -> FakeDesk:
    more = (
        entry(15, "authenticity-query", "KV", fields={"text": "You?"}),
        entry(16, "breach-report", "AV", fields={"text": "Scan."}),
        entry(17, "objection", "KV", act={"mediator": "MD"}, fields={"reason": "R"}),
        entry(18, "disclosure-notice", "KV", act=NOTICE),
    )
    return FakeDesk(entries=(*all_entries(), *more))


@pytest.mark.parametrize("kind", CASES)
async def test_what_is_typed_becomes_the_act_and_fields(officer: Browser, desk: FakeDesk, kind: str) -> None:
    typed, act, fields = CASES[kind]
    await officer.get("/")
    common = [("kind", kind), ("client_id", "c-1"), ("read_to", "14"), ("precedence", "PRIORITY"), ("tlp", "RED")]
    response, text = await officer.post(f"/threads/{THREAD}/send", [*common, *typed])
    assert response.status == 200, text
    assert desk.sent() == {
        "officer": "kid-ana", "thread": THREAD, "kind": kind, "act": act, "fields": fields,
        "precedence": "PRIORITY", "tlp": "RED", "read_to": 14, "client_id": "c-1",
    }  # fmt: skip
    parse_act(KINDS[kind], act)
    check_fields(KINDS[kind], fields)


async def test_a_nomination_is_handed_to_the_station_to_seal(officer: Browser, desk: FakeDesk) -> None:
    await officer.get("/")
    typed = [("kind", "nomination"), ("nominees", "HD"), ("nominees", ""), ("nominees", "MD")]
    await officer.post(f"/threads/{THREAD}/send", typed)
    assert desk.calls[-1] == ("nominate", ("kid-ana", THREAD, ("HD", "MD")))


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.author is not Author.OFFICER])
async def test_what_stations_and_hub_write_cannot_be_posted(officer: Browser, desk: FakeDesk, kind: str) -> None:
    await officer.get("/")
    response, _ = await officer.post(f"/threads/{THREAD}/send", {"kind": kind, "text": "x"})
    assert response.status == 409
    assert all(name != "send" for name, _ in desk.calls)


@pytest.mark.parametrize(
    ("kind", "typed", "sentence"),
    [
        ("statement", {"text": "  "}, "Fill in: text."),
        ("clarification-request", {"question": ""}, "at least one question"),
        ("clarification-answer", {"entry": eid(12), "state-0": "maybe"}, "question 1: answered, later or refused"),
        ("clarification-answer", {"entry": eid(12), "state-0": "answered", "state-1": "later"}, "there is no answer"),
        ("extension", {"clock": "clarify", "until": "tomorrow"}, "Write the time as"),
        ("finding", {"text": "x", "entry": eid(16), "finding": "guilty"}, "Choose: finding"),
        ("acknowledgement", {"entry": "nonsense"}, "Choose"),
        ("nomination", {"nominees": ""}, "at least one"),
        ("admission", {"from_rung": "L3-experts"}, "at least one"),
        ("no-such-kind", {"text": "x"}, "does not know"),
    ],
)
async def test_what_cannot_be_sent_is_said_and_what_was_typed_stays(
    officer: Browser, desk: FakeDesk, kind: str, typed: dict[str, str], sentence: str
) -> None:
    await officer.get("/")
    response, text = await officer.post(f"/threads/{THREAD}/send", {"kind": kind, "subject": "My subject", **typed})
    assert response.status in (409, 422)
    assert sentence in text
    assert all(name not in ("send", "nominate") for name, _ in desk.calls)
    if kind in KINDS and "subject" in KINDS[kind].fields:
        assert 'value="My subject"' in text


async def test_more_question_lines_can_be_had_without_scripts(officer: Browser, desk: FakeDesk) -> None:
    await officer.get("/")
    typed = [("kind", "clarification-request"), ("do", "more"), *[("question", f"Q{n}?") for n in range(5)]]
    _, text = await officer.post(f"/threads/{THREAD}/send", typed)
    assert text.count('name="question"') == 8
    assert "Q4?" in text
    assert all(name != "send" for name, _ in desk.calls)


def with_act(desk: FakeDesk, kind: str, act: dict[str, Any], *evidence: str) -> None:
    """Let the ladder have tried ``kind`` with ``act``; a step may rest on ``evidence``, by kind."""
    named = tuple((each, KINDS[each].title) for each in evidence)
    desk.offers = tuple(
        replace(offer, act=act, evidence=named) if offer.kind == kind else offer for offer in desk.offers
    )


async def test_what_the_ladder_tried_is_a_first_choice_and_no_must(officer: Browser, desk: FakeDesk) -> None:
    with_act(desk, "proposal-accept", {"proposal": eid(13), "version": 2})
    _, text = await officer.get(f"/threads/{THREAD}?write=proposal-accept")
    assert f'<option value="{eid(13)}" selected>' in text
    await officer.post(f"/threads/{THREAD}/send", {"kind": "proposal-accept", "proposal": eid(11)})
    assert desk.sent()["act"] == {"proposal": eid(11), "version": 1}


async def test_what_the_officer_pointed_at_is_fixed(officer: Browser, desk: FakeDesk) -> None:
    with_act(desk, "holding-reply", {"entry": eid(2)})
    _, text = await officer.get(f"/threads/{THREAD}?write=holding-reply&entry={eid(12)}")
    assert f'type="hidden" name="entry" value="{eid(12)}"' in text
    typed = {"kind": "holding-reply", "about": eid(12), "entry": eid(9), "text": "Soon."}
    await officer.post(f"/threads/{THREAD}/send", typed)
    assert all(name != "send" for name, _ in desk.calls)


async def test_a_blank_example_leaves_every_choice_open(officer: Browser, desk: FakeDesk) -> None:
    with_act(desk, "authenticity-answer", {"entry": "A" * 43, "verdict": "unknown"})
    await officer.get("/")
    typed = {"kind": "authenticity-answer", "entry": eid(15), "verdict": "ours"}
    await officer.post(f"/threads/{THREAD}/send", typed)
    assert desk.sent()["act"] == {"entry": eid(15), "verdict": "ours"}


async def test_an_end_another_side_proposed_is_named_to_the_millisecond(officer: Browser, desk: FakeDesk) -> None:
    until = 1_931_126_400_123
    with_act(desk, "extension", {"clock": "clarify", "until": until})
    _, text = await officer.get(f"/threads/{THREAD}?write=extension&entry=clarify")
    assert 'value="2031-03-13T00:00:00"' in text
    typed = {"kind": "extension", "about": "clarify", "clock": "clarify", "until": "2031-03-13T00:00:00"}
    await officer.post(f"/threads/{THREAD}/send", typed)
    assert desk.sent()["act"] == {"clock": "clarify", "until": until}


async def test_an_admission_repeats_the_other_partys_word_for_word(officer: Browser, desk: FakeDesk) -> None:
    scope = {"from_rung": "L3-experts", "entries": [eid(7), eid(2)]}
    with_act(desk, "admission", {"mediators": ["HD", "MD"], "scope": scope})
    _, text = await officer.get(f"/threads/{THREAD}?write=admission")
    assert text.count(" checked>") == 4
    typed = [("kind", "admission"), ("mediators", "MD"), ("mediators", "HD"), ("from_rung", "L3-experts")]
    await officer.post(f"/threads/{THREAD}/send", [*typed, ("entries", eid(2)), ("entries", eid(7))])
    assert desk.sent()["act"] == {"mediators": ["HD", "MD"], "scope": scope}


async def test_a_body_chooses_whom_it_appoints_among_those_the_ladder_offers(officer: Browser, desk: FakeDesk) -> None:
    blank = next(offer for offer in desk.offers if offer.kind == "default-appointment")
    rest = tuple(offer for offer in desk.offers if offer is not blank)
    desk.offers = (*rest, *(replace(blank, act={"mediator": office}) for office in ("HD", "MD")))
    _, text = await officer.get(f"/threads/{THREAD}?write=default-appointment")
    assert all(f'value="{office}"' in text for office in ("HD", "MD"))
    await officer.post(f"/threads/{THREAD}/send", [("kind", "default-appointment")])
    assert all(name != "send" for name, _ in desk.calls), "nobody is appointed by leaving the choice open"
    await officer.post(f"/threads/{THREAD}/send", [("kind", "default-appointment"), ("mediator", "MD")])
    assert desk.sent()["act"] == {"mediator": "MD"}


async def test_a_step_that_rests_on_evidence_is_sent_with_what_was_ticked(officer: Browser, desk: FakeDesk) -> None:
    with_act(desk, "step-request", {"step": "L5-mediation", "evidence": [eid(16)]}, "breach-report")
    _, text = await officer.get(f"/threads/{THREAD}?write=step-request&step=L5-mediation")
    assert "What the step rests on" in text
    assert eid(16) in text
    typed = {"kind": "step-request", "step": "L5-mediation", "evidence": eid(16)}
    await officer.post(f"/threads/{THREAD}/send", typed)
    assert desk.sent()["act"] == {"step": "L5-mediation", "evidence": [eid(16)]}


async def test_a_step_without_the_evidence_it_rests_on_is_not_sent(officer: Browser, desk: FakeDesk) -> None:
    with_act(desk, "step-request", {"step": "L5-mediation", "evidence": [eid(16)]}, "breach-report")
    await officer.get("/")
    _, text = await officer.post(f"/threads/{THREAD}/send", {"kind": "step-request", "step": "L5-mediation"})
    assert "Choose at least one: what the step rests on." in text
    assert all(name != "send" for name, _ in desk.calls)


async def test_a_step_says_which_evidence_it_rests_on_and_what_nobody_has_sent(
    officer: Browser, desk: FakeDesk
) -> None:
    with_act(desk, "step-request", {"step": "L5-mediation"}, "clarification-request", "finding")
    _, text = await officer.get(f"/threads/{THREAD}?write=step-request&step=L5-mediation")
    asked, found = KINDS["clarification-request"].title, KINDS["finding"].title
    assert f"At least one of each: “{asked}”, “{found}”." in text
    assert "None is known here yet of: “Finding”." in text
    assert eid(5) in text, "what is here can be ticked"


async def test_evidence_told_by_the_hub_alone_is_named_by_its_kind(officer: Browser, desk: FakeDesk) -> None:
    unseen = "z" * 43
    with_act(
        desk, "step-request", {"step": "L5-mediation", "evidence": [unseen, eid(5)]}, "finding", "clarification-request"
    )
    _, text = await officer.get(f"/threads/{THREAD}?write=step-request&step=L5-mediation")
    assert "the newest “Finding”, which this station may not read (zzzzzzzz)" in text
    typed = [("kind", "step-request"), ("step", "L5-mediation"), ("evidence", unseen), ("evidence", eid(5))]
    await officer.post(f"/threads/{THREAD}/send", typed)
    assert set(desk.sent()["act"]["evidence"]) == {unseen, eid(5)}


async def test_words_typed_for_an_answer_that_is_too_late_are_shown_again(officer: Browser, desk: FakeDesk) -> None:
    await officer.get("/")
    key = f"second.meet.{eid(14)[:12]}"
    await desk.save_scratch("kid-ana", THREAD, key, {"text": ["So do we."]})
    _, text = await officer.get(f"/threads/{THREAD}?write=second&step=meet&entry={eid(14)}")
    assert "So do we." in text
    assert "is not open to you any more" in text
