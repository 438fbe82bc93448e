"""Checkpoints: C2SP tlog-checkpoint v1.0.0, a signed note that says how large the log is and what its root is.

The note's text is exactly three lines::

    <origin: the log's name, non-empty>
    <tree size: ASCII decimal, no leading zeroes, below 2**63>
    <root: base64 of 32 bytes>

The format allows extension lines and advises against them; here they are refused, so that all who sign sign the same
three facts. The log's key name must equal the origin (the format says SHOULD), so a key of one log cannot speak for
another.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

from protocols.translog.errors import CheckpointMalformed, NoteMalformed
from protocols.translog.note import (
    Ed25519Verifier,
    Note,
    Signer,
    VerifierKey,
    format_note,
    open_note,
    parse_note,
    sign_note,
)
from protocols.translog.tree import HASH_SIZE, MAX_SIZE
from protocols.translog.wire import decode_base64, decode_decimal, decode_text

MAX_TEXT_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """``size`` leaves of the log called ``origin`` hash to ``root`` (32 bytes). Alone it is a claim, not a proof.

    Raises:
        CheckpointMalformed: the origin is empty or holds a newline or control character; size or root out of range.
    """

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not self.origin or any(char < " " or "\ud800" <= char <= "\udfff" for char in self.origin):
            raise CheckpointMalformed(f"bad origin {self.origin[:80]!r}")
        if not 0 <= self.size <= MAX_SIZE:
            raise CheckpointMalformed(f"bad size {self.size}")
        if len(self.root) != HASH_SIZE:
            raise CheckpointMalformed(f"the root has {len(self.root)} bytes, not {HASH_SIZE}")

    @property
    def text(self) -> str:
        """The three lines that are signed."""
        return format_checkpoint(self)


def format_checkpoint(checkpoint: Checkpoint) -> str:
    """The note text: origin, size and base64 root, each line ending in a newline."""
    root = base64.b64encode(checkpoint.root).decode()
    return f"{checkpoint.origin}\n{checkpoint.size}\n{root}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """Read a checkpoint's text (not the note around it).

    Raises:
        CheckpointMalformed: it is not exactly the three lines.
    """
    try:
        lines = decode_text(text, MAX_TEXT_BYTES).split("\n")
        if len(lines) != 4 or lines[3]:
            raise CheckpointMalformed("a checkpoint has three lines")
        return Checkpoint(lines[0], decode_decimal(lines[1]), decode_base64(lines[2]))
    except CheckpointMalformed:
        raise
    except NoteMalformed as error:
        raise CheckpointMalformed(error.detail) from None


def sign_checkpoint(checkpoint: Checkpoint, log: Signer) -> str:
    """The checkpoint as a note signed by the log.

    Raises:
        ValueError: the signer is not of kind 0x01, or its name is not the checkpoint's origin.
    """
    if log.key.name != checkpoint.origin:
        raise ValueError(f"{log.key.name} cannot sign for {checkpoint.origin}")
    return sign_note(checkpoint.text, [log])


def peek_checkpoint(note: Note) -> Checkpoint:
    """The checkpoint that a note claims, with no signature verified: only to look up whose keys to try.

    Raises:
        NoteMalformed: not a note; ``CheckpointMalformed``: not of a checkpoint.
    """
    return parse_checkpoint(parse_note(note).text)


def open_checkpoint(note: Note, log: VerifierKey) -> Checkpoint:
    """The checkpoint of a note that the log signed. Cosignatures are not looked at.

    Raises:
        NoteMalformed: not a note; ``CheckpointMalformed``: not of a checkpoint, or of another log.
        SignatureRefused: the log's signature is false.
        NoKnownSignature: the log did not sign.
    """
    checkpoint = parse_checkpoint(open_note(note, [Ed25519Verifier(log)]).text)
    if checkpoint.origin != log.name:
        raise CheckpointMalformed(f"a checkpoint of {checkpoint.origin}, signed by {log.name}")
    return checkpoint


def log_note(note: Note, log: VerifierKey) -> str:
    """The checkpoint's note with the log's signature alone: what is worth keeping of one that strangers sent.

    Raises:
        NoteMalformed, SignatureRefused, NoKnownSignature: see ``open_checkpoint``.
    """
    opened = open_note(note, [Ed25519Verifier(log)])
    return format_note(opened.text, opened.good)


def note_digest(note: Note) -> bytes:
    """SHA-256 of the whole note, signature lines included: what an entry carries as ``seen``.

    It covers the cosignatures on purpose. They could not be known before they were made, so whoever holds this
    digest was there after the times they carry.
    """
    return hashlib.sha256(note if isinstance(note, bytes) else note.encode()).digest()
