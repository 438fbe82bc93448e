"""The checks that every entry passes before its kind's own rules: form, order, authorship, standing, rung, standstill.

They come in the order in which a duty officer wants the reasons: first what is wrong with the message itself, then
whether this office may speak at all, then what the ladder says here and now, last whether a second person is missing.
"""

from __future__ import annotations

from mediation import holders, release, standstill
from mediation.draft import Draft
from mediation.move import HUB, Move
from mediation.refusals import Refusal
from mediation.wording import title_of
from protocols.kinds import KINDS, Author, Kind

LATEST = 253_370_764_800_000
"""The last instant the fold computes with (9999-01-01), milliseconds UTC."""

_NOBODY: frozenset[str] = frozenset()
_ON_EVERY_RUNG = frozenset({"rekey", "rejoin"})


def check(draft: Draft, move: Move) -> Refusal | None:
    """All common checks, in order."""
    kind = KINDS.get(move.kind)
    if kind is None:
        return draft.refuse("unknown-kind", "The message is of a kind this line does not know.")
    return (
        _form(draft, move, kind)
        or _standing(draft, move, kind)
        or _order(draft, move)
        or _here(draft, move, kind)
        or _people(draft, move, kind)
    )


def _form(draft: Draft, move: Move, kind: Kind) -> Refusal | None:
    if type(move.act) is not kind.act:
        return draft.refuse("bad-act", "The readable part of the message is not in the form its kind prescribes.")
    if move.kind == "open":
        return draft.refuse("already-open", "The thread is open already.")
    return None


def _standing(draft: Draft, move: Move, kind: Kind) -> Refusal | None:
    if (kind.author is Author.HUB) != (move.office == HUB):
        return draft.refuse(
            "hub-only", "The hub writes only its neutral notes about clocks, and nobody else writes those."
        )
    seat = draft.state.seats.get(move.station)
    if seat is not None and seat.office != move.office:
        return draft.refuse("station-office", "The sending station belongs to another office.")
    if move.office == HUB:
        return None
    mine = holders.roles(draft.state, move.office)
    if not mine:
        return draft.refuse(
            "no-standing",
            "Your office has no standing in this thread.",
            "Only parties and those they let in write here.",
        )
    if (seat is None or not seat.member) and not (kind.outside and "party" not in mine):
        return draft.refuse(
            "not-member", "The sending station is not a member of this thread's group.", "Use one that is."
        )
    rule = draft.ladder.kinds.get(move.kind)
    if rule is None:
        if kind.always:
            return None
        return draft.refuse("not-on-ladder", f"This ladder has no messages of the kind {kind.title!r}.")
    if mine.isdisjoint(rule.who):
        return draft.refuse(
            "not-yours",
            f"A message of the kind {kind.title!r} is not your office's to send.",
            rule=f"kinds/{move.kind}",
        )
    return None


def _order(draft: Draft, move: Move) -> Refusal | None:
    state = draft.state
    if move.seq != state.seq + 1:
        return draft.refuse(
            "sequence", "The message is not the next of this thread.", "Wait until your station is up to date."
        )
    if not 0 <= move.prev_seq < move.seq:
        return draft.refuse("seen-future", "The message claims to have seen what was not yet sent.")
    seat = state.seats.get(move.station)
    if move.serial != (seat.serial if seat is not None else 0) + 1:
        return draft.refuse(
            "serial",
            "The station's serial number does not follow its last one; a message may be missing.",
            "Your station sends the missing one first.",
        )
    if move.epoch is not None and move.kind != "rekey" and move.epoch != state.epoch:
        return draft.refuse(
            "wrong-epoch",
            f"The message was sealed under the keys of epoch {move.epoch}; the group is in epoch {state.epoch}.",
            "Your station seals it again.",
        )
    return None


def _here(draft: Draft, move: Move, kind: Kind) -> Refusal | None:
    if kind.always:
        # De-escalation, acknowledgement and safety of life pass on every rung, in every standstill, whatever is due.
        return None
    refusal = standstill.forbids_kind(draft, move.kind)
    if refusal is not None:
        return refusal
    state = draft.state
    if move.kind in _ON_EVERY_RUNG:
        return None
    if state.rung == draft.ladder.closed:
        return draft.refuse(
            "closed",
            "The thread is closed.",
            "Lessons and safety notices still pass; open a new thread for new matters.",
        )
    if state.rung not in draft.ladder.rung_kinds.get(move.kind, _NOBODY):
        return draft.refuse(
            "wrong-rung",
            f"A message of the kind {kind.title!r} cannot be sent on {title_of(draft, state.rung)!r}.",
            "The ladder panel shows what is open here.",
            rule=f"kinds/{move.kind}",
        )
    if (state.due_removes or state.leaving) and kind.content:
        return draft.refuse(
            "rekey-due",
            "Somebody was put out of the thread; the keys must be renewed before anything more is written.",
            "Your station renews them; send again then.",
        )
    return None


def _people(draft: Draft, move: Move, kind: Kind) -> Refusal | None:
    if kind.author is Author.OFFICER and not move.officers:
        return draft.refuse("no-officer", "No officer has signed the message.", "Have an officer sign it.")
    return release.check(draft, move)
