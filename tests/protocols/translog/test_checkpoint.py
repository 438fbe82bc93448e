"""Checkpoints and cosignatures."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.translog import (
    Checkpoint,
    CheckpointMalformed,
    CosignatureVerifier,
    NoKnownSignature,
    NoteMalformed,
    NoteSignature,
    SignatureRefused,
    Signer,
    TranslogError,
    VerifierKey,
    add_signatures,
    cosign,
    cosigned_message,
    ed25519_signer,
    format_checkpoint,
    note_digest,
    open_checkpoint,
    open_cosigned,
    parse_checkpoint,
    parse_note,
    read_cosignatures,
    sign_checkpoint,
    sign_note,
    verify_cosignature,
)
from tests.protocols.translog.kit import LOG, ORIGIN, PQ_WITNESS, WITNESSES, flips

CHECKPOINT = Checkpoint(ORIGIN, 42, bytes(range(32)))
KINDS = [WITNESSES[0], PQ_WITNESS]
both_kinds = pytest.mark.parametrize("witness", KINDS, ids=["ed25519", "mldsa44"])


@given(st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_a_checkpoint_survives_a_round_trip(size: int, root: bytes) -> None:
    checkpoint = Checkpoint(ORIGIN, size, root)
    assert parse_checkpoint(format_checkpoint(checkpoint)) == checkpoint
    assert open_checkpoint(sign_checkpoint(checkpoint, LOG), LOG.key) == checkpoint


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"{ORIGIN}\n42\n",
        CHECKPOINT.text[:-1],
        CHECKPOINT.text + "an extension line\n",
        CHECKPOINT.text + "\n",
        CHECKPOINT.text.replace("42", "042"),
        CHECKPOINT.text.replace("42", "+42"),
        CHECKPOINT.text.replace("42", " 42"),
        CHECKPOINT.text.replace("42", "-1"),
        CHECKPOINT.text.replace("42", "4_2"),
        CHECKPOINT.text.replace("42", "٤٢"),
        CHECKPOINT.text.replace("42", ""),
        CHECKPOINT.text.replace("42", str(2**63)),
        CHECKPOINT.text.replace("42", "9" * 5000),
        CHECKPOINT.text.replace(ORIGIN, ""),
        CHECKPOINT.text.replace("=\n", "\n"),
        f"{ORIGIN}\n42\nAAAA\n",
        CHECKPOINT.text.replace("Hh8=", "Hh9="),
        CHECKPOINT.text.replace("\n", "\r\n"),
    ],
)
def test_a_text_in_any_other_form_is_not_a_checkpoint(text: str) -> None:
    with pytest.raises(CheckpointMalformed):
        parse_checkpoint(text)


def test_a_log_speaks_only_for_its_own_origin() -> None:
    other = ed25519_signer("other.example", bytes([8]) * 32)
    with pytest.raises(ValueError, match="cannot sign for"):
        sign_checkpoint(CHECKPOINT, other)
    with pytest.raises(CheckpointMalformed, match="signed by other"):
        open_checkpoint(sign_note(CHECKPOINT.text, [other]), other.key)
    with pytest.raises(NoKnownSignature):
        open_checkpoint(sign_checkpoint(CHECKPOINT, LOG), other.key)


@both_kinds
def test_a_cosignature_carries_its_time_and_verifies(witness: Signer) -> None:
    line = cosign(CHECKPOINT, witness, 1_700_000_000)
    found = verify_cosignature(CHECKPOINT, line, witness.key)
    assert (found.key, found.time) == (witness.key, 1_700_000_000)


@both_kinds
def test_a_cosignature_holds_for_one_checkpoint_one_time_and_one_key_only(witness: Signer) -> None:
    line = cosign(CHECKPOINT, witness, 1000)
    for other in (
        Checkpoint("other.example", 42, CHECKPOINT.root),
        Checkpoint(ORIGIN, 43, CHECKPOINT.root),
        Checkpoint(ORIGIN, 42, bytes(32)),
    ):
        with pytest.raises(SignatureRefused):
            verify_cosignature(other, line, witness.key)
    later = NoteSignature(line.name, line.key_id, struct.pack(">Q", 1001) + line.signature[8:])
    with pytest.raises(SignatureRefused):
        verify_cosignature(CHECKPOINT, later, witness.key)
    with pytest.raises(SignatureRefused):
        verify_cosignature(CHECKPOINT, line, WITNESSES[1].key)


@pytest.mark.parametrize(("witness", "step"), [(WITNESSES[0], 1), (PQ_WITNESS, 97)], ids=["ed25519", "mldsa44"])
def test_a_bit_change_of_a_cosignature_is_refused(witness: Signer, step: int) -> None:
    line = cosign(CHECKPOINT, witness, 1000)
    for changed in flips(line.signature, step):
        with pytest.raises(SignatureRefused):
            verify_cosignature(CHECKPOINT, NoteSignature(line.name, line.key_id, changed), witness.key)


@both_kinds
def test_a_line_under_another_name_or_with_stray_bits_is_refused_though_its_signature_is_good(witness: Signer) -> None:
    line = cosign(CHECKPOINT, witness, 1000)
    renamed = VerifierKey("other.example", witness.key.kind, witness.key.public_key)
    for changed in (
        replace(line, name="other.example"),
        replace(line, key_id=renamed.key_id),
        replace(line, canonical=False),
    ):
        with pytest.raises(SignatureRefused, match="not a line by"):
            verify_cosignature(CHECKPOINT, changed, witness.key)


def test_only_the_post_quantum_kind_binds_the_name() -> None:
    assert cosigned_message(WITNESSES[0].key, CHECKPOINT, 5) == cosigned_message(WITNESSES[1].key, CHECKPOINT, 5)
    assert cosigned_message(WITNESSES[0].key, CHECKPOINT, 5) == b"cosignature/v1\ntime 5\n" + CHECKPOINT.text.encode()
    assert cosigned_message(PQ_WITNESS.key, CHECKPOINT, 5) == (
        b"subtree/v1\n\0"
        + b"\x0aw9.example"
        + bytes(7)
        + b"\x05"
        + bytes([len(ORIGIN)])
        + ORIGIN.encode()
        + bytes(8)
        + bytes(7)
        + b"\x2a"
        + CHECKPOINT.root
    )


@both_kinds
@pytest.mark.parametrize("time", [0, -1, 2**63])
def test_a_cosignature_without_a_possible_time_is_neither_made_nor_accepted(witness: Signer, time: int) -> None:
    with pytest.raises(ValueError, match="cannot carry"):
        cosign(CHECKPOINT, witness, time)
    if time >= 0:
        raw = struct.pack(">Q", time) + bytes(64 if witness is WITNESSES[0] else 2420)
        with pytest.raises(SignatureRefused):
            verify_cosignature(CHECKPOINT, NoteSignature(witness.key.name, witness.key.key_id, raw), witness.key)


def test_a_log_key_does_not_cosign() -> None:
    with pytest.raises(ValueError, match="cannot cosign"):
        cosign(CHECKPOINT, LOG, 1000)
    with pytest.raises(ValueError, match="not for cosignatures"):
        CosignatureVerifier(LOG.key)


def test_names_too_long_for_the_post_quantum_form_are_refused_not_cut() -> None:
    long = Checkpoint("o" * 256, 1, bytes(32))
    with pytest.raises(CheckpointMalformed, match="255"):
        cosign(long, PQ_WITNESS, 1000)


def test_a_cosigned_note_opens_with_times_and_ignores_strangers() -> None:
    note = sign_checkpoint(CHECKPOINT, LOG)
    note = add_signatures(note, [cosign(CHECKPOINT, signer, 1000 + at) for at, signer in enumerate(WITNESSES)])
    opened = open_cosigned(note, LOG.key, [WITNESSES[0].key, WITNESSES[2].key])
    assert opened.checkpoint == CHECKPOINT
    assert [(each.key.name, each.time) for each in opened.cosignatures] == [("w0.example", 1000), ("w2.example", 1002)]
    assert opened.digest == note_digest(note) == note_digest(note.encode())


def test_a_note_that_only_witnesses_signed_is_refused() -> None:
    lines = [cosign(CHECKPOINT, WITNESSES[0], 1000)]
    note = sign_checkpoint(CHECKPOINT, LOG)
    only = note[: note.index("—")] + lines[0].line
    with pytest.raises(NoKnownSignature):
        open_cosigned(only, LOG.key, [WITNESSES[0].key])


def test_one_false_cosignature_by_a_known_witness_voids_the_whole_note() -> None:
    other = cosign(Checkpoint(ORIGIN, 41, bytes(32)), WITNESSES[1], 1000)
    note = add_signatures(sign_checkpoint(CHECKPOINT, LOG), [cosign(CHECKPOINT, WITNESSES[0], 1000), other])
    assert open_cosigned(note, LOG.key, [WITNESSES[0].key])
    with pytest.raises(SignatureRefused):
        open_cosigned(note, LOG.key, [WITNESSES[0].key, WITNESSES[1].key])


def test_every_single_bit_change_of_a_cosigned_checkpoint_is_refused() -> None:
    note = add_signatures(sign_checkpoint(CHECKPOINT, LOG), [cosign(CHECKPOINT, WITNESSES[0], 1000)])
    cut = note.encode().index("— w0".encode())
    for changed in flips(note.encode()):
        try:
            opened = open_cosigned(changed, LOG.key, [WITNESSES[0].key])
        except TranslogError:
            continue
        # What may change unseen is only whose cosignature it is: then it is a stranger's, and counts for nothing.
        assert changed[:cut] == note.encode()[:cut]
        assert opened.cosignatures == ()


def test_a_witness_answer_yields_only_verified_lines_by_known_witnesses() -> None:
    lines = [cosign(CHECKPOINT, signer, 1000) for signer in (WITNESSES[0], PQ_WITNESS, WITNESSES[3])]
    body = "".join(each.line for each in lines)
    assert read_cosignatures(body, CHECKPOINT, [WITNESSES[0].key, PQ_WITNESS.key]) == lines[:2]
    with pytest.raises(SignatureRefused):
        read_cosignatures(body, Checkpoint(ORIGIN, 43, bytes(32)), [WITNESSES[0].key])
    with pytest.raises(NoteMalformed):
        read_cosignatures(body[:-1], CHECKPOINT, [])
    with pytest.raises(NoteMalformed):
        read_cosignatures("hello\n", CHECKPOINT, [])


def test_a_post_quantum_line_fits_sixteen_times_into_a_note() -> None:
    note = sign_checkpoint(CHECKPOINT, LOG)
    line = cosign(CHECKPOINT, PQ_WITNESS, 1000)
    assert 3200 < len(line.line) < 3400
    assert len(parse_note(add_signatures(note, [line] * 16)).signatures) == 17
