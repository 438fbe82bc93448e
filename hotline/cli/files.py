"""Files that commands make for their owner."""

from __future__ import annotations

import os
from pathlib import Path


def write_new(path: Path, data: bytes) -> None:
    """A new file, flushed to the disk, for its owner's eyes until they hand it on: it may hold disclosed words.

    Raises `OSError`; a file that stands already is never written over.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
