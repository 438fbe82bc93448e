"""The tree's part of ``hotline audit fsck``: leaves, nodes and every root that was signed; and what a check tells."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from hotline.store.reading import Reading
from protocols.encoding import b64u
from protocols.translog import build_root

_CHUNK_LEVEL = 13
_CHUNK = 1 << _CHUNK_LEVEL  # leaves held in memory at a time: half a gigabyte at the very most
MOST = 100
"""Findings that are told one by one; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not hold: a stable code, where (a leaf's index, a size, a thread), a sentence."""

    code: str
    where: str
    sentence: str


@dataclass
class Fsck:
    """The result. ``holds``: nothing was found. Counts are of rows that were looked at."""

    quick: bool
    leaves: int = 0
    nodes: int = 0
    heads: int = 0
    published: int = 0
    cosignatures: int = 0
    threads: int = 0
    own_leaves: int = 0
    seconds: float = 0.0
    root: str = ""
    findings: list[Finding] = field(default_factory=list)
    more: int = 0
    """Findings beyond `MOST`."""

    @property
    def holds(self) -> bool:
        return not self.findings

    def find(self, code: str, where: object, sentence: str) -> None:
        """Note that something does not hold."""
        if len(self.findings) < MOST:
            self.findings.append(Finding(code, str(where), sentence))
        else:
            self.more += 1


def check_tree(db: Reading, result: Fsck) -> dict[int, bytes]:
    """Check leaves, nodes and heads. The signed roots by size are returned, whether they hold or not."""
    check = _Tree(db, result)
    check.leaves()
    return check.heads()


class _Tree:
    def __init__(self, db: Reading, result: Fsck) -> None:
        self._db, self._result = db, result

    def _one(self, query: str, *values: object) -> Any:
        row = self._db.execute(query, values).fetchone()
        return None if row is None else row[0]

    def leaves(self) -> None:
        """Leaves and nodes, from the bottom up."""
        result = self._result
        result.leaves = self._one("SELECT count(*) FROM leaves")
        size = self._one("SELECT coalesce(max(idx) + 1, 0) FROM leaves")
        if size != result.leaves:
            result.find("fsck.leaf-gap", size, f"The log has {result.leaves} leaves under the indexes below {size}.")
        result.nodes = self._one("SELECT count(*) FROM nodes")
        if result.nodes != (wanted := 2 * size - size.bit_count()):
            result.find("fsck.nodes", size, f"A tree of {size} leaves has {wanted} complete nodes, not {result.nodes}.")
        tops: list[bytes] = []
        for start in range(0, size, _CHUNK):
            rows = self._db.execute(
                "SELECT idx, CAST(data AS BLOB) FROM leaves WHERE idx >= ? AND idx < ? ORDER BY idx",
                (start, start + _CHUNK),
            ).fetchall()
            if [row[0] for row in rows] != list(range(start, min(size, start + _CHUNK))):
                return  # said above; from here on no hash could be compared
            sha256 = hashlib.sha256
            hashes = [sha256(b"\x00" + row[1]).digest() for row in rows]
            tops += self._levels(hashes, 0, start, _CHUNK_LEVEL)
        self._levels(tops, _CHUNK_LEVEL, 0, 64, known=True)
        result.root = b64u(build_root(size, self._node)) if result.holds else ""

    def _levels(self, hashes: list[bytes], level: int, start: int, top: int, *, known: bool = False) -> list[bytes]:
        """Compare the stored nodes from ``level`` up over one aligned run; what is complete at ``top`` is returned."""
        sha256 = hashlib.sha256
        while hashes:
            if not known:
                self._compare(hashes, level, start)
            if level == top:
                return hashes
            known = False
            hashes = [sha256(b"\x01" + a + b).digest() for a, b in zip(hashes[::2], hashes[1::2], strict=False)]
            level, start = level + 1, start >> 1
        return []

    def _compare(self, hashes: list[bytes], level: int, start: int) -> None:
        stored = self._db.execute(
            "SELECT CAST(hash AS BLOB) FROM nodes WHERE level = ? AND idx >= ? AND idx < ? ORDER BY idx",
            (level, start, start + len(hashes)),
        ).fetchall()
        if len(stored) == len(hashes) and b"".join(row[0] for row in stored) == b"".join(hashes):
            return
        for number, made in enumerate(hashes, start):
            there = self._one("SELECT CAST(hash AS BLOB) FROM nodes WHERE level = ? AND idx = ?", level, number)
            if there != made:
                what = "is not stored" if there is None else "is not the hash of what stands under it"
                self._result.find("fsck.node", f"{level}/{number}", f"The node {number} of level {level} {what}.")
                if self._result.more:
                    return

    def _node(self, level: int, index: int) -> bytes:
        found = self._one("SELECT CAST(hash AS BLOB) FROM nodes WHERE level = ? AND idx = ?", level, index)
        return bytes(32) if found is None else bytes(found)

    def heads(self) -> dict[int, bytes]:
        """The roots that were signed, by size."""
        result, roots = self._result, dict[int, bytes]()
        for size, root in self._db.execute("SELECT size, CAST(root AS BLOB) FROM heads ORDER BY size").fetchall():
            result.heads += 1
            roots[size] = bytes(root)
            if size > result.leaves:
                result.find("fsck.head-ahead", size, f"A head of {size} leaves was signed; {result.leaves} are stored.")
            elif build_root(size, self._node) != root:
                result.find("fsck.head", size, f"The head signed for {size} leaves has another root than the leaves.")
        return roots
