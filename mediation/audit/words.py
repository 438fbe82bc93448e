"""The report in lines of text: what `hotline audit verify` prints, and ``report.txt`` with a preface."""

from __future__ import annotations

from typing import Any

from mediation.audit import phrases
from mediation.audit.clocks import ClockReport
from mediation.audit.phrases import Basis
from mediation.audit.report import EntryReport, Report, WithheldReport
from protocols.encoding import rfc3339, to_json

_INDENT = " " * 10


def text(report: Report, basis: Basis) -> str:
    """``report.txt``: `words` after what it is worth and what was not checked, and with how to check at the end."""
    lines = ["EVIDENCE REPORT", "", *phrases.nature(basis), ""]
    lines += [f"{name}: {said}" for name, said in phrases.basis_facts(report, basis)]
    lines += ["", "Not checked:", *(f"  - {each}" for each in phrases.unchecked(report, basis)), ""]
    lines += [phrases.HOW_TO_READ, phrases.ABOUT_CLOCKS]
    lines += [f"  {name}: {said}" for name, said in phrases.GRADES.items()]
    lines += ["", *words(report), "", *phrases.how_to_check(basis), "", f"  {phrases.command(report)}"]
    # One line stays one line: nobody's words pass for the report's own.
    return "".join(f"{phrases.legible(line).replace(chr(10), chr(0xFFFD))}\n" for line in lines)


def words(report: Report) -> list[str]:
    """The report, line by line. What others wrote is in it: print it with `hotline.cli.saying.printable`."""
    lines = [f"{report.accord_title or 'Unknown accord'} ({report.status or 'not established'})"]
    lines.append(f"Accord {report.accord}")
    lines.append(f"Thread {report.thread}, ladder {report.ladder}")
    lines.append(f"Log of {report.head_size} leaves, cosigned by {phrases.cosigned(report)}")
    if report.heads:
        lines.append(phrases.about_heads(report))
    lines.append("")
    problems: dict[int | None, list[str]] = {}
    for problem in report.problems:
        said = f"{problem.sentence} ({problem.code}{': ' if problem.detail else ''}{problem.detail})"
        problems.setdefault(problem.seq, []).append(said)
    lines.extend(f"  PROBLEM: {said}" for said in problems.pop(None, []))
    both: list[EntryReport | WithheldReport] = [*report.entries, *report.withheld]
    for entry in sorted(both, key=lambda each: each.seq):
        lines.extend(_entry(entry) if isinstance(entry, EntryReport) else _withheld(entry))
        lines.extend(f"{_INDENT}PROBLEM: {said}" for said in problems.pop(entry.seq, []))
    for seq, left in problems.items():
        lines.extend(f"  {seq:>6}  PROBLEM: {said}" for said in left)
    if report.clocks:
        lines.append("")
        lines.extend(line for clock in report.clocks for line in _clock(clock))
    lines.extend(f"  {line}" for line in phrases.consent(report))
    lines.append("")
    lines.extend(phrases.token(each) for each in report.tokens)
    lines.extend(phrases.end(report))
    lines.append(phrases.verdict(report))
    lines.append(report.limits)
    return lines


def _entry(entry: EntryReport) -> list[str]:
    act = f" {to_json(entry.act).decode()}" if entry.act else ""
    lines = [f"  {entry.seq:>6}  {rfc3339(entry.at)}  {entry.office:<8} {entry.title} [{entry.kind}]{act}"]
    lines.append(f"{_INDENT}leaf {entry.index}, rung {entry.rung or 'not established'}")
    lines.append(f"{_INDENT}made {phrases.interval(entry.after, entry.by)}; {phrases.grade(entry.grade)}")
    lines.append(f"{_INDENT}written {entry.claimed} by the author's clock, a claim as is the hub's stamp above")
    if entry.stamp_off:
        lines.append(f"{_INDENT}{phrases.stamp_off(entry)}")
    for name, value in entry.fields.items():
        lines.extend(_field(f"{name}{_consented(entry, name)}", value))
    if entry.hidden:
        lines.append(f"{_INDENT}{phrases.hidden(entry)}")
    lines.extend(f"{_INDENT}{phrases.redaction(each)}" for each in entry.redactions)
    return lines


def _field(name: str, value: Any) -> list[str]:
    first, *more = (value if isinstance(value, str) else to_json(value).decode()).split("\n")
    return [f"{_INDENT}{name}: {first}", *(f"{_INDENT}| {line}" for line in more)]


def _consented(entry: EntryReport, name: str) -> str:
    said = phrases.consented(entry, name)
    return f" [{said}]" if said else ""


def _withheld(entry: WithheldReport) -> list[str]:
    lines = [f"  {entry.seq:>6}  WITHHELD, leaf {entry.index}; {phrases.named(entry)}"]
    lines.append(f"{_INDENT}existed {phrases.interval(None, entry.by)}; {phrases.grade(entry.grade)}")
    lines.extend(f"{_INDENT}{phrases.redaction(each)}" for each in entry.redactions)
    return lines


def _clock(clock: ClockReport) -> list[str]:
    lines = [
        f"  Clock {clock.id}, {clock.title}, {clock.length / 1000:g} s from entry {clock.start_seq}: {clock.ended}"
    ]
    for name, verdict, numbers in phrases.clock_verdicts(clock):
        lines.append(f"{_INDENT}{name} {verdict}{f' ({numbers})' if numbers else ''}")
    if clock.remark:
        lines.append(f"{_INDENT}{clock.remark}")
    return lines
