"""The entry: the one signed object everybody sends, and the typed path from bytes to trust.

An entry is a JWS (`protocols.jws`) whose payload is the readable act. It lives three lives: the *message* a receiver
opens, the *leaf* the log holds (these exact bytes, the hub's stamp included), the *exhibit* a court checks. Each step
of trust is its own type, made in one place only, so that no check can be skipped::

    bytes --parse--> Entry --verify--> VerifiedEntry --(ladder)--> AdmittedEntry --(decrypt)--> OpenedEntry

Signatures, by ``role`` in the protected header: ``officer`` (who releases it), ``station`` (always; the hub stands
here for its own entries), ``hub`` (the stamp: the order, the time and the ladder state the hub vouches for). A drafter
who is not the releaser stands in the payload's ``draft``: a JWS of their own over what they wrote, because what they
wrote is fixed before the serial, the epoch and the precedence are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from typing import Annotated, Any, Literal

import msgspec

from protocols import jws
from protocols.accord import SignedAccord, Status
from protocols.disclosure import Body, check_digests
from protocols.encoding import (
    Malformed,
    b64u,
    digest,
    from_json,
    from_rfc3339,
    quick_json,
    strict_decoder,
    to_json,
    unb64u,
)
from protocols.errors import RemoteError
from protocols.keys import BadSignature, Signer, kid_of, public_from
from protocols.kinds import Act, Author, BadAct, Id, Kind, Millis, OfficeId, act_to_dict, kind_of, parse_act
from protocols.mandate import MandateBook, OutOfMandate

TYP = "hotline-entry+jws"
DRAFT_TYP = "hotline-draft+jws"
MAX_LEAF_BYTES = 65_535  # C2SP tlog-tiles: an entry's length is a u16
MAX_ENTRY_BYTES = MAX_LEAF_BYTES - 1024  # room for the stamp
HUB = "HUB"
PARTS = ("body", "box", "commit", "welcome", "group_info", "external")
MAX_PART_BYTES = 1 << 20

Precedence = Literal["FLASH", "IMMEDIATE", "PRIORITY", "ROUTINE"]
Tlp = Literal["RED", "AMBER+STRICT", "AMBER", "GREEN", "CLEAR"]
Rel = Literal["answers", "supersedes", "about"]
ThreadId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{22}\Z")]


class TooLarge(RemoteError):
    code = "entry.too-large"
    _sentence = "The message is larger than the line carries. It was refused and is still in your drafts: shorten it."


class WrongAccord(RemoteError):
    code = "entry.wrong-accord"
    _sentence = (
        "The message was made under another agreement, for another line, or for an exercise while this is not one "
        "(or the reverse). It was refused and nothing was changed."
    )


class PartMismatch(RemoteError):
    code = "entry.part-mismatch"
    _sentence = "The sealed content is missing or not the one that was signed. The message was refused; send it again."


class SameOfficer(RemoteError):
    code = "entry.same-officer"
    _sentence = (
        "The drafter and the releaser must be two people. The message was refused; a second officer must release it."
    )


class Payload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The readable part of every entry. Hashes and ids are base64url SHA-256 (43 characters).

    ``log``: origin of the log it is meant for. ``accord``: id of the accord. ``thread``: 16 random bytes, base64url.
    ``station``: kid of the sending station (the hub's kid for its own entries). ``serial``: gapless per station and
    thread, from 1. ``prev``/``prev_seq``: newest entry its author had before them when writing (null/0: none).
    ``seen``: SHA-256 of the newest cosigned checkpoint the station held. ``claimed``: the author's own clock; shown,
    never computed with. ``parts``: sealed parts that travel beside, by SHA-256. ``epoch``: the line's epoch whose keys sealed
    ``parts.body`` (`mediation.renewals`).
    """

    v: Literal[1]
    log: Annotated[str, msgspec.Meta(max_length=200)]
    accord: Id
    status: Status
    thread: ThreadId
    kind: Annotated[str, msgspec.Meta(max_length=64)]
    office: OfficeId
    station: Id
    serial: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    prev: Id | None
    prev_seq: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    precedence: Precedence
    tlp: Tlp
    act: dict[str, Any]
    claimed: str
    nonce: Annotated[str, msgspec.Meta(min_length=22, max_length=22)]
    seen: Id | None = None
    draft: str | None = None
    parts: dict[str, Id] = {}
    epoch: Annotated[int, msgspec.Meta(ge=0, le=2**53)] | None = None
    sd: tuple[str, ...] = msgspec.field(name="_sd", default=())  # each is checked by `check_digests`
    sd_alg: Literal["sha-256"] = msgspec.field(name="_sd_alg", default="sha-256")


_PAYLOAD = strict_decoder(Payload)


