"""Rows in, rows out: what deliveries and pages read of threads and leaves. What a commit reads and writes is in
`hotline.hub.commits`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from hotline.clock import Mark, boot_id
from hotline.hub import commits
from hotline.store import hub as t

CLOCK = "clock"
"""Row of ``meta``: boot of the machine, and UTC minus its steady clock (ms), of the newest process."""


class Stored(NamedTuple):
    """A stored entry as it is delivered."""

    seq: int
    station: str
    office: str
    precedence: str
    leaf: bytes


async def read_mark(connection: AsyncConnection, name: str = CLOCK) -> Mark | None:
    """How the process before this one counted time, if the store says so. ``name``: `clock_row` of a shared store."""
    row = (await connection.execute(sa.select(t.meta.c.value).where(t.meta.c.key == name))).scalar()
    boot, _, ahead = ("" if row is None else str(row)).partition(" ")
    return Mark(boot, int(ahead)) if boot else None


async def put_mark(connection: AsyncConnection, mark: Mark, name: str = CLOCK) -> None:
    """Keep how this process counts time."""
    await connection.execute(t.meta.delete().where(t.meta.c.key == name))
    if mark.boot:
        await connection.execute(t.meta.insert().values(key=name, value=f"{mark.boot} {mark.ahead}"))


def clock_row(*, shared: bool) -> str:
    """Where this machine keeps its mark: on a shared store each boot of each machine has a row of its own."""
    return f"{CLOCK}/{boot_id()}" if shared else CLOCK


class Marks(NamedTuple):
    """By which a process sees in one query whether another wrote. ``size``: leaves; the others are counted in rows or by the
    highest number or time (ms UTC)."""

    size: int
    mandates: int
    published: int
    witnessed: int
    evidence: int


_MARKS = sa.select(
    sa.select(sa.func.coalesce(sa.func.max(t.leaves.c.idx), -1)).scalar_subquery(),
    sa.select(sa.func.count()).select_from(t.mandates).scalar_subquery(),
    sa.select(sa.func.coalesce(sa.func.max(t.published.c.number), 0)).scalar_subquery(),
    sa.select(sa.func.coalesce(sa.func.max(t.witnesses.c.at), 0)).scalar_subquery(),
    sa.select(sa.func.count()).select_from(t.evidence).scalar_subquery(),
)


async def read_marks(connection: AsyncConnection) -> Marks:
    """How the store stands."""
    newest, *rest = (int(value) for value in (await connection.execute(_MARKS)).one())
    return Marks(newest + 1, *rest)


async def server_time(connection: AsyncConnection) -> int:
    """The PostgreSQL server's clock, ms UTC."""
    seconds = await connection.execute(sa.text("SELECT extract(epoch FROM clock_timestamp())"))
    return int(seconds.scalar_one() * 1000)


async def read_nodes(connection: AsyncConnection, wanted: Sequence[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
    """Stored nodes by (level, index)."""
    return await connection.run_sync(commits.read_nodes, wanted)


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


async def part_sizes(connection: AsyncConnection, thread: str, seqs: Sequence[int]) -> dict[int, int]:
    """Bytes of the sealed parts of these entries, by seq; nothing for those without any."""
    p = t.parts.c
    rows = await connection.execute(
        sa.select(p.seq, sa.func.sum(sa.func.length(p.data)).label("size"))
        .where(p.thread == thread, p.seq.in_(list(seqs)))
        .group_by(p.seq)
    )
    return {row.seq: int(row.size) for row in rows}


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
