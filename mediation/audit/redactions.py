"""What was left out and why, as the bundle's maker says; it must match what is really there, both ways."""

from __future__ import annotations

from mediation.audit.case import Case, Item
from mediation.audit.findings import Problem
from protocols.redaction import Redaction, Shown, by_entry, compare, parse_sheet, shown_of


def check_redactions(case: Case) -> dict[int, list[Redaction]]:
    """The sheet's items by entry; none where there is no sheet, or where it cannot be read."""
    if case.bundle.redactions is None:
        return {}
    with case.findings.noting(where="redactions.json"):
        sheet = parse_sheet(case.bundle.redactions)
        shown = [_shown(item) for item in case.items if item.entry is not None or item.exhibit.withheld is not None]
        for found in compare(sheet, case.bundle.thread, shown):
            case.findings.problems.append(Problem(found.code, found.seq, found.sentence))
        return by_entry(sheet)
    return {}


def _shown(item: Item) -> Shown:
    return shown_of(item.seq, item.entry, item.fields, item.exhibit.disclosures)
