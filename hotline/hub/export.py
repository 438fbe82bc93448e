"""The evidence of one thread out of a hub's store: leaves, proofs, heads, tokens, the thread's end; no disclosures, for the
hub holds none. What it hands out is checked by `hotline audit verify`, never by trusting this program.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import Column, Connection

from hotline import bundles
from hotline.bundles import NothingToExport
from hotline.hub import commits, own_leaves
from hotline.hub.errors import Closing, HubFault, NotProvenYet, NotStored
from hotline.hub.own_leaves import Heads
from hotline.hub.settings import place_of
from hotline.hub.withholding import withhold_entries
from hotline.store import hub as t
from hotline.store.engine import Store
from mediation.audit.papers import with_reports
from protocols.accord import SignedAccord, open_accord
from protocols.assembly import End, KnownHead, Material, Piece, assemble, dating, nodes_wanted
from protocols.bundle import MAX_ENTRIES, Bundle
from protocols.entry import parse_entry
from protocols.errors import ProtocolError
from protocols.hub_leaf import parse_hub_leaf
from protocols.redaction import Redaction
from protocols.translog import peek_checkpoint

if TYPE_CHECKING:
    from hotline.hub.hub import Hub

PATIENCE = 3.0
"""Seconds to wait for witnesses when the newest entries are not yet under a published head."""
_IN = 400


@dataclass(frozen=True, slots=True)
class Export:
    """A bundle, and how many of the thread's newest entries it leaves out because no published head holds them yet."""

    bundle: Bundle
    left_out: int


async def export_thread(
    hub: Hub, thread: str, items: Sequence[Redaction] = (), by: str = "", upto: int | None = None
) -> bytes:
    """The zip, out of a running hub. Where the thread ends is logged first, so that the bundle shows it. Entries that no
    published head covers yet are left out; those that ``items`` name are withheld, and said to be
    (`hotline.hub.withholding`). ``by``: who exports; ``upto``: the last entry to be in it.

    Raises `NotProvenYet` where nothing is covered, or the thread does not exist; `CannotWithhold`.
    """
    if thread not in hub.writer.standing.threads:
        raise NotProvenYet("no such thread")
    try:
        await hub.writer.write(Heads(frozenset({thread})))
    except (Closing, NotStored, HubFault) as error:
        raise NotProvenYet(f"the thread's end could not be logged: {error.code}") from error
    await _wait_for_head(hub, hub.writer.standing.frontier.size)
    try:
        bundle = (await _export(hub.store, hub.accord, hub.ladder_files, thread, upto)).bundle
    except NothingToExport as error:
        raise NotProvenYet(error.detail) from error

    def mandates(kids: Iterable[str]) -> tuple[bytes, ...]:
        wanted = set(kids)
        return tuple(mandate.data for mandate in hub.directory.book.all() if mandate.kid in wanted)

    return await asyncio.to_thread(lambda: bundles.pack(with_reports(withhold_entries(bundle, items, mandates, by))))


async def export_from_folder(folder: Path, thread: str) -> Export:
    """Out of the files of a hub that is not running; no key is needed. Raises `NothingToExport`."""
    try:
        accord = open_accord((folder / "accord.jws").read_bytes())
        ladders = {path.stem: path.read_bytes() for path in sorted((folder / "ladders").glob("*.toml"))}
    except (OSError, ProtocolError) as error:
        raise NothingToExport(f"{folder} is no hub's folder: {error}") from error
    place = place_of(folder)
    if isinstance(place, Path) and not place.is_file():
        raise NothingToExport(f"{folder} has no hub.db")
    store = Store(place)
    try:
        return await _export(store, accord, ladders, thread)
    finally:
        await store.close()


async def _export(
    store: Store, accord: SignedAccord, ladders: Mapping[str, bytes], thread: str, upto: int | None = None
) -> Export:
    def read(connection: Connection) -> tuple[Material, int, Mapping[tuple[int, int], bytes]]:
        material, left_out = gather(connection, accord, ladders, thread, upto)
        return material, left_out, commits.read_nodes(connection, sorted(nodes_wanted(material)))

    async with store.read() as connection:
        material, left_out, nodes = await connection.run_sync(read)
    return Export(await asyncio.to_thread(assemble, material, lambda level, index: nodes[level, index]), left_out)


