"""``hotline hub backup``: a copy of a hub that is one moment of it, made beside the running hub and checked before it counts.

::

    manifest.json    what stands here: size and root of the log, newest published head, SHA-256 of every file
    hub.db           the store, as one file without a journal beside it
    hub.toml  hub-card.json  tls.crt  accord.jws  accord.id  ladders/<id>.toml  timestamp-roots.pem
    hub.key          only if asked for; sealed with its passphrase as in the hub's folder, never open
    blobs/<thread>/<blob>  sealed files that the store lists as whole, each under the SHA-256 of its bytes

SQLite copies page by page under one read transaction, a little at a time: the hub's commits go on between the steps and
nothing of them gets in. The copy is checked (SQLite's own check, the tree, every signed head, the newest note), flushed, and
only then takes its name: a folder of that name is a whole backup or there is none. Sealed files come after the store: they
never change, and one that the copied store lists was there then. What the hub has lost of them is counted and stops nothing:
the log matters more.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from hotline.errors import LocalFault
from hotline.hub import blob_keep
from hotline.hub.blob_keep import Kept
from hotline.hub.folder import HubFolder
from hotline.hub.fsck import fsck
from hotline.store.engine import make_private
from protocols.kinds import Id, Millis, Text

MANIFEST = "manifest.json"
STORE = "hub.db"
KEYS = "hub.key"
PAGES = 256
"""Of the store (4 KiB each) that are copied at a time."""
PAUSE = 0.005
"""Seconds between two such steps: the disk is the hub's first."""
MAX_MANIFEST_BYTES = 4 << 20
_MOST_FILES = 1000
Name = Annotated[str, msgspec.Meta(pattern=r"^(ladders/)?[A-Za-z0-9][A-Za-z0-9._-]{0,120}\Z")]
"""A file's place in a backup: nothing in a manifest may point out of its folder."""


class BackupFault(LocalFault):
    """No backup was made. ``detail`` says why."""

    code = "backup.fault"
    _sentence = (
        "No backup was made, and nothing of the hub was changed. Put right what is named below and run it again."
    )


class BackupDamaged(LocalFault):
    """A backup that is not whole, or whose copy does not hold. ``detail`` says where."""

    code = "backup.damaged"
    _sentence = (
        "This copy does not hold: something in it is missing, was changed, or was damaged in the store that it was made of. "
        "Nothing was restored from it. Keep it, run hotline audit fsck on the hub, and use another copy."
    )


class FileMark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``size`` in bytes; ``sha256`` in lower-case hex, as ``sha256sum`` prints it."""

    size: Annotated[int, msgspec.Meta(ge=0)]
    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a backup holds. ``made``: this machine's clock, ms UTC. ``size`` and ``root``: of the log in it; ``head``: the
    newest published checkpoint in it, "" where none was; ``revision``: of the store's form. ``blobs``, ``blob_bytes``: sealed
    files in it, which the store lists; ``lost``: how many more it lists that the hub had no more. In form 1 there are none of
    them."""

    form: Literal["hotline-hub-backup/1", "hotline-hub-backup/2"]
    made: Millis
    hub: Text
    log: Annotated[str, msgspec.Meta(max_length=200)]
    accord: Id
    revision: Annotated[str, msgspec.Meta(max_length=40)]
    size: Annotated[int, msgspec.Meta(ge=0)]
    root: Id
    head: Annotated[str, msgspec.Meta(max_length=1 << 20)]
    files: Annotated[dict[Name, FileMark], msgspec.Meta(max_length=_MOST_FILES)]
    blobs: Annotated[int, msgspec.Meta(ge=0)] = 0
    blob_bytes: Annotated[int, msgspec.Meta(ge=0)] = 0
    lost: Annotated[int, msgspec.Meta(ge=0)] = 0


def back_up(made: HubFolder, out: Path, now: int, *, with_keys: bool = False, older: Path | None = None) -> Manifest:
    """Copy the hub in ``made`` to the new folder ``out``. It may be running. ``now``: ms UTC. ``older``: a backup on the same
    disk; sealed files that both hold are stored once.

    Raises `BackupFault` where the copy cannot be written, and `BackupDamaged` where what was copied does not hold.
    """
    if not isinstance(made.place, Path):
        raise BackupFault(
            "the store is on a PostgreSQL server: use its own tools (pg_basebackup with WAL archiving, or pg_dump), and keep "
            "the folder's files beside them"
        )
    try:
        with aside(out, BackupFault) as folder:
            names = _copy_files(made, folder, with_keys=with_keys)
            copy_store(made.place, folder / STORE)
            kept = blob_keep.copy_files(folder / STORE, made.files, folder, older)
            manifest = _describe(made, folder, (*names, STORE), now, kept)
            data = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
            (folder / MANIFEST).write_bytes(data)
            for path in (folder / MANIFEST, folder / STORE):
                path.chmod(0o600)
            flush(folder)
        flush_folder(out.parent)
    except (OSError, sqlite3.Error) as error:
        raise BackupFault(f"{type(error).__name__}: {error}") from error
    return manifest


