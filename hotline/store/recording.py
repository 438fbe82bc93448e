"""Writes that are noted first and done later in one go, together with what others have noted meanwhile.

Tables that do not refer to each other may be written one after another, whatever the order in which their rows were
noted; within a table the order stands. Rows that go through the same statement are handed to the database together, by its
own driver: SQLAlchemy would take longer over most of them than SQLite does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import ClauseElement, Connection, Table
from sqlalchemy.exc import IntegrityError

from hotline.store.prepared import Prepared

Row = Mapping[str, Any]


class Write:
    """A statement that writes rows of ``table``. Its parameters are `sqlalchemy.bindparam`s, all of ``names``; a row is given
    by them."""

    def __init__(self, table: Table, statement: ClauseElement, *names: str) -> None:
        self.table, self._names = table.name, names
        self._prepared = Prepared(statement, *names)

    def run(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Once for each row."""
        self._prepared.many(connection, [[row[name] for name in self._names] for row in rows])


class Recording:
    """What one transaction is to write: for each table the statements in order, each with its rows."""

    def __init__(self) -> None:
        self._tables: dict[str, list[tuple[Write, list[Row]]]] = {}

    def __bool__(self) -> bool:
        return bool(self._tables)

    def add(self, write: Write, rows: Sequence[Row]) -> None:
        """Note that ``write`` is to be run for each of the rows. Writes are compared by identity."""
        noted = self._tables.setdefault(write.table, [])
        if noted and noted[-1][0] is write:
            noted[-1][1].extend(rows)
        else:
            noted.append((write, list(rows)))

    def follow(self, other: Recording) -> None:
        """Note everything of ``other`` after what is noted here."""
        for noted in other._tables.values():
            for write, rows in noted:
                self.add(write, rows)

    def run(self, connection: Connection) -> None:
        """Write it, within a transaction of the caller's."""
        for noted in self._tables.values():
            for write, rows in noted:
                write.run(connection, rows)


class Group:
    """Group commit: recordings that come while a transaction is written go into the next one, in the order they came.

    ``transact`` runs a piece of work as one transaction; when it returns, the transaction is on the disk.
    """

    def __init__(self, transact: Callable[[Callable[[Connection], None]], Awaitable[None]]) -> None:
        self._transact = transact
        self._waiting: list[tuple[Recording, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def write(self, recording: Recording) -> None:
        """Write a recording. Raises what writing it raised, and then nothing of it stands; one that breaks a rule of the
        tables spoils no other. Cancelling waits for its end: whoever is told that it was cancelled finds the store at rest."""
        if not recording:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((recording, done))
        if self._writing is None:
            self._writing = asyncio.create_task(self._run())
        try:
            await asyncio.shield(done)
        except asyncio.CancelledError:
            await asyncio.wait((done,))
            done.exception()  # nobody is left to hear of it
            raise

    async def _run(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting, []
                await self._commit(group)
        finally:
            self._writing = None

    async def _commit(self, group: list[tuple[Recording, asyncio.Future[None]]]) -> None:
        together = Recording()
        for recording, _ in group:
            together.follow(recording)
        try:
            await self._transact(together.run)
        except IntegrityError as error:
            if len(group) > 1:
                for each in group:
                    await self._commit([each])
                return
            failed: BaseException | None = error
        except BaseException as error:
            failed = error
        else:
            failed = None
        for _, done in group:
            if failed is None:
                done.set_result(None)
            else:
                done.set_exception(failed)
        if failed is not None and not isinstance(failed, Exception):
            raise failed
