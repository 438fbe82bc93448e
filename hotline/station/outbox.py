"""The outbox: what this station means to say, until the hub has taken it or refused it.

An item begins as an *intent* (the words and the act are fixed, nothing is sealed). When it comes to the head of its
thread it becomes a *wire*: the signed entry with its sealed parts, stored in the same transaction as the group's keys
from which it was sealed, before the first byte leaves. The same bytes are sent again after every break until the hub
answers; only an answer that says "not under these keys" makes new ones. So nothing is lost and nothing is said twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from hotline.station.errors import NothingToRejoin
from hotline.station.folder import Identity
from hotline.station.live_groups import LiveGroups
from hotline.station.model import Thread
from hotline.station.replay import Own
from hotline.station.vault import StoreDamaged
from mediation.awaited import readers
from mediation.requests import roles_concerned
from mediation.state import ThreadState
from protocols.disclosure import Body, body_to_bytes
from protocols.encoding import b64u, digest, rfc3339, unb64u
from protocols.entry import Entry, Payload, Precedence, Tlp, VerifiedEntry, body_aad, make_entry, parse_entry
from protocols.keys import Signer
from protocols.kinds import Act, Author, Breach, Member, Open, Rejoin, Rekey, Step, act_to_dict, kind_of
from protocols.mls import Group, PublicGroup
from protocols.sealing import MAX_RECIPIENTS, seal_box

Rng = Callable[[int], bytes]
T = TypeVar("T", bound=msgspec.Struct)


class Intent(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is to be said. ``disclosures``/``sd``: the body as it will travel, fixed now so that a drafter can sign it.

    ``officer`` signs it when it is sealed, ``drafter`` signed ``draft`` before; both None for the station's own
    entries. ``read_to``: newest seq before the writer's eyes (None: whatever is newest when sealed). ``created``: ms
    UTC. ``after``: not to be sealed earlier (ms). ``force``: send even what our own ladder refuses.
    ``extra``: what openings and renewals of keys are made from.
    """

    kind: str
    act: dict[str, Any]
    created: int
    precedence: str = "ROUTINE"
    tlp: str = "AMBER+STRICT"
    disclosures: tuple[str, ...] = ()
    sd: tuple[str, ...] = ()
    officer: str | None = None
    drafter: str | None = None
    draft: str | None = None
    read_to: int | None = None
    after: int = 0
    force: bool = False
    extra: dict[str, Any] = {}

    @property
    def auto(self) -> bool:
        """Whether the station writes it by itself."""
        return kind_of(self.kind).author is Author.STATION

    @property
    def writer(self) -> str:
        """The officer who wrote it, or an empty string."""
        return self.drafter or self.officer or ""


class Wire(msgspec.Struct, frozen=True, omit_defaults=True):
    """The exact bytes to submit. ``staged``/``group``: our commit, and for `open` the group of one it is merged
    into; for `rejoin` the group that it makes."""

    entry: bytes
    parts: dict[str, bytes]
    epoch: int | None = None
    staged: bytes | None = None
    group: bytes | None = None


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why an item was refused, when (ms UTC), and by whom: "hub" or "station"."""

    code: str
    sentence: str
    at: int
    by: str
    rule: str | None = None
    clock: str | None = None
    until: int | None = None


@dataclass(slots=True)
class Item:
    """One row in memory. ``entry`` is the id of its wire. ``ref``: number under which it was submitted on this connection;
    ``accepted``: the hub has it, delivery back to us is due. ``newer_than``: wait for an epoch after this one.
    ``waiting``: words for why it does not move. ``promised``: when the hub first said that it has it (own clock, ms).
    ``serial``, ``verified``: of its wire, while it is on the way."""

    position: int
    id: str
    thread: str
    state: str
    intent: Intent
    entry: str | None = None
    wire: Wire | None = None
    answer: Answer | None = None
    ref: int | None = None
    accepted: bool = False
    newer_than: int | None = None
    waiting: str | None = None
    promised: int | None = None
    serial: int = 0
    verified: VerifiedEntry | None = None

    def own(self) -> Own | None:
        """What replay needs when this entry comes back."""
        if self.wire is None:
            return None
        return Own(self.intent.disclosures, self.wire.staged, self.wire.group)


@dataclass(frozen=True, slots=True)
class Sealed:
    """An item made ready: store ``wire`` and, where it changed, the group's new snapshot ``mls`` together, then submit."""

    entry: Entry
    wire: Wire
    mls: bytes | None

    @property
    def id(self) -> str:
        return self.entry.id


_ENCODER = msgspec.msgpack.Encoder()


def encode(value: msgspec.Struct) -> bytes:
    """An intent, wire or answer as stored (before sealing)."""
    return _ENCODER.encode(value)


def decode_intent(data: bytes) -> Intent:
    return _decode(data, Intent)


def decode_wire(data: bytes) -> Wire:
    return _decode(data, Wire)


def decode_answer(data: bytes) -> Answer:
    return _decode(data, Answer)


