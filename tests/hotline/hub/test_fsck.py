"""`hotline audit fsck`: what holds is said to hold, and whatever is altered in a hub's store is found."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from hotline.cli import main
from hotline.hub import fsck_tree as module
from hotline.hub.fsck import Fsck, fsck
from protocols.accord import SignedAccord
from protocols.translog import Frontier, leaf_hash
from tests.hotline.hub.stored import alter, make_folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SignedAccord]:
    path = tmp_path_factory.mktemp("hub") / "one"
    return path, make_folder(path).accord


@pytest.fixture
def hub(made: tuple[Path, SignedAccord], tmp_path: Path) -> Path:
    path = tmp_path / "hub"
    shutil.copytree(made[0], path)
    return path


def check(hub: Path, made: tuple[Path, SignedAccord], *, quick: bool = False) -> Fsck:
    return fsck(hub / "hub.db", made[1], quick=quick)


def codes(result: Fsck) -> set[str]:
    return {finding.code for finding in result.findings}


@pytest.mark.parametrize("quick", [False, True])
def test_a_store_that_holds_is_said_to_hold(hub: Path, made: tuple[Path, SignedAccord], quick: bool) -> None:
    result = check(hub, made, quick=quick)
    assert result.holds, result.findings
    assert (result.leaves, result.nodes, result.root != "") == (5, 8, True)
    assert result.heads >= 1
    assert result.published >= 1
    if not quick:
        assert result.cosignatures >= 2
        assert result.threads == 1


TREE = {
    "a leaf's bytes": ("UPDATE leaves SET data = data || x'00' WHERE idx = 2", "fsck.node"),
    "a leaf taken out of the middle": ("DELETE FROM leaves WHERE idx = 2", "fsck.leaf-gap"),
    "the last leaf cut off": ("DELETE FROM leaves WHERE idx = 4", "fsck.head-ahead"),
    "a leaf in another's place": (
        "UPDATE leaves SET data = (SELECT data FROM leaves WHERE idx = 1) WHERE idx = 2",
        "fsck.node",
    ),
    "a node": ("UPDATE nodes SET hash = zeroblob(32) WHERE level = 1 AND idx = 1", "fsck.node"),
    "a node taken away": ("DELETE FROM nodes WHERE level = 2", "fsck.nodes"),
    "a node too many": ("INSERT INTO nodes VALUES (9, 0, zeroblob(32))", "fsck.nodes"),
    "a signed root": ("UPDATE heads SET root = zeroblob(32) WHERE size = (SELECT max(size) FROM heads)", "fsck.head"),
    "a head beyond the log": ("INSERT INTO heads VALUES (99, zeroblob(32), 0)", "fsck.head-ahead"),
    "the published note": ("UPDATE published SET note = replace(note, 'hub.test', 'hub.tset')", "fsck.published"),
    "a shorter published head after a longer": (
        "INSERT INTO published (number, size, at, note) SELECT 999, 1, at, note FROM published LIMIT 1",
        "fsck.published-order",
    ),
    "the accord": ("UPDATE meta SET value = 'another' WHERE key = 'accord'", "fsck.accord"),
}
WHOLE = {
    "a cosignature's time": ("UPDATE cosignatures SET time = time + 1", "fsck.cosignature"),
    "a cosignature's line": ("UPDATE cosignatures SET line = replace(line, 'A', 'B')", "fsck.cosignature"),
    "who is said to have written": ("UPDATE entries SET office = 'KV' WHERE idx = 3", "fsck.row"),
    "an entry's row taken away": ("DELETE FROM entries WHERE idx = 3", "fsck.row"),
    "a sealed body": ("UPDATE parts SET data = x'00' WHERE name = 'body'", "fsck.entry"),
    "a sealed body taken away": ("DELETE FROM parts WHERE name = 'body'", "fsck.entry"),
    "where a thread ends": ("UPDATE threads SET seq = seq - 1", "fsck.thread"),
    "a thread forgotten": ("DELETE FROM threads", "fsck.thread"),
    "the mandates": ("DELETE FROM mandates", "fsck.entry"),
}


@pytest.mark.parametrize("what", [*TREE, *WHOLE])
def test_whatever_is_altered_is_found(hub: Path, made: tuple[Path, SignedAccord], what: str) -> None:
    statement, code = (TREE | WHOLE)[what]
    alter(hub / "hub.db", statement)
    assert code in codes(check(hub, made))
    if what in TREE:
        assert code in codes(check(hub, made, quick=True))


def test_a_history_rewritten_with_its_whole_tree_is_found_by_its_signed_heads_and_stamps(
    hub: Path, made: tuple[Path, SignedAccord]
) -> None:
    """Who owns the machine can compute all hashes anew; what others signed they cannot."""
    with closing(sqlite3.connect(hub / "hub.db")) as db:
        leaves = [row[0] for row in db.execute("SELECT data FROM leaves ORDER BY idx")]
    leaves[2], leaves[3] = leaves[3], leaves[2]
    frontier, nodes = Frontier(), []
    for leaf in leaves:
        frontier, new = frontier.append(leaf_hash(leaf))
        nodes += new
    alter(
        hub / "hub.db",
        *(f"UPDATE leaves SET data = x'{leaf.hex()}' WHERE idx = {index}" for index, leaf in enumerate(leaves)),
        *(f"UPDATE nodes SET hash = x'{node.hex()}' WHERE level = {level} AND idx = {at}" for level, at, node in nodes),
    )
    assert "fsck.head" in codes(check(hub, made, quick=True))
    assert {"fsck.head", "fsck.stamp", "fsck.chain", "fsck.row"} <= codes(check(hub, made))


def test_logs_longer_than_what_is_held_in_memory_are_checked_all_the_same(
    hub: Path, made: tuple[Path, SignedAccord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CHUNK_LEVEL", 1)
    monkeypatch.setattr(module, "_CHUNK", 2)
    assert check(hub, made).holds
    for level, index in ((0, 3), (1, 0), (2, 0)):
        alter(hub / "hub.db", f"UPDATE nodes SET hash = zeroblob(32) WHERE level = {level} AND idx = {index}")
        assert f"{level}/{index}" in {finding.where for finding in check(hub, made).findings}


def test_findings_are_counted_beyond_those_that_are_told(
    hub: Path, made: tuple[Path, SignedAccord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    alter(hub / "hub.db", "UPDATE heads SET root = zeroblob(32)", "UPDATE entries SET office = 'XX'")
    result = check(hub, made)
    assert len(result.findings) == 2
    assert result.more >= 3


def test_the_command_says_so_and_its_status_tells_a_script(hub: Path) -> None:
    def run(*arguments: object, status: int) -> str:
        result = CliRunner().invoke(main, ["audit", "fsck", *map(str, arguments)], catch_exceptions=False)
        assert result.exit_code == status, result.output
        return result.output

    assert "HOLDS: everything" in run(hub, status=0)
    assert "HOLDS: the tree" in run(hub, "--quick", status=0)
    assert json.loads(run(hub, "--json", status=0))["holds"] is True
    alter(hub / "hub.db", "UPDATE leaves SET data = x'00' WHERE idx = 0")
    assert "PROBLEM" in run(hub, status=1)
    said = json.loads(run(hub, "--json", "--quick", status=1))
    assert said["holds"] is False
    assert said["findings"][0]["code"] == "fsck.node"
    (hub / "hub.db").write_bytes(b"This is not a database. " * 100)
    assert "audit.no-hub" in run(hub, status=1)
    (hub / "hub.db").unlink()
    assert "audit.no-hub" in run(hub, status=1)
