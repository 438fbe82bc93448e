"""Brings a store to the newest form, at start, after copying it aside.

Migrations are Alembic's and travel inside the package: ``migrations/hub`` and ``migrations/station``. They run in one
transaction: a failed upgrade leaves the store as it was, and, of a file, the copy is there besides. On a PostgreSQL server
the first process that comes upgrades, under the log's lock, while the others wait; the copy is the operator's to make.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Literal

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import create_engine, event, inspect
from sqlalchemy.exc import DatabaseError, OperationalError

from hotline.store.engine import begin_transaction, make_private, prepare_connection
from hotline.store.errors import StoreDamaged, StoreNotDurable, StoreTooNew, StoreUnreachable
from hotline.store.place import Place, Server

Which = Literal["hub", "station"]
_MIGRATIONS = Path(__file__).parent / "migrations"
_ONE_AT_A_TIME = threading.Lock()
"""Alembic keeps the migration under way in globals of the process: two threads at it would write into each other's store."""


def upgrade(place: Place, which: Which) -> Path | None:
    """Create or upgrade the store; returns the copy made beforehand, if one was needed.

    Raises `StoreTooNew` or `StoreDamaged`, and for a server `StoreNotDurable` or `StoreUnreachable`.
    """
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS / which))
    scripts = ScriptDirectory.from_config(config)
    if isinstance(place, Server):
        _upgrade_server(place, config, scripts)
        return None
    make_private(place)
    engine = create_engine(f"sqlite:///{place}")
    event.listen(engine, "connect", prepare_connection)
    event.listen(engine, "begin", begin_transaction)
    try:
        with engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
        if current == scripts.get_current_head():
            return None
        _check_known(scripts, current)
        copy = _copy(place, current) if current is not None else None
        with _ONE_AT_A_TIME, engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        return copy
    except DatabaseError as error:
        raise StoreDamaged(f"{place.name}: {error.orig}") from error
    finally:
        engine.dispose()


def _upgrade_server(place: Server, config: Config, scripts: ScriptDirectory) -> None:
    from hotline.store import postgres

    words = postgres.ask_durability(place)
    if words:
        raise StoreNotDurable(words)
    engine = postgres.open_plain(place)
    try:
        # Whoever begins holds the log's lock: what is read below is what stands, and nobody else upgrades meanwhile.
        with _ONE_AT_A_TIME, engine.begin() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
            if current == scripts.get_current_head():
                return
            _check_known(scripts, current)
            if current is None and inspect(connection).get_table_names():
                raise StoreDamaged("the database holds tables that are not a hub's")
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except OperationalError as error:
        raise StoreUnreachable(type(error.orig).__name__) from error
    except DatabaseError as error:
        raise StoreDamaged(f"PostgreSQL: {type(error.orig).__name__}") from error
    finally:
        engine.dispose()


def _check_known(scripts: ScriptDirectory, current: str | None) -> None:
    if current is None:
        return
    try:
        scripts.get_revision(current)
    except CommandError as error:
        raise StoreTooNew(f"revision {current}") from error


def newest_revision(which: Which) -> str:
    """The form of store that this program makes."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS / which))
    return str(ScriptDirectory.from_config(config).get_current_head())


def _copy(path: Path, revision: str) -> Path:
    """A complete copy beside the store, made by SQLite itself so that the write-ahead log is in it."""
    copy = path.with_name(f"{path.name}.before-{revision}")
    partial = copy.with_name(copy.name + ".partial")
    partial.unlink(missing_ok=True)
    make_private(partial)
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(partial)) as target:
        source.backup(target)
    partial.replace(copy)
    return copy
