"""A bundle that shows less still proves the same, says what is missing, and lets nothing slip through."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediation.audit import Report, verify
from mediation.redact import Cut, Redacted, redact
from protocols.bundle import Bundle, read_bundle, write_bundle
from protocols.encoding import digest
from protocols.errors import ProtocolError
from protocols.redaction import CannotRedact, Label, Redaction, make_sheet, sheet_bytes
from tests.mediation.audit.kit import watched
from tests.mediation.court import TRUST, small_case

CASE = small_case()
FULL = CASE.bundle({2: (0, 1), 4: (0,), 5: (0,)})
TEXT, SEVERITY = FULL.exhibits[1].disclosures


def cut(*hide: tuple[int | None, str | None], withhold: tuple[int, ...] = (), **changes: Any) -> Cut:
    values: dict[str, Any] = {"by": "AV", "reason": "court-order", "words": "names of nurses"}
    return Cut(**{**values, **changes}, hide=hide, withhold=withhold)


def checked(made: Redacted | Bundle, *, allow: bool = True) -> Report:
    bundle = made if isinstance(made, Bundle) else made.bundle
    return verify(read_bundle(write_bundle(bundle)), TRUST, allow_withheld=allow)


def raw(bundle: Bundle) -> bytes:
    return b"\n".join(write_bundle(bundle).values())


def test_a_hidden_field_is_gone_and_everything_else_holds() -> None:
    before = write_bundle(FULL)
    made = redact(FULL, cut((2, "text"), label=Label("High Court", "HC-44", "counsel only")))
    report = checked(made, allow=False)
    assert report.holds, report.problems
    assert report.entries[1].fields == {"severity": "high"}
    (told,) = report.entries[1].redactions
    assert (told.by, told.reason, told.fields) == ("AV", "court-order", ("text",))
    assert told.label == "High Court, HC-44, counsel only"
    assert TEXT.encode() not in raw(made.bundle)
    assert SEVERITY.encode() in raw(made.bundle)
    assert write_bundle(FULL) == before, "the one it was made from is as it was"


def test_a_judge_can_see_in_private_that_the_hidden_field_is_the_one_left_out() -> None:
    made = redact(FULL, cut((2, "text")))
    assert made.sheet.items[0].fields == {"text": digest(TEXT.encode())}


def test_a_withheld_entry_is_provably_there_and_holds_only_if_that_is_allowed() -> None:
    made = redact(FULL, cut(withhold=(3,)))
    assert made.withheld == (3,)
    assert FULL.exhibits[2].leaf not in raw(made.bundle)
    report = checked(made)
    assert report.holds, report.problems
    assert not checked(made, allow=False).holds
    assert [entry.seq for entry in report.entries] == [1, 2, 4, 5]
    (gone,) = report.withheld
    assert (gone.seq, gone.named, gone.redactions[0].reason) == (3, True, "court-order")
    assert report.replayed == made.replayed == 2


@pytest.mark.parametrize("seqs", [(1,), (1, 2), (2, 3, 4), (1, 2, 3, 4)])
def test_any_number_of_entries_but_the_last_can_be_withheld(seqs: tuple[int, ...]) -> None:
    made = redact(FULL, cut(withhold=seqs))
    report = checked(made)
    assert report.holds, report.problems
    assert [found.seq for found in report.withheld] == list(seqs)
    assert report.replayed == made.replayed == seqs[0] - 1


@pytest.mark.parametrize("seqs", [(5,), (4, 5), (1, 2, 3, 4, 5)])
def test_the_end_is_withheld_only_where_the_hubs_word_on_it_is_there(seqs: tuple[int, ...]) -> None:
    with pytest.raises(CannotRedact, match="no proof of the end"):
        redact(FULL, cut(withhold=seqs))
    court = watched()
    for second in range(2, 6):
        court.word(second)
    court.end(7)
    court.publish(9)
    full = court.evidence()
    made = redact(full, cut(withhold=seqs))
    report = checked(made)
    assert not report.problems
    assert report.tail is not None and report.tail.whole
    assert report.holds == (len(seqs) < 5), "of a bundle that shows no entry at all nothing holds"
    early = watched()
    early.word(2)
    early.end(3, 1, early.leaves[0][1])
    early.publish(9)
    with pytest.raises(CannotRedact, match="no proof of the end"):
        redact(early.evidence(), cut(withhold=(2,)))


def test_who_signed_only_what_is_withheld_is_not_named_any_more() -> None:
    made = redact(FULL, cut(withhold=(2,)))
    left = len(FULL.mandates) - len(made.bundle.mandates)
    assert left > 0
    assert checked(made).holds


def test_star_hides_every_field_that_is_meant() -> None:
    made = redact(FULL, cut((None, "text")))
    assert [dict(entry.fields) for entry in checked(made).entries] == [{}, {"severity": "high"}, {}, {}, {}]
    assert checked(redact(FULL, cut((2, None)))).entries[1].fields == {}
    assert [dict(entry.fields) for entry in checked(redact(FULL, cut((None, None)))).entries] == [{}] * 5


@pytest.mark.parametrize(
    "wrong",
    [
        cut((2, "harm")),
        cut((3, "text")),
        cut((9, None)),
        cut((None, "orders")),
        cut(withhold=(6,)),
        cut((2, "text"), by=""),
        cut((2, "text"), words="x" * 2000),
    ],
)
def test_what_is_not_there_cannot_be_left_out(wrong: Cut) -> None:
    with pytest.raises(ProtocolError):
        redact(FULL, wrong)


def test_redactions_add_up_and_each_keeps_its_reason() -> None:
    once = redact(FULL, cut((2, "text"))).bundle
    twice = redact(once, cut((5, "text"), withhold=(4,), by="KV", reason="personal-data"))
    report = checked(twice)
    assert report.holds, report.problems
    told = {(item.seq, item.by, item.reason) for item in twice.sheet.items}
    assert told == {(2, "AV", "court-order"), (4, "KV", "personal-data"), (5, "KV", "personal-data")}
    with pytest.raises(CannotRedact):
        redact(once, cut((2, "text")))
    whole = redact(once, cut(withhold=(2,)))
    assert [(item.seq, item.withheld) for item in whole.sheet.items] == [(2, True)]


def test_what_the_given_bundle_did_not_show_either_is_said() -> None:
    made = redact(CASE.bundle({2: (0, 1)}), cut((2, "severity")))
    assert [(item.seq, item.reason, tuple(item.fields)) for item in made.sheet.items] == [
        (2, "court-order", ("severity",)),
        (5, "not-in-source", ("text",)),
    ]
    assert checked(made).holds


def test_reports_are_dropped_because_they_repeat_the_words() -> None:
    told = dataclasses.replace(FULL, reports={"report.txt": b"Three hospitals lost their records."})
    made = redact(told, cut((2, "text")))
    assert made.bundle.reports == {}
    assert b"Three hospitals" not in raw(made.bundle)


def test_a_history_that_repeats_what_is_left_out_must_go_too() -> None:
    court = small_case()
    court.send("handover", "AV", {"entries": [court.ids[1]]}, {"history": {court.ids[1]: [TEXT]}}, force=True)
    court.send("goodwill-note", "AV", fields={"text": "x"}, force=True)
    bundle = court.bundle({2: (0, 1), 6: (0,)})
    again = bundle.exhibits[1].disclosures[0]
    assert again == TEXT
    for wish in (cut((2, "text")), cut(withhold=(2,))):
        with pytest.raises(CannotRedact, match="6:history"):
            redact(bundle, wish)
    assert TEXT.encode() not in raw(redact(bundle, cut((2, "text"), (6, "history"))).bundle)


def test_a_sheet_that_lies_already_is_not_built_upon() -> None:
    lie = make_sheet(FULL.thread, [Redaction(2, "KV", "other", {"severity": None})])
    with pytest.raises(CannotRedact, match="wrong already"):
        redact(dataclasses.replace(FULL, redactions=sheet_bytes(lie)), cut((5, "text")))


def test_a_sheet_that_does_not_match_is_found_by_the_court() -> None:
    made = redact(FULL, cut((2, "text")))
    for items, code in (
        ([], "redaction.unlisted"),
        ([*made.sheet.items, Redaction(5, "AV", "other", {"text": None})], "redaction.shown"),
        ([*made.sheet.items, Redaction(5, "AV", "other", withheld=True)], "redaction.shown"),
        ([*made.sheet.items, Redaction(6, "AV", "other", withheld=True)], "redaction.unknown"),
    ):
        sheet = sheet_bytes(make_sheet(FULL.thread, items))
        report = checked(dataclasses.replace(made.bundle, redactions=sheet))
        assert [problem.code for problem in report.problems] == [code]
        assert not report.holds
    unread = checked(dataclasses.replace(made.bundle, redactions=b"{}"))
    assert [problem.code for problem in unread.problems] == ["redaction.malformed"]


def test_the_preview_says_what_a_reader_sees() -> None:
    made = redact(FULL, cut((2, "text"), withhold=(4,)))
    seen = {line.seq: (line.entry is not None, line.shown, line.others) for line in made.lines}
    assert seen[2] == (True, ("severity",), 6)
    assert seen[4] == (False, (), 0)
    assert seen[3] == (True, (), 0)


PLACES = [(2, "text"), (2, "severity"), (4, "text"), (5, "text")]


@settings(max_examples=30, deadline=None)
@given(st.sets(st.sampled_from(PLACES)), st.sets(st.integers(1, 4)), st.booleans())
def test_whatever_is_left_out_the_rest_holds_and_nothing_of_it_is_in_any_file(
    hide: set[tuple[int, str]], gone: set[int], in_two_goes: bool
) -> None:
    wishes = [cut(*hide), cut(withhold=tuple(gone))] if in_two_goes else [cut(*hide, withhold=tuple(gone))]
    bundle = FULL
    for wish in wishes:
        bundle = redact(bundle, wish).bundle
    report = checked(bundle)
    assert report.holds, report.problems
    out = {*hide, *(place for place in PLACES if place[0] in gone)}
    assert {(entry.seq, name) for entry in report.entries for name in entry.fields} == set(PLACES) - out
    everything = raw(bundle)
    for seq, name in out:
        texts = dict(zip(verify(FULL, TRUST).entries[seq - 1].fields, FULL.exhibits[seq - 1].disclosures, strict=True))
        assert texts[name].encode() not in everything
    assert all(FULL.exhibits[seq - 1].leaf not in everything for seq in gone)
