"""What everybody who folds a thread must tell the ladder alike: who the offices are when it opens, what an entry does.

Hub, stations and auditors compare hashes of the ladder's state, so all of them build its input here and nowhere else.
"""

from __future__ import annotations

from msgspec.structs import replace

from mediation.context import OfficeRole, ThreadContext
from mediation.ladder import Ladder
from mediation.move import Move
from protocols.accord import Accord, SignedAccord
from protocols.entry import VerifiedEntry


def offices_of(accord: Accord) -> tuple[OfficeRole, ...]:
    """The offices as a thread knows them: parties and monitors in the accord's order, then the roster of mediators in
    order of default appointment. A mediator's office that is not on the roster takes part as a monitor, or not at all.
    """
    others = [OfficeRole(office.id, office.role) for office in accord.offices if office.role != "mediator"]
    roster = [OfficeRole(name, "mediator") for name in accord.mediators]
    known = {office.id for office in (*others, *roster)}
    monitors = [OfficeRole(name, "monitor") for name in accord.monitors if name not in known]
    return (*others, *monitors, *roster)


def context_of(accord: SignedAccord, name: str, ladder: Ladder, thread: str, at: int) -> ThreadContext:
    """What a thread under the ladder that the accord calls ``name`` is opened with at ``at`` (ms UTC).

    Raises `NotInAccord`, and `NotInForce` before the accord's begin or after its sunset.

    One file may be in force under several names (at several speeds), so the thread's ladder goes by the accord's name.
    """
    in_force = accord.accord.ladder(name)
    accord.accord.check_in_force(at)
    ladder = replace(ladder, id=name)
    return ThreadContext(
        ladder,
        in_force.scale,
        accord.accord.status,
        offices_of(accord.accord),
        thread,
        roles=in_force.roles,
        states={office.id: office.state for office in accord.accord.offices if office.state},
    )


def move_of(verified: VerifiedEntry, seq: int) -> Move:
    """What the entry does, at position ``seq`` of its thread."""
    payload, entry = verified.payload, verified.entry
    return Move(
        id=entry.id,
        seq=seq,
        kind=payload.kind,
        office=payload.office,
        station=payload.station,
        serial=payload.serial,
        prev_seq=payload.prev_seq,
        act=entry.act,
        officers=verified.officers,
        two_person=verified.two_person,
        precedence=payload.precedence,
        epoch=payload.epoch,
    )
