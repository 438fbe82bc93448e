"""Where the numbered checks of the engine stand, and which tests say that they break them.

A check is a comment ``# MLS-ss.s-nn: what must hold`` in ``protocols/mls`` (``ss.s`` is the section of RFC 9420), beside the
statement that makes it. A test says ``Breaks MLS-ss.s-nn.`` in its docstring; ``mutate.py`` shows that it does.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "protocols" / "mls"
TESTS = ROOT / "tests" / "protocols" / "mls"

NUMBER = re.compile(r"MLS-(\d\d\.\d-\d\d)")
_COMMENT = re.compile(r"^\s*(?:#|\"\"\")\s*MLS-(\d\d\.\d-\d\d): (.*)$")


@dataclass(frozen=True)
class Check:
    """One numbered check."""

    number: str
    path: Path
    line: int
    says: str

    @property
    def section(self) -> str:
        """The section of RFC 9420, as it is written there."""
        return self.number[:4].lstrip("0")


def checks() -> list[Check]:
    """All checks, in the order of their numbers."""
    found: list[Check] = []
    for path in sorted(PACKAGE.glob("*.py")):
        lines = path.read_text().splitlines()
        for index, line in enumerate(lines):
            match = _COMMENT.match(line)
            if match is None:
                continue
            words = [match.group(2).removesuffix('"""')]
            for following in lines[index + 1 :]:
                text = following.strip()
                if words[-1].endswith(".") or not text.startswith("#"):
                    break
                words.append(text.lstrip("# "))
            found.append(Check(match.group(1), path, index + 1, " ".join(words).split(". ")[0].rstrip(".")))
    return sorted(found, key=lambda check: check.number)


def tests() -> dict[str, list[tuple[str, str]]]:
    """For each check the tests that name it, as pairs of file name and test name."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for path in sorted(TESTS.glob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for number in NUMBER.findall(ast.get_docstring(node) or ""):
                    found[number].append((path.name, node.name))
    return dict(found)
