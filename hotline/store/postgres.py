"""PostgreSQL as several hub processes share it: durable when acknowledged, one writer at a time, readers never in the way.

What ``BEGIN IMMEDIATE`` is to SQLite, an advisory lock is here: every write transaction takes it first, so that the log has
one sequencer however many processes there are. It is released by the commit, after what was written can be seen (and,
with a synchronous standby, after that has it on its disk). Write transactions run at READ COMMITTED on purpose: each
statement after the lock sees everything that was committed before; at a stricter level the view would be from before the
wait for the lock.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from hotline.store.errors import StoreUnreachable
from hotline.store.place import Server

LOCK = 0x686F746C696E65
"""Key of the advisory lock ("hotline"): one hub has one database, and advisory locks are a database's own."""
PRESENT = 0x686F74
"""First half of the key of the locks by which processes show that they are there; the other half is the newest step of the
store's form that they know (`hotline.store.forms`)."""
_PRESENT = (
    "SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND granted "  # noqa: S608 - constant
    f"AND classid::bigint = {PRESENT} AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
CHANNEL = "hotline"
"""On which processes that share a store tell each other to look."""
READ = "hotline_read"
_DEFAULTS = {
    "connect_timeout": "5",
    "target_session_attrs": "read-write",  # of several hosts the one that takes writes: the primary, also after a failover
    "application_name": "hotline-hub",
    # A server that vanished is noticed within seconds, not after two hours.
    "keepalives_idle": "5",
    "keepalives_interval": "3",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}
_SESSION = (
    # Whoever waits longer for the log's lock says "not stored", and is asked again.
    ("lock_timeout", "10s"),
    # A process that stops in the middle of a transaction must not keep the lock from the others; nor one that vanished.
    ("idle_in_transaction_session_timeout", "20s"),
    ("tcp_keepalives_idle", "5"),
    ("tcp_keepalives_interval", "3"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "15000"),
)
FROZEN = 20.0
"""Seconds after which a process that holds the lock and says nothing is taken to stand still."""
_END_FROZEN = (
    "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND granted "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND classid = %s AND objid = %s "
    "AND objsubid = 1 AND wait_event_type = 'Client' AND query_start < clock_timestamp() - make_interval(secs => %s)"
)
_SETTLE = "SELECT " + ", ".join(f"set_config('{name}', '{value}', false)" for name, value in _SESSION)
_DURABLE = (
    "SELECT current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'), "
    "current_setting('server_encoding'), current_setting('server_version_num')::int, pg_is_in_recovery()"
)


def connect(server: Server) -> psycopg.Connection[Any]:
    """A new connection. Raises `psycopg.Error`."""
    return psycopg.connect(**arguments(server))


def arguments(server: Server) -> dict[str, Any]:
    """How to connect, by libpq's names."""
    return {**_DEFAULTS, **conninfo_to_dict(server.conninfo)}


def not_durable(row: tuple[Any, ...]) -> str:
    """Why a server with these settings (`_DURABLE`) cannot keep a log, in words; "" where it can."""
    fsync, full_pages, commit, encoding, version, standby = row
    if fsync != "on":
        return "fsync is off: an acknowledged message would be lost with the machine's power"
    if full_pages != "on":
        return "full_page_writes is off: a torn page could not be mended"
    if commit not in ("on", "remote_apply"):
        return f"synchronous_commit is {commit}: it must be on, so that what is acknowledged is on the disk"
    if encoding != "UTF8":
        return f"the database's encoding is {encoding}: it must be UTF8"
    if version < 130000:
        return "the server is older than PostgreSQL 13"
    return "this server is a standby: it takes no writes" if standby else ""


def ask_durability(server: Server) -> str:
    """`not_durable` of a server. Raises `StoreUnreachable`."""
    try:
        with connect(server) as connection:
            row = connection.execute(_DURABLE).fetchone()
    except psycopg.Error as error:
        # libpq's words may name hosts and accounts, never a password; the operator needs them.
        raise StoreUnreachable(" ".join(str(error).split())) from error
    return not_durable(tuple(row or ()))


def _prepare(connection: DBAPIConnection, _record: Any) -> None:
    """Settings of a new connection. A server that does not keep what it acknowledges is refused every time, not only at
    the start: after a failover another one answers."""
    cursor = connection.cursor()
    cursor.execute(_DURABLE)
    row = cursor.fetchone()
    words = not_durable(tuple(row or ()))
    if not words:
        cursor.execute(_SETTLE)
    cursor.close()
    connection.rollback() if words else connection.commit()
    if words:
        connection.close()
        raise psycopg.OperationalError(words)


def begin(connection: Connection) -> None:
    """Take the log's lock at once, except for readers."""
    if not connection.get_execution_options().get(READ, False):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")


def open_async(server: Server) -> AsyncEngine:
    """The async engine. Every transaction is a write transaction unless `Store.read` began it."""

    async def dial(**_: Any) -> psycopg.AsyncConnection[Any]:
        return await psycopg.AsyncConnection.connect(**arguments(server))

    engine = create_async_engine(
        "postgresql+psycopg://", async_creator=dial, pool_size=8, max_overflow=8, hide_parameters=True
    )
    _listen(engine.sync_engine)
    return engine


def open_plain(server: Server) -> Engine:
    """One connection without an event loop, for `Store.transact`."""
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: connect(server), pool_size=1, max_overflow=0, hide_parameters=True
    )
    _listen(engine)
    return engine


