"""A small line for tests: two states, two mediators, a monitor, a hub; keys from fixed seeds, times from a fixed start."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from protocols.accord import Accord, HubCard, LadderInForce, Office, SignedAccord, draft_bytes, open_accord, sign_accord
from protocols.disclosure import Body, body_to_bytes, make_body
from protocols.encoding import b64u, digest, rfc3339
from protocols.entry import (
    Entry,
    Payload,
    Stamp,
    draft_content,
    make_entry,
    parse_entry,
    sign_draft,
    stamp_entry,
)
from protocols.keys import SeedSigner
from protocols.mandate import Mandate, MandateBook, MandateRole, StationKeys, sign_holder, sign_mandate
from protocols.translog import KeyKind, VerifierKey

T0 = 1_930_878_720_000  # 2031-03-10T03:12:00Z, ms UTC
HOUR = 3_600_000
LADDER = b"the exact bytes of a ladder\n"
LOG = "line.example/log"


def seed(name: str) -> bytes:
    """32 bytes that depend on nothing but ``name``."""
    return hashlib.sha256(name.encode()).digest()


def signer(name: str) -> SeedSigner:
    return SeedSigner(seed(name))


def public(name: str) -> str:
    return b64u(signer(name).public)


def counting_rng(label: str = "rng") -> Callable[[int], bytes]:
    """Bytes that never repeat and are the same in every run."""
    state = [0]

    def rng(count: int) -> bytes:
        state[0] += 1
        return hashlib.shake_256(f"{label}/{state[0]}".encode()).digest(count)

    return rng


OFFICES = (
    ("AV", "Arvenia", "party"),
    ("KV", "Kostrava", "party"),
    ("MD", "Meridia", "mediator"),
    ("HD", "Halden", "mediator"),
    ("OM", "Observer mission", "monitor"),
)


def accord_of(**changes: Any) -> Accord:
    """The test line's accord with some members changed."""
    log = VerifierKey(LOG, KeyKind.ED25519, signer("log").public).vkey
    members: dict[str, Any] = {
        "v": 1,
        "title": "Test line",
        "status": "EXERCISE",
        "exercise": "EX-TEST-01",
        "offices": tuple(Office(id_, name, role, public(f"{id_} root")) for id_, name, role in OFFICES),
        "mediators": ("MD", "HD"),
        "monitors": ("OM", "HD"),
        "hub": HubCard(name="line.example", key=public("hub"), log=log),
        "ladders": (LadderInForce("test-ladder", digest(LADDER), 60),),
        "policy": f"log {log}\nquorum none\n",
        "suite": 3,
        "not_before": rfc3339(T0 - HOUR),
        "review": rfc3339(T0 + 1000 * HOUR),
        "sunset": rfc3339(T0 + 2000 * HOUR),
    }
    return Accord(**{**members, **changes})


def signed(accord: Accord) -> bytes:
    """The accord signed by all its offices (root key of office X: seed "X root")."""
    data = draft_bytes(accord)
    for office in accord.offices:
        data = sign_accord(data, signer(f"{office.id} root"))
    return data


def station_mandate(office: str, name: str = "", **changes: Any) -> Mandate:
    """Station ``name`` (default ``"<office> station"``) of an office, mandated from an hour before T0 for 1000 hours."""
    name = name or f"{office} station"
    witness = VerifierKey(f"{office.lower()}.example", KeyKind.COSIGNATURE_ED25519, signer(f"{name} witness").public)
    members: dict[str, Any] = {
        "v": 1,
        "office": office,
        "subject": "station",
        "name": "desk",
        "serial": 1,
        "roles": ("station",),
        "sign": public(name),
        "not_before": rfc3339(T0 - HOUR),
        "not_after": rfc3339(T0 + 1000 * HOUR),
        "keys": StationKeys(public(name), public(f"{name} mls"), b64u(seed(f"{name} seal")), witness.vkey),
    }
    return _held({**members, **changes}, name)


