"""Who holds which role in a thread, and inviting those who are outside its group.

The built-in roles follow from the thread itself; the ladder's own are filled once, when the thread opens: by the accord
(`named`) or by all its party offices, less those the ladder leaves out (the parties: ASEAN and Bangkok Treaty votes on
admissibility; their nationals: Bangkok Treaty annex, UNCLOS annex V). What is fixed at the opening cannot be argued
about later.
"""

from __future__ import annotations

from mediation.context import ThreadContext
from mediation.draft import Draft
from mediation.effects import Invited
from mediation.rules import DEFAULT_APPOINTMENT, RoleRule
from mediation.state import Clock, Option, ThreadState

_INITIATOR = frozenset({"party", "initiator"})
_COUNTERPART = frozenset({"party", "counterpart"})
_NOBODY: frozenset[str] = frozenset()


def at_opening(context: ThreadContext, parties: tuple[str, str]) -> dict[str, tuple[str, ...]]:
    """The offices that hold each role the ladder declares, after exclusion, in the accord's order. Monitors are among
    them where the ladder lets monitors speak."""
    held = {role.id: _fill(context, role, parties) for role in context.ladder.roles.values()}
    if context.ladder.monitors_speak:
        held["monitor"] = tuple(office.id for office in context.offices if office.role == "monitor")
    return held


def _fill(context: ThreadContext, role: RoleRule, parties: tuple[str, str]) -> tuple[str, ...]:
    if role.held_by == "named":
        found = context.roles.get(role.id, ())
    else:
        found = tuple(office.id for office in context.offices if office.role == "party")
    out = set(parties) if "parties" in role.exclude or role.held_by == "others" else set()
    if "nationals" in role.exclude:
        states = {context.states.get(party, party) for party in parties}
        out |= {office for office in found if context.states.get(office, office) in states}
    return tuple(office for office in found if office not in out)


def nationals(context: ThreadContext, parties: tuple[str, str]) -> tuple[str, ...]:
    """The roster's offices of a party's state, where the ladder leaves them out of the choice of mediators."""
    rule = context.ladder.mediation
    if rule is None or "nationals" not in rule.exclude:
        return ()
    states = {context.states.get(party, party) for party in parties}
    roster = (office.id for office in context.offices if office.role == "mediator")
    return tuple(office for office in roster if context.states.get(office, office) in states)


def roles(state: ThreadState, office: str) -> frozenset[str]:
    """What ``office`` is in this thread now; empty for an office without standing."""
    if office in state.parties:
        base = _INITIATOR if office == state.initiator else _COUNTERPART
        if not state.holders:
            return base
        return base | {role for role, held in state.holders.items() if office in held}
    found = {role for role, held in state.holders.items() if office in held}
    mediation = state.mediation
    if mediation is not None:
        if office in mediation.admitted:
            found.add("mediator")
        if any(nominee.office == office for nominee in mediation.nominees):
            found.add("nominee")
    if any(report.verifier == office for report in state.reports):
        found.add("verifier")
    return frozenset(found) if found else _NOBODY


def of(state: ThreadState, name: str, clock: Clock | None = None) -> tuple[str, ...]:
    """The offices behind a word of the language: a role, or `requester`, `respondent` and `nominee` of ``clock``.

    `either`, `both`, `mutual` and `party` are the two parties; so are requester and respondent of a clock without."""
    match name:
        case "requester" | "respondent":
            office = "" if clock is None else clock.requester if name == "requester" else clock.respondent
            return (office,) if office else state.parties
        case "either" | "both" | "mutual" | "party":
            return state.parties
        case "initiator":
            return (state.initiator,)
        case "counterpart":
            return (state.other_party(state.initiator),)
        case "mediator":
            return state.admitted
        case "nominee":
            return (clock.subject,) if clock is not None and clock.subject else ()
        case "verifier":
            return tuple(dict.fromkeys(report.verifier for report in state.reports if report.verifier))
    return state.holders.get(name, ())


def invite(draft: Draft, role: str) -> None:
    """Asks the holders of a role to take part, once a thread. Parties and admitted mediators are there already."""
    state = draft.state
    if role in state.invited or role not in state.holders:
        return
    draft.set(invited=(*state.invited, role))
    for office in state.holders[role]:
        if office not in state.parties and office not in state.admitted:
            draft.note(Invited(office, role))


def invite_callable(draft: Draft) -> None:
    """Invites the roles for which a step is open on the present rung, and the body that may appoint a mediator."""
    state = draft.state
    rule = draft.ladder.mediation
    if rule is not None and rule.appointed_by and may_appoint(draft):
        invite(draft, rule.appointed_by)
    for step in draft.ladder.called.get(state.rung, ()):
        for role in step.who:
            if role in state.holders and role not in state.invited:
                optioned = any(o.step == step.id and o.office in state.holders[role] for o in state.options)
                if optioned or not step.needs_option:
                    invite(draft, role)


def may_appoint(draft: Draft) -> tuple[Option, ...]:
    """The options by which a body, no party, may appoint a mediator now."""
    return tuple(o for o in draft.state.options if o.step == DEFAULT_APPOINTMENT and not draft.is_party(o.office))


def invited_as(state: ThreadState, office: str) -> tuple[str, ...]:
    """The roles under which ``office`` was asked to take part from outside, oldest invitation first."""
    if office in state.parties:
        return ()
    return tuple(role for role in state.invited if office in state.holders.get(role, ()))
