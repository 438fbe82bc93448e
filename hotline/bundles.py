"""Evidence bundles as zip files: written the same way every time, read with suspicion.

A reader meets what strangers made: entries that expand to terabytes, names that climb out of the folder, two files of
one name of which two programs would see different ones, encrypted or exotic members. Nothing is ever unpacked to disk.
"""

from __future__ import annotations

import stat
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
    """The bundle in the file at ``path``. Raises `BundleMalformed`, or `OSError` where it cannot be read."""
    if path.stat().st_size > MAX_ZIP_BYTES:
        raise BundleMalformed(f"a file of {path.stat().st_size} bytes")
    with path.open("rb") as file:
        return _unpack(file)


def _unpack(file: BinaryIO) -> Bundle:
    try:
        with zipfile.ZipFile(file) as archive:
            return read_bundle(_members(archive))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OverflowError) as error:
        raise BundleMalformed(f"not a zip file that can be read: {error}") from error


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
