"""What one commit reads and writes: every statement of the write path, on a plain connection in the writer's thread.

They run inside one transaction that holds the log's lock. Reading for deliveries and pages is in `hotline.hub.records`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from hotline.hub import own_leaves
from hotline.hub.admission import Pass
from hotline.hub.errors import BehindWitnesses, HubNotReady
from hotline.hub.own_leaves import OwnLeaf
from hotline.hub.thread import Membership, Thread
from hotline.store import hub as t
from hotline.store.pairs import find_pairs
from hotline.store.prepared import Inserting, Prepared, PreparedIn, together
from mediation import state as states
from protocols.translog import Frontier

_IN = 400
"""Threads in one statement; SQLite takes 32766 variables."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where an entry stands: what `Accepted` tells."""

    id: str
    thread: str
    seq: int
    index: int
    at: int


def log_size(connection: Connection) -> int:
    """How many leaves stand in the store."""
    return int(connection.execute(sa.select(sa.func.coalesce(sa.func.max(t.leaves.c.idx) + 1, 0))).scalar_one())


@dataclass(frozen=True, slots=True)
class Stand:
    """How far the store is: leaves, mandates and the newest leaf of the hub's own, in rows (0: none), and the newest time
    written down (ms UTC)."""

    size: int
    mandates: int
    own: int
    at: int


def _last(value: sa.ColumnElement[int], by: sa.ColumnElement[int]) -> sa.ScalarSelect[int]:
    return sa.select(value).order_by(by.desc()).limit(1).scalar_subquery()


_STAND = Prepared(
    sa.select(
        _last(t.leaves.c.idx + 1, t.leaves.c.idx),
        sa.select(sa.func.count()).select_from(t.mandates).scalar_subquery(),
        _last(t.own_leaves.c.idx + 1, t.own_leaves.c.idx),
        _last(t.entries.c.at, t.entries.c.idx),
        _last(t.heads.c.at, t.heads.c.size),
        _last(t.own_leaves.c.at, t.own_leaves.c.idx),
    )
)
"""Each part is answered by the end of an index, and the statement is made once: every batch asks."""


def read_stand(connection: Connection) -> Stand:
    """In one query."""
    size, mandates, newest, *times = (int(value or 0) for value in _STAND.rows(connection)[0])
    return Stand(size, mandates, newest, max(times))


def load_threads(connection: Connection, names: Set[str] | None = None) -> dict[str, Thread]:
    """Every thread with its memberships, or those of these names.

    Raises `HubNotReady` where a state cannot be read.
    """
    members: dict[str, dict[str, tuple[Membership, ...]]] = {}
    if names is not None and len(names) > _IN:
        listed = sorted(names)
        return {
            name: thread
            for start in range(0, len(listed), _IN)
            for name, thread in load_threads(connection, set(listed[start : start + _IN])).items()
        }
    inside = sa.select(t.members).order_by(t.members.c.thread, t.members.c.joined)
    standing = sa.select(t.threads)
    if names is not None:
        inside = inside.where(t.members.c.thread.in_(names))
        standing = standing.where(t.threads.c.thread.in_(names))
    for row in connection.execute(inside):
        known = members.setdefault(row.thread, {})
        known[row.station] = (*known.get(row.station, ()), Membership(row.joined, row.left))
    return {row.thread: made_of(row, members.get(row.thread, {})) for row in connection.execute(standing)}


def made_of(row: Sequence[Any], members: dict[str, tuple[Membership, ...]]) -> Thread:
    """A thread from its row, all columns in order. Raises `HubNotReady` where the state cannot be read."""
    name, ladder, seq, head, chain, at, opened, state, group = row
    try:
        read = states.from_bytes(state)
    except ValueError as error:  # msgspec's errors are ValueErrors
        raise HubNotReady(f"the state of thread {name} cannot be read") from error
    return Thread(name, ladder, seq, head, chain, at, opened, read, group, members)


def load_frontier(connection: Connection, size: int | None = None) -> Frontier:
    """The right edge of the stored tree, or of the tree that it was at ``size``. Raises ``KeyError`` for a node that is not
    there."""
    size = log_size(connection) if size is None else size
    nodes = read_nodes(connection, _edge(size))
    return Frontier.load(size, lambda level, index: nodes[level, index])


def load_grown(connection: Connection, known: Frontier, size: int | None = None) -> Frontier:
    """The right edge of the stored tree (of ``size`` leaves, where that is known). Refuses (`BehindWitnesses`) a store that
    does not begin with the log a process has acknowledged: one that was restored under it, or a standby that took over
    without having everything."""
    size = log_size(connection) if size is None else size
    if size < known.size:
        raise BehindWitnesses(f"{known.size} leaves were acknowledged; {size} are stored")
    nodes = read_nodes(connection, sorted({*_edge(known.size), *_edge(size)}))
    try:
        before, now = (Frontier.load(each, lambda level, index: nodes[level, index]) for each in (known.size, size))
    except KeyError as error:  # a node that is missing
        raise BehindWitnesses(f"the tree of {known.size} leaves that were acknowledged is not whole") from error
    if before.root() != known.root():
        raise BehindWitnesses(f"another history of {known.size} leaves was acknowledged")
    return now


def _edge(size: int) -> list[tuple[int, int]]:
    """The nodes that are the right edge of a tree of ``size`` leaves."""
    wanted: list[tuple[int, int]] = []

    def plan(level: int, index: int) -> bytes:
        wanted.append((level, index))
        return bytes(32)

    Frontier.load(size, plan)
    return wanted


