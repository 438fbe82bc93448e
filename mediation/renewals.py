"""Keys that a member cannot follow, and the way back from them.

A member can sign a commit whose secret part is false; the hub cannot see it. So a renewal of the keys stands for good
only when every member station has shown that it followed: by a message sealed in the new epoch, by a renewal of its
own, or by saying so. Until then, and for `WINDOW` at most, any of them may say that it cannot: then the group is again
where everybody was, at once and for all alike, and talk goes on there.

Nobody can verify a complaint without the secrets, so it is bounded instead. Who has followed cannot complain any more;
who is on the way out cannot complain at all. After a complaint the next keys are another office's. After `LIMIT`
complaints of one station about one office, none of whose renewals stood meanwhile, that office renews no more as long as
the complainer is in good standing: the thread then goes on in the keys it has. Who was put out stays out of the roster
whatever is taken back, and nothing is written until keys without it are made.

``epoch`` in the ladder's state numbers every change of the keys, returns included, so that no message can pass for
sealed under other keys than it was.
"""

from __future__ import annotations

from msgspec.structs import replace

from mediation.draft import Draft
from mediation.effects import KeysReturned, Rejoined, RekeyDue, Rekeyed
from mediation.move import Move
from mediation.refusals import Refusal
from mediation.state import Dispute, Made, Renewal, Seat, ThreadState
from protocols.kinds import CannotFollow, Followed, Member, Rejoin

WINDOW = 7 * 24 * 3_600_000
"""ms after a renewal for which the keys before it are kept, unless all have followed sooner."""

CHAIN = 15
"""Commits since the keys that everybody had of which it is kept who made them, beside the newest."""

LIMIT = 3
"""Complaints of one station about one office after which that office renews no more."""


def barred(state: ThreadState, office: str) -> bool:
    """Whether ``office`` may not make the next keys, because a member in good standing could not follow its last."""
    seats = state.seats
    return any(
        dispute.against == office
        and (dispute.open or dispute.count >= LIMIT)
        and seats[dispute.by].member
        and dispute.office not in state.due_removes
        for dispute in state.disputes
    )


def open_dispute(state: ThreadState) -> Dispute | None:
    """The newest complaint after which nobody else has renewed the keys yet."""
    found = [dispute for dispute in state.disputes if dispute.open]
    return max(found, key=lambda dispute: dispute.at, default=None)


def window_open(state: ThreadState, at: int) -> bool:
    """Whether the group can still go back at ``at`` (ms UTC)."""
    return state.renewal is not None and at <= state.renewal.at + WINDOW


def out_of_turn(draft: Draft, move: Move) -> Refusal | None:
    """Refuses new keys by an office whose last ones a member could not follow."""
    if not barred(draft.state, move.office):
        return None
    return draft.refuse(
        "renewal-barred",
        "A member could not follow the last keys that your office made; the next are another office's to make.",
        "Talk goes on in the keys at hand.",
    )


def begin(draft: Draft, move: Move, adds: tuple[Member, ...] = (), removes: tuple[Member, ...] = ()) -> None:
    """Books a renewal, before the state's epoch, seats and dues are those after it."""
    _confirm(draft, move.station)  # who commits in an epoch is in it
    state = draft.state
    before = state.renewal if window_open(state, draft.at) else None
    if before is None:
        before = Renewal(state.epoch, draft.at, 0, (), ())
    gone, came = {member.station for member in removes}, {member.station for member in adds}
    members = (set(state.roster) | came) - gone
    out = {member.station for member in before.removes}
    was_in = {member.station for member in before.adds}
    renewal = Renewal(
        epoch=state.epoch + 1,
        at=before.at,
        depth=before.depth + 1,
        made=(*before.made[:CHAIN], Made(move.id, move.station, move.office)),
        waiting=tuple(sorted(members - {move.station})),
        adds=(
            *(member for member in before.adds if member.station not in gone),
            *(member for member in adds if member.station not in out),
        ),
        removes=(
            *(member for member in before.removes if member.station not in came),
            *(member for member in removes if member.station not in was_in),
        ),
        due=tuple(sorted({*before.due, *({member.office for member in adds} & set(state.due_adds))})),
    )
    disputes = tuple(
        dispute if dispute.against == move.office else replace(dispute, open=False) for dispute in state.disputes
    )
    draft.set(renewal=renewal if renewal.waiting else None, disputes=disputes)


def hear(draft: Draft, move: Move) -> None:
    """What any entry shows: who seals in an epoch has followed into it."""
    if move.epoch is not None and move.epoch == draft.state.epoch:
        _confirm(draft, move.station)


