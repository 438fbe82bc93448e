"""Signed notes: C2SP signed-note v1.0.0, the envelope of every checkpoint and cosignature.

A note is text that ends in a newline, one empty line, and signature lines::

    <text, any lines>
    (empty line: the last one of the note)
    — <key name> <base64(4-byte key ID || signature)>

It is UTF-8 without control characters below U+0020 other than newline. The pair (key name, key ID) names the key, the
key ID being ``SHA-256(name || 0x0A || kind byte || public key)[:4]``. A line by a key that we do not know is ignored;
one line by a known key that fails voids the whole note.

A *verifier key* (vkey) is ``<name>+<8 hex digits of the key ID>+<base64(kind byte || public key)>``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from nacl.bindings import crypto_core_ed25519_is_valid_point
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from protocols.translog.errors import KeyMalformed, NoKnownSignature, NoteMalformed, SignatureRefused

MAX_SIGNATURES = 100  # lines in one note; the specification asks for at least 16
MAX_NOTE_BYTES = 512 * 1024  # 100 ML-DSA-44 lines (3.3 kB each) and a text fit
KEY_ID_SIZE = 4  # bytes

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")

Note = str | bytes
"""A note as text or as the bytes that travelled; bytes are checked to be UTF-8."""


class KeyKind(IntEnum):
    """The signature type byte of a verifier key: what a key may sign. Other types of the registry are not used here."""

    ED25519 = 0x01  # the log's own signature over the note text
    COSIGNATURE_ED25519 = 0x04  # C2SP tlog-cosignature
    COSIGNATURE_MLDSA44 = 0x06  # C2SP tlog-cosignature, safe against quantum computers


PUBLIC_KEY_SIZE = {
    KeyKind.ED25519: 32,
    KeyKind.COSIGNATURE_ED25519: 32,
    KeyKind.COSIGNATURE_MLDSA44: 1312,
}  # bytes


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with the name it signs under. Make it from a vkey with ``parse_vkey``.

    Raises:
        KeyMalformed: the name is empty or holds a space, a control character or ``+``; the key has the wrong length; an
            Ed25519 key is a low-order, mixed-order or non-canonical point (its signatures would mean nothing).
    """

    name: str
    kind: KeyKind
    public_key: bytes

    def __post_init__(self) -> None:
        if not _is_key_name(self.name):
            raise KeyMalformed(f"bad key name {self.name[:80]!r}")
        if len(self.public_key) != PUBLIC_KEY_SIZE[self.kind]:
            raise KeyMalformed(f"a {self.kind.name} key cannot have {len(self.public_key)} bytes")
        if len(self.public_key) == 32 and not crypto_core_ed25519_is_valid_point(self.public_key):
            raise KeyMalformed("not a point of the prime-order Ed25519 group")

    @property
    def key_id(self) -> bytes:
        """Four bytes: ``SHA-256(name || 0x0A || kind || public key)[:4]``."""
        return key_id(self.name, self.kind, self.public_key)

    @property
    def vkey(self) -> str:
        """The key in vkey form."""
        return format_vkey(self)


