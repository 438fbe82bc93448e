"""Proof files: C2SP tlog-proof, all that a court needs to check one entry offline besides keys it trusts already.

::

    c2sp.org/tlog-proof@v1
    [extra <base64>]                 opaque and unauthenticated
    index <decimal>
    <base64 hash>                    0 to 63 lines, the leaf's sibling first
    (empty line)
    <the checkpoint note, verbatim>

The verifier brings the leaf's exact bytes and its own policy (log and witness keys, quorum).

A consistency proof between two heads has no C2SP file of its own; it is written as in a C2SP tlog-witness request, one
base64 hash a line, and nothing else.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from protocols.translog.cosignature import CosignedCheckpoint
from protocols.translog.errors import NoteMalformed, ProofMalformed
from protocols.translog.note import (
    MAX_NOTE_BYTES,
    Note,
)
from protocols.translog.policy import Policy, open_with_policy
from protocols.translog.tree import HASH_SIZE, MAX_SIZE, leaf_hash, verify_inclusion
from protocols.translog.wire import decode_base64, decode_decimal, decode_text, encode_base64

HEADER = "c2sp.org/tlog-proof@v1"
EXTENSION = ".tlog-proof"  # of the file name
MAX_HASHES = 63
MAX_PROOF_BYTES = 2 * MAX_NOTE_BYTES


@dataclass(frozen=True, slots=True)
class TlogProof:
    """A proof file that follows the grammar. It proves nothing until ``verify_proof`` says so.

    ``index`` is the leaf's, from 0; ``hashes`` are 32 bytes each, the leaf's sibling first; ``checkpoint`` is a note;
    ``extra`` is opaque and must not be trusted.

    Raises:
        ProofMalformed: a part is out of range.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str
    extra: bytes | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.index <= MAX_SIZE:
            raise ProofMalformed(f"bad index {self.index}")
        if len(self.hashes) > MAX_HASHES:
            raise ProofMalformed(f"more than {MAX_HASHES} hashes")
        if any(len(each) != HASH_SIZE for each in self.hashes):
            raise ProofMalformed(f"a hash is not {HASH_SIZE} bytes")
        if not self.checkpoint:
            raise ProofMalformed("no checkpoint")


@dataclass(frozen=True, slots=True)
class VerifiedProof:
    """The leaf is entry ``index`` of the log, under a checkpoint that meets the verifier's policy."""

    index: int
    leaf_hash: bytes
    head: CosignedCheckpoint


def format_proof(proof: TlogProof) -> str:
    """The file's text; UTF-8 on disk."""
    lines = [HEADER]
    if proof.extra is not None:
        lines.append(f"extra {base64.b64encode(proof.extra).decode()}")
    lines.append(f"index {proof.index}")
    lines.extend(base64.b64encode(each).decode() for each in proof.hashes)
    return "".join(f"{line}\n" for line in lines) + "\n" + proof.checkpoint


def parse_proof(text: Note) -> TlogProof:
    """Read a proof file. The checkpoint in it is not looked at yet.

    Raises:
        ProofMalformed: it breaks the grammar.
    """
    try:
        whole = decode_text(text, MAX_PROOF_BYTES)
        head, cut, checkpoint = whole.partition("\n\n")
        if not cut:
            raise ProofMalformed("no empty line before the checkpoint")
        return _parse_head(iter(head.split("\n")), checkpoint)
    except ProofMalformed:
        raise
    except NoteMalformed as error:
        raise ProofMalformed(error.detail) from None


def _parse_head(lines: Iterator[str], checkpoint: str) -> TlogProof:
    if next(lines, "") != HEADER:
        raise ProofMalformed(f"the first line is not {HEADER}")
    line = next(lines, "")
    extra = None
    if line.startswith("extra "):
        extra = decode_base64(line.removeprefix("extra "))
        line = next(lines, "")
    if not line.startswith("index "):
        raise ProofMalformed("no index line")
    index = decode_decimal(line.removeprefix("index "))
    return TlogProof(index, tuple(decode_base64(each) for each in lines), checkpoint, extra)


def verify_proof(proof: TlogProof, leaf: bytes, policy: Policy) -> VerifiedProof:
    """Check that ``leaf`` (exact bytes) is in the log at ``proof.index``, as the verifier's own policy demands.

    Raises:
        NoteMalformed, SignatureRefused, NoKnownSignature, QuorumNotMet: see ``policy.open_with_policy``.
        ProofRefused: the hashes do not lead from the leaf to the checkpoint's root.
    """
    head = open_with_policy(proof.checkpoint, policy)
    hashed = leaf_hash(leaf)
    verify_inclusion(hashed, proof.index, head.checkpoint.size, proof.hashes, head.checkpoint.root)
    return VerifiedProof(proof.index, hashed, head)


def format_consistency(hashes: Iterable[bytes]) -> bytes:
    """The file: base64 hashes (RFC 6962 section 2.1.2), one a line; empty for the same tree."""
    return "".join(f"{encode_base64(each)}\n" for each in hashes).encode("ascii")


def parse_consistency(text: Note) -> tuple[bytes, ...]:
    """The hashes of a consistency file, 32 bytes each. They prove nothing until ``verify_consistency`` says so.

    Raises:
        ProofMalformed: it breaks the grammar.
    """
    try:
        whole = decode_text(text, MAX_HASHES * 45)
        if whole and not whole.endswith("\n"):
            raise ProofMalformed("no newline at the end")
        hashes = tuple(decode_base64(each) for each in whole.split("\n")[:-1])
    except ProofMalformed:
        raise
    except NoteMalformed as error:
        raise ProofMalformed(error.detail) from None
    if any(len(each) != HASH_SIZE for each in hashes):
        raise ProofMalformed(f"a hash is not {HASH_SIZE} bytes")
    return hashes
