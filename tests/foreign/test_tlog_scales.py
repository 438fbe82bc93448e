"""The PyPI package tlog-scales checks our heads, cosignatures, proofs and tiles, and makes the same proofs out of our tiles."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from hotline import bundles
from hotline.hub.tiles import export_tiles
from protocols.bundle import write_bundle
from protocols.translog import leaf_hash
from tests.docs.example_bundle import BUNDLE, POLICY_FILE
from tests.foreign.kit import consistencies, heads, inclusions, tiles_of_log
from tests.hotline.hub.stored import make_folder
from tests.protocols.translog.kit import LOG, PQ_WITNESS, WITNESSES, log_of

WHY = "SKIPPED LOUDLY: tlog-scales did not check our proofs (pip install --no-deps -r requirements/foreign.txt)"
tlog = pytest.importorskip("tlog_scales.tlog", reason=WHY)
signing = pytest.importorskip("tlog_scales.signing", reason=WHY)
reader = pytest.importorskip("tlog_scales.reader", reason=WHY)
backend = pytest.importorskip("tlog_scales.backend", reason=WHY)
FILES = write_bundle(bundles.load(BUNDLE))
POLICY = POLICY_FILE.read_text().split("\n")
LOG_KEY = POLICY[0].removeprefix("log ")
WITNESS_KEYS = [line.split(" ")[2] for line in POLICY if line.startswith("witness ")]


def test_it_verifies_the_log_and_every_witness_on_every_head_of_a_bundle() -> None:
    witnesses = signing.VkeySet(*(signing.Vkey.from_string(vkey) for vkey in WITNESS_KEYS))
    for head in heads(FILES).values():
        checkpoint = tlog.Checkpoint.from_text(head.note)
        checkpoint.verify(signing.Vkey.from_string(LOG_KEY))
        assert len(witnesses.verify(checkpoint.signatures, checkpoint)) == len(WITNESS_KEYS) == 4
        assert checkpoint.serialize() == head.note


def test_it_verifies_both_kinds_of_our_cosignatures_and_refuses_changed_ones() -> None:
    log = log_of(9)
    signers = [*WITNESSES, PQ_WITNESS]
    note = log.note(9, [(signer, 1_930_878_720) for signer in signers])
    known = signing.VkeySet(*(signing.Vkey.from_string(signer.key.vkey) for signer in signers))
    checkpoint = tlog.Checkpoint.from_text(note)
    assert len(known.verify(checkpoint.signatures, checkpoint)) == 5
    changed = tlog.Checkpoint.from_text(note.replace("\n9\n", "\n8\n", 1))
    assert known.verify(changed.signatures, changed) == set()


def test_it_finds_every_entry_of_a_bundle_in_the_log() -> None:
    for found in inclusions(FILES):
        hashes = [base64.b64decode(each) for each in found.proof]
        proof = tlog.InclusionProof(found.index, found.head.size, hashes)
        root, leaf = base64.b64decode(found.head.root), base64.b64decode(found.hash)
        proof.check(leaf, root)
        with pytest.raises(tlog.InclusionProofInvalid):
            proof.check(root, root)


def test_it_follows_every_head_of_a_bundle_to_the_final_one() -> None:
    for found in consistencies(FILES):
        proof = tlog.ConsistencyProof(found.old.size, found.new.size, [base64.b64decode(each) for each in found.proof])
        old, new = base64.b64decode(found.old.root), base64.b64decode(found.new.root)
        proof.check(old, new)
        with pytest.raises(tlog.ConsistencyProofInvalid):
            proof.check(old, bytes(32))


@pytest.mark.parametrize("size", [1, 255, 256, 257, 600])
def test_it_makes_our_proofs_out_of_our_tiles(size: int, tmp_path: Path) -> None:
    log = tiles_of_log(tmp_path, size)
    tiles = reader.TilesReader(backend.LocalBackend(tmp_path))
    checkpoint = tiles.get_checkpoint()
    checkpoint.verify(signing.Vkey.from_string(LOG.key.vkey))
    assert tiles.calculate_root_hash() == checkpoint.root_hash == log.checkpoint(size).root
    for index in {0, size // 3, size - 1}:
        assert tiles.get_inclusion_proof(index, size).node_hashes == log.inclusion(index, size)
        assert tiles.get_entry(index) == log.leaves[index]
    for old in {1, size // 2 or 1, size}:
        assert tiles.get_consistency_proof(old, size).node_hashes == log.consistency(old, size)


def test_it_reads_the_tiles_that_a_hub_exports(tmp_path: Path) -> None:
    world = make_folder(tmp_path / "hub")
    size = export_tiles(tmp_path / "hub" / "hub.db", world.accord, tmp_path / "tiles").size
    tiles = reader.TilesReader(backend.LocalBackend(tmp_path / "tiles"))
    checkpoint = tiles.get_checkpoint()
    checkpoint.verify(signing.Vkey.from_string(world.accord.accord.hub.log))
    assert checkpoint.size == size
    for index in range(size):
        tiles.get_inclusion_proof(index, size).check(leaf_hash(tiles.get_entry(index)), checkpoint.root_hash)
