"""Evidence bundles as zip files or folders: written the same way every time, read with suspicion.

A reader meets what strangers made: entries that expand to terabytes, tables of contents of millions, names that climb out
of the folder, two files of one name of which two programs would see different ones, encrypted or exotic members; in a
folder links, pipes and files of a size that no memory holds. Nothing is ever unpacked to disk, nothing is read that a
bundle cannot hold, and what is held at once is never more than `MAX_BUNDLE_BYTES` and a table of `MAX_FILES` names.
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from hotline.errors import LocalFault
from protocols.bundle import (
    MAX_BUNDLE_BYTES,
    MAX_FILES,
    Bundle,
    BundleMalformed,
    limit_of,
    read_bundle,
    write_bundle,
)

MAX_ZIP_BYTES = MAX_BUNDLE_BYTES
MAX_LINE = 46 + 48
"""Bytes of one file's line in a zip's table of contents: its fixed part, its name and what else may stand there."""
_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can say: the time of packing is nobody's business


class NothingToExport(LocalFault):
    """There is no such thread in this folder, or none of it is proven yet. ``detail`` says which."""

    code = "export.nothing"
    _sentence = (
        "There is nothing to export yet: no such thread here, or no head of the log that enough witnesses signed holds "
        "it. Wait for the witnesses, let a station catch up with the hub, or look at the thread's name."
    )


def pack(bundle: Bundle) -> bytes:
    """The zip file. The same bundle gives the same bytes. Raises `BundleMalformed`."""
    files = write_bundle(bundle)
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(info, files[name])
    return buffer.getvalue()


def unpack(data: bytes) -> Bundle:
    """The bundle in a zip file. Raises `BundleMalformed`."""
    if len(data) > MAX_ZIP_BYTES:
        raise BundleMalformed(f"a file of {len(data)} bytes")
    return _unpack(BytesIO(data))


def load(path: Path) -> Bundle:
    """The bundle at ``path``, a zip file or a folder. Raises `BundleMalformed`, or `OSError` where it cannot be read."""
    if path.is_dir():
        return read_bundle(_in_folder(path))
    with _plain(path.resolve(strict=True)) as file:  # a link of the auditor's own is theirs to follow
        if os.fstat(file.fileno()).st_size > MAX_ZIP_BYTES:
            raise BundleMalformed(f"a file of {os.fstat(file.fileno()).st_size} bytes")
        return _unpack(file)


# -- folders -------------------------------------------------------------------------------------------------------------


def _in_folder(folder: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    left = MAX_BUNDLE_BYTES
    for name, path in _names(folder):
        limit = min(limit_of(name), left)
        try:
            with _plain(path) as file:
                data = file.read(limit + 1) if os.fstat(file.fileno()).st_size <= limit else None
        except OSError as error:
            raise BundleMalformed(f"{name} cannot be read as a plain file: {error.strerror}") from error
        if data is None or len(data) > limit:
            raise BundleMalformed(f"{name} is too large, or the whole is")
        found[name] = data
        left -= len(data)
    return found


def _names(folder: Path) -> list[tuple[str, Path]]:
    """The bundle's names in a folder; one level of folders is known, ``mandates``."""
    found: list[tuple[str, Path]] = []
    mandates = folder / "mandates"
    for place in (folder, mandates) if stat.S_ISDIR(_mode(mandates)) else (folder,):
        with os.scandir(place) as entries:
            for entry in entries:
                if len(found) > MAX_FILES:
                    raise BundleMalformed(f"more than {MAX_FILES} files")
                if Path(entry.path) != mandates or not entry.is_dir(follow_symlinks=False):
                    found.append((f"mandates/{entry.name}" if place is mandates else entry.name, Path(entry.path)))
    return found


def _mode(path: Path) -> int:
    """What stands there, a link not being followed; 0 for nothing."""
    try:
        return path.lstat().st_mode
    except FileNotFoundError:
        return 0


def _plain(path: Path) -> BinaryIO:
    """Opens a plain file, and nothing that a link points to or that would keep us waiting."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise BundleMalformed(f"{path.name[:80]!r} is not a plain file")
    return os.fdopen(handle, "rb")


# -- zip files -----------------------------------------------------------------------------------------------------------


def _unpack(file: BinaryIO) -> Bundle:
    try:
        _check_directory(file)
        with zipfile.ZipFile(file) as archive:
            return read_bundle(_members(archive))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OverflowError) as error:
        raise BundleMalformed(f"not a zip file that can be read: {error}") from error


def _check_directory(file: BinaryIO) -> None:
    """Refuses a table of contents that no bundle has, before the zip module makes an object of each of its lines.

    Without a comment, which no bundle has, the end records (APPNOTE.TXT sections 4.3.14 to 4.3.16) are the last bytes.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _END.size - _LOCATOR.size - _END_64.size))
    tail = file.read()
    file.seek(0)
    if len(tail) < _END.size or tail[-_END.size :][:4] != b"PK\x05\x06":
        raise BundleMalformed("not a zip file, or one with something behind it")
    entries, length = _END.unpack(tail[-_END.size :])[4:6]
    located, whole = tail[-_END.size - _LOCATOR.size :][:4] == b"PK\x06\x07", tail[: _END_64.size]
    if located and len(whole) == _END_64.size and whole[:4] == b"PK\x06\x06":
        entries, length = _END_64.unpack(whole)[7:9]
    if entries > MAX_FILES or length > entries * MAX_LINE:
        raise BundleMalformed(f"a table of {entries} files and {length} bytes")


def _members(archive: zipfile.ZipFile) -> dict[str, bytes]:
    infos = archive.infolist()
    if len(infos) > MAX_FILES:
        raise BundleMalformed(f"more than {MAX_FILES} files")
    if archive.comment:
        raise BundleMalformed("a comment in the zip file")
    found: dict[str, bytes] = {}
    left = MAX_BUNDLE_BYTES
    for info in infos:
        # orig_filename: what the file says, before the zip module cuts it at a NUL or turns separators.
        name = info.orig_filename
        limit = min(limit_of(name), left)
        if name != info.filename or name in found:
            raise BundleMalformed(f"two files called {name[:80]!r}, or a name that reads two ways")
        if info.flag_bits & 0x1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BundleMalformed(f"{name} is encrypted or packed in an unusual way")
        if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
            raise BundleMalformed(f"{name} is not a plain file")
        # The size in the header may lie: read no more than the limit, whatever it says.
        with archive.open(info) as member:
            data = member.read(limit + 1)
        if len(data) > limit:
            raise BundleMalformed(f"{name} is too large, or the whole is")
        found[name] = data
        left -= len(data)
    return found
