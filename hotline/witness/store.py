"""A witness's memory: one SQLite file, made once together with its key and never made again.

::

    meta       whose memory this is (vkeys), and whether the witness is retired
    logs       the logs it watches
    states     per log: the head last cosigned, swapped in only for the head that was considered
    evidence   pairs of checkpoints that prove two histories; requests that a log signed and the witness refused

Every change is flushed to the disk before it returns (``synchronous=FULL``). Calls block; the service makes them off
its loop.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hotline.store.engine import make_private
from hotline.witness.errors import StateMoved, WitnessFault, WitnessRetired
from protocols.translog import TranslogError, VerifierKey, WitnessState, parse_vkey

MOST_REFUSED = 1000
"""Refused requests that are kept: enough to see what went on, not enough to fill a disk with."""

_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE logs (origin TEXT PRIMARY KEY, vkey TEXT NOT NULL, added INTEGER NOT NULL);
CREATE TABLE states (
    origin TEXT PRIMARY KEY REFERENCES logs (origin),
    size INTEGER NOT NULL, root BLOB NOT NULL, time INTEGER NOT NULL, note TEXT NOT NULL
);
CREATE TABLE evidence (
    number INTEGER PRIMARY KEY, at INTEGER NOT NULL, origin TEXT NOT NULL, kind TEXT NOT NULL,
    first TEXT NOT NULL, second TEXT NOT NULL, UNIQUE (kind, first, second)
);
CREATE TRIGGER evidence_no_update BEFORE UPDATE ON evidence BEGIN SELECT RAISE(ABORT, 'evidence is insert-only'); END;
CREATE TRIGGER evidence_no_delete BEFORE DELETE ON evidence BEGIN SELECT RAISE(ABORT, 'evidence is insert-only'); END;
CREATE TRIGGER states_no_delete BEFORE DELETE ON states BEGIN SELECT RAISE(ABORT, 'a witness forgets nothing'); END;
CREATE TRIGGER states_only_grow BEFORE UPDATE ON states WHEN NEW.size < OLD.size OR NEW.time < OLD.time
    OR (NEW.size = OLD.size AND NEW.root <> OLD.root) BEGIN SELECT RAISE(ABORT, 'a witness forgets nothing'); END;
"""


