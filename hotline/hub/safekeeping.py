"""The hub's own leaves, given to stations to keep: a hub that lost its store gets its whole log back from them.

The leaves stand in the log for everybody. What opens them (which threads a `heads` leaf names, who looked at what) is the
hub's alone and leaves it sealed, with XChaCha20-Poly1305 under a key made of its key file, bound to log and index, and padded
so that its length does not tell how many threads there are.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping

import sqlalchemy as sa
from nacl import bindings
from nacl.exceptions import CryptoError
from sqlalchemy.ext.asyncio import AsyncConnection

from hotline.errors import LocalFault
from hotline.store import hub as t
from protocols.encoding import from_json, to_json
from protocols.frames import MAX_SEALED, OwnLeaf

AT_ONCE = 32
"""Leaves in one answer, as far as they fit."""
MOST_BYTES = 1 << 20
"""Bytes of leaves and disclosures after which an answer ends."""
_NONCE = bindings.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
_SMALLEST = 1024


class NotOurs(LocalFault):
    """Sealed disclosures that do not open: another hub's, or changed."""

    code = "refill.not-ours"
    _sentence = (
        "What a station kept for this hub does not open with this hub's keys. Nothing was changed. Use the hub.key that the "
        "hub had, and ask the station for the file once more."
    )


class Safe:
    """Seals and opens disclosures. ``key``: 32 secret bytes of the hub's key file; ``rng(n)`` gives n fresh random bytes."""

    def __init__(self, key: bytes, origin: str, rng: Callable[[int], bytes]) -> None:
        self._key = hmac.digest(key, b"hotline/hub/safekeeping/1", hashlib.sha256)
        self._origin, self._rng = origin, rng
        self.newest = (0, -1)
        """A size of the log, and the newest leaf of the hub's own below it: every station asks with every head, and mostly
        there is nothing new."""

    def seal(self, index: int, disclosures: Mapping[str, str]) -> bytes:
        """The disclosures of the leaf at ``index``, by name."""
        data = to_json(dict(disclosures))
        size = max(_SMALLEST, 1 << len(data).bit_length())
        nonce = self._rng(_NONCE)
        sealed = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
            data.ljust(size), self._place(index), nonce, self._key
        )
        return nonce + sealed

    def open(self, index: int, sealed: bytes) -> dict[str, str]:
        """The inverse of `seal`. Raises `NotOurs`."""
        try:
            data = bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
                sealed[_NONCE:], self._place(index), sealed[:_NONCE], self._key
            )
        except (CryptoError, ValueError, TypeError) as error:
            raise NotOurs(f"leaf {index}") from error
        found = from_json(data.rstrip(b" "), limit=MAX_SEALED)
        if not isinstance(found, dict):
            raise NotOurs(f"leaf {index}")
        return {str(name): str(text) for name, text in found.items()}

    def _place(self, index: int) -> bytes:
        return f"{self._origin}/{index}".encode()


async def read_own(connection: AsyncConnection, safe: Safe, start: int, size: int) -> tuple[tuple[OwnLeaf, ...], int]:
    """The next leaves of the hub's own from ``start`` on, below ``size``; and up to where (excluded) these are all."""
    o, d = t.own_leaves.c, t.own_disclosures.c
    if safe.newest[0] != size:
        newest = (await connection.execute(sa.select(sa.func.max(o.idx)).where(o.idx < size))).scalar()
        safe.newest = (size, -1 if newest is None else int(newest))
    if safe.newest[1] < start:
        return (), size
    query = sa.select(o.idx, t.leaves.c.data).join(t.leaves, t.leaves.c.idx == o.idx)
    rows = (
        await connection.execute(query.where(o.idx >= start, o.idx < size).order_by(o.idx).limit(AT_ONCE + 1))
    ).all()
    upto = size if len(rows) <= AT_ONCE else rows[AT_ONCE].idx
    found: list[OwnLeaf] = []
    room = MOST_BYTES
    for row in rows[:AT_ONCE]:
        if room <= 0:
            upto = row.idx
            break
        texts = await connection.execute(sa.select(d.name, d.text).where(d.idx == row.idx))
        leaf = OwnLeaf(row.idx, bytes(row.data), safe.seal(row.idx, {each.name: each.text for each in texts}))
        room -= len(leaf.leaf) + len(leaf.sealed)
        found.append(leaf)
    return tuple(found), upto
