"""Cosignatures: C2SP tlog-cosignature, a witness's dated word about a checkpoint.

It means: "as of that time, the largest consistent tree that I have seen for this origin has this root". On the wire
it is a note signature line whose signature is a big-endian u64 of POSIX seconds followed by the raw signature. What
is signed::

    0x04 Ed25519     "cosignature/v1\\ntime <decimal>\\n" || checkpoint text
    0x06 ML-DSA-44   "subtree/v1\\n\\0" || u8-length cosigner name || u64 time || u8-length origin
                     || u64 start = 0 || u64 end = size || root

0x04 does not bind the cosigner's name, so an Ed25519 key must never cosign under two names. A cosignature without a
time (the format lets 0x06 carry zero) is refused: here every cosignature is also evidence of when.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from protocols.translog.checkpoint import Checkpoint, note_digest, open_checkpoint, parse_checkpoint
from protocols.translog.errors import CheckpointMalformed, NoteMalformed, SignatureRefused
from protocols.translog.keys import ed25519_verify
from protocols.translog.note import (
    MAX_NOTE_BYTES,
    Ed25519Verifier,
    KeyKind,
    Note,
    NoteSignature,
    Signer,
    VerifierKey,
    ed25519_signer,
    open_note,
    parse_signature_line,
)
from protocols.translog.wire import decode_text

MAX_TIME = 2**63 - 1  # POSIX seconds
SIGNATURE_SIZE = {KeyKind.COSIGNATURE_ED25519: 64, KeyKind.COSIGNATURE_MLDSA44: 2420}  # bytes after the time


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A verified cosignature: ``key`` signed at ``time`` (POSIX seconds, by the cosigner's own clock)."""

    key: VerifierKey
    time: int


@dataclass(frozen=True, slots=True)
class CosignedCheckpoint:
    """A checkpoint signed by its log, with the cosignatures by known witnesses that verified, in the note's order."""

    checkpoint: Checkpoint
    log: VerifierKey
    cosignatures: tuple[Cosignature, ...]
    note: str
    """The whole note as it travelled; its digest is what entries carry as ``seen``."""

    @property
    def digest(self) -> bytes:
        """SHA-256 of the whole note, 32 bytes."""
        return note_digest(self.note)


def cosigned_message(key: VerifierKey, checkpoint: Checkpoint, time: int) -> bytes:
    """The exact bytes that ``key`` signs for ``checkpoint`` at ``time`` (POSIX seconds).

    Raises:
        ValueError: not a cosigner's key, or the time is not in ``1 .. 2**63 - 1``.
        CheckpointMalformed: the origin, or the cosigner's name, is over 255 bytes and the kind is 0x06.
    """
    if not 0 < time <= MAX_TIME:
        raise ValueError(f"a cosignature cannot carry the time {time}")
    if key.kind is KeyKind.COSIGNATURE_ED25519:
        return f"cosignature/v1\ntime {time}\n{checkpoint.text}".encode()
    if key.kind is KeyKind.COSIGNATURE_MLDSA44:
        return b"".join(
            (
                b"subtree/v1\n\0",
                _short(key.name),
                struct.pack(">Q", time),
                _short(checkpoint.origin),
                struct.pack(">QQ", 0, checkpoint.size),
                checkpoint.root,
            )
        )
    raise ValueError(f"{key.name} is a {key.kind.name} key: it cannot cosign")


def cosign(checkpoint: Checkpoint, cosigner: Signer, time: int) -> NoteSignature:
    """The cosignature line for ``checkpoint`` at ``time`` (POSIX seconds).

    Decide with ``witness.consider`` first: this signs whatever it is given.

    Raises:
        ValueError: see ``cosigned_message``.
    """
    key = cosigner.key
    raw = cosigner.sign(cosigned_message(key, checkpoint, time))
    return NoteSignature(key.name, key.key_id, struct.pack(">Q", time) + raw)


def verify_cosignature(checkpoint: Checkpoint, signature: NoteSignature, key: VerifierKey) -> Cosignature:
    """Check one line over ``checkpoint`` against the key that it names.

    Raises:
        SignatureRefused: it names another key, has stray base64 bits, the wrong length or no time, or does not verify.
    """
    if (signature.name, signature.key_id) != (key.name, key.key_id) or not signature.canonical:
        raise SignatureRefused(f"not a line by {key.name}+{key.key_id.hex()}")
    time = _verify(checkpoint, signature.signature, key)
    if time is None:
        raise SignatureRefused(f"the cosignature by {key.name} does not verify")
    return Cosignature(key, time)


