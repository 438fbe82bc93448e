"""Tiles: C2SP tlog-tiles, the form in which a log is exported and mirrored.

A hash tile at level L holds up to 256 hashes of tree level 8·L; an entry tile the entries themselves, each behind a u16
big-endian length, so an entry is at most 65,535 bytes. Paths::

    tile/<L>/<N>[.p/<W>]           hashes
    tile/entries/<N>[.p/<W>]       entries

N is written in groups of three digits, all but the last behind an ``x`` (``x001/x234/067``). A full tile never
changes; a partial one has a width W of 1 to 255 and exists only for published sizes.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from protocols.translog.errors import TileMalformed
from protocols.translog.tree import HASH_SIZE, MAX_SIZE, GetNode

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT  # hashes or entries of a full tile
MAX_LEAF_BYTES = 65_535
ENTRIES = None
"""The level of an entry tile."""

_GROUPS = re.compile(r"(?:x[0-9]{3}/)*[0-9]{3}")


@dataclass(frozen=True, slots=True)
class Tile:
    """``width`` hashes of tree level ``8 * level`` from number ``index * 256`` on; ``level`` None means entries.

    Raises:
        TileMalformed: level over 63, index or width out of range.
    """

    level: int | None
    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        if self.level is not None and not 0 <= self.level <= 63:
            raise TileMalformed(f"bad tile level {self.level}")
        if not 0 <= self.index <= MAX_SIZE or not 1 <= self.width <= TILE_WIDTH:
            raise TileMalformed(f"bad tile {self.index} of width {self.width}")

    @property
    def path(self) -> str:
        """Where the tile stands under the log's prefix."""
        return tile_path(self)


def format_index(index: int) -> str:
    """A tile number in groups of three digits: 1234067 is ``x001/x234/067``."""
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03d}")
    return "/".join(reversed(groups))


def parse_index(text: str) -> int:
    """Read what ``format_index`` writes, in that one spelling.

    Raises:
        TileMalformed: any other spelling.
    """
    if len(text) > 40 or _GROUPS.fullmatch(text) is None:
        raise TileMalformed(f"not a tile number: {text[:40]!r}")
    index = int(text.replace("x", "").replace("/", ""))
    if format_index(index) != text:
        raise TileMalformed(f"leading zero groups: {text!r}")
    return index


def tile_path(tile: Tile) -> str:
    """``tile/<L>/<N>[.p/<W>]`` or ``tile/entries/<N>[.p/<W>]``."""
    level = "entries" if tile.level is None else str(tile.level)
    part = "" if tile.width == TILE_WIDTH else f".p/{tile.width}"
    return f"tile/{level}/{format_index(tile.index)}{part}"


def parse_tile_path(path: str) -> Tile:
    """Read a tile's path.

    Raises:
        TileMalformed: not exactly what ``tile_path`` writes.
    """
    match = re.fullmatch(r"tile/(entries|[0-9]{1,2})/([x0-9/]+)(?:\.p/([0-9]{1,3}))?", path, re.ASCII)
    if match is None:
        raise TileMalformed(f"not a tile path: {path[:80]!r}")
    level, number, width = match.groups()
    tile = Tile(None if level == "entries" else int(level), parse_index(number), int(width or TILE_WIDTH))
    if tile_path(tile) != path:  # leading zeroes, or a full tile spelled as a partial one
        raise TileMalformed(f"not a tile path: {path[:80]!r}")
    return tile


def tiles_of(size: int) -> Iterator[Tile]:
    """Every tile of a tree of ``size`` leaves: entry tiles, then hash tiles level by level; the last may be partial."""
    heights = range(max(1, -(-size.bit_length() // TILE_HEIGHT)))
    levels: list[int | None] = [ENTRIES, *heights]
    for level in levels:
        hashes = size >> (TILE_HEIGHT * (level or 0))
        for index in range(0, hashes, TILE_WIDTH):
            yield Tile(level, index >> TILE_HEIGHT, min(TILE_WIDTH, hashes - index))


def format_hash_tile(tile: Tile, get_node: GetNode) -> bytes:
    """The content of a hash tile: ``width`` hashes of 32 bytes, read from stored complete nodes.

    Raises:
        ValueError: it is an entry tile.
    """
    if tile.level is None:
        raise ValueError("an entry tile has no hashes")
    start = tile.index << TILE_HEIGHT
    return b"".join(get_node(TILE_HEIGHT * tile.level, start + each) for each in range(tile.width))


def parse_hash_tile(tile: Tile, content: bytes) -> list[bytes]:
    """The hashes of a hash tile.

    Raises:
        TileMalformed: the content does not have the tile's width.
    """
    if len(content) != tile.width * HASH_SIZE:
        raise TileMalformed(f"{tile.path} has {len(content)} bytes")
    return [content[at : at + HASH_SIZE] for at in range(0, len(content), HASH_SIZE)]


def format_entry_tile(entries: Sequence[bytes]) -> bytes:
    """The content of an entry tile.

    Raises:
        ValueError: none or more than 256 entries, or one over 65,535 bytes.
    """
    if not 1 <= len(entries) <= TILE_WIDTH or any(len(each) > MAX_LEAF_BYTES for each in entries):
        raise ValueError("a tile holds 1 to 256 entries of at most 65,535 bytes")
    return b"".join(struct.pack(">H", len(each)) + each for each in entries)


def parse_entry_tile(tile: Tile, content: bytes) -> list[bytes]:
    """The entries of an entry tile.

    Raises:
        TileMalformed: the content is cut short or does not have the tile's width.
    """
    entries: list[bytes] = []
    at = 0
    while at < len(content) and len(entries) <= tile.width:
        if at + 2 > len(content):
            raise TileMalformed(f"{tile.path} is cut short")
        end = at + 2 + int(struct.unpack_from(">H", content, at)[0])
        if end > len(content):
            raise TileMalformed(f"{tile.path} is cut short")
        entries.append(content[at + 2 : end])
        at = end
    if len(entries) != tile.width:
        raise TileMalformed(f"{tile.path} does not have {tile.width} entries")
    return entries
