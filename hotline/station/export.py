"""A thread's evidence out of a station's own store, with the fields its office chooses to disclose.

Proofs are made from the station's own mirror of the log, so that a hub that has gone, or lies, takes nothing away. What others
may read is a decision: nothing of a body leaves the sealed store unless its field was named.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from hotline.bundles import NothingToExport
from hotline.errors import LocalFault
from hotline.station.vault import Vault
from hotline.store import station as tables
from hotline.store.engine import Store
from hotline.store.station import read_tiles
from mediation.consent import lacking
from protocols.accord import SignedAccord, open_accord
from protocols.assembly import End, KnownHead, Material, Piece, assemble, dating, nodes_wanted
from protocols.bundle import Bundle
from protocols.encoding import from_json, unb64u
from protocols.entry import parse_entry
from protocols.errors import ProtocolError
from protocols.hub_leaf import parse_hub_leaf
from protocols.mandate import verify_mandate
from protocols.translog import node_reader, tiles_under


class CannotDisclose(LocalFault):
    """A field was named that no entry has, or that this station cannot read. ``detail`` says which."""

    code = "export.cannot-disclose"
    _sentence = "What was to be disclosed is not in this station's store. Nothing was exported."


class NotYetProven(LocalFault):
    """A field of an entry was named that no head covers yet which this station has checked. ``detail`` says which."""

    code = "export.not-yet"
    _sentence = (
        "One of these entries is so new that it cannot be proven yet. Nothing was exported. Wait until the desk shows it as "
        "proven, mostly within a minute, and try again; or leave it out."
    )


class NoConsent(LocalFault):
    """The accord asks for both parties' consent, and the log does not hold it for these fields. ``detail`` names them."""

    code = "export.no-consent"
    _sentence = (
        "Your agreement asks for the consent of both parties before words are shown to outsiders, and the log does not hold "
        "it for all of these. Nothing was exported. Give a notice of disclosure in the incident that names exactly what you "
        "want to show, wait for the other side's yes, and export again once that is proven; without words you can export now."
    )


async def export_from_folder(
    folder: Path, thread: str, disclose: Sequence[str] = (), data_key: bytes | None = None
) -> tuple[Bundle, int]:
    """`export_thread` out of the files of a station that is not running. ``data_key``: the key of the station's store (32
    bytes), needed to disclose anything.

    Raises what `export_thread` raises.
    """
    try:
        accord = open_accord((folder / "accord.jws").read_bytes())
        ladders = {path.stem: path.read_bytes() for path in sorted((folder / "ladders").glob("*.toml"))}
    except (OSError, ProtocolError) as error:
        raise NothingToExport(f"{folder} is no station's folder: {error}") from error
    if not (folder / "station.db").is_file():
        raise NothingToExport(f"{folder} has no station.db")
    vault = None if data_key is None else Vault(data_key, _no_randomness)
    store = Store(folder / "station.db")
    try:
        async with store.read() as connection:
            return await export_thread(connection, accord, ladders, thread, disclose, vault)
    finally:
        await store.close()


async def export_thread(
    connection: AsyncConnection,
    accord: SignedAccord,
    ladders: Mapping[str, bytes],
    thread: str,
    disclose: Sequence[str] = (),
    vault: Vault | None = None,
) -> tuple[Bundle, int]:
    """The evidence of a thread under the newest head that this station has mirrored, and how many of its newest entries are
    left out because they are not under that head yet.

    ``connection``: a read transaction on a station's store. ``disclose``: ``SEQ:FIELD`` names, ``SEQ`` an entry's number or
    ``*``, ``FIELD`` a body's field or ``*``; they need the ``vault``.

    Raises `NothingToExport`, `CannotDisclose`, `NotYetProven`, `NoConsent`, `hotline.station.vault.StoreDamaged`, and
    `ProofRefused` where the store is damaged.
    """
    wanted = [_parse(spec) for spec in disclose]
    if wanted and vault is None:
        raise CannotDisclose("the station's passphrase is needed to disclose anything")
    rows = await _read(connection, accord.log_origin, thread)
    if rows.ladder not in ladders:
        raise NothingToExport("no such thread")
    if not rows.entries:
        raise NothingToExport("none of it is under a head that this station has checked")
    pieces = [
        Piece(row.place, row.leaf, _disclosures(row, wanted, vault, rows.bodies.get(row.id))) for row in rows.entries
    ]
    _all_found(wanted, pieces, rows.left_out)
    _check_consent(accord, pieces)
    known = [verify_mandate(data, accord.accord) for data in rows.mandates]
    material = Material(
        thread=thread,
        ladder_id=rows.ladder,
        ladder=ladders[rows.ladder],
        accord=accord,
        final=rows.final,
        pieces=pieces,
        notes=rows.notes,
        mandates=[(mandate.kid, mandate.data) for mandate in known],
        end=rows.end,
    )
    tiles = await read_tiles(connection, tiles_under(nodes_wanted(material)))
    return await asyncio.to_thread(assemble, material, node_reader(tiles)), rows.left_out


@dataclass(frozen=True, slots=True)
class _Rows:
    """What the store holds of a thread, as far as the mirror reaches. ``final``: the note of the head it reaches."""

    ladder: str
    entries: Sequence[Any]
    left_out: int
    bodies: Mapping[str, bytes]
    mandates: Collection[bytes]
    final: str
    notes: Sequence[str]
    end: End | None


