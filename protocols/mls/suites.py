"""Cipher suites and the labelled functions that MLS builds from them (RFC 9420 sections 5.1, 5.2, 8 and 17.1).

Adding a suite is one line in ``SUITES``. All suites here share SHA-256 and Ed25519; they differ in KEM and AEAD.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError

from .codec import opaque, u16
from .errors import BadSignature, Misuse, Unsupported
from .hpke import AES_128_GCM, CHACHA20_POLY1305, Aead, Hpke
from .kem import DhKemX25519, Rng, XWing, expand, extract

X25519_AES128 = 0x0001
"""MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519, mandatory to implement."""

X25519_CHACHA20 = 0x0003
"""MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519."""

HYBRID = 0xF0C1
"""X-Wing, ChaCha20-Poly1305, SHA-256, Ed25519, under a private-use code point: the IETF has not assigned one.

Interoperable only with a peer that agreed to the same code point (an accord names it).
"""

SIGNATURE_SIZE = 64
VERIFY_KEY_SIZE = 32


@dataclass(frozen=True)
class Suite:
    """One cipher suite and its derived functions."""

    code: int
    name: str
    hpke: Hpke
    hash_size: int = 32

    @property
    def aead(self) -> Aead:
        """The AEAD of messages; HPKE uses the same."""
        return self.hpke.aead

    # Hash, MAC, KDF (section 5.1)

    def hash(self, data: bytes) -> bytes:
        """SHA-256."""
        return hashlib.sha256(data).digest()

    def mac(self, key: bytes, data: bytes) -> bytes:
        """HMAC-SHA256."""
        return hmac.digest(key, data, "sha256")

    def extract(self, salt: bytes, ikm: bytes) -> bytes:
        """KDF.Extract."""
        return extract(salt, ikm)

    def expand_with_label(self, secret: bytes, label: bytes, context: bytes, length: int) -> bytes:
        """ExpandWithLabel (section 8)."""
        return expand(secret, u16(length) + opaque(b"MLS 1.0 " + label) + opaque(context), length)

    def derive_secret(self, secret: bytes, label: bytes) -> bytes:
        """DeriveSecret (section 8)."""
        return self.expand_with_label(secret, label, b"", self.hash_size)

    def derive_tree_secret(self, secret: bytes, label: bytes, generation: int, length: int) -> bytes:
        """DeriveTreeSecret (section 9.1)."""
        return self.expand_with_label(secret, label, generation.to_bytes(4, "big"), length)

    def ref_hash(self, label: bytes, value: bytes) -> bytes:
        """RefHash (section 5.2)."""
        return self.hash(opaque(label) + opaque(value))

    def key_package_ref(self, key_package: bytes) -> bytes:
        """MakeKeyPackageRef (section 5.2)."""
        return self.ref_hash(b"MLS 1.0 KeyPackage Reference", key_package)

    def proposal_ref(self, authenticated_content: bytes) -> bytes:
        """MakeProposalRef (section 5.2)."""
        return self.ref_hash(b"MLS 1.0 Proposal Reference", authenticated_content)

    # Signatures (section 5.1.2)

    def signature_public(self, seed: bytes) -> bytes:
        """The Ed25519 public key of a 32-octet seed."""
        return signing_key(seed)[32:]

    def sign(self, key: bytes, label: bytes, content: bytes) -> bytes:
        """SignWithLabel; ``key`` comes from ``signing_key``."""
        return crypto_sign(opaque(b"MLS 1.0 " + label) + opaque(content), key)[:SIGNATURE_SIZE]

    def verify(self, public: bytes, label: bytes, content: bytes, signature: bytes) -> None:
        """VerifyWithLabel, or raise BadSignature."""
        # MLS-05.1-02: key and signature have exactly Ed25519's lengths before anything is computed.
        if len(public) != VERIFY_KEY_SIZE or len(signature) != SIGNATURE_SIZE:
            raise BadSignature("signature or key of wrong length")
        try:
            crypto_sign_open(signature + opaque(b"MLS 1.0 " + label) + opaque(content), public)
        except BadSignatureError:
            # MLS-05.1-05: a signature verifies under the key that is claimed.
            raise BadSignature("signature does not verify") from None

    # Public-key encryption (section 5.1.3)

    def derive_key_pair(self, secret: bytes) -> tuple[bytes, bytes]:
        """KEM.DeriveKeyPair: ``(private, public)``."""
        return self.hpke.kem.derive_key_pair(secret)

    def encrypt_with_label(
        self, public: bytes, label: bytes, context: bytes, plaintext: bytes, rng: Rng
    ) -> tuple[bytes, bytes]:
        """EncryptWithLabel: ``(kem_output, ciphertext)``."""
        return self.hpke.seal(public, opaque(b"MLS 1.0 " + label) + opaque(context), b"", plaintext, rng)

    def decrypt_with_label(
        self, private: bytes, public: bytes | None, label: bytes, context: bytes, kem_output: bytes, ciphertext: bytes
    ) -> bytes:
        """DecryptWithLabel, or raise DecryptionFailed."""
        info = opaque(b"MLS 1.0 " + label) + opaque(context)
        return self.hpke.open(kem_output, private, info, b"", ciphertext, public)


def signing_key(seed: bytes) -> bytes:
    """The 64-octet form (seed and public key) that ``Suite.sign`` takes."""
    if len(seed) != 32:
        raise Misuse("an Ed25519 seed is 32 octets")
    return crypto_sign_seed_keypair(seed)[1]


def tags_equal(expected: bytes, given: bytes) -> bool:
    """Compare two tags: lengths first, then in constant time."""
    return len(expected) == len(given) and hmac.compare_digest(expected, given)


SUITES: dict[int, Suite] = {
    suite.code: suite
    for suite in (
        Suite(X25519_AES128, "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519", Hpke(DhKemX25519(), AES_128_GCM)),
        Suite(
            X25519_CHACHA20,
            "MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519",
            Hpke(DhKemX25519(), CHACHA20_POLY1305),
        ),
        Suite(HYBRID, "private: X-Wing, ChaCha20-Poly1305, SHA-256, Ed25519", Hpke(XWing(), CHACHA20_POLY1305)),
    )
}


def suite_of(code: int) -> Suite:
    """The suite of a code point that arrived from a peer, or raise Unsupported."""
    suite = SUITES.get(code)
    if suite is None:
        # MLS-05.1-06: the cipher suite is one that we have.
        raise Unsupported(f"cipher suite 0x{code:04x}")
    return suite
