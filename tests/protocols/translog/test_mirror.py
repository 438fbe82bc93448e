"""A mirror keeps leaf hashes as tiles, and makes the proofs that the log itself would make."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.translog import (
    Frontier,
    Mirror,
    TileMalformed,
    build_consistency,
    build_inclusion,
    consistency_nodes,
    inclusion_nodes,
    node_reader,
    tiles_under,
    verify_consistency,
    verify_inclusion,
)

HASHES = [hashlib.sha256(str(number).encode()).digest() for number in range(70_000)]


def roots(upto: int) -> list[bytes]:
    frontier, found = Frontier(), [Frontier().root()]
    for each in HASHES[:upto]:
        frontier, _ = frontier.append(each)
        found.append(frontier.root())
    return found


ROOTS = roots(1500)


def grown(*pieces: int) -> tuple[Mirror, dict[tuple[int, int], bytes]]:
    mirror, tiles = Mirror(), dict[tuple[int, int], bytes]()
    for piece in pieces:
        tiles |= mirror.extend(b"".join(HASHES[mirror.size : mirror.size + piece]))
    return mirror, tiles


@given(st.lists(st.integers(0, 400), max_size=4))
def test_the_root_is_the_logs_however_the_hashes_arrived(pieces: list[int]) -> None:
    mirror, _ = grown(*pieces)
    assert mirror.size == sum(pieces)
    assert mirror.root() == (ROOTS[mirror.size] if mirror.size <= 1500 else roots(mirror.size)[-1])


@given(st.integers(1, 1500), st.data())
def test_every_proof_made_from_tiles_verifies(size: int, data: st.DataObject) -> None:
    _, tiles = grown(size, 1500 - size)
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    nodes = [*inclusion_nodes(index, size), *consistency_nodes(old, size)]
    read = node_reader({key: tiles[key] for key in tiles_under(nodes)})
    verify_inclusion(HASHES[index], index, size, build_inclusion(index, size, read), ROOTS[size])
    verify_consistency(old, ROOTS[old], size, ROOTS[size], build_consistency(old, size, read))


@given(st.integers(0, 1500), st.integers(0, 1500))
def test_a_mirror_read_back_at_an_earlier_size_goes_on_as_if_nothing_had_come_after(at: int, then: int) -> None:
    _, tiles = grown(1500)
    mirror = Mirror.load(at, lambda level, number: tiles[level, number])
    assert (mirror.size, mirror.root()) == (at, ROOTS[at])
    mirror.extend(b"".join(HASHES[at : max(at, then)]))
    assert mirror.root() == ROOTS[max(at, then)]


def test_three_levels_of_tiles_hold_together() -> None:
    mirror, tiles = grown(65_535, 1, 4_464)
    assert {level for level, _ in tiles} == {0, 1, 2}
    assert mirror.root() == Mirror.load(70_000, lambda level, number: tiles[level, number]).root()
    nodes = consistency_nodes(300, 70_000)
    build_consistency(300, 70_000, node_reader({key: tiles[key] for key in tiles_under(nodes)}))
    assert len(tiles[0, 273]) == 70_000 % 256 * 32


def test_a_tile_that_is_short_or_missing_is_refused_and_no_proof_made() -> None:
    _, tiles = grown(300)
    with pytest.raises(TileMalformed):
        Mirror.load(300, lambda level, number: tiles[level, number][:-32])
    with pytest.raises(TileMalformed):
        node_reader({})(0, 5)
    with pytest.raises(TileMalformed):
        node_reader({(0, 1): tiles[0, 1]})(3, 40)
    with pytest.raises(TileMalformed):
        Mirror().extend(bytes(33))
