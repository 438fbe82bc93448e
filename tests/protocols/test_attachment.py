"""Sealing files in chunks: what was sealed opens, and whatever was changed on the way does not."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols import attachment
from protocols.attachment import (
    ATTACHMENTS,
    CHUNK,
    TAG,
    Attachment,
    AttachmentDamaged,
    AttachmentTooLarge,
    OpenStream,
    SealStream,
    clean_name,
    clean_type,
    parse_attachment,
    sealed_size,
)
from protocols.disclosure import make_body, reveal
from protocols.encoding import Malformed, b64u, digest
from protocols.kinds import KINDS, BadBody, check_fields, kind_of

THREAD = "T" * 22
SEALED_CHUNK = CHUNK + TAG


def sealed(plain: bytes, *, step: int = 100_000, thread: str = THREAD) -> tuple[bytes, Attachment]:
    stream = SealStream(secrets.token_bytes(32), thread)
    out = b"".join(stream.push(plain[at : at + step]) for at in range(0, len(plain), step))
    out += stream.end()
    return out, stream.attachment("plan.pdf", "application/pdf")


def opened(data: bytes, said: Attachment, *, step: int = 90_001, thread: str = THREAD) -> bytes:
    stream = OpenStream(said, thread)
    out = b"".join(stream.push(data[at : at + step]) for at in range(0, len(data), step))
    return out + stream.end()


@dataclass
class File:
    """Sealed once: sealing again for every example would only cost time."""

    plain: bytes
    data: bytes
    said: Attachment


_PLAIN = secrets.token_bytes(2 * CHUNK + 1000)
FILE = File(_PLAIN, *sealed(_PLAIN))


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 7])
def test_what_was_sealed_opens_whatever_its_length_and_however_it_came(size: int) -> None:
    plain = secrets.token_bytes(size)
    data, said = sealed(plain, step=65_536)
    assert len(data) == sealed_size(size) == said.sealed_size
    assert said.blob == digest(data) and said.hash == digest(plain) and said.size == size
    for step in (1 << 20, 4_099):
        assert opened(data, said, step=step) == plain


@given(at=st.integers(0, len(FILE.data) - 1), bit=st.integers(0, 7))
@settings(max_examples=40, deadline=None)
def test_no_changed_bit_opens(at: int, bit: int) -> None:
    data = bytearray(FILE.data)
    data[at] ^= 1 << bit
    with pytest.raises(AttachmentDamaged):
        opened(bytes(data), FILE.said)


@given(upto=st.one_of(st.sampled_from([0, TAG, SEALED_CHUNK, 2 * SEALED_CHUNK]), st.integers(0, len(FILE.data) - 1)))
@settings(max_examples=40, deadline=None)
def test_nothing_cut_short_opens_not_even_between_two_chunks(upto: int) -> None:
    with pytest.raises(AttachmentDamaged):
        opened(FILE.data[:upto], FILE.said)


@given(more=st.binary(min_size=1, max_size=2 * TAG), at=st.sampled_from([0, SEALED_CHUNK, len(FILE.data)]))
@settings(max_examples=30, deadline=None)
def test_nothing_with_bytes_added_opens(more: bytes, at: int) -> None:
    with pytest.raises(AttachmentDamaged):
        opened(FILE.data[:at] + more + FILE.data[at:], FILE.said)


@given(order=st.lists(st.integers(0, 2), max_size=5).filter(lambda order: order != [0, 1, 2]))
@settings(max_examples=60, deadline=None)
def test_chunks_swapped_repeated_or_left_out_do_not_open(order: list[int]) -> None:
    chunks = [FILE.data[at : at + SEALED_CHUNK] for at in range(0, len(FILE.data), SEALED_CHUNK)]
    with pytest.raises(AttachmentDamaged):
        opened(b"".join(chunks[number] for number in order), FILE.said)


def test_a_chunk_of_another_file_or_thread_does_not_open() -> None:
    other, _ = sealed(FILE.plain)
    with pytest.raises(AttachmentDamaged):
        opened(FILE.data[:SEALED_CHUNK] + other[SEALED_CHUNK:], FILE.said)
    with pytest.raises(AttachmentDamaged):
        opened(FILE.data, FILE.said, thread="U" * 22)


def test_a_sender_that_says_another_hash_or_size_than_it_sealed_is_found_out() -> None:
    for lie in ({"hash": b64u(b"h" * 32)}, {"size": FILE.said.size - 1}, {"size": FILE.said.size + 1}):
        with pytest.raises(AttachmentDamaged):
            opened(FILE.data, msgspec.structs.replace(FILE.said, **lie))


def test_a_file_that_is_too_large_is_refused_while_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachment, "MAX_ATTACHMENT", 1000)
    stream = SealStream(b"k" * 32, THREAD)
    stream.push(b"x" * 1000)
    with pytest.raises(AttachmentTooLarge):
        stream.push(b"x")


@pytest.mark.parametrize(
    "lie",
    [
        {"name": ""},
        {"name": "../x"},
        {"name": "a\u202efdp.exe"},
        {"name": "a\x00b"},
        {"name": " lead"},
        {"name": "x" * 121},
        {"type": "text"},
        {"type": "text/html; x"},
        {"size": -1},
        {"size": attachment.MAX_ATTACHMENT + 1},
        {"size": True},
        {"blob": "A" * 42},
        {"key": "!" * 43},
        {"hash": None},
        {"more": 1},
    ],
)
def test_a_field_that_is_no_attachment_is_refused_without_its_key_in_the_words(lie: dict[str, object]) -> None:
    value = {**msgspec.to_builtins(FILE.said), **lie}
    with pytest.raises(Malformed) as refused:
        parse_attachment(value)
    assert FILE.said.key not in str(refused.value)
    with pytest.raises(BadBody):
        check_fields(kind_of("statement"), {"text": "see the file", "attachment-1": value})


def test_each_attachment_is_a_field_of_its_own_that_can_be_shown_alone() -> None:
    other = sealed(b"another")[1]
    fields = {
        "text": "two files",
        "attachment-1": msgspec.to_builtins(FILE.said),
        "attachment-2": msgspec.to_builtins(other),
    }
    check_fields(kind_of("statement"), fields)
    body, digests = make_body(fields, secrets.token_bytes)
    shown = reveal([body.disclosures[2]], digests)
    assert list(shown) == ["attachment-2"] and parse_attachment(shown["attachment-2"]) == other


def test_one_file_twice_and_a_file_where_the_kind_takes_none_are_refused() -> None:
    one = msgspec.to_builtins(FILE.said)
    with pytest.raises(BadBody):
        check_fields(kind_of("statement"), {"text": "x", "attachment-1": one, "attachment-2": one})
    with pytest.raises(BadBody):
        check_fields(kind_of("acknowledgement"), {"attachment-1": one})
    assert all(set(ATTACHMENTS) <= set(KINDS[name].fields) for name in ("incident-notice", "statement", "close"))


@given(st.text(max_size=200), st.text(max_size=200))
@settings(max_examples=100, deadline=None)
def test_whatever_a_browser_calls_a_file_becomes_a_name_that_everybody_takes(name: str, type_: str) -> None:
    value = msgspec.structs.replace(FILE.said, name=clean_name(name), type=clean_type(type_))
    assert parse_attachment(msgspec.to_builtins(value)) == value


def test_names_keep_their_endings_and_lose_their_paths() -> None:
    assert clean_name("C:\\Users\\x\\plan.pdf") == "plan.pdf"
    assert clean_name("/etc/passwd") == "passwd"
    assert clean_name("a" * 200 + ".pdf") == "a" * 116 + ".pdf"
    assert clean_name("invoice\u202efdp.exe") == "invoicefdp.exe"
    assert clean_name("...") == "file" and clean_type("nonsense") == "application/octet-stream"
