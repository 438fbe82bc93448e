"""A small log with four witnesses, and the tree as the RFC writes it: slow, recursive and plain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from protocols.translog import (
    EMPTY_ROOT,
    Checkpoint,
    Frontier,
    Policy,
    Signer,
    TlogProof,
    add_signatures,
    build_consistency,
    build_inclusion,
    build_root,
    cosign,
    ed25519_cosigner,
    ed25519_signer,
    leaf_hash,
    mldsa44_cosigner,
    node_hash,
    parse_policy,
    sign_checkpoint,
)

ORIGIN = "hub.example/audit/1"
LOG = ed25519_signer(ORIGIN, bytes([7]) * 32)
WITNESSES = [ed25519_cosigner(f"w{each}.example", bytes([each + 1]) * 32) for each in range(4)]
PQ_WITNESS = mldsa44_cosigner("w9.example", bytes([99]) * 32)


def policy_text(rule: str = "3", witnesses: Sequence[Signer] = WITNESSES) -> str:
    lines = [f"log {LOG.key.vkey}"]
    lines += [f"witness W{each} {signer.key.vkey}" for each, signer in enumerate(witnesses)]
    lines += [f"group G {rule} {' '.join(f'W{each}' for each in range(len(witnesses)))}", "quorum G"]
    return "".join(f"{line}\n" for line in lines)


POLICY: Policy = parse_policy(policy_text())


@dataclass
class Log:
    """An in-memory log: leaves, stored complete nodes, and heads signed on demand."""

    leaves: list[bytes] = field(default_factory=list)
    nodes: dict[tuple[int, int], bytes] = field(default_factory=dict)
    frontier: Frontier = field(default_factory=Frontier)
    reads: list[tuple[int, int]] = field(default_factory=list)

    def append(self, leaf: bytes) -> None:
        self.leaves.append(leaf)
        self.frontier, new = self.frontier.append(leaf_hash(leaf))
        for level, index, node in new:
            assert (level, index) not in self.nodes, "a complete node never changes"
            self.nodes[level, index] = node

    def get_node(self, level: int, index: int) -> bytes:
        self.reads.append((level, index))
        return self.nodes[level, index]

    def checkpoint(self, size: int) -> Checkpoint:
        return Checkpoint(ORIGIN, size, build_root(size, self.get_node))

    def note(self, size: int, times: Sequence[tuple[Signer, int]] = ()) -> str:
        checkpoint = self.checkpoint(size)
        lines = [cosign(checkpoint, signer, time) for signer, time in times]
        return add_signatures(sign_checkpoint(checkpoint, LOG), lines)

    def inclusion(self, index: int, size: int) -> list[bytes]:
        return build_inclusion(index, size, self.get_node)

    def consistency(self, old: int, new: int) -> list[bytes]:
        return build_consistency(old, new, self.get_node)

    def proof(self, index: int, size: int, signers: Sequence[Signer] = WITNESSES, time: int = 1000) -> TlogProof:
        note = self.note(size, [(signer, time) for signer in signers])
        return TlogProof(index, tuple(self.inclusion(index, size)), note)


def log_of(size: int, leaf: Callable[[int], bytes] = lambda index: b"leaf %d" % index) -> Log:
    log = Log()
    for index in range(size):
        log.append(leaf(index))
    return log


def mth(leaves: Sequence[bytes]) -> bytes:
    """MTH(D[n]) of RFC 6962 section 2.1."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    k = split(len(leaves))
    return node_hash(mth(leaves[:k]), mth(leaves[k:]))


def path(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH(m, D[n]) of RFC 6962 section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if index < k:
        return [*path(index, leaves[:k]), mth(leaves[k:])]
    return [*path(index - k, leaves[k:]), mth(leaves[:k])]


def proof(old: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PROOF(m, D[n]) of RFC 6962 section 2.1.2."""
    return subproof(old, leaves, True) if 0 < old < len(leaves) else []


def subproof(old: int, leaves: Sequence[bytes], whole: bool) -> list[bytes]:
    if old == len(leaves):
        return [] if whole else [mth(leaves)]
    k = split(len(leaves))
    if old <= k:
        return [*subproof(old, leaves[:k], whole), mth(leaves[k:])]
    return [*subproof(old - k, leaves[k:], False), mth(leaves[:k])]


def split(count: int) -> int:
    k = 1
    while k * 2 < count:
        k *= 2
    return k


def flips(data: bytes, step: int = 1) -> list[bytes]:
    """Every copy of ``data`` with one bit changed (or every ``step``-th of them)."""
    out = []
    for bit in range(0, len(data) * 8, step):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << (bit % 8)
        out.append(bytes(changed))
    return out
