"""The reference page tells the stories that the checker tells, and names every code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mediation.checker import check
from tests.mediation.checker.broken import EXPLORED

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reference" / "ladder-checker.md"
STORY = re.compile(r"<!-- story: ([^\n]+) -->\n```text\n(.*?)```", re.DOTALL)


def told(name: str) -> str:
    """What the checker prints for a broken ladder: the violation, then its story."""
    broken = next(broken for broken in EXPLORED if broken.name == name)
    violation = next(
        v
        for v in check(broken.text.encode()).violations
        if v.code == f"ladder.{broken.code}" and broken.part in v.sentence
    )
    return "\n".join((f"{violation.code}: {violation.sentence}", *violation.story)) + "\n"


@pytest.mark.parametrize("name", [name for name, _ in STORY.findall(PAGE.read_text())])
def test_a_story_on_the_page_is_the_one_the_checker_tells(name: str) -> None:
    assert dict(STORY.findall(PAGE.read_text()))[name] == told(name)


def test_every_code_of_the_checker_is_on_the_page() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "mediation" / "checker").rglob("*.py"))
    codes = set(re.findall(r'\.(?:add|remark)\(\s*"([a-z-]+)"', sources)) - {"consent"}
    page = PAGE.read_text()
    assert len(codes) > 12
    assert [code for code in sorted(codes) if f"`{code}`" not in page and f"ladder.check.{code}`" not in page] == []
