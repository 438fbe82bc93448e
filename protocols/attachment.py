"""Files that go with an entry: sealed in chunks under a key of their own, named by the hash of what is sealed.

A file travels and is stored as ciphertext only; the entry's sealed body says what it is (`Attachment`), with the key, and
binds it by two hashes: of the ciphertext (its name, ``blob``) and of the plaintext. Chunks follow the STREAM construction
(Hoang, Reyhanitabar, Rogaway, Vizár, CRYPTO 2015) over XChaCha20-Poly1305: the nonce holds the chunk's number and whether
it is the last, so that chunks cannot be cut off, swapped, repeated or added unseen. The key is fresh for each file, which
is why the rest of the nonce may be fixed; the thread stands in the associated data. No I/O.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from nacl import bindings
from nacl.exceptions import CryptoError

from protocols.encoding import Malformed, b64u, unb64u
from protocols.errors import LocalError, RemoteError

ATTACHMENTS = tuple(f"attachment-{number}" for number in range(1, 9))
"""The fields of a body that hold one attachment each, so that each can be disclosed by itself."""
CHUNK = 256 * 1024
"""Plaintext bytes of every chunk but the last, which has 0 to that many (0 only in an empty file)."""
TAG = 16
KEY = 32
MAX_ATTACHMENT = 100 * 1024 * 1024
"""Plaintext bytes of one file."""
_PREFIX = b"hotline-attachment\0"
_NAME = re.compile(
    # No path, no control character, nothing that turns the reading direction and so hides an ending.
    r"[^\x00-\x1f\x7f-\x9f/\\:*?\"<>|\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]{1,120}"
)
_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,62}/[a-z0-9][a-z0-9!#$&^_.+-]{0,62}", re.ASCII)
NO_TYPE = "application/octet-stream"
NO_NAME = "file"


class AttachmentDamaged(RemoteError):
    """The sealed file is not what the entry binds: cut, changed, swapped, extended, or of another thread."""

    code = "attachment.damaged"
    _sentence = (
        "The attached file is not the one that its sender signed for. It was refused and nothing of it was opened or kept. "
        "The message itself stands. Ask the sender to attach the file again, and tell your engineers."
    )


class AttachmentTooLarge(LocalError):
    """More plaintext than `MAX_ATTACHMENT`."""

    code = "attachment.too-large"
    _sentence = "A file may have at most 100 MiB. Nothing was attached or sent; divide it, or send it by another path."


class Attachment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The value of a body's field ``attachment-N``. ``name``, ``type``: as the sender says, never to be trusted. ``size``:
    plaintext bytes. ``blob``: SHA-256 of the ciphertext. ``key``: 32 bytes. ``hash``: SHA-256 of the plaintext. The last
    three base64url."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=120)]
    type: Annotated[str, msgspec.Meta(max_length=127)]
    size: Annotated[int, msgspec.Meta(ge=0, le=MAX_ATTACHMENT)]
    blob: Annotated[str, msgspec.Meta(min_length=43, max_length=43)]
    key: Annotated[str, msgspec.Meta(min_length=43, max_length=43)]
    hash: Annotated[str, msgspec.Meta(min_length=43, max_length=43)]

    @property
    def sealed_size(self) -> int:
        """Bytes of the ciphertext."""
        return sealed_size(self.size)


def parse_attachment(value: Any) -> Attachment:
    """The typed value of a field. Raises `Malformed`, without its key in the words."""
    try:
        found = msgspec.convert(value, Attachment, strict=True)
    except msgspec.ValidationError:
        raise Malformed("not an attachment") from None
    if not _NAME.fullmatch(found.name) or found.name.strip(" .") != found.name:
        raise Malformed("an attachment's name holds what no file's name may")
    if not _TYPE.fullmatch(found.type):
        raise Malformed("an attachment's type is no media type")
    for text in (found.blob, found.key, found.hash):
        unb64u(text, size=32)
    return found


def attachments_of(fields: Mapping[str, Any]) -> dict[str, Attachment]:
    """The attachments among a body's fields, by field. Raises `Malformed`."""
    return {name: parse_attachment(fields[name]) for name in ATTACHMENTS if name in fields}


def clean_name(name: str) -> str:
    """The nearest name that `parse_attachment` takes: the last part of a path, without what no file's name may hold."""
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = "".join(char for char in last if _NAME.fullmatch(char)).strip(" .")
    if len(kept) > 120:
        stem, dot, ending = kept.rpartition(".")
        kept = f"{stem[: 119 - len(ending)]}.{ending}" if dot and len(ending) <= 16 else kept[:120]
    return kept.strip(" .") or NO_NAME


