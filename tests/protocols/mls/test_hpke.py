"""HPKE against the one in pyca/cryptography, both ways, and against bad input."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
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
    """Breaks MLS-05.1-07."""
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
    """Breaks MLS-05.1-01."""
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


ANSWERS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "x_wing.json").read_text())


@pytest.mark.parametrize("case", ANSWERS["derive"])
def test_x_wing_keys_are_derived_as_another_implementation_derives_them(case: dict[str, str]) -> None:
    private, public = XWing().derive_key_pair(bytes.fromhex(case["ikm"]))
    assert private.hex() == case["seed"]
    assert public.hex() == next(answer["public"] for answer in ANSWERS["kem"] if answer["seed"] == case["seed"])


@pytest.mark.parametrize("case", ANSWERS["kem"])
def test_x_wing_gives_the_known_answers_of_another_implementation(case: dict[str, str]) -> None:
    seed, public, enc = (bytes.fromhex(case[name]) for name in ("seed", "public", "enc"))
    assert XWing().public_of(seed) == public
    assert XWing().decap(enc, seed, public).hex() == case["secret"]
    assert XWing().decap(enc, seed, None).hex() == case["secret"]


def test_x_wing_follows_its_draft_step_by_step() -> None:
    """Written out from draft-connolly-cfrg-xwing-kem with pyca/cryptography alone, to stand beside our code."""
    seed = hashlib.sha256(b"seed").digest()
    shake = hashes.Hash(hashes.SHAKE256(96))
    shake.update(seed)
    expanded = shake.finalize()
    lattice, curve = (
        MLKEM768PrivateKey.from_seed_bytes(expanded[:64]),
        X25519PrivateKey.from_private_bytes(expanded[64:]),
    )
    curve_public = curve.public_key().public_bytes_raw()
    assert XWing().public_of(seed) == lattice.public_key().public_bytes_raw() + curve_public
    secret, enc = XWing().encap(XWing().public_of(seed), os.urandom)
    shared = curve.exchange(X25519PublicKey.from_public_bytes(enc[1088:]))
    combined = hashes.Hash(hashes.SHA3_256())
    combined.update(lattice.decapsulate(enc[:1088]) + shared + enc[1088:] + curve_public + b"\\.//^\\")
    assert combined.finalize() == secret


def test_an_encapsulation_that_is_no_x_wing_one_is_refused() -> None:
    """Breaks MLS-05.1-08, MLS-05.1-09."""
    private, public = XWing().derive_key_pair(PRIVATE)
    hpke = Hpke(XWing(), CHACHA20_POLY1305)
    _, enc = XWing().encap(public, os.urandom)
    for size in (0, 32, 1088, 1119):
        refuse(Malformed, lambda n=size: XWing().decap(enc[:n], private, public))
        refuse(DecryptionFailed, lambda n=size: hpke.open(enc[:n], private, b"", b"", bytes(16)))
        refuse(DecryptionFailed, lambda n=size: hpke.receive_export(enc[:n], private, b"", b"", 32))
    refuse(Malformed, lambda: XWing().decap(enc[:1088] + bytes(32), private, public))
    refuse(Malformed, lambda: XWing().encap(public[:1184] + bytes(32), os.urandom))
    refuse(Malformed, lambda: XWing().encap(b"\xff" * 1184 + public[1184:], os.urandom))
    refuse(Malformed, lambda: XWing().encap(public[:-1], os.urandom))
    refuse(Malformed, lambda: hpke.send_export(public[:-1], b"", b"", 32, os.urandom))
    refuse(Misuse, lambda: XWing().public_of(b""))
