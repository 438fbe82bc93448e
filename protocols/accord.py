"""The accord: the signed agreement a deployment runs under.

It names the offices and their root keys, the hub and its keys, the ladders in force (by the hash of their exact bytes),
the witness policy of the log, and the dates. It is signed by every office it names and pinned by its hash: every entry
and every login names that hash, so nothing said under one accord is taken under another. (A mandate names its office
only: it lasts over a renewal of the accord, as long as the office keeps its root key.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from protocols import jws
from protocols.encoding import Malformed, b64u, digest, from_json, from_rfc3339, to_json, unb64u
from protocols.errors import RemoteError
from protocols.keys import BadSignature, Signer, kid_of, public_from
from protocols.kinds import Id, Name, OfficeId, Text
from protocols.translog.errors import TranslogError
from protocols.translog.note import parse_vkey
from protocols.translog.policy import parse_policy

TYP = "hotline-accord+jws"
ROLE = "office"
MAX_ACCORD_BYTES = 512 * 1024

Status = Literal["ACTUAL", "EXERCISE"]
Role = Literal["party", "mediator", "monitor"]
Disclosure = Literal["either", "both"]
"""Who decides that words of a thread are shown to somebody outside: either party for itself, or both together."""
Key = Annotated[str, msgspec.Meta(min_length=43, max_length=43)]


class NotInAccord(RemoteError):
    """A hub, office, ladder or mediator that the pinned accord does not name."""

    code = "accord.not-named"
    _sentence = (
        "This is not named in the agreement your station holds. It was refused and nothing was changed. "
        "If the agreement was renewed, your office must install the new one."
    )


class BadAccord(RemoteError):
    """An accord that contradicts itself or lacks a signature."""

    code = "accord.invalid"
    _sentence = (
        "The agreement is incomplete or contradicts itself. It was refused; return it to the offices to be mended."
    )


class NotInForce(RemoteError):
    """The accord has not begun yet, or has ended."""

    code = "accord.not-in-force"
    _sentence = (
        "The agreement of this line is not in force at this time, so no new thread can be opened under it. Nothing was "
        "sent. Threads that are open go on; the offices must sign a new agreement."
    )


class Office(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An institution: ``id`` as in ``AV``, its name, what it is under this accord, its root key (Ed25519, base64url).

    ``zone`` is the IANA zone of its capital, ``language`` its own tongue (BCP 47): for screens only. ``state`` is the
    state it belongs to; empty: the office's own id. Ladders that exclude a party's nationals go by it.
    """

    id: OfficeId
    name: Text
    role: Role
    root: Key
    zone: Text = "UTC"
    language: Text = "en"
    state: Text = ""


class HubCard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The hub as every office pins it.

    ``key`` signs stamps and logins; ``log`` is the vkey (C2SP signed-note) of the log whose origin is its name;
    ``tls`` is the SHA-256 of the hub's TLS certificate (DER), base64url, or empty where the line runs in the clear
    behind the operator's own tunnel; ``addresses`` are the WebSocket URLs, first choice first.
    """

    name: Name
    key: Key
    log: Annotated[str, msgspec.Meta(max_length=400)]
    tls: str = ""
    addresses: tuple[Text, ...] = ()


class LadderInForce(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A ladder as threads name it: ``id``, the base64url SHA-256 of its exact TOML bytes, the factor by which its
    clocks run faster (1, always, in an ACTUAL accord), and the offices that hold its roles (a chair, a council)."""

    id: Name
    hash: Id
    scale: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1
    roles: dict[Name, Annotated[tuple[OfficeId, ...], msgspec.Meta(min_length=1, max_length=100)]] = {}


