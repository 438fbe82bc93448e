"""What the ladder's tables alone say about who may send what: read from the file's rules, not from the fold.

`may_send` is false where a kind is certainly not open to an office; `may_ask` is exactly whether a step can be asked for.
"""

from __future__ import annotations

from mediation.ladder import Ladder
from mediation.move import HUB
from mediation.rules import StepRule
from mediation.state import ThreadState
from protocols.kinds import KINDS
from tests.mediation.library.walk import COUNTERPART, INITIATOR, OTHERS, named

_NEVER = frozenset({"open"})
_ON_EVERY_RUNG = frozenset({"rekey", "rejoin"})


def roles_of(found: Ladder, state: ThreadState, office: str) -> frozenset[str]:
    """Every role the office holds in the thread."""
    held = set()
    if office in (INITIATOR, COUNTERPART):
        held |= {"party", "initiator" if office == INITIATOR else "counterpart"}
    for role in found.roles.values():
        offices = {
            "named": named(found).get(role.id, ()),
            "others": OTHERS,
            "all": (INITIATOR, COUNTERPART, *OTHERS),
        }[role.held_by]
        if office in offices and not (role.exclude and office in (INITIATOR, COUNTERPART)):
            held.add(role.id)
    if office in state.admitted:
        held.add("mediator")
    if state.mediation is not None and any(nominee.office == office for nominee in state.mediation.nominees):
        held.add("nominee")
    return frozenset(held)


def may_send(found: Ladder, state: ThreadState, kind: str, office: str, *, two: bool) -> bool:
    """Whether role, rung, standstill and the number of officers allow the kind; its act may still be wrong."""
    if kind in _NEVER or (kind == "clock-expired") != (office == HUB):
        return False
    if office == HUB:
        return True
    known, rule, roles = KINDS[kind], found.kinds.get(kind), roles_of(found, state, office)
    member = any(seat.office == office and seat.member for seat in state.seats.values())
    if not roles or (rule is not None and roles.isdisjoint(rule.who)) or not (member or known.outside):
        return False
    if rule is None:
        return known.always
    if known.always:
        return True
    if rule.two_person and not two:
        return False
    if state.standstill is not None:
        still = found.steps[state.standstill.step].standstill
        assert still is not None
        if kind in still.forbids_kinds:
            return False
    if kind in _ON_EVERY_RUNG:
        return True
    rungs = rule.rungs or [rung for rung in found.rungs if rung != found.closed]
    return state.rung in rungs and kind not in found.rungs[state.rung].forbids


def may_ask(found: Ladder, state: ThreadState, rule: StepRule, office: str, *, two: bool, evidence: bool) -> bool:
    """Whether the office can ask for the step now: role, rung, option, clocks, standstill, suspension, evidence, two
    officers, and that it has not been asked for already."""
    kinds = found.kinds["step-request"]
    roles = roles_of(found, state, office)
    if rule.trigger != "step-request" or roles.isdisjoint(rule.who) or roles.isdisjoint(kinds.who):
        return False
    if state.rung not in rule.start or rule.to == state.rung or state.rung == found.closed:
        return False
    if any(asked.step == rule.id for asked in state.requests) or (rule.two_person and not two):
        return False
    if state.standstill is not None:
        still = found.steps[state.standstill.step].standstill
        assert still is not None
        barred = rule.direction in still.forbids_directions or rule.id in still.forbids_steps
        if barred or rule.standstill is not None:
            return False
    if rule.resumes != (state.suspension is not None) and (rule.resumes or rule.direction in ("up", "across")):
        return False
    mediation = found.mediation
    if mediation is not None and mediation.step == rule.id and not rule.to and state.mediation is not None:
        return False
    if rule.evidence and not evidence:
        return False
    option = any((given.step, given.office) == (rule.id, office) for given in state.options)
    held = any(rule.id in found.clocks[clock.rule].holds for clock in state.clocks)
    return rule.early_exit or (not held and (option or not rule.needs_option))
