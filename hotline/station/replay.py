"""Replay: everything the hub delivers is checked and folded again here, and what does not follow is refused.

The hub is trusted with nothing but carrying. For each entry: its form, signatures and mandates at the stamped time, the
hub's stamp, the place in the thread (no gap, the chain of leaves unbroken, time never backwards and not ahead of our
clock), the ladder's verdict, the hash of the state after it (another one parts the thread, which does not stop), and for
a commit the group's members against the roster the ladder allows. Then its content: decrypted, every digest compared
with what the sender signed.

A body that does not open is the sender's fault or the hub's, and no reason to stop following the ladder: the entry
stands, its text is not shown, a complaint is recorded. Everything else raises `DoesNotFollow`, and nothing was changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hotline.clock import Clock
from hotline.station.errors import FORGOTTEN, DoesNotFollow
from hotline.station.folder import Identity
from hotline.station.keys import Keys
from hotline.station.live_groups import LiveGroups
from hotline.station.model import Held, Position, Thread
from hotline.station.own_again import name_of, remembering, stamped
from hotline.station.parting import Parting, carried, moved
from mediation.effects import Effect
from mediation.fold import Outcome, open_thread, step
from mediation.inputs import context_of, move_of
from mediation.ladder import Ladder
from mediation.refusals import Refusal
from mediation.scope import covers
from mediation.state import ThreadState, state_hash
from protocols.disclosure import Body, open_body, reveal
from protocols.encoding import digest, unb64u
from protocols.entry import (
    Entry,
    Payload,
    Stamp,
    VerifiedEntry,
    admit,
    body_aad,
    check_parts,
    open_entry,
    parse_entry,
    verify_entry,
    verify_stamp,
)
from protocols.errors import ProtocolError
from protocols.frames import Deliver
from protocols.kinds import Author, Handover, Open, Rejoin, Rekey, Resealed, check_fields, kind_of
from protocols.mandate import OutOfMandate
from protocols.mls import Group, KeyPackageBundle, Member, MlsError, StagedCommit, StagedPeerCommit
from protocols.mls import NotForUs as NotOurWelcome
from protocols.sealing import open_box

MAX_AHEAD = 120_000  # ms: a stamp further ahead of our own clock is a lie, or our clock is badly wrong


@dataclass(frozen=True, slots=True)
class Own:
    """What this station kept about an entry of its own until it came back: nobody decrypts their own message.

    ``staged``: our commit, to be merged. ``group``: for `open`, the group that commit is merged into; for `rejoin`, the
    group that our own commit makes.
    """

    disclosures: tuple[str, ...] = ()
    staged: bytes | None = None
    group: bytes | None = None


@dataclass(frozen=True, slots=True)
class Revealed:
    """A body handed over later, checked against the entry it belongs to."""

    entry: str
    disclosures: tuple[str, ...]
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Taken:
    """An entry that follows, with everything that must be stored in the same transaction.

    ``mls``: the group after it (None: no member, or it lacks: ``keys.stuck``). ``keys``: what is kept beside it.
    ``spent``: ref of the key package that let us in. ``joined``: this
    entry made us a member. ``suspect``: words for the journal about something odd that is no reason to stop. ``parted``:
    the hub vouches for another state than ``state``, since the entry it names.
    """

    held: Held
    state: ThreadState | None
    effects: tuple[Effect, ...]
    position: Position
    mls: bytes | None
    keys: Keys = field(default_factory=Keys)
    spent: str | None = None
    joined: bool = False
    handed: tuple[Revealed, ...] = ()
    suspect: str | None = None
    parted: Parting | None = None


class Replay:
    """The checks, over one identity. ``bundles`` gives our unspent key packages, ``own`` what we kept about an entry,
    ``sent`` one that we sealed ourselves and have verified, ``said`` the disclosures of an entry of ours that we kept before
    it was sealed."""

    def __init__(
        self,
        identity: Identity,
        clock: Clock,
        bundles: Callable[[], Iterable[KeyPackageBundle]],
        own: Callable[[str], Own | None],
        groups: LiveGroups,
        sent: Callable[[str], Entry | None] = lambda _: None,
        said: Callable[[Payload], tuple[str, ...] | None] = lambda _: None,
    ) -> None:
        self._identity = identity
        self._clock = clock
        self._bundles = bundles
        self._own = own
        self._groups = groups
        self._sent = sent
        self._said = said
        self.hash_of: Callable[[ThreadState], str] = state_hash
        """What is compared with the stamp: another version of this program may come to other states."""

    def take(self, thread: Thread | None, delivered: Deliver) -> Taken:
        """Check one delivered entry against the thread as it stands. Raises `DoesNotFollow`."""
        seq = delivered.seq
        try:
            verified, stamp = self.verified(delivered.thread, seq, delivered.leaf)
            check_parts(verified.payload, delivered.parts, complete=False)
            if stamp.at > self._clock.now() + MAX_AHEAD:
                raise DoesNotFollow(
                    "replay.future", seq, f"stamped {stamp.at - self._clock.now()} ms ahead of our clock"
                )
            if verified.entry.kind.name != "open" and (thread is None or thread.state is None):
                return self._from_outside(verified, stamp, delivered)
            state, effects, position, parted = self.fold(thread, verified, stamp, delivered.leaf)
            mls, keys, spent = self._keys(thread, state, verified, stamp, delivered.parts)
        except DoesNotFollow:
            raise
        except ProtocolError as error:
            raise DoesNotFollow(error.code, seq, str(error)) from error
        held, mls = self._content(verified, stamp, delivered, mls)
        suspect = None
        if thread is not None and verified.payload.prev_seq in thread.by_seq:
            seen = thread.by_seq[verified.payload.prev_seq].id
            if seen != verified.payload.prev:
                suspect = f"the author of entry {seq} had another entry {verified.payload.prev_seq} than this station"
        return Taken(
            held,
            state,
            effects,
            position,
            mls,
            keys,
            spent,
            joined=mls is not None and self._joins(thread, verified),
            handed=self._handed(thread, held),
            suspect=suspect,
            parted=parted,
        )

    def judge(self, thread: Thread, entry: Entry, at: int) -> Refusal | None:
        """Whether an entry without a stamp would follow at ``at`` (ms UTC), by this station's own reckoning."""
        try:
            outcome = self.foresee(thread, self.admissible(entry, at), at)
        except ProtocolError as error:
            return Refusal(error.code, "protocol", error.sentence)
        return outcome if isinstance(outcome, Refusal) else None

    def foresee(self, thread: Thread, verified: VerifiedEntry, at: int) -> Outcome | Refusal:
        """What an entry without a stamp would lead to at ``at`` (ms UTC) as the next of its thread."""
        if thread.state is None or thread.ladder is None:
            return Refusal("station.outside", "protocol", "This station does not follow that thread's ladder.")
        if verified.payload.epoch is not None and verified.payload.epoch != thread.state.epoch:
            return Refusal("entry.wrong-epoch", "protocol", "The keys were renewed since; nothing was sent.")
        state = thread.state
        return step(thread.ladder, state, move_of(verified, state.seq + 1), max(at, state.at))

    def admissible(self, entry: Entry, at: int) -> VerifiedEntry:
        """An entry without a stamp, signatures and mandates checked at ``at``. Raises `ProtocolError`, in the hub's words."""
        if entry.kind.author is Author.HUB:
            raise OutOfMandate("only the hub writes this")
        return verify_entry(remembering(entry), self._identity.accord, self._identity.mandates, at=at)

    def verified(self, thread: str, seq: int, leaf: bytes) -> tuple[VerifiedEntry, Stamp]:
        """Form, stamp, signatures, mandates, and that it is the entry it is said to be. Raises `ProtocolError`."""
        sent = self._sent(name_of(leaf))
        entry = parse_entry(leaf) if sent is None else stamped(sent, leaf)
        stamp = verify_stamp(entry, self._identity.accord)
        verified = verify_entry(entry, self._identity.accord, self._identity.mandates, at=stamp.at)
        if entry.payload.thread != thread or stamp.seq != seq:
            raise DoesNotFollow("replay.mislabelled", seq, "delivered under another thread or number than stamped")
        return verified, stamp

    def ladder(self, name: str) -> Ladder:
        """The ladder the accord puts in force under ``name``. Raises `NotInAccord`."""
        self._identity.accord.accord.ladder(name)
        return self._identity.ladders[name]

    def fold(
        self, thread: Thread | None, verified: VerifiedEntry, stamp: Stamp, leaf: bytes
    ) -> tuple[ThreadState, tuple[Effect, ...], Position, Parting | None]:
        """Place, time, ladder and state hash. Another state than the hub's is no reason to stop: from then on words go on
        and steps do not (`hotline.station.parting`). Raises `DoesNotFollow` or `ProtocolError`."""
        parted = None if thread is None else thread.parted
        place = Position() if thread is None or thread.state is None else thread.position
        if stamp.seq != place.seq + 1:
            raise DoesNotFollow("replay.gap", place.seq + 1, f"entry {stamp.seq} came where {place.seq + 1} is due")
        if stamp.chain != place.chain:
            raise DoesNotFollow("replay.chain", stamp.seq, "the chain of leaves is broken")
        if stamp.at < place.at:
            raise DoesNotFollow("replay.time", stamp.seq, "stamped before the entry that precedes it")
        move = move_of(verified, stamp.seq)
        outcome: Outcome | Refusal
        act = verified.entry.act
        if thread is None or thread.state is None or thread.ladder is None:
            if not isinstance(act, Open):
                raise DoesNotFollow("replay.unopened", stamp.seq, "the thread does not begin by being opened")
            self._seated(act, stamp.at)
            context = context_of(
                self._identity.accord, act.ladder, self.ladder(act.ladder), verified.payload.thread, stamp.at
            )
            outcome = open_thread(context, move, stamp.at)
        else:
            if verified.payload.epoch is not None and verified.payload.epoch != thread.state.epoch:
                raise DoesNotFollow("replay.epoch", stamp.seq, "sealed under keys that were not in force")
            if isinstance(act, Rekey):
                self._seated(act, stamp.at)
            outcome = step(thread.ladder, thread.state, move, stamp.at)
        position = Position(stamp.seq, verified.id, digest(leaf), stamp.at)
        before = None if thread is None else thread.state
        if isinstance(outcome, Refusal):
            counted = None if parted is None or before is None else carried(before, move, stamp.at)
            if counted is None:
                raise DoesNotFollow(outcome.code, stamp.seq, f"the ladder refuses it ({outcome.rule})")
            return counted, (), position, parted
        computed = self.hash_of(outcome.state)
        if parted is None and computed != stamp.state:
            name = verified.payload.kind
            parted = Parting(
                stamp.seq, name, verified.id, stamp.state, computed, self._clock.now(), moved(before, outcome.state)
            )
        return outcome.state, tuple(outcome.effects), position, parted

    def _seated(self, act: Open | Rekey, at: int) -> None:
        """Each station that joins is mandated by the office under whose name it joins."""
        for member in act.roster if isinstance(act, Open) else act.adds:
            self._identity.mandates.require(member.station, role="station", office=member.office, at=at)

    # -- keys ---------------------------------------------------------------------------------------------------------

    def _joins(self, thread: Thread | None, verified: VerifiedEntry) -> bool:
        """Whether an entry made this station a member, or one again who reads nothing of before."""
        act, kid = verified.entry.act, self._identity.kid
        if isinstance(act, Rejoin):
            return verified.payload.station == kid
        before = None if thread is None or thread.state is None else thread.state.roster
        return isinstance(act, Open | Rekey) and (before is None or kid not in before)

    def _keys(
        self,
        thread: Thread | None,
        state: ThreadState,
        verified: VerifiedEntry,
        stamp: Stamp,
        parts: Mapping[str, bytes],
    ) -> tuple[bytes | None, Keys, str | None]:
        """The group after an entry, what is kept beside it, and the key package it spent."""
        mls, keys = (None, Keys()) if thread is None else (thread.mls, thread.keys)
        kind, seated = verified.entry.kind.name, self._identity.kid in state.roster
        if kind == "cannot-follow":
            self._groups.forget(state.thread)
            return self._return(keys, state, verified, seated)
        if kind not in ("open", "rekey", "rejoin"):
            return mls, keys if state.renewal is not None else keys.settled(), None
        self._groups.forget(state.thread)
        tainted = thread is not None and thread.must_renew
        keys = keys.renewed(mls, tainted, parts.get("external"), state)
        try:
            group, spent = self._enter(thread, state, verified, stamp, parts)
        except _CannotFollow as error:
            return None, keys.lost(error.code, verified.id), None
        if group is None:
            return None, Keys(), None
        self._same_roster(group.members(), state, stamp)
        accord = self._identity.accord.accord
        if group.group_id != unb64u(state.thread) or group.suite != accord.suite or group.epoch != state.mls_epoch:
            raise DoesNotFollow("replay.group", stamp.seq, "the keys are of another group, suite or epoch")
        return group.snapshot(), replace(keys, stuck="", since=""), spent

    def _return(
        self, keys: Keys, state: ThreadState, verified: VerifiedEntry, seated: bool
    ) -> tuple[bytes | None, Keys, None]:
        """Back in the keys that everybody had, where we had them."""
        if not seated:
            return None, Keys(), None
        if keys.before is None or Group.restore(keys.before).epoch != state.mls_epoch:
            return None, Keys(info=keys.info_before).lost(keys.stuck or FORGOTTEN, keys.since or verified.id), None
        return keys.before, Keys(info=keys.info_before), None

    def _enter(
        self,
        thread: Thread | None,
        state: ThreadState,
        verified: VerifiedEntry,
        stamp: Stamp,
        parts: Mapping[str, bytes],
    ) -> tuple[Group | None, str | None]:
        """The group in the epoch that a commit makes (None: we are no member), and the key package spent on it.

        Raises `_CannotFollow` where the keys cannot be had, and `DoesNotFollow` where the hub should have refused it.
        """
        before = None if thread is None else thread.mls
        payload, kid = verified.payload, self._identity.kid
        seated, kind = kid in state.roster, verified.entry.kind.name
        kept = self._own(verified.id) if payload.station == kid else None
        if kept is not None and kept.group is not None and kept.staged is None:
            return Group.restore(kept.group), None
        if kept is not None and kept.staged is not None:
            group = Group.restore(kept.group if kept.group is not None else _need(before, stamp.seq))
            group.merge(StagedCommit.restore(kept.staged))
            return group, None
        if payload.station == kid and (seated or before is not None):
            raise _CannotFollow(FORGOTTEN)
        if before is not None and kind != "open":
            group = Group.restore(before)
            commit = _need(parts.get("commit"), stamp.seq)
            try:
                staged = group.stage(commit, now=stamp.at // 1000)
            except MlsError as error:
                # The commit is the one its author signed: what is wrong with it is the author's doing, or ours.
                raise _CannotFollow(error.code) from error
            self._same_roster(staged.members, state, stamp)
            _same_author(group, staged, payload.station, kind == "rejoin", stamp.seq)
            group.merge(staged)
            return (None if staged.removes_us else group), None
        if not seated:
            return None, None
        if kind == "open" or any(member.station == kid for member in getattr(verified.entry.act, "adds", ())):
            return self._join(_need(parts.get("welcome"), stamp.seq), stamp)
        raise _CannotFollow(FORGOTTEN)

    def _join(self, welcome: bytes, stamp: Stamp) -> tuple[Group, str]:
        for bundle in self._bundles():
            try:
                group = Group.join(welcome, bundle, self._identity.keys.mls, now=stamp.at // 1000)
            except NotOurWelcome:
                continue
            except MlsError as error:
                raise _CannotFollow(error.code) from error
            return group, digest(bundle.ref)
        raise _CannotFollow("replay.welcome")

    def _same_roster(self, members: Iterable[Member], state: ThreadState, stamp: Stamp) -> None:
        """MLS knows keys, the ladder knows stations: both must name the same ones, or somebody listens in silence."""
        found = sorted((member.identity, member.signature_key) for member in members)
        allowed = sorted(
            (kid.encode("ascii"), unb64u(self._identity.mandates.find(kid, stamp.at).station_keys.mls))
            for kid in state.roster
        )
        if found != allowed:
            raise DoesNotFollow("replay.roster", stamp.seq, "the group has other members than the ladder allows")

    # -- content ------------------------------------------------------------------------------------------------------

    def _from_outside(self, verified: VerifiedEntry, stamp: Stamp, delivered: Deliver) -> Taken:
        """An entry of a thread whose ladder we may not follow: our own, or one with a box for us."""
        held, _ = self._content(verified, stamp, delivered, None)
        return Taken(held, None, (), Position(), None)

    def _content(
        self, verified: VerifiedEntry, stamp: Stamp, delivered: Deliver, mls: bytes | None
    ) -> tuple[Held, bytes | None]:
        held = Held(admit(verified, stamp, delivered.leaf))
        payload = verified.payload
        if not payload.sd:
            return held, mls
        try:
            own = self._own(verified.id) if payload.station == self._identity.kid else None
            if own is not None:
                self._fill(held, reveal_body(own.disclosures, payload.sd), "own")
            elif payload.station == self._identity.kid and mls is not None:
                # Sent before this station was restored from an older copy: nobody opens their own message.
                if (said := self._said(payload)) is not None:
                    self._fill(held, reveal_body(said, payload.sd), "own")
            elif mls is not None and "body" in delivered.parts:
                group = self._groups.open(payload.thread, mls)
                plain = group.decrypt(delivered.parts["body"])
                # The key is used up whatever the content is worth.
                mls = self._groups.keep(payload.thread, group)
                author = self._identity.mandates.find(payload.station, stamp.at).station_keys.mls
                if plain.aad != body_aad(payload) or plain.signature_key != unb64u(author):
                    held.complaint = "entry.body-misplaced"
                else:
                    self._fill(held, open_body(plain.data, payload.sd), "group")
            elif "box" in delivered.parts:
                public, private = self._identity.keys.seal_public, self._identity.keys.seal
                plain_box = open_box(delivered.parts["box"], public, private, body_aad(payload))
                self._fill(held, open_body(plain_box, payload.sd), "box")
        except ProtocolError as error:
            # Not a reason to stop following: shown as unreadable, and recorded.
            held.complaint = error.code
        return held, mls

    def _fill(self, held: Held, body: Body, how: str) -> None:
        check_fields(held.kind, body.fields)
        opened = open_entry(held.admitted, lambda _: body)
        held.fields, held.disclosures, held.how = dict(opened.body.fields), body.disclosures, how

    def _handed(self, thread: Thread | None, held: Held) -> tuple[Revealed, ...]:
        """The bodies a handover brings, each within the agreed scope and proved against the entry that committed to it."""
        act = held.admitted.verified.entry.act
        if thread is None or held.fields is None or not isinstance(act, Handover | Resealed):
            return ()
        history = held.fields.get("history")
        if not isinstance(history, dict) or set(history) != set(act.entries):
            held.complaint = "entry.bad-body"
            return ()
        found: list[Revealed] = []
        for entry, disclosures in history.items():
            old = thread.by_id.get(entry)
            if old is None or old.fields is not None or not isinstance(disclosures, list):
                continue
            if isinstance(act, Resealed):
                if old.payload.station != held.payload.station:
                    # Nobody hands out another's words under this name.
                    held.complaint = "entry.bad-body"
                    continue
            elif thread.state is None or not covers(thread.state, entry, old.seq):
                # One party alone does not widen what both agreed to show.
                held.complaint = "handover.beyond-scope"
                continue
            try:
                body = reveal_body(disclosures, old.payload.sd)
                check_fields(kind_of(old.payload.kind), body.fields)
            except ProtocolError as error:
                held.complaint = error.code
                continue
            found.append(Revealed(entry, body.disclosures, body.fields))
        return tuple(found)


def reveal_body(disclosures: Iterable[str], digests: tuple[str, ...]) -> Body:
    """A body from disclosures kept or handed over, each checked. Raises `ProtocolError`."""
    kept = tuple(str(text) for text in disclosures)
    return Body(kept, reveal(kept, digests))


class _CannotFollow(Exception):
    """The keys of an epoch cannot be had from what its author made; ``code`` says which check failed."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def _same_author(group: Group, staged: StagedPeerCommit, station: str, external: bool, seq: int) -> None:
    """The commit is by the station that signed the entry, and who comes back takes nobody's place but its own."""
    name = station.encode("ascii")
    if external and staged.sender is None:
        changed = [[member.identity for member in members] for members in (staged.added, staged.removed)]
        by = name if changed == [[name], [name]] else None
    else:
        by = next((member.identity for member in group.members() if member.leaf == staged.sender), None)
    if by != name or external != (staged.sender is None):
        raise DoesNotFollow("replay.author", seq, "the commit is by another station than the entry")


def _need(part: bytes | None, seq: int) -> bytes:
    if part is None:
        raise DoesNotFollow("replay.no-keys", seq, "the keys that belong to this entry were not delivered")
    return part