def key_id(name: str, kind: int, public_key: bytes) -> bytes:
    """Four bytes that, with the name, identify a key (C2SP signed-note, "Signatures")."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public_key).digest()[:KEY_ID_SIZE]


def format_vkey(key: VerifierKey) -> str:
    """``<name>+<key ID in hex>+<base64(kind || public key)>``."""
    return f"{key.name}+{key.key_id.hex()}+{_b64(bytes([key.kind]) + key.public_key)}"


def parse_vkey(text: str) -> VerifierKey:
    """Read a vkey. The key ID must match the key; a kind that is not in ``KeyKind`` is refused.

    Raises:
        KeyMalformed: anything is wrong with it.
    """
    parts = text.split("+", 2)  # base64 itself may hold '+', names may not
    if len(parts) != 3:
        raise KeyMalformed("a vkey has three parts joined by '+'")
    name, hex_id, encoded = parts
    if len(hex_id) != 8 or not set(hex_id) <= set("0123456789abcdef"):
        raise KeyMalformed("the key ID is not eight lower-case hex digits")
    try:
        blob = decode_base64(encoded)
    except NoteMalformed as error:
        raise KeyMalformed(error.detail) from None
    if not blob or blob[0] not in PUBLIC_KEY_SIZE:
        raise KeyMalformed("a kind of key that is not used here")
    key = VerifierKey(name, KeyKind(blob[0]), blob[1:])
    if key.key_id.hex() != hex_id:
        raise KeyMalformed("the key ID does not belong to this name and key")
    return key


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
        return f"— {self.name} {_b64(self.key_id + self.signature)}\n"


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
    if len(parts) != 3 or parts[0] != "—" or not _is_key_name(parts[1]):
        raise NoteMalformed(f"not a signature line: {line[:80]!r}")
    try:
        blob = binascii.a2b_base64(parts[2], strict_mode=True)
    except ValueError:
        raise NoteMalformed("a signature is not base64") from None
    if len(blob) <= KEY_ID_SIZE:
        raise NoteMalformed("a signature is too short")
    return NoteSignature(parts[1], blob[:KEY_ID_SIZE], blob[KEY_ID_SIZE:], canonical=_b64(blob) == parts[2])


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


@dataclass(frozen=True, slots=True)
class Signer:
    """A public key and the function that signs raw bytes with its private half. The function may live in a token.

    ``sign`` takes the exact message and returns the raw signature: 64 bytes for Ed25519, 2420 for ML-DSA-44.
    """

    key: VerifierKey
    sign: Callable[[bytes], bytes]


def ed25519_signer(name: str, seed: bytes, kind: KeyKind = KeyKind.ED25519) -> Signer:
    """A signer from a 32-byte Ed25519 seed: for a log with the default kind, for a witness with 0x04."""
    private = SigningKey(seed)
    key = VerifierKey(name, kind, bytes(private.verify_key))
    return Signer(key, lambda message: private.sign(message).signature)


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
    if not text.endswith("\n") or _has_control(text):
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


# ---------------------------------------------------------------------------------------------------------------------
# Shared by the formats built on notes


def ed25519_verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """True if the 64-byte signature is good (RFC 8032; libsodium also refuses low-order points)."""
    if len(signature) != 64:
        return False
    try:
        VerifyKey(public_key).verify(message, signature)
    except BadSignatureError:
        return False
    return True


def decode_text(data: Note, limit: int) -> str:
    """UTF-8 text of at most ``limit`` bytes with no control character below U+0020 but newline.

    Raises:
        NoteMalformed: it is not.
    """
    try:
        raw = data if isinstance(data, bytes) else data.encode()
        if len(raw) > limit:
            raise NoteMalformed(f"more than {limit} bytes")
        text = raw.decode()
    except UnicodeError:
        raise NoteMalformed("not UTF-8") from None
    if _has_control(text):
        raise NoteMalformed("a control character")
    return text


def decode_base64(text: str) -> bytes:
    """Standard base64 (RFC 4648 section 4) with padding, in its one canonical spelling.

    Raises:
        NoteMalformed: any other spelling.
    """
    try:
        blob = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise NoteMalformed("not base64") from None
    if _b64(blob) != text:
        raise NoteMalformed("stray bits in base64")
    return blob


def decode_decimal(text: str) -> int:
    """ASCII decimal without sign or leading zeroes, below 2**63.

    Raises:
        NoteMalformed: any other spelling.
    """
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or (text[0] == "0" and text != "0"):
        raise NoteMalformed(f"not a decimal number: {text[:40]!r}")
    value = int(text)
    if value >= 2**63:
        raise NoteMalformed("a number of 2**63 or more")
    return value


def _b64(blob: bytes) -> str:
    return base64.b64encode(blob).decode()


def _has_control(text: str) -> bool:
    return _CONTROL.search(text) is not None


def _is_key_name(name: str) -> bool:
    # Lone surrogates have no UTF-8 form, so such a name could not be hashed into a key ID.
    return bool(name) and not any(
        char.isspace() or char < " " or char == "+" or "\ud800" <= char <= "\udfff" for char in name
    )
