"""Leaves of the hub's own: what the log shows of them, what one disclosure proves, and that nothing else passes for one."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from shutil import which
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from protocols import jws
from protocols.disclosure import DigestMismatch
from protocols.encoding import Malformed, b64u, digest, from_json, to_json, unb64u
from protocols.entry import MAX_LEAF_BYTES, TYP, TooLarge, WrongAccord, parse_entry
from protocols.errors import ProtocolError
from protocols.hub_leaf import (
    MAX_HEADS,
    Look,
    Made,
    Place,
    Tail,
    ThreadEnd,
    WrongTail,
    check_tail,
    is_hub_leaf,
    make_heads,
    make_look,
    open_heads,
    open_look,
    parse_hub_leaf,
    verify_hub_leaf,
)
from protocols.hub_leaf import TYP as HUB_TYP
from protocols.keys import BadSignature
from tests.protocols.kit import LINE, LOG, T0, Line, accord_of, counting_rng, seed, signer

THREADS = [b64u(seed(f"thread {number}")[:16]) for number in range(20)]
ENDS = {name: ThreadEnd(number + 1, digest(name.encode())) for number, name in enumerate(THREADS)}
ONE = THREADS[0]


def place(**changes: Any) -> Place:
    return Place(**{"log": LOG, "accord": LINE.accord.id, "index": 41, "at": T0, "seen": "A" * 43, **changes})


def heads(count: int = 1, **changes: Any) -> Made:
    ends = {name: ENDS[name] for name in THREADS[:count]}
    return make_heads(place(**changes), ends, signer("hub"), counting_rng())


def look(**changes: Any) -> Made:
    return make_look(place(**changes), "Ada", "trail of nothing", signer("hub"), counting_rng())


def signed(header: dict[str, Any], payload: dict[str, Any], by: str = "hub") -> bytes:
    """Any header and payload at all, correctly signed."""
    text = f"{b64u(to_json(header))}.{b64u(to_json(payload))}".encode()
    return text + b"." + b64u(signer(by).sign(text)).encode()


def header_of(by: str = "hub", **changes: Any) -> dict[str, Any]:
    return {"alg": "Ed25519", "typ": HUB_TYP, "kid": signer(by).kid, **changes}


def payload_of(data: bytes) -> dict[str, Any]:
    value: dict[str, Any] = from_json(unb64u(data.decode().split(".")[1]))
    return value


# -- what they prove --------------------------------------------------------------------------------------------------


def test_a_tail_is_proven_by_the_leaf_and_one_disclosure() -> None:
    made = heads(20)
    for number, thread in enumerate(THREADS):
        tail = check_tail(made.data, made.disclosures[thread], thread, LINE.accord)
        assert tail == Tail(number + 1, digest(thread.encode()), 41, T0)


def test_a_look_is_proven_in_whole_or_in_part() -> None:
    made = look()
    leaf = verify_hub_leaf(made.data, LINE.accord)
    assert open_look(leaf, made.disclosures.values()) == Look("Ada", "trail of nothing")
    assert open_look(leaf, [made.disclosures["operator"]]) == Look("Ada", None)
    assert open_look(leaf, []) == Look(None, None)


def test_the_log_shows_neither_threads_nor_operators() -> None:
    leaves = (heads(20).data, look().data)
    shown = b"".join(leaves)
    everything = b"".join(unb64u(part) for leaf in leaves for part in leaf.decode().split("."))
    for secret in (*THREADS, *(end.leaf for end in ENDS.values()), "Ada", "trail"):
        assert secret.encode() not in shown
        assert secret.encode() not in everything


@pytest.mark.parametrize(("threads", "digests"), [(1, 8), (8, 8), (9, 16), (16, 16), (17, 32)])
def test_the_number_of_threads_is_hidden_among_decoys(threads: int, digests: int) -> None:
    assert len(parse_hub_leaf(heads(threads).data).payload.sd) == digests


def test_a_leaf_of_the_most_threads_fits_the_log() -> None:
    ends = {b64u(seed(str(number))[:16]): ThreadEnd(2**53, "B" * 43) for number in range(MAX_HEADS)}
    made = make_heads(place(index=2**53), ends, signer("hub"), counting_rng())
    assert len(made.data) <= MAX_LEAF_BYTES
    assert open_heads(verify_hub_leaf(made.data, LINE.accord), made.disclosures.values()) == ends
    with pytest.raises(ValueError):
        make_heads(place(), ends | {ONE: ENDS[ONE]}, signer("hub"), counting_rng())
    with pytest.raises(ValueError):
        make_heads(place(), {}, signer("hub"), counting_rng())


def test_two_looks_at_the_same_thing_have_nothing_in_common() -> None:
    rng = counting_rng()
    one, two = (make_look(place(), "Ada", "log", signer("hub"), rng) for _ in range(2))
    assert not set(parse_hub_leaf(one.data).payload.sd) & set(parse_hub_leaf(two.data).payload.sd)
    assert payload_of(one.data)["nonce"] != payload_of(two.data)["nonce"]


# -- what does not pass -----------------------------------------------------------------------------------------------


def test_neither_an_entry_nor_its_stamp_passes_for_a_leaf_of_the_hubs_own() -> None:
    leaf = LINE.stamped(parse_entry(LINE.signed_entry(LINE.statement())))
    assert not is_hub_leaf(leaf)
    with pytest.raises(Malformed):
        verify_hub_leaf(leaf, LINE.accord)
    found = jws.parse(leaf, limit=MAX_LEAF_BYTES)
    stamp = found.by_role("hub")
    assert stamp is not None
    compact = f"{stamp.protected}.{found.payload}.{b64u(stamp.signature)}".encode()
    with pytest.raises(Malformed):  # the same key signed it, as something else
        verify_hub_leaf(compact, LINE.accord)


@pytest.mark.parametrize("made", [heads(), look()], ids=["heads", "look"])
def test_a_leaf_of_the_hubs_own_does_not_pass_for_an_entry(made: Made) -> None:
    assert is_hub_leaf(made.data)
    with pytest.raises(Malformed):
        parse_entry(made.data)
    protected, payload, signature = made.data.decode().split(".")
    dressed = to_json({"payload": payload, "signatures": [{"protected": protected, "signature": signature}]})
    with pytest.raises(Malformed):
        parse_entry(dressed)
    assert HUB_TYP != TYP


Change = Callable[[dict[str, Any], dict[str, Any]], None]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda h, p: h.update(alg="none"), BadSignature),
        (lambda h, p: h.update(alg="EdDSA"), BadSignature),
        (lambda h, p: h.update(typ=TYP), Malformed),
        (lambda h, p: h.update(crit=["x"]), Malformed),
        (lambda h, p: h.update(kid=signer("AV station").kid), BadSignature),
        (lambda h, p: p.update(v=2), Malformed),
        (lambda h, p: p.update(v=True), Malformed),
        (lambda h, p: p.update(log="another.example/log"), WrongAccord),
        (lambda h, p: p.update(accord="B" * 43), WrongAccord),
        (lambda h, p: p.update(kind="statement"), Malformed),
        (lambda h, p: p.update(index=-1), Malformed),
        (lambda h, p: p.update(nonce="short"), Malformed),
        (lambda h, p: p.update(_sd=p["_sd"][:-1]), Malformed),
        (lambda h, p: p.update(_sd=p["_sd"][::-1]), Malformed),
        (lambda h, p: p.update(_sd_alg="sha-512"), Malformed),
        (lambda h, p: p.update(exp=1), Malformed),
        (lambda h, p: p.pop("seen"), Malformed),
    ],
)
def test_a_leaf_of_another_form_is_refused_even_if_the_hub_signed_it(
    change: Change, error: type[ProtocolError]
) -> None:
    header, payload = header_of(), payload_of(heads().data)
    change(header, payload)
    with pytest.raises(error):
        verify_hub_leaf(signed(header, payload), LINE.accord)


def test_a_leaf_by_anybody_but_the_hub_is_refused() -> None:
    payload = payload_of(heads().data)
    for header in (header_of("AV station"), header_of("hub")):
        with pytest.raises(BadSignature):
            verify_hub_leaf(signed(header, payload, by="AV station"), LINE.accord)


def test_a_leaf_of_another_accord_is_refused() -> None:
    other = Line(accord_of(title="Another line"))
    with pytest.raises(WrongAccord):
        verify_hub_leaf(heads().data, other.accord)


def test_every_changed_byte_of_a_leaf_is_found() -> None:
    data = heads().data
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1
        with pytest.raises(ProtocolError):
            verify_hub_leaf(bytes(changed), LINE.accord)


@pytest.mark.parametrize("data", [b"", b".", b"..", b"a.b", b"a.b.c.d", b"{}", "é.a.b".encode(), b"\xff.a.b"])
def test_rubbish_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_hub_leaf(data)


def test_a_leaf_too_large_for_the_log_is_refused() -> None:
    with pytest.raises(TooLarge):
        parse_hub_leaf(b"a" * (MAX_LEAF_BYTES + 1))


def test_a_tail_under_another_leaf_or_of_another_thread_is_refused() -> None:
    made, other = heads(2), heads(2, index=7)
    with pytest.raises(WrongTail):
        check_tail(made.data, made.disclosures[THREADS[1]], ONE, LINE.accord)
    forged = b64u(to_json([b64u(bytes(32)), ONE, {"seq": 9, "leaf": "B" * 43}]))
    for disclosure in (forged, "", "!", made.disclosures[ONE] + "A"):
        with pytest.raises((DigestMismatch, Malformed)):
            check_tail(made.data, disclosure, ONE, LINE.accord)
    assert check_tail(other.data, other.disclosures[ONE], ONE, LINE.accord).index == 7
    with pytest.raises(WrongTail):
        check_tail(look().data, look().disclosures["what"], ONE, LINE.accord)


@pytest.mark.parametrize("value", [{"seq": 0, "leaf": "B" * 43}, {"seq": 1}, "1", {"seq": 1, "leaf": "B" * 43, "x": 1}])
def test_an_end_of_another_form_is_refused_even_if_the_hub_signed_it(value: Any) -> None:
    disclosure = b64u(to_json([b64u(bytes(32)), ONE, value]))
    payload = payload_of(heads().data)
    payload["_sd"] = sorted([*payload["_sd"][:7], digest(disclosure.encode())])
    with pytest.raises(WrongTail):
        check_tail(signed(header_of(), payload), disclosure, ONE, LINE.accord)


def test_a_look_of_another_form_is_refused_even_if_the_hub_signed_it() -> None:
    for content in (["what", 7], ["whom", "Ada"]):
        disclosure = b64u(to_json([b64u(bytes(32)), *content]))
        payload = payload_of(look().data)
        payload["_sd"] = sorted([*payload["_sd"][:7], digest(disclosure.encode())])
        with pytest.raises(Malformed):
            open_look(verify_hub_leaf(signed(header_of(), payload), LINE.accord), [disclosure])
    with pytest.raises(Malformed):
        made = heads()
        open_look(verify_hub_leaf(made.data, LINE.accord), made.disclosures.values())


# -- programs we did not write ----------------------------------------------------------------------------------------

needs_openssl = pytest.mark.skipif(which("openssl") is None, reason="openssl is not installed")


@needs_openssl
def test_openssl_checks_the_signature(tmp_path: Path) -> None:
    text, _, signature = heads().data.rpartition(b".")
    spki = bytes.fromhex("302a300506032b6570032100") + signer("hub").public  # RFC 8410
    for name, data in (("key.der", spki), ("text", text), ("signature", unb64u(signature.decode()))):
        (tmp_path / name).write_bytes(data)
    command = "openssl pkeyutl -verify -pubin -keyform DER -inkey key.der -rawin -in text -sigfile signature"
    assert subprocess.run(command.split(), cwd=tmp_path, capture_output=True).returncode == 0
    (tmp_path / "text").write_bytes(text + b" ")
    assert subprocess.run(command.split(), cwd=tmp_path, capture_output=True).returncode != 0


def test_pyjwt_checks_the_signature() -> None:
    checker = jwt.PyJWS(algorithms=[])
    checker.register_algorithm("Ed25519", jwt.algorithms.OKPAlgorithm())  # RFC 9864's name for its "EdDSA"
    key = Ed25519PublicKey.from_public_bytes(signer("hub").public)
    found = checker.decode(heads().data.decode(), key, algorithms=["Ed25519"])
    assert from_json(found)["kind"] == "heads"
    with pytest.raises(jwt.InvalidSignatureError):
        checker.decode(look().data.decode(), Ed25519PublicKey.from_public_bytes(signer("AV root").public), ["Ed25519"])
