"""Promises that the reader or the engine keep already: the explorer would see it if they did not."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from mediation.checker.acts import anything
from mediation.checker.examine import examine
from mediation.checker.found import Found
from mediation.checker.report import Report
from mediation.checker.world import PARTIES, Run, World
from mediation.fold import Outcome
from mediation.ladder import derive, ladder_hash
from mediation.ladder_check import read_all
from mediation.refusals import Refusal
from mediation.rules import LadderFile
from mediation.state import ThreadState
from protocols.kinds import KINDS, Act, Author, Extension
from tests.mediation.checker.trial import CORE, MEDIATED


def unread(text: str) -> Report:
    """What exploration says about a file of which the reader's complaints are not heeded."""
    file, _ = read_all(text.encode())
    assert file is not None
    return examine(text, file, ladder_hash(text.encode()))


def core() -> LadderFile:
    file, _ = read_all(CORE.encode())
    assert file is not None
    return file


def test_time_alone_may_not_change_the_rung_without_declared_negative_consensus() -> None:
    report = unread(CORE.replace("negative_consensus = true\n", ""))
    (violation,) = [v for v in report.violations if v.code == "ladder.check.silent-move"]
    assert "'Decided' by itself" in violation.sentence
    assert "12 h pass. The clock 'Time to block' (decide) runs out." in violation.story[-1]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('stops = ["visit-wait"', 'stops = ["calm", "visit-wait"'),
        ('of = "calm"\n', 'of = "calm"\nmet_by_any = ["breach-report"]\n'),
        ('of = "calm"\n', 'of = "calm"\nmet_by_steps = ["return"]\n'),
    ],
)
def test_a_standstill_that_could_be_ended_early_is_either_ended_and_seen_or_held_by_the_engine(
    old: str, new: str
) -> None:
    report = unread(CORE.replace(old, new))
    seen = [v for v in report.violations if v.code == "ladder.check.standstill-shortened"]
    # `stops` never reaches the clock of a running standstill; being met does, and is seen.
    assert bool(seen) is ("met_by" in new)
    for violation in seen:
        assert violation.sentence == "The standstill ends before its time."
        assert "A standstill begins." in " ".join(violation.story)


class Yielding(World):
    """A fold in which ``office`` gets whatever end it names for a clock."""

    office = "HUB"

    def try_(self, state: ThreadState, office: str, kind: str, act: Act, at: int) -> Outcome | Refusal:
        if isinstance(act, Extension) and office == self.office:
            moved = tuple(replace(c, end=act.until) if c.id == act.clock else c for c in state.clocks)
            return Outcome(replace(state, clocks=moved))
        return super().try_(state, office, kind, act, at)


@pytest.mark.parametrize("office", ["HUB", "AV", "OV", "MD", "STATE1"])
def test_nobody_shortens_a_clock_the_operator_included(office: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Yielding, "office", office)
    monkeypatch.setattr("mediation.checker.examine.World", Yielding)
    report = unread(CORE)
    codes = {v.code for v in report.violations}
    assert {"ladder.check.clock-shortened", "ladder.check.standstill-alone"} <= codes
    shortened = next(v for v in report.violations if v.code == "ladder.check.clock-shortened")
    assert f"{office} alone can shorten the clock" in shortened.sentence
    assert shortened.story[-1] == f"{office} names an earlier end."


def test_a_ladder_under_which_no_thread_opens_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = Refusal("ladder.role-vacant", "trial/role-vacant", "No office is left.")
    monkeypatch.setattr(World, "open", lambda _: refusal)
    assert [v.code for v in unread(CORE).violations] == ["ladder.check.opening"]


def test_a_sunset_is_no_fault_of_the_threads_before_it() -> None:
    assert unread(CORE.replace('review = "P1Y"', 'review = "P1Y"\nsunset = "2030-01-01"')).passed


def test_a_blaming_title_is_remarked_on_because_it_is_shown() -> None:
    report = unread(CORE.replace('title = "Seconds"', 'title = "Punishment"'))
    assert report.passed
    assert "ladder.check.wording" in {remark.code for remark in report.remarks}


def test_mediation_by_agreement_only_is_remarked_on() -> None:
    text = MEDIATED.replace(
        'to = "mediation"\ndirection = "deescalate"\nconsent = "none"',
        'to = "mediation"\ndirection = "deescalate"\nconsent = "other"',
    )
    report = unread(text)
    assert report.passed
    assert "ladder.check.consent" in {remark.code for remark in report.remarks}


def test_every_kind_that_always_passes_can_be_tried() -> None:
    world = World(derive(core(), "x"))
    opened = world.open()
    assert not isinstance(opened, Refusal)
    state, _ = opened
    for kind in KINDS.values():
        if kind.always and kind.author is Author.OFFICER:
            assert isinstance(anything(kind.name, state, PARTIES[0]), kind.act)


def test_a_run_that_is_refused_says_whose_and_leaves_the_state() -> None:
    world = World(derive(core(), "x"))
    opened = world.open()
    assert not isinstance(opened, Refusal)
    state, _ = opened
    run = Run(world, state)
    assert not run.wait(state.at)
    assert not run.send("MD", "statement", anything("public-safety-notice", state, "MD"))
    assert run.refusal is not None
    assert (run.sender, run.state, run.lines) == ("MD", state, [])


def test_a_second_violation_of_one_code_at_one_place_is_left_out() -> None:
    found = Found(CORE, core())
    found.add("way-down", "rung[0].id", "One.")
    found.add("way-down", "rung[0].id", "Two.")
    assert [violation.sentence for violation in found.violations.values()] == ["One."]
