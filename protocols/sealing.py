"""Sealing a body to named stations outside a group: for a mediator who is not admitted yet, for a verifier.

The body (its disclosures) is encrypted once under a fresh key with XChaCha20-Poly1305; that key is sealed to each
recipient's X25519 key with HPKE (RFC 9180, base mode, DHKEM(X25519, HKDF-SHA256), ChaCha20-Poly1305). Authenticated
data is the entry's `protocols.entry.body_aad`, so a box fits one entry only. A box authenticates nobody: the entry's
signatures do, and its ``_sd`` commits to every field, so a second plaintext cannot pass (the AEAD does not commit).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated

import msgspec
from nacl import bindings
from nacl.exceptions import CryptoError

from protocols.encoding import Malformed, b64u, from_json, to_json, unb64u
from protocols.errors import RemoteError
from protocols.mls import MlsError, hpke_open, hpke_seal

_INFO = b"hotline-box/v1"
_NONCE = bindings.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
_KEY = bindings.crypto_aead_xchacha20poly1305_ietf_KEYBYTES
_PAD = 256

MAX_RECIPIENTS = 256
"""Stations one box can name: every other state of a large accord, with more than one station each."""


class NotForUs(RemoteError):
    """The box is sealed to others, or does not open."""

    code = "entry.not-for-us"
    _sentence = "This content was not sealed to your station. It is not shown; ask the sender if you should have it."


class _Box(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    v: int
    to: Annotated[dict[str, str], msgspec.Meta(max_length=MAX_RECIPIENTS)]
    nonce: str
    ct: str


def seal_box(body: bytes, recipients: Iterable[str], aad: bytes, rng: Callable[[int], bytes]) -> bytes:
    """Seal ``body`` to X25519 public keys (base64url). ``rng(n)`` gives n fresh random bytes."""
    key, nonce = rng(_KEY), rng(_NONCE)
    padded = body + b" " * (-len(body) % _PAD)  # spaces after the JSON text: the length shows in steps of 256 only
    sealed = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(padded, aad, nonce, key)
    to = {public: b64u(hpke_seal(unb64u(public, size=32), _INFO, aad, key, rng)) for public in recipients}
    return to_json({"v": 1, "to": to, "nonce": b64u(nonce), "ct": b64u(sealed)})


def open_box(data: bytes, public: str, private: bytes, aad: bytes) -> bytes:
    """The body for the holder of ``private`` (32 bytes). Raises `Malformed` or `NotForUs`."""
    try:
        box = msgspec.convert(from_json(data), _Box, strict=True)
    except msgspec.ValidationError as error:
        raise Malformed(f"not a box: {error}") from None
    if box.v != 1:
        raise Malformed("a box of another version")
    if public not in box.to:
        raise NotForUs("sealed to others")
    try:
        key = hpke_open(private, _INFO, aad, unb64u(box.to[public]))
        nonce = unb64u(box.nonce, size=_NONCE)
        return bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(unb64u(box.ct), aad, nonce, key)
    except (MlsError, CryptoError, ValueError, TypeError) as error:
        raise NotForUs("does not open") from error
