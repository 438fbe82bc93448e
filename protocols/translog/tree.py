"""The Merkle tree of RFC 6962 section 2.1 (the same tree as RFC 9162 section 2.1).

Hashes are 32 bytes, SHA-256. Sizes and indexes are plain integers below 2**63, the limit of C2SP tlog-checkpoint.

Storage is not here. A tree is kept as its *complete* nodes: node ``(level, index)`` covers the leaves
``[index << level, (index + 1) << level)``, level 0 holds the leaf hashes, and a complete node never changes again. So a
store needs one insert-only table, and every proof for every past size can be made from it for ever.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from protocols.translog.errors import ProofRefused

HASH_SIZE = 32  # bytes of a SHA-256
MAX_SIZE = 2**63 - 1  # leaves; C2SP tlog-checkpoint keeps sizes inside a signed 64-bit integer
EMPTY_ROOT = hashlib.sha256(b"").digest()

GetNode = Callable[[int, int], bytes]
"""Reads the stored complete node ``(level, index)``; 32 bytes."""


Node = tuple[int, int, bytes]
"""A complete node, ``(level, index, hash)``: covers leaves ``[index << level, (index + 1) << level)``."""


def leaf_hash(data: bytes) -> bytes:
    """``SHA-256(0x00 || data)``, 32 bytes (RFC 6962 section 2.1)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """``SHA-256(0x01 || left || right)``, 32 bytes (RFC 6962 section 2.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(leaf_hashes: Iterable[bytes]) -> bytes:
    """The root over leaf hashes in order; ``EMPTY_ROOT`` for none."""
    frontier = Frontier()
    for each in leaf_hashes:
        frontier, _ = frontier.append(each)
    return frontier.root()


# ---------------------------------------------------------------------------------------------------------------------
# Verification: the two algorithms of RFC 9162, step by step


def verify_inclusion(leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that ``leaf_hash`` is leaf ``index`` of the tree of ``size`` leaves under ``root``.

    RFC 9162 section 2.1.3.2; the comments carry its step numbers. ``proof`` has the leaf's sibling first.

    Raises:
        ProofRefused: it is not, or any hash is not 32 bytes, or the proof is longer or shorter than needed.
    """
    _check_hashes(leaf_hash, root, *proof)
    if not 0 <= index < size <= MAX_SIZE:  # 1
        raise ProofRefused(f"index {index} is not in a tree of {size}")
    fn, sn = index, size - 1  # 2
    r = leaf_hash  # 3
    for p in proof:  # 4
        if sn == 0:  # 4a
            raise ProofRefused("inclusion proof is too long")
        if fn & 1 or fn == sn:  # 4b
            r = node_hash(p, r)
            if not fn & 1:
                while fn and not fn & 1:
                    fn >>= 1
                    sn >>= 1
        else:
            r = node_hash(r, p)
        fn >>= 1  # 4c
        sn >>= 1
    if sn != 0:  # 5
        raise ProofRefused("inclusion proof is too short")
    if r != root:
        raise ProofRefused("inclusion proof leads to another root")


