"""Brings a store to a newer form, after a copy of it was made.

Migrations are Alembic's and travel inside the package: ``migrations/hub`` and ``migrations/station``. What each may be
taken beside is said in `hotline.store.forms`. They run in one transaction: a failed upgrade leaves the store as it was.

A file has one process: it is brought to the newest form at the start, and copied aside before. A PostgreSQL store is shared:
an empty one is made by the first process that comes, under the log's lock, while the others wait. One that holds something
is never changed by a start, only by `take` (``hotline hub migrate``), after a copy, and by steps that suit whoever is on it.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic import command
from sqlalchemy import Connection, create_engine, event, inspect
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DatabaseError, OperationalError

from hotline.store.engine import begin_transaction, make_private, prepare_connection
from hotline.store.errors import (
    StoreCopyMissing,
    StoreDamaged,
    StoreInUse,
    StoreMoved,
    StoreNotDurable,
    StoreTooNew,
    StoreUnreachable,
)
from hotline.store.forms import Forms, Stand, Step, Which, put_needs, read_stand
from hotline.store.place import Place, Server, words_of

Begin = Callable[[], AbstractContextManager[Connection]]
_ONE_AT_A_TIME = threading.Lock()
"""Alembic keeps the migration under way in globals of the process: two threads at it would write into each other's store."""
_PATIENCE = "4s"
"""How long a step waits for a table that somebody reads: everybody behind it waits as long."""
_TURN = "120s"
"""How long a start waits for its turn: whoever is before it may be making or changing all tables."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What `take` did. ``copy``: of a file, where one was made."""

    steps: tuple[Step, ...]
    copy: Path | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a store stands to this program. ``before``, ``after``: the steps that wait for being taken then. ``older``: by the
    newest step they know, processes on a shared store that know less than this program."""

    stand: Stand
    before: tuple[Step, ...]
    after: tuple[Step, ...]
    older: tuple[int, ...] = ()


def upgrade(place: Place, which: Which) -> Path | None:
    """Create the store, or upgrade a file; returns the copy made beforehand, if one was needed.

    Raises `StoreTooNew`, `StoreMoved` or `StoreDamaged`, and for a server `StoreTooOld`, `StoreNotDurable` or
    `StoreUnreachable`.
    """
    forms = Forms(which)
    with _opened(place) as begin:
        stand = _make(begin, place, forms, which)
        known = stand.revision is not None and forms.knows(stand.revision)
        if isinstance(place, Path) and known and not stand.moved:
            return _take(begin, place, forms, which, forms.newest).copy
        forms.check(stand)
    return None


def make_or_check(place: Place) -> None:
    """For what works beside a hub that may be running: make a hub's store where there is none, and leave the form of one that
    is there alone. Raises what `upgrade` raises, and `StoreTooOld` of a file too."""
    forms = Forms("hub")
    with _opened(place) as begin:
        forms.check(_make(begin, place, forms, "hub"))


def look(place: Place) -> Standing:
    """How the hub's store stands. Raises `StoreTooNew`, `StoreMoved`, `StoreDamaged`, `StoreNotDurable`,
    `StoreUnreachable`."""
    forms = Forms("hub")
    if isinstance(place, Path) and not place.exists():
        return Standing(Stand(None), (), ())
    with _opened(place) as begin, begin() as connection:
        stand = _known(connection, forms)
        if stand.revision is None:
            return Standing(stand, (), ())
        before = () if forms.served(stand.revision) else forms.between(stand.revision, forms.lowest)
        after = forms.between(before[-1].revision if before else stand.revision, forms.newest)
        older = tuple(number for number in _present(connection, place) if number < int(forms.newest))
        return Standing(stand, before, after, older)


def take(place: Place, *, after: bool, copied: bool) -> Taken:
    """Take the steps of a hub's store that wait: up to the oldest form that this program serves, or (``after``) all.

    ``copied``: somebody made a copy of the database; a file is copied here. Raises `StoreInUse` where a process on the store
    could not go on, `StoreCopyMissing`, and what `look` raises.
    """
    forms = Forms("hub")
    with _opened(place) as begin:
        stand = _make(begin, place, forms, "hub")
        with begin() as connection:
            stand = _known(connection, forms)
        if stand.revision is None or not forms.between(stand.revision, forms.newest if after else forms.lowest):
            return Taken(())
        if isinstance(place, Server) and not copied:
            raise StoreCopyMissing
        return _take(begin, place, forms, "hub", forms.newest if after else forms.lowest)


def newest_revision(which: Which) -> str:
    """The form of store that this program makes."""
    return Forms(which).newest


def _make(begin: Begin, place: Place, forms: Forms, which: Which) -> Stand:
    """How the store stands, after it was made where it held nothing."""
    with _ONE_AT_A_TIME, begin() as connection:
        stand = read_stand(connection, which)
        if stand.revision is not None:
            return stand
        if isinstance(place, Server) and inspect(connection).get_table_names():
            raise StoreDamaged("the database holds tables that are not a hub's")
        _run(connection, forms, which, forms.newest)
        return read_stand(connection, which)


def _take(begin: Begin, place: Place, forms: Forms, which: Which, upto: str) -> Taken:
    with _ONE_AT_A_TIME, begin() as connection:
        # Whoever begins holds the log's lock: what is read below is what stands, and nobody else upgrades meanwhile.
        stand = read_stand(connection, which)
        if stand.revision is None or not forms.knows(stand.revision):
            raise StoreDamaged("another program changed its form meanwhile")
        steps = forms.between(stand.revision, upto)
        if not steps:
            return Taken(())
        _refuse_in_use(steps, _present(connection, place))
        copy = _copy(place, stand.revision) if isinstance(place, Path) else None
        if copy is None:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_PATIENCE}'")
        _run(connection, forms, which, upto)
    return Taken(steps, copy)


def _run(connection: Connection, forms: Forms, which: Which, upto: str) -> None:
    forms.config.attributes["connection"] = connection
    command.upgrade(forms.config, upto)
    if which == "hub":
        put_needs(connection, forms.needs(upto))


def _refuse_in_use(steps: Sequence[Step], present: Sequence[int]) -> None:
    """A process that comes after this look finds the new form and refuses it: it says that it is there before it reads the
    form (`hotline.hub.replicas`)."""
    for step in steps:
        older = [number for number in present if number < int(step.revision)]
        if step.phase != "before" and older:
            raise StoreInUse(
                f"{len(older)} that know the steps up to {max(older):04}; step {step.revision} ({step.words}) waits for them"
            )


def _known(connection: Connection, forms: Forms) -> Stand:
    stand = read_stand(connection)
    if stand.moved:
        raise StoreMoved
    if stand.revision is not None and not forms.knows(stand.revision):
        raise StoreTooNew(f"revision {stand.revision}")
    return stand


def _present(connection: Connection, place: Place) -> tuple[int, ...]:
    if isinstance(place, Path):
        return ()  # whoever changes a file holds the folder's lock
    from hotline.store import postgres

    return postgres.present(connection)


@contextmanager
def _opened(place: Place) -> Iterator[Begin]:
    """A store for the time of a migration, and what can be wrong with it in our own words."""
    if isinstance(place, Server):
        from hotline.store import postgres

        if words := postgres.ask_durability(place):
            raise StoreNotDurable(words)
        engine = postgres.open_plain(place)
        event.listen(engine, "connect", _be_patient)
    else:
        make_private(place)
        engine = create_engine(f"sqlite:///{place}")
        event.listen(engine, "connect", prepare_connection)
        event.listen(engine, "begin", begin_transaction)
    try:
        yield engine.begin
    except OperationalError as error:
        if isinstance(place, Server):
            kind = type(error.orig).__name__
            if kind in ("LockNotAvailable", "QueryCanceled"):
                raise StoreInUse("somebody reads or writes in it for long; try again in a minute") from error
            raise StoreUnreachable(kind) from error
        raise StoreDamaged(f"{place.name}: {error.orig}") from error
    except DatabaseError as error:
        words = str(error.orig) if isinstance(place, Path) else type(error.orig).__name__
        raise StoreDamaged(f"{words_of(place)}: {words}") from error
    finally:
        engine.dispose()


def _be_patient(connection: DBAPIConnection, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute(f"SET lock_timeout = '{_TURN}'")
    cursor.close()
    connection.commit()


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