def _decode(data: bytes, form: type[T]) -> T:
    try:
        return msgspec.msgpack.decode(data, type=form)
    except msgspec.DecodeError as error:
        raise StoreDamaged(f"a stored {form.__name__.lower()} does not read") from error


class Sealer:
    """Makes entries. ``now``: this station's own clock (ms UTC); ``seen``: digest of the newest published head."""

    def __init__(
        self,
        identity: Identity,
        rng: Rng,
        now: Callable[[], int],
        seen: Callable[[], str | None],
        groups: LiveGroups,
    ) -> None:
        self._identity = identity
        self._groups = groups
        self._rng = rng
        self._now = now
        self._seen = seen

    def seal(self, thread: Thread, intent: Intent, officer: Signer | None) -> Sealed:
        """An ordinary entry of a thread that exists. Raises `ProtocolError`."""
        payload = self._payload(thread, intent, intent.act)
        parts: dict[str, bytes] = {}
        mls = None
        if intent.sd:
            body = body_to_bytes(Body(intent.disclosures, {}))
            recipients = self._boxed(thread, intent)
            if thread.mls is not None:
                group = self._groups.open(thread.id, thread.mls)
                # Inside, the line's own number of the epoch: MLS numbers it anew after a return to earlier keys.
                epoch = group.epoch if thread.state is None else thread.state.epoch
                payload = msgspec.structs.replace(payload, epoch=epoch)
                parts["body"] = group.encrypt(body, aad=body_aad(payload), rng=self._rng)
                mls = self._groups.keep(thread.id, group)
            if recipients:
                parts["box"] = seal_box(body, recipients, body_aad(payload), self._rng)
        return self._sign(payload, parts, officer, mls=mls)

    def open(self, thread: str, intent: Intent, packages: Mapping[str, bytes]) -> Sealed:
        """The opening of a thread: ``packages`` are one key package a station (by kid) of both parties but our own."""
        identity = self._identity
        counterpart, ladder = str(intent.extra["counterpart"]), str(intent.extra["ladder"])
        seconds = self._now() // 1000
        group = Group.create(
            identity.accord.accord.suite,
            unb64u(thread),
            identity.kid.encode("ascii"),
            identity.keys.mls,
            now=seconds,
            rng=self._rng,
        )
        staged = group.commit(add=[packages[kid] for kid in sorted(packages)], now=seconds, rng=self._rng)
        roster = (Member(identity.kid, identity.office), *self._members(packages))
        act = Open(ladder, (identity.office, counterpart), roster)
        parts = {
            "group_info": group.group_info(self._rng),
            "commit": staged.commit,
            "welcome": staged.welcome or b"",
            "external": group.info_after(staged),
        }
        payload = self._payload(None, intent, act_to_dict(act), new=thread)
        return self._sign(payload, parts, None, staged=staged.snapshot(), group=group.snapshot())

    def rekey(self, thread: Thread, state: ThreadState, intent: Intent, packages: Mapping[str, bytes]) -> Sealed:
        """New keys: ``packages`` of those who come in (by kid); stations of ``state.due_removes`` and those who are
        ``leaving`` go out."""
        group = Group.restore(thread.mls or b"")
        out = [Member(kid, office) for kid, office in state.roster.items() if office in state.due_removes]
        removes = tuple(sorted((*out, *state.leaving), key=lambda member: member.station))
        leaves = {member.identity: member.leaf for member in group.members()}
        staged = group.commit(
            add=[packages[kid] for kid in sorted(packages)],
            remove=[leaves[member.station.encode("ascii")] for member in removes],
            now=self._now() // 1000,
            rng=self._rng,
        )
        act: Act = Rekey(state.epoch + 1, self._members(packages), removes)
        parts = {"commit": staged.commit, "external": group.info_after(staged)}
        if staged.welcome is not None:
            parts["welcome"] = staged.welcome
        return self._sign(
            self._payload(thread, intent, act_to_dict(act)), parts, None, epoch=state.epoch, staged=staged.snapshot()
        )

    def rejoin(self, thread: Thread, state: ThreadState, intent: Intent) -> Sealed:
        """Come back into a group whose keys were lost, in place of our own former leaf.

        Raises `NothingToRejoin` or `ProtocolError`."""
        info = thread.keys.info
        if info is None:
            raise NothingToRejoin("no GroupInfo of the epoch in force came with its commit")
        seconds, name = self._now() // 1000, self._identity.kid.encode("ascii")
        members = PublicGroup.from_group_info(info, seconds).members()
        listed = sorted(member.identity.decode("ascii", "replace") for member in members)
        former = next((member.leaf for member in members if member.identity == name), None)
        if former is None or listed != sorted(state.roster):
            raise NothingToRejoin("the GroupInfo at hand has other members than the ladder's roster")
        group, commit = Group.join_external(
            info, name, self._identity.keys.mls, now=seconds, rng=self._rng, replaces=former
        )
        parts = {"commit": commit, "external": group.group_info(self._rng, external_commit=True)}
        payload = self._payload(thread, intent, act_to_dict(Rejoin(state.epoch + 1)))
        return self._sign(payload, parts, None, epoch=state.epoch, group=group.snapshot())

    def _members(self, packages: Mapping[str, bytes]) -> tuple[Member, ...]:
        now = self._now()
        return tuple(Member(kid, self._identity.mandates.find(kid, now).office) for kid in sorted(packages))

    def _payload(self, thread: Thread | None, intent: Intent, act: dict[str, Any], *, new: str = "") -> Payload:
        """The readable part. ``new``: the id of a thread that is being opened."""
        accord = self._identity.accord
        prev, prev_seq = self._previous(thread, intent)
        return Payload(
            v=1,
            log=accord.log_origin,
            accord=accord.id,
            status=accord.accord.status,
            thread=new if thread is None else thread.id,
            kind=intent.kind,
            office=self._identity.office,
            station=self._identity.kid,
            serial=self.next_serial(thread),
            prev=prev,
            prev_seq=prev_seq,
            precedence=msgspec.convert(intent.precedence, Precedence),
            tlp=msgspec.convert(intent.tlp, Tlp),
            act=act,
            claimed=rfc3339(self._now()),
            nonce=b64u(self._rng(16)),
            seen=self._seen(),
            draft=intent.draft,
            sd=intent.sd,
        )

    def draft_payload(self, thread: Thread, intent: Intent) -> Payload:
        """The payload as far as a drafter fixes it; serial, keys and precedence come when it is sealed."""
        return self._payload(thread, intent, intent.act)

    def next_serial(self, thread: Thread | None) -> int:
        """The serial this station's next entry in a thread must have."""
        if thread is None:
            return 1
        if thread.state is not None:
            seat = thread.state.seats.get(self._identity.kid)
            return 1 if seat is None else seat.serial + 1
        said = 0 if thread.invitation is None else thread.invitation.serial - 1
        own = (held.payload.serial for held in thread.held if held.payload.station == self._identity.kid)
        return max(said, 0, *own) + 1

    def _previous(self, thread: Thread | None, intent: Intent) -> tuple[str | None, int]:
        if thread is None:
            return None, 0
        if intent.read_to == 0 and thread.state is not None:
            return None, 0
        if intent.read_to is not None and intent.read_to in thread.by_seq:
            return thread.by_seq[intent.read_to].id, intent.read_to
        if thread.state is None and thread.invitation is not None:
            return thread.invitation.head, thread.invitation.seq
        return thread.position.head, thread.position.seq

    def _sign(
        self,
        payload: Payload,
        parts: dict[str, bytes],
        officer: Signer | None,
        *,
        mls: bytes | None = None,
        epoch: int | None = None,
        staged: bytes | None = None,
        group: bytes | None = None,
    ) -> Sealed:
        payload = msgspec.structs.replace(payload, parts={name: digest(part) for name, part in parts.items()})
        data = make_entry(payload, self._identity.keys.sign, officer)
        used = payload.epoch if payload.epoch is not None else epoch
        return Sealed(parse_entry(data), Wire(data, parts, used, staged, group), mls)

    def _boxed(self, thread: Thread, intent: Intent) -> tuple[str, ...]:
        """X25519 keys of those outside the group who shall read it too: a verifier named in a report, whoever has a say
        on a request or starts a clock by a receipt (as far as one box holds); from outside, the members and the other
        stations of our own office."""
        book, now = self._identity.mandates, self._now()
        if thread.invitation is not None and thread.state is None:
            ours = {mandate.kid for mandate in book.stations(self._identity.office, now)}
            kids = sorted((set(thread.invitation.members) | ours) - {self._identity.kid})
            return tuple(book.find(kid, now).station_keys.seal for kid in kids)
        if intent.kind != "breach-report" or thread.state is None:
            return self._concerned(thread, intent)
        verifier = msgspec.convert(intent.act, Breach).verifier
        if verifier is None or verifier in thread.state.roster.values():
            return ()
        return tuple(mandate.station_keys.seal for mandate in book.stations(verifier, now))

    def _concerned(self, thread: Thread, intent: Intent) -> tuple[str, ...]:
        if thread.ladder is None or thread.state is None:
            return ()
        name = msgspec.convert(intent.act, Step).step if intent.kind == "step-request" else ""
        step = thread.ladder.steps.get(name)
        roles = (*(roles_concerned(step) if step is not None else ()), *readers(thread.ladder, intent.kind, name))
        book, now, inside = self._identity.mandates, self._now(), set(thread.state.roster.values())
        held = (thread.state.holders.get(role, ()) for role in roles)
        offices = dict.fromkeys(office for offices in held for office in offices if office not in inside)
        seals = [mandate.station_keys.seal for office in offices for mandate in book.stations(office, now)]
        return tuple(seals[:MAX_RECIPIENTS])
