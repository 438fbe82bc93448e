"""Make a hub's log long without a hub: leaves, tree, entries and parts of threads that nobody opens, straight into SQLite.

The tree over the leaves is right and every index holds what it would hold, so that the hub goes on from there and pays what
a long log costs. The leaves are no entries that anybody signed: a million signatures would take longer than the benchmark.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from protocols.encoding import digest
from protocols.translog.tree import leaf_hash, node_hash

_THREADS = 100
_AT = 1_600_000_000_000
"""ms UTC, long before any entry of the benchmark, so that no clock is moved."""
_STATIONS = tuple(digest(b"station %d" % number) for number in range(_THREADS))
_NAMES = tuple(digest(b"thread %d" % number)[:22] for number in range(_THREADS))
_LEAF, _PART = b"x" * 400, b"y" * 60


def grow(path: Path, size: int) -> None:
    """Lengthen the log in the store at ``path`` to ``size`` leaves. No hub may have it open."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous=OFF")
        db.execute("PRAGMA cache_size=-400000")
        begin = int(db.execute("SELECT COALESCE(MAX(idx) + 1, 0) FROM leaves").fetchone()[0])
        if begin >= size:
            return
        indexes = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL").fetchall()
        db.execute("BEGIN IMMEDIATE")
        for name, _ in indexes:
            db.execute(f'DROP INDEX "{name}"')
        db.executemany("INSERT INTO leaves VALUES (?, ?)", ((index, _leaf(index)) for index in range(begin, size)))
        columns = "idx, thread, seq, id, kind, office, station, serial, at, precedence, size, rung_before, rung_after"
        db.executemany(f"INSERT INTO entries ({columns}) VALUES ({'?,' * 12}?)", _entries(begin, size))
        db.executemany("INSERT INTO parts (thread, seq, name, data) VALUES (?, ?, 'body', ?)", _parts(begin, size))
        _grow_tree(db, begin, size)
        for _, statement in indexes:
            db.execute(statement)
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _leaf(index: int) -> bytes:
    return b"%d " % index + _LEAF


def _entries(begin: int, size: int) -> Iterator[tuple[object, ...]]:
    for index in range(begin, size):
        thread, seq = index % _THREADS, index + 1
        named = _NAMES[thread], seq, digest(b"entry %d" % index), "statement", "AV", _STATIONS[thread]
        yield (index, *named, seq, _AT + index, "ROUTINE", 460, "normal", "normal")


def _parts(begin: int, size: int) -> Iterator[tuple[object, ...]]:
    for index in range(begin, size):
        yield _NAMES[index % _THREADS], index + 1, _PART


def _grow_tree(db: sqlite3.Connection, begin: int, size: int) -> None:
    """The nodes that become complete, level by level: RFC 6962 section 2.1."""
    level, hashes = 0, [leaf_hash(_leaf(index)) for index in range(begin, size)]
    while size > begin:
        rows = ((level, begin + number, node) for number, node in enumerate(hashes))
        db.executemany("INSERT INTO nodes (level, idx, hash) VALUES (?, ?, ?)", rows)
        if begin & 1:  # its left neighbour stands already
            query = "SELECT hash FROM nodes WHERE level = ? AND idx = ?"
            hashes.insert(0, bytes(db.execute(query, (level, begin - 1)).fetchone()[0]))
        hashes = [node_hash(left, right) for left, right in zip(hashes[::2], hashes[1::2], strict=False)]
        level, begin, size = level + 1, begin >> 1, size >> 1
