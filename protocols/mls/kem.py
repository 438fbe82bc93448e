"""Key encapsulation: X25519 and X-Wing, with the ephemeral randomness passed in (RFC 9180 section 4).

One exception to "randomness is passed in": OpenSSL draws the ML-KEM encapsulation randomness itself, with no way to
give it. The X25519 half of X-Wing uses ``rng``.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from nacl.bindings import crypto_scalarmult, crypto_scalarmult_base

from .errors import Malformed, Misuse

Rng = Callable[[int], bytes]
"""Gives that many octets of cryptographic randomness."""

HASH_SIZE = 32


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
    if length <= HASH_SIZE:
        return hmac.digest(prk, info + b"\x01", "sha256")[:length]
    if length > 255 * HASH_SIZE:
        raise Misuse("HKDF output longer than 255 blocks")
    block, output, counter = b"", b"", 1
    while len(output) < length:
        block = hmac.digest(prk, block + info + counter.to_bytes(1, "big"), "sha256")
        output += block
        counter += 1
    return output[:length]


def labeled_extract(suite: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    """LabeledExtract (RFC 9180 section 4)."""
    return extract(salt, b"HPKE-v1" + suite + label + ikm)


def labeled_expand(suite: bytes, prk: bytes, label: bytes, info: bytes, length: int) -> bytes:
    """LabeledExpand (RFC 9180 section 4)."""
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
        private = labeled_expand(self._suite, labeled_extract(self._suite, b"", b"dkp_prk", ikm), b"sk", b"", 32)
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
        prk = labeled_extract(self._suite, b"", b"eae_prk", dh)
        return labeled_expand(self._suite, prk, b"shared_secret", context, 32)


class XWing:
    """X-Wing: ML-KEM-768 and X25519 together; secret while either half holds.

    The KEM is that of draft-connolly-cfrg-xwing-kem, which draft-ietf-hpke-pq registers as MLKEM768-X25519. Deriving a
    key pair for HPKE follows the latter: the older draft's bare SHAKE-256 of the input separates no domains.
    """

    kem_id = 0x647A
    public_size = 1184 + 32
    private_size = 32
    enc_size = 1088 + 32
    _label = bytes.fromhex("5c2e2f2f5e5c")
    _derive_label = b"HPKE-v1" + b"KEM" + (0x647A).to_bytes(2, "big") + (13).to_bytes(2, "big") + b"DeriveKeyPair"

    def derive_key_pair(self, ikm: bytes) -> tuple[bytes, bytes]:
        """SHAKE256.LabeledDerive of the input (draft-ietf-hpke-pq) is the seed; the seed is the private key."""
        private = hashlib.shake_256(ikm + self._derive_label + (32).to_bytes(2, "big")).digest(32)
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
            # MLS-05.1-09: an ML-KEM key is canonical (FIPS 203 section 7.2).
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
