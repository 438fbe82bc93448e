"""Mandates: an office says, by its root key, who may act for it, as what, from when until when.

A *station* mandate carries the public keys of one machine, each for one purpose: ``sign`` (entries and logins),
``mls`` (its leaf in the group), ``seal`` (X25519, for what is sealed to it outside a group), ``witness`` (the vkey with
which it cosigns the log). An *officer* mandate carries one signing key and the roles drafter, releaser.

In every mandate the mandated key itself has signed for which office it is (``holder``): no office can claim a key that
another holds, whoever announces first.

Of several mandates for one key the one with the highest ``serial`` among those already begun (``not_before``) counts,
so a renewal takes over at its own start, a mandate without roles revokes from its start on, and a trail read years
later still finds who was mandated then.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from protocols import jws
from protocols.accord import Accord
from protocols.encoding import Malformed, b64u, from_json, from_rfc3339, to_json, unb64u
from protocols.errors import RemoteError
from protocols.keys import BadSignature, Signer, kid_of, public_from
from protocols.kinds import OfficeId, Text
from protocols.translog.errors import TranslogError
from protocols.translog.note import KeyKind, parse_vkey

TYP = "hotline-mandate+jws"
ROLE = "office"
HOLDER_TYP = "hotline-holder+jws"
HOLDER_ROLE = "holder"
MAX_MANDATE_BYTES = 16 * 1024

MandateRole = Literal["station", "drafter", "releaser"]


class OutOfMandate(RemoteError):
    """The signer has no mandate for this, or not at this time."""

    code = "entry.out-of-mandate"
    _sentence = (
        "The signer is not authorised by their office for this, or not at this time. The message was refused and "
        "nothing was changed. Their office must issue a mandate."
    )


class StationKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Public keys of a station, base64url: Ed25519 ``sign`` and ``mls``, X25519 ``seal``; ``witness`` is a vkey, and
    ``witness_pq`` that of an ML-DSA-44 key of the same name, where the station cosigns with both."""

    sign: str
    mls: str
    seal: str
    witness: str
    witness_pq: str = ""


class Mandate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an office's root key signs. ``name`` is the function, as in "duty officer 2": never a person's name.

    ``holder``: the mandated key's own word that it is this office's, see `sign_holder`.
    """

    v: Literal[1]
    office: OfficeId
    subject: Literal["station", "officer"]
    name: Text
    serial: Annotated[int, msgspec.Meta(ge=1)]
    roles: tuple[MandateRole, ...]
    sign: str
    not_before: str
    not_after: str
    holder: str
    keys: StationKeys | None = None

    @property
    def kid(self) -> str:
        """The key id of the mandated signing key."""
        return kid_of(public_from(self.sign))


@dataclass(frozen=True, slots=True)
class VerifiedMandate:
    """A mandate whose signature by its office's root key holds. Times in milliseconds UTC; ``data`` as it came."""

    mandate: Mandate
    kid: str
    public: bytes
    not_before: int
    not_after: int
    data: bytes

    def allows(self, role: str, at: int) -> bool:
        """Whether the holder may act in ``role`` at ``at`` (milliseconds UTC)."""
        return role in self.mandate.roles and self.not_before <= at < self.not_after

    @property
    def office(self) -> str:
        return self.mandate.office

    @property
    def station_keys(self) -> StationKeys:
        """Keys of a station mandate. Raises `OutOfMandate` for an officer's."""
        if self.mandate.keys is None:
            raise OutOfMandate("not a station")
        return self.mandate.keys


def sign_holder(office: str, holder: Signer, keys: StationKeys | None = None) -> str:
    """A JWS, as text, by the key that is to be mandated: that it acts for ``office``, with a station's other ``keys``."""
    payload = b64u(to_json(_holding(office, b64u(holder.public), keys)))
    signature = jws.sign(payload, holder, typ=HOLDER_TYP, role=HOLDER_ROLE)
    return jws.Jws(payload, (signature,)).to_bytes().decode("ascii")


