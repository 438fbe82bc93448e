"""Rows in, rows out: every statement the hub runs on threads and leaves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from hotline.clock import Mark
from hotline.hub.admission import Pass
from hotline.hub.errors import HubNotReady
from hotline.hub.thread import Membership, Thread
from hotline.store import hub as t
from mediation import state as states
from protocols.translog import Frontier

CLOCK = "clock"
"""Row of ``meta``: boot of the machine, and UTC minus its steady clock (ms), of the newest process."""

_IN = 400
"""Pairs in one statement; SQLite takes 32766 variables."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where an entry stands: what `Accepted` tells."""

    id: str
    thread: str
    seq: int
    index: int
    at: int


class Stored(NamedTuple):
    """A stored entry as it is delivered."""

    seq: int
    station: str
    office: str
    precedence: str
    leaf: bytes


async def log_size(connection: AsyncConnection) -> int:
    """How many leaves stand in the store."""
    return int((await connection.execute(sa.select(sa.func.coalesce(sa.func.max(t.leaves.c.idx) + 1, 0)))).scalar_one())


async def load_threads(connection: AsyncConnection, held: Mapping[str, int] | None = None) -> dict[str, Thread]:
    """Every thread with its memberships; with ``held`` (seq by thread) only those that have moved on.

    Raises `HubNotReady` where a state cannot be read.
    """
    members: dict[str, dict[str, tuple[Membership, ...]]] = {}
    rows = await connection.execute(sa.select(t.members).order_by(t.members.c.thread, t.members.c.joined))
    for row in rows:
        known = members.setdefault(row.thread, {})
        known[row.station] = (*known.get(row.station, ()), Membership(row.joined, row.left))
    found = {}
    for row in await connection.execute(sa.select(t.threads)):
        if held is not None and held.get(row.thread) == row.seq:
            continue
        try:
            state = states.from_bytes(row.state)
        except ValueError as error:  # msgspec's errors are ValueErrors
            raise HubNotReady(f"the state of thread {row.thread} cannot be read") from error
        found[row.thread] = Thread(
            row.thread,
            row.ladder,
            row.seq,
            row.head,
            row.chain,
            row.at,
            row.opened,
            state,
            row.group,
            members.get(row.thread, {}),
        )
    return found


async def load_frontier(connection: AsyncConnection) -> Frontier:
    """The right edge of the stored tree."""
    size = await log_size(connection)
    wanted: list[tuple[int, int]] = []

    def plan(level: int, index: int) -> bytes:
        wanted.append((level, index))
        return bytes(32)

    Frontier.load(size, plan)
    nodes = await read_nodes(connection, wanted)
    return Frontier.load(size, lambda level, index: nodes[level, index])


async def newest_stamp(connection: AsyncConnection) -> int:
    """The newest time written down, ms UTC; 0 in an empty store."""
    entry = (await connection.execute(sa.select(sa.func.max(t.entries.c.at)))).scalar_one()
    head = (await connection.execute(sa.select(sa.func.max(t.heads.c.at)))).scalar_one()
    return max(entry or 0, head or 0)


async def read_mark(connection: AsyncConnection) -> Mark | None:
    """How the process before this one counted time, if the store says so."""
    row = (await connection.execute(sa.select(t.meta.c.value).where(t.meta.c.key == CLOCK))).scalar()
    boot, _, ahead = ("" if row is None else str(row)).partition(" ")
    return Mark(boot, int(ahead)) if boot else None


async def put_mark(connection: AsyncConnection, mark: Mark) -> None:
    """Keep how this process counts time."""
    await connection.execute(t.meta.delete().where(t.meta.c.key == CLOCK))
    if mark.boot:
        await connection.execute(t.meta.insert().values(key=CLOCK, value=f"{mark.boot} {mark.ahead}"))


