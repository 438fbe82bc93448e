"""A step that rests on evidence is taken only when its request names some of each kind."""

from __future__ import annotations

from mediation.evidence import KEPT
from mediation.offers import allowed
from protocols.kinds import Breach, Finding, Step
from tests.mediation.council import COUNCIL, asked
from tests.mediation.play import Play, t


def proven() -> tuple[Play, str, str]:
    play = asked()
    report = play.send("02:00", "AV", "breach-report", Breach("OV"))
    return play, report, play.send("03:00", "OV", "finding", Finding(report, "breach"))


def test_the_request_must_name_an_entry_of_every_kind() -> None:
    play, report, finding = proven()
    for named in ((), (report,), (finding,), ("x" * 43, report)):
        assert play.refused("04:00", "AV", "step-request", Step("proved", named)).code == "ladder.evidence"
    play.send("04:00", "AV", "step-request", Step("proved", (report, finding)))
    assert play.state.rung == "L3"


def test_entries_of_other_kinds_are_no_evidence() -> None:
    play, report, _ = proven()
    other = play.send("03:30", "AV", "statement")
    assert play.refused("04:00", "AV", "step-request", Step("proved", (report, other))).code == "ladder.evidence"


def test_only_the_newest_of_each_kind_are_kept() -> None:
    play, first, finding = proven()
    for _ in range(KEPT):
        play.send("03:30", "AV", "breach-report", Breach())
    assert len(play.state.evidence["breach-report"]) == KEPT
    assert play.refused("04:00", "AV", "step-request", Step("proved", (first, finding))).code == "ladder.evidence"


def test_the_panel_names_the_newest_evidence() -> None:
    play, report, finding = proven()
    offer = next(o for o in allowed(COUNCIL, play.state, "AV", t("04:00")) if o.step == "proved")
    assert offer.allowed
    assert offer.act == Step("proved", (report, finding))
    bare = next(o for o in allowed(COUNCIL, asked().state, "AV", t("04:00")) if o.step == "proved")
    assert bare.refusal is not None
    assert bare.refusal.code == "ladder.evidence"
