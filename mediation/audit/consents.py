"""Part of the fifth stage: where the accord asks for both parties' consent to show words to outsiders, it is in the log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mediation.audit.case import Case
from mediation.audit.findings import Problem
from mediation.consent import Agreement, Consented, agreements, consent_to
from protocols.encoding import digest

CODE = "audit.no-consent"


@dataclass(frozen=True, slots=True)
class NoticeReport:
    """A notice of disclosure: entry ``seq`` by ``office``, to whom; ``answer_seq`` the other party's answer, if there is
    one, and whether it ``agreed``. ``sheet``: whether the redaction sheet that it names is the bundle's; None where it
    names none."""

    seq: int
    office: str
    recipient: str
    made: bool
    answer_seq: int | None
    agreed: bool
    sheet: bool | None


@dataclass(frozen=True, slots=True)
class Consents:
    """``fields``: of each entry that discloses something, what became of each field. ``notices``: all that are shown."""

    fields: Mapping[int, Mapping[str, Consented]]
    notices: tuple[NoticeReport, ...]


def check_consents(case: Case) -> Consents:
    """Notes an entry of which something is shown without the consent that the accord asks for."""
    accord = case.accord.accord
    agreed = agreements(
        (item.seq, item.entry) for item in case.items if item.entry is not None and item.verified is not None
    )
    found: dict[int, Mapping[str, Consented]] = {}
    for item in case.items:
        if not item.fields:
            continue
        found[item.seq] = {name: consent_to(accord, agreed, item.seq, name) for name in item.fields}
        missing = [name for name, said in found[item.seq].items() if said == "NOT CONSENTED"]
        if missing:
            sentence = (
                "Words are shown here to which the accord asks for the consent of both parties, and that is not in the "
                f"bundle: {', '.join(missing)}. They are what was signed; whether they may be shown is another matter."
            )
            case.findings.problems.append(Problem(CODE, item.seq, sentence))
    sheet = None if case.bundle.redactions is None else digest(case.bundle.redactions)
    return Consents(found, tuple(_notice(each, sheet) for each in agreed))


def _notice(found: Agreement, sheet: str | None) -> NoticeReport:
    same = None if found.sheet is None else found.sheet == sheet
    return NoticeReport(found.seq, found.office, found.recipient, found.made, found.answer_seq, found.agreed, same)