def read_backup(folder: Path) -> Manifest:
    """The manifest of a backup, every file compared with it. Raises `BackupDamaged`."""
    try:
        data = (folder / MANIFEST).read_bytes()
        if len(data) > MAX_MANIFEST_BYTES:
            raise BackupDamaged(f"{MANIFEST} is over {MAX_MANIFEST_BYTES} bytes")
        manifest = msgspec.json.decode(data, type=Manifest)
        for name, mark in manifest.files.items():
            path = folder / name
            if path.is_symlink() or _mark(path) != mark:
                raise BackupDamaged(f"{name} is not the file that was backed up")
    except (OSError, ValueError) as error:  # msgspec's errors are ValueErrors
        raise BackupDamaged(str(error)) from error
    needed = {STORE, "hub.toml", "hub-card.json", "accord.jws", "accord.id"} - set(manifest.files)
    if needed:
        raise BackupDamaged(f"{', '.join(sorted(needed))} is not in it")
    return manifest


def copy_store(source: Path, target: Path) -> None:
    """One moment of the store at ``source``, whoever writes to it meanwhile. Raises ``sqlite3.Error``."""
    make_private(target)
    uri = source.absolute().as_uri() + "?mode=ro"
    with (
        closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as reading,
        closing(sqlite3.connect(target)) as copy,
    ):
        # Without a transaction of its own the copy would begin anew with every commit of the hub, and never end.
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM meta").fetchone()
        reading.backup(copy, pages=PAGES, sleep=PAUSE)
        reading.execute("ROLLBACK")
        copy.execute("PRAGMA journal_mode=DELETE")  # all of it in the one file


def flush(folder: Path) -> None:
    """Have everything in a folder on the disk."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        else:
            flush_folder(path)
    flush_folder(folder)


def flush_folder(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def check_copy(made: HubFolder, manifest: Manifest | None = None) -> tuple[int, str]:
    """Size and root of the log in a folder's store, if the whole of it holds and is what ``manifest`` says.

    Raises `BackupDamaged`, or ``sqlite3.Error`` where it is no store at all.
    """
    with closing(sqlite3.connect(made.database)) as db:
        for (said,) in db.execute("PRAGMA integrity_check(10)"):
            if said != "ok":
                raise BackupDamaged(f"{STORE}: {said}")
    result = fsck(made.database, made.accord, quick=True)
    if not result.holds:
        raise BackupDamaged("; ".join(f"{each.code} {each.where}" for each in result.findings[:5]))
    if manifest is not None and (result.leaves, result.root) != (manifest.size, manifest.root):
        raise BackupDamaged("the store holds another log than the manifest says")
    return result.leaves, result.root


@contextmanager
def aside(out: Path, fault: type[LocalFault]) -> Iterator[Path]:
    """A new folder that takes the name ``out`` when the block ends, and is gone when it raises. ``fault`` is raised where
    something of that name stands already."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise fault(f"{out} stands already")
    partial = out.with_name(out.name + ".partial")
    if partial.exists():
        shutil.rmtree(partial)  # of a run that was cut short: nobody ever took it for whole
    partial.mkdir(mode=0o700, parents=True)
    try:
        yield partial
        partial.rename(out)  # over an empty folder too
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _copy_files(made: HubFolder, folder: Path, *, with_keys: bool) -> Sequence[str]:
    names = ["hub.toml", "hub-card.json", "accord.jws", "accord.id"]
    roots = made.settings.timestamps.roots
    names += [name for name in ("tls.crt", roots) if Path(name).name == name and (made.path / name).is_file()]
    names += [f"ladders/{name}.toml" for name in sorted(made.ladders)]
    if with_keys:
        names.append(KEYS)
    (folder / "ladders").mkdir(mode=0o700)
    for name in names:
        (folder / name).write_bytes((made.path / name).read_bytes())
        (folder / name).chmod(0o600)
    return names


def _describe(made: HubFolder, folder: Path, names: Sequence[str], now: int, kept: Kept) -> Manifest:
    copied = HubFolder(folder, made.settings, made.accord, made.ladders)
    size, root = check_copy(copied)
    with closing(sqlite3.connect(copied.database)) as db:
        (revision,) = db.execute("SELECT version_num FROM alembic_version").fetchone()
        head = db.execute("SELECT note FROM published ORDER BY number DESC LIMIT 1").fetchone()
    return Manifest(
        "hotline-hub-backup/2",
        now,
        made.settings.name,
        made.accord.log_origin,
        made.accord.id,
        str(revision),
        size,
        root,
        "" if head is None else str(head[0]),
        {name: _mark(folder / name) for name in names},
        kept.count,
        kept.size,
        len(kept.lost),
    )


def _mark(path: Path) -> FileMark:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    return FileMark(path.stat().st_size, found)
