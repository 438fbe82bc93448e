"""A store: durable when acknowledged, one writer at a time, readers never in the way.

Stations keep an SQLite file; a hub keeps one too, or shares a PostgreSQL server with others (`hotline.store.postgres`).

``synchronous=FULL`` in WAL mode means that a committed transaction is on the disk. A deferred BEGIN that later wants to
write fails at once with "database is locked", whatever the timeout, so writers say ``BEGIN IMMEDIATE`` first.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Literal, TypeVar

from sqlalchemy import Connection, Engine, RootTransaction, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from hotline.store.place import Place

T = TypeVar("T")
BUSY_TIMEOUT = 10_000  # ms
CHECKPOINT = 4_000  # pages of the write-ahead log, 16 MiB
"""From so many on a commit brings them into the file: what entries after one another change is then written there once."""
_READ = "hotline_read"
_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    f"PRAGMA busy_timeout={BUSY_TIMEOUT}",
    "PRAGMA secure_delete=ON",
    f"PRAGMA wal_autocheckpoint={CHECKPOINT}",
)


def open_sqlite(path: Path) -> AsyncEngine:
    """The async engine over one SQLite file. Every transaction is a write transaction unless `Store.read` began it."""
    make_private(path)
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{path}",
        pool_size=8,
        max_overflow=8,
        hide_parameters=True,  # an error's text goes into the log; what was being stored does not
    )
    event.listen(engine.sync_engine, "connect", prepare_connection)
    event.listen(engine.sync_engine, "begin", begin_transaction)
    event.listen(engine.sync_engine, "invalidate", roll_back)
    return engine


def _open_plain(path: Path, *, patient: bool = True) -> Engine:
    """One connection without an event loop. ``patient``: whether it waits, with its thread, for the write lock."""
    engine = create_engine(
        f"sqlite:///{path}",
        pool_size=1,
        max_overflow=0,
        connect_args={"check_same_thread": False},  # opened in the store's thread, closed by whoever closes the store
        hide_parameters=True,
    )
    event.listen(engine, "connect", prepare_connection)
    if not patient:
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout=0"))
    event.listen(engine, "begin", begin_transaction)
    return engine


async def migrate(place: Place, which: Literal["hub", "station"]) -> None:
    """Create or upgrade the tables. Raises what `hotline.store.migrate.upgrade` raises."""
    from hotline.store.migrate import upgrade  # Alembic takes a while to import; only a start needs it

    await asyncio.to_thread(upgrade, place, which)


def make_private(path: Path) -> None:
    """Create the file, readable by its owner only, where it does not exist."""
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def prepare_connection(connection: DBAPIConnection, _record: Any) -> None:
    """Pragmas of a new connection; the driver must not begin transactions behind our back."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def roll_back(connection: Any, _record: Any, _error: BaseException | None) -> None:
    """End the transaction of a connection that is given up because its task was cancelled in the middle of it.

    Closing alone is not enough: SQLite keeps a closed connection, and its write lock, for as long as a cursor of it is
    alive, and a cancelled task may leave one behind until Python's garbage is next collected.
    """
    with suppress(sqlite3.Error, ValueError):  # ValueError: it is closed already, and so is its transaction
        connection.run_async(lambda driver: asyncio.shield(driver.rollback()))


