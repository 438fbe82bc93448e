"""One text has one meaning, and one value has one text."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.encoding import (
    MAX_JSON_DEPTH,
    Malformed,
    b64u,
    digest,
    from_json,
    from_rfc3339,
    rfc3339,
    to_json,
    unb64u,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.binary())
def test_base64url_round_trips(data: bytes) -> None:
    assert unb64u(b64u(data), size=len(data)) == data


@given(st.text(max_size=12) | st.text("ABCDEFGHQgwkIMUYcosz048-_+/=", max_size=8))
def test_every_base64url_text_is_refused_or_the_only_one_for_its_bytes(text: str) -> None:
    try:
        data = unb64u(text)
    except Malformed:
        return
    assert b64u(data) == text


@pytest.mark.parametrize("text", ["A", "AA==", "AB", "A+", "A/", "AA\n", " AA", "AAé", "\ud800A"])
def test_padding_stray_bits_and_other_alphabets_are_refused(text: str) -> None:
    with pytest.raises(Malformed):
        unb64u(text)


def test_a_wrong_number_of_bytes_is_refused() -> None:
    with pytest.raises(Malformed, match="31 bytes where 32"):
        unb64u(b64u(bytes(31)), size=32)


def test_a_digest_is_43_characters() -> None:
    assert digest(b"") == "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"


@given(JSON)
def test_json_round_trips(value: object) -> None:
    try:
        data = to_json(value)
    except UnicodeEncodeError:
        return  # a lone surrogate has no UTF-8 form
    assert from_json(data) == value


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":2}',
        b'{"a":{"b":1,"b":1}}',
        b"1.0",
        b"1e3",
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b'"\\ud800"',
        b'{"\\udc00":1}',
        b'"\xff"',
        b"\xef\xbb\xbf{}",
        b"",
        b"{} {}",
        b"'a'",
        b"[1,]",
    ],
)
def test_json_with_two_readings_or_none_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        from_json(data)


@given(st.lists(st.sampled_from([b"[", b'{"a":']), min_size=0, max_size=2 * MAX_JSON_DEPTH))
def test_json_may_nest_so_deep_and_no_deeper(opening: list[bytes]) -> None:
    closing = b"".join(b"]" if each == b"[" else b"}" for each in reversed(opening))
    data = b"".join(opening) + b"1" + closing
    if len(opening) <= MAX_JSON_DEPTH:
        from_json(data)
        from_json(b"[" + b"[]," * MAX_JSON_DEPTH + b"1]")
    else:
        with pytest.raises(Malformed):
            from_json(data)


def test_json_that_is_too_deep_or_too_long_is_refused() -> None:
    deep = b"[" * (MAX_JSON_DEPTH + 2) + b"]" * (MAX_JSON_DEPTH + 2)
    with pytest.raises(Malformed):
        from_json(deep)
    with pytest.raises(Malformed):
        from_json(b"[" * 200_000)
    with pytest.raises(Malformed, match="at most 10"):
        from_json(b'"0123456789"', limit=10)


def test_a_number_of_many_digits_is_refused_and_not_computed() -> None:
    with pytest.raises(Malformed):
        from_json(b"9" * 5000)


@given(st.binary(max_size=40))
def test_any_bytes_are_json_or_malformed(data: bytes) -> None:
    try:
        from_json(data)
    except Malformed:
        return
    json.loads(data)


def test_floats_are_never_written() -> None:
    for value in (1.5, [1.0], {"a": {"b": 0.1}}, (0.5,)):
        with pytest.raises(ValueError, match="float"):
            to_json(value)


@given(st.integers(0, 253_402_300_799_999))
def test_times_round_trip_to_the_millisecond(ms: int) -> None:
    assert from_rfc3339(rfc3339(ms)) == ms


def test_whole_seconds_may_stand_without_a_fraction() -> None:
    assert from_rfc3339("2031-03-12T03:12:00Z") == from_rfc3339("2031-03-12T03:12:00.000Z") == 1_931_051_520_000


@pytest.mark.parametrize(
    "text",
    [
        "2031-03-12T03:12:00+00:00",
        "2031-03-12T03:12:00.1Z",
        "2031-03-12T03:12:00.000000Z",
        "2031-03-12 03:12:00Z",
        "2031-3-12T03:12:00Z",
        "2031-02-29T00:00:00Z",
        "2031-03-12T24:00:00Z",
        "2031-03-12T03:12:60Z",
        "2031-03-12t03:12:00z",
        "",
        "2031-03-12T03:12:00Z\n",
        "٢٠٣١-03-12T03:12:00Z",
    ],
)
def test_any_other_form_of_time_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        from_rfc3339(text)


@given(st.text(max_size=30))
def test_any_text_is_a_time_or_malformed(text: str) -> None:
    with contextlib.suppress(Malformed):
        from_rfc3339(text)
