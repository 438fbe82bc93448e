"""What a report says, sentence by sentence: the page, the text and the command line say the same.

Every sentence was proven, except where it says that it is a claim.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mediation.audit.clocks import ClockReport
from mediation.audit.consents import NoticeReport
from mediation.audit.report import EntryReport, RedactionReport, Report, WithheldReport
from mediation.audit.tokens import TokenReport
from protocols.encoding import rfc3339

GRADES = {
    "L0": "signed by the log alone",
    "L1": "at least one honest witness",
    "L2": "a quorum of witnesses",
    "L3": "a quorum, and the adverse party itself",
}
HOW_TO_READ = (
    "“Made after … and by …” is proven by the witnesses' clocks, although some of them may lie. The hub's stamp and the "
    "author's own clock are claims; nothing was computed with them. Times are UTC."
)
ABOUT_CLOCKS = (
    "ELAPSED, NOT ELAPSED: whether a wait was over. IN TIME, MISSED: whether somebody acted before a deadline. "
    "UNDETERMINED: the witnesses' times do not settle it, which is not a “no”."
)
_JOINERS = "\n\t\u200c\u200d\u200e\u200f"  # which words of some scripts need; none of them reorders what is around them


@dataclass(frozen=True, slots=True)
class Basis:
    """By whom a bundle was checked. ``own``: by the reader of the report, by a policy and accord of their own; else by whoever
    made the bundle, by those inside it. ``tokens``: time-stamps in the bundle; ``authorities``: how many whose time-stamps
    were believed."""

    own: bool
    tokens: int = 0
    authorities: int = 0


def legible(text: str) -> str:
    """Others' words without control characters and without those that reorder text."""
    return "".join(each if each.isprintable() or each in _JOINERS else "\ufffd" for each in text)


# -- the whole -----------------------------------------------------------------------------------------------------------


def nature(basis: Basis) -> tuple[str, ...]:
    """What a report is worth."""
    if basis.own:
        return (
            "The verifier wrote this report by the policy and the accord that its user brought. It says what that run of the "
            "program found. It is not itself evidence: whoever is handed it runs the check again on the bundle.",
        )
    return (
        "This report proves nothing. Whoever made the bundle had it written, and could have written anything; the program "
        "checked the bundle by the policy and the accord that lie inside it, not by yours.",
        "The evidence is the other files beside it. Check them yourself, as is said at the end.",
    )


def basis_facts(report: Report, basis: Basis) -> Iterator[tuple[str, str]]:
    """What was checked, and by what."""
    yield "Checked by", "the verifier's user, by their own policy and accord" if basis.own else "the bundle's maker"
    yield "Accord", report.accord
    yield "Thread", f"{report.thread}, ladder {report.ladder}"
    yield "Log", f"{report.head_size} leaves, cosigned by {cosigned(report)}"
    yield "Clocks of witnesses", f"{report.liars} may lie; honest ones are off by at most {report.epsilon} s"
    yield (
        "Entries",
        f"{len(report.entries)} shown, {len(report.withheld)} withheld, {report.missing} missing at the end",
    )


def cosigned(report: Report) -> str:
    """By whom the final head was, when."""
    return ", ".join(f"{name} at {time(at)}" for name, at in report.witnesses.items()) or "nobody known to you"


def unchecked(report: Report, basis: Basis) -> Iterator[str]:
    """What the run did not look at, or could not."""
    total = len(report.entries) + len(report.withheld)
    if not basis.own:
        yield "Whether the accord and the policy in the bundle are the ones that you know."
    if basis.tokens and not basis.authorities:
        yield f"The {basis.tokens} time-stamp(s) in the bundle: no authority was named whose time-stamps are believed."
    if report.replayed < total:
        yield f"The ladder after entry {report.replayed} of {total}: the state after that is the hub's claim."
    if any(entry.hidden for entry in report.entries):
        yield "Fields that are not disclosed: only that they, or decoys, are there."
    if report.withheld:
        yield "What withheld entries say, who wrote them and when: only that they are in the log by a time."
    if report.tail is None:
        yield "Whether there are entries after the last one: the tail is not proven."
    yield "Whether a mandate was revoked by a paper that is not in the bundle."


