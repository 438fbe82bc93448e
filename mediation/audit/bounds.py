"""The sixth stage: between which honest seconds each entry was made (see `protocols.translog.timebound`).

Heads in the bundle give both ends: one that holds the entry shows that it existed by then, the one that it names as
``seen`` that it was made after. A ``seen`` head that is not in the bundle bounds nothing; one that holds the entry itself
is a lie.
"""

from __future__ import annotations

from mediation.audit.case import Case
from mediation.audit.heads import Over
from protocols.translog import Bounds, after_bound


def check_bounds(case: Case, over: Over, f: int) -> None:
    """Sets each item's ``bounds``. ``f``: how many witnesses may lie."""
    for item in case.items:
        if item.index is None:
            continue
        after = None
        if item.entry is not None:
            with case.findings.noting(item.seq, "seen"):
                seen = case.heads.of_digest(item.entry.payload.seen)
                after = after_bound(item.index, None if seen is None else seen.times, f)
        item.bounds = Bounds(after, over.by(item.index))
