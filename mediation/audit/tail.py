"""Where the thread ends: the hub logged, in a leaf of its own, which was the newest entry of each thread.

It proves that when that leaf was made the entry ``seq`` was the last of the thread. That is the hub's signed word under the
witnesses' heads: a hub that hides an entry from this leaf has signed a lie that the entry itself refutes.
"""

from __future__ import annotations

from dataclasses import dataclass

from mediation.audit.case import Case
from mediation.audit.chain import leaf_digest
from mediation.audit.findings import Refuted
from mediation.audit.heads import Over
from mediation.audit.proofs import proven_index
from protocols.hub_leaf import check_tail, parse_hub_leaf
from protocols.translog import Bounds, after_bound, leaf_hash


@dataclass(frozen=True, slots=True)
class TailReport:
    """As of leaf ``index``, made after ``after`` and before ``by`` (POSIX seconds, None: not known), entry ``seq`` was the
    newest of the thread. ``at``: the hub's clock, ms UTC, a claim. ``whole``: it is the last one of the bundle."""

    seq: int
    index: int
    at: int
    after: int | None
    by: int | None
    whole: bool


def check_end(case: Case, over: Over, f: int) -> TailReport | None:
    """The tail, if there is one and it holds. Sets ``bound`` of a withheld entry that it names."""
    tail = case.bundle.tail
    if tail is None:
        return None
    with case.findings.noting(where="tail"):
        index = proven_index("tail.tlog-proof", tail.proof, leaf_hash(tail.leaf), case.heads)
        end = check_tail(tail.leaf, tail.disclosure, case.bundle.thread, case.accord)
        if end.index != index:
            raise Refuted("audit.index", "not the one that the leaf names")
        _check_agrees(case, end.seq, end.leaf, index)
        seen = case.heads.of_digest(parse_hub_leaf(tail.leaf).payload.seen)
        bounds = Bounds(after_bound(index, None if seen is None else seen.times, f), over.by(index))
        return TailReport(end.seq, index, end.at, bounds.after, bounds.by, end.seq == len(case.items))
    return None


def _check_agrees(case: Case, seq: int, leaf: str, index: int) -> None:
    """A tail older than the bundle's last entry, or newer, is fine; one that contradicts the entries is not."""
    if seq > len(case.items):
        return
    item = case.items[seq - 1]
    if leaf_digest(item) != leaf:
        raise Refuted("audit.tail", f"another entry {seq}")
    if item.index is not None and item.index >= index:
        raise Refuted("audit.tail", f"logged before entry {seq}")
    after = case.items[seq] if seq < len(case.items) else None
    if after is not None and after.index is not None and after.index < index:
        raise Refuted("audit.tail", f"entry {seq + 1} stood in the log already")
    item.bound = item.bound or item.exhibit.withheld is not None
