"""The wheel holds everything the packages need to run, and nothing else. Nothing is installed."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("protocols", "mediation", "hotline", "web")


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_every_file_of_the_packages_is_in_the_wheel(names: set[str]) -> None:
    wanted = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc" and path.name[0] != "."
    }
    assert wanted - names == set()


def test_what_is_not_python_but_needed_is_among_it(names: set[str]) -> None:
    for part, suffix in (
        ("mediation/ladders/", ".toml"),
        ("hotline/store/migrations/hub/versions/", ".py"),
        ("hotline/store/migrations/station/versions/", ".py"),
        ("web/shared/static/", ".css"),
        ("web/desk/templates/", ".html"),
    ):
        assert any(name.startswith(part) and name.endswith(suffix) for name in names), part
    assert {f"{package}/py.typed" for package in PACKAGES} <= names


def test_nothing_else_is_in_it(names: set[str]) -> None:
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
    assert not [name for name in names if name.endswith((".key", ".db", ".pem", ".pyc")) or "/tests/" in name]
