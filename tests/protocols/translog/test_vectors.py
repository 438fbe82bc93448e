"""Vectors made by others, if they are there: set HOTLINE_VECTORS, or put them beside the repository in shared/vectors."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.vectors.translog import KINDS, main

ROOT = Path(__file__).resolve().parents[3]


def folder() -> Path:
    named = os.environ.get("HOTLINE_VECTORS")
    found = (Path(named) if named else ROOT.parent / "shared" / "vectors") / "translog"
    if not found.is_dir():
        pytest.skip(f"NO TRANSPARENCY-LOG VECTORS at {found}: set HOTLINE_VECTORS to the folder that holds translog/")
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_every_vector_of_this_kind_is_answered_as_its_authors_expect(kind: str) -> None:
    outcomes = list(KINDS[kind](folder()))
    assert outcomes
    assert [each for each in outcomes if not each.passed] == []


def test_the_command_line_ends_with_the_totals(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(folder())]) == 0
    assert capsys.readouterr().out.rstrip().endswith("passed, 0 failed")
