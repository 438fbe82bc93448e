"""A thread's evidence out of the files of a hub that is not running (see `hotline.hub.export` for one that is).

No key is needed: what is exported was signed when it was stored. No content: the hub has none to disclose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from hotline.bundles import NothingToExport
from hotline.hub import records
from hotline.store import hub as t
from hotline.store.engine import Store
from protocols.accord import SignedAccord, open_accord
from protocols.bundle import MAX_ENTRIES, Bundle, Exhibit, involved
from protocols.entry import parse_entry
from protocols.errors import ProtocolError
from protocols.translog import TlogProof, build_inclusion, format_proof, inclusion_nodes, peek_checkpoint

_CHUNK = 256


@dataclass(frozen=True, slots=True)
class Export:
    """A bundle, and how many of the thread's newest entries it leaves out because no published head holds them yet."""

    bundle: Bundle
    left_out: int


async def _export(
    connection: AsyncConnection, accord: SignedAccord, ladders: Mapping[str, bytes], thread: str
) -> Export:
    """The evidence of a thread, in the caller's read transaction. ``ladders``: exact bytes by the accord's ids.

    Raises `NothingToExport`.
    """
    row = (await connection.execute(sa.select(t.threads).where(t.threads.c.thread == thread))).one_or_none()
    if row is None or row.ladder not in ladders:
        raise NothingToExport("no such thread")
    newest = sa.select(t.published.c.note).order_by(t.published.c.number.desc()).limit(1)
    note = (await connection.execute(newest)).scalar_one_or_none()
    if note is None:
        raise NothingToExport("no head was published yet")
    size = peek_checkpoint(note).size
    e = t.entries.c
    found = await connection.execute(
        sa.select(e.idx, t.leaves.c.data)
        .join(t.leaves, t.leaves.c.idx == e.idx)
        .where(e.thread == thread, e.idx < size)
        .order_by(e.seq)
        .limit(MAX_ENTRIES)
    )
    leaves = [(stored.idx, stored.data) for stored in found]
    if not leaves:
        raise NothingToExport("no published head holds any entry of it")
    exhibits: list[Exhibit] = []
    for start in range(0, len(leaves), _CHUNK):
        exhibits += await _proved(connection, leaves[start : start + _CHUNK], size, note)
    kids = involved(parse_entry(leaf) for _, leaf in leaves)
    known = await connection.execute(sa.select(t.mandates.c.kid, t.mandates.c.data).order_by(t.mandates.c.digest))
    bundle = Bundle(
        thread=thread,
        ladder_id=row.ladder,
        checkpoint=note.encode(),
        policy=accord.accord.policy.encode(),
        accord=accord.data,
        ladder=ladders[row.ladder],
        mandates=tuple(mandate.data for mandate in known if mandate.kid in kids),
        exhibits=tuple(exhibits),
    )
    return Export(bundle, row.seq - len(exhibits))


async def export_from_folder(folder: Path, thread: str) -> Export:
    """The evidence of a thread out of a hub's folder. Raises `NothingToExport`."""
    try:
        accord = open_accord((folder / "accord.jws").read_bytes())
        ladders = {path.stem: path.read_bytes() for path in sorted((folder / "ladders").glob("*.toml"))}
    except (OSError, ProtocolError) as error:
        raise NothingToExport(f"{folder} is no hub's folder: {error}") from error
    if not (folder / "hub.db").is_file():
        raise NothingToExport(f"{folder} has no hub.db")
    store = Store(folder / "hub.db")
    try:
        async with store.read() as connection:
            return await _export(connection, accord, ladders, thread)
    finally:
        await store.close()


async def _proved(connection: AsyncConnection, leaves: list[tuple[int, bytes]], size: int, note: str) -> list[Exhibit]:
    wanted = sorted({node for index, _ in leaves for node in inclusion_nodes(index, size)})
    nodes = await records.read_nodes(connection, wanted)
    exhibits = []
    for index, leaf in leaves:
        hashes = build_inclusion(index, size, lambda level, at: nodes[level, at])
        exhibits.append(Exhibit(leaf, format_proof(TlogProof(index, tuple(hashes), note)).encode()))
    return exhibits
