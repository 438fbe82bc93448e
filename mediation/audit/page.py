"""The report as one page to print: HTML without script or anything from elsewhere, for people who hold no program.

It is not evidence and says so on top. Whatever others wrote stands in it escaped, in blocks of its own whose direction
follows their script, and without the characters that reorder text.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from html import escape
from typing import Any

from mediation.audit import phrases
from mediation.audit.clocks import ClockReport
from mediation.audit.findings import Problem
from mediation.audit.page_style import STYLE
from mediation.audit.phrases import Basis
from mediation.audit.report import EntryReport, RedactionReport, Report, WithheldReport
from protocols.encoding import to_json

_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'"
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z")
_VERDICT = {"holds": ("good", "✓"), "sound": ("open", "◐"), "fails": ("bad", "✗")}
_CLOCK = {"ELAPSED": "good", "IN TIME": "good", "NOT ELAPSED": "bad", "MISSED": "bad", "UNDETERMINED": "open"}


def page(report: Report, basis: Basis) -> str:
    """The page. ``basis``: by whom and by what it was checked (see `mediation.audit.phrases`)."""
    title = f"Evidence report: {report.accord_title or 'unknown accord'}"
    return "".join(
        (
            '<!DOCTYPE html>\n<html lang="en" dir="ltr">\n<head>\n<meta charset="utf-8">\n',
            f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            '<meta name="color-scheme" content="light dark">\n',
            f"<title>{_words(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n",
            *_top(report, basis),
            *_problems(report.problems),
            *_entries(report),
            *_clocks(report),
            *_consent(report),
            *_heads(report),
            *_end(report, basis),
            "</main>\n</body>\n</html>\n",
        )
    )


# -- what it is ----------------------------------------------------------------------------------------------------------


def _top(report: Report, basis: Basis) -> Iterable[str]:
    state, (tone, sign) = report_state(report), _VERDICT[report_state(report)]
    yield "<header>\n"
    if report.status:
        yield f'<p class="status">{_words(report.status)}</p>\n'
    yield f'<h1>Evidence report</h1>\n<p class="title">{_inline(report.accord_title or "Unknown accord")}</p>\n'
    yield f'<p class="verdict {tone}" id="verdict" data-state="{state}"><span aria-hidden="true">{sign}</span> '
    yield f"{_words(phrases.verdict(report))}</p>\n</header>\n"
    yield '<section aria-labelledby="what">\n<h2 id="what">What this page is, and is not</h2>\n'
    yield from (f"<p>{_words(line)}</p>\n" for line in phrases.nature(basis))
    yield '<dl class="facts">\n'
    yield from _facts(phrases.basis_facts(report, basis))
    yield "</dl>\n"
    yield '<h3 id="not">What was not checked</h3>\n<ul aria-labelledby="not">\n'
    yield from (f"<li>{_words(line)}</li>\n" for line in phrases.unchecked(report, basis))
    yield "</ul>\n</section>\n"


def report_state(report: Report) -> str:
    """``holds``, ``sound`` (nothing fails, but entries are left out) or ``fails``."""
    return "holds" if report.holds else "sound" if report.sound else "fails"


def _problems(problems: Iterable[Problem]) -> Iterable[str]:
    found = list(problems)
    if not found:
        return
    yield '<section aria-labelledby="problems">\n<h2 id="problems">What does not hold</h2>\n<ol class="problems">\n'
    for each in found:
        where = "The bundle" if each.seq is None else f'<a href="#e{each.seq}">Entry {each.seq}</a>'
        yield f'<li><span aria-hidden="true">✗</span> {where}: {_words(each.sentence)} <code>{_words(each.code)}</code>'
        yield f" <small>{_words(each.detail)}</small></li>\n" if each.detail else "</li>\n"
    yield "</ol>\n</section>\n"


# -- entries -------------------------------------------------------------------------------------------------------------


def _entries(report: Report) -> Iterable[str]:
    yield '<section aria-labelledby="entries">\n<h2 id="entries">Entries</h2>\n'
    yield f"<p>{_words(phrases.HOW_TO_READ)}</p>\n"
    both: list[EntryReport | WithheldReport] = [*report.entries, *report.withheld]
    problems: dict[int | None, list[Problem]] = {}
    for problem in report.problems:
        problems.setdefault(problem.seq, []).append(problem)
    for entry in sorted(both, key=lambda each: each.seq):
        shown = isinstance(entry, EntryReport)
        yield f'<article id="e{entry.seq}" aria-labelledby="t{entry.seq}"{"" if shown else " class=withheld"}>\n'
        yield from _entry(entry) if isinstance(entry, EntryReport) else _withheld(entry)
        for problem in problems.get(entry.seq, []):
            yield f'<p class="problem"><span aria-hidden="true">✗</span> {_words(problem.sentence)} '
            yield f"<code>{_words(problem.code)}</code></p>\n"
        yield "</article>\n"
    if report.missing:
        yield f'<p class="problem"><span aria-hidden="true">◐</span> {_words(phrases.missing(report))}</p>\n'
    yield "</section>\n"


def _entry(entry: EntryReport) -> Iterable[str]:
    yield f'<h3 id="t{entry.seq}"><span class="seq">{entry.seq}</span> {_inline(entry.office)}: {_inline(entry.title)} '
    yield f"<code>{_words(entry.kind)}</code></h3>\n"
    yield from (_field(name, value, phrases.consented(entry, name)) for name, value in entry.fields.items())
    yield '<dl class="facts">\n'
    yield from _facts(phrases.entry_facts(entry))
    if entry.act:
        yield f"<dt>Act</dt><dd><code>{_words(to_json(entry.act).decode())}</code></dd>\n"
    yield "</dl>\n"
    if entry.hidden:
        yield f'<p class="hidden"><span aria-hidden="true">▨</span> {_words(phrases.hidden(entry))}</p>\n'
    yield from _redactions(entry.redactions)


def _withheld(entry: WithheldReport) -> Iterable[str]:
    yield f'<h3 id="t{entry.seq}"><span class="seq">{entry.seq}</span> <span aria-hidden="true">▨</span> '
    yield 'Withheld</h3>\n<dl class="facts">\n'
    yield from _facts(phrases.withheld_facts(entry))
    yield "</dl>\n"
    yield from _redactions(entry.redactions)


def _field(name: str, value: Any, consent: str) -> str:
    # A block of its own: its direction is its script's, and nothing in it reorders what stands around it.
    text = value if isinstance(value, str) else to_json(value).decode()
    said = f" <small>({_words(consent)})</small>" if consent else ""
    return f'<figure><figcaption>{_words(name)}{said}</figcaption><blockquote dir="auto">{_words(text)}</blockquote></figure>\n'


def _redactions(found: Iterable[RedactionReport]) -> Iterable[str]:
    for each in found:
        yield f'<p class="hidden"><span aria-hidden="true">▨</span> {_words(phrases.redaction(each))}</p>\n'


# -- clocks, consent, heads, end -----------------------------------------------------------------------------------------


def _clocks(report: Report) -> Iterable[str]:
    if not report.clocks:
        return
    yield '<section aria-labelledby="clocks">\n<h2 id="clocks">Clocks</h2>\n'
    yield f"<p>{_words(phrases.ABOUT_CLOCKS)}</p>\n"
    for clock in report.clocks:
        yield f'<article>\n<h3>{_inline(clock.title)} <code>{_words(clock.id)}</code></h3>\n<dl class="facts">\n'
        yield from _facts(phrases.clock_facts(clock))
        yield "</dl>\n"
        yield from _clock_verdicts(clock)
        yield "</article>\n"
    yield "</section>\n"


def _clock_verdicts(clock: ClockReport) -> Iterable[str]:
    for name, verdict, numbers in phrases.clock_verdicts(clock):
        tone = _CLOCK.get(verdict, "open")
        sign = {"good": "✓", "bad": "✗", "open": "◐"}[tone]
        yield f'<p class="mark {tone}"><span aria-hidden="true">{sign}</span> <b>{_words(verdict)}</b> {_words(name)}'
        yield f" <small>{_words(numbers)}</small></p>\n" if numbers else "</p>\n"


def _consent(report: Report) -> Iterable[str]:
    lines = phrases.consent(report)
    if lines:
        yield '<section aria-labelledby="consent">\n<h2 id="consent">Consent to show words</h2>\n<ul>\n'
        yield from (f"<li>{_words(line)}</li>\n" for line in lines)
        yield "</ul>\n</section>\n"


def _heads(report: Report) -> Iterable[str]:
    yield '<section aria-labelledby="heads">\n<h2 id="heads">Heads of the log</h2>\n'
    yield f"<p>{_words(phrases.about_heads(report))}</p>\n"
    if report.heads:
        yield '<table>\n<thead><tr><th scope="col">File</th><th scope="col">Leaves</th>'
        yield '<th scope="col">Cosigned by, at (its own clock)</th><th scope="col">SHA-256 of the note</th></tr>'
        yield "</thead>\n<tbody>\n"
        for head in report.heads:
            seen = "<br>".join(
                f"{_inline(name)} <time>{phrases.time(at)}</time>" for name, at in head.witnesses.items()
            )
            yield f'<tr><th scope="row">{_words(head.name)}</th><td>{head.size}</td>'
            yield f"<td>{seen or 'nobody known'}</td><td><code>{_words(head.digest)}</code></td></tr>\n"
        yield "</tbody>\n</table>\n"
    if report.tokens:
        yield '<h3 id="tokens">Time-stamps</h3>\n<ul aria-labelledby="tokens">\n'
        yield from (f"<li>{_words(phrases.token(each))}</li>\n" for each in report.tokens)
        yield "</ul>\n"
    yield "</section>\n"


def _end(report: Report, basis: Basis) -> Iterable[str]:
    yield '<section aria-labelledby="end">\n<h2 id="end">The end of the thread</h2>\n'
    yield from (f"<p>{_words(line)}</p>\n" for line in phrases.end(report))
    yield f'<p>{_words(report.limits)}</p>\n</section>\n<section aria-labelledby="grades">\n<h2 id="grades">Grades</h2>\n'
    yield '<dl class="facts">\n'
    yield from _facts(phrases.GRADES.items())
    yield '</dl>\n</section>\n<section aria-labelledby="check">\n<h2 id="check">How to check</h2>\n'
    yield from (f"<p>{_words(line)}</p>\n" for line in phrases.how_to_check(basis))
    yield f'<pre dir="ltr"><code>{_words(phrases.command(report))}</code></pre>\n</section>\n'


# -- words ---------------------------------------------------------------------------------------------------------------


def _facts(facts: Iterable[tuple[str, str]]) -> Iterable[str]:
    for name, said in facts:
        words = _TIME.sub(r"<time>\g<0></time>", _words(said))
        yield f"<dt>{_words(name)}</dt><dd>{words}</dd>\n"


def _words(text: str) -> str:
    return escape(phrases.legible(text))


def _inline(text: str) -> str:
    """Others' words in a line of ours."""
    return f"<bdi>{_words(text)}</bdi>"
