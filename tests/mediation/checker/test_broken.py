"""Every fault is found, at its line, with a sentence and, where it takes a course of events, with the story of one."""

from __future__ import annotations

import pytest

from mediation.checker import check
from mediation.checker.examine import PROPERTIES, examine
from mediation.ladder import ladder_hash
from mediation.ladder_check import read_all
from tests.mediation.checker.broken import EXPLORED, READER, TEXTS, Broken
from tests.mediation.checker.trial import CORE, MEDIATED, SEIZED, WHOLE

ALL = (*READER, *TEXTS, *EXPLORED)
WITH_PROPERTY = tuple(broken for broken in ALL if broken.prop)


@pytest.mark.parametrize("text", [CORE, SEIZED, MEDIATED, WHOLE], ids=["core", "seized", "mediated", "whole"])
def test_what_is_broken_was_valid_before(text: str) -> None:
    report = check(text.encode())
    assert report.passed, report.violations
    assert report.states > 10
    assert {remark.code for remark in report.remarks} == {"ladder.check.quorum"}


def test_there_are_thirty_broken_ladders_and_more() -> None:
    assert len(ALL) >= 30
    assert len({broken.name for broken in ALL}) == len(ALL)


@pytest.mark.parametrize("broken", ALL, ids=[broken.name for broken in ALL])
def test_a_broken_ladder_is_refused_with_the_right_sentence_at_the_right_line(broken: Broken) -> None:
    report = check(broken.text.encode())
    fitting = [v for v in report.violations if v.code == f"ladder.{broken.code}" and broken.part in v.sentence]
    assert fitting, report.violations
    violation = fitting[0]
    assert violation.sentence.endswith(".")
    if broken.at:
        line = broken.text.splitlines()[violation.line - 1]
        assert broken.at in line
        assert 1 <= violation.column <= len(line) + 1
    if broken.story:
        assert violation.story[0].startswith("1. AV opens the thread (Routine).")
        assert broken.story in violation.story[-1]
        assert len(violation.story) <= 30


@pytest.mark.parametrize("broken", WITH_PROPERTY, ids=[broken.name for broken in WITH_PROPERTY])
def test_without_its_property_the_fault_is_not_named(broken: Broken) -> None:
    data = broken.text.encode()
    file, errors = read_all(data)
    assert file is not None
    assert errors == ()
    report = examine(broken.text, file, ladder_hash(data), properties=PROPERTIES - {broken.prop})
    assert not [v for v in report.violations if v.code == f"ladder.{broken.code}" and broken.part in v.sentence]


def test_every_property_is_held_by_a_broken_ladder_or_a_test_of_its_own() -> None:
    own = {"silence-moves", "nobody-shortens", "appointment-kept"}
    assert {broken.prop for broken in WITH_PROPERTY} | own == PROPERTIES


def test_a_reader_that_complains_stops_the_exploration() -> None:
    report = check(CORE.replace('option = "talk"', 'option = "chat"').encode())
    assert report.states == 0
    assert all(violation.code.startswith("ladder.file.") for violation in report.violations)


@pytest.mark.parametrize("data", [b"", b"\xff", b"a = ", b"format = 1", b"#" * 300_000])
def test_bytes_that_are_no_ladder_are_reported_and_raise_nothing(data: bytes) -> None:
    report = check(data)
    assert report.violations
    assert not report.passed
