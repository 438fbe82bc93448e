"""A thread as this station holds it in memory: what was replayed, who stands where with each entry, what waits.

The store is the truth; everything here can be made again from it (`hotline.station.replay`). Objects change only after
the store has been written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hotline.station.keys import Keys
from hotline.station.parting import Parting
from mediation.effects import AdmissionComplete, Crossed, Effect, KeysReturned, RekeyDue, Rekeyed
from mediation.ladder import Ladder
from mediation.state import ThreadState
from protocols.entry import AdmittedEntry, Payload, Stamp
from protocols.frames import Disagreement, Invitation
from protocols.kinds import Complaint, Kind, Received, Supersede

ANSWERS = {
    "clarification-answer": "answered",
    "authenticity-answer": "answered",
    "step-accept": "answered",
    "objection-answer": "answered",
    "proposal-accept": "answered",
    "disclosure-consent": "answered",
    "finding": "answered",
    "step-decline": "declined",
    "proposal-refuse": "declined",
    "holding-reply": "holding",
    "acknowledgement": "acknowledged",
    "receipt": "delivered",
}
RANK = ("delivered", "acknowledged", "holding", "answered", "declined")


@dataclass(slots=True)
class Held:
    """One entry that this station holds, verified and replayed.

    ``fields`` and ``disclosures`` are None where its body cannot be read here; ``how`` says how it came ("own", "group",
    "box", "handover") and ``complaint`` why a body that did come is not shown. ``notes`` are words; ``reached`` is the
    furthest each other office has come with it, and since when; ``awaited``: the other offices in the group when it came.
    """

    admitted: AdmittedEntry
    fields: Mapping[str, Any] | None = None
    disclosures: tuple[str, ...] | None = None
    how: str = ""
    complaint: str | None = None
    notes: list[str] = field(default_factory=list)
    reached: dict[str, tuple[str, int]] = field(default_factory=dict)
    proven: bool = False
    awaited: tuple[str, ...] = ()

    @property
    def payload(self) -> Payload:
        return self.admitted.payload

    @property
    def stamp(self) -> Stamp:
        return self.admitted.stamp

    @property
    def kind(self) -> Kind:
        return self.admitted.verified.entry.kind

    @property
    def id(self) -> str:
        return self.admitted.id

    @property
    def seq(self) -> int:
        return self.admitted.stamp.seq

    def reach(self, office: str, state: str, at: int) -> None:
        """Note that ``office`` came this far; what is further already stays."""
        before = self.reached.get(office)
        if before is None or RANK.index(state) > RANK.index(before[0]):
            self.reached[office] = (state, at)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a thread stands for the next entry: its newest seq, that entry's id, the digest of its leaf, and when."""

    seq: int = 0
    head: str | None = None
    chain: str | None = None
    at: int = 0


