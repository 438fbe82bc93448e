"""The checker sees an engine that loses the way to a mediator, or lets a body's silence be the end of it."""

from __future__ import annotations

import pytest

from hotline import ladders
from mediation.checker import check
from mediation.checker.report import Report
from mediation.draft import Draft
from mediation.rules import StepRule

WITHDRAW = """\
[[step]]
id = "withdraw"
title = "Withdraw the request"
from = ["consultations", "panel", "reported"]
to = "routine"
direction = "down"
consent = "none"

"""
"""A way down that one party takes alone, beside which a mediation that both agreed on goes on."""


def asean() -> bytes:
    text = ladders.load("asean-edsm").decode()
    mark = '[[step]]\nid = "settle"'
    assert mark in text
    return text.replace(mark, WITHDRAW + mark).encode()


def lost(report: Report) -> list[str]:
    return [" ".join(v.story) for v in report.violations if v.code == "ladder.check.appointment-lost"]


def test_a_step_down_of_one_party_takes_nobodys_way_to_a_mediator() -> None:
    report = check(asean())
    assert report.passed, report.violations


def test_an_engine_whose_steps_down_take_every_option_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def always(_: Draft, __: StepRule) -> bool:
        return True

    monkeypatch.setattr("mediation.steps.ended_by", always)
    (story,) = lost(check(asean()))
    assert "Withdraw the request" in story
    assert story.endswith("could have had a mediator appointed before, and cannot any more.")


@pytest.mark.parametrize("name", ["asean-edsm", "wto-dsu", "us-rla-major-dispute"])
def test_the_shipped_ladders_beside_whose_rungs_mediation_runs_show_it_too(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def always(_: Draft, __: StepRule) -> bool:
        return True

    data = ladders.load(name)
    assert not lost(check(data))
    monkeypatch.setattr("mediation.steps.ended_by", always)
    assert lost(check(data))
