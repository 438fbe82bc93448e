"""The TLS presentation language as MLS uses it (RFC 9420 section 2.1), strictly.

Every structure has exactly one encoding here: variable-length headers are minimal, presence octets are 0 or 1, and
nothing may follow the last field. So decoding and encoding again gives the same bytes, and a signature over our
encoding is a signature over what the peer sent.

A reader never allocates from a length it has not compared with the bytes at hand, so a message cannot ask for more
memory than it occupies. No MLS structure contains itself, so depth is bounded by the code that reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, Self, TypeVar

from .errors import Malformed

T = TypeVar("T")

MAX_INPUT = 1 << 24
"""Longest input accepted by any decoder: 16 MiB, far above a group of 255 hybrid leaves."""

MAX_ELEMENTS = 1 << 13
"""Most elements of one vector of structures (a tree of 4096 leaves)."""


def u8(value: int) -> bytes:
    """Encode a uint8."""
    return value.to_bytes(1, "big")


def u16(value: int) -> bytes:
    """Encode a uint16."""
    return value.to_bytes(2, "big")


def u32(value: int) -> bytes:
    """Encode a uint32."""
    return value.to_bytes(4, "big")


def u64(value: int) -> bytes:
    """Encode a uint64."""
    return value.to_bytes(8, "big")


def varint(value: int) -> bytes:
    """Encode a vector length in the fewest octets (section 2.1.2)."""
    if value < 0x40:
        return value.to_bytes(1, "big")
    if value < 0x4000:
        return (value | 0x4000).to_bytes(2, "big")
    if value < 0x4000_0000:
        return (value | 0x8000_0000).to_bytes(4, "big")
    raise Malformed("vector longer than 2^30 - 1 octets")


def opaque(data: bytes) -> bytes:
    """Encode ``opaque data<V>``."""
    return varint(len(data)) + data


class Struct(Protocol):
    """Anything with one canonical encoding."""

    @property
    def encoded(self) -> bytes:
        """The canonical encoding."""


def vector(items: Iterable[Struct]) -> bytes:
    """Encode ``Struct items<V>``."""
    return opaque(b"".join([item.encoded for item in items]))


def u16_vector(values: Iterable[int]) -> bytes:
    """Encode ``uint16 values<V>``."""
    return opaque(b"".join([value.to_bytes(2, "big") for value in values]))


def optional(encoded: bytes | None) -> bytes:
    """Encode ``optional<T>`` from the encoding of T, or its absence."""
    return b"\x00" if encoded is None else b"\x01" + encoded


class Reader:
    """A cursor over bytes that raises ``Malformed`` and nothing else."""

    __slots__ = ("_data", "_end", "_position")

    def __init__(self, data: bytes) -> None:
        if len(data) > MAX_INPUT:
            # MLS-02.1-01: no decoder reads an input larger than the fixed bound.
            raise Malformed("input too large")
        self._data = data
        self._position = 0
        self._end = len(data)

    @classmethod
    def _window(cls, data: bytes, start: int, end: int) -> Self:
        reader = cls.__new__(cls)
        reader._data, reader._position, reader._end = data, start, end
        return reader

    @property
    def at_end(self) -> bool:
        """Whether every octet was read."""
        return self._position >= self._end

    def take(self, count: int) -> bytes:
        """Read exactly ``count`` octets."""
        start = self._position
        stop = start + count
        if stop > self._end:
            # MLS-02.1-02: no field runs past the end of its container.
            raise Malformed("field runs past the end")
        self._position = stop
        return self._data[start:stop]

    def rest(self) -> bytes:
        """Read everything that is left."""
        return self.take(self._end - self._position)

    def u8(self) -> int:
        """Read a uint8."""
        return self.take(1)[0]

    def u16(self) -> int:
        """Read a uint16."""
        return int.from_bytes(self.take(2), "big")

    def u32(self) -> int:
        """Read a uint32."""
        return int.from_bytes(self.take(4), "big")

    def u64(self) -> int:
        """Read a uint64."""
        return int.from_bytes(self.take(8), "big")

    def varint(self) -> int:
        """Read a vector length (section 2.1.2)."""
        first = self.u8()
        prefix = first >> 6
        if prefix == 0:
            return first
        if prefix == 1:
            value = (first & 0x3F) << 8 | self.u8()
            minimum = 0x40
        elif prefix == 2:
            value = (first & 0x3F) << 24 | int.from_bytes(self.take(3), "big")
            minimum = 0x4000
        else:
            # MLS-02.1-03: the prefix 11 is invalid.
            raise Malformed("invalid vector length prefix")
        if value < minimum:
            # MLS-02.1-04: a length is encoded in the fewest octets.
            raise Malformed("vector length not minimal")
        return value

    def opaque(self) -> bytes:
        """Read ``opaque data<V>``."""
        return self.take(self.varint())

    def presence(self) -> bool:
        """Read the octet that says whether an optional value follows."""
        flag = self.u8()
        if flag > 1:
            # MLS-02.1-05: a presence octet is 0 or 1.
            raise Malformed("presence octet neither 0 nor 1")
        return flag == 1

    def optional(self, read: Callable[[Reader], T]) -> T | None:
        """Read ``optional<T>``."""
        return read(self) if self.presence() else None

    def vector(self, read: Callable[[Reader], T]) -> tuple[T, ...]:
        """Read ``T items<V>``."""
        length = self.varint()
        start = self._position
        self.take(length)
        inner = Reader._window(self._data, start, start + length)
        items: list[T] = []
        while not inner.at_end:
            if len(items) == MAX_ELEMENTS:
                # MLS-02.1-06: a vector holds a bounded number of structures.
                raise Malformed("too many elements")
            items.append(read(inner))
        return tuple(items)

    def u16_vector(self) -> tuple[int, ...]:
        """Read ``uint16 values<V>``."""
        return self.vector(Reader.u16)

    def finish(self) -> None:
        """Refuse anything after the last field."""
        if not self.at_end:
            # MLS-02.1-07: nothing follows the last field.
            raise Malformed("trailing octets")


def decode(read: Callable[[Reader], T], data: bytes) -> T:
    """Read one whole structure from ``data``."""
    reader = Reader(data)
    value = read(reader)
    reader.finish()
    return value
