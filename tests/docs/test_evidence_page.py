"""The check by hand is what its page says, the shipped example is the one that the code makes, and it verifies."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

from hotline import bundles
from mediation.audit import Report, Trust, verify
from protocols.bundle import Bundle, write_bundle
from protocols.translog import parse_policy
from tests.docs import by_hand
from tests.docs.by_hand import PAGE, blocks, filled, missing_tools
from tests.docs.example_bundle import ACCORD, BUNDLE, POLICY_FILE, ROOT_FILE, files

by_shell = pytest.mark.skipif(
    missing_tools() != [], reason=f"SKIPPED LOUDLY: nothing was checked by hand, {', '.join(missing_tools())} missing"
)


def judged(bundle: Bundle) -> Report:
    trust = Trust(parse_policy(POLICY_FILE.read_bytes()), ACCORD, authorities=(ROOT_FILE.read_bytes(),))
    return verify(bundle, trust, allow_withheld=True)


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return by_hand.run(PAGE.read_text("utf-8"), tmp_path_factory.mktemp("by-hand"))


def test_the_shipped_example_is_the_one_that_the_code_makes() -> None:
    # Not the zip file's own bytes: how well it is packed is the packing library's business.
    for path, data in files().items():
        if path == BUNDLE:
            made, shipped = write_bundle(bundles.unpack(data)), write_bundle(bundles.load(path))
            changed = sorted(name for name in made.keys() | shipped.keys() if made.get(name) != shipped.get(name))
            assert changed == [], "run: python -m tests.docs.example_bundle, then python -m tests.docs.by_hand"
        else:
            assert path.read_bytes() == data, path.name


def test_the_shipped_example_holds_and_is_an_exercise() -> None:
    report = judged(bundles.load(BUNDLE))
    assert report.holds, report.problems
    assert report.status == "EXERCISE"
    assert [entry.grade for entry in report.entries] == ["L3"] * 5
    assert [entry.seq for entry in report.withheld] == [5]
    assert (report.clocks[0].wait, report.clocks[0].deadline) == ("ELAPSED", "MISSED")
    assert report.tail is not None and report.tail.whole
    assert len(report.tokens) == 1
    assert f"`{ACCORD}`" in PAGE.read_text("utf-8")


@by_shell
def test_the_commands_of_the_page_print_what_stands_below_them(printed: list[str]) -> None:
    text = PAGE.read_text("utf-8")
    assert filled(text, printed) == text, "run: python -m tests.docs.by_hand"


@by_shell
def test_the_check_by_hand_comes_to_the_verifiers_intervals(printed: list[str]) -> None:
    said = "".join(printed)
    report = judged(bundles.load(BUNDLE))
    assert report.clocks[0].least is not None
    assert f"between them at least {report.clocks[0].least} s" in said
    assert said.count("Signature Verified Successfully") > 30
    assert "Fail" not in said


@by_shell
@pytest.mark.parametrize(
    ("name", "old", "new", "step"),
    [
        ("000002.leaf", b'"payload":"e', b'"payload":"f', "5. Every entry is in the log"),
        ("000003.leaf", b'"signature":"', b'"signature":"A', "6. Who signed"),
        ("accord.jws", b'"signature":"', b'"signature":"A', "2. The accord"),
        ("final.checkpoint", b"line.example/log\n8\n", b"line.example/log\n9\n", "3. The heads of the log"),
        ("000006.disclose", b"WyJ", b"WyI", "8. What was said"),
        ("final.tsr", b"2031031003204", b"2031031003205", "10. A time-stamp"),
    ],
)
def test_a_changed_file_shows_in_the_check_by_hand(
    name: str, old: bytes, new: bytes, step: str, printed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By hand one sees it at the step that is about that file (and at the manifest)."""
    changed = tmp_path / "evidence.zip"
    with zipfile.ZipFile(BUNDLE) as good, zipfile.ZipFile(changed, "w") as made:
        for each in good.namelist():
            data = good.read(each)
            if each == name:
                assert old in data
                data = data.replace(old, new, 1)
            made.writestr(each, data)
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.setattr(by_hand, "BUNDLE", changed)
    page = PAGE.read_text("utf-8")
    said = by_hand.run(page, folder, faults=True)
    headings = [page[: page.index(commands)].rpartition("\n## ")[2].split("\n")[0] for commands, _ in blocks(page)]
    differing = [heading for heading, now, then in zip(headings, said, printed, strict=True) if now != then]
    assert "1. Nothing is missing" in differing
    assert step in differing
    shutil.rmtree(folder)