async def read_nodes(connection: AsyncConnection, wanted: Sequence[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
    """Stored nodes by (level, index)."""
    found: dict[tuple[int, int], bytes] = {}
    for start in range(0, len(wanted), _IN):
        pairs = sa.tuple_(t.nodes.c.level, t.nodes.c.idx).in_(wanted[start : start + _IN])
        for row in await connection.execute(sa.select(t.nodes).where(pairs)):
            found[row.level, row.idx] = row.hash
    return found


async def find_positions(connection: AsyncConnection, ids: Iterable[str]) -> dict[str, Position]:
    """Which of these entries stand in the store, and where."""
    e = t.entries.c
    rows = await connection.execute(sa.select(e.id, e.thread, e.seq, e.idx, e.at).where(e.id.in_(list(ids))))
    return {row.id: Position(*row) for row in rows}


async def find_ids(connection: AsyncConnection, wanted: Sequence[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """Ids of stored entries by (thread, seq)."""
    e = t.entries.c
    rows = await connection.execute(sa.select(e.thread, e.seq, e.id).where(sa.tuple_(e.thread, e.seq).in_(wanted)))
    return {(row.thread, row.seq): row.id for row in rows}


async def find_heads(connection: AsyncConnection, digests: Iterable[str]) -> set[str]:
    """Which of these digests are of published checkpoints."""
    wanted = set(digests)
    if not wanted:
        return set()
    rows = await connection.execute(sa.select(t.published.c.digest).where(t.published.c.digest.in_(wanted)))
    return set(rows.scalars())


async def save(connection: AsyncConnection, done: Pass) -> None:
    """Everything a pass made, in the caller's transaction. A leaf or node that stands already makes it fail."""
    entries, parts, recipients = [], [], []
    for each in done.admitted:
        payload, stamp = each.entry.payload, each.entry.stamp
        size = len(each.entry.leaf) + sum(map(len, each.parts.values()))
        entries.append(
            {
                "idx": stamp.index,
                "thread": payload.thread,
                "seq": stamp.seq,
                "id": each.entry.id,
                "kind": payload.kind,
                "office": payload.office,
                "station": payload.station,
                "serial": payload.serial,
                "at": stamp.at,
                "precedence": payload.precedence,
                "size": size,
                "rung_before": each.rung_before,
                "rung_after": each.rung_after,
            }
        )
        key = {"thread": payload.thread, "seq": stamp.seq}
        parts += [{**key, "name": name, "data": data} for name, data in each.parts.items()]
        recipients += [{**key, "seal": seal} for seal in each.recipients]
    leaves = [{"idx": each.entry.stamp.index, "data": each.entry.leaf} for each in done.admitted]
    nodes = [{"level": level, "idx": index, "hash": node} for level, index, node in done.nodes]
    for table, rows in ((t.leaves, leaves), (t.entries, entries), (t.parts, parts), (t.recipients, recipients)):
        if rows:
            await connection.execute(table.insert(), rows)
    if nodes:
        await connection.execute(t.nodes.insert(), nodes)
    for thread in done.changed.values():
        await _save_thread(connection, thread)


async def _save_thread(connection: AsyncConnection, thread: Thread) -> None:
    row = {
        "seq": thread.seq,
        "head": thread.head,
        "chain": thread.chain,
        "at": thread.at,
        "state": states.to_bytes(thread.state),
        "group": thread.group,
    }
    updated = await connection.execute(t.threads.update().where(t.threads.c.thread == thread.thread).values(**row))
    if updated.rowcount == 0:
        fixed = {"thread": thread.thread, "ladder": thread.ladder, "opened": thread.opened}
        await connection.execute(t.threads.insert().values(**fixed, **row))
    known = {
        (row.station, row.joined): row.left
        for row in await connection.execute(sa.select(t.members).where(t.members.c.thread == thread.thread))
    }
    for station, times in thread.members.items():
        for joined, left in times:
            key = {"thread": thread.thread, "station": station, "joined": joined}
            if (station, joined) not in known:
                await connection.execute(t.members.insert().values(**key, left=left))
            elif known[station, joined] != left:
                where = [t.members.c[name] == value for name, value in key.items()]
                await connection.execute(t.members.update().where(*where).values(left=left))


async def read_entries(connection: AsyncConnection, thread: str, after: int, upto: int, limit: int) -> list[Stored]:
    """Entries of a thread from after ``after`` up to ``upto``, in order."""
    e = t.entries.c
    rows = await connection.execute(
        sa.select(e.seq, e.station, e.office, e.precedence, t.leaves.c.data)
        .join(t.leaves, t.leaves.c.idx == e.idx)
        .where(e.thread == thread, e.seq > after, e.seq <= upto)
        .order_by(e.seq)
        .limit(limit)
    )
    return [Stored(*row) for row in rows]


async def read_outside(
    connection: AsyncConnection,
    thread: str,
    after: int,
    office: str,
    seal: str,
    limit: int,
    concerning: frozenset[int] = frozenset(),
) -> list[Stored]:
    """What an outsider gets of a thread: its office's own entries, those with a box sealed to its station, and those
    ``concerning`` it."""
    e, r = t.entries.c, t.recipients.c
    sealed = sa.exists().where(r.thread == e.thread, r.seq == e.seq, r.seal == seal)
    rows = await connection.execute(
        sa.select(e.seq, e.station, e.office, e.precedence, t.leaves.c.data)
        .join(t.leaves, t.leaves.c.idx == e.idx)
        .where(e.thread == thread, e.seq > after, sa.or_(e.office == office, sealed, e.seq.in_(sorted(concerning))))
        .order_by(e.seq)
        .limit(limit)
    )
    return [Stored(*row) for row in rows]


async def read_parts(
    connection: AsyncConnection, thread: str, seqs: Sequence[int], names: Sequence[str]
) -> dict[int, dict[str, bytes]]:
    """The parts of these names, by seq."""
    found: dict[int, dict[str, bytes]] = {}
    p = t.parts.c
    rows = await connection.execute(
        sa.select(p.seq, p.name, p.data).where(p.thread == thread, p.seq.in_(list(seqs)), p.name.in_(list(names)))
    )
    for row in rows:
        found.setdefault(row.seq, {})[row.name] = row.data
    return found


async def sealed_to(connection: AsyncConnection, thread: str, seqs: Sequence[int], seal: str) -> set[int]:
    """Which of these entries have a box that names this X25519 key."""
    r = t.recipients.c
    rows = await connection.execute(sa.select(r.seq).where(r.thread == thread, r.seq.in_(list(seqs)), r.seal == seal))
    return {row.seq for row in rows}


async def threads_sealed_to(connection: AsyncConnection, office: str, seal: str) -> set[str]:
    """Threads that hold something for an outsider: its office's own entries or a box for its station."""
    e, r = t.entries.c, t.recipients.c
    own = await connection.execute(sa.select(e.thread).where(e.office == office).distinct())
    boxes = await connection.execute(sa.select(r.thread).where(r.seal == seal).distinct())
    return {row.thread for row in own} | {row.thread for row in boxes}
