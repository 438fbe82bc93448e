"""HPKE against the one in pyca/cryptography, both ways, and against bad input."""

from __future__ import annotations

import os

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from protocols.mls import DecryptionFailed, Malformed, Misuse, hpke_open, hpke_seal
from protocols.mls.hpke import AES_128_GCM, CHACHA20_POLY1305, Hpke
from protocols.mls.kem import _LOW_ORDER, DhKemX25519, XWing, expand
from tests.protocols.mls.harness import refuse

PRIVATE = bytes(range(32))


@pytest.mark.parametrize(
    ("ours", "theirs"), [(AES_128_GCM, AEAD.AES_128_GCM), (CHACHA20_POLY1305, AEAD.CHACHA20_POLY1305)]
)
def test_x25519_agrees_with_another_implementation(ours: object, theirs: AEAD) -> None:
    hpke, suite = Hpke(DhKemX25519(), ours), Suite(KEM.X25519, KDF.HKDF_SHA256, theirs)  # type: ignore[arg-type]
    public = hpke.kem.public_of(PRIVATE)
    enc, ciphertext = hpke.seal(public, b"info", b"", b"text", os.urandom)
    assert suite.decrypt(enc + ciphertext, X25519PrivateKey.from_private_bytes(PRIVATE), b"info") == b"text"
    sealed = suite.encrypt(b"text", X25519PublicKey.from_public_bytes(public), b"info")
    assert hpke.open(sealed[:32], PRIVATE, b"info", b"", sealed[32:]) == b"text"


def test_x_wing_agrees_with_another_implementation() -> None:
    hpke = Hpke(XWing(), CHACHA20_POLY1305)
    suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
    private, public = hpke.kem.derive_key_pair(b"input keying material")
    lattice, curve = XWing()._halves(private)
    assert isinstance(lattice, MLKEM768PrivateKey)
    theirs = MLKEM768X25519PrivateKey(lattice, X25519PrivateKey.from_private_bytes(curve))
    assert lattice.public_key().public_bytes_raw() == public[:1184]
    enc, ciphertext = hpke.seal(public, b"info", b"", b"text", os.urandom)
    assert suite.decrypt(enc + ciphertext, theirs, b"info") == b"text"
    their_public = MLKEM768X25519PublicKey(lattice.public_key(), X25519PublicKey.from_public_bytes(public[1184:]))
    sealed = suite.encrypt(b"text", their_public, b"info")
    assert hpke.open(sealed[:1120], private, b"info", b"", sealed[1120:]) == b"text"


@pytest.mark.parametrize("kem", [DhKemX25519(), XWing()])
def test_exported_secrets_agree(kem: object) -> None:
    hpke = Hpke(kem, CHACHA20_POLY1305)  # type: ignore[arg-type]
    private, public = hpke.kem.derive_key_pair(b"ikm")
    enc, secret = hpke.send_export(public, b"", b"label", 32, os.urandom)
    assert hpke.receive_export(enc, private, b"", b"label", 32) == secret
    assert hpke.receive_export(enc, private, b"", b"other", 32) != secret


def test_sealing_binds_info_and_associated_data() -> None:
    public = DhKemX25519().public_of(PRIVATE)
    sealed = hpke_seal(public, b"info", b"aad", b"text", os.urandom)
    assert hpke_open(PRIVATE, b"info", b"aad", sealed) == b"text"
    refuse(DecryptionFailed, lambda: hpke_open(PRIVATE, b"", b"aad", sealed))
    refuse(DecryptionFailed, lambda: hpke_open(PRIVATE, b"info", b"", sealed))
    refuse(DecryptionFailed, lambda: hpke_open(bytes(32), b"info", b"aad", sealed))
    for size in range(len(sealed)):
        refuse(DecryptionFailed, lambda n=size: hpke_open(PRIVATE, b"info", b"aad", sealed[:n]))


@pytest.mark.parametrize("point", sorted(_LOW_ORDER))
def test_points_of_low_order_are_refused(point: bytes) -> None:
    for key in (point, point[:31] + bytes([point[31] | 0x80])):
        refuse(Malformed, lambda k=key: hpke_seal(k, b"", b"", b"text", os.urandom))
        refuse(Malformed, lambda k=key: hpke_open(PRIVATE, b"", b"", k + bytes(32)))
        assert not DhKemX25519().valid_public(key)
        assert not XWing().valid_public(XWing().derive_key_pair(b"")[1][:1184] + key)


def test_keys_of_wrong_length_are_refused() -> None:
    refuse(Malformed, lambda: hpke_seal(b"", b"", b"", b"", os.urandom))
    refuse(Misuse, lambda: hpke_open(b"", b"", b"", bytes(64)))
    assert not XWing().valid_public(b"")
    assert not XWing().valid_public(b"\xff" * 1216)


def test_expansion_has_an_end() -> None:
    assert len(expand(PRIVATE, b"", 255 * 32)) == 255 * 32
    refuse(Misuse, lambda: expand(PRIVATE, b"", 255 * 32 + 1))
