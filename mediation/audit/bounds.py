"""The sixth stage: between which honest seconds each entry was made (see `protocols.translog.timebound`).

Heads in the bundle give both ends: one that holds the entry shows that it existed by then, the one that it names as
``seen`` that it was made after. A ``seen`` head that is not in the bundle bounds nothing; one that holds the entry itself
is a lie.

Signatures were judged as of the hub's stamp, which is a claim. Where the witnesses prove the stamp wrong, that is told, and the
signers must have been mandated at some moment of the proven interval too: no hub lends an expired key an earlier date.
"""

from __future__ import annotations

from mediation.audit.case import Case, Item
from mediation.audit.findings import Refuted
from mediation.audit.heads import Over
from protocols.bundle import involved
from protocols.entry import verify_entry
from protocols.mandate import OutOfMandate
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


def _stamp_off(item: Item, epsilon: int) -> int:
    if item.stamp is None:
        return 0
    at, bounds = item.stamp.at // 1000, item.bounds
    early = 0 if bounds.after is None else bounds.after - epsilon - at
    late = 0 if bounds.by is None else at - bounds.by - epsilon
    return max(0, early, late)


def check_stamps(case: Case) -> None:
    """Sets each item's ``stamp_off``; clears ``sound`` where the signers were mandated at the stamp, but at no moment at
    which the entry can have been made."""
    for item in case.items:
        item.stamp_off = _stamp_off(item, case.trust.epsilon)
        if item.stamp_off and item.sound and item.verified is not None:
            with case.findings.noting(item.seq):
                if not any(_mandated(case, item, at) for at in _moments(case, item)):
                    item.sound = False
                    raise Refuted("audit.mandate")


def _moments(case: Case, item: Item) -> set[int]:
    """The ends of the proven interval, and every moment in it at which a mandate of a signer's begins (ms UTC)."""
    after, by, epsilon = item.bounds.after, item.bounds.by, case.trust.epsilon
    last = None if by is None else (by + epsilon) * 1000
    first = last if after is None else (after - epsilon) * 1000
    if first is None:
        return set()
    signers = involved((item.entry,)) if item.entry is not None else set()
    begins = (mandate.not_before for mandate in case.book.all() if mandate.kid in signers)
    ends = {first} if last is None else {first, last}
    return ends | {at for at in begins if (after is None or first <= at) and (last is None or at <= last)}


def _mandated(case: Case, item: Item, at: int) -> bool:
    assert item.entry is not None  # noqa: S101 - it was verified
    try:
        verify_entry(item.entry, case.accord, case.book, at=at)
    except OutOfMandate:
        return False
    return True
