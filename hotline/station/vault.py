"""Content at rest: XChaCha20-Poly1305 under the station's data key, bound to the row it belongs to.

A sealed value moved to another row, or another column, does not open: somebody who can write the file but has no key
cannot swap one message's text for another's. Lengths show; rows are not hidden.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nacl import bindings
from nacl.exceptions import CryptoError

from hotline.errors import LocalFault
from protocols.encoding import from_json, to_json

_KEY = bindings.crypto_aead_xchacha20poly1305_ietf_KEYBYTES
_NONCE = bindings.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
_MAX_JSON = 8 << 20


class StoreDamaged(LocalFault):
    """A stored value does not open under this station's key, or not in this place."""

    code = "station.store-damaged"
    _sentence = (
        "Something in this station's own files was changed or damaged. Stop, keep the files as they are, and tell your "
        "engineers; the other stations and the hub still hold the thread."
    )


class Vault:
    """Seals and opens values for rows. ``key``: 32 bytes from the keystore; ``rng(n)`` gives n fresh random bytes."""

    def __init__(self, key: bytes, rng: Callable[[int], bytes]) -> None:
        if len(key) != _KEY:
            raise ValueError(f"a data key has {_KEY} bytes")
        self._key = key
        self._rng = rng

    def seal(self, place: str, data: bytes) -> bytes:
        """``place`` names table, column and row, as in ``bodies/<entry id>``."""
        nonce = self._rng(_NONCE)
        sealed = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(data, place.encode(), nonce, self._key)
        return nonce + sealed

    def open(self, place: str, data: bytes) -> bytes:
        """Raises `StoreDamaged`."""
        try:
            return bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
                data[_NONCE:], place.encode(), data[:_NONCE], self._key
            )
        except (CryptoError, ValueError, TypeError) as error:
            raise StoreDamaged(f"{place.split('/', 1)[0]} does not open") from error

    def seal_json(self, place: str, value: Any) -> bytes:
        """As `seal`, of a JSON value without floats."""
        return self.seal(place, to_json(value))

    def open_json(self, place: str, data: bytes) -> Any:
        """The inverse of `seal_json`."""
        return from_json(self.open(place, data), limit=_MAX_JSON)
