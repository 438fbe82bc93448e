"""Signed notes: C2SP signed-note v1.0.0, the envelope of every checkpoint and cosignature.

A note is text that ends in a newline, one empty line, and signature lines::

    <text, any lines>
    (empty line: the last one of the note)
    — <key name> <base64(4-byte key ID || signature)>

It is UTF-8 without control characters below U+0020 other than newline. The pair (key name, key ID) names the key, the
key ID being ``SHA-256(name || 0x0A || kind byte || public key)[:4]``. A line by a key that we do not know is ignored;
one line by a known key that fails voids the whole note.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from protocols.translog.errors import NoKnownSignature, NoteMalformed, SignatureRefused
from protocols.translog.keys import (
    KEY_ID_SIZE,
    KeyKind,
    Signer,
    VerifierKey,
    ed25519_signer,
    ed25519_verify,
    format_vkey,
    is_key_name,
    key_id,
    parse_vkey,
)
from protocols.translog.wire import decode_text, encode_base64, has_control

__all__ = [
    "MAX_NOTE_BYTES",
    "MAX_SIGNATURES",
    "Ed25519Verifier",
    "KeyKind",
    "Note",
    "NoteSignature",
    "NoteVerifier",
    "OpenedNote",
    "ParsedNote",
    "Signer",
    "VerifierKey",
    "add_signatures",
    "ed25519_signer",
    "format_note",
    "format_vkey",
    "key_id",
    "open_note",
    "parse_note",
    "parse_signature_line",
    "parse_vkey",
    "sign_note",
]

MAX_SIGNATURES = 100  # lines in one note; the specification asks for at least 16
MAX_NOTE_BYTES = 512 * 1024  # 100 ML-DSA-44 lines (3.3 kB each) and a text fit

Note = str | bytes
"""A note as text or as the bytes that travelled; bytes are checked to be UTF-8."""


# ---------------------------------------------------------------------------------------------------------------------
# Reading


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line, not yet verified. ``signature`` is everything after the four bytes of key ID."""

    name: str
    key_id: bytes
    signature: bytes
    canonical: bool = True
    """False if the base64 has stray bits: such a line never verifies, so one note has one spelling."""

    @property
    def line(self) -> str:
        """The line with its newline."""
        return f"— {self.name} {encode_base64(self.key_id + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class ParsedNote:
    """A note that follows the grammar and says nothing yet: no signature was checked."""

    text: str
    signatures: tuple[NoteSignature, ...]


class NoteVerifier(Protocol):
    """Something that can tell whether a signature over a note's text is good."""

    @property
    def name(self) -> str: ...

    @property
    def key_id(self) -> bytes: ...

    def verify(self, text: str, signature: bytes) -> bool:
        """True if ``signature`` (without the key ID) is good for the note text."""
        ...


@dataclass(frozen=True, slots=True)
class Ed25519Verifier:
    """Verifies kind 0x01: a plain Ed25519 signature over the text. This is how a log signs its checkpoints."""

    key: VerifierKey

    def __post_init__(self) -> None:
        if self.key.kind is not KeyKind.ED25519:
            raise ValueError(f"{self.key.name} is a key for {self.key.kind.name}")

    @property
    def name(self) -> str:
        return self.key.name

    @property
    def key_id(self) -> bytes:
        return self.key.key_id

    def verify(self, text: str, signature: bytes) -> bool:
        return ed25519_verify(self.key.public_key, text.encode(), signature)


@dataclass(frozen=True, slots=True)
class OpenedNote:
    """A note with at least one good signature by a known key and none that fails.

    ``good`` has one signature for each known key, in the note's order; ``unknown`` those by keys we do not know.
    """

    text: str
    good: tuple[NoteSignature, ...]
    unknown: tuple[NoteSignature, ...]


def parse_note(note: Note) -> ParsedNote:
    """Split a note into text and signature lines.

    Raises:
        NoteMalformed: not UTF-8, a control character, no empty line, no signature line, a line that is not one, more
            than ``MAX_SIGNATURES`` lines or ``MAX_NOTE_BYTES`` bytes.
    """
    whole = decode_text(note, MAX_NOTE_BYTES)
    if not whole.endswith("\n"):
        raise NoteMalformed("no newline at the end")
    cut = whole.rfind("\n\n")  # the last empty line: the text may hold others
    if cut < 0:
        raise NoteMalformed("no empty line before the signatures")
    lines = whole[cut + 2 :].split("\n")[:-1]
    if not lines:
        raise NoteMalformed("no signature line")
    if len(lines) > MAX_SIGNATURES:
        raise NoteMalformed(f"more than {MAX_SIGNATURES} signature lines")
    return ParsedNote(whole[: cut + 1], tuple(parse_signature_line(line) for line in lines))


