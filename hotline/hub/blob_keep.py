"""The hub's sealed files in backups: what the store lists is copied, put back and compared with its hash, piece by piece.

The store names the files, by thread and hash, so a backup needs no list of its own and no file can be slipped in. A file never
changes once it has its name: the store is copied first, and its files after it, while the hub goes on.
"""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import structlog

from hotline.errors import LocalFault
from hotline.hashed import holds
from hotline.hub import blob_folder
from hotline.store.place import Place
from hotline.store.reading import reading

_LOG = structlog.get_logger("hotline.hub.files")
FOLDER = "blobs"
"""Of the files, in a backup."""
BOUND = "0007"
"""The form of store from which on it says which files an entry binds."""
_NAME = re.compile(r"[A-Za-z0-9_-]{22}/[A-Za-z0-9_-]{43}")
NAMED = 5
"""Files that are named one by one in a sentence."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A whole file that a store lists. ``size`` in bytes; ``bound``: an entry is known to bind it, or may."""

    thread: str
    blob: str
    size: int
    bound: bool = True

    @property
    def name(self) -> str:
        """Its place in the folder of files."""
        return f"{self.thread}/{self.blob}"


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of the files of a store. ``count``, ``size``: that are whole; ``missing`` and ``damaged``: those that are not
    there, or are other bytes than their name says."""

    count: int = 0
    size: int = 0
    missing: tuple[Listed, ...] = ()
    damaged: tuple[Listed, ...] = ()

    @property
    def lost(self) -> tuple[Listed, ...]:
        """Those that cannot be handed to anybody."""
        return (*self.missing, *self.damaged)


class NotNames(LocalFault):
    """A store lists what is no file's name: somebody wrote into it. ``detail`` says what."""

    code = "files.not-names"
    _sentence = (
        "The store lists sealed files under names that the hub never gives. Nothing was read or written there. Keep the "
        "store and find out who changed it; use another copy."
    )


def listed(place: Place) -> tuple[Listed, ...]:
    """Every whole file that the store at ``place`` lists. Raises ``sqlite3.Error``, `StoreUnreachable`, `NotNames`."""
    with reading(place) as db:
        if not db.has_table("blobs"):
            return ()
        (revision,) = db.execute("SELECT version_num FROM alembic_version").fetchone() or ("",)
        bound = "bound IS NOT NULL" if str(revision) >= BOUND else "whole"
        query = f"SELECT thread, blob, size, {bound} FROM blobs WHERE whole ORDER BY thread, blob"  # noqa: S608 - ours
        found = tuple(Listed(str(row[0]), str(row[1]), int(row[2]), bool(row[3])) for row in db.stream(query))
    for each in found:
        if not _NAME.fullmatch(each.name):  # it becomes a path: nothing may lead out of the folder
            raise NotNames(ascii(each.name[:100]))
    return found


def check_files(place: Place, folder: Path, *, quick: bool = False) -> Kept:
    """Compare every file with its hash; ``quick``: its size only. Raises ``OSError`` and what `listed` raises."""
    count, size = 0, 0
    missing, damaged = [], []
    for each in listed(place):
        path = folder / each.name
        if not path.exists():
            missing.append(each)
        elif blob_folder.length(path) == each.size and (quick or holds(path, each.blob, each.size)):
            count, size = count + 1, size + each.size
        else:
            damaged.append(each)
    return Kept(count, size, tuple(missing), tuple(damaged))


def copy_files(store: Path, source: Path, backup: Path, older: Path | None = None) -> Kept:
    """The files that the copied ``store`` lists from the hub's folder ``source`` into ``backup``, each compared with its hash.

    ``older``: a backup with which files in common are shared (hard links). What the hub dropped meanwhile because nothing binds
    it, the copied store forgets too. Raises ``OSError``, ``sqlite3.Error``.
    """
    target = backup / FOLDER
    target.mkdir(mode=0o700)
    count, size = 0, 0
    missing, damaged, dropped = [], [], []
    for each in listed(store):
        new = target / each.name
        new.parent.mkdir(mode=0o700, exist_ok=True)
        if (older is not None and _link(older / FOLDER / each.name, new, each)) or blob_folder.copy(
            source / each.name, new, each.blob, each.size
        ):
            count, size = count + 1, size + each.size
        elif (source / each.name).exists():
            damaged.append(each)
        elif each.bound:
            missing.append(each)
        else:
            dropped.append(each)
    with closing(sqlite3.connect(store)) as db, db:
        db.executemany(
            "DELETE FROM blobs WHERE thread = ? AND blob = ?", [(each.thread, each.blob) for each in dropped]
        )
    return Kept(count, size, tuple(missing), tuple(damaged))


def put_back(store: Path, backup: Path, folder: Path) -> Kept:
    """The files that a restored ``store`` lists from ``backup`` into ``folder``; what stands there and is whole is left alone.

    Raises ``OSError``, ``sqlite3.Error``.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    count, size = 0, 0
    missing, damaged = [], []
    for each in listed(store):
        source, target = backup / FOLDER / each.name, folder / each.name
        target.parent.mkdir(mode=0o700, exist_ok=True)
        if holds(target, each.blob, each.size) or blob_folder.copy(source, target, each.blob, each.size):
            count, size = count + 1, size + each.size
        elif source.exists():
            damaged.append(each)
        else:
            missing.append(each)
    return Kept(count, size, tuple(missing), tuple(damaged))


def names(files: tuple[Listed, ...]) -> str:
    """The first of them, and how many more."""
    more = f" and {len(files) - NAMED} more" if len(files) > NAMED else ""
    return ", ".join(each.name for each in files[:NAMED]) + more


def _link(old: Path, new: Path, each: Listed) -> bool:
    if not holds(old, each.blob, each.size):
        return False
    try:
        os.link(old, new)
    except OSError as error:  # another disk, or one that knows no links: copied then
        _LOG.info("not linked", error=type(error).__name__)
        return False
    return True
