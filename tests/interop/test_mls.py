"""Our group engine and npm ts-mls in one group, each as committer, in both interoperable suites.

Needs Node 20 and a folder with ts-mls installed, named by HOTLINE_TS_MLS.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FOLDER = os.environ.get("HOTLINE_TS_MLS", "")
NODE = shutil.which("node")
HERE = Path(__file__).parent
ROOT = HERE.parents[1]
OURS = [sys.executable, "-m", "tests.interop.mls_peer"]
THEIRS = [NODE or "node", str(HERE / "ts_mls_peer.mjs")]

theirs_needed = pytest.mark.skipif(
    not FOLDER or NODE is None, reason="set HOTLINE_TS_MLS to a folder with npm ts-mls, and install Node 20"
)


class Peer:
    """A process that answers JSON lines."""

    def __init__(self, command: list[str], suite: int, name: str) -> None:
        self.name = name
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ
        )
        self.ask("init", suite=suite, name=name)

    def raw(self, op: str, **arguments: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"op": op, **arguments}) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def ask(self, op: str, **arguments: Any) -> dict[str, Any]:
        answer = self.raw(op, **arguments)
        assert "error" not in answer, (self.name, op, answer)
        return answer

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(10)


def agree(peers: list[Peer]) -> None:
    states = [peer.ask("state") for peer in peers]
    assert all(state == states[0] for state in states), states
    exported = {peer.ask("export", label="hotline", context="c0ffee", length=40)["secret"] for peer in peers}
    assert len(exported) == 1


def commit(peers: list[Peer], by: Peer, **arguments: Any) -> dict[str, Any]:
    made = by.ask("commit", **arguments)
    for peer in peers:
        if peer is not by:
            peer.ask("process", message=made["commit"])
    return made


def talk(peers: list[Peer]) -> None:
    for sender in peers:
        message = sender.ask("encrypt", data="68656c6c6f", aad="abcd")["message"]
        for reader in peers:
            if reader is not sender:
                read = reader.ask("decrypt", message=message)
                assert (read["data"], read["aad"]) == ("68656c6c6f", "abcd")
                assert "error" in reader.raw("decrypt", message=message)


@pytest.fixture
def started() -> Iterator[list[Peer]]:
    peers: list[Peer] = []
    yield peers
    for peer in peers:
        peer.close()


def play(started: list[Peer], suite: int, kinds: list[list[str]]) -> None:
    """Create, add one by one and several at once, update, propose, remove, talk; compare after each commit."""
    for number, kind in enumerate(kinds):
        started.append(Peer(kind, suite, f"m{number}"))
    first, second, *rest = started
    first.ask("create", group="0123")
    made = first.ask("commit", add=[second.ask("key_package")["key_package"]])
    second.ask("join", welcome=made["welcome"])
    members = [first, second]
    agree(members)
    talk(members)
    packages = [peer.ask("key_package")["key_package"] for peer in rest]
    made = commit(members, second, add=packages)
    for peer in rest:
        peer.ask("join", welcome=made["welcome"])
    members = list(started)
    agree(members)
    for public in (True, False):
        for peer in members:
            commit(members, peer, public=public)
            agree(members)
    talk(members)
    proposer, committer, gone = members[2], members[3], members[1]
    proposal = proposer.ask("propose", remove=1)["proposal"]
    for peer in members:
        if peer is not proposer:
            peer.ask("process", message=proposal)
    made = committer.ask("commit")
    members.remove(gone)
    for peer in members:
        if peer is not committer:
            peer.ask("process", message=made["commit"])
    assert gone.raw("process", message=made["commit"]).get("removed")
    agree(members)
    talk(members)
    made = commit(members[1:], members[1], remove=[0])
    members = members[1:]
    agree(members)
    newcomer = Peer(kinds[1], suite, "back")
    started.append(newcomer)
    made = commit(members, members[-1], add=[newcomer.ask("key_package")["key_package"]])
    newcomer.ask("join", welcome=made["welcome"])
    members.append(newcomer)
    for peer in members:
        commit(members, peer)
        agree(members)
    talk(members)


@theirs_needed
@pytest.mark.parametrize("suite", [1, 3])
@pytest.mark.parametrize("ours_first", [True, False])
def test_both_implementations_share_a_group(started: list[Peer], suite: int, ours_first: bool) -> None:
    kinds = [OURS, THEIRS] if ours_first else [THEIRS, OURS]
    play(started, suite, kinds * 3)


@pytest.mark.parametrize("suite", [1, 0xF0C1])
def test_the_peer_speaks_to_itself(started: list[Peer], suite: int) -> None:
    play(started, suite, [OURS] * 5)