class Accord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The agreement's content. ``mediators`` is the roster in order of default appointment. Dates are RFC 3339 UTC.
    ``disclosure``: with ``both``, evidence in which words are disclosed holds only with the other party's consent in the
    log (`mediation.consent`)."""

    v: Literal[1]
    title: Text
    status: Status
    exercise: Text
    offices: tuple[Office, ...]
    mediators: tuple[OfficeId, ...]
    monitors: tuple[OfficeId, ...]
    hub: HubCard
    ladders: tuple[LadderInForce, ...]
    policy: Annotated[str, msgspec.Meta(max_length=64 * 1024)]
    suite: int
    not_before: str
    review: str
    sunset: str
    disclosure: Disclosure = "either"

    def office(self, office: str) -> Office:
        """Raises `NotInAccord`."""
        for found in self.offices:
            if found.id == office:
                return found
        raise NotInAccord(f"office {office[:16]!r}")

    def ladder(self, name: str) -> LadderInForce:
        """Raises `NotInAccord`."""
        for found in self.ladders:
            if found.id == name:
                return found
        raise NotInAccord(f"ladder {name[:64]!r}")

    def check_in_force(self, at: int) -> None:
        """Raises `NotInForce` unless ``at`` (ms UTC) lies between ``not_before`` and ``sunset`` (excluded).

        Asked where a thread is opened: what is open at sunset is brought to its end.
        """
        if not from_rfc3339(self.not_before) <= at < from_rfc3339(self.sunset):
            raise NotInForce(f"in force from {self.not_before} until {self.sunset}")

    def check_ladder(self, name: str, data: bytes) -> LadderInForce:
        """The ladder in force under ``name`` if ``data`` are its exact bytes; raises `NotInAccord`."""
        found = self.ladder(name)
        if digest(data) != found.hash:
            raise NotInAccord(f"the bytes at hand are not the ladder signed as {name[:64]!r}")
        return found


@dataclass(frozen=True, slots=True)
class SignedAccord:
    """An accord that every office has signed. ``id``: base64url SHA-256 of its payload text; ``data``: its bytes."""

    accord: Accord
    id: str
    data: bytes

    @property
    def log_origin(self) -> str:
        """The name of the log, as it stands in every entry."""
        return self.accord.hub.log.split("+", 1)[0]

    @property
    def exercise(self) -> bool:
        return self.accord.status == "EXERCISE"


def draft_bytes(accord: Accord, *, complete: bool = True) -> bytes:
    """An accord with no signature yet. Raises `BadAccord` where it contradicts itself.

    ``complete=False`` for a sketch to which offices and ladders are still added; a sketch cannot be signed.
    """
    if complete:
        check_accord(accord)
    return jws.Jws(b64u(to_json(msgspec.to_builtins(accord))), ()).to_bytes()


def parse_draft(data: bytes, *, complete: bool = True) -> tuple[jws.Jws, Accord]:
    """An accord with any number of signatures, none checked. Raises `Malformed` or `BadAccord`.

    ``complete=False`` reads a sketch (see `draft_bytes`), which need not make sense yet.
    """
    value = from_json(data, limit=MAX_ACCORD_BYTES)
    if isinstance(value, dict) and value.get("signatures") == [] and isinstance(value.get("payload"), str):
        found = jws.Jws(value["payload"], ())
    else:
        found = jws.parse(data, limit=MAX_ACCORD_BYTES, unique_roles=False)
    return found, _content(found.payload, complete)


def sign_accord(data: bytes, root: Signer) -> bytes:
    """The accord with this office's signature added (or unchanged where it stands already).

    Raises `NotInAccord` when the key is no named office's root.
    """
    found, accord = parse_draft(data)
    if not any(kid_of(public_from(office.root)) == root.kid for office in accord.offices):
        raise NotInAccord("this root key belongs to no office of the accord")
    if any(signature.kid == root.kid for signature in found.signatures):
        return data
    return found.with_signature(jws.sign(found.payload, root, typ=TYP, role=ROLE)).to_bytes()


def missing_signatures(data: bytes) -> tuple[str, ...]:
    """Ids of the offices that have not signed yet; every signature that stands is verified (`BadSignature`)."""
    found, accord = parse_draft(data)
    roots = {kid_of(public_from(office.root)): office for office in accord.offices}
    for signature in found.signatures:
        if signature.kid not in roots or signature.typ != TYP or signature.role != ROLE or signature.extra:
            raise BadSignature("a signature on the accord is by no office of it")
        signature.check(found.payload, public_from(roots[signature.kid].root))
    signed = {signature.kid for signature in found.signatures}
    return tuple(office.id for kid, office in roots.items() if kid not in signed)


def open_accord(data: bytes, *, pinned: str | None = None) -> SignedAccord:
    """The accord in ``data``, signed by all its offices and, when ``pinned`` is given, the very one pinned.

    Raises `Malformed`, `BadAccord`, `BadSignature`, `NotInAccord`.
    """
    missing = missing_signatures(data)
    if missing:
        raise BadAccord(f"not signed yet by {', '.join(missing)}")
    found, accord = parse_draft(data)
    name = digest(found.payload.encode("ascii"))
    if pinned is not None and name != pinned:
        raise NotInAccord("another accord than the pinned one")
    return SignedAccord(accord, name, data)


def check_accord(accord: Accord) -> None:
    """Refuses (`BadAccord`) an accord that contradicts itself: see the sentences below."""
    ids = [office.id for office in accord.offices]
    roles = {office.id: office.role for office in accord.offices}
    _want(len(set(ids)) == len(ids), "an office stands twice")
    _want("HUB" not in ids, "HUB is the hub's own name")
    roots = [public_from(office.root) for office in accord.offices]
    _want(len(set(roots)) == len(roots), "two offices with one root key")
    hub = public_from(accord.hub.key)
    _want(hub not in roots, "the hub's key is an office's root key")
    _check_policy(accord, {*roots, hub})
    _want(sum(role == "party" for role in roles.values()) >= 2, "fewer than two parties")
    for name in accord.mediators:
        _want(roles.get(name) == "mediator", f"{name} is on the roster of mediators but is no mediator")
    for name in accord.monitors:
        _want(roles.get(name) in ("mediator", "monitor"), f"{name} is no office that may verify")
    _want(len(set(accord.mediators)) == len(accord.mediators), "a mediator stands twice on the roster")
    names = [ladder.id for ladder in accord.ladders]
    _want(names != [] and len(set(names)) == len(names), "no ladder, or two ladders of one name")
    for ladder in accord.ladders:
        for role, holders in ladder.roles.items():
            _want(set(holders) <= set(ids), f"the role {role} of {ladder.id} is held by an office that is not named")
            _want(len(set(holders)) == len(holders), f"an office holds the role {role} of {ladder.id} twice")
    if accord.status == "ACTUAL":
        _want(all(ladder.scale == 1 for ladder in accord.ladders), "an ACTUAL accord never scales a clock")
        _want(accord.exercise == "", "an ACTUAL accord has no exercise id")
    else:
        _want(accord.exercise != "", "an EXERCISE accord names its exercise")
    _want(accord.hub.tls == "" or len(unb64u(accord.hub.tls)) == 32, "the TLS fingerprint is no SHA-256")
    start, review, sunset = (from_rfc3339(t) for t in (accord.not_before, accord.review, accord.sunset))
    _want(start < review <= sunset, "the dates are not in order")


def _check_policy(accord: Accord, taken: set[bytes]) -> None:
    try:
        log, policy = parse_vkey(accord.hub.log), parse_policy(accord.policy)
    except TranslogError as error:
        raise BadAccord(f"the log's key or the witness policy cannot be used: {error.detail}") from error
    _want([each.key for each in policy.logs] == [log], "the witness policy is not about the hub's log, or not only")
    keys = {log.public_key, *(item.key.public_key for item in policy.witnesses)}
    _want(not keys & taken, "one key for two roles: a root, the hub's, the log's, a witness's")
    _want(accord.status != "ACTUAL" or policy.quorum is not None, "an ACTUAL accord has a quorum of witnesses")


def _want(holds: bool, otherwise: str) -> None:
    if not holds:
        raise BadAccord(otherwise)


def _content(payload: str, complete: bool) -> Accord:
    value: Any = from_json(unb64u(payload), limit=MAX_ACCORD_BYTES)
    try:
        accord = msgspec.convert(value, Accord, strict=True)
    except msgspec.ValidationError as error:
        raise Malformed(f"not an accord: {error}") from None
    if complete:
        check_accord(accord)
    return accord