@dataclass(slots=True)
class Thread:
    """One thread. ``state`` is None where this station stands outside (``invitation`` says how) and may not replay.

    ``invitations``: all that stand, by role and entry.
    ``mls`` is the group's snapshot (clear, in memory), None while or where we are no member. ``frozen``: why the thread
    is no longer followed. ``rekey_by``: the office whose turn it is to renew the keys, since when (ms UTC).
    ``joined``: seq of the entry that made us a member. ``renew``: an epoch in which this station may have used message keys
    that it still holds, because it was restored from an older copy: nothing is sealed in it.
    ``keys``: what it keeps beside the group, and why it may lack the keys in force.
    ``parted``: where this station and the hub began to disagree about the state: words go on, steps do not; ``apart``: our
    state after that entry. ``reports``: the same said by other stations, by their kid.
    ``receipts``: which office has signed for which entry; ``in_hand``: what each office has acknowledged, answered or not.
    """

    id: str
    ladder_id: str
    ladder: Ladder | None
    state: ThreadState | None = None
    position: Position = field(default_factory=Position)
    mls: bytes | None = None
    invitation: Invitation | None = None
    invitations: dict[str, Invitation] = field(default_factory=dict)
    title: str = ""
    read_to: int = 0
    frozen: str | None = None
    held: list[Held] = field(default_factory=list)
    by_id: dict[str, Held] = field(default_factory=dict)
    by_seq: dict[int, Held] = field(default_factory=dict)
    rekey_by: str | None = None
    rekey_since: int = 0
    joined: int | None = None
    keys: Keys = field(default_factory=Keys)
    renew: int | None = None
    parted: Parting | None = None
    apart: ThreadState | None = None
    reports: dict[str, Disagreement] = field(default_factory=dict)
    receipts: set[tuple[str, str]] = field(default_factory=set)
    in_hand: dict[str, dict[str, Held]] = field(default_factory=dict)

    @property
    def must_renew(self) -> bool:
        """Whether the keys of the epoch in force are not to be sealed with."""
        return self.state is not None and self.mls is not None and self.renew == self.state.epoch

    @property
    def outside(self) -> bool:
        return self.state is None

    def follow(
        self,
        held: Held,
        state: ThreadState | None,
        effects: tuple[Effect, ...],
        position: Position,
        parted: Parting | None = None,
    ) -> None:
        """Take a replayed entry in. ``parted``: since when the hub's state is another, with this entry at the latest."""
        if parted is not None and self.parted is None:
            self.parted, self.apart = parted, state
        self.state = state
        self.position = position
        self.add(held)
        payload, seq = held.payload, held.seq
        held.awaited = tuple(office for office in self.offices() if office != payload.office)
        for effect in effects:
            if isinstance(effect, Crossed):
                self._note(effect.entry_seq, f"crossed with {effect.other_seq}")
                self._note(effect.other_seq, f"crossed with {effect.entry_seq}")
            elif isinstance(effect, AdmissionComplete):
                self.rekey_by, self.rekey_since = effect.rekey_by, held.stamp.at
            elif isinstance(effect, KeysReturned):
                self.rekey_by, self.rekey_since = effect.by_office, held.stamp.at
                for old in self.held:
                    if old.payload.epoch is not None and effect.first <= old.payload.epoch <= effect.last:
                        old.notes.append(f"sealed under keys that were taken back with {seq}")
            elif isinstance(effect, RekeyDue) and self.rekey_by is None:
                self.rekey_by, self.rekey_since = payload.office, held.stamp.at
            elif isinstance(effect, Rekeyed):
                self.rekey_by = None
        act = held.admitted.verified.entry.act
        if isinstance(act, Supersede) and act.supersedes in self.by_id:
            self.by_id[act.supersedes].notes.append(f"superseded by {seq}")
            held.notes.append(f"supersedes {self.by_id[act.supersedes].seq}")

    def invite(self, invitation: Invitation) -> None:
        """Take an invitation; those the hub told of an earlier position and did not repeat no longer stand."""
        kept = {name: each for name, each in self.invitations.items() if each.seq >= invitation.seq}
        self.invitations = {**kept, f"{invitation.role}/{invitation.about or ''}": invitation}
        self.invitation = invitation

    def add(self, held: Held) -> None:
        """Take an entry in without a ladder state: what is seen from outside."""
        if held.id in self.by_id:
            return
        self.held.append(held)
        self.by_id[held.id] = held
        self.by_seq[held.seq] = held
        about = reference(held)
        act, state = held.admitted.verified.entry.act, ANSWERS.get(held.payload.kind)
        named = act.entries if isinstance(act, Received) else (about,)
        if isinstance(act, Received):
            self.receipts.update((held.payload.office, each) for each in named)
        for each in named:
            if each in self.by_id and state is not None and held.payload.office != self.by_id[each].payload.office:
                self.by_id[each].reach(held.payload.office, state, held.stamp.at)
                if state == "acknowledged":
                    self.in_hand.setdefault(held.payload.office, {})[each] = self.by_id[each]
        if isinstance(act, Complaint) and act.entry in self.by_id:
            words = f"{held.payload.office} did not get its text as it was signed ({act.code}, said with {held.seq})"
            self.by_id[act.entry].notes.append(words)

    def offices(self) -> tuple[str, ...]:
        """The offices with a station in the group, parties first."""
        if self.state is None:
            return () if self.invitation is None else self.invitation.parties
        seated = set(self.state.roster.values())
        return (*self.state.parties, *sorted(seated - set(self.state.parties)))

    def stations(self, office: str) -> tuple[str, ...]:
        """Member stations of an office, by kid."""
        if self.state is None:
            return ()
        return tuple(sorted(kid for kid, of in self.state.roster.items() if of == office))

    def without_content(self) -> Thread:
        """The same thread at its beginning, for replaying it anew."""
        return replace(
            self,
            state=None,
            position=Position(),
            mls=None,
            keys=Keys(),
            held=[],
            by_id={},
            by_seq={},
            rekey_by=None,
            receipts=set(),
            in_hand={},
            joined=None,
            parted=None,
            apart=None,
        )

    def _note(self, seq: int, words: str) -> None:
        found = self.by_seq.get(seq)
        if found is not None and words not in found.notes:
            found.notes.append(words)


def reference(held: Held) -> str:
    """The entry that this one is about, or an empty string."""
    act = held.admitted.verified.entry.act
    for name in ("entry", "request", "proposal", "objection", "nomination", "supersedes", "notice"):
        found = getattr(act, name, None)
        if isinstance(found, str):
            return found
    return ""
