"""The numbered checks in the engine's comments: each number stands at one place, so that a finding can cite it."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

import protocols.mls
from tests.docs import mls_checks
from tests.protocols.mls import checks, mutate

FOLDER = Path(protocols.mls.__file__).parent
FORBIDDEN = {"os", "time", "random", "secrets", "asyncio", "logging", "socket", "pathlib", "datetime"}


def test_every_check_number_is_used_once_and_well_formed() -> None:
    text = "\n".join(path.read_text() for path in sorted(FOLDER.glob("*.py")))
    numbers = re.findall(r"MLS-\d[\w.-]*", text)
    assert all(re.fullmatch(r"MLS-\d\d\.\d-\d\d", number) for number in numbers)
    assert [number for number, count in Counter(numbers).items() if count > 1] == []
    assert len(numbers) > 130
    assert sorted(f"MLS-{check.number}" for check in checks.checks()) == sorted(numbers)


def test_code_tests_and_document_name_the_same_checks() -> None:
    in_code = {check.number for check in checks.checks()}
    assert set(checks.tests()) == in_code
    document = mls_checks.PAGE.read_text("utf-8")
    assert set(re.findall(r"^\| MLS-(\S+) \|", document, re.MULTILINE)) == in_code
    assert document == mls_checks.page(), "run: python -m tests.docs.mls_checks"
    assert set(mutate.EXPLAINED) <= in_code


def test_every_check_stands_at_a_statement_that_can_be_taken_out() -> None:
    mutants = mutate.mutants()
    assert {mutant.check for mutant in mutants} == {check.number for check in checks.checks()}
    for mutant in mutants:
        original = (mutate.ROOT / mutant.path).read_text()
        assert mutant.changed != original
        compile(mutant.changed, str(mutant.path), "exec")


def test_a_sample_of_the_mutants_is_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    """The whole run is ``python -m tests.protocols.mls.mutate``; here four checks show that it works."""
    assert mutate.main(["--sample", str(len(mutate.mutants()) // 4), "--jobs", "2"]) == 0
    assert "named" in capsys.readouterr().out.splitlines()[-1]


def test_nothing_outside_the_package_imports_its_insides() -> None:
    inside = {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}
    for package in ("protocols", "mediation", "hotline", "web"):
        for path in (checks.ROOT / package).rglob("*.py"):
            if FOLDER in path.parents:
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom):
                    assert not (node.module or "").startswith("protocols.mls."), path
                    if node.module == "protocols.mls":
                        assert not inside & {alias.name for alias in node.names}, path
                elif isinstance(node, ast.Import):
                    assert not any(alias.name.startswith("protocols.mls.") for alias in node.names), path


def test_the_engine_imports_no_clock_no_io_and_no_randomness() -> None:
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            assert not FORBIDDEN & {name.split(".")[0] for name in names}, path.name
