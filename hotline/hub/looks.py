"""What operators looked at, out of the log: each look is a leaf, opened by the disclosures that the hub keeps.

The log shows to everybody that somebody looked, and when; who, and at what, is for auditors of this hub. One look can be
shown to others by its leaf, its inclusion proof and its two disclosures.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection

from hotline.hub import commits
from hotline.hub.settings import place_of
from hotline.hub.views import LookRow
from hotline.store import hub as t
from hotline.store.engine import Store
from protocols.accord import SignedAccord
from protocols.errors import ProtocolError
from protocols.hub_leaf import open_look, verify_hub_leaf
from protocols.translog import (
    Checkpoint,
    TranslogError,
    build_inclusion,
    inclusion_nodes,
    leaf_hash,
    open_with_policy,
    parse_policy,
    verify_inclusion,
)


@dataclass(frozen=True, slots=True)
class _Row:
    index: int
    at: int
    leaf: bytes
    texts: tuple[str, ...]


def read_looks(connection: Connection, accord: SignedAccord, before: int | None, limit: int) -> tuple[LookRow, ...]:
    """The newest ``limit`` looks with a leaf before ``before``, newest first; after the last of them, those that were taken
    before looks were leaves. Every leaf is verified, and proven where a published head covers it."""
    o = t.own_leaves.c
    query = sa.select(o.idx, o.at, t.leaves.c.data).join(t.leaves, t.leaves.c.idx == o.idx).where(o.kind == "look")
    if before is not None:
        query = query.where(o.idx < before)
    found = connection.execute(query.order_by(o.idx.desc()).limit(limit)).all()
    texts: dict[int, tuple[str, ...]] = {}
    d = t.own_disclosures.c
    if found:
        between = sa.and_(d.idx <= found[0].idx, d.idx >= found[-1].idx, o.kind == "look")
        for row in connection.execute(sa.select(d.idx, d.text).join(t.own_leaves, o.idx == d.idx).where(between)):
            texts[row.idx] = (*texts.get(row.idx, ()), row.text)
    head = _published(connection, accord)
    rows = [_Row(row.idx, row.at, row.data, texts.get(row.idx, ())) for row in found]
    looks = tuple(_look(connection, accord, head, row) for row in rows)
    if len(looks) < limit:
        looks += _before_the_log(connection, limit - len(looks))
    return looks


async def looks_from_folder(folder: Path, accord: SignedAccord, limit: int) -> tuple[LookRow, ...]:
    """`read_looks` from the store in a hub's folder, which may be running."""
    store = Store(place_of(folder))

    def work(connection: Connection) -> tuple[LookRow, ...]:
        return read_looks(connection, accord, None, limit)

    try:
        async with store.read() as connection:
            return await connection.run_sync(work)
    finally:
        await store.close()


def _look(connection: Connection, accord: SignedAccord, head: Checkpoint | None, row: _Row) -> LookRow:
    try:
        leaf = verify_hub_leaf(row.leaf, accord)
        look = open_look(leaf, row.texts)
    except ProtocolError:
        return LookRow(row.index, row.at, "", "", "damaged")
    state = "logged"
    if head is not None and row.index < head.size:
        state = "proven" if _included(connection, head, row) else "damaged"
    if look.operator is None or look.what is None or leaf.payload.index != row.index:
        state = "damaged"
    return LookRow(row.index, leaf.payload.at, look.operator or "", look.what or "", state)


def _published(connection: Connection, accord: SignedAccord) -> Checkpoint | None:
    """The newest published head, if it meets the accord's policy."""
    p = t.published.c
    note = connection.execute(sa.select(p.note).order_by(p.number.desc()).limit(1)).scalar()
    if note is None:
        return None
    try:
        return open_with_policy(note, parse_policy(accord.accord.policy)).checkpoint
    except TranslogError:
        return None  # a head that does not hold proves nothing; fsck says so


def _included(connection: Connection, head: Checkpoint, row: _Row) -> bool:
    try:
        nodes = commits.read_nodes(connection, inclusion_nodes(row.index, head.size))
        hashes = build_inclusion(row.index, head.size, lambda level, at: nodes[level, at])
        verify_inclusion(leaf_hash(row.leaf), row.index, head.size, hashes, head.root)
    except (TranslogError, KeyError):  # a node that is missing
        return False
    return True


def _before_the_log(connection: Connection, limit: int) -> tuple[LookRow, ...]:
    k = t.looks.c
    rows = connection.execute(sa.select(k.at, k.operator, k.what).order_by(k.number.desc()).limit(limit))
    return tuple(LookRow(None, row.at, row.operator, row.what, "stored") for row in rows)
