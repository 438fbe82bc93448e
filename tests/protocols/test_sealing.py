"""Boxes: for those they are sealed to, for one entry, and for nobody else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.public import PrivateKey

from protocols.encoding import Malformed, b64u, to_json
from protocols.errors import ProtocolError
from protocols.sealing import NotForUs, open_box, seal_box
from tests.protocols.kit import counting_rng, seed

AAD = b'["hotline-body/v1","thread","declaration","station",1,"marks"]'
BODY = b'["disclosure"]'


def key(name: str) -> tuple[str, bytes]:
    private = seed(f"{name} seal")
    return b64u(bytes(PrivateKey(private).public_key)), private


def box(*names: str, body: bytes = BODY) -> bytes:
    return seal_box(body, [key(name)[0] for name in names], AAD, counting_rng())


def test_every_recipient_opens_it() -> None:
    sealed = box("MD", "AV", "KV")
    for name in ("MD", "AV", "KV"):
        assert open_box(sealed, *key(name), AAD).rstrip(b" ") == BODY


def test_nobody_else_opens_it() -> None:
    with pytest.raises(NotForUs):
        open_box(box("MD"), *key("HD"), AAD)
    with pytest.raises(NotForUs):
        open_box(box("MD"), key("MD")[0], key("HD")[1], AAD)


def test_it_fits_one_entry_only() -> None:
    with pytest.raises(NotForUs):
        open_box(box("MD"), *key("MD"), AAD.replace(b"1", b"2"))


def test_its_length_shows_in_steps_only() -> None:
    sizes = {len(box("MD", body=b"[" + b'"x",' * n + b'"x"]')) for n in range(40)}
    assert len(sizes) == 1


def test_each_box_has_a_fresh_key() -> None:
    rng = counting_rng()
    assert seal_box(BODY, [key("MD")[0]], AAD, rng) != seal_box(BODY, [key("MD")[0]], AAD, rng)


def test_what_was_sealed_to_one_cannot_be_passed_on_under_anothers_name() -> None:
    value = json.loads(box("MD"))
    value["to"] = {key("HD")[0]: value["to"][key("MD")[0]]}
    with pytest.raises(NotForUs):
        open_box(to_json(value), *key("HD"), AAD)


@pytest.mark.parametrize(
    "changes",
    [
        {"v": 2},
        {"to": []},
        {"to": {key("MD")[0]: 5}},
        {"nonce": "AA"},
        {"nonce": "!"},
        {"note": 1},
        {"ct": None},
        {"to": {str(n): "" for n in range(65)}},
    ],
)
def test_a_box_of_another_form_is_refused(changes: dict[str, Any]) -> None:
    value = {**json.loads(box("MD")), **changes}
    with pytest.raises((Malformed, NotForUs)):
        open_box(to_json(value), *key("MD"), AAD)


@settings(max_examples=60)
@given(st.integers(min_value=0), st.integers(0, 7))
def test_one_flipped_bit_does_not_open(place: int, bit: int) -> None:
    data = bytearray(box("MD"))
    data[place % len(data)] ^= 1 << bit
    with pytest.raises(ProtocolError):
        open_box(bytes(data), *key("MD"), AAD)


@given(st.binary(max_size=100))
def test_any_bytes_are_refused_with_a_documented_error(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        open_box(data, *key("MD"), AAD)


def test_a_weak_recipient_is_refused() -> None:
    with pytest.raises(ProtocolError):
        seal_box(BODY, [b64u(bytes(32))], AAD, counting_rng())
