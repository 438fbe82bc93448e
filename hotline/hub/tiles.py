"""The log as files: C2SP tlog-tiles, written out of a hub's store for mirrors and for programs that are not ours.

::

    checkpoint                      the newest published head; written last
    tile/<L>/<N>[.p/<W>]            hashes
    tile/entries/<N>[.p/<W>]        leaves

A file appears whole or not at all (written aside, flushed, renamed), full tiles never change, and ``checkpoint`` only
ever names what stands: an export that is cut short is taken up where it stopped by running it again, and a later one
adds what is new. Entries are in the files byte for byte: sealed words stay sealed, but who wrote when and what kind is
readable there.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hotline.errors import LocalFault
from hotline.store.place import Place
from hotline.store.reading import Reading, reading
from protocols.accord import SignedAccord
from protocols.translog import (
    EMPTY_ROOT,
    CosignedCheckpoint,
    Frontier,
    Policy,
    Tile,
    TranslogError,
    build_root,
    format_entry_tile,
    format_hash_tile,
    leaf_hash,
    open_with_policy,
    parse_entry_tile,
    parse_hash_tile,
    parse_policy,
    tiles_of,
)
from protocols.translog.note import MAX_NOTE_BYTES
from protocols.translog.tiles import MAX_LEAF_BYTES, TILE_HEIGHT, TILE_WIDTH
from protocols.translog.tree import GetNode

CHECKPOINT = "checkpoint"
MAX_ENTRY_TILE = TILE_WIDTH * (MAX_LEAF_BYTES + 2)


class TilesFault(LocalFault):
    """The folder cannot be written to, or holds another log than this. ``detail`` says what."""

    code = "tiles.fault"
    _sentence = "The log was not exported. What stood in the folder before was left as it was."


class TilesDoNotHold(LocalFault):
    """The files contradict each other or the head. ``detail`` says where."""

    code = "tiles.false"
    _sentence = (
        "These files are not the log that their head was signed over: something is missing or was changed. Keep them, "
        "and ask for the log anew by another path."
    )


@dataclass(frozen=True, slots=True)
class Exported:
    """``size`` leaves stand in the folder; ``written`` files are new, ``kept`` stood there already."""

    size: int
    written: int
    kept: int


def export_tiles(place: Place, accord: SignedAccord, folder: Path) -> Exported:
    """Bring ``folder`` up to the newest published head of the hub's store. Raises `TilesFault`."""
    with reading(place) as db:
        found = db.execute("SELECT note FROM published ORDER BY number DESC LIMIT 1").fetchone()
        if found is None:
            raise TilesFault("no head was published yet: the witnesses have not confirmed any entry")
        head = open_with_policy(found[0], parse_policy(accord.accord.policy)).checkpoint

        def get_node(level: int, index: int) -> bytes:
            row = db.execute("SELECT hash FROM nodes WHERE level = ? AND idx = ?", (level, index)).fetchone()
            if row is None:
                raise TilesFault(f"the node {level}/{index} is not stored: run `hotline audit fsck`")
            return bytes(row[0])

        if build_root(head.size, get_node) != head.root:
            raise TilesFault("the stored log is not the one its head was signed over: run `hotline audit fsck`")
        try:
            _check_same_log(folder, accord, get_node, head.size)
            return _write_all(db, folder, head.size, get_node, found[0])
        except OSError as error:
            raise TilesFault(f"{error.filename}: {error.strerror}") from error


def check_tiles(folder: Path, policy: Policy) -> CosignedCheckpoint:
    """Read a log back from its files and rebuild it: every hash, every leaf, up to the head that the policy accepts.

    Raises `TilesDoNotHold`, and what `open_with_policy` raises for the head.
    """
    head = open_with_policy(_read(folder / CHECKPOINT, MAX_NOTE_BYTES), policy)
    frontier = Frontier()
    made: dict[int, list[bytes]] = {}
    for tile in tiles_of(head.checkpoint.size):
        if tile.level is None:
            for leaf in parse_entry_tile(tile, _read(folder / tile.path, MAX_ENTRY_TILE)):
                frontier, nodes = frontier.append(leaf_hash(leaf))
                for level, _, node in nodes:
                    if level % TILE_HEIGHT == 0:
                        made.setdefault(level // TILE_HEIGHT, []).append(node)
            continue
        hashes = parse_hash_tile(tile, _read(folder / tile.path, TILE_WIDTH * 32))
        start = tile.index * TILE_WIDTH
        if hashes != made[tile.level][start : start + tile.width]:
            raise TilesDoNotHold(f"{tile.path} is not made of the entries")
    if frontier.root() != head.checkpoint.root:
        raise TilesDoNotHold("the entries lead to another root than the head's")
    return head


def _check_same_log(folder: Path, accord: SignedAccord, get_node: GetNode, size: int) -> None:
    """What was exported before must be the beginning of what is exported now."""
    path = folder / CHECKPOINT
    if not path.exists():
        if folder.exists() and any(each.name != "tile" for each in folder.iterdir()):
            raise TilesFault(f"{folder} holds other things")
        return
    try:
        before = open_with_policy(_read(path, MAX_NOTE_BYTES), parse_policy(accord.accord.policy)).checkpoint
    except TranslogError as error:
        raise TilesFault(f"the checkpoint in the folder is not of this log ({error.code})") from error
    if before.size > size:
        raise TilesFault(
            f"the folder holds {before.size} leaves, the store {size}: was it restored from an older copy?"
        )
    root = build_root(before.size, get_node) if before.size else EMPTY_ROOT
    if root != before.root:
        raise TilesFault("the folder holds another history of this log: keep both, they are evidence")


def _write_all(db: Reading, folder: Path, size: int, get_node: GetNode, note: str) -> Exported:
    written = kept = 0
    for tile in tiles_of(size):
        path = folder / tile.path
        if path.exists() and path.stat().st_size > 0:
            kept += 1
            continue
        if tile.level is None:
            content = format_entry_tile(list(_entries(db, tile)))
        else:
            content = format_hash_tile(tile, get_node)
        _put(path, content)
        written += 1
        if tile.width == TILE_WIDTH:
            _drop_partial(path)
    _put(folder / CHECKPOINT, note.encode())
    return Exported(size, written + 1, kept)


def _entries(db: Reading, tile: Tile) -> Iterator[bytes]:
    start = tile.index * TILE_WIDTH
    rows = db.execute(
        "SELECT data FROM leaves WHERE idx >= ? AND idx < ? ORDER BY idx", (start, start + tile.width)
    ).fetchall()
    if len(rows) != tile.width:
        raise TilesFault(f"leaves of {tile.path} are not stored: run `hotline audit fsck`")
    return (bytes(row[0]) for row in rows)


def _put(path: Path, content: bytes) -> None:
    """The file, whole and flushed, under its name at once; what a killed export left aside is in nobody's way."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


def _drop_partial(path: Path) -> None:
    """Partial tiles of a tile that is full now: nobody needs them any more, and the specification lets them go."""
    folder = path.with_name(path.name + ".p")
    with contextlib.suppress(FileNotFoundError):
        for each in folder.iterdir():
            each.unlink()
        folder.rmdir()


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise TilesDoNotHold(f"{path.name}: {error.strerror}") from error
    if len(content) > limit:
        raise TilesDoNotHold(f"{path.name} is too large")
    return content