def parse_signature_line(line: str) -> NoteSignature:
    """Read one signature line, without its newline.

    Raises:
        NoteMalformed: not an em dash, a name and base64, separated by single spaces.
    """
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "—" or not is_key_name(parts[1]):
        raise NoteMalformed(f"not a signature line: {line[:80]!r}")
    try:
        blob = binascii.a2b_base64(parts[2], strict_mode=True)
    except ValueError:
        raise NoteMalformed("a signature is not base64") from None
    if len(blob) <= KEY_ID_SIZE:
        raise NoteMalformed("a signature is too short")
    return NoteSignature(parts[1], blob[:KEY_ID_SIZE], blob[KEY_ID_SIZE:], canonical=encode_base64(blob) == parts[2])


def open_note(note: Note, verifiers: Iterable[NoteVerifier]) -> OpenedNote:
    """Parse a note and verify every signature whose (name, key ID) is known.

    Stricter than the specification in two places: a repeated line by a known key is verified too before it is dropped,
    and a line with stray base64 bits is never accepted, so that nobody can respell a note without being noticed.

    Raises:
        NoteMalformed: see ``parse_note``; or a line by an unknown key has stray bits in its base64.
        SignatureRefused: a signature by a known key does not verify.
        NoKnownSignature: no signature is by a known key.
        ValueError: two verifiers share a name and key ID.
    """
    known = _by_identity(verifiers)
    parsed = parse_note(note)
    good: dict[tuple[str, bytes], NoteSignature] = {}
    unknown = []
    for each in parsed.signatures:
        verifier = known.get((each.name, each.key_id))
        if verifier is None:
            if not each.canonical:
                raise NoteMalformed(f"stray bits in the base64 of a signature by {each.name}")
            unknown.append(each)
        elif not each.canonical or not verifier.verify(parsed.text, each.signature):
            raise SignatureRefused(f"the signature by {each.name} does not verify")
        else:
            good.setdefault((each.name, each.key_id), each)
    if not good:
        raise NoKnownSignature("no signature is by a known key")
    return OpenedNote(parsed.text, tuple(good.values()), tuple(unknown))


def _by_identity(verifiers: Iterable[NoteVerifier]) -> dict[tuple[str, bytes], NoteVerifier]:
    known: dict[tuple[str, bytes], NoteVerifier] = {}
    for each in verifiers:
        if known.setdefault((each.name, each.key_id), each) is not each:
            raise ValueError(f"two keys are called {each.name}+{each.key_id.hex()}")
    return known


# ---------------------------------------------------------------------------------------------------------------------
# Writing


def sign_note(text: str, signers: Iterable[Signer]) -> str:
    """The note: the text, an empty line, and one line for each signer, in order. All signers are of kind 0x01.

    Raises:
        ValueError: the text does not end in a newline or holds a control character, or a signer is of another kind.
    """
    lines = []
    for each in signers:
        if each.key.kind is not KeyKind.ED25519:
            raise ValueError(f"{each.key.name} cosigns checkpoints; it does not sign notes")
        lines.append(NoteSignature(each.key.name, each.key.key_id, each.sign(text.encode())))
    return format_note(text, lines)


def format_note(text: str, signatures: Iterable[NoteSignature]) -> str:
    """Join a text and signature lines into a note.

    Raises:
        ValueError: the text does not end in a newline or holds a control character, or there is no signature.
    """
    if not text.endswith("\n") or has_control(text):
        raise ValueError("a note's text ends in a newline and has no other control character")
    lines = [each.line for each in signatures]
    if not lines:
        raise ValueError("a note has at least one signature")
    return text + "\n" + "".join(lines)


def add_signatures(note: Note, signatures: Iterable[NoteSignature]) -> str:
    """The note with more signature lines at its end. Verify them first: one false line voids the whole note.

    Raises:
        NoteMalformed: ``note`` is not a note.
    """
    parse_note(note)
    return decode_text(note, MAX_NOTE_BYTES) + "".join(each.line for each in signatures)
