"""``hotline hub move-store``: from hub.db to a PostgreSQL server or back, and the settings after it.

The order makes every interruption harmless: the copy, the comparison, the mark in the old store by which no hub serves it any
more, then ``hub.toml``. Whoever runs it again goes on where it ended; before the mark the old store is in force, after it
neither is until the settings name the new one.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from hotline.hub.backup import flush_folder
from hotline.hub.folder import HubFolder
from hotline.hub.fsck import fsck
from hotline.hub.settings import read_settings
from hotline.store.errors import StoreMoved, StoreMoveFault
from hotline.store.migrate import look, upgrade
from hotline.store.move import Moved, Told, move
from hotline.store.place import Place, server

_TABLE = re.compile(r"^\s*\[\s*store\s*\]\s*(#.*)?$")
_ANY_TABLE = re.compile(r"^\s*\[")
_URL = re.compile(r"^\s*url\s*=")


@dataclass(frozen=True, slots=True)
class Relocated:
    """``size``, ``root``: of the log, computed anew from the new store."""

    moved: Moved
    size: int
    root: str


def relocate(made: HubFolder, url: str, told: Told) -> Relocated:
    """Move the store of a hub's folder to the database ``url``, or, where it is "", to the file hub.db, and have hub.toml say
    so. The caller holds the folder's lock.

    Raises `StoreMoveFault`, `StoreInUse`, `StoreMoved`, `StorePlaceFault`, and what `upgrade` raises.
    """
    old, new = made.place, (server(url) if url else made.path / "hub.db")
    if isinstance(old, Path) == isinstance(new, Path):
        raise StoreMoveFault(f"it is {'a file' if isinstance(new, Path) else 'on a server'} already")
    if isinstance(old, Path):
        if not old.is_file():
            raise StoreMoveFault("there is no hub.db in this folder")
        if not _is_marked(old):
            upgrade(old, "hub")
    _refuse_damaged(made, old)
    moved = move(old, new, lambda place: _refuse_damaged(made, place), told)
    _point(made.path / "hub.toml", url)
    found = fsck(new, made.accord, quick=True)
    return Relocated(moved, found.leaves, found.root)


def _is_marked(path: Path) -> bool:
    try:
        look(path)
    except StoreMoved:
        return True
    return False


def _refuse_damaged(made: HubFolder, place: Place) -> None:
    found = fsck(place, made.accord, quick=True)
    if not found.holds:
        first = found.findings[0]
        raise StoreMoveFault(f"the log in {'hub.db' if isinstance(place, Path) else 'the database'}: {first.code}")


def _point(path: Path, url: str) -> None:
    """Have the settings name another store; what else stands there, comments too, stays as it is."""
    line = f"url = {json.dumps(url, ensure_ascii=False)}"
    lines = path.read_text("utf-8").splitlines()
    start = next((number for number, text in enumerate(lines) if _TABLE.match(text)), None)
    if start is None:
        lines += ["", "[store]", line]
    else:
        end = next((at for at in range(start + 1, len(lines)) if _ANY_TABLE.match(lines[at])), len(lines))
        place = next((at for at in range(start + 1, end) if _URL.match(lines[at])), None)
        lines[start + 1 if place is None else place : start + 1 if place is None else place + 1] = [line]
    partial = path.with_name(path.name + ".partial")
    partial.write_text("\n".join(lines) + "\n", "utf-8")
    if read_settings(partial).store.url != url:
        raise StoreMoveFault(f"{path.name} could not be changed: write {line} under [store] yourself")
    partial.chmod(path.stat().st_mode)
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)
    flush_folder(path.parent)
