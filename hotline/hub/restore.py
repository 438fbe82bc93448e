"""``hotline hub restore``: a backup back into a folder, and what it lacks of what the hub has signed since.

A restored copy looks whole from inside. So whoever can be asked is asked (`hotline.hub.asking`), and a copy that is behind is
put in place, because it is what a refill begins with, and reported as what it is: it must not serve. `serve` finds out for
itself, too.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from hotline.errors import LocalFault
from hotline.hub import blob_keep
from hotline.hub.asking import Standing, compare
from hotline.hub.backup import (
    KEYS,
    MANIFEST,
    STORE,
    BackupDamaged,
    Manifest,
    aside,
    check_copy,
    flush,
    flush_folder,
    read_backup,
)
from hotline.hub.blob_keep import Kept
from hotline.hub.errors import BehindWitnesses
from hotline.hub.folder import HubFolder, open_folder
from hotline.store.reading import reading
from protocols.encoding import rfc3339
from protocols.translog import build_root

FIRST_FORM = "hotline-hub-backup/1"
"""Of backups that hold no sealed files."""


class RestoreFault(LocalFault):
    """Nothing was restored. ``detail`` says why."""

    code = "restore.fault"
    _sentence = (
        "Nothing was restored, and nothing that stood there was changed. Put right what is named below, then try again."
    )


@dataclass(frozen=True, slots=True)
class Restored:
    """A hub's folder that was made from a backup. ``has_keys``: whether ``hub.key`` is in it. ``kept``: its sealed files."""

    made: HubFolder
    manifest: Manifest
    has_keys: bool
    kept: Kept


def restore(backup: Path, folder: Path, key: Path | None = None) -> Restored:
    """Put a backup into the new folder ``folder``. ``key``: the sealed key file, where the backup holds none.

    The folder takes its name only when every file and the store in it have been checked. Raises `RestoreFault`,
    `BackupDamaged`, and what `open_folder` raises.
    """
    manifest = read_backup(backup)
    try:
        with aside(folder, RestoreFault) as new:
            (new / "ladders").mkdir(mode=0o700)
            for name in manifest.files:
                shutil.copyfile(backup / name, new / name)  # the store may be larger than the memory
                (new / name).chmod(0o600)
            if key is not None:
                (new / KEYS).write_bytes(key.read_bytes())
                (new / KEYS).chmod(0o600)
            made = open_folder(new)
            if (made.accord.id, made.accord.log_origin) != (manifest.accord, manifest.log):
                raise RestoreFault(f"{MANIFEST} names another accord than the one beside it")
            check_copy(made, manifest)
            _forget_links(new / STORE)
            kept = blob_keep.put_back(new / STORE, backup, made.files)
            # What the hub had lost by then is in no backup; what is missing beyond that was in this one.
            if manifest.form != FIRST_FORM and len(kept.lost) > manifest.lost:
                raise BackupDamaged(f"files are missing, or are others: {blob_keep.names(kept.lost)}")
            flush(new)
            has_keys = (new / KEYS).is_file()
        flush_folder(folder.parent)
    except (OSError, sqlite3.Error) as error:
        raise RestoreFault(f"{type(error).__name__}: {error}") from error
    return Restored(open_folder(folder), manifest, has_keys, kept)


def standings(made: HubFolder, notes: Iterable[str]) -> list[Standing]:
    """How the store in a folder stands to these heads, the largest first. Raises ``sqlite3.Error``, `StoreUnreachable`."""
    with reading(made.place) as db:
        (size,) = db.execute("SELECT coalesce(max(idx) + 1, 0) FROM leaves").fetchone() or (0,)

        def node(level: int, index: int) -> bytes:
            query = "SELECT CAST(hash AS BLOB) FROM nodes WHERE level = ? AND idx = ?"
            row = db.execute(query, (level, index)).fetchone()
            if row is None:
                raise RestoreFault(f"the store lacks the node {level}/{index} of its tree")
            return bytes(row[0])

        return compare(notes, made.accord, size, lambda size: build_root(size, node))


def refuse_fork(manifest: Manifest, found: Iterable[Standing]) -> None:
    """Raises `BehindWitnesses`, with what is lost, where the restored store cannot have come from one of these heads."""
    for each in found:
        if each.how == "other":
            raise BehindWitnesses(f"another history of {each.head.size} leaves was signed than the copy holds")
        if each.how == "behind":
            lost = each.head.size - manifest.size
            raise BehindWitnesses(
                f"the copy of {rfc3339(manifest.made)} holds {manifest.size} leaves, a witness a head of {each.head.size}; "
                f"lost are the {lost} leaves from {manifest.size} on, and whatever came after that head"
            )


def _forget_links(database: Path) -> None:
    """Login links that were used since the copy was made must not open the console once more."""
    with closing(sqlite3.connect(database)) as db, db:
        db.execute("DELETE FROM login_tokens")
