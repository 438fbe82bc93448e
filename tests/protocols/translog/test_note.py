"""Signed notes and verifier keys: what is accepted, and the many things that are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.translog import (
    Ed25519Verifier,
    KeyKind,
    KeyMalformed,
    NoKnownSignature,
    NoteMalformed,
    NoteSignature,
    SignatureRefused,
    TranslogError,
    VerifierKey,
    add_signatures,
    ed25519_cosigner,
    ed25519_signer,
    format_note,
    format_vkey,
    mldsa44_cosigner,
    open_note,
    parse_note,
    parse_vkey,
    sign_note,
)
from tests.protocols.translog.kit import flips

ALICE = ed25519_signer("alice.example", bytes([1]) * 32)
BOB = ed25519_signer("bob.example", bytes([2]) * 32)
TEXT = "first line\n\nafter an empty line\n"
NOTE = sign_note(TEXT, [ALICE, BOB])
KNOWN = [Ed25519Verifier(ALICE.key)]


def test_a_note_opens_and_tells_known_signatures_from_unknown_ones() -> None:
    opened = open_note(NOTE, KNOWN)
    assert opened.text == TEXT
    assert [each.name for each in opened.good] == ["alice.example"]
    assert [each.name for each in opened.unknown] == ["bob.example"]


def test_bytes_and_text_are_the_same_note() -> None:
    assert open_note(NOTE.encode(), KNOWN) == open_note(NOTE, KNOWN)


def test_a_note_survives_a_round_trip() -> None:
    parsed = parse_note(NOTE)
    assert format_note(parsed.text, parsed.signatures) == NOTE


@given(st.lists(st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), max_size=40), max_size=6))
def test_any_text_of_whole_lines_can_be_signed_and_opened(lines: list[str]) -> None:
    text = "".join(f"{line}\n" for line in [*lines, "end"])
    assert open_note(sign_note(text, [ALICE]), KNOWN).text == text


def test_a_repeated_line_counts_once() -> None:
    parsed = parse_note(NOTE)
    again = add_signatures(NOTE, parsed.signatures[:1])
    assert len(open_note(again, KNOWN).good) == 1


def test_a_false_repetition_of_a_known_line_voids_the_note() -> None:
    first = parse_note(NOTE).signatures[0]
    with pytest.raises(SignatureRefused):
        open_note(add_signatures(NOTE, [NoteSignature(first.name, first.key_id, bytes(64))]), KNOWN)


def test_a_line_by_an_unknown_key_may_be_anything() -> None:
    odd = NoteSignature("alice.example", b"\0\0\0\0", b"!")
    assert open_note(add_signatures(NOTE, [odd]), KNOWN).unknown[-1] == odd


def test_a_note_that_nobody_known_signed_is_refused() -> None:
    with pytest.raises(NoKnownSignature):
        open_note(NOTE, [])


def test_the_name_alone_does_not_make_a_key_known() -> None:
    impostor = ed25519_signer("alice.example", bytes([3]) * 32)
    with pytest.raises(NoKnownSignature):
        open_note(sign_note(TEXT, [impostor]), KNOWN)


def test_every_single_bit_change_of_a_note_is_refused() -> None:
    note = sign_note("a short text\n", [ALICE]).encode()
    for changed in flips(note):
        with pytest.raises(TranslogError):
            open_note(changed, KNOWN)


@pytest.mark.parametrize(
    ("note", "why"),
    [
        (b"", "newline"),
        (b"text\n", "empty line"),
        (b"text\n\n", "signature line"),
        (NOTE.encode()[:-1], "newline"),
        (b"\xff" + NOTE.encode(), "UTF-8"),
        ("\ud800" + NOTE, "UTF-8"),
        (NOTE.replace("\n", "\r\n"), "control"),
        (NOTE.replace("first", "fi\trst"), "control"),
        (NOTE.replace("first", "fi\0rst"), "control"),
        (NOTE + "another line\n", "not a signature line"),
        (NOTE.replace("— alice", "- alice"), "not a signature line"),
        (NOTE.replace("— alice", "—  alice"), "not a signature line"),
        (NOTE.replace("— alice", "—\u00a0alice"), "not a signature line"),
        (NOTE.replace("alice.example", "alice+example"), "not a signature line"),
        (NOTE.replace("alice.example", "alice\u2003example"), "not a signature line"),
        (NOTE.replace("alice.example ", ""), "not a signature line"),
        ("text\n\n— alice.example AAAA\n", "short"),
        ("text\n\n— alice.example AAAAAA==\n", "short"),
        ("text\n\n— alice.example AAAAAAA\n", "base64"),
        ("text\n\n— alice.example AAAA AAAA\n", "not a signature line"),
        ("text\n\n— alice.example AAAA-_AA\n", "base64"),
        ("text\n\n— bob.example AAAAAAAB\n— carol.example AAAAAAF=\n", "stray bits"),
        ("text\n\n" + "— bob.example AAAAAAAA\n" * 101, "more than 100"),
        ("x" * (512 * 1024) + NOTE, "more than"),
    ],
)
def test_a_malformed_note_is_refused(note: str | bytes, why: str) -> None:
    with pytest.raises(NoteMalformed, match=why):
        open_note(note, KNOWN)


def test_stray_base64_bits_in_a_known_signature_refuse_it() -> None:
    line = parse_note(NOTE).signatures[0].line
    assert line.endswith("=\n")
    other = line[:-3] + chr(ord(line[-3]) + 1) + "=\n"
    assert parse_note(NOTE.replace(line, other)).signatures[0].canonical is False
    with pytest.raises(SignatureRefused):
        open_note(NOTE.replace(line, other), KNOWN)


def test_a_hundred_signatures_are_accepted() -> None:
    lines = [NoteSignature("bob.example", bytes([0, 0, 0, each]), b"x") for each in range(99)]
    assert len(open_note(add_signatures(sign_note(TEXT, [ALICE]), lines), KNOWN).unknown) == 99


def test_two_keys_of_one_identity_are_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="two keys"):
        open_note(NOTE, [Ed25519Verifier(ALICE.key), Ed25519Verifier(ALICE.key)])


@pytest.mark.parametrize("text", ["", "no newline", "tab\there\n", "carriage\r\n"])
def test_a_text_that_cannot_be_a_note_is_not_signed(text: str) -> None:
    with pytest.raises(ValueError, match="newline"):
        sign_note(text, [ALICE])


def test_a_cosigner_does_not_sign_notes_and_nobody_is_not_a_signer() -> None:
    with pytest.raises(ValueError, match="cosigns"):
        sign_note(TEXT, [ed25519_cosigner("w.example", bytes(32))])
    with pytest.raises(ValueError, match="at least one"):
        sign_note(TEXT, [])
    with pytest.raises(ValueError, match="key for"):
        Ed25519Verifier(ed25519_cosigner("w.example", bytes(32)).key)


# ------------------------------------------------------------------------------------------------------ vkeys


@pytest.mark.parametrize(
    "key",
    [ALICE.key, ed25519_cosigner("w.example/x", bytes(32)).key, mldsa44_cosigner("w.example", bytes(32)).key],
    ids=lambda key: key.kind.name,
)
def test_a_vkey_survives_a_round_trip(key: VerifierKey) -> None:
    assert parse_vkey(format_vkey(key)) == parse_vkey(key.vkey) == key


@given(st.binary(min_size=32, max_size=32))
def test_any_key_that_a_seed_makes_is_accepted_even_with_a_plus_in_its_base64(seed: bytes) -> None:
    key = ed25519_signer("any.example", seed).key
    assert parse_vkey(key.vkey) == key


def test_every_single_bit_change_of_a_vkey_is_refused_or_is_another_name() -> None:
    for changed in flips(ALICE.key.vkey.encode()):
        try:
            text = changed.decode()
        except UnicodeError:
            continue
        with pytest.raises(KeyMalformed):
            parse_vkey(text)


def test_a_vkey_in_another_spelling_is_refused() -> None:
    name, key_id, encoded = ALICE.key.vkey.split("+", 2)
    for text in (
        f" {ALICE.key.vkey}",
        f"{ALICE.key.vkey}\n",
        f"{name}+{key_id.upper()}+{encoded}",
        f"{name}+{key_id[:-1]}+{encoded}",
        f"{name}+{key_id}+{encoded.rstrip('=')}x",
        f"+{key_id}+{encoded}",
        f"{name} x+{key_id}+{encoded}",
        f"{name}+{key_id}",
        f"{name}+{key_id}+",
        "",
        "\ud800+00000000+AQ==",
    ):
        with pytest.raises(KeyMalformed):
            parse_vkey(text)


@pytest.mark.parametrize(
    "point",
    [
        bytes(32),  # order 4
        bytes([1]) + bytes(31),  # the neutral element
        bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),  # order 8
        bytes.fromhex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),  # second spelling of 1
        bytes.fromhex("ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"),
    ],
)
def test_a_key_that_would_verify_anything_cannot_be_enrolled(point: bytes) -> None:
    for kind in (KeyKind.ED25519, KeyKind.COSIGNATURE_ED25519):
        with pytest.raises(KeyMalformed):
            VerifierKey("weak.example", kind, point)


def test_a_key_of_the_wrong_length_cannot_be_enrolled() -> None:
    for kind in KeyKind:
        with pytest.raises(KeyMalformed):
            VerifierKey("short.example", kind, bytes(31))


def test_every_refusal_has_a_stable_code_and_a_sentence_for_people() -> None:
    def tree(kind: type[TranslogError]) -> list[type[TranslogError]]:
        return [kind, *(each for child in kind.__subclasses__() for each in tree(child))]

    kinds = tree(TranslogError)
    assert len({kind.code for kind in kinds}) == len({kind().sentence for kind in kinds}) == len(kinds)
    assert all(kind.code.startswith("translog.") and kind().sentence.endswith(".") for kind in kinds)
