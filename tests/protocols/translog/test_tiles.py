"""Tiles: paths in their one spelling, contents, and a mirror that rebuilds the log from them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.translog import (
    ENTRIES,
    MAX_LEAF_BYTES,
    Tile,
    TileMalformed,
    format_entry_tile,
    format_hash_tile,
    leaf_hash,
    parse_entry_tile,
    parse_hash_tile,
    parse_tile_path,
    root_of,
    tile_path,
    tiles_of,
)
from protocols.translog.tiles import format_index, parse_index
from tests.protocols.translog.kit import log_of


@given(st.none() | st.integers(0, 63), st.integers(0, 2**63 - 1), st.integers(1, 256))
def test_a_path_survives_a_round_trip(level: int | None, index: int, width: int) -> None:
    tile = Tile(level, index, width)
    assert parse_tile_path(tile_path(tile)) == tile


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 1234067), "tile/0/x001/x234/067"),
        (Tile(1, 999, 5), "tile/1/999.p/5"),
        (Tile(63, 1000, 255), "tile/63/x001/000.p/255"),
        (Tile(ENTRIES, 7), "tile/entries/007"),
        (Tile(ENTRIES, 0, 1), "tile/entries/000.p/1"),
    ],
)
def test_paths_are_spelled_as_in_the_specification(tile: Tile, path: str) -> None:
    assert tile.path == tile_path(tile) == path
    assert parse_tile_path(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/001/000",
        "tile/0/x001",
        "tile/0/x000/001",
        "tile/0/X001/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/007",
        "tile/0/000.p/",
        "tile/0/000/",
        "/tile/0/000",
        "tile/0/٠٠٠",
        "tile/0/000\n",
        "tile/data/000",
        "tile/0/" + "x001/" * 30 + "000",
        "tile/0/../000",
        f"tile/0/{format_index(2**63)}",
    ],
)
def test_any_other_spelling_is_refused(path: str) -> None:
    with pytest.raises(TileMalformed):
        parse_tile_path(path)


def test_an_index_reads_back() -> None:
    for index in (0, 1, 999, 1000, 999999, 1000000, 2**63 - 1):
        assert parse_index(format_index(index)) == index
    for text in ("x000/001", "1", "x001", "x001/", "0001"):
        with pytest.raises(TileMalformed):
            parse_index(text)


@pytest.mark.parametrize("size", [0, 1, 5, 255, 256, 257, 512, 600])
def test_a_mirror_rebuilds_leaves_nodes_and_root_from_tiles(size: int) -> None:
    log = log_of(size)
    tiles = list(tiles_of(size))
    assert len({tile.path for tile in tiles}) == len(tiles)
    leaves: list[bytes] = []
    hashes: dict[int, list[bytes]] = {}
    for tile in tiles:
        start = tile.index * 256
        if tile.level is None:
            content = format_entry_tile(log.leaves[start : start + tile.width])
            leaves.extend(parse_entry_tile(tile, content))
        else:
            content = format_hash_tile(tile, log.get_node)
            hashes.setdefault(tile.level, []).extend(parse_hash_tile(tile, content))
    assert leaves == log.leaves
    assert hashes.get(0, []) == [leaf_hash(leaf) for leaf in leaves]
    assert hashes.get(1, []) == [root_of(hashes[0][at : at + 256]) for at in range(0, size - 255, 256)]
    assert root_of(hashes.get(0, [])) == log.frontier.root()


def test_the_tiles_of_a_large_log_reach_higher_levels() -> None:
    levels = {tile.level: tile for tile in tiles_of(65536 + 300)}
    assert levels[2] == Tile(2, 0, 1)
    assert levels[1] == Tile(1, 1, 1)
    assert levels[0] == Tile(0, 257, 44)
    assert {tile.level for tile in tiles_of(65535)} == {None, 0, 1}


def test_the_largest_leaf_fits_and_one_byte_more_does_not() -> None:
    tile = Tile(ENTRIES, 0, 2)
    entries = [bytes(MAX_LEAF_BYTES), b""]
    assert parse_entry_tile(tile, format_entry_tile(entries)) == entries
    for wrong in ([bytes(MAX_LEAF_BYTES + 1)], [], [b""] * 257):
        with pytest.raises(ValueError, match="1 to 256"):
            format_entry_tile(wrong)


def test_content_of_the_wrong_width_is_refused() -> None:
    good = format_entry_tile([b"one", b"two"])
    tile = Tile(ENTRIES, 0, 2)
    for content in (b"", good[:-1], good[:6], good + b"\0\0", good + b"\0"):
        with pytest.raises(TileMalformed):
            parse_entry_tile(tile, content)
    for content in (b"", bytes(63), bytes(96)):
        with pytest.raises(TileMalformed):
            parse_hash_tile(Tile(0, 0, 2), content)
    with pytest.raises(ValueError, match="no hashes"):
        format_hash_tile(tile, lambda level, index: b"")
