"""Admission: what makes an entry part of the line, one after another, without touching the disk.

A `Pass` works on a batch: it starts from what the store holds, admits or refuses each entry in order, and collects the
rows that one transaction then writes. Nothing outside the pass changes before that transaction is on the disk, so a
pass that fails leaves nothing behind.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec.structs import replace

from hotline.hub import groups
from hotline.hub.errors import (
    NoSuchThread,
    NotAMember,
    ThreadExists,
    UnknownHead,
    UnknownPrevious,
    WrongEpoch,
)
from hotline.hub.thread import Thread
from mediation import fold
from mediation.inputs import context_of, move_of
from mediation.ladder import Ladder
from mediation.refusals import Refusal
from mediation.state import Clock as RunningClock
from mediation.state import state_hash
from protocols.accord import SignedAccord
from protocols.encoding import Malformed, b64u, digest, from_json, rfc3339
from protocols.entry import (
    HUB,
    MAX_LEAF_BYTES,
    AdmittedEntry,
    Entry,
    Payload,
    Stamp,
    TooLarge,
    Triple,
    VerifiedEntry,
    admit,
    check_parts,
    make_entry,
    parse_entry,
    stamp_entry,
    verify_entry,
)
from protocols.jws import Jws
from protocols.keys import Signer
from protocols.kinds import Author, Expired, act_to_dict
from protocols.mandate import MandateBook, OutOfMandate
from protocols.sealing import MAX_RECIPIENTS
from protocols.translog import Frontier, Node, leaf_hash


@dataclass(frozen=True, slots=True)
class Rules:
    """What admission judges by: fixed while the hub runs."""

    accord: SignedAccord
    ladders: Mapping[str, Ladder]
    signer: Signer


class Admitted(msgspec.Struct, frozen=True):
    """An entry with everything the store keeps of it. ``at`` and ``index`` stand in its stamp."""

    entry: AdmittedEntry
    parts: Mapping[str, bytes]
    rung_before: str
    rung_after: str
    recipients: tuple[str, ...] = ()

    @property
    def thread(self) -> str:
        return self.entry.payload.thread


@dataclass
class Pass:
    """One batch on its way. ``at``: the stamp of all its entries (ms UTC), not before any stamp in the store.

    ``known_ids``: ids of stored entries by (thread, seq), for whatever ``prev`` the batch names. ``seen``: digest of
    the newest published checkpoint, for the hub's own entries. ``known_heads``: which of the digests that the batch names
    in ``seen`` are published checkpoints.
    """

    rules: Rules
    mandates: MandateBook
    at: int
    frontier: Frontier
    threads: Mapping[str, Thread]
    known_ids: dict[tuple[str, int], str]
    seen: str | None = None
    known_heads: Set[str] = frozenset()
    changed: dict[str, Thread] = field(default_factory=dict)
    admitted: list[Admitted] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)

    def thread(self, name: str) -> Thread | None:
        """The thread as it stands within this pass."""
        return self.changed.get(name) or self.threads.get(name)

    def submit(self, entry: Entry, parts: Mapping[str, bytes], proven: Set[Triple] = frozenset()) -> Admitted | Refusal:
        """Admit one entry, or say why not: the ladder by a `Refusal`, everything else by raising a `ProtocolError`.
        ``proven``: signatures that were found to hold already (`hotline.hub.beside`)."""
        payload = entry.payload
        if entry.kind.author is Author.HUB or entry.jws.by_role("hub") is not None:
            raise OutOfMandate("only the hub writes this")
        check_parts(payload, parts)
        verified = verify_entry(entry, self.rules.accord, self.mandates, at=self.at, proven=proven)
        if payload.kind != "open":
            self.announce(payload.thread)
        before = self.thread(payload.thread)
        self._check_previous(payload, before)
        if payload.seen is not None and payload.seen not in self.known_heads:
            # An entry is later than what it has seen: nobody may date it by a head that is none.
            raise UnknownHead("seen")
        return self._open(verified, parts) if payload.kind == "open" else self._step(verified, parts, before)

    def again(self, stamped: Entry, stamp: Stamp, parts: Mapping[str, bytes]) -> Admitted | Refusal:
        """Admit an entry that this hub had admitted and stamped before, in the place and at the time of its stamp (verified
        by the caller); the hub's own notes too. What is admitted must be compared with the leaf: it says more than an entry.

        Raises as `submit` does.
        """
        self.at = stamp.at
        unstamped = tuple(each for each in stamped.jws.signatures if each.role != "hub")
        entry = parse_entry(Jws(stamped.jws.payload, unstamped).to_bytes())
        if entry.kind.author is not Author.HUB:
            return self.submit(entry, parts)
        check_parts(entry.payload, parts)
        verified = verify_entry(entry, self.rules.accord, self.mandates, at=self.at)
        return self._step(verified, parts, self.thread(entry.payload.thread))

    def announce(self, name: str) -> list[Admitted]:
        """The hub's own notes about clocks of this thread that have run out and are not noted yet."""
        made: list[Admitted] = []
        while (thread := self.thread(name)) is not None:
            waiting = fold.unannounced(thread.state, self.at)
            if not waiting:
                break
            note = self._note(thread, waiting[0])
            found = self._step(note, {}, thread)
            if isinstance(found, Refusal):
                raise RuntimeError(f"the ladder refuses the hub's note: {found.code} {found.sentence}")
            made.append(found)
        return made

    def _open(self, verified: VerifiedEntry, parts: Mapping[str, bytes]) -> Admitted | Refusal:
        payload = verified.payload
        if self.thread(payload.thread) is not None:
            raise ThreadExists(payload.thread)
        name = str(payload.act["ladder"])
        in_force = self.rules.accord.accord.ladder(name)
        context = context_of(self.rules.accord, name, self.rules.ladders[in_force.id], payload.thread, self.at)
        groups.check_named(verified, self.mandates, self.at)
        outcome = fold.open_thread(context, move_of(verified, 1), self.at)
        if isinstance(outcome, Refusal):
            return outcome
        group = groups.open_group(verified, parts, self.rules.accord.accord.suite, self.at)
        groups.check_roster(group, outcome.state, self.mandates, self.at)
        empty = Thread(payload.thread, name, 0, "", "", 0, self.at, outcome.state, b"", {})
        return self._take(verified, parts, None, empty, outcome.state, groups.Kept(group.snapshot()).write())

    def _step(self, verified: VerifiedEntry, parts: Mapping[str, bytes], thread: Thread | None) -> Admitted | Refusal:
        payload = verified.payload
        if thread is None:
            raise NoSuchThread(payload.thread)
        inside = payload.station in thread.state.roster
        if inside and payload.epoch is not None and payload.epoch != thread.state.epoch:
            raise WrongEpoch(f"epoch {payload.epoch}, the thread is in {thread.state.epoch}")
        groups.check_named(verified, self.mandates, self.at)
        outcome = fold.step(self.rules.ladders[thread.ladder], thread.state, move_of(verified, thread.seq + 1), self.at)
        if isinstance(outcome, Refusal):
            return outcome
        if payload.epoch is not None and not inside:
            raise NotAMember("a body sealed to the group by a station outside it")
        kept = groups.Kept.read(thread.group)
        group = groups.after(kept, verified, parts, outcome.state, self.mandates, self.at)
        return self._take(
            verified, parts, thread.state.rung, thread, outcome.state, thread.group if group == kept else group.write()
        )

    def _take(
        self,
        verified: VerifiedEntry,
        parts: Mapping[str, bytes],
        rung: str | None,
        thread: Thread,
        state: Any,
        group: bytes,
    ) -> Admitted:
        seq = thread.seq + 1
        stamp = Stamp(self.at, seq, self.frontier.size, thread.chain or None, state_hash(state))
        leaf = stamp_entry(verified.entry, stamp, self.rules.signer)
        if len(leaf) > MAX_LEAF_BYTES:
            raise TooLarge(f"a leaf of {len(leaf)} bytes")
        admitted = Admitted(
            admit(verified, stamp, leaf), parts, rung or state.rung, state.rung, _recipients(parts.get("box"))
        )
        self.frontier, nodes = self.frontier.append(leaf_hash(leaf))
        self.nodes += nodes
        self.admitted.append(admitted)
        self.known_ids[thread.thread, seq] = verified.id
        self.changed[thread.thread] = replace(
            thread,
            seq=seq,
            head=verified.id,
            chain=digest(leaf),
            at=self.at,
            state=state,
            group=group,
            members=thread.after(seq, None if rung is None else thread.state, state),
        )
        return admitted

    def _check_previous(self, payload: Payload, thread: Thread | None) -> None:
        if payload.prev is None:
            return
        if thread is None or self.known_ids.get((payload.thread, payload.prev_seq)) != payload.prev:
            raise UnknownPrevious(f"seq {payload.prev_seq}")

    def _note(self, thread: Thread, clock: RunningClock) -> VerifiedEntry:
        """The hub's own entry that a clock ran out, and how late the hub says so."""
        rules, kid = self.rules, self.rules.signer.kid
        seat = thread.state.seats.get(kid)
        act = Expired(clock.id, clock.end, max(0, self.at - clock.end))
        payload = Payload(
            v=1,
            log=rules.accord.log_origin,
            accord=rules.accord.id,
            status=rules.accord.accord.status,
            thread=thread.thread,
            kind="clock-expired",
            office=HUB,
            station=kid,
            serial=1 if seat is None else seat.serial + 1,
            prev=thread.head,
            prev_seq=thread.seq,
            precedence="PRIORITY",
            tlp="AMBER+STRICT",
            act=act_to_dict(act),
            claimed=rfc3339(self.at),
            nonce=b64u(secrets.token_bytes(16)),
            seen=self.seen,
        )
        entry = parse_entry(make_entry(payload, rules.signer))
        return verify_entry(entry, rules.accord, self.mandates, at=self.at)


def _recipients(box: bytes | None) -> tuple[str, ...]:
    """The X25519 keys that a box names. Readable by design; what is inside is not."""
    if box is None:
        return ()
    try:
        value = from_json(box)
    except Malformed:
        return ()
    to = value.get("to") if isinstance(value, dict) else None
    if not isinstance(to, dict):
        return ()
    return tuple(sorted(name for name in to if len(name) == 43))[:MAX_RECIPIENTS]
