"""Ed25519 keys: which are usable, how they are named, what they sign."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.encoding import Malformed, b64u
from protocols.keys import BadKey, BadSignature, SeedSigner, check_public, kid_of, public_from, verify
from tests.protocols.kit import seed, signer

# Points of small order (RFC 8032 arithmetic; the list is in libsodium too) and encodings that are not canonical.
WEAK = [
    bytes(32),
    b"\x01" + bytes(31),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    bytes.fromhex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    b"\xff" * 32,
]


def test_a_key_is_named_by_its_rfc_7638_thumbprint() -> None:
    # RFC 8037 appendix A.3
    public = public_from("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
    assert kid_of(public) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_signatures_are_those_of_rfc_8037() -> None:
    # RFC 8037 appendix A.4, the header and payload of the example
    signed = SeedSigner(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
    text = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
    assert b64u(signed.sign(text)) == (
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    )


@pytest.mark.parametrize("public", WEAK, ids=lambda key: key.hex()[:8])
def test_weak_and_non_canonical_points_are_no_keys(public: bytes) -> None:
    with pytest.raises(BadKey):
        check_public(public)
    with pytest.raises(BadKey):
        public_from(b64u(public))


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_key_has_32_bytes(length: int) -> None:
    with pytest.raises(BadKey):
        check_public(bytes(length))
    with pytest.raises(Malformed):
        public_from(b64u(bytes(length)))


@given(st.binary(max_size=80))
def test_any_bytes_as_a_signature_are_refused(data: bytes) -> None:
    with pytest.raises(BadSignature):
        verify(signer("a").public, b"text", data)


@settings(max_examples=30)
@given(st.integers(0, 511), st.binary(min_size=1, max_size=30))
def test_one_flipped_bit_of_a_signature_or_text_is_refused(bit: int, text: bytes) -> None:
    made = bytearray(signer("a").sign(text))
    verify(signer("a").public, text, bytes(made))
    made[bit // 8] ^= 1 << bit % 8
    with pytest.raises(BadSignature):
        verify(signer("a").public, text, bytes(made))
    with pytest.raises(BadSignature):
        verify(signer("a").public, text + b"!", signer("a").sign(text))


def test_a_signature_by_another_key_is_refused() -> None:
    with pytest.raises(BadSignature):
        verify(signer("b").public, b"text", signer("a").sign(b"text"))


def test_a_signature_with_s_above_the_group_order_is_refused() -> None:
    made = signer("a").sign(b"text")
    order = 2**252 + 27742317777372353535851937790883648493
    high = int.from_bytes(made[32:], "little") + order
    with pytest.raises(BadSignature):
        verify(signer("a").public, b"text", made[:32] + high.to_bytes(32, "little"))


def test_a_signer_shows_its_name_and_not_its_seed() -> None:
    secret = seed("a")
    shown = repr(SeedSigner(secret))
    assert SeedSigner(secret).kid in shown
    assert b64u(secret) not in shown
    assert secret.hex() not in shown
