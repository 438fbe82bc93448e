"""`hotline ladder` show, check, draw and schema."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from hotline import ladders
from hotline.cli import ladder as cli
from hotline.cli import main
from hotline.cli.ladder_show import words
from mediation.checker import Report, Violation
from mediation.ladder import parse_ladder
from mediation.schema import schema

DEFAULT = ladders.load("cpci-default")


def run(*arguments: object, fails: bool = False) -> Result:
    result = CliRunner().invoke(main, ["ladder", *(str(each) for each in arguments)], catch_exceptions=False)
    assert (result.exit_code == 1) is fails, result.output
    return result


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_bytes(DEFAULT.replace(b'after = "PT72H"', b'after = "three days"'))
    return path


def test_a_good_ladder_has_no_fault_and_says_how_much_was_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "check", lambda data: Report((), (), 1234))
    output = run("check", "cpci-default").output
    assert output.startswith("cpci-default: no fault; 1,234 states explored in ")
    assert json.loads(run("check", "--json", "cpci-default").output)["passed"] is True


def test_each_fault_stands_with_its_place_as_editors_read_it_and_status_is_1(broken: Path) -> None:
    output = run("check", broken, fails=True).output
    line = next(n for n, text in enumerate(broken.read_text().splitlines(), 1) if "three days" in text)
    assert output.startswith(f"{broken}:{line}:")
    assert "(ladder.file.duration)" in output


def test_a_fault_that_was_found_by_trying_comes_with_its_story(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fault = Violation("ladder.check.way-down", 7, 3, "No way down.", ("AV asks.", "KV is\x1b silent."))
    remark = Violation("ladder.check.long", 9, 1, "Rather long.")
    monkeypatch.setattr(cli, "check", lambda data: Report((fault,), (remark,), 1234))
    output = run("check", "cpci-default", fails=True).output.splitlines()
    assert output[0] == "cpci-default:7:3: No way down. (ladder.check.way-down)"
    assert output[1:3] == ["    AV asks.", "    KV is\ufffd silent."]
    assert output[3] == "cpci-default:9:1: remark: Rather long. (ladder.check.long)"
    assert output[4].startswith("cpci-default: 1 fault; 1,234 states explored in ")
    plain = json.loads(run("check", "--json", "cpci-default", fails=True).output)
    assert plain["passed"] is False
    assert plain["violations"][0]["story"] == ["AV asks.", "KV is\x1b silent."]
    assert plain["remarks"][0]["line"] == 9
    assert plain["states"] == 1234


@pytest.mark.parametrize("data", [b"", b"\xff", b"format = 1", b"[[rung", b"x" * 300_000], ids=range(5))
def test_whatever_is_in_the_file_check_answers_without_a_traceback(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(data)
    assert "ladder.file." in run("check", path, fails=True).output
    for command in ("show", "draw", "rehearse"):
        assert "ladder.file." in run(command, path, fails=True).output


def test_a_ladder_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    assert "ladder.unknown" in run("check", "nothing", fails=True).output
    assert "ladder.unread" in run("check", tmp_path / "nothing.toml", fails=True).output


def test_the_picture_is_svg_on_its_own_or_mermaid_text(tmp_path: Path) -> None:
    path = tmp_path / "ladder.svg"
    run("draw", "cpci-default", "--output", path)
    root = ElementTree.fromstring(path.read_text("utf-8"))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "flowchart" in run("draw", "cpci-default", "--format", "mermaid").output
    assert "ladder.unwritten" in run("draw", "cpci-default", "--output", tmp_path / "no" / "x", fails=True).output


def test_unverified_and_inferred_clocks_are_counted_first_and_marked_in_words() -> None:
    data = DEFAULT.replace(b'check = "D"', b'check = "T"', 2)[::-1].replace(b'"D" = kcehc', b'"A" = kcehc', 1)[::-1]
    said = list(words(parse_ladder(data)))
    top = said[: said.index("Rungs")]
    assert any(line.startswith("2 of 18 clocks are marked unverified") for line in top)
    assert any(line.startswith("1 of 18 clocks are marked inferred") for line in top)
    assert sum("[unverified]" in line for line in said) == 2
    assert sum("[inferred]" in line for line in said) == 1


def test_source_legal_status_review_and_sunset_are_said() -> None:
    data = DEFAULT.replace(
        b'review = "P1Y"', b'review = "P1Y"\nsunset = "2040-01-01"\nnotes = ["Shorter than the text."]'
    )
    said = "\n".join(words(parse_ladder(data)))
    assert "Legal status: design proposal. After: WTO DSU" in said
    assert "Reviewed every 1 year. No new thread opens from 2040-01-01 on." in said
    assert "  - Shorter than the text." in said


def test_every_shipped_ladder_is_said_drawn_and_rehearsed() -> None:
    for name in ladders.shipped():
        assert run("show", name).output
        assert "Open to AV" in run("rehearse", name).output


def test_the_schema_describes_every_field_and_its_patterns_are_portable() -> None:
    written = json.loads(run("schema").output)
    assert written == json.loads(msgspec.json.encode(schema()))
    for name, part in written["$defs"].items():
        assert part["description"], name
        assert part["additionalProperties"] is False, name
        for field, described in part["properties"].items():
            assert described.get("description"), (name, field)
    assert "\\Z" not in json.dumps(written)
