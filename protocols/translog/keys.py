"""Keys by name: C2SP signed-note, "Verifier keys" and "Signatures".

A key is known by the pair (key name, key ID), the key ID being ``SHA-256(name || 0x0A || kind byte || public key)[:4]``.
A *verifier key* (vkey) is ``<name>+<8 hex digits of the key ID>+<base64(kind byte || public key)>``.

What signs is a ``Signer``: a public key and a function. The private half stays behind that function, so it may live in a
token.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from nacl.bindings import crypto_core_ed25519_is_valid_point
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from protocols.translog.errors import KeyMalformed, NoteMalformed
from protocols.translog.wire import decode_base64, encode_base64

KEY_ID_SIZE = 4  # bytes


class KeyKind(IntEnum):
    """The signature type byte of a verifier key: what a key may sign. Other types of the registry are not used here."""

    ED25519 = 0x01  # the log's own signature over the note text
    COSIGNATURE_ED25519 = 0x04  # C2SP tlog-cosignature
    COSIGNATURE_MLDSA44 = 0x06  # C2SP tlog-cosignature, safe against quantum computers


PUBLIC_KEY_SIZE = {
    KeyKind.ED25519: 32,
    KeyKind.COSIGNATURE_ED25519: 32,
    KeyKind.COSIGNATURE_MLDSA44: 1312,
}  # bytes


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with the name it signs under. Make it from a vkey with ``parse_vkey``.

    Raises:
        KeyMalformed: the name is empty or holds a space, a control character or ``+``; the key has the wrong length; an
            Ed25519 key is a low-order, mixed-order or non-canonical point (its signatures would mean nothing).
    """

    name: str
    kind: KeyKind
    public_key: bytes

    def __post_init__(self) -> None:
        if not is_key_name(self.name):
            raise KeyMalformed(f"bad key name {self.name[:80]!r}")
        if len(self.public_key) != PUBLIC_KEY_SIZE[self.kind]:
            raise KeyMalformed(f"a {self.kind.name} key cannot have {len(self.public_key)} bytes")
        if len(self.public_key) == 32 and not crypto_core_ed25519_is_valid_point(self.public_key):
            raise KeyMalformed("not a point of the prime-order Ed25519 group")

    @property
    def key_id(self) -> bytes:
        """Four bytes: ``SHA-256(name || 0x0A || kind || public key)[:4]``."""
        return key_id(self.name, self.kind, self.public_key)

    @property
    def vkey(self) -> str:
        """The key in vkey form."""
        return format_vkey(self)


def key_id(name: str, kind: int, public_key: bytes) -> bytes:
    """Four bytes that, with the name, identify a key (C2SP signed-note, "Signatures")."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public_key).digest()[:KEY_ID_SIZE]


def format_vkey(key: VerifierKey) -> str:
    """``<name>+<key ID in hex>+<base64(kind || public key)>``."""
    return f"{key.name}+{key.key_id.hex()}+{encode_base64(bytes([key.kind]) + key.public_key)}"


def parse_vkey(text: str) -> VerifierKey:
    """Read a vkey. The key ID must match the key; a kind that is not in ``KeyKind`` is refused.

    Raises:
        KeyMalformed: anything is wrong with it.
    """
    parts = text.split("+", 2)  # base64 itself may hold '+', names may not
    if len(parts) != 3:
        raise KeyMalformed("a vkey has three parts joined by '+'")
    name, hex_id, encoded = parts
    if len(hex_id) != 8 or not set(hex_id) <= set("0123456789abcdef"):
        raise KeyMalformed("the key ID is not eight lower-case hex digits")
    try:
        blob = decode_base64(encoded)
    except NoteMalformed as error:
        raise KeyMalformed(error.detail) from None
    if not blob or blob[0] not in PUBLIC_KEY_SIZE:
        raise KeyMalformed("a kind of key that is not used here")
    key = VerifierKey(name, KeyKind(blob[0]), blob[1:])
    if key.key_id.hex() != hex_id:
        raise KeyMalformed("the key ID does not belong to this name and key")
    return key


def is_key_name(name: str) -> bool:
    """True if a key may be called so: not empty, no Unicode space, no control character, no ``+``."""
    # Lone surrogates have no UTF-8 form, so such a name could not be hashed into a key ID.
    return bool(name) and not any(
        char.isspace() or char < " " or char == "+" or "\ud800" <= char <= "\udfff" for char in name
    )


@dataclass(frozen=True, slots=True)
class Signer:
    """A public key and the function that signs raw bytes with its private half. The function may live in a token.

    ``sign`` takes the exact message and returns the raw signature: 64 bytes for Ed25519, 2420 for ML-DSA-44.
    """

    key: VerifierKey
    sign: Callable[[bytes], bytes]


def ed25519_signer(name: str, seed: bytes, kind: KeyKind = KeyKind.ED25519) -> Signer:
    """A signer from a 32-byte Ed25519 seed: for a log with the default kind, for a witness with 0x04."""
    private = SigningKey(seed)
    key = VerifierKey(name, kind, bytes(private.verify_key))
    return Signer(key, lambda message: private.sign(message).signature)


def ed25519_verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """True if the 64-byte signature is good (RFC 8032; libsodium also refuses low-order points)."""
    if len(signature) != 64:
        return False
    try:
        VerifyKey(public_key).verify(message, signature)
    except BadSignatureError:
        return False
    return True
