"""The official vectors of the MLS working group: we read what others wrote."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from protocols.mls import Group
from protocols.mls.key_package import unpack_private
from tests.protocols.mls.harness import NOW, Draw, person
from tests.vectors import mls

FOLDER = mls.folder()
REASON = "no MLS test vectors: set HOTLINE_VECTORS to the folder that holds mls/"


@pytest.mark.skipif(FOLDER is None, reason=REASON)
@pytest.mark.parametrize("kind", mls.KINDS)
def test_every_official_vector_of_this_kind_passes(kind: str) -> None:
    assert FOLDER is not None
    found = list(mls.cases(FOLDER, kind))
    if not found:
        pytest.skip(f"{kind}.json is not in {FOLDER.name}/")
    for case in found:
        mls.KINDS[kind](case)


@pytest.mark.skipif(FOLDER is None, reason=REASON)
def test_the_runner_counts_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert mls.main([str(FOLDER)]) == 0
    assert capsys.readouterr().out.strip().endswith(" passed, 0 failed")


def commit_sequence(suite: int, epochs: int) -> dict[str, Any]:
    """A passive client's view of hundreds of random commits, in the form of the official ``passive-client-random``."""
    rng, dice = Draw(f"sequence/{suite}"), Random(suite)
    first = Group.create(suite, b"sequence", b"m0", rng(32), now=NOW, rng=rng)
    client = person("client", suite)
    staged = first.commit(add=[client.bundle.key_package], now=NOW, rng=rng)
    first.merge(staged)
    watcher = Group.join(staged.welcome or b"", client.bundle, client.seed, now=NOW)
    init, encryption = unpack_private(client.bundle.private)
    case: dict[str, Any] = {
        "cipher_suite": suite,
        "external_psks": [{"psk_id": b"agreed".hex(), "psk": b"value".hex()}],
        "key_package": client.bundle.key_package.hex(),
        "signature_priv": client.seed.hex(),
        "encryption_priv": encryption.hex(),
        "init_priv": init.hex(),
        "welcome": (staged.welcome or b"").hex(),
        "ratchet_tree": None,
        "initial_epoch_authenticator": watcher.epoch_authenticator.hex(),
        "epochs": [],
    }
    for number in range(epochs):
        proposals, arguments = [], {}
        others = [m.leaf for m in first.members() if m.identity.startswith(b"n")]
        if dice.random() < 0.4 and len(others) < 9:
            arguments["add"] = [person(f"n{number}", suite).bundle.key_package]
        elif dice.random() < 0.4 and others:
            proposals.append(first.propose_remove(dice.choice(others), now=NOW, public=dice.random() < 0.5, rng=rng))
        elif dice.random() < 0.3:
            arguments["psks"] = {b"agreed": b"value"}
        staged = first.commit(public=dice.random() < 0.5, now=NOW, rng=rng, **arguments)
        first.merge(staged)
        case["epochs"].append(
            {
                "proposals": [p.hex() for p in proposals],
                "commit": staged.commit.hex(),
                "epoch_authenticator": first.epoch_authenticator.hex(),
            }
        )
    return case


def test_a_sequence_of_hundreds_of_commits_is_followed_and_other_suites_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sequence = commit_sequence(3, 250)
    (tmp_path / "mls").mkdir()
    file = tmp_path / "mls" / "passive-client-random.json"
    file.write_text(json.dumps([sequence, {"cipher_suite": 7}]))
    assert mls.main([str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "passive-client-random            1/1  (1 of other suites not run)" in told
    assert told.endswith("1 passed, 0 failed\n")
    sequence["epochs"][200]["epoch_authenticator"] = "00" * 32
    file.write_text(json.dumps([sequence, 5, {"cipher_suite": 1}]))
    assert mls.main([str(tmp_path)]) == 1
    assert capsys.readouterr().out.endswith("0 passed, 3 failed\n")
    file.write_text("{")
    assert mls.main([str(tmp_path)]) == 1
    assert capsys.readouterr().out.endswith("0 passed, 1 failed\n")


def test_the_runner_fails_where_there_is_nothing_to_run(tmp_path: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert mls.main([str(tmp_path)]) == 1
    assert "0 passed, 0 failed" in capsys.readouterr().out
