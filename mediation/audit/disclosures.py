"""The fifth stage: what is disclosed of an entry's body is what its author committed to (RFC 9901 section 7.1, strictly)."""

from __future__ import annotations

from mediation.audit.case import Case
from protocols.disclosure import reveal
from protocols.kinds import BadBody


def check_disclosures(case: Case) -> None:
    """Sets each item's ``fields``; where one disclosure of an entry fails, none of it is shown."""
    for item in case.items:
        if item.entry is None or not item.exhibit.disclosures:
            continue
        with case.findings.noting(item.seq):
            fields = reveal(item.exhibit.disclosures, item.entry.payload.sd)
            if not set(fields) <= set(item.entry.kind.fields):
                raise BadBody("a field that this kind does not have")
            item.fields = fields
