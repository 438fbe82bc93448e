"""The official vectors of the MLS working group: we read what others wrote."""

from __future__ import annotations

import pytest

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


def test_the_runner_fails_where_there_is_nothing_to_run(tmp_path: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert mls.main([str(tmp_path)]) == 1
    assert "0 passed, 0 failed" in capsys.readouterr().out