def verify_holder(proof: str, office: str, sign: str, keys: StationKeys | None = None) -> None:
    """Raises `Malformed`, `BadKey` or `BadSignature` unless ``proof`` is `sign_holder`'s by the key ``sign``."""
    try:
        found = jws.parse(proof.encode("ascii"), limit=MAX_MANDATE_BYTES)
    except UnicodeEncodeError:
        raise Malformed("the holder's proof is not ASCII") from None
    public, signature = public_from(sign), found.by_role(HOLDER_ROLE)
    if (
        signature is None
        or len(found.signatures) != 1
        or signature.typ != HOLDER_TYP
        or signature.extra
        or signature.kid != kid_of(public)
        or unb64u(found.payload) != to_json(_holding(office, sign, keys))
    ):
        raise BadSignature("the mandated key has not said that it is this office's")
    signature.check(found.payload, public)


def _holding(office: str, sign: str, keys: StationKeys | None) -> dict[str, Any]:
    held: dict[str, Any] = {"office": office, "sign": sign}
    return held if keys is None else {**held, "keys": msgspec.to_builtins(keys)}


def sign_mandate(mandate: Mandate, root: Signer) -> bytes:
    """The mandate signed by the office's root key."""
    payload = b64u(to_json(msgspec.to_builtins(mandate)))
    return jws.Jws(payload, (jws.sign(payload, root, typ=TYP, role=ROLE),)).to_bytes()


def verify_mandate(data: bytes, accord: Accord) -> VerifiedMandate:
    """Raises `Malformed`, `BadSignature`, `NotInAccord`, `BadKey`."""
    found = jws.parse(data, limit=MAX_MANDATE_BYTES)
    try:
        mandate = msgspec.convert(from_json(unb64u(found.payload)), Mandate, strict=True)
    except msgspec.ValidationError as error:
        raise Malformed(f"not a mandate: {error}") from None
    if (mandate.subject == "station") != (mandate.keys is not None):
        raise Malformed("a station's mandate has keys, an officer's has none")
    allowed = {"station"} if mandate.subject == "station" else {"drafter", "releaser"}
    if not set(mandate.roles) <= allowed:
        raise Malformed("roles that do not fit the subject")
    root = public_from(accord.office(mandate.office).root)
    signature = found.by_role(ROLE)
    if signature is None or len(found.signatures) != 1 or signature.typ != TYP or signature.extra:
        raise BadSignature("not signed as a mandate is")
    if signature.kid != kid_of(root):
        raise BadSignature("not signed by the office's root key")
    signature.check(found.payload, root)
    public, others = public_from(mandate.sign), [root, public_from(accord.hub.key)]
    if mandate.keys is not None:
        if mandate.keys.sign != mandate.sign:
            raise Malformed("a station's mandate names two signing keys")
        unb64u(mandate.keys.seal, size=32)
        others += [public_from(mandate.keys.mls), *_witness_keys(mandate.keys)]
    if len({public, *others}) != len(others) + 1:
        raise Malformed("one key for two roles")
    verify_holder(mandate.holder, mandate.office, mandate.sign, mandate.keys)
    start, end = from_rfc3339(mandate.not_before), from_rfc3339(mandate.not_after)
    if start >= end:
        raise Malformed("a mandate that ends before it begins")
    return VerifiedMandate(mandate, kid_of(public), public, start, end, data)


def _witness_keys(keys: StationKeys) -> list[bytes]:
    vkeys = [keys.witness, keys.witness_pq] if keys.witness_pq else [keys.witness]
    try:
        found = [parse_vkey(vkey) for vkey in vkeys]
    except TranslogError as error:
        raise Malformed(f"the witness key cannot be used: {error.detail}") from error
    if any(key.kind is KeyKind.ED25519 for key in found):
        raise Malformed("the witness key is none for cosignatures")
    if len({key.name for key in found}) != 1 or len({key.kind for key in found}) != len(found):
        raise Malformed("the two witness keys are not of one name and two kinds")
    return [key.public_key for key in found]