def _listen(engine: Engine) -> None:
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", begin)


def tell(connection: Connection, hint: str) -> None:
    """Have the other processes look, once this transaction is committed. ``hint``: at most 7000 bytes."""
    connection.exec_driver_sql("SELECT pg_notify(%s, %s)", (CHANNEL, hint))


def present(connection: Connection) -> tuple[int, ...]:
    """The processes that show that they are on this database: of each the newest step it knows."""
    found = connection.exec_driver_sql(_PRESENT)
    return tuple(sorted(int(number) for (number,) in found))


@asynccontextmanager
async def hints(server: Server, knows: int = 0) -> AsyncIterator[AsyncIterator[str]]:
    """What the other processes tell, as it comes; ends by `psycopg.Error` when the connection does. Hints are lost while
    nobody listens, so whoever does must look by himself first.

    ``knows``: the newest step of the form that this process knows. While the connection lasts, this shows that a process
    of such a version is there (`present`): the server itself takes it back when the process is gone. Raises, before
    anything is told, `StoreTooNew`, `StoreTooOld` or `StoreMoved` where the store got another form meanwhile.
    """
    connection = await psycopg.AsyncConnection.connect(**arguments(server), autocommit=True)
    try:
        if knows:
            await connection.execute("SELECT pg_advisory_lock_shared(%s, %s)", (PRESENT, knows))
            await _check_form(connection)
        await connection.execute(f"LISTEN {CHANNEL}")
        # Closed by name: a generator that is left waiting keeps the connection's lock, and closing would wait for it.
        async with aclosing(connection.notifies()) as notices:
            yield (notice.payload async for notice in notices)
    finally:
        await connection.close()


async def _check_form(connection: psycopg.AsyncConnection[Any]) -> None:
    """After the lock was taken: a step that did not see it has been committed, and is seen here."""
    from hotline.store.forms import MOVED, NEEDS, Forms, Stand

    async with connection.transaction():
        # A step that looked before the lock was there has the log's lock until it is committed.
        await connection.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
        revision = await (await connection.execute("SELECT version_num FROM alembic_version")).fetchone()
        rows = await (
            await connection.execute("SELECT key, value FROM meta WHERE key IN (%s, %s)", (NEEDS, MOVED))
        ).fetchall()
    said = dict(rows)
    Forms("hub").check(Stand(None if revision is None else revision[0], said.get(NEEDS, ""), MOVED in said))


async def say(server: Server, words: Sequence[str]) -> None:
    """Tell the other processes something that no transaction belongs to. Raises `psycopg.Error`."""
    async with await psycopg.AsyncConnection.connect(**arguments(server), autocommit=True) as connection:
        for hint in words:
            await connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, hint))


async def end_frozen(server: Server, after: float = FROZEN) -> int:
    """End the transactions of processes that hold the log's lock and have sent nothing for ``after`` seconds; how many there
    were. The server does so by itself between two statements (`_SESSION`), but not between two messages of statements that
    are sent together, and a process may be frozen there as well. Raises `psycopg.Error`."""
    async with await psycopg.AsyncConnection.connect(**arguments(server), autocommit=True) as connection:
        found = await connection.execute(_END_FROZEN, (LOCK >> 32, LOCK & 0xFFFFFFFF, after))
        return len(await found.fetchall())