def begin_transaction(connection: Connection) -> None:
    """Take the write lock at once, except for readers."""
    read_only = connection.get_execution_options().get(_READ, False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


async def _begun(connection: Connection) -> RootTransaction:
    """A transaction of an impatient connection: for as long as another process holds the write lock, the loop goes on."""
    last, pause = time.monotonic() + BUSY_TIMEOUT / 1000, 0.001
    while True:
        try:
            return connection.begin()
        except OperationalError as error:
            if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > last:
                raise
        await asyncio.sleep(pause)
        pause = min(2 * pause, 0.025)


class Store:
    """One SQLite file or PostgreSQL database with its engines. Migrate it first (`hotline.store.migrate.upgrade`).

    ``id_``: by which this process knows its own hints; with one, every commit on a PostgreSQL store tells the others to look
    (`hotline.hub.replicas`).
    """

    def __init__(self, place: Place, id_: str = "") -> None:
        self.place, self.id = place, id_
        self._writing = asyncio.Lock()
        self._hint: Callable[[Connection, str], None] | None = None
        if isinstance(place, Path):
            self._engine, self._plain, self._look = open_sqlite(place), _open_plain(place), _open_plain(place)
            self._here: Engine | None = _open_plain(place, patient=False)
            self._reading: dict[str, Any] = {_READ: True}
        else:
            from hotline.store import (
                postgres,  # its driver takes a while to import; only hubs that share a store need it
            )

            self._engine, self._plain = postgres.open_async(place), postgres.open_plain(place)
            self._look, self._here = postgres.open_plain(place), None
            # One view for all statements of a read, as SQLite gives it.
            self._reading = {_READ: True, "isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            if id_:
                self._hint = lambda connection, what: postgres.tell(connection, f"{what} {id_}")
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._kept: Connection | None = None
        self._kept_here: Connection | None = None
        self._looking = ThreadPoolExecutor(1, thread_name_prefix="store look")

    @property
    def shared(self) -> bool:
        """Whether processes on other machines may stand on this store."""
        return not isinstance(self.place, Path)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A write transaction: committed, and on the disk, when the block ends; rolled back when it raises."""
        # Tasks of one process queue here: one that is cancelled while SQLite waits for the lock would leave it taken.
        async with self._writing, self._engine.begin() as connection:
            yield connection
            if self._hint is not None:
                await connection.run_sync(self._hint, "row")

    async def transact(self, work: Callable[[Connection], T], *, here: bool = False) -> T:
        """A write transaction in one piece: ``work`` runs with a plain connection in the store's own thread.

        For what is done thousands of times a second: no statement of it waits for the event loop. As in `write`, what
        `work` did is on the disk when this returns, and undone when it raised. Cancelling waits for its end.

        ``here``: the work is short. Then it runs where this is called, and only the flush beside the loop: two threads that
        take the interpreter from each other at every statement cost more than that. (Not where each is a question to a server.)
        """
        async with self._writing:
            if here and self._here is not None:
                return await self._transact_here(self._here, work)
            return await self._in_thread(lambda: self._transact(work))

    async def _transact_here(self, engine: Engine, work: Callable[[Connection], T]) -> T:
        connection = self._kept_here = self._kept_here or engine.connect()
        try:
            transaction = await _begun(connection)
            done = work(connection)
            await self._in_thread(transaction.commit)
            return done
        except BaseException:
            self._kept_here = None
            connection.close()
            raise

    async def _in_thread(self, work: Callable[[], T]) -> T:
        running = asyncio.get_running_loop().run_in_executor(self._thread, work)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            # The transaction holds the write lock: whoever comes next must not meet it half done.
            await asyncio.wait((running,))
            raise

    def _transact(self, work: Callable[[Connection], T]) -> T:
        # Taken from the pool once: taking it and giving it back would cost as much as a small batch.
        connection = self._kept = self._kept or self._plain.connect()
        try:
            with connection.begin():
                done = work(connection)
                if self._hint is not None:
                    self._hint(connection, "log")
            return done
        except BaseException:
            # Whatever state it is in: the pool resets it, or opens another where it is lost.
            self._kept = None
            connection.close()
            raise

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A consistent view for reading; never waits for the writer."""
        async with self._engine.connect() as connection:
            await connection.execution_options(**self._reading)
            yield connection

    async def fetch(self, work: Callable[[Connection], T]) -> T:
        """A consistent view for reading, in one piece: as `transact`, in a thread of its own that waits for no writer. For
        what is short and asked for often."""
        return await asyncio.get_running_loop().run_in_executor(self._looking, self._fetch, work)

    def _fetch(self, work: Callable[[Connection], T]) -> T:
        with self._look.connect() as connection:
            connection = connection.execution_options(**self._reading)
            with connection.begin():
                return work(connection)

    async def close(self) -> None:
        """Close every connection."""
        self._looking.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._looking.shutdown)
        self._look.dispose()
        self._thread.shutdown()  # nothing runs there any more: `transact` waits for its end
        for kept in (self._kept, self._kept_here):
            if kept is not None:
                kept.close()
        for engine in (self._plain, self._here):
            if engine is not None:
                engine.dispose()
        await self._engine.dispose()