def officer_mandate(office: str, name: str, *roles: MandateRole, **changes: Any) -> Mandate:
    """Officer ``name`` (its key's seed) of an office."""
    members: dict[str, Any] = {
        "v": 1,
        "office": office,
        "subject": "officer",
        "name": "duty officer",
        "serial": 1,
        "roles": roles,
        "sign": public(name),
        "not_before": rfc3339(T0 - HOUR),
        "not_after": rfc3339(T0 + 1000 * HOUR),
    }
    return _held({**members, **changes}, name)


def _held(members: dict[str, Any], holder: str) -> Mandate:
    """The mandate with the proof of the key named ``holder``, unless ``members`` bring another."""
    proof = sign_holder(members["office"], signer(holder), members.get("keys"))
    return Mandate(**{"holder": proof, **members})


def mandated(mandate: Mandate) -> bytes:
    """Signed by the root of its own office."""
    return sign_mandate(mandate, signer(f"{mandate.office} root"))


@dataclass(frozen=True)
class Line:
    """An accord with a station and three officers (drafter, releaser, both) for every office."""

    content: Accord

    @cached_property
    def accord(self) -> SignedAccord:
        return open_accord(signed(self.content))

    def book(self) -> MandateBook:
        book = MandateBook(self.content)
        for office, _, _ in OFFICES:
            book.add_bytes(mandated(station_mandate(office)))
            book.add_bytes(mandated(officer_mandate(office, f"{office} drafter", "drafter")))
            book.add_bytes(mandated(officer_mandate(office, f"{office} releaser", "releaser")))
            book.add_bytes(mandated(officer_mandate(office, f"{office} both", "drafter", "releaser")))
        return book

    def payload(self, kind: str = "statement", office: str = "AV", **changes: Any) -> Payload:
        """A payload that makes sense: with a body where the kind has one."""
        station = signer("hub") if office == "HUB" else signer(f"{office} station")
        members: dict[str, Any] = {
            "v": 1,
            "log": LOG,
            "accord": self.accord.id,
            "status": self.content.status,
            "thread": b64u(seed("thread")[:16]),
            "kind": kind,
            "office": office,
            "station": station.kid,
            "serial": 1,
            "prev": None,
            "prev_seq": 0,
            "precedence": "ROUTINE",
            "tlp": "AMBER+STRICT",
            "act": {},
            "claimed": rfc3339(T0),
            "nonce": b64u(seed("nonce")[:16]),
        }
        return Payload(**{**members, **changes})

    def with_body(self, payload: Payload, fields: Mapping[str, Any]) -> tuple[Payload, Body, bytes]:
        """The payload committing to a body, the body, and stand-in bytes for the sealed part."""
        body, digests = make_body(fields, counting_rng(f"{payload.station}/{payload.serial}"))
        sealed = b"sealed:" + body_to_bytes(body)
        parts = {**payload.parts, "body": digest(sealed)}
        return msgspec.structs.replace(payload, parts=parts, epoch=1, sd=digests), body, sealed

    def statement(self, text: str = "We are looking into it.", **changes: Any) -> Payload:
        return self.with_body(self.payload(**changes), {"text": text})[0]

    def signed_entry(self, payload: Payload, officer: str | None = "both", drafter: str | None = None) -> bytes:
        """The entry on the wire, signed by its office's station and officers (``"<office> <name>"``)."""
        if drafter is not None:
            draft = sign_draft(draft_content(payload), signer(f"{payload.office} {drafter}"))
            payload = msgspec.structs.replace(payload, draft=draft)
        person = None if officer is None else signer(f"{payload.office} {officer}")
        return make_entry(payload, signer(f"{payload.office} station"), person)

    def entry(self, payload: Payload, officer: str | None = "both", drafter: str | None = None) -> Entry:
        return parse_entry(self.signed_entry(payload, officer, drafter))

    def stamped(self, entry: Entry, at: int = T0, seq: int = 1, index: int = 0) -> bytes:
        return stamp_entry(entry, Stamp(at, seq, index, None, digest(b"state")), signer("hub"))


LINE = Line(accord_of())
