"""Take each numbered check out of the engine in turn and see that a test notices: ``python -m tests.protocols.mls.mutate``.

Works on temporary copies of the packages, one per worker, and never on the tree itself. For each ``# MLS-..`` comment the
statement that it stands at is disabled: a ``raise`` becomes ``pass``, a checking call goes, a condition becomes false.
The tests that name the check (``checks.py``) must notice; where they do not, all others are tried, and the mutant is told as
``other`` or as a survivor. Prints every mutant with the test that failed; exits 1 if one is noticed by no test that names its
check and ``EXPLAINED`` does not say why.

    --only TEXT      mutants whose name or file holds the text
    --sample N       every N-th mutant (the tests of the engine run a small sample)
    --jobs N         workers (2)
    --minutes N      stop after that time; what was not run is said (20)
"""

from __future__ import annotations

import argparse
import ast
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

from tests.protocols.mls import checks

ROOT = Path(__file__).parents[3]
PACKAGE = Path("protocols/mls")

FILES = (
    "test_attacks_on_commits.py",
    "test_attacks_on_joining.py",
    "test_attacks_on_messages.py",
    "test_succession.py",
    "test_second_lines.py",
    "test_parsing.py",
    "test_hpke.py",
    "test_group.py",
)

SLOW = ("test_random_walk.py",)
"""Tried only for what no other test notices."""

EXPLAINED: dict[str, str] = {}
"""Checks whose removal no test can notice, and why. The generated document quotes this."""


@dataclass(frozen=True)
class Mutant:
    """A file with one check disabled."""

    check: str
    path: Path
    line: int
    text: str
    changed: str
    """The whole file, changed."""

    @property
    def name(self) -> str:
        """What was disabled."""
        return f"{self.check} {self.path.name}:{self.line} {self.text}"


class Places:
    """The statements of a file by the line where they begin."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.lines = source.splitlines(keepends=True)
        self.tree = ast.parse(source)

    def after(self, line: int) -> list[ast.stmt]:
        """The statement that follows a comment, and checking calls that follow it at once."""
        found: list[ast.stmt] = []
        for body in self._bodies():
            starts = [s for s in body if s.lineno > line]
            if not starts or any(not self._is_comment(n) for n in range(line + 1, starts[0].lineno)):
                continue
            found = [starts[0]]
            if isinstance(starts[0], ast.Expr):
                for following in starts[1:]:
                    if not isinstance(following, ast.Expr) or following.lineno != found[-1].end_lineno + 1:  # type: ignore[operator]
                        break
                    found.append(following)
        return found

    def _is_comment(self, line: int) -> bool:
        return self.lines[line - 1].strip().startswith("#")

    def _bodies(self) -> Iterator[list[ast.stmt]]:
        for node in ast.walk(self.tree):
            for name in ("body", "orelse", "finalbody"):
                body = getattr(node, name, None)
                if isinstance(body, list) and body and isinstance(body[0], ast.stmt):
                    yield body

    def replace(self, node: ast.AST, text: str) -> str:
        """The source with a node replaced."""
        first, last = node.lineno - 1, node.end_lineno - 1  # type: ignore[attr-defined]
        head = self.lines[first].encode()[: node.col_offset].decode()  # type: ignore[attr-defined]
        tail = self.lines[last].encode()[node.end_col_offset :].decode()  # type: ignore[attr-defined]
        return "".join([*self.lines[:first], head + text + tail, *self.lines[last + 1 :]])

    def expression_at(self, line: int) -> ast.expr | None:
        """The outermost expression that begins just below a comment inside a statement."""
        found = [n for n in ast.walk(self.tree) if isinstance(n, ast.expr) and n.lineno == line + 1]
        return max(found, key=lambda n: (n.end_lineno or 0, -n.col_offset), default=None)

    def function_at(self, line: int) -> ast.FunctionDef | None:
        """The function whose docstring holds the number."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None:
                described = node.body[0]
                if described.lineno <= line <= (described.end_lineno or 0):
                    return node
        return None


def mutants() -> list[Mutant]:
    """All of them, in the order of the checks."""
    places = {path: Places(path.read_text()) for path in sorted((ROOT / PACKAGE).glob("*.py"))}
    return [m for c in checks.checks() for m in _of(c.number, c.line, c.path.relative_to(ROOT), places[c.path])]


