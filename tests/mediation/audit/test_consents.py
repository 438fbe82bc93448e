"""Where the accord asks for both parties' consent, words count as shown rightly only with it in the log."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest

from mediation.audit import Report, Trust, verify
from mediation.consent import agreements, lacking
from protocols.bundle import withhold
from protocols.entry import parse_entry
from protocols.translog import leaf_hash, parse_policy
from tests.mediation import court as courts
from tests.mediation.court import LINE, POLICY, TRUST, Court, small_case
from tests.protocols.kit import Line

BOTH = Line(msgspec.structs.replace(LINE.content, disclosure="both"))
STRICT = Trust(parse_policy(POLICY), BOTH.accord.id)
TEXT = {"portions": [{"seq": 2, "fields": ["text"]}], "recipient": "court"}


@pytest.fixture
def case(monkeypatch: pytest.MonkeyPatch) -> Court:
    """Five entries under an accord that asks for both parties' consent; the second has a text and a severity."""
    monkeypatch.setattr(courts, "LINE", BOTH)
    return small_case()


def agree(court: Court, by: str = "AV", other: str = "KV", act: dict[str, Any] = TEXT, *, yes: bool = True) -> Court:
    notice = court.send("disclosure-notice", by, act)
    court.send("disclosure-consent", other, {"notice": notice, "agree": yes})
    return court


def shown(court: Court, *fields: int) -> Report:
    return verify(court.bundle({2: fields}), STRICT)


def codes(report: Report) -> list[tuple[str, int | None]]:
    return [(problem.code, problem.seq) for problem in report.problems]


def test_nothing_shown_needs_no_consent(case: Court) -> None:
    assert shown(case).holds


def test_words_shown_without_consent_do_not_hold(case: Court) -> None:
    report = shown(case, 0, 1)
    assert codes(report) == [("audit.no-consent", 2)]
    assert report.entries[1].consents == {"text": "NOT CONSENTED", "severity": "NOT CONSENTED"}
    assert "They are what was signed" in report.problems[0].sentence


@pytest.mark.parametrize(("by", "other"), [("AV", "KV"), ("KV", "AV")])
def test_either_party_may_ask_and_what_the_other_agreed_to_may_be_shown(case: Court, by: str, other: str) -> None:
    report = shown(agree(case, by, other), 0)
    assert report.holds, report.problems
    assert report.entries[1].consents == {"text": "CONSENTED"}
    (notice,) = report.notices
    assert (notice.seq, notice.office, notice.answer_seq, notice.agreed) == (6, by, 7, True)


def test_what_was_not_named_may_not_be_shown(case: Court) -> None:
    report = shown(agree(case), 0, 1)
    assert codes(report) == [("audit.no-consent", 2)]
    assert report.entries[1].consents == {"text": "CONSENTED", "severity": "NOT CONSENTED"}


def test_a_refusal_or_silence_is_no_consent(case: Court) -> None:
    case.send("disclosure-notice", "AV", TEXT)
    assert codes(shown(case, 0)) == [("audit.no-consent", 2)]
    assert codes(shown(agree(case, yes=False), 0)) == [("audit.no-consent", 2)]
    assert [notice.agreed for notice in shown(case).notices] == [False, False]


def test_a_mediators_yes_or_the_askers_own_does_not_count_although_the_hub_took_it(case: Court) -> None:
    notice = case.send("disclosure-notice", "AV", TEXT)
    for office in ("AV", "MD"):
        case.send("disclosure-consent", office, {"notice": notice, "agree": True}, force=True)
    assert ("audit.no-consent", 2) in codes(shown(case, 0))


def test_the_first_answer_counts_although_the_hub_took_a_second(case: Court) -> None:
    notice = case.send("disclosure-notice", "AV", TEXT)
    case.send("disclosure-consent", "KV", {"notice": notice, "agree": False})
    case.send("disclosure-consent", "KV", {"notice": notice, "agree": True}, force=True)
    assert ("audit.no-consent", 2) in codes(shown(case, 0))


@pytest.mark.parametrize("seq", [1, 6, 7])
def test_consent_that_is_withheld_counts_for_nothing(case: Court, seq: int) -> None:
    bundle = agree(case).bundle({2: (0,)})
    index, leaf = case.leaves[seq - 1]
    hidden = dataclasses.replace(
        bundle.exhibits[seq - 1], leaf=b"", disclosures=(), withheld=withhold(leaf, index, leaf_hash(leaf))
    )
    exhibits = (*bundle.exhibits[: seq - 1], hidden, *bundle.exhibits[seq:])
    report = verify(dataclasses.replace(bundle, exhibits=exhibits), STRICT, allow_withheld=True)
    assert ("audit.no-consent", 2) in codes(report)
    assert not report.holds


def test_an_accord_that_leaves_it_to_each_party_asks_for_none() -> None:
    report = verify(small_case().bundle({2: (0,)}), TRUST)
    assert report.holds
    assert report.entries[1].consents == {"text": "NOT REQUIRED"}
    told = verify(agree(small_case()).bundle({2: (0, 1)}), TRUST)
    assert told.holds
    assert told.entries[1].consents == {"text": "CONSENTED", "severity": "NOT REQUIRED"}


def test_the_sheet_that_was_agreed_to_is_compared(case: Court) -> None:
    agree(case, act={**TEXT, "sheet": "A" * 43})
    assert [notice.sheet for notice in shown(case, 0).notices] == [False]


def test_the_exporter_looks_up_the_same(case: Court) -> None:
    agree(case)
    entries = [(seq, parse_entry(leaf)) for seq, (_, leaf) in enumerate(case.leaves, 1)]
    assert len(agreements(entries)) == 1
    accord = BOTH.content
    assert lacking(accord, entries, {2: ["text"]}) == ()
    assert lacking(accord, entries, {2: ["text", "severity"], 5: ["text"]}) == ((2, "severity"), (5, "text"))
    assert lacking(LINE.content, entries, {5: ["text"]}) == ()
