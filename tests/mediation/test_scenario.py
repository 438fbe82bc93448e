"""The St Brannoc incident, entry for entry, through the fold."""

from __future__ import annotations

from mediation import effects as fx
from mediation.fold import due, next_due, unannounced
from mediation.state import from_bytes, state_hash, to_bytes
from protocols.kinds import (
    About,
    Admission,
    Answer,
    Ask,
    Breach,
    Extension,
    Finding,
    Member,
    Nominate,
    Objection,
    ObjectionAnswer,
    Proposal,
    ProposalAnswer,
    Received,
    Rekey,
    Reveal,
    Scope,
    Step,
    StepAnswer,
    Supersede,
    Verdict,
    Waiver,
)
from tests.mediation.play import LADDER, SALT, Play, kid, t


def test_the_st_brannoc_incident_from_notice_to_close() -> None:
    play = Play()

    # E02, E03: one person alone cannot send a notice; two can.
    assert (
        play.refused("00:28", "AV", "incident-notice", two_person=False, officers=("one",)).code == "ladder.two-person"
    )
    notice = play.send("00:31", "AV", "incident-notice")
    assert play.state.rung == "L1-notify"
    play.send("00:31", "KV", "receipt", Received(notice))
    assert {clock.rule: clock.end - t("00:31") for clock in due(play.state)} == {
        "page-alternate": 600_000,
        "human-ack": 1_800_000,
        "reply": 4 * 3_600_000,
    }

    # E04: nobody acknowledged in ten minutes: the alternate is paged, once.
    page = play.clock("page-alternate")
    assert next_due(play.state) == t("00:41")
    assert [clock.id for clock in unannounced(play.state, t("00:41"))] == [page]
    play.hub("00:41", page)
    assert play.saw(fx.PageAlternate) == fx.PageAlternate("KV", notice)
    assert unannounced(play.state, t("00:41")) == ()

    # E05, E06: acknowledgement after 27 minutes; holding reply inside four hours.
    play.send("00:58", "KV", "acknowledgement", About(notice))
    assert play.saw(fx.ClockMet).clock.rule == "human-ack"
    play.send("03:50", "KV", "holding-reply", About(notice))
    assert play.saw(fx.ClockMet).clock.rule == "reply"
    assert play.state.clocks == ()

    # E07: five questions; due 24 h after receipt.
    questions = play.send("05:10", "AV", "clarification-request", Ask(5, preservation=True))
    assert play.state.rung == "L2-clarify"
    play.send("05:10", "KV", "receipt", Received(questions))
    assert [(clock.rule, clock.end) for clock in due(play.state)] == [("clarify", t("29:10"))]

    # E08 to E11: updates and authenticity pass; a holding reply does not stop the clock.
    play.send("09:00", "AV", "update", Supersede(notice))
    query = play.send("11:30", "KV", "authenticity-query")
    play.send("11:36", "AV", "authenticity-answer", Verdict(query, "not-ours"))
    play.send("12:00", "KV", "holding-reply", About(questions))
    assert play.clock("clarify") == f"clarify/{_seq(play, questions)}"

    # E12: a hard note and a partial answer cross; three answers of five do not meet the clock.
    before = play.state.seq
    play.send("19:58", "AV", "statement")
    play.send(
        "20:00",
        "KV",
        "clarification-answer",
        Answer(questions, ("answered", "answered", "answered", "later", "later")),
        prev_seq=before,
    )
    assert play.saw(fx.Crossed) == fx.Crossed(before + 2, before + 1)
    assert play.clock("clarify")

    # E13: the clock runs out: an option for the asking side, and no move.
    clarify = play.clock("clarify")
    assert play.refused("29:09", "AV", "step-request", Step("L6-inquiry")).code == "ladder.wrong-rung"
    play.hub("29:10", clarify)
    assert play.saw(fx.OptionOpened) == fx.OptionOpened("L3-experts", "AV")
    assert play.state.rung == "L2-clarify"

    # E14, E15: experts by option and consent; the session meets its clock.
    request = play.send("29:40", "AV", "step-request", Step("L3-experts"))
    assert play.saw(fx.StepRequested).request == request
    assert play.state.rung == "L2-clarify"
    play.send("31:00", "KV", "step-accept", StepAnswer(request, "L3-experts"))
    assert play.saw(fx.RungChanged) == fx.RungChanged("L2-clarify", "L3-experts")
    assert [(clock.rule, clock.end) for clock in due(play.state)] == [("session", t("77:40"))]
    play.send("36:00", "AV", "session-open", About(request))
    assert play.saw(fx.ClockMet).clock.rule == "session"

    # E17: cooling-off by agreement, 72 h from acceptance.
    request = play.send("42:00", "AV", "step-request", Step("L4-cooling-off"))
    play.send("43:15", "KV", "step-accept", StepAnswer(request, "L4-cooling-off"))
    assert play.saw(fx.StandstillStarted) == fx.StandstillStarted(t("115:15"))
    assert play.state.rung == "L4-cooling-off"

    # E18: attribution and inquiry are refused, with rule and time; two people make no difference.
    for kind, act in (("public-attribution", None), ("step-request", Step("L6-inquiry"))):
        for people in (True, False):
            refusal = play.refused("47:00", "AV", kind, act, two_person=people)
            assert (refusal.code, refusal.rule, refusal.until) == (
                "ladder.standstill",
                "cpci-default/standstill",
                t("115:15"),
            )

    # E19, E20: a safety notice passes; a restart in between changes nothing.
    play.send("49:00", "AV", "public-safety-notice")
    play.state = from_bytes(to_bytes(play.state))
    assert play.state.standstill is not None
    assert play.state.standstill.end == t("115:15")

    # E21: an alleged breach, verified from outside; cooling-off goes on.
    report = play.send("55:00", "AV", "breach-report", Breach("HD"))
    assert play.saw(fx.Invited) == fx.Invited("HD", "verifier")
    play.send("57:00", "KV", "statement")
    assert play.refused("59:00", "MD", "finding", Finding(report, "breach")).code == "ladder.no-standing"
    play.send("59:30", "HD", "finding", Finding(report, "accidental"))
    assert play.saw(fx.FindingMade).finding == "accidental"
    assert play.state.standstill is not None
    assert play.state.standstill.end == t("115:15")

    # E22: mediation opens during the standstill, by one party alone.
    play.send("60:00", "KV", "step-request", Step("L5-mediation"))
    assert play.state.rung == "L5-mediation"
    assert play.state.standstill is not None

    # E23: sealed nominations, opened together; the common one is chosen.
    first = play.send("63:00", "AV", "nomination", Nominate(play.sealed("AV", "MD", "HD")))
    assert (
        play.refused("63:01", "AV", "nomination-reveal", Reveal(first, ("MD", "HD"), SALT)).code
        == "ladder.reveal-early"
    )
    second = play.send("66:00", "KV", "nomination", Nominate(play.sealed("KV", "MD", "OSTERRA")))
    assert [effect.office for effect in play.all_of(fx.RevealDue)] == ["AV", "KV"]
    wrong = play.refused("66:01", "KV", "nomination-reveal", Reveal(second, ("HD",), SALT))
    assert wrong.code == "ladder.nomination-mismatch"
    play.send("66:01", "AV", "nomination-reveal", Reveal(first, ("MD", "HD"), SALT))
    assert play.all_of(fx.Nominated) == []
    play.send("66:02", "KV", "nomination-reveal", Reveal(second, ("MD", "OSTERRA"), SALT))
    assert play.saw(fx.Nominated) == fx.Nominated("MD", "overlap")

    # E24: acceptance, then the declaration opens a window of six hours.
    assert play.refused("66:10", "MD", "declaration").code == "ladder.accept-first"
    play.send("66:30", "MD", "mediator-acceptance")
    play.send("69:00", "MD", "declaration")
    assert [clock.end for clock in due(play.state) if clock.rule == "objections"] == [t("75:00")]

    # E25: objection with a co-mediator, agreed; both must declare before anybody can waive or admit.
    admission = Admission(("MD", "HD"), Scope("L3-experts", (notice, questions)))
    assert play.refused("70:00", "AV", "admission", Admission(("MD",), Scope())).until == t("75:00")
    objection = play.send("72:00", "AV", "objection", Objection("MD", "HD"))
    assert play.refused("72:10", "AV", "admission", Admission(("MD",), Scope())).code == "ladder.objection-open"
    play.send("73:30", "KV", "objection-answer", ObjectionAnswer(objection, agree=True))
    assert play.saw(fx.Nominated) == fx.Nominated("HD", "condition")
    assert play.refused("73:31", "AV", "waiver", Waiver(("MD", "HD"))).code == "ladder.not-declared"
    assert play.refused("73:31", "AV", "admission", admission).code == "ladder.not-declared"
    play.send("73:40", "HD", "mediator-acceptance")
    play.send("73:50", "HD", "declaration")
    play.send("74:00", "AV", "waiver", Waiver(("MD", "HD")))
    assert play.refused("74:00", "AV", "admission", admission).code == "ladder.objection-window"
    play.send("74:00", "KV", "waiver", Waiver(("MD", "HD")))

    # E26: the same words twice, then new keys; a mediator is no member before that.
    play.send("74:10", "AV", "admission", admission)
    assert play.all_of(fx.AdmissionComplete) == []
    assert play.refused("74:20", "KV", "admission", Admission(("MD", "HD"), Scope())).code == "ladder.scope-differs"
    play.send("74:30", "KV", "admission", admission)
    assert play.saw(fx.AdmissionComplete) == fx.AdmissionComplete(("MD", "HD"), admission.scope, "KV")
    assert play.refused("74:31", "MD", "statement").code == "ladder.not-member"
    members = (Member(kid("MD-1"), "MD"), Member(kid("HD-1"), "HD"))
    assert play.refused("74:31", "KV", "rekey", Rekey(2, members[:1])).code == "ladder.roster"
    assert play.refused("74:31", "KV", "rekey", Rekey(3, members)).code == "ladder.wrong-epoch"
    play.send("74:35", "KV", "rekey", Rekey(2, members))
    assert play.state.epoch == 2
    assert set(play.state.roster.values()) == {"AV", "KV", "MD", "HD"}
    assert [clock.end for clock in due(play.state) if clock.rule == "mediation"] == [t("242:30")]

    # E28: a lost device of KV leaves by a commit of KV's own.
    play.send("79:00", "KV", "rekey", Rekey(3, (Member(kid("KV-2"), "KV"),)))
    play.send("80:04", "KV", "rekey", Rekey(4, (), (Member(kid("KV-2"), "KV"),)))
    assert play.refused("80:05", "KV", "statement", station=kid("KV-2"), serial=1).code == "ladder.not-member"

    # E29: one text, five versions; accepting an old one does not bind.
    texts = [
        play.send(at, "MD", "proposal", Proposal(version))
        for version, at in enumerate(("84:00", "90:00", "97:00", "104:00", "109:00"), start=1)
    ]
    refusal = play.refused("109:10", "AV", "proposal-accept", ProposalAnswer(texts[3], 4))
    assert refusal.code == "ladder.superseded-proposal"
    play.send("109:20", "AV", "proposal-accept", ProposalAnswer(texts[4], 5))
    assert play.state.settlement is None
    play.send("109:30", "KV", "proposal-accept", ProposalAnswer(texts[4], 5))
    assert play.saw(fx.Settled) == fx.Settled(texts[4], 5)
    assert play.state.rung == "L5-mediation"

    # E31, E33a: the joint statement; E32: monitoring begins when the standstill ends.
    play.send("110:00", "MD", "statement")
    play.send("113:00", "KV", "statement")
    assert play.at("115:14").rung == "L5-mediation"
    assert play.at("115:15").rung == "monitoring"
    standstill = play.clock("standstill")
    play.hub("115:15", standstill)
    assert play.saw(fx.StandstillEnded).end == t("115:15")
    assert play.saw(fx.RungChanged) == fx.RungChanged("L5-mediation", "monitoring")

    # E34: the mediator recommends, both parties close; lessons within 30 days.
    play.send("245:00", "HD", "close")
    assert play.state.closes == ()
    play.send("245:10", "AV", "close")
    assert play.state.rung == "monitoring"
    play.send("245:20", "KV", "close")
    assert play.saw(fx.Closed)
    assert play.state.rung == "closed"
    assert play.refused("246:00", "AV", "statement").code == "ladder.closed"
    assert [clock.rule for clock in due(play.state)] == ["lessons"]
    play.send("720:00", "AV", "goodwill-note")
    assert due(play.state) == ()
    assert len(to_bytes(play.state)) < 8_000

    # Every station that replays the entries holds the same bytes.
    again = Play()
    for move, at in play.log:
        again.send(
            _clock(at),
            move.office,
            move.kind,
            move.act,
            **{
                name: getattr(move, name)
                for name in ("id", "station", "serial", "prev_seq", "officers", "two_person", "epoch")
            },
        )
    assert state_hash(again.state) == state_hash(play.state)


