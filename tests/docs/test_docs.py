"""The documentation says what the code does, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from protocols.entry import Payload, Stamp
from tests.docs.generate import REFERENCE, ROOT, pages

PAGES = sorted(path for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")))
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.name)
def test_generated_pages_are_those_that_the_code_makes(path: Path) -> None:
    assert path.read_text("utf-8") == pages()[path], "run: python -m tests.docs"


def anchors(text: str) -> set[str]:
    """The anchors that headings of a page make."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    for target in _LINK.findall(page.read_text("utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        found = (page.parent / name).resolve() if name else page
        assert found.exists(), f"{target} in {page.name}"
        assert ROOT in found.parents, target
        if anchor:
            assert anchor in anchors(found.read_text("utf-8")), f"{target} in {page.name}"


def test_every_decision_is_in_the_index() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text("utf-8")
    for path in folder.glob("[0-9]*.md"):
        assert f"({path.name})" in index


@pytest.mark.parametrize("struct", [Payload, Stamp])
def test_the_wire_reference_names_every_member_of_what_is_signed(struct: type) -> None:
    text = (REFERENCE / "wire.md").read_text("utf-8")
    for field in struct.__struct_encode_fields__:  # type: ignore[attr-defined]  # msgspec's
        assert f"| `{field}` |" in text, field


def test_the_documentation_speaks_of_the_product_only() -> None:
    for page in PAGES:
        assert not re.search(r"\bTODO\b|\bTBD\b|lorem ipsum", page.read_text("utf-8")), page
