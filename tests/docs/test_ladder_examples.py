"""The ladders and walks in the documentation do what the pages say they do."""

from __future__ import annotations

import re
import tomllib

import msgspec
import pytest
from click.testing import CliRunner

from hotline.cli import main
from mediation.checker import check
from mediation.rules import ClockRule, LadderFile, RoleRule, StepRule
from mediation.schema import fields, structures
from tests.docs.generate import REFERENCE, ROOT

EXAMPLES = ROOT / "docs" / "examples"
STRUCTURES = {"role": RoleRule, "step": StepRule, "clock": ClockRule}


def test_the_example_ladder_has_no_fault() -> None:
    report = check((EXAMPLES / "two-state-talk.toml").read_bytes())
    assert report.violations == ()


def test_the_fault_that_the_how_to_shows_is_the_one_that_is_found() -> None:
    data = (EXAMPLES / "two-state-talk.toml").read_text("utf-8")
    at = data.index('id = "convene"')
    broken = data[:at] + data[at:].replace('direction = "up"', 'direction = "across"', 1)
    (fault,) = check(broken.encode()).violations
    page = (ROOT / "docs" / "how-to" / "write-a-ladder.md").read_text("utf-8")
    assert f"mine.toml:{fault.line}:{fault.column}: {fault.sentence} ({fault.code})" in page
    assert all(re.search(rf"^    {re.escape(line)}$", page, re.MULTILINE) for line in fault.story), fault.story


def test_the_example_walk_goes_as_written() -> None:
    ladder, walk = EXAMPLES / "two-state-talk.toml", EXAMPLES / "two-state-talk.walk"
    result = CliRunner().invoke(main, ["ladder", "rehearse", str(ladder), "--play", str(walk)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "Watching what was agreed (level 0)" in result.output


def test_every_piece_of_toml_on_the_reference_page_is_of_the_language() -> None:
    pieces = re.findall(r"^```toml\n(.*?)^```", (REFERENCE / "ladder.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    whole = [piece for piece in pieces if "id = " in piece]
    assert len(whole) == 3
    for piece in whole:
        for name, tables in tomllib.loads(piece).items():
            for table in tables:
                msgspec.convert(table, STRUCTURES[name])


@pytest.mark.parametrize("struct", structures(LadderFile), ids=lambda struct: struct.__name__)
def test_every_field_of_the_language_says_what_it_means(struct: type[msgspec.Struct]) -> None:
    assert all(fields(struct).values()), fields(struct)
