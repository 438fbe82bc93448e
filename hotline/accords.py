"""Writing an accord before it is signed: a sketch grows office by office, then every office signs the whole.

The witness policy (C2SP tlog-policy) grows with it: an office's stations form a group of which any one counts, because
an office is one witness however many machines it has; a neutral witness is a group by itself; and a checkpoint needs more
than two thirds of the groups. Every witness stands in it with its Ed25519 and its ML-DSA-44 key, of which either counts:
whoever trusts only one of the two kinds takes the other's lines out of the policy they verify by.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hotline import ladders as shipped_ladders
from hotline.errors import LocalFault
from hotline.office import StationCard
from mediation.ladder import parse_ladder
from protocols.accord import Accord, Disclosure, HubCard, LadderInForce, Office, Status, draft_bytes, parse_draft
from protocols.encoding import digest
from protocols.translog import KeyKind, parse_vkey
from protocols.translog.errors import TranslogError
from protocols.translog.policy import (
    Policy,
    PolicyGroup,
    PolicyLog,
    PolicyWitness,
    format_policy,
    parse_policy,
)

QUORUM = "offices"
"""Name of the group of all members' groups in the policy; office ids are capitals and cannot collide with it."""
SUFFIX = {KeyKind.ED25519: "", KeyKind.COSIGNATURE_ED25519: "", KeyKind.COSIGNATURE_MLDSA44: "-mldsa"}
"""By which a witness's keys are told apart in the policy."""


class AccordFault(LocalFault):
    """The accord cannot be changed in this way. ``detail`` says why."""

    code = "accord.fault"
    _sentence = "The agreement was not changed."


def ladder_in_force(name: str, data: bytes, scale: int) -> LadderInForce:
    """The ladder as an accord names it, checked first. Raises `mediation.errors.LadderError`, `AccordFault`."""
    ladder = parse_ladder(data)
    if ladder.id != name:
        raise AccordFault(f"the file holds the ladder {ladder.id!r}, not {name!r}")
    return LadderInForce(name, digest(data), scale)


def sketch(
    *,
    title: str,
    status: Status,
    exercise: str,
    hub: HubCard,
    ladders: Sequence[LadderInForce],
    suite: int,
    not_before: str,
    review: str,
    sunset: str,
    disclosure: Disclosure = "either",
) -> bytes:
    """An accord without offices. Dates are RFC 3339 UTC. Raises `AccordFault` for an unusable log key."""
    try:
        policy = Policy((PolicyLog(parse_vkey(hub.log)),), (), None)
    except TranslogError as error:
        raise AccordFault(f"the hub's log key cannot be used: {error.detail}") from error
    accord = Accord(
        v=1,
        title=title,
        status=status,
        exercise=exercise,
        offices=(),
        mediators=(),
        monitors=(),
        hub=hub,
        ladders=tuple(ladders),
        policy=format_policy(policy),
        suite=suite,
        not_before=not_before,
        review=review,
        sunset=sunset,
        disclosure=disclosure,
    )
    return draft_bytes(accord, complete=False)


def add_office(
    data: bytes,
    office: Office,
    *,
    mediator: bool = False,
    monitor: bool = False,
    witnesses: Sequence[StationCard] = (),
    classical: bool = False,
) -> bytes:
    """The sketch with one office more. ``classical``: without its stations' ML-DSA-44 keys.

    Raises `AccordFault` once anybody has signed, or for an office that stands.
    """
    accord = _unsigned(data)
    if any(known.id == office.id for known in accord.offices):
        raise AccordFault(f"the office {office.id} stands in it already")
    if mediator and office.role != "mediator":
        raise AccordFault(f"{office.id} is a {office.role}, not a mediator")
    if monitor and office.role == "party":
        raise AccordFault(f"{office.id} is a party and cannot be a monitor")
    if any(card.office != office.id for card in witnesses):
        raise AccordFault("a witness of another office")
    return draft_bytes(
        msgspec.structs.replace(
            accord,
            offices=(*accord.offices, office),
            mediators=(*accord.mediators, office.id) if mediator else accord.mediators,
            monitors=(*accord.monitors, office.id) if monitor else accord.monitors,
            policy=_with_witnesses(accord.policy, office.id, [_vkeys(card, classical=classical) for card in witnesses]),
        ),
        complete=False,
    )