def read_cosignatures(lines: Note, checkpoint: Checkpoint, witnesses: Iterable[VerifierKey]) -> list[NoteSignature]:
    """The verified lines of a witness's answer (C2SP tlog-witness); lines by unknown keys are dropped.

    What comes back may be attached to the note with ``note.add_signatures``.

    Raises:
        NoteMalformed: a line is not a signature line.
        SignatureRefused: a line by a known witness does not verify.
    """
    known = {(key.name, key.key_id): key for key in witnesses}
    text = decode_text(lines, MAX_NOTE_BYTES)
    if not text.endswith("\n"):
        raise NoteMalformed("no newline at the end")
    good = []
    for line in text.split("\n")[:-1]:
        signature = parse_signature_line(line)
        key = known.get((signature.name, signature.key_id))
        if key is not None:
            verify_cosignature(checkpoint, signature, key)
            good.append(signature)
    return good


@dataclass(frozen=True, slots=True)
class CosignatureVerifier:
    """Lets ``note.open_note`` check cosignatures; the note's text must be a checkpoint."""

    key: VerifierKey

    def __post_init__(self) -> None:
        if self.key.kind is KeyKind.ED25519:
            raise ValueError(f"{self.key.name} is a key for notes, not for cosignatures")

    @property
    def name(self) -> str:
        return self.key.name

    @property
    def key_id(self) -> bytes:
        return self.key.key_id

    def verify(self, text: str, signature: bytes) -> bool:
        try:
            return _verify(parse_checkpoint(text), signature, self.key) is not None
        except CheckpointMalformed:
            return False


def open_cosigned(note: Note, log: VerifierKey, witnesses: Iterable[VerifierKey]) -> CosignedCheckpoint:
    """Open a checkpoint that its log signed, and verify every cosignature by a known witness. No quorum is asked for.

    Raises:
        NoteMalformed: not a note; ``CheckpointMalformed``: not of a checkpoint, or of another log.
        SignatureRefused: the log's signature or one by a known witness is false.
        NoKnownSignature: the log did not sign.
    """
    checkpoint = open_checkpoint(note, log)
    keys = {(key.name, key.key_id): key for key in witnesses}
    opened = open_note(note, [Ed25519Verifier(log), *map(CosignatureVerifier, keys.values())])
    cosignatures = tuple(
        Cosignature(key, struct.unpack_from(">Q", line.signature)[0])
        for line in opened.good
        if (key := keys.get((line.name, line.key_id))) is not None
    )
    return CosignedCheckpoint(checkpoint, log, cosignatures, decode_text(note, MAX_NOTE_BYTES))


def ed25519_cosigner(name: str, seed: bytes) -> Signer:
    """A 0x04 cosigner from a 32-byte seed."""
    return ed25519_signer(name, seed, KeyKind.COSIGNATURE_ED25519)


def mldsa44_cosigner(name: str, seed: bytes) -> Signer:
    """A 0x06 cosigner from a 32-byte ML-DSA-44 seed (FIPS 204). Signing is hedged: two signatures differ."""
    private = MLDSA44PrivateKey.from_seed_bytes(seed)
    return Signer(
        VerifierKey(name, KeyKind.COSIGNATURE_MLDSA44, private.public_key().public_bytes_raw()),
        lambda message: bytes(private.sign(message)),
    )


def _verify(checkpoint: Checkpoint, blob: bytes, key: VerifierKey) -> int | None:
    """The time of a good ``u64 time || signature``, else None."""
    if len(blob) != 8 + SIGNATURE_SIZE[key.kind]:
        return None
    time: int = struct.unpack_from(">Q", blob)[0]
    if not 0 < time <= MAX_TIME:
        return None
    try:
        message = cosigned_message(key, checkpoint, time)
    except CheckpointMalformed:
        return None
    if key.kind is KeyKind.COSIGNATURE_ED25519:
        good = ed25519_verify(key.public_key, message, blob[8:])
    else:
        good = _mldsa44_verify(key.public_key, message, blob[8:])
    return time if good else None


def _mldsa44_verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        MLDSA44PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _short(text: str) -> bytes:
    """TLS ``opaque <1..2^8-1>``."""
    raw = text.encode()
    if not 0 < len(raw) < 256:
        raise CheckpointMalformed("a name has more than 255 bytes")
    return bytes([len(raw)]) + raw