@dataclass(frozen=True, slots=True)
class Watched:
    """A log, the head last cosigned (None: none yet) and its note as the log signed it."""

    log: VerifierKey
    state: WitnessState | None
    note: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A piece of evidence. ``kind``: "two-histories" (``first`` and ``second`` are notes) or "refused" (``second`` is a
    request). ``at``: POSIX seconds."""

    at: int
    origin: str
    kind: str
    first: str
    second: str


def create(path: Path, vkeys: Sequence[str]) -> None:
    """Make the memory of new keys. Raises `WitnessFault` where a file stands."""
    if path.exists():
        raise WitnessFault(f"{path.name} stands already")
    make_private(path)
    connection = _connect(path)
    try:
        connection.executescript(f"BEGIN IMMEDIATE;{_TABLES}COMMIT;")
        connection.execute("INSERT INTO meta VALUES ('keys', ?)", (" ".join(vkeys),))
    finally:
        connection.close()


class WitnessStore:
    """An open memory. Close it."""

    def __init__(self, path: Path, vkeys: Sequence[str]) -> None:
        """Raises `WitnessRetired` where the memory is gone, is another key's, or the witness was retired."""
        if not path.is_file() or path.stat().st_size == 0:
            raise WitnessRetired(f"{path.name} is gone")
        self._lock = threading.Lock()
        try:
            self._connection = _connect(path)
        except sqlite3.DatabaseError as error:
            raise WitnessRetired(f"{path.name} cannot be read: {error}") from error
        try:
            self._check(vkeys)
        except sqlite3.DatabaseError as error:
            self.close()
            raise WitnessRetired(f"{path.name} cannot be read: {error}") from error
        except WitnessRetired:
            self.close()
            raise

    def _check(self, vkeys: Sequence[str]) -> None:
        meta = dict(self._connection.execute("SELECT key, value FROM meta"))
        if meta.get("keys") != " ".join(vkeys):
            raise WitnessRetired("the memory is another key's")
        if "retired" in meta:
            raise WitnessRetired(meta["retired"])

    def close(self) -> None:
        self._connection.close()

    def add_log(self, log: VerifierKey, now: int) -> bool:
        """Watch a log; False where it is watched already. ``now``: POSIX seconds.

        Raises `WitnessFault` for another key of a watched origin: that would be another log under its name.
        """
        with self._transaction() as connection:
            row = connection.execute("SELECT vkey FROM logs WHERE origin = ?", (log.name,)).fetchone()
            if row is not None and row[0] != log.vkey:
                raise WitnessFault(f"{log.name} is watched under another key")
            if row is None:
                connection.execute("INSERT INTO logs VALUES (?, ?, ?)", (log.name, log.vkey, now))
            return row is None

    def find(self, origin: str) -> Watched | None:
        """What is known of a log; None where it is not watched."""
        with self._lock:
            row = self._connection.execute(
                "SELECT l.vkey, s.size, s.root, s.time, s.note FROM logs l LEFT JOIN states s ON s.origin = l.origin "
                "WHERE l.origin = ?",
                (origin,),
            ).fetchone()
        if row is None:
            return None
        state = None if row[1] is None else WitnessState(row[1], bytes(row[2]), row[3])
        return Watched(_log_key(row[0]), state, row[4] or "")

    def logs(self) -> tuple[Watched, ...]:
        """Every watched log, by origin."""
        with self._lock:
            origins = [row[0] for row in self._connection.execute("SELECT origin FROM logs ORDER BY origin")]
        found = (self.find(origin) for origin in origins)
        return tuple(each for each in found if each is not None)

    def swap(self, origin: str, before: WitnessState | None, after: WitnessState, note: str) -> None:
        """Remember ``after`` in place of ``before``, on the disk. Raises `StateMoved` where something else stands."""
        with self._transaction() as connection:
            row = connection.execute("SELECT size, root, time FROM states WHERE origin = ?", (origin,)).fetchone()
            stands = None if row is None else WitnessState(row[0], bytes(row[1]), row[2])
            if stands != before:
                raise StateMoved(origin)
            values = (after.size, after.root, after.time, note, origin)
            if before is None:
                connection.execute("INSERT INTO states (size, root, time, note, origin) VALUES (?, ?, ?, ?, ?)", values)
            else:
                connection.execute("UPDATE states SET size = ?, root = ?, time = ?, note = ? WHERE origin = ?", values)

    def keep(self, kept: Kept) -> None:
        """Keep evidence, once. Refused requests are kept up to `MOST_REFUSED`, proofs always."""
        with self._transaction() as connection:
            if kept.kind == "refused":
                count = connection.execute("SELECT count(*) FROM evidence WHERE kind = 'refused'").fetchone()[0]
                if count >= MOST_REFUSED:
                    return
            connection.execute(
                "INSERT OR IGNORE INTO evidence (at, origin, kind, first, second) VALUES (?, ?, ?, ?, ?)",
                (kept.at, kept.origin, kept.kind, kept.first, kept.second),
            )

    def evidence(self) -> tuple[Kept, ...]:
        """All evidence, oldest first."""
        with self._lock:
            rows = self._connection.execute("SELECT at, origin, kind, first, second FROM evidence ORDER BY number")
            return tuple(Kept(*row) for row in rows)

    def retire(self, why: str) -> None:
        """Never sign again, whoever starts it."""
        with self._transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO meta VALUES ('retired', ?)", (why,))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _log_key(vkey: str) -> VerifierKey:
    try:
        return parse_vkey(vkey)
    except TranslogError as error:
        raise WitnessFault(f"a stored log key cannot be used: {error.detail}") from error
