"""Figures out of counted replies (`hotline.hub.statistics`): how often, how fast, and of how many.

A figure without its number of cases misleads, so every one carries it. Percentiles are of the cases themselves (nearest
rank): what is shown as the worst, or as the 90th percentile, did happen. The database groups and ranks, so that a hundred
thousand clocks cost the line nothing: what comes out has as many rows as the page.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from hotline.hub.findings import AnswerStates, Figures, ReplyFigures, ReplyLine
from hotline.store import hub as t
from hotline.store.engine import Store

LINES = 200
"""Clocks listed one by one, the newest."""


async def read_figures(store: Store, thread: str = "") -> Figures:
    """Over one thread, each clock named too, or over all."""
    c = t.counted_clocks.c
    async with store.read() as connection:
        return Figures(
            await _grouped(connection, c.title, thread),
            await _grouped(connection, c.office, thread),
            await _answers(connection, thread),
            await _lines(connection, thread) if thread else (),
        )


def median_rank(cases: int) -> int:
    """Which of so many ascending cases is the median."""
    return (cases * 50 + 99) // 100


def p90_rank(cases: int) -> int:
    """Which of so many ascending cases is the 90th percentile."""
    return (cases * 90 + 99) // 100


async def _grouped(connection: AsyncConnection, by: sa.Column[str], thread: str) -> tuple[ReplyFigures, ...]:
    c = t.counted_clocks.c
    mine = [c.thread == thread] if thread else []
    counted = sa.select(by.label("name"), c.outcome, sa.func.count().label("clocks")).where(*mine)
    counts: dict[str, dict[str, int]] = {}
    for row in await connection.execute(counted.group_by(by, c.outcome)):
        counts.setdefault(row.name, dict.fromkeys(("running", "met", "late", "missed", "stopped"), 0))
        counts[row.name][row.outcome] = row.clocks
    answered = [c.outcome.in_(("met", "late")), c.ended.is_not(None), *mine]
    sizes = sa.select(by.label("name"), sa.func.count().label("cases")).where(*answered).group_by(by)
    cases = {row.name: row.cases for row in await connection.execute(sizes)}
    taken = (c.ended - c.started).label("taken")
    rank = sa.func.row_number().over(partition_by=by, order_by=taken).label("place")
    ranked = sa.select(by.label("name"), taken, rank).where(*answered).subquery()
    found: dict[tuple[str, int], int] = {}
    places = [(name, place) for name, n in cases.items() for place in {median_rank(n), p90_rank(n), n}]
    wanted = sa.select(ranked).where(sa.tuple_(ranked.c.name, ranked.c.place).in_(places))
    for row in await connection.execute(wanted):
        found[row.name, row.place] = row.taken
    return tuple(_figures(name, counts[name], cases.get(name, 0), found) for name in sorted(counts))


def _figures(name: str, count: dict[str, int], cases: int, times: dict[tuple[str, int], int]) -> ReplyFigures:
    return ReplyFigures(
        name,
        count["met"],
        count["late"],
        count["missed"],
        count["running"],
        count["stopped"],
        cases,
        times.get((name, median_rank(cases))),
        times.get((name, p90_rank(cases))),
        times.get((name, cases)),
    )


async def _answers(connection: AsyncConnection, thread: str) -> tuple[AnswerStates, ...]:
    c = t.counted_requests.c
    query = sa.select(c.asked, c.answers, sa.func.count().label("requests")).group_by(c.asked, c.answers)
    found: dict[str, tuple[int, dict[str, int]]] = {}
    for row in await connection.execute(query.where(c.thread == thread) if thread else query):
        number, states = found.setdefault(row.asked, (0, {}))
        for state in row.answers.split():
            states[state] = states.get(state, 0) + row.requests
        found[row.asked] = (number + row.requests, states)
    return tuple(
        AnswerStates(office, number, sum(states.values()), dict(sorted(states.items())))
        for office, (number, states) in sorted(found.items())
    )


async def _lines(connection: AsyncConnection, thread: str) -> tuple[ReplyLine, ...]:
    c = t.counted_clocks.c
    query = (
        sa.select(t.counted_clocks).where(c.thread == thread).order_by(c.started.desc(), c.clock.desc()).limit(LINES)
    )
    found = []
    for row in await connection.execute(query):
        taken = row.ended - row.started if row.ended is not None and row.outcome in ("met", "late") else None
        found.append(ReplyLine(row.title, row.office, row.about, row.clock, row.started, row.end, row.outcome, taken))
    return tuple(reversed(found))
