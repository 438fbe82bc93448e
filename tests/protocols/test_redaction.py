"""A redaction sheet says what was left out, and cannot say otherwise than the bundle shows without being caught."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.encoding import digest, to_json
from protocols.redaction import (
    REASONS,
    Label,
    Reason,
    Redaction,
    RedactionMalformed,
    Sheet,
    Shown,
    compare,
    make_sheet,
    parse_sheet,
    sheet_bytes,
    unaccounted,
)

THREAD = "t" * 22
TEXT, SEVERITY, DECOY = (digest(name.encode()) for name in ("text", "severity", "decoy"))
KNOWN, REQUIRED = frozenset({"text", "severity", "harm"}), frozenset({"text"})
OPEN = Shown(1, False, {"text": TEXT, "severity": SEVERITY}, frozenset({DECOY}), KNOWN, REQUIRED)
PART = Shown(1, False, {"severity": SEVERITY}, frozenset({TEXT, DECOY}), KNOWN, REQUIRED)
GONE = Shown(1, True, {})


def item(seq: int = 1, **changes: Any) -> Redaction:
    return Redaction(**{"seq": seq, "by": "AV", "reason": "court-order", "fields": {"text": TEXT}, **changes})


def codes(sheet: Sheet, *shown: Shown, thread: str = THREAD) -> list[str]:
    return [found.code for found in compare(sheet, thread, shown)]


def test_a_sheet_comes_back_as_it_was_written() -> None:
    label = Label("High Court, order of 3 May 2031", "HC-2031-44", "counsel only")
    sheet = make_sheet(THREAD, [item(3, label=label, words="names of nurses"), item(2, fields={}, withheld=True)])
    assert [each.seq for each in sheet.items] == [2, 3]
    assert parse_sheet(sheet_bytes(sheet)) == sheet
    assert sheet.items[1].why == (
        "by order of a court; names of nurses; High Court, order of 3 May 2031, HC-2031-44, counsel only"
    )


def test_every_reason_has_words() -> None:
    assert set(REASONS) == set(Reason.__args__)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "items",
    [
        (item(fields={}),),
        (item(withheld=True),),
        (item(), item()),
        (item(fields={}, withheld=True), item()),
        (item(fields={}, withheld=True), item(fields={}, withheld=True)),
        (item(), item(fields={"harm": None, "text": None})),
        (item(by=""),),
        (item(words="x" * 1001),),
        (item(label=Label("x" * 201)),),
        (item(seq=0),),
        (item(fields={"no name": None}),),
    ],
)
def test_items_that_say_nothing_or_two_things_of_one_place_are_refused(items: tuple[Redaction, ...]) -> None:
    with pytest.raises(RedactionMalformed):
        make_sheet(THREAD, items)


def raw(**changes: Any) -> bytes:
    value = {"v": 1, "thread": THREAD, "items": [{"seq": 1, "by": "AV", "reason": "other", "withheld": True}]}
    return to_json({**value, **changes}) + b"\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]\n",
        raw()[:-1],
        b" " + raw(),
        raw(v=2),
        raw(thread="t"),
        raw(more=1),
        raw(items=[{"seq": 0, "by": "AV", "reason": "other", "withheld": True}]),
        raw(items=[{"seq": 1, "by": "", "reason": "other", "withheld": True}]),
        raw(items=[{"seq": 1, "by": "AV", "reason": "because", "withheld": True}]),
        raw(items=[{"seq": 1, "by": "AV", "reason": "other", "withheld": True, "words": ""}]),
        raw(items=[{"seq": 1, "by": "AV", "reason": "other", "fields": {"text": "short"}}]),
        raw(items=[{"seq": 1, "by": "AV", "reason": "other", "fields": {"text": None, "harm": None}}]),
        raw(items=[{"seq": n, "by": "AV", "reason": "other", "withheld": True} for n in (2, 1)]),
    ],
)
def test_every_other_encoding_is_refused(data: bytes) -> None:
    with pytest.raises(RedactionMalformed):
        parse_sheet(data)


def test_the_one_encoding_is_taken() -> None:
    assert parse_sheet(raw()).items[0].withheld


@settings(max_examples=40)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused_with_the_documented_error(data: bytes) -> None:
    with pytest.raises(RedactionMalformed):
        parse_sheet(data)


def test_a_sheet_that_says_what_is_so_has_no_mismatch() -> None:
    assert codes(make_sheet(THREAD, [item()]), PART) == []
    assert codes(make_sheet(THREAD, [item(fields={"text": None})]), PART) == []
    assert codes(make_sheet(THREAD, [item(fields={}, withheld=True)]), GONE) == []
    assert codes(make_sheet(THREAD, []), OPEN) == []


@pytest.mark.parametrize(
    ("items", "shown", "code"),
    [
        ([item()], OPEN, "redaction.shown"),
        ([item(fields={}, withheld=True)], OPEN, "redaction.shown"),
        ([], PART, "redaction.unlisted"),
        ([item(fields={"harm": None})], PART, "redaction.unlisted"),
        ([], GONE, "redaction.unlisted"),
        ([item()], GONE, "redaction.unlisted"),
        ([item(), item(7, fields={}, withheld=True)], PART, "redaction.unknown"),
        ([item(fields={"text": None, "weather": None})], PART, "redaction.unknown"),
        ([item(fields={"text": SEVERITY})], PART, "redaction.unknown"),
        ([item(fields={"text": TEXT, "harm": TEXT})], PART, "redaction.unknown"),
    ],
)
def test_a_sheet_that_says_otherwise_is_caught(items: list[Redaction], shown: Shown, code: str) -> None:
    assert codes(make_sheet(THREAD, items), shown) == [code]


def test_more_named_fields_than_places_are_caught() -> None:
    shown = Shown(1, False, {"severity": SEVERITY}, frozenset({TEXT}), KNOWN, REQUIRED)
    assert codes(make_sheet(THREAD, [item(fields={"text": None, "harm": None})]), shown) == ["redaction.unknown"]


def test_a_sheet_about_another_thread_is_caught() -> None:
    assert codes(make_sheet("u" * 22, [item()]), PART) == ["redaction.other-thread"]


def test_an_entry_without_a_body_need_not_be_listed() -> None:
    assert codes(make_sheet(THREAD, []), Shown(1, False, {}, frozenset(), KNOWN, REQUIRED)) == []


def test_what_nobody_speaks_of_is_counted() -> None:
    assert unaccounted([item()], PART) == 1
    assert unaccounted((), PART) == 2
