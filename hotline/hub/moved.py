"""What another process on the same store has written: read under the log's lock before a batch is judged, and by whoever looks.

A shared store is read again by each process for each batch of another's, so this is the write path too: statements are made
once, and of a thread only what a batch can have changed is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from hotline.hub import commits
from hotline.hub.thread import Thread
from hotline.store import hub as t
from hotline.store.prepared import Prepared, PreparedIn
from protocols.frames import Deliver

FRESH, FRESH_BYTES = 256, 4 << 20
"""Entries of another process that are read at once, for all stations on the line, and what they may weigh."""
_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Moved:
    """The threads that another process wrote to, and their new entries; none where they are many."""

    threads: set[str]
    frames: tuple[Deliver, ...] = ()


_E = t.entries.c
_SINCE = _E.idx >= sa.bindparam("size")
_SIZES = Prepared(
    sa.select(_E.thread, _E.size).where(_SINCE).order_by(_E.idx).limit(FRESH + 1),
    "size",
)
_LEAVES = Prepared(
    sa.select(_E.thread, _E.seq, t.leaves.c.data)
    .join(t.leaves, t.leaves.c.idx == _E.idx)
    .where(_SINCE)
    .order_by(_E.idx),
    "size",
)
_PARTS = Prepared(
    sa.select(t.parts).join(t.entries, sa.and_(t.parts.c.thread == _E.thread, t.parts.c.seq == _E.seq)).where(_SINCE),
    "size",
)
_THREADS = PreparedIn(lambda names: sa.select(t.threads).where(t.threads.c.thread.in_(names)))


def moved_since(connection: Connection, size: int) -> set[str]:
    """Threads with entries among the leaves from ``size`` on."""
    return set(connection.execute(sa.select(_E.thread).where(_E.idx >= size).distinct()).scalars())


def read_since(connection: Connection, size: int) -> Moved:
    """Threads with entries among the leaves from ``size`` on, and those entries as they are delivered; none of them where
    they are many, and better read by whoever needs them."""
    rows = _SIZES.rows(connection, (size,))
    if len(rows) > FRESH:
        return Moved(moved_since(connection, size))
    threads = {thread for thread, _ in rows}
    if not rows or sum(weight for _, weight in rows) > FRESH_BYTES:
        return Moved(threads)
    parts: dict[tuple[str, int], dict[str, bytes]] = {}
    for thread, seq, name, data in _PARTS.rows(connection, (size,)):
        parts.setdefault((thread, seq), {})[name] = data
    leaves = _LEAVES.rows(connection, (size,))
    return Moved(
        threads, tuple(Deliver(thread, seq, leaf, parts.get((thread, seq), {})) for thread, seq, leaf in leaves)
    )


def load_changed(connection: Connection, names: Set[str], known: Mapping[str, Thread]) -> dict[str, Thread]:
    """These threads as they stand. Who is a member changes only together with the group's keys or the ladder's roster: where
    both are as they were, so are the memberships."""
    found: dict[str, Thread] = {}
    anew: set[str] = set()
    listed = sorted(names)
    for start in range(0, len(listed), _AT_ONCE):
        for row in _THREADS.rows(connection, listed[start : start + _AT_ONCE]):
            before = known.get(row[0])
            now = commits.made_of(row, {} if before is None else before.members)
            found[now.thread] = now
            if before is None or _moved_members(before, now):
                anew.add(now.thread)
    return {**found, **commits.load_threads(connection, anew)} if anew else found


def _moved_members(before: Thread, now: Thread) -> bool:
    return now.group != before.group or _stations(now) != _stations(before)


def _stations(thread: Thread) -> Sequence[str]:
    return sorted(thread.state.roster)
