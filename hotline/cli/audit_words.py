"""What `hotline audit verify` found, in words: every line was proven, except where it says that it is a claim."""

from __future__ import annotations

from typing import Any

from mediation.audit import ClockReport, EntryReport, NoticeReport, RedactionReport, Report, TokenReport, WithheldReport
from protocols.encoding import rfc3339, to_json

GRADES = {
    "L0": "signed by the log alone",
    "L1": "at least one honest witness",
    "L2": "a quorum of witnesses",
    "L3": "a quorum, and the adverse party itself",
}


def words(report: Report) -> list[str]:
    """The report, line by line. What others wrote is in it: print it with `hotline.cli.saying.printable`."""
    lines = [f"{report.accord_title or 'Unknown accord'} ({report.status or 'not established'})"]
    lines.append(f"Accord {report.accord}")
    lines.append(f"Thread {report.thread}, ladder {report.ladder}")
    seen = ", ".join(f"{name} at {_time(time)}" for name, time in report.witnesses.items())
    lines.append(f"Log of {report.head_size} leaves, cosigned by {seen or 'nobody known to you'}")
    if report.heads:
        lines.append(
            f"{len(report.heads)} head(s) of one history; times hold although {report.liars} witness(es) may lie, with "
            f"honest clocks within {report.epsilon} s"
        )
    lines.append("")
    problems: dict[int | None, list[str]] = {}
    for problem in report.problems:
        said = f"{problem.sentence} ({problem.code}{': ' if problem.detail else ''}{problem.detail})"
        problems.setdefault(problem.seq, []).append(said)
    lines.extend(f"  PROBLEM: {said}" for said in problems.pop(None, []))
    both: list[EntryReport | WithheldReport] = [*report.entries, *report.withheld]
    for entry in sorted(both, key=lambda each: each.seq):
        lines.extend(_entry(entry) if isinstance(entry, EntryReport) else _withheld(entry))
        lines.extend(f"          PROBLEM: {said}" for said in problems.pop(entry.seq, []))
    for seq, left in problems.items():
        lines.extend(f"  {seq:>6}  PROBLEM: {said}" for said in left)
    if report.clocks:
        lines.append("")
        lines.extend(line for clock in report.clocks for line in _clock(clock))
    if report.disclosure == "both":
        lines.append("The accord asks for the consent of both parties before words are shown to outsiders.")
    lines.extend(_notice(each) for each in report.notices)
    lines.append("")
    lines.extend(_end(report))
    lines.append(_verdict(report))
    lines.append(report.limits)
    return lines


def _verdict(report: Report) -> str:
    count, left = f"{len(report.entries)} entries", len(report.withheld) + report.missing
    if report.holds:
        allowed = f" and {left} left out, which you allowed" if left else ""
        return f"HOLDS: {count}{allowed}, the thread stands on {report.rung or 'a rung that is not established'}."
    if report.sound:
        return (
            f"DOES NOT HOLD: nothing fails, but {left} entries are left out. Say --allow-withheld if you accept that."
        )
    return f"DOES NOT HOLD: {len(report.problems) or 'no entries, hence 1'} problem(s). Keep the file."


def _end(report: Report) -> list[str]:
    lines = []
    total = len(report.entries) + len(report.withheld)
    if report.replayed < total:
        lines.append(
            f"The ladder was replayed up to entry {report.replayed} of {total}: the state after that is the hub's claim."
        )
    lines.extend(_token(each) for each in report.tokens)
    if report.tail is None:
        lines.append("The tail is not proven: there may be entries after the last one.")
    else:
        when = _interval(report.tail.after, report.tail.by)
        lines.append(f"As of leaf {report.tail.index}, {when}, entry {report.tail.seq} was the last of the thread.")
        if report.missing:
            lines.append(f"LEFT OUT: this bundle ends before it, with entry {total}.")
    return lines


def _token(found: TokenReport) -> str:
    said = f"{found.authority} saw {found.head} by its clock at {rfc3339(found.at)}"
    if found.accuracy is not None:
        said += f", give or take {found.accuracy} ms"
    return f"{said}: the first {found.size} leaves stood by then{' (it says: qualified)' if found.claims_qualified else ''}."


