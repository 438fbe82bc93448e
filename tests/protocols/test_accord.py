"""The accord: complete, signed by all, pinned, and never in contradiction with itself."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import jws
from protocols.accord import (
    ROLE,
    TYP,
    Accord,
    BadAccord,
    HubCard,
    LadderInForce,
    NotInAccord,
    Office,
    draft_bytes,
    missing_signatures,
    open_accord,
    parse_draft,
    sign_accord,
)
from protocols.encoding import Malformed, b64u, digest, to_json, unb64u
from protocols.errors import ProtocolError
from protocols.keys import BadSignature
from protocols.translog import KeyKind, VerifierKey
from tests.protocols.kit import LADDER, LINE, LOG, accord_of, public, signed, signer


def test_an_accord_signed_by_all_its_offices_opens() -> None:
    data = signed(accord_of())
    opened = open_accord(data)
    assert opened.accord == accord_of()
    assert opened.log_origin == LOG
    assert opened.exercise
    assert open_accord(data, pinned=opened.id) == opened


def test_an_accord_other_than_the_pinned_one_is_refused() -> None:
    other = open_accord(signed(accord_of(title="Another line")))
    with pytest.raises(NotInAccord):
        open_accord(LINE.accord.data, pinned=other.id)


def test_a_missing_signature_is_named_and_refused() -> None:
    data = draft_bytes(accord_of())
    assert missing_signatures(data) == ("AV", "KV", "MD", "HD", "OM")
    for office in ("AV", "MD", "HD", "OM"):
        data = sign_accord(data, signer(f"{office} root"))
    assert missing_signatures(data) == ("KV",)
    with pytest.raises(BadAccord, match="KV"):
        open_accord(data)


def test_signing_twice_changes_nothing() -> None:
    data = LINE.accord.data
    assert sign_accord(data, signer("AV root")) == data


def test_a_stranger_cannot_sign() -> None:
    with pytest.raises(NotInAccord):
        sign_accord(draft_bytes(accord_of()), signer("stranger"))


def test_a_strangers_signature_beside_the_offices_voids_the_accord() -> None:
    found, _ = parse_draft(LINE.accord.data)
    data = found.with_signature(jws.sign(found.payload, signer("stranger"), typ=TYP, role=ROLE)).to_bytes()
    with pytest.raises(BadSignature):
        open_accord(data)


@pytest.mark.parametrize(("typ", "role", "extra"), [("x+jws", ROLE, {}), (TYP, "party", {}), (TYP, ROLE, {"at": 1})])
def test_a_signature_made_as_something_else_does_not_count(typ: str, role: str, extra: dict[str, Any]) -> None:
    found, _ = parse_draft(draft_bytes(accord_of()))
    data = found.with_signature(jws.sign(found.payload, signer("AV root"), typ=typ, role=role, **extra)).to_bytes()
    with pytest.raises(BadSignature):
        missing_signatures(data)


def test_a_signature_under_another_text_does_not_count() -> None:
    found, _ = parse_draft(draft_bytes(accord_of()))
    other, _ = parse_draft(draft_bytes(accord_of(title="Another line")))
    data = found.with_signature(jws.sign(other.payload, signer("AV root"), typ=TYP, role=ROLE)).to_bytes()
    with pytest.raises(BadSignature):
        missing_signatures(data)


def other_log() -> str:
    return VerifierKey("other.example/log", KeyKind.ED25519, signer("other log").public).vkey


def office(id_: str, role: str = "party", root: str | None = None) -> Office:
    return Office(id_, f"Office {id_}", role, root or public(f"{id_} root"))  # type: ignore[arg-type]  # wrong on purpose


def hub(**changes: Any) -> HubCard:
    return msgspec.structs.replace(accord_of().hub, **changes)


def policy(*lines: str) -> str:
    return f"log {accord_of().hub.log}\n" + "".join(f"{line}\n" for line in lines)


ACTUAL: dict[str, Any] = {
    "status": "ACTUAL",
    "exercise": "",
    "ladders": (LadderInForce("test-ladder", digest(LADDER)),),
    "policy": policy(
        *(
            f"witness w{n} {VerifierKey(f'w{n}', KeyKind.COSIGNATURE_ED25519, signer(f'w{n}').public).vkey}"
            for n in range(2)
        ),
        "group both all w0 w1",
        "quorum both",
    ),
}

CONTRADICTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "an office twice": ("stands twice", {"offices": (office("AV"), office("AV"), office("KV"))}),
    "an office called HUB": ("own name", {"offices": (*accord_of().offices, office("HUB"))}),
    "one root for two": ("one root key", {"offices": (office("AV"), office("KV", root=public("AV root")))}),
    "the hub's key as a root": ("office's root", {"hub": hub(key=public("AV root"))}),
    "one party": ("two parties", {"offices": (office("AV"), office("MD", "mediator"))}),
    "a party as mediator": ("is no mediator", {"mediators": ("KV",)}),
    "an unknown mediator": ("is no mediator", {"mediators": ("ZZ",)}),
    "a party as monitor": ("may verify", {"monitors": ("AV",)}),
    "a mediator twice": ("twice on the roster", {"mediators": ("MD", "MD")}),
    "no ladder": ("no ladder", {"ladders": ()}),
    "two ladders of one name": ("no ladder", {"ladders": accord_of().ladders * 2}),
    "an ACTUAL accord at speed": ("never scales", {**ACTUAL, "ladders": accord_of().ladders}),
    "an ACTUAL accord with an exercise": ("no exercise id", {**ACTUAL, "exercise": "EX-1"}),
    "an ACTUAL accord without witnesses": ("quorum", {**ACTUAL, "policy": policy("quorum none")}),
    "an exercise without a name": ("names its exercise", {"exercise": ""}),
    "a TLS fingerprint of another length": ("no SHA-256", {"hub": hub(tls=b64u(bytes(31)))}),
    "dates out of order": ("not in order", {"review": accord_of().sunset, "sunset": accord_of().review}),
    "no policy": ("cannot be used", {"policy": ""}),
    "a policy about another log": ("not about the hub's log", {"policy": f"log {other_log()}\nquorum none\n"}),
    "a policy about two logs": ("not about the hub's log", {"policy": policy(f"log {other_log()}", "quorum none")}),
    "a log key that is none": ("cannot be used", {"hub": hub(log="line.example/log+00000000+AAAA")}),
    "the hub's key for the log": (
        "two roles",
        {
            "hub": hub(log=(own := VerifierKey(LOG, KeyKind.ED25519, signer("hub").public).vkey)),
            "policy": f"log {own}\nquorum none\n",
        },
    ),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_an_accord_that_contradicts_itself_is_neither_made_nor_read(name: str) -> None:
    words, changes = CONTRADICTIONS[name]
    accord = accord_of(**changes)
    with pytest.raises(BadAccord, match=words):
        draft_bytes(accord)
    forced = jws.Jws(b64u(to_json(msgspec.to_builtins(accord))), ())
    for each in accord.offices:
        forced = forced.with_signature(jws.sign(forced.payload, signer(f"{each.id} root"), typ=TYP, role=ROLE))
    with pytest.raises((BadAccord, Malformed)):
        open_accord(forced.to_bytes())


def test_an_actual_accord_has_a_quorum_and_unscaled_ladders() -> None:
    assert not open_accord(signed(accord_of(**ACTUAL))).exercise


def test_a_sketch_may_be_incomplete_and_cannot_be_signed() -> None:
    sketch = draft_bytes(accord_of(offices=(), mediators=(), monitors=()), complete=False)
    assert parse_draft(sketch, complete=False)[1].offices == ()
    with pytest.raises(BadAccord):
        parse_draft(sketch)
    with pytest.raises(BadAccord):
        sign_accord(sketch, signer("AV root"))


def test_only_what_the_accord_names_is_found() -> None:
    accord = accord_of()
    assert accord.office("AV").name == "Arvenia"
    assert accord.check_ladder("test-ladder", LADDER).scale == 60
    with pytest.raises(NotInAccord):
        accord.office("ZZ")
    with pytest.raises(NotInAccord):
        accord.ladder("other")
    with pytest.raises(NotInAccord):
        accord.check_ladder("test-ladder", LADDER + b" ")


def test_names_with_a_line_end_are_no_names() -> None:
    value = msgspec.to_builtins(accord_of())
    value["offices"][0]["id"] = "AV\n"
    data = jws.Jws(b64u(to_json(value)), ()).to_bytes()
    with pytest.raises(Malformed):
        parse_draft(data)


def test_unknown_members_are_refused() -> None:
    value = {**msgspec.to_builtins(accord_of()), "note": "x"}
    with pytest.raises(Malformed):
        parse_draft(jws.Jws(b64u(to_json(value)), ()).to_bytes())


@given(st.binary(max_size=120))
def test_any_bytes_are_refused_with_a_documented_error(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        open_accord(data)


@given(st.integers(min_value=0), st.integers(0, 7))
def test_one_flipped_bit_voids_the_accord(place: int, bit: int) -> None:
    data = bytearray(LINE.accord.data)
    data[place % len(data)] ^= 1 << bit
    with pytest.raises(ProtocolError):
        open_accord(bytes(data), pinned=LINE.accord.id)


def test_the_id_is_that_of_the_text_that_was_signed() -> None:
    payload = json.loads(LINE.accord.data)["payload"]
    assert LINE.accord.id == digest(payload.encode())
    assert json.loads(unb64u(payload))["title"] == "Test line"


def test_an_accord_that_does_not_speak_of_disclosure_leaves_it_to_each_party() -> None:
    content = msgspec.to_builtins(accord_of())
    del content["disclosure"]
    assert msgspec.convert(content, Accord, strict=True).disclosure == "either"
    assert open_accord(signed(accord_of(disclosure="both"))).accord.disclosure == "both"
    with pytest.raises(Malformed, match="disclosure"):
        open_accord(draft_bytes(msgspec.structs.replace(accord_of(), disclosure="mine"), complete=False))