def newest_stamp(connection: Connection) -> int:
    """The newest time written down, ms UTC; 0 in an empty store."""
    entry = connection.execute(sa.select(sa.func.max(t.entries.c.at))).scalar_one()
    head = connection.execute(sa.select(sa.func.max(t.heads.c.at))).scalar_one()
    return max(entry or 0, head or 0, own_leaves.newest_at(connection))


def read_nodes(connection: Connection, wanted: Sequence[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
    """Stored nodes by (level, index)."""
    found: dict[tuple[int, int], bytes] = {}
    for level, index, node in find_pairs(connection, (t.nodes.c.level, t.nodes.c.idx), wanted, t.nodes.c.hash):
        found[level, index] = node
    return found


_POSITIONS = PreparedIn(
    lambda ids: sa.select(*t.entries.c["id", "thread", "seq", "idx", "at"]).where(t.entries.c.id.in_(ids))
)
_HEADS = PreparedIn(lambda digests: sa.select(t.published.c.digest).where(t.published.c.digest.in_(digests)))


def find_positions(connection: Connection, ids: Iterable[str]) -> dict[str, Position]:
    """Which of these entries stand in the store, and where."""
    return {row[0]: Position(*row) for row in _POSITIONS.rows(connection, list(ids))}


def find_ids(connection: Connection, wanted: Sequence[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """Ids of stored entries by (thread, seq)."""
    e = t.entries.c
    return {(thread, seq): id_ for thread, seq, id_ in find_pairs(connection, (e.thread, e.seq), wanted, e.id)}


def find_heads(connection: Connection, digests: Iterable[str]) -> set[str]:
    """Which of these digests are of published checkpoints."""
    return {digest for (digest,) in _HEADS.rows(connection, sorted(set(digests)))}


_INSERT = {table: Inserting(table) for table in (t.leaves, t.entries, t.parts, t.recipients, t.nodes, t.threads)}


def save(connection: Connection, done: Pass, own: Sequence[OwnLeaf] = ()) -> None:
    """Everything a pass made, and the leaves of the hub's ``own`` after it, in the caller's transaction. A leaf or node
    that stands already makes it fail."""
    leaves, entries, parts, recipients = [], [], [], []
    for each in done.admitted:
        payload, stamp, leaf = each.entry.payload, each.entry.stamp, each.entry.leaf
        leaves.append((stamp.index, leaf))
        entries.append(
            (
                stamp.index,
                payload.thread,
                stamp.seq,
                each.entry.id,
                payload.kind,
                payload.office,
                payload.station,
                payload.serial,
                stamp.at,
                payload.precedence,
                len(leaf) + sum(map(len, each.parts.values())),
                each.rung_before,
                each.rung_after,
            )
        )
        parts += [(payload.thread, stamp.seq, name, data) for name, data in each.parts.items()]
        recipients += [(payload.thread, stamp.seq, seal) for seal in each.recipients]
    leaves += [(leaf.index, leaf.data) for leaf in own]
    nodes = [(level, index, node) for level, index, node in done.nodes]
    tables = (t.leaves, t.entries, t.parts, t.recipients, t.nodes)
    made: tuple[list[Any], ...] = (leaves, entries, parts, recipients, nodes)
    with together(connection):
        for table, rows in zip(tables, made, strict=True):
            if rows:
                _INSERT[table].many(connection, rows)
        members = _save_threads(connection, done)
    own_leaves.save(connection, own)
    for thread, known in members:
        _save_members(connection, thread, known)


_MOVED = Prepared(
    t.threads.update()
    .where(t.threads.c.thread == sa.bindparam("key"))
    .values({name: sa.bindparam(f"new_{name}") for name in ("seq", "head", "chain", "at", "state")}),
    *("new_seq", "new_head", "new_chain", "new_at", "new_state", "key"),
)
_RENEWED = Prepared(
    t.threads.update().where(t.threads.c.thread == sa.bindparam("key")).values(group=sa.bindparam("new_group")),
    *("new_group", "key"),
)


def _save_threads(connection: Connection, done: Pass) -> list[tuple[Thread, Mapping[str, Sequence[Membership]]]]:
    """Where the threads stand now. What an ordinary entry leaves as it was (group, members) is not written again; those whose
    members changed are the answer, with the members before."""
    moved, renewed, opened = [], [], []
    members: list[tuple[Thread, Mapping[str, Sequence[Membership]]]] = []
    for name, thread in done.changed.items():
        before = done.threads.get(name)
        stands = (thread.seq, thread.head, thread.chain, thread.at)
        state = states.to_bytes(thread.state)
        if before is None:
            opened.append((name, thread.ladder, *stands, thread.opened, state, thread.group))
        else:
            moved.append((*stands, state, name))
            if thread.group is not before.group:
                renewed.append((thread.group, name))
        if before is None or thread.members is not before.members:
            members.append((thread, {} if before is None else before.members))
    for statement, rows in ((_INSERT[t.threads], opened), (_MOVED, moved), (_RENEWED, renewed)):
        if rows:
            statement.many(connection, rows)
    return members


def _save_members(connection: Connection, thread: Thread, known: Mapping[str, Sequence[Membership]]) -> None:
    old = {(station, joined): left for station, times in known.items() for joined, left in times}
    for station, times in thread.members.items():
        for joined, left in times:
            key = {"thread": thread.thread, "station": station, "joined": joined}
            if (station, joined) not in old:
                connection.execute(t.members.insert().values(**key, left=left))
            elif old[station, joined] != left:
                where = [t.members.c[name] == value for name, value in key.items()]
                connection.execute(t.members.update().where(*where).values(left=left))
