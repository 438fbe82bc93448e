"""The catalogue of kinds: complete in itself, strict about acts and bodies."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.encoding import rfc3339
from protocols.errors import ProtocolError
from protocols.kinds import (
    KINDS,
    Author,
    BadAct,
    BadBody,
    Extension,
    UnknownKind,
    act_to_dict,
    check_fields,
    kind_of,
    parse_act,
)
from tests.protocols.test_encoding import JSON

ID = "A" * 43


def test_every_kind_stands_under_its_own_name_with_its_required_fields_among_its_fields() -> None:
    for name, kind in KINDS.items():
        assert kind.name == name
        assert set(kind.required) <= set(kind.fields)
        assert len(set(kind.fields)) == len(kind.fields)
        assert kind.title


def test_titles_are_told_apart() -> None:
    assert len({kind.title for kind in KINDS.values()}) == len(KINDS)


def test_what_calms_acknowledges_or_saves_lives_always_passes() -> None:
    for name in (
        *("acknowledgement", "receipt", "holding-reply", "goodwill-note", "public-safety-notice", "carve-out-notice"),
        *("breach-report", "withdrawal", "step-decline", "clarification-answer", "authenticity-answer"),
    ):
        assert KINDS[name].always, name
    for name in ("public-attribution", "step-request", "step-accept", "statement", "open", "rekey"):
        assert not KINDS[name].always, name


def test_the_hub_writes_one_kind_only_and_it_has_no_body() -> None:
    own = [kind for kind in KINDS.values() if kind.author is Author.HUB]
    assert [kind.name for kind in own] == ["clock-expired"]
    assert own[0].fields == ()


def test_a_kind_that_is_not_in_the_catalogue_does_not_exist() -> None:
    for name in ("", "Statement", "statement ", "declare-war", "x" * 500):
        with pytest.raises(UnknownKind):
            kind_of(name)


def test_a_nomination_is_sealed_in_its_act_and_has_no_body() -> None:
    assert KINDS["nomination"].fields == ()


GOOD: dict[str, dict[str, Any]] = {
    "open": {"ladder": "l", "parties": ["AV", "KV"], "roster": [{"station": ID, "office": "AV"}]},
    "rekey": {"epoch": 2, "adds": [{"station": ID, "office": "MD"}]},
    "receipt": {"entry": ID, "also": [ID]},
    "clock-expired": {"clock": "clarify/7", "end": 5},
    "update": {"supersedes": ID},
    "clarification-request": {"questions": 5, "preservation": True},
    "clarification-answer": {"entry": ID, "answers": ["answered", "later", "refused"]},
    "authenticity-answer": {"entry": ID, "verdict": "not-ours"},
    "step-request": {"step": "L3-experts"},
    "step-accept": {"request": ID, "step": "L3-experts"},
    "extension": {"clock": "standstill/12", "until": 1},
    "breach-report": {"verifier": "HD"},
    "finding": {"entry": ID, "finding": "accidental"},
    "nomination": {"digest": ID},
    "nomination-reveal": {"nomination": ID, "nominees": ["MD"], "salt": ID},
    "objection": {"mediator": "MD", "co_mediator": "HD"},
    "objection-answer": {"objection": ID, "agree": False},
    "waiver": {"mediators": ["MD"]},
    "proposal": {"version": 1, "languages": ["en", "fr"]},
    "proposal-accept": {"proposal": ID, "version": 1},
    "complaint": {"entry": ID, "code": "entry.digest-mismatch"},
    "disclosure-notice": {
        "recipient": "court",
        "portions": [{"seq": 2, "fields": ["text", "harm"]}, {"seq": 7, "fields": ["answers"]}],
        "made": True,
        "sheet": ID,
    },
    "disclosure-consent": {"notice": ID, "agree": False},
}


@pytest.mark.parametrize("name", GOOD)
def test_an_act_reads_back_to_the_same_text(name: str) -> None:
    assert act_to_dict(parse_act(kind_of(name), GOOD[name])) == GOOD[name]


@pytest.mark.parametrize("name", GOOD)
def test_an_act_with_a_member_too_many_or_of_another_type_is_refused(name: str) -> None:
    kind, act = kind_of(name), GOOD[name]
    with pytest.raises(BadAct):
        parse_act(kind, {**act, "extra": 1})
    for member in act:
        for wrong in (None, {}, 1.5, "x" * 300, -1):
            if wrong is None and member in ("supersedes", "verifier", "co_mediator", "sheet"):
                continue  # may be left out, and then null means the same
            with pytest.raises(BadAct):
                parse_act(kind, {**act, member: wrong})


@pytest.mark.parametrize(
    ("name", "act"),
    [
        ("clarification-request", {"questions": 0}),
        ("clarification-request", {"questions": 51}),
        ("clarification-request", {"questions": True}),
        ("clarification-answer", {"entry": ID, "answers": []}),
        ("clarification-answer", {"entry": ID, "answers": ["maybe"]}),
        ("step-request", {"step": "L3\n"}),
        ("breach-report", {"verifier": "HD\n"}),
        ("receipt", {"entry": "A" * 42 + "\n"}),
        ("receipt", {"entry": ID, "also": [ID] * 256}),
        ("receipt", {"entry": ID, "also": ["A"]}),
        ("receipt", {"also": [ID]}),
        ("acknowledgement", {"entry": ID, "also": [ID]}),
        ("extension", {"clock": "c", "until": 2**63}),
        ("extension", {"clock": "c", "until": 10**100}),
        ("rekey", {"epoch": 0}),
        ("waiver", {"mediators": []}),
        ("open", {"ladder": "l", "parties": ["AV"], "roster": []}),
        ("statement", {"note": "x"}),
        ("complaint", {"entry": ID, "code": "Not a code"}),
        ("disclosure-notice", {"recipient": "court", "portions": []}),
        ("disclosure-notice", {"recipient": "friend", "portions": [{"seq": 1, "fields": ["text"]}]}),
        ("disclosure-notice", {"recipient": "court", "portions": [{"seq": 0, "fields": ["text"]}]}),
        ("disclosure-notice", {"recipient": "court", "portions": [{"seq": 1, "fields": []}]}),
        ("disclosure-notice", {"recipient": "court", "portions": [{"seq": 1, "fields": ["te xt"]}]}),
    ],
)
def test_acts_out_of_bounds_are_refused(name: str, act: dict[str, Any]) -> None:
    with pytest.raises(BadAct):
        parse_act(kind_of(name), act)


def test_every_instant_an_act_can_hold_has_a_text() -> None:
    latest = parse_act(kind_of("extension"), {"clock": "c", "until": 253_402_300_799_999})
    assert isinstance(latest, Extension)
    assert rfc3339(latest.until) == "9999-12-31T23:59:59.999Z"


@given(st.sampled_from(sorted(KINDS)), st.dictionaries(st.text(max_size=10), JSON, max_size=3))
def test_any_members_are_an_act_or_refused_with_a_documented_error(name: str, act: dict[str, Any]) -> None:
    try:
        found = parse_act(kind_of(name), act)
    except ProtocolError:
        return
    assert set(act_to_dict(found)) <= set(act)


def test_a_body_has_the_fields_of_its_kind_and_those_it_must_have() -> None:
    check_fields(kind_of("statement"), {"text": "x", "subject": "y"})
    check_fields(kind_of("goodwill-note"), {"text": "x"})
    for name, fields in (
        ("statement", {}),
        ("statement", {"subject": "x"}),
        ("statement", {"text": "x", "severity": "high"}),
        ("clarification-request", {"text": "x"}),
        ("receipt", {"text": "x"}),
        ("step-decline", {"text": "no"}),
    ):
        with pytest.raises(BadBody):
            check_fields(kind_of(name), fields)
