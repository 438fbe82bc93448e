"""Files named by the hash of what is in them, read piece by piece."""

from __future__ import annotations

import hashlib
from pathlib import Path

from protocols.encoding import b64u

PIECE = 64 * 1024
"""Bytes read or written at once."""


def holds(path: Path, blob: str, size: int) -> bool:
    """Whether a file is there, whole, and has the hash (SHA-256, base64url) that is its name. Reads all of it, by `PIECE`."""
    state, seen = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while data := file.read(PIECE):
                seen += len(data)
                if seen > size:
                    return False
                state.update(data)
    except FileNotFoundError:
        return False
    return seen == size and b64u(state.digest()) == blob
