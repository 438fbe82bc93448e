"""``hotline station give-back``: everything that this station holds of the log from a leaf on, for a hub that lost it.

It only reads, and may run beside the running station. Nothing that people wrote is in it: bodies and files stand in it as they
stood at the hub, sealed to the members of their thread. Files are those that an entry of any thread binds, whatever leaf it
begins with: a hub's disk with files may be lost alone.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from hotline import give_back
from hotline.give_back import PIECE, File, Writer
from hotline.hashed import holds
from hotline.station.folder import Identity
from hotline.station.vault import Vault
from hotline.store import station as tables
from hotline.store.engine import Store
from hotline.store.errors import StoreDamaged
from protocols.attachment import attachments_of
from protocols.disclosure import reveal
from protocols.encoding import b64u
from protocols.entry import parse_entry
from protocols.errors import ProtocolError

_ROWS = 200
"""Entries read at a time."""


@dataclass(frozen=True, slots=True)
class GivenBack:
    """How much was written. ``lacking``: entries of which sealed parts never came here, or came before they were kept.
    ``files``: sealed files that are in it; ``away``: that this station knows of and does not have; ``unread``: damaged bodies,
    which cannot say what files they bind."""

    entries: int
    own: int
    heads: int
    mandates: int
    lacking: int
    files: int = 0
    away: int = 0
    unread: int = 0


async def write_give_back(
    identity: Identity, database: Path, since: int, file: BinaryIO, now: int, *, files: bool = True
) -> GivenBack:
    """Write leaves from index ``since`` on, all heads and mandates, and with ``files`` the sealed files, to ``file``, signed at
    its end. ``now``: ms UTC. Raises ``OSError``."""
    store = Store(database)
    try:
        writer = Writer(file)
        sign = b64u(identity.keys.sign.public)
        writer.add(give_back.Begin(identity.accord.log_origin, identity.accord.id, sign, since, now))
        async with store.read() as connection:
            done = await _write(connection, writer, since, [each.data for each in identity.mandates.all()])
            if files:
                vault = Vault(identity.keys.data, secrets.token_bytes)
                here = away = unread = 0
                async for said in _bound(connection, vault):
                    if said is None:
                        unread += 1
                        continue
                    there = await asyncio.to_thread(
                        _add_file, writer, said, database.with_name(f"{database.stem}-files")
                    )
                    here, away = here + there, away + (not there)
                done = replace(done, files=here, away=away, unread=unread)
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


async def _bound(connection: AsyncConnection, vault: Vault) -> AsyncIterator[File | None]:
    """The files that entries bind, each once, as the bodies say that this station could open; None for one that is damaged."""
    e, b = tables.entries.c, tables.bodies.c
    seen: set[tuple[str, str]] = set()
    wanted = sa.select(e.thread, e.leaf, b.entry, b.sealed).join(tables.bodies, b.entry == e.id)
    async for row in await connection.stream(wanted.where(b.how != "refused").order_by(e.index)):
        payload = parse_entry(bytes(row.leaf)).payload
        try:
            body = vault.open_json(f"bodies/{row.entry}", bytes(row.sealed))
            found = attachments_of(reveal(body, payload.sd or ()))
        except (StoreDamaged, ProtocolError):
            yield None
            continue
        for each in found.values():
            if (row.thread, each.blob) not in seen:
                seen.add((row.thread, each.blob))
                yield File(row.thread, each.blob, each.sealed_size, payload.station, here=False)


def _add_file(writer: Writer, said: File, folder: Path) -> bool:
    path = folder / said.blob
    there = holds(path, said.blob, said.size)
    writer.add(msgspec.structs.replace(said, here=there))
    if there:
        with path.open("rb") as file:
            while data := file.read(PIECE):
                writer.add(give_back.Piece(data))
    return there
