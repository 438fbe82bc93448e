"""Who is in the group, and renewing its keys.

Every station compares, after every commit, the members of its encrypted group with the roster kept here: a listener
whom the ladder did not let in cannot hide. A commit may add and remove stations of its own author's office, add those
of admitted mediators and remove those of withdrawn ones; nothing else.
"""

from __future__ import annotations

from mediation import renewals
from mediation.draft import Draft
from mediation.effects import RekeyDue, Rekeyed
from mediation.move import Move
from mediation.refusals import Refusal
from mediation.state import Seat
from protocols.kinds import Member, Rekey


def rekey(draft: Draft, move: Move) -> Refusal | None:
    """``rekey``: the group enters the next epoch with the roster that the ladder allows."""
    act = move.act
    assert isinstance(act, Rekey)  # noqa: S101 - the form was checked
    state = draft.state
    if act.epoch != state.epoch + 1:
        return draft.refuse(
            "wrong-epoch",
            f"The group is in epoch {state.epoch}; these keys are for epoch {act.epoch}.",
            "Your station renews them from the newest state.",
        )
    refusal = renewals.out_of_turn(draft, move) or _adds(draft, move, act.adds) or _removes(draft, move, act.removes)
    if refusal is not None:
        return refusal
    seats = dict(state.seats)
    for member in act.removes:
        seats[member.station] = Seat(member.office, seats[member.station].serial)
    for member in act.adds:
        before = seats.get(member.station)
        seats[member.station] = Seat(member.office, before.serial if before else 0, member=True)
    if any(_crowded(draft, seats, member.office) for member in act.adds):
        return _crowd(draft)
    added = {member.office for member in act.adds}
    renewals.begin(draft, move, act.adds, act.removes)
    draft.set(
        seats=seats,
        epoch=act.epoch,
        due_adds=tuple(office for office in state.due_adds if office not in added),
        due_removes=(),
        leaving=(),
    )
    draft.note(Rekeyed(act.epoch))
    if draft.state.due_adds:
        draft.note(RekeyDue(draft.state.due_adds, ()))
    return None


def _adds(draft: Draft, move: Move, adds: tuple[Member, ...]) -> Refusal | None:
    state = draft.state
    if len({member.station for member in adds}) != len(adds):
        return _wrong_roster(draft, "A station stands twice among the new members.")
    for member in adds:
        seat = state.seats.get(member.station)
        if seat is not None and (seat.member or seat.office != member.office):
            return _wrong_roster(draft, "A new member is in the group already or belongs to another office.")
        if member.office != move.office and member.office not in state.due_adds:
            return _wrong_roster(draft, f"No station of {member.office} may be added by your office now.")
    offices = {member.office for member in adds}
    missing = [office for office in state.due_adds if office not in offices]
    if missing and offices & set(state.due_adds):
        return _wrong_roster(draft, "All admitted mediators enter together; a station of one is missing.")
    return None


def _removes(draft: Draft, move: Move, removes: tuple[Member, ...]) -> Refusal | None:
    state = draft.state
    if len({member.station for member in removes}) != len(removes):
        return _wrong_roster(draft, "A station stands twice among those removed.")
    for member in removes:
        seat = state.seats.get(member.station)
        if seat is None or seat.office != member.office or not (seat.member or member in state.leaving):
            return _wrong_roster(draft, "A station to remove is not in the group.")
        if member.station == move.station:
            return _wrong_roster(draft, "A station cannot remove itself.")
        if member.office != move.office and member.office not in state.due_removes and member not in state.leaving:
            return _wrong_roster(draft, f"No station of {member.office} may be removed by your office now.")
    gone = {member.station for member in removes}
    due = {station for station, seat in state.seats.items() if seat.member and seat.office in state.due_removes}
    due |= {member.station for member in state.leaving}
    if not due <= gone:
        return draft.refuse(
            "rekey-due",
            "The next keys must leave out all stations of those who were put out of the thread.",
            "Your station renews the keys without them.",
        )
    return None


def _wrong_roster(draft: Draft, happened: str) -> Refusal:
    return draft.refuse("roster", happened, "The group's members must equal the roster that the ladder allows.")


def _crowded(draft: Draft, seats: dict[str, Seat], office: str) -> bool:
    return sum(seat.office == office for seat in seats.values()) > draft.ladder.limits.stations


def _crowd(draft: Draft) -> Refusal:
    return draft.refuse("too-many-stations", "An office has more stations here than this ladder allows.", rule="limits")


def seated(draft: Draft, move: Move) -> Refusal | None:
    """Books the entry's serial at its station's seat; a station from outside gets a seat that is no membership."""
    renewals.hear(draft, move)
    seats = draft.state.seats
    seat = seats.get(move.station)
    if seat is not None:
        draft.set(seats={**seats, move.station: Seat(seat.office, move.serial, seat.member)})
        return None
    seats = {**seats, move.station: Seat(move.office, move.serial)}
    if _crowded(draft, seats, move.office):
        return _crowd(draft)
    draft.set(seats=seats)
    return None