def _entry(entry: EntryReport) -> list[str]:
    act = f" {to_json(entry.act).decode()}" if entry.act else ""
    head = f"  {entry.seq:>6}  {rfc3339(entry.at)}  {entry.office:<8} {entry.title} [{entry.kind}]{act}"
    lines = [head, f"          leaf {entry.index}, rung {entry.rung or 'not established'}"]
    lines.append(f"          made {_interval(entry.after, entry.by)}; {_grade(entry.grade)}")
    if entry.stamp_off:
        lines.append(f"          the hub's stamp is wrong by {entry.stamp_off} s at the least: the witnesses prove it")
    lines.extend(f"          {name}{_consented(entry, name)}: {_text(value)}" for name, value in entry.fields.items())
    if entry.hidden:
        lines.append(f"          up to {entry.hidden} field(s) not disclosed")
    lines.extend(_redaction(each) for each in entry.redactions)
    return lines


def _consented(entry: EntryReport, name: str) -> str:
    said = entry.consents.get(name, "NOT REQUIRED")
    return "" if said == "NOT REQUIRED" else f" [{said}]"


def _notice(found: NoticeReport) -> str:
    did = "has shown" if found.made else "means to show"
    if found.answer_seq is None:
        answer = "no answer"
    else:
        answer = f"{'consented to' if found.agreed else 'refused'} with entry {found.answer_seq}"
    sheet = "" if found.sheet is None else f"; the redactions it speaks of are {'these' if found.sheet else 'others'}"
    return f"  Entry {found.seq}: {found.office} {did} words to outsiders ({found.recipient}): {answer}{sheet}."


def _withheld(entry: WithheldReport) -> list[str]:
    named = "its leaf is named by what follows" if entry.named else "only its number is certain"
    lines = [f"  {entry.seq:>6}  WITHHELD, leaf {entry.index}; {named}"]
    lines.append(f"          existed {_interval(None, entry.by)}; {_grade(entry.grade)}")
    lines.extend(_redaction(each) for each in entry.redactions)
    return lines


def _redaction(found: RedactionReport) -> str:
    what = ", ".join(found.fields) or "the whole entry"
    why = "; ".join(filter(None, (found.reason, found.words, found.label)))
    return f"          left out by {found.by}: {what} ({why})"


def _clock(clock: ClockReport) -> list[str]:
    length = f"{clock.length / 1000:g} s"
    lines = [f"  Clock {clock.id}, {clock.title}, {length} from entry {clock.start_seq}: {clock.ended}"]
    if clock.wait is not None:
        between = f"{_seconds('at least', clock.least)}, {_seconds('at most', clock.most)}"
        by = f", proven by entry {clock.proven_by}" if clock.proven_by is not None else ""
        lines.append(f"          wait {clock.wait} ({between}{by})")
    if clock.relied is not None:
        lines.append(f"          the step of entry {clock.relied_seq} rests on it: {clock.relied}")
    if clock.deadline is not None:
        act = f"entry {clock.act_seq}" if clock.act_seq is not None else "nothing"
        path = f"; path shown by {clock.path}" if clock.path else ""
        lines.append(f"          deadline of {clock.office or 'both'} {clock.deadline} ({act}{path})")
    if clock.remark:
        lines.append(f"          {clock.remark}")
    return lines


def _seconds(word: str, count: int | None) -> str:
    return f"{word} {count} s" if count is not None else f"{word} not known"


def _grade(grade: str | None) -> str:
    return f"evidence {grade}: {GRADES[grade]}" if grade is not None else "not proven to be in the log"


def _interval(after: int | None, by: int | None) -> str:
    parts = [f"after {_time(after)}" if after is not None else "", f"by {_time(by)}" if by is not None else ""]
    return " and ".join(filter(None, parts)) or "at a time that nothing in here proves"


def _time(seconds: int) -> str:
    # A lying witness may sign any number below 2**63; most of those are no date.
    return rfc3339(seconds * 1000) if seconds < 253_402_300_800 else f"{seconds} s after 1970 (!)"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else to_json(value).decode()