def verdict(report: Report) -> str:
    """The verdict in one line."""
    count, left = f"{len(report.entries)} entries", len(report.withheld) + report.missing
    if report.holds:
        allowed = f" and {left} left out, which you allowed" if left else ""
        return f"HOLDS: {count}{allowed}, the thread stands on {report.rung or 'a rung that is not established'}."
    if report.sound:
        out = "1 entry is left out" if left == 1 else f"{left} entries are left out"
        return f"DOES NOT HOLD: nothing fails, but {out}. Say --allow-withheld if you accept that."
    return f"DOES NOT HOLD: {len(report.problems) or 'no entries, hence 1'} problem(s). Keep the file."


def about_heads(report: Report) -> str:
    """The heads in one sentence."""
    return (
        f"{len(report.heads)} head(s) of one history; times hold although {report.liars} witness(es) may lie, with "
        f"honest clocks within {report.epsilon} s"
    )


def end(report: Report) -> Iterator[str]:
    """How far the ladder was replayed, and what is proven of the thread's end."""
    total = len(report.entries) + len(report.withheld)
    if report.replayed < total:
        yield f"The ladder was replayed up to entry {report.replayed} of {total}: the state after that is the hub's claim."
    if report.tail is None:
        yield "The tail is not proven: there may be entries after the last one."
        return
    when = interval(report.tail.after, report.tail.by)
    yield f"As of leaf {report.tail.index}, {when}, entry {report.tail.seq} was the last of the thread."
    if report.missing:
        yield missing(report)


def missing(report: Report) -> str:
    """That the bundle ends before the thread did."""
    return f"LEFT OUT: this bundle ends before it, with entry {len(report.entries) + len(report.withheld)}."


def how_to_check(basis: Basis) -> Iterator[str]:
    """What a reader does who believes nobody."""
    if basis.own:
        yield "Run the same again; it asks nobody and needs no network."
    else:
        yield (
            "Get the accord (or its id) and a witness policy from somebody you trust, not from whoever gave you this, and "
            "run the verifier on the bundle. It asks nobody and needs no network."
        )
    yield "Without this program: the reference page evidence.md checks a bundle with openssl, sha256sum and a shell, by hand."


def command(report: Report) -> str:
    """The command that checks."""
    return f"hotline audit verify BUNDLE --policy YOUR-POLICY --accord-id {report.accord}"


# -- entries -------------------------------------------------------------------------------------------------------------


def entry_facts(entry: EntryReport) -> Iterator[tuple[str, str]]:
    """Who, what, when, how well proven."""
    yield "Made", interval(entry.after, entry.by)
    yield "Evidence", grade(entry.grade)
    yield "Claimed", f"stamped {rfc3339(entry.at)} by the hub, written {entry.claimed} by the author's clock"
    if entry.stamp_off:
        yield "Stamp", stamp_off(entry)
    yield "Place", f"leaf {entry.index}, entry id {entry.id}"
    yield "Rung after it", entry.rung or "not established"
    yield "Precedence", f"{entry.precedence}, TLP:{entry.tlp}"
    officers = ", ".join(entry.officers) or "none"
    yield "Signed by", f"station {entry.station}; officers {officers}"


def stamp_off(entry: EntryReport) -> str:
    """That the hub's stamp is proven wrong."""
    return f"the hub's stamp is wrong by {entry.stamp_off} s at the least: the witnesses prove it"


def hidden(entry: EntryReport) -> str:
    """How much may be hidden."""
    return f"up to {entry.hidden} field(s) not disclosed"


def consented(entry: EntryReport, name: str) -> str:
    """What became of a disclosed field's consent; empty where the accord asks for none."""
    said = entry.consents.get(name, "NOT REQUIRED")
    return "" if said == "NOT REQUIRED" else said


