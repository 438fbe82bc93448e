"""The folder in which sealed files lie: one file a blob, written once, named by its hash. No store, no network.

::

    <thread>/<blob>          whole; its SHA-256 is its name; never changed
    <thread>/<blob>.part     on its way here; who writes it holds its lock
    .hotline-files           which store these files belong to, where several hubs share it

Names are taken by renaming, which is atomic on local disks and on NFS; the lock is ``flock``, which NFS (version 4) keeps for
all machines that have the folder mounted.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from hotline.hashed import PIECE
from hotline.hub.errors import BlobBusy, BlobDiffers
from protocols.encoding import b64u

MARK = ".hotline-files"


def length(path: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def free(folder: Path) -> int:
    """Bytes free where files lie; the folder is made with the first of them."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return shutil.disk_usage(folder).free


def lock(part: Path) -> int:
    """The part, open, and nobody else's: also no other hub's that shares the folder. Raises `BlobBusy`."""
    part.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever had it may have finished it in between: then this is no part any more, or another file of that name.
        if not part.exists() or os.fstat(handle).st_ino != part.stat().st_ino:
            raise BlobBusy("just finished")
    except BlockingIOError as error:
        os.close(handle)
        raise BlobBusy("another transfer writes it") from error
    except BaseException:
        os.close(handle)
        raise
    return handle


def put(handle: int, at: int, data: bytes) -> None:
    """Write all of ``data`` at the offset ``at``."""
    view = memoryview(data)
    while view:
        written = os.pwrite(handle, view, at)
        at, view = at + written, view[written:]


def finish(handle: int, part: Path, final: Path, blob: str) -> None:
    """Give a part its name, if its bytes have that hash; throw them away if not (`BlobDiffers`)."""
    state, at = hashlib.sha256(), 0
    while data := os.pread(handle, PIECE, at):
        state.update(data)
        at += len(data)
    if b64u(state.digest()) != blob:
        os.ftruncate(handle, 0)
        raise BlobDiffers(blob)
    part.replace(final)
    flush_names(final.parent)


def drop_if_idle(part: Path, seconds: float) -> bool:
    """Remove a part to which nothing came for so long. By the disk's own clock: the hub's may be ahead of it."""
    try:
        if time.time() - part.stat().st_mtime < seconds:
            return False
        part.unlink()
    except FileNotFoundError:
        return True
    return True


def copy(source: Path, target: Path, blob: str, size: int) -> bool:
    """A copy on the disk, under its name only if the bytes that were written have that hash; whether they had.

    Raises ``OSError``, but for a ``source`` that is not there.
    """
    try:
        with source.open("rb") as reading:
            return store(iter(lambda: reading.read(PIECE), b""), target, blob, size)
    except FileNotFoundError:
        if source.exists():
            raise
        return False


def store(pieces: Iterable[bytes], target: Path, blob: str, size: int) -> bool:
    """What comes in ``pieces``, on the disk, under its name only if it has that hash and size; whether it had.

    Raises ``OSError``, and what ``pieces`` raises; nothing is left behind then.
    """
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.copy")
    state, seen = hashlib.sha256(), 0
    try:
        with partial.open("wb") as writing:
            partial.chmod(0o600)
            for data in pieces:
                seen += len(data)
                if seen > size:
                    return False
                state.update(data)
                writing.write(data)
            writing.flush()
            os.fsync(writing.fileno())
        if seen != size or b64u(state.digest()) != blob:
            return False
        partial.replace(target)
        flush_names(target.parent)
    finally:
        partial.unlink(missing_ok=True)
    return True


def flush_names(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_mark(folder: Path) -> str:
    """Which store the folder belongs to; "" where nothing says so."""
    try:
        return (folder / MARK).read_text("ascii").strip()
    except FileNotFoundError:
        return ""


def write_mark(folder: Path, mark: str) -> None:
    """Say to which store the folder belongs. Raises ``OSError``."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = folder / f"{MARK}.new"
    with partial.open("w", encoding="ascii") as file:
        file.write(mark + "\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(folder / MARK)
    flush_names(folder)


__all__ = [
    "MARK",
    "copy",
    "drop_if_idle",
    "finish",
    "flush_names",
    "free",
    "length",
    "lock",
    "put",
    "read_mark",
    "store",
    "write_mark",
]
