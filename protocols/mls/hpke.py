"""HPKE base mode (RFC 9180) over X25519 and over X-Wing, with the ephemeral randomness passed in.

pyca/cryptography has a one-shot HPKE, but no secret export (external commits need it, RFC 9420 section 8.3) and no
way to pass randomness in. The tests check that both open what the other seals.

One exception to "randomness is passed in": OpenSSL draws the ML-KEM encapsulation randomness itself, with no way to
give it. The X25519 half of X-Wing uses ``rng``.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from nacl.bindings import crypto_scalarmult, crypto_scalarmult_base

from .errors import DecryptionFailed, Malformed, Misuse

Rng = Callable[[int], bytes]
"""Gives that many octets of cryptographic randomness."""

_KDF_HKDF_SHA256 = 0x0001
_HASH_SIZE = 32
_NONCE_SIZE = 12


def draw(rng: Rng, size: int) -> bytes:
    """Take exactly ``size`` random octets, or say that the caller's source is broken."""
    data = rng(size)
    if len(data) != size:
        raise Misuse("the random source returned a wrong number of octets")
    return bytes(data)


def extract(salt: bytes, ikm: bytes) -> bytes:
    """HKDF-Extract with SHA-256 (RFC 5869)."""
    return hmac.digest(salt, ikm, "sha256")


def expand(prk: bytes, info: bytes, length: int) -> bytes:
    """HKDF-Expand with SHA-256 (RFC 5869)."""
    if length <= _HASH_SIZE:
        return hmac.digest(prk, info + b"\x01", "sha256")[:length]
    if length > 255 * _HASH_SIZE:
        raise Misuse("HKDF output longer than 255 blocks")
    block, output, counter = b"", b"", 1
    while len(output) < length:
        block = hmac.digest(prk, block + info + counter.to_bytes(1, "big"), "sha256")
        output += block
        counter += 1
    return output[:length]


