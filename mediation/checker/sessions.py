"""The exchanges of a mediation: choosing, declaring, objecting, waiving, admitting, withdrawing.

The inside of a mediation is the engine's and the same under every ladder. What a ladder can get wrong are its clocks,
rungs and steps, so each way into and out of a stage is tried once: one common nominee, one conditional objection (a flat
one is a withdrawal of consent by another name), one admission. Whoever withdraws also renews the keys, because nothing
else can be written until that is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from mediation.appointing import chooses
from mediation.checker.world import PARTIES, Run, World, entry_id, station
from mediation.draft import Draft
from mediation.nominations import eligible
from mediation.rules import DEFAULT_APPOINTMENT
from mediation.state import Mediation, ThreadState
from protocols.kinds import (
    Act,
    Admission,
    Appointment,
    Empty,
    Member,
    Nominate,
    Objection,
    ObjectionAnswer,
    Rekey,
    Reveal,
    Scope,
    Step,
    Waiver,
    Withdrawal,
)
from protocols.nomination import nomination_digest

_SALT = "s" * 42 + "A"
_BOTH = frozenset(PARTIES)
_NONE: frozenset[str] = frozenset()

Plan = tuple[frozenset[str], Callable[[Run], bool]]


def appointment(state: ThreadState) -> Iterator[Plan]:
    """A mediation in one go: mediators are chosen and admitted; one of them leaves."""
    mediation = state.mediation
    if mediation is None:
        return
    if not mediation.admitted:
        yield _BOTH, _appoint
    for office in mediation.admitted:
        yield frozenset(state.parties[:1]), partial(_leave, state.parties[0], office)


def mediation_plans(world: World, state: ThreadState) -> Iterator[Plan]:
    """What can be done about mediators, if a mediation was ever opened."""
    yield from forward_plans(world, state)
    yield from against_plans(world, state)


def forward_plans(world: World, state: ThreadState) -> Iterator[Plan]:
    """What brings mediators nearer, the last stage last."""
    mediation = state.mediation
    if world.ladder.mediation is None or mediation is None:
        return
    left = eligible(Draft(world.ladder, state, state.at))[:1]
    if not mediation.nominees and not mediation.admitted and left:
        yield _BOTH, lambda run: _overlap(run, left)
        for party in state.parties:
            act = Nominate(nomination_digest(state.thread, party, left, _SALT))
            yield frozenset((party,)), _one(party, "nomination", act)
    for option in state.options:
        acting = frozenset((option.office,)) & _BOTH
        if option.step == DEFAULT_APPOINTMENT:
            yield acting, partial(_by_default, option.office)
        elif option.step in world.ladder.appointing:
            yield acting, _one(option.office, "step-request", Step(option.step))
    yield from _about_nominees(mediation, state)


def against_plans(world: World, state: ThreadState) -> Iterator[Plan]:
    """Withdrawals of consent, and objections."""
    mediation = state.mediation
    if world.ladder.mediation is None or mediation is None:
        return
    left = eligible(Draft(world.ladder, state, state.at))[:1]
    for party in state.parties:
        for office in mediation.admitted:
            yield frozenset((party,)), partial(_leave, party, office)
        for nominee in mediation.nominees:
            yield frozenset((party,)), _one(party, "withdrawal", Withdrawal(nominee.office))
            if nominee.declared and not nominee.window_over and mediation.objection is None and left:
                yield frozenset((party,)), _one(party, "objection", Objection(nominee.office, left[0]))


def _about_nominees(mediation: Mediation, state: ThreadState) -> Iterator[Plan]:
    for nominee in mediation.nominees:
        # A settlement or a step down may have stopped the window; a further declaration opens it anew.
        shut = not nominee.window_over and not any(clock.subject == nominee.office for clock in state.clocks)
        if not nominee.declared or shut:
            yield _NONE, partial(_declare, nominee.office)
    objection = mediation.objection
    if objection is not None:
        other = state.other_party(objection.office)
        # Agreeing appoints the co-mediator, by the clocks of every appointment; refusing is what can end a list.
        refused = ObjectionAnswer(objection.entry, agree=False)
        yield frozenset((other,)), _one(other, "objection-answer", refused)
    nominees = tuple(nominee.office for nominee in mediation.nominees)
    if not nominees or objection is not None or not all(nominee.declared for nominee in mediation.nominees):
        return
    if not all(nominee.window_over for nominee in mediation.nominees):
        yield _BOTH, lambda run: all(run.send(party, "waiver", Waiver(nominees)) for party in run.state.parties)
        return
    for party in state.parties:
        if not any(consent.office == party for consent in mediation.consents):
            yield frozenset((party,)), _one(party, "admission", Admission(nominees, Scope()))
    yield _BOTH, lambda run: _admit(run, nominees)


def _one(office: str, kind: str, act: Act) -> Callable[[Run], bool]:
    return lambda run: run.send(office, kind, act)


def _by_default(office: str, run: Run) -> bool:
    """The roster's first is appointed; a body that chooses chooses it."""
    draft = Draft(run.world.ladder, run.state, run.at)
    named = next(iter(eligible(draft)), None) if chooses(draft, office) else None
    return run.send(office, "default-appointment", Appointment(named))


