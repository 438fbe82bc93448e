"""``hotline station give-back``: everything that this station holds of the log from a leaf on, for a hub that lost it.

It only reads, and may run beside the running station. Nothing that people wrote is in it: bodies stand in it as they stood at
the hub, sealed to the members of their thread.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from hotline import give_back
from hotline.give_back import Writer
from hotline.station.folder import Identity
from hotline.store import station as tables
from hotline.store.engine import Store
from protocols.encoding import b64u
from protocols.entry import parse_entry

_ROWS = 200
"""Entries read at a time."""


@dataclass(frozen=True, slots=True)
class GivenBack:
    """How much was written. ``lacking``: entries of which sealed parts never came here, or came before they were kept."""

    entries: int
    own: int
    heads: int
    mandates: int
    lacking: int


async def write_give_back(identity: Identity, database: Path, since: int, file: BinaryIO, now: int) -> GivenBack:
    """Write leaves from index ``since`` on, all heads and mandates to ``file``, signed at its end. ``now``: ms UTC."""
    store = Store(database)
    try:
        writer = Writer(file)
        sign = b64u(identity.keys.sign.public)
        writer.add(give_back.Begin(identity.accord.log_origin, identity.accord.id, sign, since, now))
        async with store.read() as connection:
            done = await _write(connection, writer, since, [each.data for each in identity.mandates.all()])
        writer.sign(identity.keys.sign)
    finally:
        await store.close()
    return done


async def _write(connection: AsyncConnection, writer: Writer, since: int, mandates: Iterable[bytes]) -> GivenBack:
    entries = own = heads = lacking = 0
    stored = (await connection.execute(sa.select(tables.mandates.c.data))).scalars()
    papers = sorted({*mandates, *(bytes(data) for data in stored)})
    for data in papers:
        writer.add(give_back.Paper(data))
    for note in await _heads(connection):
        writer.add(give_back.Head(note))
        heads += 1
    async for record in _entries(connection, since):
        writer.add(record)
        entries += 1
        lacking += not set(parse_entry(record.leaf).payload.parts) <= set(record.parts)
    k = tables.kept_leaves.c
    async for row in await connection.stream(sa.select(tables.kept_leaves).where(k.idx >= since).order_by(k.idx)):
        writer.add(give_back.Own(row.idx, bytes(row.leaf), bytes(row.sealed)))
        own += 1
    return GivenBack(entries, own, heads, len(papers), lacking)


async def _heads(connection: AsyncConnection) -> list[str]:
    """Every head that is kept: those that date entries, the newest published, the one last cosigned, the mirror's."""
    found: dict[str, None] = {}
    for table in (tables.notes, tables.heads, tables.witness, tables.mirrored):
        for note in (await connection.execute(sa.select(table.c.note))).scalars():
            if note:
                found.setdefault(str(note))
    return list(found)


async def _entries(connection: AsyncConnection, since: int) -> AsyncIterator[give_back.Leaf]:
    e, p = tables.entries.c, tables.parts.c
    after = since - 1
    while True:
        wanted = sa.select(e.thread, e.seq, e.index.label("place"), e.leaf).where(e.index > after)
        rows = (await connection.execute(wanted.order_by(e.index).limit(_ROWS))).all()
        for row in rows:
            kept = sa.select(p.name, p.data).where(p.thread == row.thread, p.seq == row.seq)
            parts = {each.name: bytes(each.data) for each in await connection.execute(kept)}
            yield give_back.Leaf(row.place, bytes(row.leaf), parts)
        if len(rows) < _ROWS:
            return
        after = rows[-1].place