def _labeled_extract(suite: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return extract(salt, b"HPKE-v1" + suite + label + ikm)


def _labeled_expand(suite: bytes, prk: bytes, label: bytes, info: bytes, length: int) -> bytes:
    return expand(prk, length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info, length)


def x25519(private: bytes, public: bytes) -> bytes:
    """Multiply; refuse a public key that is not 32 octets or whose product is zero (RFC 7748 section 6.1)."""
    if len(public) != 32:
        raise Malformed("X25519 public key is not 32 octets")
    try:
        return crypto_scalarmult(private, public)
    except RuntimeError:
        # MLS-05.1-01: a low-order point is refused. libsodium reports it as a bare RuntimeError.
        raise Malformed("X25519 public key of low order") from None


_P = (1 << 255) - 19
_LOW_ORDER = frozenset(
    point.to_bytes(32, "little")
    for point in (
        0,
        1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
        _P - 1,
        _P,
        _P + 1,
    )
)


def _is_low_order(public: bytes) -> bool:
    """Whether every product with this X25519 key is zero; the top bit is ignored, as RFC 7748 section 5 says."""
    return public[:31] + (public[31] & 0x7F).to_bytes(1, "big") in _LOW_ORDER


class Kem(Protocol):
    """A key encapsulation mechanism (RFC 9180 section 4)."""

    kem_id: int
    public_size: int
    private_size: int
    enc_size: int

    def derive_key_pair(self, ikm: bytes) -> tuple[bytes, bytes]:
        """Turn uniform input into ``(private, public)``."""

    def public_of(self, private: bytes) -> bytes:
        """The public key of a private key."""

    def valid_public(self, public: bytes) -> bool:
        """Whether one can encapsulate to this key: a member with a bad one would block every commit."""

    def encap(self, public: bytes, rng: Rng) -> tuple[bytes, bytes]:
        """Make ``(shared secret, encapsulation)`` for a public key."""

    def decap(self, enc: bytes, private: bytes, public: bytes | None) -> bytes:
        """Recover the shared secret; ``public`` saves computing it from ``private``."""


class DhKemX25519:
    """DHKEM(X25519, HKDF-SHA256), RFC 9180 section 4.1."""

    kem_id = 0x0020
    public_size = private_size = enc_size = 32
    _suite = b"KEM" + (0x0020).to_bytes(2, "big")

    def derive_key_pair(self, ikm: bytes) -> tuple[bytes, bytes]:
        """RFC 9180 section 7.1.3."""
        private = _labeled_expand(self._suite, _labeled_extract(self._suite, b"", b"dkp_prk", ikm), b"sk", b"", 32)
        return private, crypto_scalarmult_base(private)

    def public_of(self, private: bytes) -> bytes:
        """Multiply the base point."""
        if len(private) != 32:
            raise Misuse("X25519 private key is not 32 octets")
        return crypto_scalarmult_base(private)

    def valid_public(self, public: bytes) -> bool:
        """32 octets that are not of low order."""
        return len(public) == 32 and not _is_low_order(public)

    def encap(self, public: bytes, rng: Rng) -> tuple[bytes, bytes]:
        """RFC 9180 section 4.1, Encap."""
        ephemeral = draw(rng, 32)
        enc = crypto_scalarmult_base(ephemeral)
        return self._shared(x25519(ephemeral, public), enc + public), enc

    def decap(self, enc: bytes, private: bytes, public: bytes | None) -> bytes:
        """RFC 9180 section 4.1, Decap."""
        if public is None:
            public = self.public_of(private)
        return self._shared(x25519(private, enc), enc + public)

    def _shared(self, dh: bytes, context: bytes) -> bytes:
        prk = _labeled_extract(self._suite, b"", b"eae_prk", dh)
        return _labeled_expand(self._suite, prk, b"shared_secret", context, 32)


class XWing:
    """X-Wing: ML-KEM-768 and X25519 together (draft-connolly-cfrg-xwing-kem); secret while either half holds."""

    kem_id = 0x647A
    public_size = 1184 + 32
    private_size = 32
    enc_size = 1088 + 32
    _label = bytes.fromhex("5c2e2f2f5e5c")

    def derive_key_pair(self, ikm: bytes) -> tuple[bytes, bytes]:
        """The seed is SHAKE-256 of the input; the seed is the private key."""
        private = hashlib.shake_256(ikm).digest(32)
        return private, self.public_of(private)

    def _halves(self, private: bytes) -> tuple[MLKEM768PrivateKey, bytes]:
        if len(private) != 32:
            raise Misuse("X-Wing private key is not 32 octets")
        expanded = hashlib.shake_256(private).digest(96)
        return MLKEM768PrivateKey.from_seed_bytes(expanded[:64]), expanded[64:]

    def public_of(self, private: bytes) -> bytes:
        """Expand the seed into both halves."""
        lattice, curve = self._halves(private)
        return lattice.public_key().public_bytes_raw() + crypto_scalarmult_base(curve)

    def valid_public(self, public: bytes) -> bool:
        """Both halves are valid (for ML-KEM: FIPS 203 section 7.2)."""
        if len(public) != self.public_size or _is_low_order(public[1184:]):
            return False
        try:
            MLKEM768PublicKey.from_public_bytes(public[:1184])
        except ValueError:
            return False
        return True

    def encap(self, public: bytes, rng: Rng) -> tuple[bytes, bytes]:
        """Encapsulate to both halves and combine."""
        if len(public) != self.public_size:
            raise Malformed("X-Wing public key of wrong length")
        ephemeral = draw(rng, 32)
        try:
            lattice_secret, lattice_enc = MLKEM768PublicKey.from_public_bytes(public[:1184]).encapsulate()
        except ValueError:
            raise Malformed("ML-KEM public key refused") from None
        curve_enc = crypto_scalarmult_base(ephemeral)
        curve_secret = x25519(ephemeral, public[1184:])
        return self._combine(lattice_secret, curve_secret, curve_enc, public[1184:]), lattice_enc + curve_enc

    def decap(self, enc: bytes, private: bytes, public: bytes | None) -> bytes:
        """Open both halves and combine."""
        if len(enc) != self.enc_size:
            raise Malformed("X-Wing encapsulation of wrong length")
        lattice, curve = self._halves(private)
        try:
            lattice_secret = lattice.decapsulate(enc[:1088])
        except ValueError:
            raise Malformed("ML-KEM encapsulation refused") from None
        curve_public = public[1184:] if public is not None else crypto_scalarmult_base(curve)
        return self._combine(lattice_secret, x25519(curve, enc[1088:]), enc[1088:], curve_public)

    def _combine(self, lattice: bytes, curve: bytes, curve_enc: bytes, curve_public: bytes) -> bytes:
        return hashlib.sha3_256(lattice + curve + curve_enc + curve_public + self._label).digest()


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
            raise DecryptionFailed("ciphertext shorter than its tag")
        try:
            return self.cipher(key).decrypt(nonce, ciphertext, aad)
        except InvalidTag:
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
        self._psk_id_hash = _labeled_extract(self._suite, b"", b"psk_id_hash", b"")

    def _key_schedule(self, shared: bytes, info: bytes) -> _Context:
        suite = self._suite
        context = b"\x00" + self._psk_id_hash + _labeled_extract(suite, b"", b"info_hash", info)
        secret = _labeled_extract(suite, shared, b"secret", b"")
        return _Context(
            _labeled_expand(suite, secret, b"key", context, self.aead.key_size),
            _labeled_expand(suite, secret, b"base_nonce", context, _NONCE_SIZE),
            _labeled_expand(suite, secret, b"exp", context, _HASH_SIZE),
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
            raise DecryptionFailed("HPKE encapsulation of wrong length")
        return self._export(self.kem.decap(enc, private, None), info, label, length)

    def _export(self, shared: bytes, info: bytes, label: bytes, length: int) -> bytes:
        context = self._key_schedule(shared, info)
        return _labeled_expand(self._suite, context.exporter_secret, b"sec", label, length)


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
