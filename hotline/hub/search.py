"""Search over every entry the hub has, by what is no secret to it: thread, office, kind and time.

There is no search for words: the hub has none. Every question is answered out of an index, newest first, a page at a time
by the last index shown (``before``), so that page 1,000 costs what page 1 costs. Stamps never go back, so the order of the
log is the order of time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from hotline.hub.findings import Found, FoundEntry, Search
from hotline.hub.thread import Thread
from hotline.store import hub as t
from hotline.store.engine import Store
from hotline.words import act_words
from mediation.ladder import Ladder
from protocols.entry import parse_entry
from protocols.kinds import KINDS

PAGE = 50
"""Entries on one page."""
COUNTED = 10_000
"""Matches that are counted; beyond, "more than" is said."""


async def search(
    store: Store, wanted: Search, threads: Mapping[str, Thread], ladders: Mapping[str, Ladder], *, page: int = PAGE
) -> Found:
    """One page of what matches, newest first. ``threads``: as they stand; ``ladders``: by the accord's names."""
    names = _threads(wanted.thread, threads)
    if names is not None and not names:
        return Found(wanted, (), 0, False, None)
    e = t.entries.c
    async with store.read() as connection:
        lowest = highest = None
        if wanted.since is not None:
            first = sa.select(e.idx).where(e.at >= wanted.since).order_by(e.at, e.idx).limit(1)
            lowest = (await connection.execute(first)).scalar()
            if lowest is None:
                return Found(wanted, (), 0, False, None)
        if wanted.until is not None:
            after = sa.select(e.idx).where(e.at >= wanted.until).order_by(e.at, e.idx).limit(1)
            highest = (await connection.execute(after)).scalar()
        matching = _matching(wanted, names, lowest, highest)
        counted = sa.select(sa.literal(1)).select_from(t.entries).where(*matching).limit(COUNTED + 1).subquery()
        total = int((await connection.execute(sa.select(sa.func.count()).select_from(counted))).scalar_one())
        shown = matching if wanted.before is None else [*matching, e.idx < wanted.before]
        query = (
            sa.select(t.entries, t.leaves.c.data)
            .join(t.leaves, t.leaves.c.idx == e.idx)
            .where(*shown)
            .order_by(e.idx.desc())
            .limit(page + 1)
        )
        rows = list((await connection.execute(query)).all())
        acts = await asyncio.to_thread(lambda: [parse_entry(row.data).payload.act for row in rows[:page]])
        seqs = await _named(connection, acts)
    entries = tuple(
        _entry(row, act, ladders[threads[row.thread].ladder], seqs)
        for row, act in zip(rows, acts, strict=False)
        if row.thread in threads
    )
    older = rows[page - 1].idx if len(rows) > page else None
    return Found(wanted, entries, min(total, COUNTED), total > COUNTED, older)


def _threads(given: str, threads: Iterable[str]) -> list[str] | None:
    """The threads whose id begins so; None for all."""
    return None if not given else [name for name in threads if name.startswith(given)]


def _matching(
    wanted: Search, names: list[str] | None, lowest: int | None, highest: int | None
) -> list[sa.ColumnElement[bool]]:
    e = t.entries.c
    found: list[sa.ColumnElement[bool]] = []
    if names is not None:
        found.append(e.thread == names[0] if len(names) == 1 else e.thread.in_(names))
    if wanted.office:
        found.append(e.office == wanted.office)
    if wanted.kind:
        found.append(e.kind == wanted.kind)
    if lowest is not None:
        found.append(e.idx >= lowest)
    if highest is not None:
        found.append(e.idx < highest)
    return found


async def _named(connection: AsyncConnection, acts: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """The numbers (``seq``) of the entries that these acts name."""
    ids = {value for act in acts for value in act.values() if isinstance(value, str) and len(value) == 43}
    e = t.entries.c
    found = await connection.execute(sa.select(e.id, e.seq).where(e.id.in_(sorted(ids))))
    return {row.id: row.seq for row in found}


def _entry(
    row: sa.Row[tuple[object, ...]], act: Mapping[str, Any], ladder: Ladder, seqs: Mapping[str, int]
) -> FoundEntry:
    def name(id_: str) -> str:
        return f"entry {seqs[id_]}" if id_ in seqs else "another entry"

    moved = row.rung_before != row.rung_after
    return FoundEntry(
        row.thread,
        row.seq,
        row.idx,
        row.at,
        row.kind,
        KINDS[row.kind].title,
        row.office,
        act_words(row.kind, act, ladder, name),
        row.precedence,
        ladder.rungs[row.rung_after].title if moved else "",
    )
