"""Counts of replies over all threads, kept in the store and brought up to date when somebody looks.

Counting replays entries, so it is done once an entry: each thread's count is put down with the ladder's state it stopped
at and goes on from there, a few entries at a time in another thread, so that the line does not wait. What is stored here
is no evidence: it follows from the leaves and is made anew where its ``FORM`` is another.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import astuple

import sqlalchemy as sa
import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from hotline.hub.tally import Changed, tally
from hotline.hub.thread import Thread
from hotline.store import hub as t
from hotline.store.engine import Store
from mediation import fold
from mediation import state as states
from mediation.inputs import context_of, move_of
from mediation.ladder import Ladder
from mediation.refusals import Refusal
from mediation.state import ThreadState
from protocols.accord import SignedAccord
from protocols.entry import parse_entry, verify_entry, verify_stamp
from protocols.mandate import MandateBook

_LOG = structlog.get_logger("hotline.hub.statistics")
FORM = 2
"""The form of the counts; raise it when what is counted changes, and everything is counted again."""
SLICE = 32
"""Entries counted in one go."""
REST = 0.5
"""Of the time that counting took, how much it then rests: entries of the line go before figures."""
PATIENCE = 1.0
"""Seconds a page waits for the count; what is left is counted behind it."""


class Statistics:
    """Counts and keeps. ``ladders``: by the accord's names. ``tell`` is called when a count that a page did not wait for
    is done; nothing more is counted once ``closing`` says so."""

    def __init__(
        self,
        store: Store,
        accord: SignedAccord,
        ladders: Mapping[str, Ladder],
        *,
        mandates: Callable[[], MandateBook],
        tell: Callable[[], None],
        closing: Callable[[], bool] = lambda: False,
    ) -> None:
        self._store, self._accord, self._ladders = store, accord, ladders
        self._mandates, self._tell, self._closing = mandates, tell, closing
        self._running: asyncio.Task[None] | None = None

    async def bring_up(self, threads: Callable[[], Iterable[Thread]], patience: float = PATIENCE) -> int:
        """Count what is new, waiting at most ``patience`` seconds; returns how many entries are counted by then."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._count_all(threads), name="statistics")
        done, _ = await asyncio.wait((self._running,), timeout=patience)
        if done:
            await self._running
        else:
            self._running.add_done_callback(self._finished)
        async with self._store.read() as connection:
            counted = sa.select(sa.func.coalesce(sa.func.sum(t.counted.c.seq), 0)).where(t.counted.c.form == FORM)
            return int((await connection.execute(counted)).scalar_one())

    def _finished(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            _LOG.error("not counted", error=type(error).__name__)
        self._tell()

    async def _count_all(self, threads: Callable[[], Iterable[Thread]]) -> None:
        known = await self._known()
        for thread in tuple(threads()):
            if known.get(thread.thread, 0) < thread.seq:
                await self._count(thread)

    async def _known(self) -> dict[str, int]:
        c = t.counted.c
        async with self._store.read() as connection:
            rows = await connection.execute(sa.select(c.thread, c.seq).where(c.form == FORM))
            return {row.thread: row.seq for row in rows}

    async def _count(self, thread: Thread) -> None:
        seq, state = await self._standing(thread.thread)
        while seq < thread.seq and not self._closing():
            leaves = await self._leaves(thread.thread, seq)
            if not leaves:
                return
            started, fresh = time.monotonic(), state is None
            after, changed = await asyncio.to_thread(self._replay, thread, seq, state, leaves)
            seq, state = seq + len(leaves), after
            await self._keep(thread.thread, seq, after, changed, fresh=fresh)
            await asyncio.sleep((time.monotonic() - started) * REST)

    async def _standing(self, thread: str) -> tuple[int, ThreadState | None]:
        """Where the count of a thread stands. One of another form is thrown away."""
        c = t.counted.c
        async with self._store.read() as connection:
            row = (await connection.execute(sa.select(t.counted).where(c.thread == thread))).first()
        if row is not None and row.form == FORM:
            return row.seq, states.from_bytes(row.state)
        return 0, None

    async def _leaves(self, thread: str, after: int) -> list[bytes]:
        e = t.entries.c
        query = (
            sa.select(t.leaves.c.data)
            .join(t.entries, t.leaves.c.idx == e.idx)
            .where(e.thread == thread, e.seq > after)
            .order_by(e.seq)
            .limit(SLICE)
        )
        async with self._store.read() as connection:
            return list((await connection.execute(query)).scalars())

    def _replay(
        self, thread: Thread, seq: int, state: ThreadState | None, leaves: list[bytes]
    ) -> tuple[ThreadState, list[Changed]]:
        """Pure. Raises what does not verify: a store that was tampered with is not counted."""
        accord, ladder, book = self._accord, self._ladders[thread.ladder], self._mandates()
        found: list[Changed] = []
        for number, leaf in enumerate(leaves, seq + 1):
            entry = parse_entry(leaf)
            at = verify_stamp(entry, accord).at
            move = move_of(verify_entry(entry, accord, book, at=at), number)
            if state is None:
                context = context_of(accord, thread.ladder, ladder, thread.thread, at)
                outcome = fold.open_thread(context, move, at)
            else:
                outcome = fold.step(ladder, state, move, at)
            if isinstance(outcome, Refusal):
                raise RuntimeError(f"the stored entry {number} of {thread.thread} does not replay: {outcome.code}")
            found.append(tally(ladder, state, outcome.state, outcome.effects, at))
            state = outcome.state
        if state is None:
            raise ValueError("no leaf to count")
        return state, found

    async def _keep(
        self, thread: str, seq: int, state: ThreadState, changed: Iterable[Changed], *, fresh: bool
    ) -> None:
        clocks = {(row.clock, row.started): row for each in changed for row in each.clocks}
        requests = {row.seq: row for each in changed for row in each.requests}

        def write(connection: Connection) -> None:
            if fresh:
                for table in (t.counted_clocks, t.counted_requests):
                    connection.execute(table.delete().where(table.c.thread == thread))
            for row in clocks.values():
                values = dict(zip(_CLOCK_COLUMNS, astuple(row), strict=True))
                _put(connection, t.counted_clocks, {"thread": thread, **values})
            for asked in requests.values():
                values = {"seq": asked.seq, "asked": asked.asked, "answers": " ".join(asked.answers)}
                _put(connection, t.counted_requests, {"thread": thread, **values})
            standing = {"thread": thread, "form": FORM, "seq": seq, "state": states.to_bytes(state)}
            _put(connection, t.counted, standing)

        try:
            await self._store.transact(write)
        except SQLAlchemyError as error:
            # Nothing is lost that cannot be counted again; the page says how far the count goes.
            _LOG.error("count not kept", error=type(error).__name__)
            raise


_CLOCK_COLUMNS = ("clock", "rule", "title", "office", "about", "started", "end", "outcome", "ended")


def _put(connection: Connection, table: sa.Table, values: dict[str, object]) -> None:
    """Insert, or take the new values where the key stands already."""
    keys = {column.name for column in table.primary_key}
    this = [table.c[name] == values[name] for name in keys]
    rest = {name: value for name, value in values.items() if name not in keys}
    if connection.execute(table.update().where(*this).values(**rest)).rowcount == 0:
        connection.execute(table.insert().values(**values))