class Stamp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the hub vouches for in its signature's header: ``at`` (its clock, ms UTC, never backwards), ``seq`` (gapless
    in the thread, from 1), ``index`` (of the leaf in the log), ``chain`` (SHA-256 of the thread's previous leaf),
    ``state`` (hash of the ladder state after this entry)."""

    at: Millis
    seq: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    index: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    chain: Id | None
    state: Id


class Draft(msgspec.Struct, frozen=True):
    """A parsed drafter's JWS: who wrote, and what they fixed."""

    signature: jws.Signature
    payload: str
    content: Mapping[str, Any]


class Entry(msgspec.Struct, frozen=True):
    """Parsed, nothing verified. ``id`` names the payload and so survives further signatures."""

    jws: jws.Jws
    payload: Payload
    kind: Kind
    act: Act
    id: str
    draft: Draft | None


class VerifiedEntry(msgspec.Struct, frozen=True):
    """Signatures and mandates hold, the accord is ours. ``officers``: kids of the releasing (and drafting) officer."""

    entry: Entry
    officers: tuple[str, ...]
    two_person: bool

    @property
    def payload(self) -> Payload:
        return self.entry.payload

    @property
    def id(self) -> str:
        return self.entry.id


class AdmittedEntry(msgspec.Struct, frozen=True):
    """The ladder said yes and the hub stamped it. ``leaf`` are the exact bytes of the log's leaf."""

    verified: VerifiedEntry
    stamp: Stamp
    leaf: bytes

    @property
    def payload(self) -> Payload:
        return self.verified.payload

    @property
    def id(self) -> str:
        return self.verified.id


class OpenedEntry(msgspec.Struct, frozen=True):
    """Decrypted, every digest matches. ``fields`` may be shown."""

    admitted: AdmittedEntry
    body: Body


def draft_content(payload: Payload) -> dict[str, Any]:
    """What a drafter's signature fixes: the words and the act, and what stood before them (``prev_seq``), by which the
    ladder knows a draft that was released already; not the moment of sending nor its precedence."""
    return {
        "accord": payload.accord,
        "thread": payload.thread,
        "kind": payload.kind,
        "office": payload.office,
        "tlp": payload.tlp,
        "prev_seq": payload.prev_seq,
        "act": payload.act,
        "_sd": list(payload.sd),
    }


def sign_draft(content: Mapping[str, Any], drafter: Signer) -> str:
    """The drafter's JWS over `draft_content`, as text for `Payload.draft`."""
    payload = b64u(to_json(dict(content)))
    return jws.Jws(payload, (jws.sign(payload, drafter, typ=DRAFT_TYP, role="drafter"),)).to_bytes().decode("ascii")


def make_entry(payload: Payload, station: Signer | None, officer: Signer | None = None) -> bytes:
    """The signed entry, without a stamp. The releasing officer signs first, then the station. Raises `TooLarge`."""
    text = b64u(to_json(msgspec.to_builtins(payload)))
    made = jws.Jws(text, ())
    if officer is not None:
        made = made.with_signature(jws.sign(text, officer, typ=TYP, role="officer"))
    if station is not None:
        made = made.with_signature(jws.sign(text, station, typ=TYP, role="station"))
    data = made.to_bytes()
    if len(data) > MAX_ENTRY_BYTES:
        raise TooLarge(f"{len(data)} bytes")
    return data


def stamp_entry(entry: Entry, stamp: Stamp, hub: Signer) -> bytes:
    """The leaf: the entry with the hub's stamp beside the other signatures.

    Raises `Malformed` where a stamp stands already and `TooLarge` where the log could not hold the leaf.
    """
    if entry.jws.by_role("hub") is not None:
        raise Malformed("a stamp stands already")
    extra = msgspec.to_builtins(stamp)
    leaf = entry.jws.with_signature(jws.sign(entry.jws.payload, hub, typ=TYP, role="hub", **extra)).to_bytes()
    if len(leaf) > MAX_LEAF_BYTES:
        raise TooLarge(f"{len(leaf)} bytes with its stamp")
    return leaf


def parse_entry(data: bytes) -> Entry:
    """Wire bytes to `Entry`. Raises `TooLarge`, `Malformed`, `UnknownKind`, `BadAct`, `BadSignature` (none stands)."""
    if len(data) > MAX_LEAF_BYTES:
        raise TooLarge(f"{len(data)} bytes")
    found = jws.parse(data, limit=MAX_LEAF_BYTES)
    payload = quick_json(found.content, _PAYLOAD)
    if payload is None:
        try:
            payload = msgspec.convert(from_json(found.content), Payload, strict=True)
        except msgspec.ValidationError as error:
            raise Malformed(f"not an entry: {error}") from None
    from_rfc3339(payload.claimed)
    unb64u(payload.nonce, size=16)
    unb64u(payload.thread, size=16)
    kind = kind_of(payload.kind)
    act = parse_act(kind, payload.act)
    _check_form(payload, kind)
    if act_to_dict(act) != payload.act:
        # A default spelled out would be a second text for the same act.
        raise BadAct("act not in its one form")
    return Entry(found, payload, kind, act, entry_id(found.payload), _parse_draft(payload))


def entry_id(payload: str) -> str:
    """SHA-256 of the payload text: the name of an entry, known to its author before anybody else has seen it."""
    return digest(payload.encode("ascii"))


Triple = tuple[bytes, bytes, bytes]
"""Public key (32 bytes), message, signature (64 bytes)."""


def signatures_of(entry: Entry, mandates: MandateBook, at: int) -> list[Triple]:
    """Which signatures `verify_entry` is going to check, as far as the mandates know whose they are; for whoever wants to
    check them before and elsewhere. Says nothing about whether they are the right ones."""
    found = [(signature, entry.jws.payload) for signature in entry.jws.signatures if signature.role != "hub"]
    if entry.draft is not None:
        found.append((entry.draft.signature, entry.draft.payload))
    triples = []
    for signature, payload in found:
        try:
            public = mandates.find(signature.kid, at).public
        except OutOfMandate:
            continue
        triples.append((public, jws.signing_input(signature.protected, payload), signature.signature))
    return triples


def verify_entry(
    entry: Entry, accord: SignedAccord, mandates: MandateBook, *, at: int, proven: Set[Triple] = frozenset()
) -> VerifiedEntry:
    """Accord, signatures and mandates at ``at`` (ms UTC; the stamp's time where there is one). ``proven``: signatures that
    were found to hold already (`signatures_of`); every other is checked here.

    Raises `WrongAccord`, `BadSignature`, `OutOfMandate`, `SameOfficer`.
    """
    payload = entry.payload
    if payload.accord != accord.id or payload.log != accord.log_origin or payload.status != accord.accord.status:
        raise WrongAccord("accord, log or status differ")
    if entry.kind.author is Author.HUB:
        _check_hub_entry(entry, accord)
        return VerifiedEntry(entry, (), False)
    if payload.office == HUB:
        raise OutOfMandate("the hub writes no such entry")
    station = entry.jws.by_role("station")
    if station is None or station.typ != TYP or station.kid != payload.station or station.extra:
        raise BadSignature("no signature by the sending station")
    mandate = mandates.require(station.kid, role="station", office=payload.office, at=at)
    _check(station, entry.jws.payload, mandate.public, proven)
    allowed = {"station", "hub"} | ({"officer"} if entry.kind.author is Author.OFFICER else set())
    if not {s.role for s in entry.jws.signatures} <= allowed:
        raise BadSignature("a signature in a role this kind does not have")
    if entry.kind.author is Author.STATION:
        if entry.draft is not None:
            raise BadSignature("a station's own entry has no drafter")
        return VerifiedEntry(entry, (), False)
    return _verify_officers(entry, mandates, at, proven)


def verify_stamp(entry: Entry, accord: SignedAccord) -> Stamp:
    """The hub's stamp, its signature checked. Raises `BadSignature` or `Malformed`."""
    signature = entry.jws.by_role("hub")
    public = public_from(accord.accord.hub.key)
    if signature is None or signature.typ != TYP or signature.kid != kid_of(public):
        raise BadSignature("no stamp by the hub")
    try:
        stamp = msgspec.convert(signature.extra, Stamp, strict=True)
    except msgspec.ValidationError as error:
        raise Malformed(f"not a stamp: {error}") from None
    signature.check(entry.jws.payload, public)
    return stamp


def check_parts(payload: Payload, parts: Mapping[str, bytes], *, complete: bool = True) -> None:
    """Refuses (`PartMismatch`, `TooLarge`) parts that are not the signed ones.

    ``complete=False`` lets parts be absent: the newly admitted receive entries without what was sealed to others.
    """
    if any(len(data) > MAX_PART_BYTES for data in parts.values()):
        raise TooLarge("a sealed part over 1 MiB")
    if not set(parts) <= set(payload.parts) or (complete and set(parts) != set(payload.parts)):
        raise PartMismatch("not the parts that were signed")
    for name, data in parts.items():
        if digest(data) != payload.parts[name]:
            raise PartMismatch(f"part {name}")


def body_aad(payload: Payload) -> bytes:
    """Authenticated data of the sealed body: binds it to this thread, kind, sender, serial and digests."""
    marks = digest("".join(payload.sd).encode("ascii"))
    return to_json(["hotline-body/v1", payload.thread, payload.kind, payload.station, payload.serial, marks])


def admit(verified: VerifiedEntry, stamp: Stamp, leaf: bytes) -> AdmittedEntry:
    """Only the ladder's callers make an `AdmittedEntry`: after `mediation.fold.step` said yes."""
    return AdmittedEntry(verified, stamp, leaf)


def open_entry(admitted: AdmittedEntry, decrypt: Callable[[AdmittedEntry], Body]) -> OpenedEntry:
    """``decrypt`` gives the body, digests checked (`protocols.disclosure.open_body`)."""
    return OpenedEntry(admitted, decrypt(admitted))


_PARTS = frozenset(PARTS)
_SEALED = frozenset({"body", "box"})
_NO_KEYS: tuple[set[str], set[str]] = (set(), set())
_KEY_PARTS: dict[str, tuple[set[str], set[str]]] = {
    "open": ({"group_info", "commit", "welcome"}, {"external"}),
    "rekey": ({"commit"}, {"welcome", "external"}),
    "rejoin": ({"commit"}, {"external"}),
}
"""Parts that carry keys, by kind: those it must have, and those it may have."""


def _check_form(payload: Payload, kind: Kind) -> None:
    check_digests(payload.sd)
    if not payload.parts.keys() <= _PARTS:
        raise Malformed("a part of unknown name")
    if ("body" in payload.parts) != (payload.epoch is not None):
        raise Malformed("a body has an epoch, and only a body")
    sealed = not payload.parts.keys().isdisjoint(_SEALED)
    if sealed != bool(payload.sd):
        raise Malformed("a sealed body has digests, and only a sealed body")
    if sealed and not kind.fields:
        raise Malformed(f"{kind.name} has no body")
    if kind.required and not sealed:
        raise Malformed(f"{kind.name} needs a body")
    keys = payload.parts.keys() - _SEALED
    needed, possible = _KEY_PARTS.get(kind.name, _NO_KEYS)
    if not needed <= keys <= needed | possible:
        raise Malformed(f"{kind.name} with the wrong parts")
    if (payload.prev is None) != (payload.prev_seq == 0):
        raise Malformed("prev and prev_seq go together")


def _parse_draft(payload: Payload) -> Draft | None:
    if payload.draft is None:
        return None
    try:
        raw = payload.draft.encode("ascii")
    except UnicodeEncodeError:
        raise Malformed("draft is not ASCII") from None
    found = jws.parse(raw, limit=MAX_ENTRY_BYTES)
    signature = found.by_role("drafter")
    if signature is None or len(found.signatures) != 1 or signature.typ != DRAFT_TYP or signature.extra:
        raise BadSignature("draft without its drafter's signature")
    content = from_json(found.content)
    if content != draft_content(payload):
        raise BadSignature("what was released is not what was drafted")
    return Draft(signature, found.payload, content)


def _check_hub_entry(entry: Entry, accord: SignedAccord) -> None:
    if (
        entry.draft is not None
        or entry.payload.office != HUB
        or [s.role for s in entry.jws.signatures] not in (["station", "hub"], ["station"])
    ):
        raise BadSignature("not the hub's own entry")
    public = public_from(accord.accord.hub.key)
    signature = entry.jws.signatures[0]
    if signature.typ != TYP or signature.extra or not signature.kid == entry.payload.station == kid_of(public):
        raise BadSignature("not the hub's own entry")
    signature.check(entry.jws.payload, public)


def _verify_officers(entry: Entry, mandates: MandateBook, at: int, proven: Set[Triple]) -> VerifiedEntry:
    payload = entry.payload
    officer = entry.jws.by_role("officer")
    if officer is None or officer.typ != TYP or officer.extra:
        raise BadSignature("no officer's signature")
    if entry.draft is None:
        # Alone, an officer of either role may write; kinds that need two people are the ladder's business.
        found = mandates.find(officer.kid, at)
        if found.office != payload.office or not (found.allows("drafter", at) or found.allows("releaser", at)):
            raise OutOfMandate("the officer has no mandate of this office at this time")
        _check(officer, entry.jws.payload, found.public, proven)
        return VerifiedEntry(entry, (officer.kid,), False)
    releaser = mandates.require(officer.kid, role="releaser", office=payload.office, at=at)
    _check(officer, entry.jws.payload, releaser.public, proven)
    drafter = mandates.require(entry.draft.signature.kid, role="drafter", office=payload.office, at=at)
    _check(entry.draft.signature, entry.draft.payload, drafter.public, proven)
    if drafter.kid == releaser.kid:
        raise SameOfficer("one key for both")
    return VerifiedEntry(entry, (officer.kid, drafter.kid), True)


def _check(signature: jws.Signature, payload: str, public: bytes, proven: Set[Triple]) -> None:
    if (public, jws.signing_input(signature.protected, payload), signature.signature) not in proven:
        signature.check(payload, public)