async def _read(connection: AsyncConnection, origin: str, thread: str) -> _Rows:
    found = sa.select(tables.threads.c.ladder).where(tables.threads.c.id == thread, ~tables.threads.c.outside)
    ladder = (await connection.execute(found)).scalar_one_or_none()
    if ladder is None:
        raise NothingToExport("this station does not hold the whole of that thread")
    m = tables.mirrored.c
    reached = (await connection.execute(sa.select(m.size, m.note).where(m.origin == origin))).one_or_none()
    size, final = (0, "") if reached is None else (reached.size, reached.note)
    e = tables.entries.c
    listed = sa.select(e.seq, e.id, e.index.label("place"), e.leaf).where(e.thread == thread).order_by(e.seq)
    every = (await connection.execute(listed)).all()
    entries = [row for row in every if row.place < size]
    ids = sa.select(e.id).where(e.thread == thread)
    b = tables.bodies.c
    # A refused body's row holds why it was refused, not what it said.
    read = sa.select(tables.bodies).where(b.entry.in_(ids), b.how != "refused")
    bodies = {row.entry: row.sealed for row in (await connection.execute(read)).all()}
    papers = sa.select(tables.mandates.c.data).order_by(tables.mandates.c.digest)
    mandates = (await connection.execute(papers)).scalars().all()
    end = await _end(connection, thread, size)
    notes = await _dating(connection, entries, end, size)
    return _Rows(ladder, entries, len(every) - len(entries), bodies, mandates, final, notes, end)


async def _end(connection: AsyncConnection, thread: str, size: int) -> End | None:
    """The newest end of the thread that the hub logged and this station found true."""
    c = tables.tails.c
    wanted = sa.select(tables.tails).where(c.thread == thread, c.idx < size, c.doubt == "").order_by(c.idx.desc())
    row = (await connection.execute(wanted.limit(1))).one_or_none()
    return None if row is None else End(row.idx, bytes(row.leaf), row.disclosure)


async def _dating(connection: AsyncConnection, entries: Sequence[Any], end: End | None, size: int) -> list[str]:
    n = tables.notes.c
    rows = await connection.execute(sa.select(n.size, n.digest).where(n.size <= size).order_by(n.size, n.number))
    indexes = [row.place for row in entries]
    seen = [parse_entry(row.leaf).payload.seen for row in entries]
    if end is not None:
        indexes.append(end.index)
        seen.append(parse_hub_leaf(end.leaf).payload.seen)
    digests = dating([KnownHead(row.size, row.digest) for row in rows], indexes, seen)
    kept = await connection.execute(sa.select(n.digest, n.note).where(n.size <= size))
    return [row.note for row in kept if row.digest in digests]


def _parse(spec: str) -> tuple[int | None, str | None]:
    seq, cut, field = spec.partition(":")
    if not cut or not field or not (seq == "*" or (seq.isascii() and seq.isdecimal() and int(seq) > 0)):
        raise CannotDisclose(f"{spec[:40]!r} is not SEQ:FIELD, such as 3:text, 3:* or *:severity")
    return (None if seq == "*" else int(seq)), (None if field == "*" else field)


def _disclosures(
    row: Any, wanted: Sequence[tuple[int | None, str | None]], vault: Vault | None, sealed: bytes | None
) -> tuple[str, ...]:
    names = {field for seq, field in wanted if seq in (None, row.seq)}
    if not names or vault is None or sealed is None:
        return ()
    texts = [str(text) for text in vault.open_json(f"bodies/{row.id}", sealed)]
    return tuple(text for text in texts if None in names or _name(text) in names)


def _name(disclosure: str) -> str:
    return str(from_json(unb64u(disclosure))[1])


def _all_found(wanted: Sequence[tuple[int | None, str | None]], pieces: Sequence[Piece], left_out: int) -> None:
    """Each name must have disclosed something: an officer who misspells a field must not believe it is in there."""
    count = len(pieces)
    for seq, name in wanted:
        if seq is not None and count < seq <= count + left_out:
            raise NotYetProven(f"entry {seq}")
        chosen = pieces if seq is None else pieces[seq - 1 : seq]
        found = {_name(text) for piece in chosen for text in piece.disclosures}
        if not found or (name is not None and name not in found):
            where = "any entry" if seq is None else f"entry {seq} of {count}"
            kinds = "" if seq is None or not chosen else f" ({parse_entry(chosen[0].leaf).payload.kind})"
            raise CannotDisclose(f"{name or 'a body'} is not readable here in {where}{kinds}")


def _check_consent(accord: SignedAccord, pieces: Sequence[Piece]) -> None:
    """What the verifier will ask of the bundle, asked before it leaves the house."""
    shown = {seq: [_name(text) for text in each.disclosures] for seq, each in enumerate(pieces, 1) if each.disclosures}
    missing = lacking(accord.accord, enumerate((parse_entry(each.leaf) for each in pieces), 1), shown)
    if missing:
        raise NoConsent(", ".join(f"{seq}:{name}" for seq, name in missing[:20]))


def _no_randomness(count: int) -> bytes:
    raise AssertionError("an export seals nothing")
