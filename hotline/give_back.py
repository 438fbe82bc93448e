"""What a station gives back to a hub that lost its store: one file, everything in it as it once came from the hub.

::

    hotline-give-back/1\n
    length (4 bytes, big-endian)  MessagePack map, ``t`` names its type      as often as needed
    in this order: `Begin`, `Paper` and `Head`, `Leaf` by index, `Own` by index, `File` with its `Piece`s
    the last of them: `Signed`, the station's signature over all bytes before it

No content is in it that the hub had not held: entries, their sealed parts, the hub's own leaves with what only the hub can
open, mandates, heads, sealed files. The signature makes it whole, and a statement: this station holds no more. What is in it is
believed only as far as its own signatures, the log's heads and the files' hashes reach.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Annotated, BinaryIO

import msgspec

from hotline.errors import LocalFault
from protocols.attachment import MAX_SEALED_ATTACHMENT, TAG
from protocols.encoding import to_json
from protocols.entry import MAX_LEAF_BYTES, ThreadId
from protocols.frames import MAX_SEALED
from protocols.keys import Signer, public_from, verify
from protocols.kinds import Id, Millis
from protocols.mandate import MAX_MANDATE_BYTES
from protocols.translog.note import MAX_NOTE_BYTES

MAGIC = b"hotline-give-back/1\n"
MAX_RECORD_BYTES = 8 << 20
"""An entry with its six parts of at most 1 MiB."""
PIECE = 256 * 1024
"""Bytes of a sealed file in one record."""
Index = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class BadFile(LocalFault):
    """No such file, not whole, or not signed by the station it names. ``detail`` says what."""

    code = "give-back.bad-file"
    _sentence = (
        "This file is not what a station gave back, or not all of it. Nothing was changed. Have it written once more."
    )


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="t", omit_defaults=True):
    """Base of all records."""


class Begin(Record, frozen=True, tag="begin"):
    """First: of which log and accord, by which station (``sign``: its public key, base64url), from which leaf on. ``made``: the
    station's clock, ms UTC."""

    log: Annotated[str, msgspec.Meta(max_length=200)]
    accord: Id
    sign: Id
    since: Index
    made: Millis


class Leaf(Record, frozen=True, tag="leaf"):
    """An entry as it stands in the log, and the sealed parts that were delivered with it, by name."""

    index: Index
    leaf: Annotated[bytes, msgspec.Meta(max_length=MAX_LEAF_BYTES)]
    parts: Annotated[dict[str, bytes], msgspec.Meta(max_length=8)] = {}


class Own(Record, frozen=True, tag="own"):
    """A leaf of the hub's own; ``sealed``: see `hotline.hub.safekeeping`."""

    index: Index
    leaf: Annotated[bytes, msgspec.Meta(max_length=MAX_LEAF_BYTES)]
    sealed: Annotated[bytes, msgspec.Meta(max_length=MAX_SEALED)]


class Paper(Record, frozen=True, tag="paper"):
    """A mandate."""

    data: Annotated[bytes, msgspec.Meta(max_length=MAX_MANDATE_BYTES)]


class Head(Record, frozen=True, tag="head"):
    """A head that the log's key signed, with whatever cosignatures came with it."""

    note: Annotated[str, msgspec.Meta(max_length=MAX_NOTE_BYTES)]


class File(Record, frozen=True, tag="file"):
    """A sealed file that an entry of a thread binds: its hash ``blob``, its ``size`` in bytes, and which station sent it.
    ``here``: the station has it, and its pieces follow; else it only knows of it."""

    thread: ThreadId
    blob: Id
    size: Annotated[int, msgspec.Meta(ge=TAG, le=MAX_SEALED_ATTACHMENT)]
    station: Id
    here: bool


class Piece(Record, frozen=True, tag="piece"):
    """The next bytes of the sealed file that was named last."""

    data: Annotated[bytes, msgspec.Meta(min_length=1, max_length=PIECE)]


class Signed(Record, frozen=True, tag="signed"):
    """Last: the station's signature over `signed_text` of all bytes before this record."""

    signature: bytes


Any_ = Begin | Leaf | Own | Paper | Head | File | Piece | Signed
_ENCODER = msgspec.msgpack.Encoder()
_DECODER: msgspec.msgpack.Decoder[Any_] = msgspec.msgpack.Decoder(Any_)


class Writer:
    """`add` record by record, then `sign` once. ``file`` is written to, never closed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._hash = file, hashlib.sha256()
        self._write(MAGIC)

    def add(self, record: Record) -> None:
        """Write one record."""
        data = _ENCODER.encode(record)
        if len(data) > MAX_RECORD_BYTES:
            raise BadFile(f"a record of {len(data)} bytes")
        self._write(len(data).to_bytes(4, "big") + data)

    def sign(self, station: Signer) -> None:
        """The end of the file."""
        self.add(Signed(station.sign(signed_text(self._hash.digest()))))

    def _write(self, data: bytes) -> None:
        self._hash.update(data)
        self._file.write(data)


def signed_text(sha256: bytes) -> bytes:
    """What the station signs: its words first, so that it can be taken for nothing else that it signs."""
    return to_json(["hotline-give-back/1", sha256.hex()])


def read(file: BinaryIO) -> Iterator[Record]:
    """The records but the last, in order. Raises `BadFile` as soon as something is wrong with the file, and at its end where
    it is not signed by the key that it begins with: what was taken from it until then counts for nothing."""
    seen = hashlib.sha256(MAGIC)
    if file.read(len(MAGIC)) != MAGIC:
        raise BadFile("it begins otherwise")
    begin: Begin | None = None
    while True:
        size, data, record = _next(file)
        if isinstance(record, Begin) != (begin is None):
            raise BadFile("it does not begin once with what it is")
        if isinstance(record, Begin):
            begin = record
        if isinstance(record, Signed):
            break
        seen.update(size + data)
        yield record
    if begin is None or file.read(1):
        raise BadFile("something follows its end")
    verify(public_from(begin.sign), signed_text(seen.digest()), record.signature)


def read_on(file: BinaryIO) -> Iterator[Record]:
    """The records from where ``file`` stands up to the signature, of a file that `read` has gone through. Raises `BadFile`."""
    while not isinstance(record := _next(file)[2], Signed):
        yield record


def _next(file: BinaryIO) -> tuple[bytes, bytes, Any_]:
    size = file.read(4)
    length = int.from_bytes(size, "big")
    data = file.read(length) if len(size) == 4 and length <= MAX_RECORD_BYTES else b""
    if len(data) != length or not data:
        raise BadFile("it is cut off, or a record is too long")
    try:
        return size, data, _DECODER.decode(data)
    except msgspec.DecodeError as error:
        raise BadFile(str(error)) from error