def followed(draft: Draft, move: Move) -> Refusal | None:
    """``followed``: the sending station is in the epoch; when all are, the keys before it are done with."""
    act, renewal = move.act, draft.state.renewal
    assert isinstance(act, Followed)  # noqa: S101 - the form was checked
    if renewal is None or act.epoch != renewal.epoch or move.station not in renewal.waiting:
        return draft.refuse("nothing-to-follow", "No renewal of the keys waits for your station's word.")
    _confirm(draft, move.station)
    return None


def _confirm(draft: Draft, station: str) -> None:
    renewal = draft.state.renewal
    if renewal is None or station not in renewal.waiting:
        return
    waiting = tuple(other for other in renewal.waiting if other != station)
    if waiting:
        draft.set(renewal=replace(renewal, waiting=waiting))
        return
    disputes = tuple(dispute for dispute in draft.state.disputes if dispute.against != renewal.newest.office)
    draft.set(renewal=None, disputes=disputes)


def cannot_follow(draft: Draft, move: Move) -> Refusal | None:
    """``cannot-follow``: the group goes back to the keys that everybody had."""
    act, state = move.act, draft.state
    assert isinstance(act, CannotFollow)  # noqa: S101 - the form was checked
    renewal = state.renewal
    blamed = None if renewal is None else next((made for made in renewal.made if made.entry == act.entry), None)
    if renewal is None or blamed is None or act.epoch != renewal.epoch:
        return draft.refuse("nothing-to-follow", "That renewal of the keys is not the one that waits to be followed.")
    if move.station not in renewal.waiting:
        return draft.refuse("already-followed", "Your station made these keys, or has shown that it holds them.")
    if move.office in state.due_removes:
        return draft.refuse("on-the-way-out", "Your office's part in this thread has ended; its keys are not yours.")
    if not window_open(state, draft.at):
        return draft.refuse(
            "too-late",
            "The keys before these are not kept any longer.",
            "Have your station rejoin, if the ladder allows.",
        )
    came = {member.station for member in renewal.adds}
    seats = {
        station: Seat(seat.office, seat.serial) if station in came else seat for station, seat in state.seats.items()
    }
    inside = {seat.office for seat in seats.values() if seat.member}
    back = tuple(office for office in renewal.due if office in state.admitted and office not in inside)
    epoch = state.epoch + 1
    draft.set(
        epoch=epoch,
        lag=epoch - (state.mls_epoch - renewal.depth),
        returned=epoch,
        renewal=None,
        seats=seats,
        leaving=renewal.removes,
        due_adds=(*state.due_adds, *(office for office in back if office not in state.due_adds)),
        due_removes=tuple(office for office in state.due_removes if office in inside),
        disputes=_with(state.disputes, move, blamed, act.code, draft.at),
    )
    first = renewal.epoch - renewal.depth + 1
    draft.note(KeysReturned(first, renewal.epoch, blamed.office, blamed.station, move.office, move.station, act.code))
    draft.note(RekeyDue(draft.state.due_adds, draft.state.due_removes))
    return None


def _with(disputes: tuple[Dispute, ...], move: Move, blamed: Made, code: str, at: int) -> tuple[Dispute, ...]:
    same = next((d for d in disputes if (d.by, d.against) == (move.station, blamed.office)), None)
    count = 1 if same is None else same.count + 1
    new = Dispute(move.station, move.office, blamed.office, blamed.station, count, at, code)
    return (*(dispute for dispute in disputes if dispute is not same), new)


def rejoin(draft: Draft, move: Move) -> Refusal | None:
    """``rejoin``: a member station that lost its keys enters the next epoch by itself; the roster stays as it is."""
    act, state = move.act, draft.state
    assert isinstance(act, Rejoin)  # noqa: S101 - the form was checked
    if act.epoch != state.epoch + 1:
        return draft.refuse(
            "wrong-epoch",
            f"The line is in epoch {state.epoch}; this would make epoch {act.epoch}.",
            "Your station makes it anew from the newest state.",
        )
    if state.due_removes or state.leaving:
        return draft.refuse(
            "rekey-due", "Keys without those who were put out come first.", "Another station makes them."
        )
    refusal = out_of_turn(draft, move)
    if refusal is not None:
        return refusal
    begin(draft, move)
    draft.set(epoch=act.epoch)
    draft.note(Rekeyed(act.epoch))
    draft.note(Rejoined(move.office, move.station))
    return None


def resealed(draft: Draft, move: Move) -> Refusal | None:
    """``resealed``: own entries that were sealed under keys taken back, sealed again for those in the group."""
    state = draft.state
    if not state.returned:
        return draft.refuse("nothing-to-reseal", "No keys of this thread were ever taken back.")
    if state.due_removes or state.leaving:
        return draft.refuse(
            "rekey-due", "Keys without those who were put out come first.", "Your station waits for them."
        )
    return None