def clean_type(text: str) -> str:
    """A media type without parameters, or `NO_TYPE`."""
    plain = text.partition(";")[0].strip().lower()
    return plain if _TYPE.fullmatch(plain) else NO_TYPE


def sealed_size(size: int) -> int:
    """Bytes of ciphertext for ``size`` bytes of plaintext."""
    return size + TAG * max(1, -(-size // CHUNK))


MAX_SEALED_ATTACHMENT = sealed_size(MAX_ATTACHMENT)


class SealStream:
    """Seals one file as it comes. ``key``: 32 fresh random bytes, used for this file only: a file that must be sealed again
    is sealed under another key."""

    def __init__(self, key: bytes, thread: str) -> None:
        if len(key) != KEY:
            raise ValueError(f"a file's key has {KEY} bytes")
        self._key, self._thread = key, thread
        self._rest = bytearray()
        self._number = 0
        self._plain, self._sealed = hashlib.sha256(), hashlib.sha256()
        self.size = 0

    def push(self, data: bytes) -> bytes:
        """More plaintext; the ciphertext that is complete by it. Raises `AttachmentTooLarge`."""
        self.size += len(data)
        if self.size > MAX_ATTACHMENT:
            raise AttachmentTooLarge(f"over {MAX_ATTACHMENT} bytes")
        self._plain.update(data)
        self._rest += data
        done = bytearray()
        # A whole chunk is kept back: it may turn out to be the last.
        while len(self._rest) > CHUNK:
            done += self._chunk(bytes(self._rest[:CHUNK]), last=False)
            del self._rest[:CHUNK]
        return bytes(done)

    def end(self) -> bytes:
        """The rest of the ciphertext."""
        return self._chunk(bytes(self._rest), last=True)

    def attachment(self, name: str, type_: str) -> Attachment:
        """What the entry says of it, after `end`."""
        blob, plain = b64u(self._sealed.digest()), b64u(self._plain.digest())
        return Attachment(clean_name(name), clean_type(type_), self.size, blob, b64u(self._key), plain)

    def _chunk(self, plain: bytes, *, last: bool) -> bytes:
        nonce, aad = _nonce(self._number, last=last), _aad(self._thread)
        sealed: bytes = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(plain, aad, nonce, self._key)
        self._number += 1
        self._sealed.update(sealed)
        return sealed


class OpenStream:
    """Opens one file chunk by chunk; each chunk that comes out is genuine, and `end` says whether the whole is."""

    def __init__(self, attachment: Attachment, thread: str) -> None:
        self._said, self._thread = attachment, thread
        self._key = unb64u(attachment.key, size=KEY)
        self._rest = bytearray()
        self._number = 0
        self._plain = hashlib.sha256()
        self.size = 0

    def push(self, data: bytes) -> bytes:
        """More ciphertext; the plaintext that is complete by it. Raises `AttachmentDamaged`."""
        self._rest += data
        done = bytearray()
        while len(self._rest) > CHUNK + TAG:
            done += self._chunk(bytes(self._rest[: CHUNK + TAG]), last=False)
            del self._rest[: CHUNK + TAG]
        return bytes(done)

    def end(self) -> bytes:
        """The last plaintext. Raises `AttachmentDamaged`, also where size or hash are not those that were signed for."""
        done = self._chunk(bytes(self._rest), last=True)
        if self.size != self._said.size or b64u(self._plain.digest()) != self._said.hash:
            raise AttachmentDamaged("another plaintext than the entry says")
        return done

    def _chunk(self, sealed: bytes, *, last: bool) -> bytes:
        nonce, aad = _nonce(self._number, last=last), _aad(self._thread)
        try:
            plain: bytes = bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, aad, nonce, self._key)
        except (CryptoError, ValueError, TypeError) as error:
            raise AttachmentDamaged(f"chunk {self._number}") from error
        self._number += 1
        self.size += len(plain)
        if self.size > self._said.size:
            raise AttachmentDamaged("more than the entry says")
        self._plain.update(plain)
        return plain


def _nonce(number: int, *, last: bool) -> bytes:
    return _PREFIX + number.to_bytes(4, "big") + (b"\1" if last else b"\0")


def _aad(thread: str) -> bytes:
    return b"hotline-attachment/v1\0" + thread.encode()
