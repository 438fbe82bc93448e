"""The Merkle tree against the RFC's own recursive definitions, for every size up to 130 leaves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.translog import (
    EMPTY_ROOT,
    Frontier,
    ProofRefused,
    build_root,
    consistency_nodes,
    inclusion_nodes,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from tests.protocols.translog.kit import flips, log_of, mth, path, proof

LARGEST = 130
LOG = log_of(LARGEST)
ROOTS = [mth(LOG.leaves[:size]) for size in range(LARGEST + 1)]
HASHES = [leaf_hash(leaf) for leaf in LOG.leaves]


def test_every_root_equals_the_recursive_definition() -> None:
    frontier = Frontier()
    for size in range(LARGEST + 1):
        assert frontier.root() == ROOTS[size] == build_root(size, LOG.get_node) == root_of(HASHES[:size])
        assert Frontier.load(size, LOG.get_node) == frontier
        if size < LARGEST:
            frontier, _ = frontier.append(HASHES[size])


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert root_of([]) == EMPTY_ROOT == Frontier().root()
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_appending_reports_each_complete_node_once_and_only_complete_ones() -> None:
    assert set(LOG.nodes) == {
        (level, index) for level in range(8) for index in range(LARGEST >> level) if (index + 1) << level <= LARGEST
    }


def test_every_inclusion_proof_equals_the_recursive_definition_and_verifies() -> None:
    for size in (*range(1, 34), 63, 64, 65, 100, 127, 128, 129, 130):
        for index in range(size):
            built = LOG.inclusion(index, size)
            assert built == path(index, LOG.leaves[:size])
            verify_inclusion(HASHES[index], index, size, built, ROOTS[size])


@given(st.data())
def test_any_inclusion_proof_up_to_130_leaves_equals_the_recursive_definition(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, LARGEST))
    index = data.draw(st.integers(0, size - 1))
    built = LOG.inclusion(index, size)
    assert built == path(index, LOG.leaves[:size])
    verify_inclusion(HASHES[index], index, size, built, ROOTS[size])


def test_every_consistency_proof_verifies_and_small_ones_equal_the_recursive_definition() -> None:
    for new in range(LARGEST + 1):
        for old in range(new + 1):
            built = LOG.consistency(old, new)
            verify_consistency(old, ROOTS[old], new, ROOTS[new], built)
            if new <= 33 or new >= 128:
                assert built == proof(old, LOG.leaves[:new])


@given(st.integers(1, LARGEST), st.integers(1, LARGEST), st.integers(0, LARGEST))
def test_a_proof_does_not_pass_for_another_leaf_or_another_old_tree(a: int, b: int, other: int) -> None:
    old, new = sorted((a, b))
    if other != old - 1:
        with pytest.raises(ProofRefused):
            verify_inclusion(HASHES[old - 1], other, new, LOG.inclusion(old - 1, new), ROOTS[new])
    if 0 < other < new and other != old:
        with pytest.raises(ProofRefused):
            verify_consistency(other, ROOTS[other], new, ROOTS[new], LOG.consistency(old, new))


def test_the_plans_name_exactly_the_nodes_that_building_reads_and_none_twice() -> None:
    for new in range(1, 70):
        for old in range(new):
            for plan, build in ((inclusion_nodes, LOG.inclusion), (consistency_nodes, LOG.consistency)):
                LOG.reads.clear()
                build(old, new)
                assert plan(old, new) == LOG.reads
                assert len(set(LOG.reads)) == len(LOG.reads)


def test_a_plan_reaches_sizes_near_two_to_the_63() -> None:
    size = 2**63 - 1
    assert 62 <= len(inclusion_nodes(0, size)) <= 2000
    assert 0 < len(consistency_nodes(2**62 + 1, size)) <= 2000


@pytest.mark.parametrize(("index", "size"), [(0, 0), (5, 5), (-1, 4), (0, 2**63)])
def test_planning_an_impossible_inclusion_is_our_own_mistake(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="not in a tree"):
        inclusion_nodes(index, size)


@pytest.mark.parametrize(("old", "new"), [(3, 2), (-1, 2), (0, 2**63)])
def test_planning_an_impossible_consistency_is_our_own_mistake(old: int, new: int) -> None:
    with pytest.raises(ValueError, match="no consistency"):
        consistency_nodes(old, new)


def test_a_frontier_cannot_be_made_inconsistent() -> None:
    with pytest.raises(ValueError, match="cannot have"):
        Frontier(3, (HASHES[0],))
    with pytest.raises(ValueError, match="32 bytes"):
        Frontier().append(b"short")


# ------------------------------------------------------------------------------------------------ hostile proofs


@pytest.mark.parametrize("size", [2, 3, 5, 7, 8, 13])
def test_every_single_bit_change_of_an_inclusion_proof_is_refused(size: int) -> None:
    for index in range(size):
        built = LOG.inclusion(index, size)
        for at, each in enumerate(built):
            for changed in flips(each):
                with pytest.raises(ProofRefused):
                    verify_inclusion(HASHES[index], index, size, [*built[:at], changed, *built[at + 1 :]], ROOTS[size])
        for changed in flips(HASHES[index]):
            with pytest.raises(ProofRefused):
                verify_inclusion(changed, index, size, built, ROOTS[size])
        for changed in flips(ROOTS[size]):
            with pytest.raises(ProofRefused):
                verify_inclusion(HASHES[index], index, size, built, changed)


@pytest.mark.parametrize(("old", "new"), [(1, 2), (2, 3), (3, 7), (4, 7), (6, 8), (7, 13)])
def test_every_single_bit_change_of_a_consistency_proof_is_refused(old: int, new: int) -> None:
    built = LOG.consistency(old, new)
    for at, each in enumerate(built):
        for changed in flips(each):
            with pytest.raises(ProofRefused):
                verify_consistency(old, ROOTS[old], new, ROOTS[new], [*built[:at], changed, *built[at + 1 :]])
    for changed in flips(ROOTS[old]):
        with pytest.raises(ProofRefused):
            verify_consistency(old, changed, new, ROOTS[new], built)
    for changed in flips(ROOTS[new]):
        with pytest.raises(ProofRefused):
            verify_consistency(old, ROOTS[old], new, changed, built)


@given(st.integers(1, LARGEST), st.integers(1, LARGEST), st.integers(0, 9), st.booleans())
def test_a_proof_one_hash_longer_or_shorter_is_refused(a: int, b: int, at: int, longer: bool) -> None:
    old, new = sorted((a, b))
    for consistency in (True, False):
        built = LOG.consistency(old, new) if consistency else LOG.inclusion(old - 1, new)
        at = min(at, len(built))
        if longer:
            changed = [*built[:at], ROOTS[old], *built[at:]]
        elif built:
            changed = [*built[:at], *built[at + 1 :]] if at < len(built) else built[:-1]
        else:
            continue
        with pytest.raises(ProofRefused):
            if consistency:
                verify_consistency(old, ROOTS[old], new, ROOTS[new], changed)
            else:
                verify_inclusion(HASHES[old - 1], old - 1, new, changed, ROOTS[new])


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_hash_of_another_length_is_refused_wherever_it_stands(length: int) -> None:
    odd = bytes(length)
    good = LOG.inclusion(2, 5)
    for leaf, root, built in ((odd, ROOTS[5], good), (HASHES[2], odd, good), (HASHES[2], ROOTS[5], [odd, *good[1:]])):
        with pytest.raises(ProofRefused, match="bytes"):
            verify_inclusion(leaf, 2, 5, built, root)
    with pytest.raises(ProofRefused, match="bytes"):
        verify_consistency(1, odd, 1, odd, [])


def test_rules_beyond_the_rfc_hold() -> None:
    with pytest.raises(ProofRefused, match="same size, other root"):
        verify_consistency(4, ROOTS[4], 4, ROOTS[5], [])
    with pytest.raises(ProofRefused, match="must be empty"):
        verify_consistency(4, ROOTS[4], 4, ROOTS[4], [ROOTS[4]])
    with pytest.raises(ProofRefused, match="must be empty"):
        verify_consistency(0, EMPTY_ROOT, 4, ROOTS[4], [ROOTS[4]])
    with pytest.raises(ProofRefused, match="empty tree"):
        verify_consistency(0, ROOTS[1], 4, ROOTS[4], [])
    with pytest.raises(ProofRefused, match="empty tree"):
        verify_consistency(0, ROOTS[1], 0, ROOTS[1], [])
    with pytest.raises(ProofRefused, match="no consistency"):
        verify_consistency(5, ROOTS[5], 4, ROOTS[4], [])
    with pytest.raises(ProofRefused, match="not in a tree"):
        verify_inclusion(HASHES[0], 2**63 - 1, 2**63, [], ROOTS[1])


def test_a_leaf_can_never_pass_for_a_node() -> None:
    assert leaf_hash(HASHES[0] + HASHES[1]) != node_hash(HASHES[0], HASHES[1])


def test_a_longer_proof_is_refused_even_under_a_root_made_to_fit_it() -> None:
    taller = node_hash(ROOTS[1], ROOTS[8])
    with pytest.raises(ProofRefused, match="too long"):
        verify_inclusion(HASHES[3], 3, 8, [*LOG.inclusion(3, 8), ROOTS[1]], taller)
    old = node_hash(ROOTS[1], ROOTS[6])
    with pytest.raises(ProofRefused, match="too long"):
        verify_consistency(6, old, 8, taller, [*LOG.consistency(6, 8), ROOTS[1]])
