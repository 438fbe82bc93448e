"""Leaves of the hub's own (`protocols.hub_leaf`): how a batch gets them, and what the store holds of them.

They belong to no thread and go the way of every entry: into the same batch, under the same lock, in one transaction with
whatever else the batch brings, and whoever asked for one is answered when it is on the disk.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from hotline.hub.admission import Pass
from hotline.store import hub as t
from protocols.encoding import from_json, unb64u
from protocols.hub_leaf import MAX_HEADS, HubKind, Made, Place, ThreadEnd, make_heads, make_look
from protocols.translog import leaf_hash


@dataclass(frozen=True, slots=True)
class Look:
    """Wanted: the leaf that ``operator`` looked at ``what``."""

    operator: str
    what: str


@dataclass(frozen=True, slots=True)
class Heads:
    """Wanted: where these ``threads`` end; with ``moved`` also every thread that moved since its end was last said."""

    threads: frozenset[str] = frozenset()
    moved: bool = False


Wanted = Look | Heads


@dataclass(frozen=True, slots=True)
class OwnLeaf:
    """A leaf of the hub's own as it is stored. ``at``: the hub's clock, ms UTC; ``disclosures``: by name."""

    index: int
    at: int
    kind: HubKind
    data: bytes
    disclosures: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TailRow:
    """The newest leaf that says where a thread ends: its index, the end's ``seq``, and the disclosure that opens it."""

    thread: str
    index: int
    seq: int
    disclosure: str


def write(done: Pass, wanted: Iterable[Wanted], said: Mapping[str, int]) -> list[OwnLeaf]:
    """The leaves that are wanted, after the entries of a batch. ``said``: up to which ``seq`` each thread's end stands in
    the log already."""
    made: list[OwnLeaf] = []
    current = {**done.threads, **done.changed}
    names: set[str] = set()
    for want in wanted:
        match want:
            case Look(operator, what):
                place = _place(done)
                look = make_look(place, operator, what, done.rules.signer, secrets.token_bytes)
                made.append(_append(done, place, "look", look))
            case Heads(threads, moved):
                names |= threads & current.keys()
                if moved:
                    names |= {name for name, thread in current.items() if thread.seq != said.get(name, 0)}
    ordered = sorted(names)
    for start in range(0, len(ordered), MAX_HEADS):
        place = _place(done)
        some = [current[name] for name in ordered[start : start + MAX_HEADS]]
        ends = {thread.thread: ThreadEnd(thread.seq, thread.chain) for thread in some}
        heads = make_heads(place, ends, done.rules.signer, secrets.token_bytes)
        made.append(_append(done, place, "heads", heads))
    return made


def save(connection: Connection, leaves: Sequence[OwnLeaf]) -> None:
    """Their rows beside the leaves themselves, in the caller's transaction."""
    if not leaves:
        return
    rows = [{"idx": leaf.index, "kind": leaf.kind, "at": leaf.at} for leaf in leaves]
    texts = [
        {"idx": leaf.index, "name": name, "text": text} for leaf in leaves for name, text in leaf.disclosures.items()
    ]
    connection.execute(t.own_leaves.insert(), rows)
    connection.execute(t.own_disclosures.insert(), texts)


def read_tails(
    connection: Connection, since: int = 0, upto: int | None = None, threads: Iterable[str] | None = None
) -> dict[str, TailRow]:
    """The newest tail of each thread (or of ``threads``) among the leaves from ``since`` to before ``upto``."""
    d, o = t.own_disclosures.c, t.own_leaves.c
    newest = sa.select(d.name, sa.func.max(d.idx).label("idx")).join(t.own_leaves, o.idx == d.idx)
    newest = newest.where(o.kind == "heads", d.idx >= since)
    if upto is not None:
        newest = newest.where(d.idx < upto)
    if threads is not None:
        newest = newest.where(d.name.in_(sorted(threads)))
    last = newest.group_by(d.name).subquery()
    query = sa.select(d.name, d.idx, d.text).join(last, sa.and_(last.c.name == d.name, last.c.idx == d.idx))
    return {row.name: TailRow(row.name, row.idx, _seq(row.text), row.text) for row in connection.execute(query)}


def newest_at(connection: Connection) -> int:
    """The time of the newest leaf of the hub's own, ms UTC; 0 where there is none."""
    o = t.own_leaves.c
    return int(connection.execute(sa.select(o.at).order_by(o.idx.desc()).limit(1)).scalar() or 0)


def read_leaf(connection: Connection, index: int) -> bytes:
    """The exact bytes of the leaf at ``index``, which must be there."""
    return bytes(connection.execute(sa.select(t.leaves.c.data).where(t.leaves.c.idx == index)).scalar_one())


def _place(done: Pass) -> Place:
    accord = done.rules.accord
    return Place(accord.log_origin, accord.id, done.frontier.size, done.at, done.seen)


def _append(done: Pass, place: Place, kind: HubKind, made: Made) -> OwnLeaf:
    done.frontier, nodes = done.frontier.append(leaf_hash(made.data))
    done.nodes += nodes
    return OwnLeaf(place.index, place.at, kind, made.data, made.disclosures)


def _seq(disclosure: str) -> int:
    return int(from_json(unb64u(disclosure))[2]["seq"])
