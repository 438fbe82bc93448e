"""Every kind from every office on every rung: what the ladder's table does not allow is refused."""

from __future__ import annotations

import pytest

from mediation.fold import open_thread, step
from mediation.ladder import parse_ladder
from mediation.move import HUB
from mediation.offers import allowed, example_move
from mediation.refusals import Refusal
from mediation.state import state_hash
from protocols.kinds import (
    KINDS,
    About,
    Author,
    Empty,
    Finding,
    Member,
    Open,
    Received,
    Rekey,
    Reveal,
    Verdict,
    Withdrawal,
)
from tests.mediation.places import on, opened
from tests.mediation.play import DATA, LADDER, Play, context, kid, opening, t

STANDING = {"ladder.no-standing", "ladder.not-yours", "ladder.hub-only", "ladder.not-member", "ladder.not-on-ladder"}
PLACE = {"ladder.wrong-rung", "ladder.closed", "ladder.standstill", "ladder.already-open"}
ROLE = {"AV": "party", "KV": "party", "MD": "mediator"}
EXTRA = {
    "open": Open("cpci-default", ("AV", "KV"), (Member(kid("AV-1"), "AV"),)),
    "rekey": Rekey(99),
    "receipt": Received(kid("open")),
    "nomination-reveal": Reveal(kid("open"), ("MD",), kid("salt")),
    "authenticity-answer": Verdict(kid("open"), "ours"),
    "finding": Finding(kid("open"), "breach"),
}


@pytest.mark.parametrize("rung", LADDER.rungs)
def test_what_the_table_does_not_allow_is_refused_and_changes_nothing(rung: str) -> None:
    play = on(rung)
    assert play.state.rung == rung
    before = state_hash(play.state)
    examples = {offer.kind: offer.act for offer in allowed(LADDER, play.state, "AV", t("08:00"))} | EXTRA
    mediator = play.state.admitted == ("MD",)
    for name, kind in KINDS.items():
        for office in ("AV", "KV", "MD", "NR", "OV", "XX", HUB):
            act = examples.get(name)
            if act is None:
                continue
            outcome = step(LADDER, play.state, example_move(play.state, office, name, act), t("08:00"))
            rule = LADDER.kinds.get(name)
            role = ROLE.get(office) if office != "MD" or mediator else None
            if rule is None or role is None or role not in rule.who:
                assert isinstance(outcome, Refusal), (name, office)
                assert outcome.code in STANDING | {"ladder.already-open", "ladder.bad-act"}, (name, office, outcome)
            elif not kind.always and rung not in LADDER.rung_kinds[name] and name not in ("rekey", "rejoin"):
                assert isinstance(outcome, Refusal), (name, office)
                assert outcome.code in PLACE, (name, office, outcome)
            elif isinstance(outcome, Refusal):
                assert outcome.code not in STANDING | {"ladder.closed"}, (name, office, outcome)
                if name not in ("step-request", "public-attribution"):
                    assert outcome.code not in PLACE, (name, office, outcome)
    assert state_hash(play.state) == before


@pytest.mark.parametrize("rung", LADDER.rungs)
def test_kinds_that_always_pass_do_pass(rung: str) -> None:
    play = on(rung)
    for kind in ("public-safety-notice", "goodwill-note", "breach-report", "carve-out-notice", "authenticity-query"):
        offer = next(o for o in allowed(LADDER, play.state, "AV", t("08:00"), two_person=False) if o.kind == kind)
        assert offer.allowed, (rung, offer)
    play.send("08:00", "KV", "acknowledgement", About(kid("open")))
    play.send("08:00", "KV", "holding-reply", About(kid("open")))


def test_two_person_kinds_need_a_second_person_on_the_rungs_they_are_open_on() -> None:
    for name, rule in LADDER.kinds.items():
        if rule.two_person:
            assert not KINDS[name].always
    play = Play()
    assert play.refused("00:01", "AV", "incident-notice", two_person=False).rule == "cpci-default/kinds/incident-notice"
    play.send("00:01", "AV", "incident-notice")
    assert play.refused("00:02", "AV", "public-attribution", two_person=False).code == "ladder.two-person"
    assert play.refused("00:02", "AV", "close", two_person=False).code == "ladder.two-person"


def test_an_officers_kind_without_any_officer_is_refused() -> None:
    assert Play().refused("00:01", "AV", "goodwill-note", officers=(), two_person=False).code == "ladder.no-officer"


