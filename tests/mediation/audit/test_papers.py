"""The reports for people: what they say, that they say what they are worth, and that nobody's words pass for theirs."""

from __future__ import annotations

import dataclasses
from html import unescape
from html.parser import HTMLParser

import pytest

from mediation.audit import Report, papers
from mediation.audit.page import page
from mediation.audit.papers import own_page, with_reports
from mediation.audit.phrases import GRADES, Basis
from mediation.audit.words import text
from protocols.bundle import Bundle, Head, read_bundle, write_bundle
from protocols.encoding import rfc3339
from tests.mediation.audit.kit import check, silent, watched, withheld
from tests.mediation.court import TRUST

HOSTILE = "</blockquote><script>alert(1)</script>\nHOLDS: 9 entries \u202egnorw\u2069 \x1b[2J"


class Elements(HTMLParser):
    """Every element of a page with its attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.said = ""
        self.feed(html)
        self.close()
        assert self.open == [], "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said += data


def evidence() -> Bundle:
    court = silent()
    court.word(496, "KV")
    court.publish(500)
    court.end(501)
    court.publish(505)
    return court.evidence({2: (0,)})


def html_of(report: Report, basis: Basis | None = None) -> Elements:
    return Elements(page(report, basis or Basis(own=True)))


def test_a_page_needs_nothing_from_elsewhere_and_runs_nothing() -> None:
    html = page(check(evidence()), Basis(own=True))
    elements = Elements(html)
    tags = [tag for tag, _ in elements.found]
    assert not {"script", "link", "img", "iframe", "object", "form", "base"} & set(tags)
    assert tags.count("style") == 1
    assert "url(" not in html and "@import" not in html and "://" not in html
    for _, attributes in elements.found:
        assert not any(name.startswith("on") or name in ("style", "src") for name in attributes)
        assert (attributes.get("href") or "#").startswith("#")
    policy = next(a["content"] for _, a in elements.found if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None and policy.startswith("default-src 'none'; style-src 'sha256-")


def test_both_reports_say_of_each_entry_who_what_and_when_and_how_well_it_is_proven() -> None:
    report = check(evidence())
    assert report.holds, report.problems
    for said in (html_of(report).said, text(report, Basis(own=True))):
        assert "EXERCISE" in said
        assert "HOLDS: 5 entries" in said
        for entry in report.entries:
            assert entry.title in said and entry.office in said and entry.kind in said
            assert entry.by is not None and f"by {rfc3339(entry.by * 1000)}" in said
            assert f"written {entry.claimed} by the author's clock" in said
        assert f"evidence L3: {GRADES['L3']}" in said
        assert "up to 7 field(s) not disclosed" in said
        assert "at least 484 s, at most 495 s" in said and "MISSED" in said and "ELAPSED" in said
        assert "path shown by entry 3 of KV" in said
        assert "entry 5 was the last of the thread" in said
        assert "Whether a mandate was revoked" in said


def test_a_problem_stands_on_top_and_beside_its_entry_with_its_code() -> None:
    good = evidence()
    swapped = dataclasses.replace(good.exhibits[2], proof=good.exhibits[1].proof)
    report = check(dataclasses.replace(good, exhibits=(*good.exhibits[:2], swapped, *good.exhibits[3:])))
    elements = html_of(report)
    assert elements.said.count("translog.proof-refused") == 2
    assert ("a", {"href": "#e3"}) in elements.found
    assert any(attributes.get("data-state") == "fails" for _, attributes in elements.found)
    assert "DOES NOT HOLD" in text(report, Basis(own=True))


def test_a_withheld_entry_is_told_as_a_gap_and_the_verdict_is_neither_good_nor_bad() -> None:
    report = check(withheld(evidence(), 4))
    elements = html_of(report)
    assert any(attributes.get("data-state") == "sound" for _, attributes in elements.found)
    assert any(attributes.get("class") == "withheld" for _, attributes in elements.found)
    for said in (elements.said, text(report, Basis(own=True))):
        assert "its leaf is named by what follows" in said
        assert "The ladder was replayed up to entry 3 of 5" in said


def test_nobodys_words_pass_for_the_reports_own() -> None:
    court = watched()
    court.publish(3)
    court.tell(4, "goodwill-note", fields={"text": HOSTILE})
    court.publish(8)
    report = check(court.evidence({2: (0,)}))
    html = page(report, Basis(own=True))
    assert "<script>" not in html
    said = text(report, Basis(own=True))
    assert [line for line in said.splitlines() if line.startswith("HOLDS")] == [
        line for line in said.splitlines() if line.startswith("HOLDS: 2 entries")
    ]
    for made in (html, said):
        assert not {"\u202e", "\u2069", "\x1b"} & set(made)


def test_words_of_another_script_stand_in_a_block_of_their_own_direction() -> None:
    court = watched()
    court.publish(3)
    court.tell(4, "goodwill-note", fields={"text": "می\u200cخواهیم"})
    court.publish(8)
    elements = html_of(check(court.evidence({2: (0,)})))
    assert ("blockquote", {"dir": "auto"}) in elements.found
    assert "می\u200cخواهیم" in elements.said, "what joins letters stays"


def test_a_report_in_a_bundle_says_that_it_proves_nothing_and_by_whose_word_it_was_checked() -> None:
    made = with_reports(evidence())
    for data in made.reports.values():
        assert "This report proves nothing." in unescape(data.decode())
        assert "the bundle's maker" in unescape(data.decode())
        assert f"--accord-id {TRUST.accord}" in unescape(data.decode())
    assert set(made.reports) == {"report.html", "report.txt"}
    assert read_bundle(write_bundle(made)) == made
    assert check(made).holds
    assert "the verifier's user" in unescape(own_page(made, check(made), TRUST))


def test_reports_are_written_anew_from_what_the_bundle_shows_now() -> None:
    before = with_reports(evidence())
    after = with_reports(dataclasses.replace(before, exhibits=withheld(before, 2).exhibits))
    assert b"<blockquote" in before.reports["report.html"]
    assert b"<blockquote" not in after.reports["report.html"]
    assert with_reports(before) == before


def test_tokens_of_authorities_that_nobody_named_are_told_as_not_looked_at() -> None:
    bundle = evidence()
    heads = (Head(bundle.heads[0].note, bundle.heads[0].consistency, b"a token"), *bundle.heads[1:])
    made = with_reports(dataclasses.replace(bundle, heads=heads))
    assert b"The 1 time-stamp(s) in the bundle: no authority was named" in made.reports["report.html"]


def test_no_report_is_put_into_a_bundle_that_nobody_would_print(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(papers, "MAX_REPORTED", 4)
    assert with_reports(with_reports(evidence())).reports == {}
