"""The fourth stage: nothing is missing, doubled or out of order, and everybody had before them what they say they had.

A withheld entry is held in its place by its neighbours: the next stamp names its digest (``bound``), and of several in a
row at least the count is certain, because the stamp after them says its own number. What is withheld at the very end is
held by nothing but a tail.
"""

from __future__ import annotations

from mediation.audit.case import Case, Item
from mediation.audit.findings import Refuted
from protocols.encoding import digest


def check_chain(case: Case) -> None:
    """Clears ``sound`` of an item that does not follow; sets ``bound`` of withheld ones."""
    ids: dict[int, str] = {}
    before: Item | None = None
    at, index = 0, -1
    for item in case.items:
        if item.entry is not None and item.stamp is not None:
            ids.setdefault(item.seq, item.entry.id)
            sound, item.sound = item.sound, False
            with case.findings.noting(item.seq):
                _check_place(case, item, before)
                if item.stamp.at < at or item.stamp.index <= index:
                    raise Refuted("audit.order")
                _check_previous(item, ids)
                item.sound = sound
            at, index = max(at, item.stamp.at), max(index, item.stamp.index)
        elif item.exhibit.withheld is not None:
            with case.findings.noting(item.seq):
                if item.exhibit.withheld.index <= index:
                    raise Refuted("audit.order")
            index = max(index, item.exhibit.withheld.index)
        before = item


def leaf_digest(item: Item) -> str:
    """SHA-256 of the entry's leaf, base64url: of a withheld one as far as the bundle says."""
    withheld = item.exhibit.withheld
    return digest(item.exhibit.leaf) if withheld is None else withheld.digest


def _check_place(case: Case, item: Item, before: Item | None) -> None:
    assert item.entry is not None and item.stamp is not None  # noqa: S101 - the caller's condition
    if item.entry.payload.thread != case.bundle.thread or item.stamp.seq != item.seq:
        raise Refuted("audit.misplaced")
    if before is None:
        if item.stamp.chain is not None:
            raise Refuted("audit.chain")
        return
    if item.stamp.chain != leaf_digest(before):
        raise Refuted("audit.chain")
    before.bound = before.exhibit.withheld is not None


def _check_previous(item: Item, ids: dict[int, str]) -> None:
    """A withheld entry's id is not known; the first who names it says it, and all others must say the same."""
    assert item.entry is not None  # noqa: S101 - the caller's condition
    payload = item.entry.payload
    if payload.prev is None:
        return
    if payload.prev_seq >= item.seq or ids.setdefault(payload.prev_seq, payload.prev) != payload.prev:
        raise Refuted("audit.previous")
