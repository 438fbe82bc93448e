"""A mirror of the log's tree: every leaf hash from the first on, and so every proof, without asking the log again.

What is mirrored are the hash tiles of C2SP tlog-tiles (`protocols.translog.tiles`), 32 bytes a leaf and nothing of what the
leaves say. A log that refuses, vanishes or lies later takes no proof away from those who mirrored it. Nothing here is
trusted: a mirror counts up to the size at which its root equals that of a head that meets the policy.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from protocols.translog.errors import TileMalformed
from protocols.translog.tiles import TILE_HEIGHT, TILE_WIDTH
from protocols.translog.tree import EMPTY_ROOT, HASH_SIZE, MAX_SIZE, GetNode, node_hash

TileKey = tuple[int, int]
"""(level, number) of a hash tile."""

ReadTile = Callable[[int, int], bytes]
"""The content of the hash tile (level, number) as far as it is filled: 32 bytes a hash, at most 256."""


class Mirror:
    """The right edge of a mirror: the hashes of the last, partly filled tile of every level. Plain data, no I/O."""

    def __init__(self) -> None:
        self.size = 0
        self._edge: list[list[bytes]] = [[]]

    @classmethod
    def load(cls, size: int, read: ReadTile) -> Mirror:
        """The mirror of ``size`` leaves whose tiles ``read`` gives; tiles may hold more, which is left aside.

        Raises `TileMalformed` where a tile holds fewer hashes than it must.
        """
        if not 0 <= size <= MAX_SIZE:
            raise ValueError(f"no tree has {size} leaves")
        mirror = cls()
        mirror.size, mirror._edge = size, []
        level, hashes = 0, size
        while hashes or not level:
            number, width = divmod(hashes, TILE_WIDTH)
            content = read(level, number) if width else b""
            if len(content) < width * HASH_SIZE:
                raise TileMalformed(f"tile {level}/{number} holds {len(content)} bytes")
            mirror._edge.append(_split(content[: width * HASH_SIZE]))
            level, hashes = level + 1, hashes >> TILE_HEIGHT
        return mirror

    def extend(self, hashes: bytes) -> dict[TileKey, bytes]:
        """Append leaf hashes, 32 bytes each. Returns every tile that changed, whole, to be written down.

        Raises `TileMalformed` for a part of a hash.
        """
        if len(hashes) % HASH_SIZE:
            raise TileMalformed(f"{len(hashes)} bytes are no leaf hashes")
        changed: dict[TileKey, bytes] = {}
        touched: set[int] = set()
        for each in _split(hashes):
            self._push(0, each, changed, touched)
            self.size += 1
        for level in touched:
            if self._edge[level]:
                changed[level, self._count(level) // TILE_WIDTH] = b"".join(self._edge[level])
        return changed

    def root(self) -> bytes:
        """The root of the mirrored tree, 32 bytes."""
        found: bytes | None = None
        for level in range(self.size.bit_length()):
            if self.size >> level & 1:
                span = 1 << (level % TILE_HEIGHT)
                # The complete subtree of this 1 bit is the last whole span of the edge, behind what lower bits took.
                end = len(self._edge[level // TILE_HEIGHT]) // span * span
                node = _fold(self._edge[level // TILE_HEIGHT][end - span : end])
                found = node if found is None else node_hash(node, found)
        return EMPTY_ROOT if found is None else found

    def _push(self, level: int, node: bytes, changed: dict[TileKey, bytes], touched: set[int]) -> None:
        if level == len(self._edge):
            self._edge.append([])
        edge = self._edge[level]
        edge.append(node)
        touched.add(level)
        if len(edge) == TILE_WIDTH:
            # ``size`` does not count the newest leaf yet: the tile that is full now is the one being filled.
            changed[level, self._count(level) // TILE_WIDTH] = b"".join(edge)
            full = _fold(edge)
            edge.clear()
            self._push(level + 1, full, changed, touched)

    def _count(self, level: int) -> int:
        """How many hashes stand at a tile level."""
        return self.size >> (TILE_HEIGHT * level)


def tile_of(level: int, index: int) -> TileKey:
    """The tile from which the complete node ``(level, index)`` is read."""
    first = index << (level % TILE_HEIGHT)
    return level // TILE_HEIGHT, first // TILE_WIDTH


def tiles_under(nodes: Collection[tuple[int, int]]) -> set[TileKey]:
    """The tiles from which these complete nodes are read."""
    return {tile_of(level, index) for level, index in nodes}


def node_reader(tiles: Mapping[TileKey, bytes]) -> GetNode:
    """Reads complete nodes out of tiles: what `build_inclusion` and `build_consistency` ask for.

    The reader raises `TileMalformed` where a tile is missing or too short.
    """

    def get_node(level: int, index: int) -> bytes:
        key = tile_of(level, index)
        span = 1 << (level % TILE_HEIGHT)
        start = (index * span) % TILE_WIDTH * HASH_SIZE
        part = tiles.get(key, b"")[start : start + span * HASH_SIZE]
        if len(part) != span * HASH_SIZE:
            raise TileMalformed(f"tile {key[0]}/{key[1]} does not hold node {level}/{index}")
        return _fold(_split(part))

    return get_node


def _split(content: bytes) -> list[bytes]:
    return [content[at : at + HASH_SIZE] for at in range(0, len(content), HASH_SIZE)]


def _fold(hashes: list[bytes]) -> bytes:
    """The root over a power of two of hashes."""
    while len(hashes) > 1:
        hashes = [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
    return hashes[0]
