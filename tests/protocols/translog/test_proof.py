"""Proof files, as a court would check them: leaf, file and the court's own policy, nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.translog import (
    ProofMalformed,
    ProofRefused,
    QuorumNotMet,
    TlogProof,
    TranslogError,
    format_consistency,
    format_proof,
    parse_consistency,
    parse_policy,
    parse_proof,
    verify_proof,
)
from tests.protocols.translog.kit import POLICY, PQ_WITNESS, WITNESSES, flips, log_of, policy_text

LOG = log_of(21)


@settings(max_examples=60)
@given(st.integers(1, 21), st.integers(0, 20), st.none() | st.binary(max_size=40))
def test_a_proof_survives_a_round_trip_and_verifies(size: int, index: int, extra: bytes | None) -> None:
    index %= size
    proof = replace(LOG.proof(index, size), extra=extra)
    text = format_proof(proof)
    assert parse_proof(text) == parse_proof(text.encode()) == proof
    verified = verify_proof(parse_proof(text), LOG.leaves[index], POLICY)
    assert (verified.index, verified.head.checkpoint.size) == (index, size)


def test_a_proof_with_post_quantum_witnesses_verifies() -> None:
    policy = parse_policy(policy_text("2", [WITNESSES[0], PQ_WITNESS]))
    proof = LOG.proof(3, 21, [WITNESSES[0], PQ_WITNESS])
    assert len(verify_proof(proof, LOG.leaves[3], policy).head.cosignatures) == 2


def test_a_proof_does_not_hold_for_another_leaf_index_or_policy() -> None:
    proof = LOG.proof(3, 21)
    with pytest.raises(ProofRefused):
        verify_proof(proof, LOG.leaves[4], POLICY)
    with pytest.raises(ProofRefused):
        verify_proof(replace(proof, index=4), LOG.leaves[3], POLICY)
    with pytest.raises(QuorumNotMet):
        verify_proof(LOG.proof(3, 21, WITNESSES[:2]), LOG.leaves[3], POLICY)
    with pytest.raises(ProofRefused):
        verify_proof(proof, LOG.leaves[3] + b" ", POLICY)


def test_the_extra_line_changes_nothing() -> None:
    proof = LOG.proof(0, 1)
    verified = verify_proof(replace(proof, extra=b"believe me"), LOG.leaves[0], POLICY)
    assert verified == verify_proof(proof, LOG.leaves[0], POLICY)


def test_every_single_bit_change_of_a_proof_file_is_refused() -> None:
    # All four witnesses are needed here, so that no line may turn into a stranger's unnoticed.
    policy = parse_policy(policy_text("all", WITNESSES[:2]))
    text = format_proof(LOG.proof(3, 5, WITNESSES[:2])).encode()
    for changed in flips(text):
        with pytest.raises(TranslogError):
            verify_proof(parse_proof(changed), LOG.leaves[3], policy)


GOOD = format_proof(LOG.proof(3, 21))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        GOOD.replace("@v1", "@v2"),
        GOOD.replace("index 3\n", ""),
        GOOD.replace("index 3", "index 03"),
        GOOD.replace("index 3", "index  3"),
        GOOD.replace("index 3", "index -3"),
        GOOD.replace("index 3", f"index {2**63}"),
        GOOD.replace("index 3", "index 3\nindex 3"),
        GOOD.replace("index 3", "extra \tAAAA\nindex 3"),
        GOOD.replace("index 3", "extra AAA\nindex 3"),
        GOOD.replace("index 3", "extra AAF=\nindex 3"),
        GOOD.replace("index 3", "index 3\nAAAA"),
        GOOD.replace("index 3\n", "index 3\n" + "A" * 43 + "=\n" + ("A" * 43 + "=\n") * 63),
        GOOD.replace("\n", "\r\n"),
        GOOD[: GOOD.index("\n\n") + 2],
        GOOD[: GOOD.index("\n\n") + 1],
        " " + GOOD,
        b"\xff" + GOOD.encode(),
    ],
)
def test_a_malformed_proof_file_is_refused(text: str | bytes) -> None:
    with pytest.raises(ProofMalformed):
        parse_proof(text)


def test_a_proof_made_in_code_is_checked_like_one_that_was_read() -> None:
    for index, hashes, note in (
        (-1, (), "x"),
        (2**63, (), "x"),
        (0, (b"",), "x"),
        (0, (bytes(32),) * 64, "x"),
        (0, (), ""),
    ):
        with pytest.raises(ProofMalformed):
            TlogProof(index, hashes, note)


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=63))
def test_a_consistency_file_survives_a_round_trip(hashes: list[bytes]) -> None:
    assert parse_consistency(format_consistency(hashes)) == tuple(hashes)


@pytest.mark.parametrize(
    "text",
    [b"\n", b"A" * 43 + b"=", b"QUJD\n", b"A" * 43 + b"=\r\n", b"x\n", b"\xff\n", (b"A" * 43 + b"=\n") * 64],
)
def test_a_consistency_file_of_another_form_is_refused(text: bytes) -> None:
    with pytest.raises(ProofMalformed):
        parse_consistency(text)
