"""The numbered checks in the engine's comments: each number stands at one place, so that a finding can cite it."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import protocols.mls

FOLDER = Path(protocols.mls.__file__).parent
FORBIDDEN = {"os", "time", "random", "secrets", "asyncio", "logging", "socket", "pathlib", "datetime"}


def test_every_check_number_is_used_once_and_well_formed() -> None:
    text = "\n".join(path.read_text() for path in sorted(FOLDER.glob("*.py")))
    numbers = re.findall(r"MLS-\d[\w.-]*", text)
    assert all(re.fullmatch(r"MLS-\d\d\.\d-\d\d", number) for number in numbers)
    assert [number for number, count in Counter(numbers).items() if count > 1] == []
    assert len(numbers) > 90


def test_the_engine_imports_no_clock_no_io_and_no_randomness() -> None:
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            assert not FORBIDDEN & {name.split(".")[0] for name in names}, path.name
