"""Every shipped ladder passes, and is decided quickly."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mediation.checker import check
from mediation.checker.examine import examine
from mediation.ladder import ladder_hash
from mediation.ladder_check import read_all

SHIPPED = sorted((Path(__file__).parents[3] / "mediation" / "ladders").glob("*.toml"))
SECONDS = 5.0
"""Of processor time: the machine may be busy with something else."""


@pytest.mark.parametrize("path", SHIPPED, ids=[path.stem for path in SHIPPED])
def test_a_shipped_ladder_passes_in_less_than_five_seconds(path: Path) -> None:
    start = time.process_time()
    report = check(path.read_bytes())
    assert report.violations == ()
    assert report.states > 1
    assert time.process_time() - start < SECONDS


def test_a_ladder_with_more_states_than_are_explored_is_not_decided_and_does_not_pass() -> None:
    data = SHIPPED[0].read_bytes()
    file, _ = read_all(data)
    assert file is not None
    report = examine(data.decode(), file, ladder_hash(data), most=3)
    assert [violation.code for violation in report.violations] == ["ladder.check.not-decided"]
    assert not report.passed
