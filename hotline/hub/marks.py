"""Sets of the log's indexes."""

from __future__ import annotations


class Marks:
    """A set of indexes, a bit each: a log of millions of leaves is marked in less than a mebibyte."""

    def __init__(self) -> None:
        self._bits = bytearray()
        self.top = 0

    def add(self, index: int) -> None:
        at = index >> 3
        if at >= len(self._bits):
            self._bits.extend(bytes(at + 1 - len(self._bits)))
        self._bits[at] |= 1 << (index & 7)
        self.top = max(self.top, index + 1)

    def __contains__(self, index: int) -> bool:
        at = index >> 3
        return at < len(self._bits) and bool(self._bits[at] >> (index & 7) & 1)

    def update(self, other: Marks) -> None:
        """Add all of another set."""
        if len(other._bits) > len(self._bits):
            self._bits.extend(bytes(len(other._bits) - len(self._bits)))
        for at, bits in enumerate(other._bits):
            self._bits[at] |= bits
        self.top = max(self.top, other.top)