def _appoint(run: Run) -> bool:
    """Both choose, the chosen declares, both waive and admit; what is done already is left out."""
    mediation = run.state.mediation
    if mediation is None or mediation.objection is not None:
        return False
    if not mediation.nominees:
        left = eligible(Draft(run.world.ladder, run.state, run.at))[:1]
        if not left or not _overlap(run, left):
            return False
    nominees = run.state.mediation.nominees if run.state.mediation is not None else ()
    names = tuple(nominee.office for nominee in nominees)
    if not names or not all(nominee.declared or _declare(nominee.office, run) for nominee in nominees):
        return False
    if not all(nominee.window_over for nominee in nominees):
        for party in run.state.parties:
            waived = all(party in nominee.waived_by for nominee in nominees)
            if not waived and not run.send(party, "waiver", Waiver(names)):
                return False
    return _admit(run, names)


def _overlap(run: Run, left: tuple[str, ...]) -> bool:
    """Both nominate the same offices and open their lists."""
    sealed = {
        nomination.office: nomination.entry
        for nomination in (run.state.mediation.nominations if run.state.mediation is not None else ())
        if not nomination.nominees
    }
    for party in run.state.parties:
        if party not in sealed:
            act = Nominate(nomination_digest(run.state.thread, party, left, _SALT))
            if not run.send(party, "nomination", act):
                return False
            sealed[party] = entry_id(run.state.seq)
    return all(run.send(party, "nomination-reveal", Reveal(entry, left, _SALT)) for party, entry in sealed.items())


def _declare(office: str, run: Run) -> bool:
    nominees = run.state.mediation.nominees if run.state.mediation is not None else ()
    accepted = any(nominee.office == office and nominee.accepted for nominee in nominees)
    return (accepted or run.send(office, "mediator-acceptance", Empty())) and run.send(office, "declaration", Empty())


def _admit(run: Run, nominees: tuple[str, ...]) -> bool:
    """Both sign, and the mediators' stations enter the group."""
    mediation = run.state.mediation
    signed = {consent.office for consent in mediation.consents} if mediation is not None else set()
    for party in run.state.parties:
        if party not in signed and not run.send(party, "admission", Admission(nominees, Scope())):
            return False
    return _renew_keys(run, run.state.parties[0])


def _leave(party: str, office: str, run: Run) -> bool:
    """Consent is withdrawn, and the group's keys leave the mediator out."""
    return run.send(party, "withdrawal", Withdrawal(office)) and _renew_keys(run, party)


def _renew_keys(run: Run, party: str) -> bool:
    state = run.state
    adds = tuple(Member(station(office), office) for office in state.due_adds)
    removes = tuple(
        Member(name, seat.office)
        for name, seat in state.seats.items()
        if seat.member and seat.office in state.due_removes
    )
    return run.send(party, "rekey", Rekey(state.epoch + 1, adds, removes))