def add_witness(data: bytes, name: str, vkeys: Sequence[str], url: str) -> bytes:
    """The sketch with a neutral witness more, reached by the hub at ``url``; ``name`` is its key name.

    Raises `AccordFault` once anybody has signed, or for a witness that stands.
    """
    accord = _unsigned(data)
    return draft_bytes(
        msgspec.structs.replace(accord, policy=_with_witnesses(accord.policy, name, [vkeys], url)), complete=False
    )


def _unsigned(data: bytes) -> Accord:
    found, accord = parse_draft(data, complete=False)
    if found.signatures:
        raise AccordFault("it is signed already: a change needs a new accord and every signature anew")
    return accord


def _vkeys(card: StationCard, *, classical: bool) -> list[str]:
    return [vkey for vkey in (card.keys.witness, "" if classical else card.keys.witness_pq) if vkey]


def set_role(data: bytes, ladder: str, role: str, offices: Sequence[str]) -> bytes:
    """The sketch in which ``offices`` hold ``role`` of the ladder that the accord calls ``ladder``; whoever held it before
    does not any more. Raises `AccordFault` once anybody has signed, and for what does not stand in the accord."""
    found, accord = parse_draft(data, complete=False)
    if found.signatures:
        raise AccordFault("it is signed already: a change needs a new accord and every signature anew")
    if all(each.id != ladder for each in accord.ladders):
        raise AccordFault(f"the ladder {ladder!r} is not in force under it")
    _check_role(next(each for each in accord.ladders if each.id == ladder), role)
    known = {office.id for office in accord.offices}
    if not offices or not set(offices) <= known:
        raise AccordFault(
            f"no such office: {', '.join(sorted(set(offices) - known)) or 'none was named'}; add it first"
        )
    ladders = tuple(
        msgspec.structs.replace(each, roles={**each.roles, role: tuple(dict.fromkeys(offices))})
        if each.id == ladder
        else each
        for each in accord.ladders
    )
    return draft_bytes(msgspec.structs.replace(accord, ladders=ladders), complete=False)


def _check_role(in_force: LadderInForce, role: str) -> None:
    """Refuses a role that the ladder does not leave to the accord. A ladder that did not ship with this program is known
    by its hash only: there the stations find out when a thread opens."""
    file = next((each for each in shipped_ladders.shipped().values() if digest(each) == in_force.hash), None)
    if file is None:
        return
    named = [each.id for each in parse_ladder(file).roles.values() if each.held_by == "named"]
    if role not in named:
        raise AccordFault(f"{in_force.id} leaves the accord to name: {', '.join(named) or 'nobody'}; not {role!r}")


def quorum_of(witnessing: int) -> int:
    """The least number of offices that is more than two thirds of ``witnessing``."""
    return 2 * witnessing // 3 + 1


def _with_witnesses(text: str, member: str, machines: Sequence[Sequence[str]], url: str | None = None) -> str:
    """The policy with a member more: ``machines`` are its witnesses, each with its keys."""
    if not machines:
        return text
    try:
        policy = parse_policy(text)
        if any(item.name == member for item in policy.items):
            raise AccordFault(f"the witness {member} stands in it already")
        added = tuple(
            PolicyWitness(f"{member}-{number}{SUFFIX[key.kind]}", key, url)
            for number, vkeys in enumerate(machines, 1)
            for key in map(parse_vkey, vkeys)
        )
        own = PolicyGroup(member, 1, tuple(witness.name for witness in added))
        items = [item for item in policy.items if item.name != QUORUM] + [*added, own]
        members = tuple(item.name for item in items if isinstance(item, PolicyGroup))
        whole = PolicyGroup(QUORUM, quorum_of(len(members)), members)
        return format_policy(Policy(policy.logs, (*items, whole), QUORUM))
    except TranslogError as error:
        raise AccordFault(f"a witness key cannot be used: {error.detail}") from error