def withheld_facts(entry: WithheldReport) -> Iterator[tuple[str, str]]:
    """What still is proven of it."""
    yield "Existed", interval(None, entry.by)
    yield "Evidence", grade(entry.grade)
    yield "Place", f"leaf {entry.index}; {named(entry)}"
    yield "SHA-256", entry.digest


def named(entry: WithheldReport) -> str:
    """How surely it is that leaf."""
    return "its leaf is named by what follows" if entry.named else "only its number is certain"


def redaction(found: RedactionReport) -> str:
    """What was left out, by whom, why."""
    what = ", ".join(found.fields) or "the whole entry"
    why = "; ".join(filter(None, (found.reason, found.words, found.label)))
    return f"left out by {found.by}: {what} ({why})"


# -- clocks, consent, tokens ---------------------------------------------------------------------------------------------


def clock_facts(clock: ClockReport) -> Iterator[tuple[str, str]]:
    """Its length, and how it ended by the stamps."""
    yield "Length", f"{clock.length / 1000:g} s from entry {clock.start_seq}"
    ended = clock.ended if clock.end_seq is None else f"{clock.ended}, with entry {clock.end_seq}"
    yield "By the stamps", ended
    if clock.remark:
        yield "Remark", clock.remark


def clock_verdicts(clock: ClockReport) -> Iterator[tuple[str, str, str]]:
    """(about what, verdict, its numbers) of each question that arises."""
    if clock.wait is not None:
        between = f"{_seconds('at least', clock.least)}, {_seconds('at most', clock.most)}"
        by = f", proven by entry {clock.proven_by}" if clock.proven_by is not None else ""
        yield "wait", clock.wait, f"{between}{by}"
    if clock.relied is not None:
        yield f"for the step of entry {clock.relied_seq}, which rests on it", clock.relied, ""
    if clock.deadline is not None:
        act = f"entry {clock.act_seq}" if clock.act_seq is not None else "no such entry is shown"
        path = f"; path shown by {clock.path}" if clock.path else ""
        yield f"deadline of {clock.office or 'both'}", clock.deadline, f"{act}{path}"


def consent(report: Report) -> list[str]:
    """What the parties told each other about showing words to outsiders."""
    lines = []
    if report.disclosure == "both":
        lines.append("The accord asks for the consent of both parties before words are shown to outsiders.")
    return lines + [_notice(each) for each in report.notices]


def _notice(found: NoticeReport) -> str:
    did = "has shown" if found.made else "means to show"
    if found.answer_seq is None:
        answer = "no answer"
    else:
        answer = f"{'consented to' if found.agreed else 'refused'} with entry {found.answer_seq}"
    sheet = "" if found.sheet is None else f"; the redactions it speaks of are {'these' if found.sheet else 'others'}"
    return f"Entry {found.seq}: {found.office} {did} words to outsiders ({found.recipient}): {answer}{sheet}."


def token(found: TokenReport) -> str:
    """What a time-stamp says."""
    said = f"{found.authority} saw {found.head} by its clock at {rfc3339(found.at)}"
    if found.accuracy is not None:
        said += f", give or take {found.accuracy} ms"
    return f"{said}: the first {found.size} leaves stood by then{' (it says: qualified)' if found.claims_qualified else ''}."


# -- small words ---------------------------------------------------------------------------------------------------------


def grade(found: str | None) -> str:
    """A grade and its meaning."""
    return f"evidence {found}: {GRADES[found]}" if found is not None else "not proven to be in the log"


def interval(after: int | None, by: int | None) -> str:
    """Between which honest seconds."""
    parts = [f"after {time(after)}" if after is not None else "", f"by {time(by)}" if by is not None else ""]
    return " and ".join(filter(None, parts)) or "at a time that nothing in here proves"


def time(seconds: int) -> str:
    """POSIX seconds. A lying witness may sign any number below 2**63; most of those are no date."""
    return rfc3339(seconds * 1000) if seconds < 253_402_300_800 else f"{seconds} s after 1970 (!)"


def _seconds(word: str, count: int | None) -> str:
    return f"{word} {count} s" if count is not None else f"{word} not known"
