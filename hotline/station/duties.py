"""What a station writes by itself: receipts, complaints, opened nominations, renewed keys, handed-over history.

Each duty has a fixed row name in the outbox, so that being obliged twice makes one entry. Where several stations could
do the same, the first by key id does it at once and the others only after a while, if it was not done.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hotline.station.folder import Identity
from hotline.station.keys import keys_due, may_complain
from hotline.station.model import Held, Thread
from hotline.station.outbox import Intent
from hotline.station.receipts import named
from hotline.station.replay import Taken
from mediation.awaited import readers
from mediation.effects import KeysReturned, RevealDue
from mediation.renewals import barred, open_dispute
from mediation.state import ThreadState
from protocols.disclosure import MAX_BODY_BYTES, make_body
from protocols.encoding import to_json
from protocols.kinds import (
    CannotFollow,
    Complaint,
    Followed,
    Handover,
    Received,
    Rekey,
    Resealed,
    Reveal,
    Scope,
    Step,
    act_to_dict,
)

CHUNK_BYTES = MAX_BODY_BYTES // 2  # a disclosure is base64url of JSON: a third larger than what is in it
CHUNK_ENTRIES = 300
Sealed = Callable[[str], dict[str, Any] | None]


class Duties:
    """``nomination`` gives what was kept of a sealed list of ours, by its digest: nominees and salt. ``fallback``: seconds
    that another station waits; ``now``: own clock, ms UTC."""

    def __init__(
        self,
        identity: Identity,
        nomination: Sealed,
        rng: Callable[[int], bytes],
        now: Callable[[], int],
        fallback: float,
    ) -> None:
        self._identity = identity
        self._nomination = nomination
        self._rng = rng
        self._now = now
        self._fallback = int(fallback * 1000)

    def after(self, thread: Thread, taken: Taken) -> list[tuple[str, Intent]]:
        """Rows to queue because of an entry; ``thread`` as it stands after it."""
        found: list[tuple[str, Intent]] = []
        found += self._receipt(thread, taken)
        found += self._unreadable(thread, taken.held)
        for effect in taken.effects:
            if isinstance(effect, RevealDue) and effect.office == self._identity.office and thread.state is not None:
                found += self._reveal(thread, thread.state)
            if isinstance(effect, KeysReturned):
                found += self._reseal(thread, effect)
        found += self._handover(thread, taken)
        return found

    def invited(self, thread: Thread) -> list[tuple[str, Intent]]:
        """Rows to queue because an invitation names the ladder: receipts of what came before it."""
        return [row for held in thread.held for row in self._receipt_outside(thread, held)]

    def is_done(self, thread: Thread, intent: Intent) -> bool:
        """Whether somebody of our office has done it meanwhile, or it lost its object."""
        state = thread.state
        if intent.kind == "receipt":
            return all((self._identity.office, entry) in thread.receipts for entry in named(intent))
        if intent.kind == "complaint":
            return _complained(thread, self._identity.office, intent.act["entry"])
        if state is None:
            return False
        if intent.kind == "nomination-reveal":
            lists = () if state.mediation is None else state.mediation.nominations
            return not any(each.entry == intent.act["nomination"] and not each.nominees for each in lists)
        if intent.kind == "rekey":
            return not (keys_due(state) or thread.must_renew) or barred(state, self._identity.office)
        if intent.kind in ("followed", "cannot-follow"):
            renewal = state.renewal
            return renewal is None or self._identity.kid not in renewal.waiting or intent.act["epoch"] != renewal.epoch
        if intent.kind == "rejoin":
            return not thread.keys.stuck
        return False

    def keys(self, thread: Thread, hub_now: int) -> list[tuple[str, Intent]]:
        """The rows that the keys ask for now: that we follow, that we cannot, that new ones are made."""
        state = thread.state
        if state is None or thread.frozen:
            return []
        found = [self._followed(thread, state, hub_now), self._complaint(thread, state, hub_now)]
        return [row for row in (*found, self.rekey(thread, hub_now)) if row is not None]

    def _followed(self, thread: Thread, state: ThreadState, hub_now: int) -> tuple[str, Intent] | None:
        renewal = state.renewal
        if renewal is None or thread.mls is None or self._identity.kid not in renewal.waiting:
            return None
        if hub_now < renewal.at + self._fallback:
            return None  # talk in the new epoch shows it by itself
        act = act_to_dict(Followed(renewal.epoch))
        return f"followed.{thread.id}.{renewal.epoch}", Intent("followed", act, self._now())

    def _complaint(self, thread: Thread, state: ThreadState, hub_now: int) -> tuple[str, Intent] | None:
        renewal, keys = state.renewal, thread.keys
        if renewal is None or not may_complain(keys, state, self._identity.kid, hub_now):
            return None
        known = [made.entry for made in renewal.made]
        entry = keys.since if keys.since in known else renewal.newest.entry
        act = act_to_dict(CannotFollow(renewal.epoch, entry, keys.stuck))
        row = f"cannot-follow.{thread.id}.{renewal.epoch}"
        return row, Intent("cannot-follow", act, self._now(), precedence="IMMEDIATE")

    def rekey(self, thread: Thread, hub_now: int) -> tuple[str, Intent] | None:
        """The row that renews the keys, if they are due and it is our turn."""
        state = thread.state
        if state is None or thread.mls is None or thread.frozen or thread.parted is not None:
            return None
        if not (keys_due(state) or thread.must_renew):
            return None
        office = self._identity.office
        if office in state.due_removes or barred(state, office):
            return None  # who is on the way out, or whose keys could not be followed, does not choose the new ones
        dispute = open_dispute(state)
        turn = dispute is not None and dispute.by == self._identity.kid
        turn = turn or (thread.rekey_by == office and thread.stations(office)[:1] == (self._identity.kid,))
        # What only our own keys suffer from is ours to mend, whoever's turn it is.
        if not thread.must_renew and not turn and hub_now < thread.rekey_since + self._fallback:
            return None
        return f"rekey.{thread.id}.{state.epoch + 1}", Intent("rekey", {}, self._now(), precedence="IMMEDIATE")

    def _reseal(self, thread: Thread, effect: KeysReturned) -> list[tuple[str, Intent]]:
        """Our own words whose keys were taken back, sealed again for those who were meant to read them."""
        inside = set(thread.offices())
        lost = {
            held.id: list(held.disclosures)
            for held in thread.held
            if held.payload.station == self._identity.kid
            and held.payload.epoch is not None
            and effect.first <= held.payload.epoch <= effect.last
            and held.disclosures is not None
            and held.payload.kind not in ("handover", "resealed")
            and inside <= {*held.awaited, self._identity.office}
        }
        rows: list[tuple[str, Intent]] = []
        for number, history in enumerate(chunks(lost), 1):
            body, sd = make_body({"history": history}, self._rng)
            act = act_to_dict(Resealed(tuple(history)))
            intent = Intent("resealed", act, self._now(), precedence="IMMEDIATE", disclosures=body.disclosures, sd=sd)
            rows.append((f"resealed.{thread.id}.{effect.last}.{number}", intent))
        return rows

    def _receipt(self, thread: Thread, taken: Taken) -> list[tuple[str, Intent]]:
        found = self._receipt_of(thread, taken.held, taken)
        if isinstance(taken.held.admitted.verified.entry.act, Resealed):
            for revealed in taken.handed:
                found += self._receipt_of(thread, thread.by_id[revealed.entry], taken)
        return found

    def _receipt_of(self, thread: Thread, held: Held, taken: Taken) -> list[tuple[str, Intent]]:
        office = self._identity.office
        if not held.kind.receipt or held.payload.office == office:
            return []
        if thread.state is None:
            return self._receipt_outside(thread, held)
        if thread.mls is None or taken.joined or (thread.joined or 0) > held.seq:
            return []
        first = thread.stations(office)[:1] == (self._identity.kid,)
        return [self._signed(held, after=0 if first else self._now() + self._fallback)]

    def _receipt_outside(self, thread: Thread, held: Held) -> list[tuple[str, Intent]]:
        mine = held.payload.office == self._identity.office
        if not held.kind.receipt or mine or (held.how != "box" and not _counts(thread, held)):
            return []
        return [self._signed(held, after=0)]

    def _signed(self, held: Held, *, after: int) -> tuple[str, Intent]:
        act, precedence = act_to_dict(Received(held.id)), held.payload.precedence
        return f"receipt.{held.id}", Intent("receipt", act, self._now(), precedence=precedence, after=after)

    def _unreadable(self, thread: Thread, held: Held) -> list[tuple[str, Intent]]:
        """A text that is not what its author signed: said in the thread, signed and logged, so that the author cannot say
        later that it was read. Once an office, whichever of its stations comes first."""
        office = self._identity.office
        if held.complaint is None or held.payload.office == office:
            return []
        first = thread.stations(office)[:1] in ((self._identity.kid,), ())
        after = 0 if first else self._now() + self._fallback
        act = act_to_dict(Complaint(held.id, held.complaint))
        return [(f"complaint.{held.id}", Intent("complaint", act, self._now(), precedence="IMMEDIATE", after=after))]

    def _reveal(self, thread: Thread, state: ThreadState) -> list[tuple[str, Intent]]:
        lists = () if state.mediation is None else state.mediation.nominations
        ours = next((each for each in lists if each.office == self._identity.office and not each.nominees), None)
        kept = None if ours is None else self._nomination(ours.digest)
        if kept is None or ours is None:
            return []
        act = Reveal(ours.entry, tuple(kept["nominees"]), kept["salt"])
        return [
            (f"reveal.{ours.entry}", Intent("nomination-reveal", act_to_dict(act), self._now(), precedence="PRIORITY"))
        ]

    def _handover(self, thread: Thread, taken: Taken) -> list[tuple[str, Intent]]:
        """After our own renewal of keys let mediators in: the history both parties agreed to show them."""
        held, state = taken.held, thread.state
        act = held.admitted.verified.entry.act
        if not isinstance(act, Rekey) or held.payload.station != self._identity.kid or state is None:
            return []
        mediation = state.mediation
        if mediation is None or mediation.scope is None or not any(m.office in mediation.admitted for m in act.adds):
            return []
        rows: list[tuple[str, Intent]] = []
        for number, history in enumerate(chunks(in_scope(thread, state, mediation.scope, held.seq)), 1):
            body, sd = make_body({"history": history}, self._rng)
            intent = Intent(
                "handover",
                act_to_dict(Handover(tuple(history))),
                self._now(),
                precedence="IMMEDIATE",
                disclosures=body.disclosures,
                sd=sd,
            )
            rows.append((f"handover.{held.id}.{number}", intent))
        return rows


def _complained(thread: Thread, office: str, entry: str) -> bool:
    """Whether the office has said that it could not read the entry."""
    return any(
        isinstance(act := held.admitted.verified.entry.act, Complaint)
        and act.entry == entry
        and held.payload.office == office
        for held in thread.held
    )


def _counts(thread: Thread, held: Held) -> bool:
    """Whether a clock may run from a receipt signed outside, though no box held words for us: there were none, the sender
    did not know our station, or more were to read them than a box is sealed to. Words that came and could not be opened
    were not received."""
    act = held.admitted.verified.entry.act
    if thread.ladder is None or held.complaint is not None:
        return False
    return bool(readers(thread.ladder, held.payload.kind, act.step if isinstance(act, Step) else ""))


def in_scope(thread: Thread, state: ThreadState, scope: Scope, before: int) -> dict[str, list[str]]:
    """Entry to disclosures of what ``scope`` covers before seq ``before`` and this station can read."""
    start = state.entered.get(scope.from_rung) if scope.from_rung is not None else None
    named = set(scope.entries)
    return {
        held.id: list(held.disclosures)
        for held in thread.held
        if held.disclosures is not None
        and held.seq < before
        and held.payload.kind != "handover"
        and (held.id in named or (start is not None and held.seq >= start))
    }


def chunks(history: dict[str, list[str]]) -> list[dict[str, list[str]]]:
    """The history in pieces that each fit one body."""
    found: list[dict[str, list[str]]] = []
    size = 0
    for entry, disclosures in history.items():
        more = len(to_json([entry, disclosures]))
        if not found or size + more > CHUNK_BYTES or len(found[-1]) >= CHUNK_ENTRIES:
            found.append({})
            size = 0
        found[-1][entry] = disclosures
        size += more
    return found