def verify_consistency(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree ``(new_size, new_root)`` only adds leaves to ``(old_size, old_root)``.

    RFC 9162 section 2.1.4.2 with its step numbers. Beyond it: from size 0 the proof must be empty and the old root
    must be that of the empty tree; equal sizes need equal roots and an empty proof.

    Raises:
        ProofRefused: it does not, or any hash is not 32 bytes, or the proof is longer or shorter than needed.
    """
    _check_hashes(old_root, new_root, *proof)
    if not 0 <= old_size <= new_size <= MAX_SIZE:
        raise ProofRefused(f"no consistency from size {old_size} to size {new_size}")
    for size, root in ((old_size, old_root), (new_size, new_root)):
        if size == 0 and root != EMPTY_ROOT:
            raise ProofRefused("size 0 with a root that is not the empty tree's")
    if old_size == new_size and old_root != new_root:
        raise ProofRefused("same size, other root")
    if old_size in (0, new_size):
        if proof:
            raise ProofRefused("consistency proof must be empty here")
        return
    if not proof:  # 1
        raise ProofRefused("consistency proof is missing")
    path = [*proof]
    if old_size & (old_size - 1) == 0:  # 2
        path.insert(0, old_root)
    fn, sn = old_size - 1, new_size - 1  # 3
    while fn & 1:  # 4
        fn >>= 1
        sn >>= 1
    fr = sr = path[0]  # 5
    for c in path[1:]:  # 6
        if sn == 0:  # 6a
            raise ProofRefused("consistency proof is too long")
        if fn & 1 or fn == sn:  # 6b
            fr = node_hash(c, fr)
            sr = node_hash(c, sr)
            while fn and not fn & 1:
                fn >>= 1
                sn >>= 1
        else:
            sr = node_hash(sr, c)
        fn >>= 1  # 6c
        sn >>= 1
    if sn != 0:  # 7
        raise ProofRefused("consistency proof is too short")
    if fr != old_root:
        raise ProofRefused("consistency proof does not lead to the old root")
    if sr != new_root:
        raise ProofRefused("consistency proof does not lead to the new root")


def _check_hashes(*hashes: bytes) -> None:
    # A short "hash" would let one byte string stand for two different trees.
    for each in hashes:
        if len(each) != HASH_SIZE:
            raise ProofRefused(f"a hash has {len(each)} bytes, not {HASH_SIZE}")


# ---------------------------------------------------------------------------------------------------------------------
# Growth: everything an appender must remember is the right edge


@dataclass(frozen=True, slots=True)
class Frontier:
    """The right edge of a tree: enough to append and to compute the root, nothing more.

    ``hashes`` are the complete subtrees that ``size`` decomposes into, largest first: one for each 1 bit of ``size``.
    """

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.size <= MAX_SIZE or len(self.hashes) != self.size.bit_count():
            raise ValueError(f"a frontier of size {self.size} cannot have {len(self.hashes)} hashes")

    @classmethod
    def load(cls, size: int, get_node: GetNode) -> Frontier:
        """Read the edge of the tree of ``size`` leaves back from stored nodes."""
        return cls(size, tuple(get_node(level, index) for level, index in _cover(0, size)))

    def append(self, leaf_hash: bytes) -> tuple[Frontier, list[Node]]:
        """Add one leaf hash. Returns the new edge and the nodes that became complete, the leaf's own first."""
        if len(leaf_hash) != HASH_SIZE:
            raise ValueError("a leaf hash has 32 bytes")
        edge = [*self.hashes]
        level, index, node = 0, self.size, leaf_hash
        nodes = [(level, index, node)]
        while index & 1:
            level, index, node = level + 1, index >> 1, node_hash(edge.pop(), node)
            nodes.append((level, index, node))
        return Frontier(self.size + 1, (*edge, node)), nodes

    def root(self) -> bytes:
        """The root of the tree so far, 32 bytes."""
        return _fold(self.hashes) if self.hashes else EMPTY_ROOT


# ---------------------------------------------------------------------------------------------------------------------
# Proofs out of stored nodes. A proof is first planned as leaf ranges, one per hash, and then each range is read.


def inclusion_nodes(index: int, size: int) -> list[tuple[int, int]]:
    """The stored nodes ``(level, index)`` that an inclusion proof needs, in the order of use; none is named twice.

    Raises:
        ValueError: ``index`` is not below ``size``.
    """
    return [node for start, end in _inclusion_plan(index, size) for node in _cover(start, end)]


def consistency_nodes(old: int, new: int) -> list[tuple[int, int]]:
    """The stored nodes ``(level, index)`` that a consistency proof needs, in the order of use.

    Raises:
        ValueError: not ``0 <= old <= new``.
    """
    return [node for start, end in _consistency_plan(old, new) for node in _cover(start, end)]


def build_inclusion(index: int, size: int, get_node: GetNode) -> list[bytes]:
    """The inclusion proof of leaf ``index`` in the tree of ``size`` leaves: RFC 6962 section 2.1.1, sibling first."""
    return [_read(start, end, get_node) for start, end in _inclusion_plan(index, size)]


def build_consistency(old: int, new: int, get_node: GetNode) -> list[bytes]:
    """The consistency proof between two sizes: RFC 6962 section 2.1.2; empty when ``old`` is 0 or equals ``new``."""
    return [_read(start, end, get_node) for start, end in _consistency_plan(old, new)]


def build_root(size: int, get_node: GetNode) -> bytes:
    """The root that the tree had at ``size`` leaves, from stored nodes."""
    return _read(0, size, get_node) if size else EMPTY_ROOT


def _inclusion_plan(index: int, size: int) -> list[tuple[int, int]]:
    """PATH(m, D[n]) of RFC 6962 section 2.1.1 as leaf ranges, deepest first."""
    if not 0 <= index < size <= MAX_SIZE:
        raise ValueError(f"index {index} is not in a tree of {size}")
    plan = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            plan.append((middle, end))
            end = middle
        else:
            plan.append((start, middle))
            start = middle
    return plan[::-1]


def _consistency_plan(old: int, new: int) -> list[tuple[int, int]]:
    """SUBPROOF(m, D[n], true) of RFC 6962 section 2.1.2 as leaf ranges, deepest first."""
    if not 0 <= old <= new <= MAX_SIZE:
        raise ValueError(f"no consistency from size {old} to size {new}")
    if old in (0, new):
        return []
    plan = []
    start, end = 0, new
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            plan.append((middle, end))
            end = middle
        else:
            plan.append((start, middle))
            start = middle
    if start:  # else the verifier knows this subtree already: it is the old root
        plan.append((start, end))
    return plan[::-1]


def _split(width: int) -> int:
    """The largest power of two strictly below ``width`` (``k`` of RFC 6962 section 2.1)."""
    return 1 << ((width - 1).bit_length() - 1)


def _cover(start: int, end: int) -> list[tuple[int, int]]:
    """The complete nodes ``(level, index)`` under the subtree ``[start, end)``, largest first.

    Every range that a plan names starts at a multiple of the power of two at or above its width, so its complete parts
    are given by the 1 bits of the width.
    """
    nodes = []
    while start < end:
        level = (end - start).bit_length() - 1
        nodes.append((level, start >> level))
        start += 1 << level
    return nodes


def _read(start: int, end: int, get_node: GetNode) -> bytes:
    return _fold([get_node(level, index) for level, index in _cover(start, end)])


def _fold(hashes: Sequence[bytes]) -> bytes:
    node = hashes[-1]
    for left in reversed(hashes[:-1]):
        node = node_hash(left, node)
    return node
