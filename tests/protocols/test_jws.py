"""JWS in general JSON serialization: one object has one text, one algorithm, and roles that cannot be swapped."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import jws
from protocols.encoding import Malformed, b64u, to_json
from protocols.errors import ProtocolError
from protocols.keys import BadSignature
from tests.protocols.kit import signer

PAYLOAD = b64u(b'{"hello":"world"}')
LIMIT = 65_535


def make(role: str = "station", **extra: Any) -> jws.Jws:
    return jws.Jws(PAYLOAD, (jws.sign(PAYLOAD, signer("a"), typ="test+jws", role=role, **extra),))


def with_header(header: Any) -> bytes:
    """A JWS whose protected header is ``header``, correctly signed over it."""
    protected = b64u(header if isinstance(header, bytes) else to_json(header))
    signature = signer("a").sign(jws.signing_input(protected, PAYLOAD))
    return to_json({"payload": PAYLOAD, "signatures": [{"protected": protected, "signature": b64u(signature)}]})


def header(**changes: Any) -> dict[str, Any]:
    return {"alg": "Ed25519", "kid": signer("a").kid, "typ": "test+jws", "role": "station", **changes}


def test_what_was_signed_is_read_back_and_verifies() -> None:
    made = make(at=5)
    found = jws.parse(made.to_bytes(), limit=LIMIT)
    assert found == made
    signature = found.by_role("station")
    assert signature is not None
    assert signature.extra == {"at": 5}
    signature.check(found.payload, signer("a").public)
    assert found.by_role("hub") is None


def test_the_signing_input_is_that_of_rfc_7515() -> None:
    assert jws.signing_input("abc", "def") == b"abc.def"


@pytest.mark.parametrize(
    "alg", ["EdDSA", "none", "None", "HS256", "ES256", "ed25519", "Ed448", "", None, 1, ["Ed25519"]]
)
def test_only_the_fully_specified_algorithm_name_is_taken(alg: Any) -> None:
    with pytest.raises(BadSignature):
        jws.parse(with_header(header(alg=alg)), limit=LIMIT)


@pytest.mark.parametrize(
    "changed",
    [
        header(crit=["b64"]),
        header(b64=False),
        header(kid=5),
        header(role=None),
        {"kid": "x", "alg": "Ed25519", "typ": "t", "role": "r"},
        {"alg": "Ed25519", "kid": "x", "typ": "t"},
        [],
        "text",
        b'{"alg":"Ed25519","alg":"Ed25519","kid":"x","typ":"t","role":"r"}',
        b"not json",
    ],
    ids=str,
)
def test_headers_of_another_form_are_refused(changed: Any) -> None:
    with pytest.raises(Malformed):
        jws.parse(with_header(changed), limit=LIMIT)


def test_header_members_beside_the_four_must_be_expected_by_the_caller() -> None:
    found = jws.parse(with_header(header(jku="https://evil.example")), limit=LIMIT)
    assert found.signatures[0].extra == {"jku": "https://evil.example"}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps,
        lambda value: json.dumps(value, separators=(",", ":"), sort_keys=False).replace("payload", "p\\u0061yload"),
        lambda value: json.dumps(value, separators=(",", ":")) + "\n",
        lambda value: json.dumps(dict(reversed(value.items())), separators=(",", ":")),
        lambda value: json.dumps({**value, "header": {}}, separators=(",", ":")),
        lambda value: json.dumps({"payload": value["payload"], "signatures": []}, separators=(",", ":")),
        lambda value: json.dumps({**value, "signatures": value["signatures"] * 2}, separators=(",", ":")),
        lambda value: json.dumps({**value, "signatures": value["signatures"] * 41}, separators=(",", ":")),
        lambda value: json.dumps({**value, "signatures": {}}, separators=(",", ":")),
        lambda value: json.dumps({**value, "signatures": [[]]}, separators=(",", ":")),
        lambda value: json.dumps({**value, "payload": 5}, separators=(",", ":")),
        lambda value: json.dumps({**value, "payload": value["payload"] + "="}, separators=(",", ":")),
        lambda value: json.dumps([value], separators=(",", ":")),
    ],
)
def test_any_other_text_for_the_same_object_is_refused(text: Any) -> None:
    value = json.loads(make().to_bytes())
    with pytest.raises((Malformed, BadSignature)):
        jws.parse(text(value).encode(), limit=LIMIT)


def test_an_object_over_the_limit_is_refused_unread() -> None:
    data = make().to_bytes()
    with pytest.raises(Malformed, match="at most"):
        jws.parse(data, limit=len(data) - 1)


def test_a_role_stands_once_unless_the_form_says_otherwise() -> None:
    two = make().with_signature(jws.sign(PAYLOAD, signer("b"), typ="test+jws", role="station"))
    with pytest.raises(Malformed, match="twice"):
        jws.parse(two.to_bytes(), limit=LIMIT)
    assert len(jws.parse(two.to_bytes(), limit=LIMIT, unique_roles=False).signatures) == 2


def test_a_signature_cannot_be_passed_off_in_another_role() -> None:
    signature = make().signatures[0]
    other = jws.sign(PAYLOAD, signer("a"), typ="test+jws", role="officer")
    swapped = jws.Signature(other.protected, signature.signature, signature.kid, "test+jws", "officer", {})
    with pytest.raises(BadSignature):
        swapped.check(PAYLOAD, signer("a").public)


def test_reserved_header_names_cannot_be_given_as_extra() -> None:
    with pytest.raises(ValueError, match="reserved"):
        jws.sign(PAYLOAD, signer("a"), typ="t", role="r", alg="none")


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_refused_with_a_documented_error(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        jws.parse(data, limit=LIMIT)


@given(st.integers(0, 8 * len(make().to_bytes()) - 1))
def test_one_flipped_bit_never_verifies(bit: int) -> None:
    data = bytearray(make().to_bytes())
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises((Malformed, BadSignature)):
        found = jws.parse(bytes(data), limit=LIMIT)
        found.signatures[0].check(found.payload, signer("a").public)
