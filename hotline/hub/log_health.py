"""How the log does: its size, its heads and their ages, and who cosigned which, when, and how far behind each witness is."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from hotline.hub.log import HeadKeeper
from hotline.hub.log_views import LogHealth, WitnessHealth
from hotline.store import hub as t
from hotline.store.engine import Store
from protocols.translog import parse_note


async def log_health(store: Store, heads: HeadKeeper, size: int, now: int, interval: float) -> LogHealth:
    """``size``: of the log now; ``now``: ms UTC; ``interval``: seconds between heads of an idle line."""
    policy, head, published = heads.policy, heads.head, heads.published
    # Keys of one key name are one operator's: a witness that signs with two of them is one witness.
    operators = {witness.key.vkey: witness.key.name for witness in policy.witnesses}
    names: dict[str, str] = {}
    for each in policy.witnesses:
        names.setdefault(each.key.name, each.name)
    head_size = head.size if head is not None else 0
    covered = published.checkpoint.size if published is not None else 0
    under: set[str] = set()
    if published is not None:
        signed = {(line.name, line.key_id) for line in parse_note(published.note).signatures}
        under = {each.key.name for each in policy.witnesses if (each.key.name, each.key.key_id) in signed}
    async with store.read() as connection:
        newest = await _cosigners(connection, head_size)
        have = {operators[vkey] for vkey in newest if vkey in operators}
        witnesses = []
        for name in policy.operators:
            known = [
                heads.witnessed[vkey] for vkey, who in operators.items() if who == name and vkey in heads.witnessed
            ]
            largest = max((each[0] for each in known), default=0)
            if name in have:
                largest = head_size
            at = max((each[1] for each in known), default=0)
            witnesses.append(
                WitnessHealth(
                    names[name],
                    largest,
                    at or None,
                    max(head_size - largest, 0),
                    await _first_head_after(connection, largest),
                    name in under,
                    name in heads.forgetful,
                )
            )
        waiting = await _first_head_after(connection, covered)
    return LogHealth(
        heads.origin,
        size,
        head_size,
        now - heads.head_at if heads.head_at is not None else None,
        covered,
        now - published.at if published is not None else None,
        f"{policy.smallest_quorum()} of {len(policy.operators)} witnesses",
        tuple(names[name] for name in policy.operators if name in under),
        published.note if published is not None else "",
        policy.smallest_quorum(),
        len(have),
        tuple(witnesses),
        waiting,
        round(interval * 1000),
    )


async def _cosigners(connection: AsyncConnection, size: int) -> set[str]:
    c = t.cosignatures.c
    return set((await connection.execute(sa.select(c.vkey).where(c.size == size).distinct())).scalars())


async def _first_head_after(connection: AsyncConnection, size: int) -> int | None:
    """When the first head over more than ``size`` leaves was signed, ms UTC."""
    h = t.heads.c
    return (await connection.execute(sa.select(h.at).where(h.size > size).order_by(h.size).limit(1))).scalar()