def _of(check: str, line: int, path: Path, places: Places) -> list[Mutant]:
    def mutant(node: ast.AST, text: str) -> Mutant:
        shown = (ast.get_source_segment(places.source, node) or "").split("\n")[0][:60]
        return Mutant(check, path, node.lineno, shown, places.replace(node, text))  # type: ignore[attr-defined]

    function = places.function_at(line)
    if function is not None:
        return [mutant(function.body[-1], "pass")]
    statements = places.after(line)
    if not statements:
        inner = places.expression_at(line)
        assert inner is not None, f"nothing stands at {check}"
        return [mutant(inner, "False")]
    first = statements[0]
    if isinstance(first, ast.If):
        return [mutant(first.test, "False")]
    if isinstance(first, ast.Raise):
        return [mutant(first, "pass")]
    assert isinstance(first, ast.Expr), f"{check} stands at no check"
    return [mutant(statement, "pass") for statement in statements]


def copy(target: Path) -> None:
    """A copy of what the tests need."""
    ignore = shutil.ignore_patterns("__pycache__", "node_modules")
    shutil.copytree(ROOT / "protocols", target / "protocols", ignore=ignore)
    (target / "tests" / "protocols").mkdir(parents=True)
    for name in ("__init__.py", "protocols/__init__.py"):
        if (ROOT / "tests" / name).is_file():
            shutil.copy(ROOT / "tests" / name, target / "tests" / name)
    for name in ("protocols/mls", "vectors", "interop"):
        shutil.copytree(ROOT / "tests" / name, target / "tests" / name, ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", target)


def failures(folder: Path, tests: Sequence[str]) -> list[str]:
    """The first test that fails in a copy, if one does."""
    tests = [f"tests/protocols/mls/{name}" for name in tests]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--no-header", "--tb=no", "-rfE"]
    done = subprocess.run(
        [*command, *tests],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    if done.returncode not in (0, 1) and not failed:
        return [f"the tests could not run: {(done.stdout + done.stderr)[-200:]}"]
    return failed


def judge(mutant: Mutant, folder: Path, named: Sequence[tuple[str, str]]) -> str:
    """What becomes of a mutant: one sentence that begins with ``named``, ``other`` or ``SURVIVES``."""
    target = folder / mutant.path
    original = target.read_text()
    target.write_text(mutant.changed)
    try:
        failed = failures(folder, [f"{file}::{test}" for file, test in named]) if named else []
        if failed:
            return f"named: {failed[0].split('::')[-1][:80]}"
        failed = failures(folder, FILES) or failures(folder, SLOW)
        return f"other: {failed[0].split('::', 1)[-1][:80]}" if failed else "SURVIVES"
    finally:
        target.write_text(original)


def main(arguments: Sequence[str]) -> int:
    """Run the mutants."""
    parser = argparse.ArgumentParser(description="Disable each numbered check of the group engine in turn.")
    parser.add_argument("--only", default="")
    parser.add_argument("--sample", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=20)
    options = parser.parse_args(arguments)
    chosen = [m for m in mutants() if options.only in m.name][:: options.sample]
    until = time.monotonic() + 60 * options.minutes
    named = checks.tests()
    verdicts: Counter[str] = Counter()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as top:
        folders: Queue[Path] = Queue()
        for number in range(options.jobs):
            folder = Path(top) / str(number)
            folder.mkdir()
            copy(folder)
            folders.put(folder)
        broken = failures(folder, FILES) if options.sample == 1 else []
        if broken:
            print(f"the tests fail without any mutant: {broken}", file=sys.stderr)
            return 2

        def work(mutant: Mutant) -> tuple[Mutant, str]:
            if time.monotonic() > until:
                return mutant, "not run"
            folder = folders.get()
            try:
                return mutant, judge(mutant, folder, named.get(mutant.check, ()))
            finally:
                folders.put(folder)

        with ThreadPoolExecutor(options.jobs) as pool:
            for mutant, verdict in pool.map(work, chosen):
                kind = verdict.split(":")[0]
                if kind in ("other", "SURVIVES") and mutant.check in EXPLAINED:
                    kind, verdict = "explained", f"{verdict} (explained)"
                verdicts[kind] += 1
                print(f"{mutant.name:90} {verdict}", flush=True)
                if kind in ("other", "SURVIVES"):
                    wrong.append(f"{mutant.name}: {verdict}")
    print(", ".join(f"{count} {kind}" for kind, count in sorted(verdicts.items())) + f" of {len(chosen)} mutants")
    for line in wrong:
        print(f"WRONG {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
