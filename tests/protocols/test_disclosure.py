"""What a body commits to, what can be disclosed of it, and what cannot be slipped in."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.disclosure import (
    SALT_BYTES,
    SLOTS,
    DigestMismatch,
    body_to_bytes,
    check_digests,
    make_body,
    open_body,
    reveal,
)
from protocols.encoding import Malformed, b64u, digest, to_json
from protocols.errors import ProtocolError
from tests.protocols.kit import counting_rng

FIELDS = {"text": "Word for word.", "harm": {"beds": 1140, "areas": ["lab", "imaging"]}, "severity": "high"}


def disclosure(name: Any, value: Any, salt: bytes = bytes(SALT_BYTES)) -> str:
    return b64u(to_json([b64u(salt), name, value]))


def committed(*texts: str) -> list[str]:
    """Digests of the texts, padded and sorted as an entry's ``_sd`` is."""
    digests = [digest(text.encode()) for text in texts]
    digests += [digest(bytes([n])) for n in range(-len(digests) % SLOTS)]
    return sorted(digests)


@settings(max_examples=40)
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
            lambda n: n not in ("_sd", "...")
        ),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.integers(-(2**60), 2**60) | st.none(),
        max_size=17,
    )
)
def test_a_body_opens_to_the_fields_it_was_made_of(fields: dict[str, Any]) -> None:
    body, digests = make_body(fields, counting_rng())
    assert open_body(body_to_bytes(body), digests).fields == fields
    assert len(digests) % SLOTS == 0
    assert len(digests) >= SLOTS


@pytest.mark.parametrize(("fields", "slots"), [(0, 8), (1, 8), (7, 8), (8, 8), (9, 16)])
def test_decoys_hide_how_many_fields_there_are(fields: int, slots: int) -> None:
    _, digests = make_body({f"f{n}": n for n in range(fields)}, counting_rng())
    assert len(set(digests)) == slots
    assert list(digests) == sorted(digests)


def test_salts_are_fresh_and_256_bits() -> None:
    body, _ = make_body({"a": 1, "b": 1}, counting_rng())
    assert len(set(body.disclosures)) == 2
    again, _ = make_body({"a": 1}, counting_rng("other"))
    assert again.disclosures[0] != body.disclosures[0]


def test_one_field_is_proved_without_the_others() -> None:
    body, digests = make_body(FIELDS, counting_rng())
    assert reveal(body.disclosures[1:2], digests) == {"harm": FIELDS["harm"]}
    assert reveal((), digests) == {}


def test_a_disclosure_that_no_digest_refers_to_is_refused() -> None:
    body, digests = make_body(FIELDS, counting_rng())
    with pytest.raises(DigestMismatch, match="not committed"):
        reveal((*body.disclosures, disclosure("text", "something else")), digests)


def test_a_disclosure_that_stands_twice_is_refused() -> None:
    body, digests = make_body(FIELDS, counting_rng())
    with pytest.raises(DigestMismatch, match="twice"):
        reveal((body.disclosures[0], body.disclosures[0]), digests)


def test_two_disclosures_of_one_field_are_refused_although_both_are_committed_to() -> None:
    one, other = disclosure("text", "a", bytes(32)), disclosure("text", "b", b"\x01" * 32)
    with pytest.raises(DigestMismatch, match="twice"):
        reveal([one, other], committed(one, other))


def test_a_changed_value_is_refused() -> None:
    body, digests = make_body(FIELDS, counting_rng())
    text = body.disclosures[0]
    for changed in (text[:-1] + ("A" if text[-1] != "A" else "E"), text + "AAAA", text[1:]):
        with pytest.raises((DigestMismatch, Malformed)):
            reveal([changed], digests)


@pytest.mark.parametrize(
    "bad",
    [
        disclosure("text", "a", bytes(31)),
        disclosure("text", "a", bytes(33)),
        disclosure("", "a"),
        disclosure("_sd", "a"),
        disclosure("...", "a"),
        disclosure(5, "a"),
        b64u(to_json([b64u(bytes(32)), "text"])),
        b64u(to_json([b64u(bytes(32)), "text", 1, 2])),
        b64u(to_json({"salt": "a"})),
        b64u(b'["' + b64u(bytes(32)).encode() + b'","text",1.5]'),
        "not base64url!",
        "é",
        "",
    ],
)
def test_disclosures_of_another_form_are_refused_although_committed_to(bad: str) -> None:
    with pytest.raises(Malformed):
        reveal([bad], committed(bad))


def test_digest_lists_of_another_form_are_refused() -> None:
    _, digests = make_body(FIELDS, counting_rng())
    for bad in (
        digests[:-1],
        tuple(reversed(digests)),
        (*digests[:-1], digests[0]),
        (*digests, *digests),
        (*digests[:-1], "zz"),
        (*digests[:-1], digests[-1][:-1]),
    ):
        with pytest.raises(Malformed):
            check_digests(bad)


def test_an_entry_without_a_body_has_no_digests() -> None:
    check_digests(())
    with pytest.raises(DigestMismatch):
        reveal([disclosure("text", 1)], ())


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b'["a",null]', b"\xff", b'[["a"]]'])
def test_a_body_of_another_form_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        open_body(data, ())


def test_a_body_that_is_too_large_is_refused_before_it_is_sealed() -> None:
    body, _ = make_body({"text": "x" * 300_000}, counting_rng())
    with pytest.raises(Malformed, match="attachment"):
        body_to_bytes(body)


@given(st.binary(max_size=100), st.lists(st.text(max_size=50), max_size=9))
def test_any_bytes_are_refused_with_a_documented_error(data: bytes, digests: list[str]) -> None:
    with contextlib.suppress(ProtocolError):
        assert open_body(data, digests).fields == {}