class MandateBook:
    """All mandates known under one accord, by key. Plain data, no I/O."""

    def __init__(self, accord: Accord, known: Iterable[VerifiedMandate] = ()) -> None:
        self._accord = accord
        self._by_kid: dict[str, list[VerifiedMandate]] = {}
        for mandate in known:
            self.add(mandate)

    def add(self, found: VerifiedMandate) -> bool:
        """Take a verified mandate; False where it is known already. A key keeps its office and subject.

        Raises `OutOfMandate` for a second mandate of the same serial with other content: serials are used once.
        """
        known = self._by_kid.setdefault(found.kid, [])
        for other in known:
            if other.office != found.office or other.mandate.subject != found.mandate.subject:
                raise OutOfMandate("this key is mandated by another office, or as something else")
            if other.mandate.serial == found.mandate.serial:
                if other.mandate != found.mandate:
                    raise OutOfMandate("two mandates of one serial for this key")
                return False
        known.append(found)
        known.sort(key=lambda m: m.mandate.serial)
        return True

    def add_bytes(self, data: bytes) -> VerifiedMandate:
        """Verify and take. Raises what `verify_mandate` raises."""
        found = verify_mandate(data, self._accord)
        self.add(found)
        return found

    def takes_back(self, found: VerifiedMandate, now: int) -> bool:
        """Whether ``found`` would forbid what a known mandate of the key allowed at some time before ``now`` (ms UTC).

        Whoever replays a thread asks for the mandate in force at each entry's stamp, so one that does must not be taken
        once an entry it could touch stands: an office could deny what it signed, and no replay would follow any more.
        """
        return found.not_before <= now and any(_narrower(found, old, now) for old in self._by_kid.get(found.kid, ()))

    def find(self, kid: str, at: int) -> VerifiedMandate:
        """The mandate of a key that counts at ``at`` (ms UTC); raises `OutOfMandate` where there is none."""
        begun = [m for m in self._by_kid.get(kid, ()) if m.not_before <= at]
        if not begun:
            raise OutOfMandate(f"no mandate for key {kid[:43]} at this time")
        return begun[-1]

    def require(self, kid: str, *, role: str, office: str, at: int) -> VerifiedMandate:
        """The mandate of ``kid`` if it allows ``role`` for ``office`` at ``at`` (ms); raises `OutOfMandate`."""
        found = self.find(kid, at)
        if found.office != office:
            raise OutOfMandate("the signer is of another office")
        if not found.allows(role, at):
            raise OutOfMandate(f"no mandate as {role} at this time")
        return found

    def stations(self, office: str, at: int) -> tuple[VerifiedMandate, ...]:
        """The stations of an office with a mandate at ``at``, by key id."""
        return tuple(m for m in self._current(at) if m.office == office and m.allows("station", at))

    def officers(self, office: str, at: int) -> tuple[VerifiedMandate, ...]:
        """The officers of an office with a mandate at ``at``, by key id."""
        return tuple(
            m for m in self._current(at) if m.office == office and (m.allows("drafter", at) or m.allows("releaser", at))
        )

    def all(self) -> tuple[VerifiedMandate, ...]:
        """Every mandate, by key and serial."""
        return tuple(m for kid in sorted(self._by_kid) for m in self._by_kid[kid])

    def _current(self, at: int) -> Iterable[VerifiedMandate]:
        for kid in sorted(self._by_kid):
            begun = [m for m in self._by_kid[kid] if m.not_before <= at]
            if begun:
                yield begun[-1]


def _narrower(new: VerifiedMandate, old: VerifiedMandate, now: int) -> bool:
    """Whether ``new`` would count instead of ``old`` and allow less than it did, at some time before ``now``."""
    return new.mandate.serial > old.mandate.serial and (
        not set(old.mandate.roles) <= set(new.mandate.roles)
        or new.mandate.keys != old.mandate.keys
        or new.not_after < min(old.not_after, now)
    )
