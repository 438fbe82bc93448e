"""Closing needs both parties; reports and findings move nothing; crossing is a flag."""

from __future__ import annotations

from mediation import effects as fx
from mediation.fold import due
from protocols.kinds import Breach, CarveOut, Finding
from tests.mediation.places import mediated, on
from tests.mediation.play import Play, kid, t


def test_a_thread_closes_when_both_parties_sign() -> None:
    play = mediated()
    play.send("06:00", "MD", "close")
    assert play.saw(fx.CloseSigned).recommendation
    play.send("06:01", "AV", "close")
    assert play.refused("06:02", "AV", "close").code == "ladder.already-closing"
    assert play.state.rung == "L5-mediation"
    play.send("06:03", "KV", "close")
    assert play.saw(fx.Closed) == fx.Closed()
    assert [clock.rule for clock in due(play.state)] == ["lessons"]
    assert play.refused("06:04", "AV", "statement").code == "ladder.closed"
    play.send("06:05", "KV", "goodwill-note")


def test_closing_does_not_lift_a_standstill() -> None:
    play = on("L4-cooling-off")
    play.send("08:00", "AV", "close")
    play.send("08:00", "KV", "close")
    assert play.state.standstill is not None
    assert play.refused("09:00", "AV", "public-attribution").code == "ladder.standstill"
    assert play.at("74:00").standstill is None
    assert play.at("74:00").rung == "closed"


def test_a_signature_under_the_closing_lapses_when_the_thread_climbs() -> None:
    play = Play()
    play.send("00:01", "AV", "close")
    play.send("00:02", "AV", "incident-notice")
    play.send("00:03", "KV", "close")
    assert play.state.rung == "L1-notify"


def test_a_finding_comes_from_the_named_verifier_about_its_report_and_moves_nothing() -> None:
    play = on("L4-cooling-off")
    for verifier in ("XX", "AV", "NOBODY"):
        assert play.refused("08:00", "AV", "breach-report", Breach(verifier)).code == "ladder.unknown-office"
    play.send("08:00", "AV", "breach-report", Breach())
    report = play.send("08:00", "AV", "breach-report", Breach("OV"))
    other = play.send("08:01", "KV", "breach-report", Breach("HD"))
    assert play.refused("08:02", "OV", "finding", Finding(other, "breach")).code == "ladder.unknown-reference"
    assert play.refused("08:02", "NR", "finding", Finding(report, "breach")).code == "ladder.no-standing"
    assert play.refused("08:02", "OV", "statement").code == "ladder.not-member"
    before = play.state.standstill
    play.send("08:03", "OV", "finding", Finding(report, "breach"))
    assert play.saw(fx.FindingMade) == fx.FindingMade(report, "OV", "breach")
    assert play.state.standstill == before
    assert play.refused("08:04", "OV", "finding", Finding(report, "breach"), serial=1).code == "ladder.serial"


def test_a_permitted_act_is_announced_on_an_agreed_ground() -> None:
    play = on("L4-cooling-off")
    play.send("08:00", "AV", "carve-out-notice", CarveOut("own-network-defence"))


def test_reports_do_not_pile_up() -> None:
    play = on("L4-cooling-off")
    for _ in range(40):
        play.send("08:00", "AV", "breach-report", Breach("HD"))
    assert len(play.state.reports) == 16


def test_messages_that_crossed_are_flagged_to_each_other_and_others_are_not() -> None:
    play = mediated()
    start = play.state.seq
    play.send("06:00", "AV", "statement")
    play.send("06:00", "KV", "statement", prev_seq=start)
    assert play.saw(fx.Crossed) == fx.Crossed(start + 2, start + 1)
    play.send("06:01", "MD", "statement", prev_seq=start)
    assert play.all_of(fx.Crossed) == [fx.Crossed(start + 3, start + 1), fx.Crossed(start + 3, start + 2)]
    play.send("06:02", "AV", "statement", prev_seq=start + 3)
    assert play.all_of(fx.Crossed) == []
    play.send("06:03", "AV", "statement", prev_seq=start + 3)
    assert play.all_of(fx.Crossed) == []


def test_a_serial_number_is_counted_for_each_station() -> None:
    play = Play()
    play.send("00:01", "AV", "goodwill-note")
    play.send("00:01", "KV", "goodwill-note")
    assert {seat.office: seat.serial for seat in play.state.seats.values()} == {"AV": 2, "KV": 1}
    assert play.state.at == t("00:01")
    assert kid("AV-1") in play.state.roster
