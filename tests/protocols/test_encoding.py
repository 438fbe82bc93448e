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


def _by_the_book(data: bytes) -> object:
    """A second reader of strict JSON, slow and plain."""

    def pairs(found: list[tuple[str, object]]) -> dict[str, object]:
        if len({name for name, _ in found}) != len(found):
            raise ValueError("a name twice")
        return dict(found)

    def refuse(token: str) -> object:
        raise ValueError(token)

    def walk(value: object, depth: int) -> None:
        if depth > MAX_JSON_DEPTH:
            raise ValueError("too deep")
        if isinstance(value, dict):
            for name, item in value.items():
                name.encode("utf-8")
                walk(item, depth + 1)
        elif isinstance(value, list):
            for item in value:
                walk(item, depth + 1)
        elif isinstance(value, str):
            value.encode("utf-8")

    value = json.loads(data.decode("utf-8"), object_pairs_hook=pairs, parse_float=refuse, parse_constant=refuse)
    walk(value, 0)
    return value


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats() | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@given(_VALUES, st.booleans(), st.booleans(), st.data())
def test_what_is_read_quickly_is_what_a_slow_and_plain_reader_reads(
    value: object, compact: bool, ascii_only: bool, data: st.DataObject
) -> None:
    separators = (",", ":") if compact else None
    text = json.dumps(value, ensure_ascii=ascii_only, separators=separators).encode("utf-8", "surrogatepass")
    if data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(text)))
        put = data.draw(
            st.sampled_from([b"", b"0", b'"', b"\\", b"[", b"]", b'"a":1,', b"1", b".5", b"-", b" ", b"\xff"])
        )
        text = text[:place] + put + text[place + data.draw(st.integers(0, 2)) :]
    try:
        expected = _by_the_book(text)
    except (ValueError, RecursionError):
        with pytest.raises(Malformed):
            from_json(text)
        return
    found = from_json(text)
    assert found == expected and json.dumps(found) == json.dumps(expected), "the same values, of the same types"


@given(_VALUES)
def test_what_is_written_quickly_is_what_the_standard_library_writes(value: object) -> None:
    try:
        expected = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8")
    except ValueError:
        with pytest.raises(ValueError):
            to_json(value)
        return
    if any(isinstance(each, float) for each in _leaves(value)):
        with pytest.raises(ValueError):
            to_json(value)
        return
    assert to_json(value) == expected


def _leaves(value: object) -> list[object]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in _leaves(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in _leaves(item)]
    return [value]
