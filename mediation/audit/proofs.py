"""The second stage: every entry, shown or withheld, is in the log, at one place, under one of the heads."""

from __future__ import annotations

from mediation.audit.case import Case, Item
from mediation.audit.findings import Refuted
from mediation.audit.heads import Heads
from protocols.encoding import unb64u
from protocols.translog import ProofMalformed, leaf_hash, parse_proof, verify_inclusion


def check_proofs(case: Case) -> None:
    """Sets each item's ``index``, or clears ``sound``."""
    for item in case.items:
        with case.findings.noting(item.seq):
            item.index = _index(item, case.heads)
        item.sound = item.index is not None


def _index(item: Item, heads: Heads) -> int:
    withheld, name = item.exhibit.withheld, f"{item.seq:06d}.tlog-proof"
    if withheld is None:
        index = proven_index(name, item.exhibit.proof, leaf_hash(item.exhibit.leaf), heads)
    else:
        index = proven_index(name, item.exhibit.proof, unb64u(withheld.leaf_hash, size=32), heads)
        if withheld.index != index:
            raise Refuted("audit.index")
    return index


def proven_index(name: str, file: bytes, leaf: bytes, heads: Heads) -> int:
    """Where the log holds the leaf of this hash (RFC 6962, 32 bytes), by a proof file under one of the heads.

    ``name``: the file's. Raises `ProofMalformed`, `ProofRefused`, and what `Heads.find` raises.
    """
    proof = parse_proof(file)
    if proof.extra is not None:
        raise ProofMalformed("a proof with unauthenticated data beside it")
    shown = heads.find(name, proof.checkpoint)
    verify_inclusion(leaf, proof.index, shown.size, proof.hashes, shown.head.checkpoint.root)
    return proof.index