def test_an_extension_of_the_cooling_off_needs_both_parties_and_only_lengthens() -> None:
    play = cooling()
    standstill = play.clock("standstill")
    end = next(clock.end for clock in play.state.clocks if clock.id == standstill)
    longer = end + 3_600_000
    assert play.refused("05:00", "AV", "extension", Extension(standstill, end - 1)).code == "ladder.not-longer"
    assert play.refused("05:00", "AV", "extension", Extension(standstill, end)).code == "ladder.not-longer"
    play.send("05:00", "AV", "extension", Extension(standstill, longer))
    assert play.state.standstill is not None
    assert play.state.standstill.end == end
    play.send("05:10", "KV", "extension", Extension(standstill, longer + 1))
    assert play.state.standstill is not None
    assert play.state.standstill.end == end
    play.send("05:20", "KV", "extension", Extension(standstill, longer))
    assert play.state.standstill is not None
    assert play.state.standstill.end == longer
    assert play.saw(fx.ClockExtended).old_end == end


def cooling(at: str = "03:00") -> Play:
    """A thread in L4 with a standstill."""
    play = Play()
    play.send("00:10", "AV", "incident-notice")
    request = play.send("02:00", "AV", "step-request", Step("L4-cooling-off"))
    play.send(at, "KV", "step-accept", StepAnswer(request, "L4-cooling-off"))
    return play


def _seq(play: Play, entry: str) -> int:
    return next(move.seq for move, _ in play.log if move.id == entry)


def _clock(at: int) -> str:
    seconds = (at - t("00:00")) // 1000
    return f"{seconds // 3600}:{seconds // 60 % 60}:{seconds % 60}"


def test_the_ladder_of_the_scenario_is_the_shipped_one() -> None:
    assert LADDER.id == "cpci-default"