def test_order_is_checked_serial_position_and_what_was_seen() -> None:
    play = Play()
    assert play.refused("00:01", "AV", "goodwill-note", seq=3).code == "ladder.sequence"
    assert play.refused("00:01", "AV", "goodwill-note", serial=3).code == "ladder.serial"
    assert play.refused("00:01", "AV", "goodwill-note", serial=1).code == "ladder.serial"
    assert play.refused("00:01", "AV", "goodwill-note", prev_seq=2).code == "ladder.seen-future"
    assert play.refused("00:01", "AV", "goodwill-note", epoch=2).code == "ladder.wrong-epoch"
    assert play.refused("00:01", "AV", "goodwill-note", station=kid("KV-1"), serial=1).code == "ladder.station-office"
    assert play.refused("00:01", "AV", "goodwill-note", station=kid("AV-9"), serial=1).code == "ladder.not-member"
    play.send("00:05", "AV", "goodwill-note")
    assert play.refused("00:04", "AV", "goodwill-note").code == "ladder.time-backwards"


def test_an_act_of_another_kind_is_refused() -> None:
    play = Play()
    assert play.refused("00:01", "AV", "step-request", Empty()).code == "ladder.bad-act"
    move = play.move("AV", "goodwill-note", id=kid("x"))
    outcome = step(
        LADDER,
        play.state,
        type(move)(**{n: getattr(move, n) for n in move.__struct_fields__} | {"kind": "poem"}),
        t("00:01"),
    )
    assert isinstance(outcome, Refusal)
    assert outcome.code == "ladder.unknown-kind"


def test_a_thread_folds_only_under_its_own_ladder() -> None:
    play = Play()
    other = parse_ladder(DATA + b"\n# another version\n")
    outcome = step(other, play.state, play.move("AV", "goodwill-note"), t("00:01"))
    assert isinstance(outcome, Refusal)
    assert outcome.code == "ladder.other-ladder"


@pytest.mark.parametrize(
    ("changes", "move", "code"),
    [
        ({"scale": 60}, {}, "scale"),
        ({"scale": 0}, {}, "scale"),
        ({}, {"kind": "statement", "act": Empty()}, "not-open"),
        ({}, {"act": Open("other", ("AV", "KV"), ())}, "other-ladder"),
        ({}, {"act": Open("cpci-default", ("AV", "AV"), ())}, "parties"),
        ({}, {"act": Open("cpci-default", ("AV", "MD"), ())}, "parties"),
        ({}, {"act": Open("cpci-default", ("AV", "KV"), (Member(kid("AV-1"), "AV"),))}, "roster"),
        (
            {},
            {"act": Open("cpci-default", ("AV", "KV"), tuple(Member(kid(f"{o}-1"), o) for o in ("AV", "KV", "MD")))},
            "roster",
        ),
        ({}, {"station": kid("XX-1")}, "not-member"),
        ({}, {"office": "KV"}, "not-member"),
        ({}, {"seq": 2}, "sequence"),
        ({}, {"serial": 2}, "sequence"),
    ],
)
def test_an_opening_that_is_not_in_order_is_refused(
    changes: dict[str, int], move: dict[str, object], code: str
) -> None:
    outcome = open_thread(context(**changes), opening(**move), t("00:00"))
    assert isinstance(outcome, Refusal)
    assert outcome.code == f"ladder.{code}"


def test_an_exercise_runs_sixty_times_faster() -> None:
    play = Play(scale=60, status="EXERCISE")
    notice = play.send("00:01", "AV", "incident-notice")
    play.send("00:01", "KV", "receipt", Received(notice))
    clock = next(clock for clock in play.state.clocks if clock.rule == "page-alternate")
    assert clock.end - clock.start == 10_000
    play = Play(scale=1_000_000, status="EXERCISE")
    play.send("00:01", "AV", "incident-notice")
    assert all(clock.end > clock.start for clock in play.state.clocks)


def test_an_office_that_nobody_invited_has_no_standing() -> None:
    play = opened()
    for kind, act in (
        ("mediator-acceptance", Empty()),
        ("declaration", Empty()),
        ("receipt", Received(kid("open"))),
        ("withdrawal", Withdrawal("HD")),
        ("finding", Finding(kid("open"), "breach")),
    ):
        assert play.refused("03:00", "HD", kind, act).code == "ladder.no-standing"


def test_the_panel_shows_every_kind_and_every_step_with_a_reason_when_closed() -> None:
    offers = allowed(LADDER, on("L4-cooling-off").state, "AV", t("08:00"))
    shown = {offer.kind for offer in offers}
    officers = {name for name, kind in KINDS.items() if kind.author is Author.OFFICER}
    assert shown == officers - {"second", "block"}  # this ladder has no use for other states
    steps = {offer.step for offer in offers if offer.kind == "step-request"}
    assert steps == {name for name, found in LADDER.steps.items() if found.trigger == "step-request"}
    for offer in offers:
        assert offer.allowed is (offer.refusal is None)
    (inquiry,) = [offer for offer in offers if offer.step == "L6-inquiry"]
    assert inquiry.refusal is not None
    assert (inquiry.refusal.code, inquiry.refusal.until) == ("ladder.standstill", t("74:00"))
