"""The entry: its one form, its signatures in their roles, the two-person rule, the stamp, its parts."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols import jws
from protocols.disclosure import open_body
from protocols.encoding import Malformed, b64u, digest, rfc3339, to_json, unb64u
from protocols.entry import (
    DRAFT_TYP,
    MAX_ENTRY_BYTES,
    TYP,
    PartMismatch,
    Payload,
    SameOfficer,
    Stamp,
    TooLarge,
    WrongAccord,
    body_aad,
    check_parts,
    draft_content,
    entry_id,
    make_entry,
    parse_entry,
    sign_draft,
    stamp_entry,
    verify_entry,
    verify_stamp,
)
from protocols.errors import ProtocolError
from protocols.keys import BadSignature
from protocols.kinds import BadAct, UnknownKind
from protocols.mandate import OutOfMandate
from tests.protocols.kit import HOUR, LINE, T0, Line, accord_of, mandated, officer_mandate, signer

ID = "A" * 43
BOOK = LINE.book()
WIRE = LINE.signed_entry(LINE.statement())
LEAF = LINE.stamped(parse_entry(WIRE))


def verify(data: bytes, at: int = T0) -> Any:
    return verify_entry(parse_entry(data), LINE.accord, BOOK, at=at)


def resigned(payload: dict[str, Any]) -> bytes:
    """An entry of AV over any payload at all, correctly signed by officer and station."""
    text = b64u(to_json(payload))
    made = jws.Jws(text, (jws.sign(text, signer("AV both"), typ=TYP, role="officer"),))
    return made.with_signature(jws.sign(text, signer("AV station"), typ=TYP, role="station")).to_bytes()


def plain(payload: Payload) -> dict[str, Any]:
    value: dict[str, Any] = msgspec.to_builtins(payload)
    return value


# -- form -------------------------------------------------------------------------------------------------------------


def test_an_entry_reads_back_and_its_id_names_its_payload() -> None:
    payload = LINE.statement()
    entry = LINE.entry(payload)
    assert entry.payload == payload
    assert entry.id == entry_id(entry.jws.payload)
    verified = verify(WIRE)
    assert verified.officers == (signer("AV both").kid,)
    assert not verified.two_person


def test_the_id_survives_further_signatures() -> None:
    assert parse_entry(LEAF).id == parse_entry(WIRE).id
    assert LEAF != WIRE


MALFORMED: dict[str, dict[str, Any]] = {
    "another version": {"v": 2},
    "an unknown member": {"note": "x"},
    "serial 0": {"serial": 0},
    "a huge serial": {"serial": 2**60},
    "a negative prev_seq": {"prev_seq": -1, "prev": ID},
    "prev without prev_seq": {"prev": ID},
    "prev_seq without prev": {"prev_seq": 3},
    "a precedence that is none": {"precedence": "URGENT"},
    "a marking that is none": {"tlp": "WHITE"},
    "a local time": {"claimed": "2031-03-12T03:12:00+01:00"},
    "a short nonce": {"nonce": "A" * 21},
    "a nonce with stray bits": {"nonce": "B" * 22},
    "a thread that is no id": {"thread": "x" * 22 + "\n"},
    "an office with a line end": {"office": "AV\n"},
    "a part of unknown name": {"parts": {"body": ID, "note": ID}},
    "a body without an epoch": {"epoch": None},
    "a negative epoch": {"epoch": -1},
    "an epoch beyond counting": {"epoch": 10**30},
    "digests without a body": {"parts": {}, "epoch": None},
    "a body without digests": {"_sd": []},
    "digests out of order": {"_sd": [ID] * 8},
    "digests not padded": {"_sd": [ID]},
    "another digest algorithm": {"_sd_alg": "sha-512"},
    "no body where the kind needs one": {"parts": {}, "epoch": None, "_sd": []},
    "a commit in a statement": {"parts": {"body": ID, "commit": ID}},
    "a draft that is no JWS": {"draft": "x"},
    "a draft that is not ASCII": {"draft": "é"},
    "a number for a text": {"kind": 5},
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_payload_of_another_form_is_refused_although_signed(name: str) -> None:
    with pytest.raises(Malformed):
        parse_entry(resigned({**plain(LINE.statement()), **MALFORMED[name]}))


@pytest.mark.parametrize("member", sorted(set(plain(LINE.statement())) - {"seen", "draft", "_sd_alg"}))
def test_a_payload_that_lacks_a_member_is_refused(member: str) -> None:
    payload = plain(LINE.statement())
    del payload[member]
    with pytest.raises(Malformed):
        parse_entry(resigned(payload))


def test_a_body_for_a_kind_without_one_is_refused() -> None:
    payload = LINE.with_body(LINE.payload("nomination", act={"digest": ID}), {"text": "x"})[0]
    with pytest.raises(Malformed, match="has no body"):
        LINE.entry(payload)


def test_key_material_travels_with_open_and_rekey_only_and_completely() -> None:
    act = {"ladder": "test-ladder", "parties": ["AV", "KV"], "roster": []}
    full = {"group_info": ID, "commit": ID, "welcome": ID}
    parse_entry(make_entry(LINE.payload("open", act=act, parts=full), signer("AV station")))
    for lacking in full:
        parts = {name: mark for name, mark in full.items() if name != lacking}
        with pytest.raises(Malformed):
            parse_entry(make_entry(LINE.payload("open", act=act, parts=parts), signer("AV station")))
    with pytest.raises(Malformed):
        parse_entry(make_entry(LINE.payload("rekey", act={"epoch": 2}, parts={"welcome": ID}), signer("AV station")))
    parse_entry(make_entry(LINE.payload("rekey", act={"epoch": 2}, parts={"commit": ID}), signer("AV station")))


def test_an_unknown_kind_and_an_act_of_another_form_are_refused() -> None:
    with pytest.raises(UnknownKind):
        parse_entry(resigned({**plain(LINE.statement()), "kind": "ultimatum"}))
    with pytest.raises(BadAct):
        parse_entry(resigned({**plain(LINE.statement()), "act": {"x": 1}}))


def test_an_act_with_a_default_spelled_out_is_a_second_text_and_refused() -> None:
    payload = LINE.with_body(LINE.payload("update", act={"supersedes": None}), {"text": "x"})[0]
    with pytest.raises(BadAct, match="one form"):
        parse_entry(resigned(plain(payload)))


def test_an_entry_that_would_not_fit_the_log_with_its_stamp_is_refused() -> None:
    large = msgspec.structs.replace(LINE.statement(), log="x" * 200, draft="x" * MAX_ENTRY_BYTES)
    with pytest.raises(TooLarge):
        make_entry(large, signer("AV station"))
    with pytest.raises(TooLarge):
        parse_entry(b"x" * 70_000)


def test_a_stamp_that_would_make_the_leaf_too_large_is_refused() -> None:
    entry = parse_entry(WIRE)
    thick = jws.sign(entry.jws.payload, signer("AV both"), typ=TYP, role="officer", pad="x" * 2000)
    fat = entry
    while len(fat.jws.to_bytes()) < 65_000:
        fat = msgspec.structs.replace(fat, jws=fat.jws.with_signature(thick))
    with pytest.raises(TooLarge):
        stamp_entry(fat, Stamp(T0, 1, 0, None, ID), signer("hub"))


# -- signatures, roles, mandates ----------------------------------------------------------------------------------------


def test_an_entry_without_signatures_is_refused() -> None:
    value = json.loads(WIRE)
    with pytest.raises(BadSignature):
        parse_entry(to_json({**value, "signatures": []}))


def test_an_entry_lacking_station_or_officer_is_refused() -> None:
    payload = LINE.statement()
    for data in (
        make_entry(payload, signer("AV station")),
        make_entry(payload, None, signer("AV both")),
        make_entry(payload, signer("AV station"), signer("AV station")),
        make_entry(payload, signer("AV both"), signer("AV both")),
        make_entry(payload, signer("KV station"), signer("AV both")),
    ):
        with pytest.raises((BadSignature, OutOfMandate)):
            verify(data)


@pytest.mark.parametrize(("first", "second"), [("officer", "station"), ("station", "officer")])
def test_signatures_cannot_swap_roles(first: str, second: str) -> None:
    value = json.loads(WIRE)
    by_role = {s.role: s for s in parse_entry(WIRE).jws.signatures}
    protected = by_role[first].protected
    swapped = {"protected": protected, "signature": b64u(by_role[second].signature)}
    others = [s for s in value["signatures"] if s["protected"] != protected]
    data = to_json({"payload": value["payload"], "signatures": [*others, swapped]})
    with pytest.raises(BadSignature):
        verify(data)


def test_an_officers_key_cannot_stand_as_the_station_and_a_station_not_as_an_officer() -> None:
    text = b64u(to_json(plain(LINE.payload("receipt", act={"entry": ID}, station=signer("AV both").kid))))
    data = jws.Jws(text, (jws.sign(text, signer("AV both"), typ=TYP, role="station"),)).to_bytes()
    with pytest.raises(OutOfMandate):
        verify(data)
    with pytest.raises(OutOfMandate):
        verify(make_entry(LINE.statement(), signer("AV station"), signer("AV station")))


def test_a_signature_made_for_another_kind_of_object_does_not_count() -> None:
    payload = LINE.statement()
    text = b64u(to_json(plain(payload)))
    for role in ("officer", "station"):
        typs = {"officer": TYP, "station": TYP, role: DRAFT_TYP}
        made = jws.Jws(text, (jws.sign(text, signer("AV both"), typ=typs["officer"], role="officer"),))
        made = made.with_signature(jws.sign(text, signer("AV station"), typ=typs["station"], role="station"))
        with pytest.raises(BadSignature):
            verify(made.to_bytes())


@pytest.mark.parametrize("role", ["drafter", "office", "witness", "root", ""])
def test_a_signature_in_a_role_that_entries_do_not_have_is_refused(role: str) -> None:
    made = parse_entry(WIRE).jws
    data = made.with_signature(jws.sign(made.payload, signer("KV both"), typ=TYP, role=role)).to_bytes()
    with pytest.raises(BadSignature):
        verify(data)


def test_header_members_that_nobody_expects_are_refused() -> None:
    text = b64u(to_json(plain(LINE.statement())))
    for role in ("officer", "station"):
        extra: dict[str, dict[str, Any]] = {"officer": {}, "station": {}, role: {"jku": "https://evil.example"}}
        made = jws.Jws(text, (jws.sign(text, signer("AV both"), typ=TYP, role="officer", **extra["officer"]),))
        made = made.with_signature(jws.sign(text, signer("AV station"), typ=TYP, role="station", **extra["station"]))
        with pytest.raises(BadSignature):
            verify(made.to_bytes())


def test_a_stations_own_entry_takes_no_officer_and_no_draft() -> None:
    payload = LINE.payload("receipt", act={"entry": ID})
    assert verify(make_entry(payload, signer("AV station"))).officers == ()
    with pytest.raises(BadSignature):
        verify(make_entry(payload, signer("AV station"), signer("AV both")))
    drafted = msgspec.structs.replace(payload, draft=sign_draft(draft_content(payload), signer("AV drafter")))
    with pytest.raises(BadSignature):
        verify(make_entry(drafted, signer("AV station")))


def test_nobody_writes_for_another_office() -> None:
    payload = LINE.statement(office="AV")
    with pytest.raises(OutOfMandate):
        verify(make_entry(payload, signer("AV station"), signer("KV both")))
    lying = msgspec.structs.replace(payload, office="KV")
    with pytest.raises(OutOfMandate):
        verify(make_entry(lying, signer("AV station"), signer("KV both")))


def test_a_mandate_counts_at_the_time_of_the_entry() -> None:
    verify(WIRE, at=T0 + 999 * HOUR)
    for at in (T0 - 2 * HOUR, T0 + 1000 * HOUR):
        with pytest.raises(OutOfMandate):
            verify(WIRE, at=at)


def test_a_revoked_officer_cannot_sign_any_more_and_what_they_signed_before_stands() -> None:
    book = LINE.book()
    revoked = officer_mandate("AV", "AV both", serial=2, not_before=rfc3339(T0 + HOUR))
    book.add_bytes(mandated(revoked))
    assert verify_entry(parse_entry(WIRE), LINE.accord, book, at=T0 + HOUR - 1)
    with pytest.raises(OutOfMandate):
        verify_entry(parse_entry(WIRE), LINE.accord, book, at=T0 + HOUR)


def test_an_entry_of_another_accord_log_or_status_is_refused() -> None:
    other = Line(accord_of(title="Another line"))
    assert other.accord.id != LINE.accord.id
    with pytest.raises(WrongAccord):
        verify_entry(parse_entry(WIRE), other.accord, other.book(), at=T0)
    for changes in ({"status": "ACTUAL"}, {"log": "other.example/log"}, {"accord": other.accord.id}):
        with pytest.raises(WrongAccord):
            verify(resigned({**plain(LINE.statement()), **changes}))


# -- two people ---------------------------------------------------------------------------------------------------------


def test_a_drafter_and_a_releaser_make_a_two_person_entry() -> None:
    verified = verify(LINE.signed_entry(LINE.statement(), "releaser", "drafter"))
    assert verified.two_person
    assert verified.officers == (signer("AV releaser").kid, signer("AV drafter").kid)


def test_precedence_serial_and_epoch_may_change_between_draft_and_release() -> None:
    payload = LINE.statement()
    draft = sign_draft(draft_content(payload), signer("AV drafter"))
    later = msgspec.structs.replace(payload, precedence="FLASH", serial=9, epoch=4, draft=draft)
    assert verify(make_entry(later, signer("AV station"), signer("AV releaser"))).two_person


@pytest.mark.parametrize(
    "changes",
    [
        {"tlp": "CLEAR"},
        {"thread": b64u(bytes(16))},
        {"act": {"supersedes": ID}, "kind": "update"},
        {"prev": ID, "prev_seq": 7},
    ],
)
def test_words_act_marking_and_what_stood_before_them_may_not(changes: dict[str, Any]) -> None:
    payload = LINE.statement()
    draft = sign_draft(draft_content(payload), signer("AV drafter"))
    with pytest.raises(BadSignature):
        parse_entry(resigned({**plain(payload), **changes, "draft": draft}))


def test_other_words_under_the_same_draft_are_refused() -> None:
    draft = sign_draft(draft_content(LINE.statement("We regret.")), signer("AV drafter"))
    released = LINE.with_body(LINE.payload(), {"text": "We regret nothing.", "subject": "x"})[0]
    with pytest.raises(BadSignature):
        parse_entry(resigned({**plain(released), "draft": draft}))


def test_one_person_cannot_be_both_although_mandated_as_both() -> None:
    with pytest.raises(SameOfficer):
        verify(LINE.signed_entry(LINE.statement(), "both", "both"))


@pytest.mark.parametrize(
    ("officer", "drafter"), [("drafter", "releaser"), ("drafter", "both"), ("releaser", "releaser")]
)
def test_the_releaser_releases_and_the_drafter_drafts(officer: str, drafter: str) -> None:
    with pytest.raises((OutOfMandate, SameOfficer)):
        verify(LINE.signed_entry(LINE.statement(), officer, drafter))


def test_a_drafter_of_another_office_is_refused() -> None:
    payload = LINE.statement()
    draft = sign_draft(draft_content(payload), signer("KV drafter"))
    payload = msgspec.structs.replace(payload, draft=draft)
    with pytest.raises(OutOfMandate):
        verify(make_entry(payload, signer("AV station"), signer("AV releaser")))


def test_a_draft_with_a_false_signature_is_refused() -> None:
    payload = LINE.statement()
    value = json.loads(sign_draft(draft_content(payload), signer("AV drafter")))
    value["signatures"][0]["signature"] = b64u(bytes(64))
    payload = msgspec.structs.replace(payload, draft=to_json(value).decode())
    with pytest.raises(BadSignature):
        verify(make_entry(payload, signer("AV station"), signer("AV releaser")))


def test_a_releasing_signature_cannot_serve_as_a_draft() -> None:
    payload = LINE.statement()
    text = b64u(to_json(draft_content(payload)))
    for typ, role in ((TYP, "officer"), (TYP, "drafter"), (DRAFT_TYP, "officer")):
        draft = jws.Jws(text, (jws.sign(text, signer("AV drafter"), typ=typ, role=role),)).to_bytes().decode()
        forged = msgspec.structs.replace(payload, draft=draft)
        with pytest.raises(BadSignature):
            parse_entry(make_entry(forged, signer("AV station"), signer("AV releaser")))


# -- the hub ------------------------------------------------------------------------------------------------------------


def expired(**changes: Any) -> Payload:
    return LINE.payload("clock-expired", "HUB", act={"clock": "clarify/7", "end": T0}, **changes)


def test_the_hub_writes_its_own_entries_alone() -> None:
    entry = parse_entry(make_entry(expired(), signer("hub")))
    assert verify_entry(entry, LINE.accord, BOOK, at=T0).officers == ()
    stamped = parse_entry(LINE.stamped(entry))
    assert verify_entry(stamped, LINE.accord, BOOK, at=T0)


def test_nobody_else_writes_the_hubs_entries() -> None:
    as_station = LINE.payload("clock-expired", "AV", act={"clock": "clarify/7", "end": T0})
    drafted = msgspec.structs.replace(expired(), draft=sign_draft(draft_content(expired()), signer("hub")))
    for data in (
        make_entry(as_station, signer("AV station")),
        make_entry(expired(), signer("AV station")),
        make_entry(expired(station=signer("AV station").kid), signer("AV station")),
        make_entry(expired(station=signer("AV station").kid), signer("hub")),
        make_entry(expired(), signer("hub"), signer("hub")),
        make_entry(drafted, signer("hub")),
    ):
        with pytest.raises((BadSignature, OutOfMandate)):
            verify(data)


def test_the_hub_writes_nothing_else() -> None:
    payload = LINE.payload("receipt", "HUB", act={"entry": ID})
    with pytest.raises(OutOfMandate):
        verify(make_entry(payload, signer("hub")))


def test_a_stamp_reads_back_and_is_the_hubs() -> None:
    stamp = Stamp(T0, 7, 41, ID, digest(b"state"))
    leaf = parse_entry(stamp_entry(parse_entry(WIRE), stamp, signer("hub")))
    assert verify_stamp(leaf, LINE.accord) == stamp


def test_a_stamp_by_anybody_else_or_in_another_form_is_refused() -> None:
    entry = parse_entry(WIRE)
    stamp = Stamp(T0, 1, 0, None, ID)
    with pytest.raises(BadSignature):
        verify_stamp(entry, LINE.accord)
    with pytest.raises(BadSignature):
        verify_stamp(parse_entry(stamp_entry(entry, stamp, signer("AV station"))), LINE.accord)
    extra = msgspec.to_builtins(stamp)
    for wrong in (
        {**extra, "note": 1},
        {**extra, "seq": 0},
        {**extra, "at": -1},
        {**extra, "at": 2**53},
        {**extra, "index": "0"},
        {name: value for name, value in extra.items() if name != "state"},
    ):
        forged = entry.jws.with_signature(jws.sign(entry.jws.payload, signer("hub"), typ=TYP, role="hub", **wrong))
        with pytest.raises(Malformed):
            verify_stamp(parse_entry(forged.to_bytes()), LINE.accord)


def test_a_changed_stamp_does_not_verify() -> None:
    found = parse_entry(LEAF).jws.by_role("hub")
    assert found is not None
    header = json.loads(unb64u(found.protected))
    changed = jws.Signature(
        b64u(to_json({**header, "at": T0 + 1})), found.signature, found.kid, TYP, "hub", {**found.extra, "at": T0 + 1}
    )
    entry = parse_entry(parse_entry(WIRE).jws.with_signature(changed).to_bytes())
    with pytest.raises(BadSignature):
        verify_stamp(entry, LINE.accord)


def test_a_stamped_entry_is_not_stamped_again() -> None:
    with pytest.raises(Malformed, match="already"):
        LINE.stamped(parse_entry(LEAF))


# -- parts and body -----------------------------------------------------------------------------------------------------


def test_parts_are_those_that_were_signed() -> None:
    payload, body, sealed = LINE.with_body(LINE.payload(), {"text": "x"})
    check_parts(payload, {"body": sealed})
    check_parts(payload, {}, complete=False)
    assert open_body(sealed.removeprefix(b"sealed:"), payload.sd).fields == body.fields
    for parts in ({}, {"body": sealed + b"!"}, {"body": sealed, "box": b"x"}, {"box": sealed}):
        with pytest.raises(PartMismatch):
            check_parts(payload, parts)
    with pytest.raises(PartMismatch):
        check_parts(payload, {"body": b"other"}, complete=False)
    with pytest.raises(TooLarge):
        check_parts(payload, {"body": bytes((1 << 20) + 1)})


def test_the_sealed_body_is_bound_to_thread_kind_station_serial_and_digests() -> None:
    payload = LINE.statement()
    marks = {body_aad(payload)}
    for changes in (
        {"thread": b64u(bytes(16))},
        {"kind": "update"},
        {"station": ID},
        {"serial": 2},
        {"sd": payload.sd[:-1]},
    ):
        marks.add(body_aad(msgspec.structs.replace(payload, **changes)))
    assert len(marks) == 6
    assert body_aad(payload) == body_aad(msgspec.structs.replace(payload, precedence="FLASH"))


# -- damage and noise -----------------------------------------------------------------------------------------------------


@settings(max_examples=150)
@given(st.integers(min_value=0), st.integers(0, 7))
def test_one_flipped_bit_of_a_leaf_is_refused(place: int, bit: int) -> None:
    data = bytearray(LEAF)
    data[place % len(data)] ^= 1 << bit
    with pytest.raises(ProtocolError):
        entry = parse_entry(bytes(data))
        verify_entry(entry, LINE.accord, BOOK, at=T0)
        verify_stamp(entry, LINE.accord)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_with_a_documented_error(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_entry(data)


@settings(max_examples=60)
@given(
    st.dictionaries(
        st.sampled_from(sorted(plain(LINE.statement()))),
        st.none()
        | st.booleans()
        | st.integers(-(10**30), 10**30)
        | st.text(st.characters(exclude_categories=["Cs"]), max_size=45)
        | st.lists(st.integers(0, 5), max_size=2)
        | st.dictionaries(st.sampled_from(["body", "box", "x"]), st.text("AB", max_size=44), max_size=2),
        min_size=1,
        max_size=4,
    )
)
def test_any_payload_is_read_or_refused_with_a_documented_error(changes: dict[str, Any]) -> None:
    try:
        verify(resigned({**plain(LINE.statement()), **changes}))
    except ProtocolError:
        return
    assert {**plain(LINE.statement()), **changes}["station"] == signer("AV station").kid
