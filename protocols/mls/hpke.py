"""HPKE base mode (RFC 9180) over X25519 and over X-Wing.

pyca/cryptography has a one-shot HPKE, but no secret export (external commits need it, RFC 9420 section 8.3) and no
way to pass randomness in. The tests check that both open what the other seals.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from .errors import DecryptionFailed, Malformed
from .kem import HASH_SIZE, DhKemX25519, Kem, Rng, labeled_expand, labeled_extract

_KDF_HKDF_SHA256 = 0x0001
_NONCE_SIZE = 12


class Cipher(Protocol):
    """An AEAD object as pyca/cryptography gives it."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        """Seal."""

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        """Open, or raise InvalidTag."""


@dataclass(frozen=True)
class Aead:
    """An AEAD by its HPKE code point (RFC 9180 section 7.3)."""

    aead_id: int
    key_size: int
    cipher: Callable[[bytes], Cipher]
    nonce_size: int = _NONCE_SIZE
    tag_size: int = 16

    def seal(self, key: bytes, nonce: bytes, aad: bytes, plaintext: bytes) -> bytes:
        """Encrypt and authenticate."""
        return self.cipher(key).encrypt(nonce, plaintext, aad)

    def open(self, key: bytes, nonce: bytes, aad: bytes, ciphertext: bytes) -> bytes:
        """Decrypt, or raise DecryptionFailed."""
        if len(ciphertext) < self.tag_size:
            # MLS-05.1-04: a ciphertext holds at least its tag.
            raise DecryptionFailed("ciphertext shorter than its tag")
        try:
            return self.cipher(key).decrypt(nonce, ciphertext, aad)
        except InvalidTag:
            # MLS-05.1-03: what does not authenticate is not decrypted.
            raise DecryptionFailed("ciphertext does not authenticate") from None


AES_128_GCM = Aead(0x0001, 16, AESGCM)
CHACHA20_POLY1305 = Aead(0x0003, 32, ChaCha20Poly1305)


@dataclass(frozen=True)
class _Context:
    """What both sides derive from the shared secret (RFC 9180 section 5.1)."""

    key: bytes
    nonce: bytes
    exporter_secret: bytes


class Hpke:
    """HPKE base mode with one KEM, HKDF-SHA256 and one AEAD; one message per encapsulation."""

    def __init__(self, kem: Kem, aead: Aead) -> None:
        self.kem = kem
        self.aead = aead
        self._suite = b"HPKE" + b"".join(
            [identifier.to_bytes(2, "big") for identifier in (kem.kem_id, _KDF_HKDF_SHA256, aead.aead_id)]
        )
        self._psk_id_hash = labeled_extract(self._suite, b"", b"psk_id_hash", b"")

    def _key_schedule(self, shared: bytes, info: bytes) -> _Context:
        suite = self._suite
        context = b"\x00" + self._psk_id_hash + labeled_extract(suite, b"", b"info_hash", info)
        secret = labeled_extract(suite, shared, b"secret", b"")
        return _Context(
            labeled_expand(suite, secret, b"key", context, self.aead.key_size),
            labeled_expand(suite, secret, b"base_nonce", context, _NONCE_SIZE),
            labeled_expand(suite, secret, b"exp", context, HASH_SIZE),
        )

    def seal(self, public: bytes, info: bytes, aad: bytes, plaintext: bytes, rng: Rng) -> tuple[bytes, bytes]:
        """SealBase: ``(encapsulation, ciphertext)``."""
        if len(public) != self.kem.public_size:
            raise Malformed("HPKE public key of wrong length")
        shared, enc = self.kem.encap(public, rng)
        context = self._key_schedule(shared, info)
        return enc, self.aead.seal(context.key, context.nonce, aad, plaintext)

    def open(
        self, enc: bytes, private: bytes, info: bytes, aad: bytes, ciphertext: bytes, public: bytes | None = None
    ) -> bytes:
        """OpenBase, or raise DecryptionFailed."""
        if len(enc) != self.kem.enc_size:
            # MLS-05.1-07: an encapsulation has the KEM's length.
            raise DecryptionFailed("HPKE encapsulation of wrong length")
        context = self._key_schedule(self.kem.decap(enc, private, public), info)
        return self.aead.open(context.key, context.nonce, aad, ciphertext)

    def send_export(self, public: bytes, info: bytes, label: bytes, length: int, rng: Rng) -> tuple[bytes, bytes]:
        """SendExportBase: ``(encapsulation, exported secret)``."""
        if len(public) != self.kem.public_size:
            raise Malformed("HPKE public key of wrong length")
        shared, enc = self.kem.encap(public, rng)
        return enc, self._export(shared, info, label, length)

    def receive_export(self, enc: bytes, private: bytes, info: bytes, label: bytes, length: int) -> bytes:
        """ReceiveExportBase."""
        if len(enc) != self.kem.enc_size:
            # MLS-05.1-08: also where a secret is exported.
            raise DecryptionFailed("HPKE encapsulation of wrong length")
        return self._export(self.kem.decap(enc, private, None), info, label, length)

    def _export(self, shared: bytes, info: bytes, label: bytes, length: int) -> bytes:
        context = self._key_schedule(shared, info)
        return labeled_expand(self._suite, context.exporter_secret, b"sec", label, length)


SEALING = Hpke(DhKemX25519(), CHACHA20_POLY1305)
"""The HPKE of sealed files and key boxes: X25519, HKDF-SHA256, ChaCha20-Poly1305."""


def hpke_seal(public_key: bytes, info: bytes, aad: bytes, plaintext: bytes, rng: Rng) -> bytes:
    """Seal to an X25519 key: 32 octets of encapsulation, then the ciphertext."""
    enc, ciphertext = SEALING.seal(public_key, info, aad, plaintext, rng)
    return enc + ciphertext


def hpke_open(private_key: bytes, info: bytes, aad: bytes, sealed: bytes) -> bytes:
    """Open what ``hpke_seal`` made, or raise DecryptionFailed (Malformed for a low-order encapsulation)."""
    size = SEALING.kem.enc_size
    return SEALING.open(sealed[:size], private_key, info, aad, sealed[size:])