def gather(
    connection: Connection,
    accord: SignedAccord,
    ladders: Mapping[str, bytes],
    thread: str,
    upto: int | None = None,
) -> tuple[Material, int]:
    """What a bundle of the thread is made of under the newest published head, and how many entries are not in it.

    ``ladders``: exact bytes by the accord's ids. ``upto``: the last entry to be in it. Raises `NothingToExport`.
    """
    row = connection.execute(sa.select(t.threads).where(t.threads.c.thread == thread)).one_or_none()
    if row is None or row.ladder not in ladders:
        raise NothingToExport("no such thread")
    newest = sa.select(t.published.c.note).order_by(t.published.c.number.desc()).limit(1)
    final = connection.execute(newest).scalar_one_or_none()
    if final is None:
        raise NothingToExport("no head was published yet")
    size = peek_checkpoint(final).size
    e = t.entries.c
    stored = connection.execute(
        sa.select(e.idx, t.leaves.c.data)
        .join(t.leaves, t.leaves.c.idx == e.idx)
        .where(e.thread == thread, e.idx < size, e.seq <= (row.seq if upto is None else upto))
        .order_by(e.seq)
        .limit(MAX_ENTRIES)
    )
    pieces = [Piece(each.idx, bytes(each.data)) for each in stored]
    if not pieces:
        raise NothingToExport("no published head holds any entry of it")
    end = _end(connection, thread, size)
    digests = _dating(connection, pieces, end, size)
    return Material(
        thread=thread,
        ladder_id=row.ladder,
        ladder=ladders[row.ladder],
        accord=accord,
        final=final,
        pieces=pieces,
        notes=list(_read(connection, t.published.c.digest, t.published.c.note, digests).values()),
        mandates=[
            (each.kid, each.data)
            for each in connection.execute(sa.select(t.mandates.c.kid, t.mandates.c.data).order_by(t.mandates.c.digest))
        ],
        tokens=_read(connection, t.timestamps.c.digest, t.timestamps.c.token, digests),
        end=end,
    ), row.seq - len(pieces)


def _end(connection: Connection, thread: str, size: int) -> End | None:
    tail = own_leaves.read_tails(connection, upto=size, threads=(thread,)).get(thread)
    if tail is None:
        return None
    return End(tail.index, own_leaves.read_leaf(connection, tail.index), tail.disclosure)


def _dating(connection: Connection, pieces: list[Piece], end: End | None, size: int) -> set[str]:
    """Digests of the heads that date these entries and the thread's end, and of the newest that a token stamps."""
    p, s = t.published.c, t.timestamps.c
    rows = connection.execute(sa.select(p.size, p.digest).order_by(p.number))
    known = [KnownHead(row.size, row.digest) for row in rows]
    indexes = [piece.index for piece in pieces]
    seen = [parse_entry(piece.leaf).payload.seen for piece in pieces]
    if end is not None:
        indexes.append(end.index)
        seen.append(parse_hub_leaf(end.leaf).payload.seen)
    stamped = list(
        connection.execute(
            sa.select(s.size, s.digest).where(s.size > indexes[0], s.size <= size).order_by(s.size, s.number)
        )
    )
    # The first token over a head that holds all of the thread dates all of it; failing that, the last one there is.
    whole = [row.digest for row in stamped if row.size > pieces[-1].index]
    return dating(known, indexes, seen) | set(whole[:1] or [row.digest for row in stamped[-1:]])


def _read(connection: Connection, key: Column[str], value: Column[Any], keys: Iterable[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    listed = sorted(keys)
    for start in range(0, len(listed), _IN):
        rows = connection.execute(sa.select(key, value).where(key.in_(listed[start : start + _IN])))
        found |= {row[0]: row[1] for row in rows}
    return found


async def _wait_for_head(hub: Hub, size: int) -> None:
    waited = 0.0
    while (hub.heads.published is None or hub.heads.published.checkpoint.size < size) and waited < PATIENCE:
        await asyncio.sleep(0.1)
        waited += 0.1
