"""Sealed nominations and who they choose.

Each party seals its list before it sees the other's; both are opened together. The common office with the least sum
of ranks is chosen, ties by the order of the accord's roster. Without a common office, or when a side stalls, one is
appointed by default (`mediation.appointing`): one side cannot block by inaction.
"""

from __future__ import annotations

from msgspec.structs import replace

from mediation import clocks, holders
from mediation.draft import Draft
from mediation.effects import Invited, Nominated, NominationSealed, RevealDue
from mediation.move import Move
from mediation.refusals import Refusal
from mediation.rules import DEFAULT_APPOINTMENT, MediationRule, StepRule
from mediation.state import Mediation, Nomination, Nominee
from protocols.encoding import Malformed, unb64u
from protocols.kinds import Nominate, Reveal
from protocols.nomination import nomination_digest


def open_mediation(draft: Draft, entry: str, seq: int, at: int) -> tuple[str, ...]:
    """Mediation opens. Returns the clocks not to start, because mediators or nominees from before are still there."""
    rule = draft.ladder.mediation
    assert rule is not None  # noqa: S101 - the caller looked
    before = draft.state.mediation
    if before is None:
        draft.set(mediation=Mediation(opened=at))
        return ()
    if not before.admitted and not before.nominees:
        draft.set(mediation=Mediation(opened=at, excluded=before.excluded))
        return ()
    if before.admitted:
        clocks.start(draft, "mediators-admitted", entry=entry, seq=seq, at=at, once=True)
    return (rule.nominations, rule.default_appointment)


def under_way(draft: Draft) -> bool:
    """Whether a mediation that runs beside the rungs goes on: somebody is nominated or admitted, or still can be."""
    if not clocks.mediation_is_here(draft):
        return False
    return _in_hand(draft) or any(option.step in draft.ladder.appointing for option in draft.state.options)


def _in_hand(draft: Draft) -> bool:
    """Whether somebody is nominated or admitted, or the time for choosing runs."""
    rule, mediation = draft.ladder.mediation, draft.state.mediation
    if rule is None or mediation is None:
        return False
    running = {clock.rule for clock in draft.state.clocks}
    return bool(mediation.admitted or mediation.nominees or running & {rule.nominations, rule.default_appointment})


def ended_by(draft: Draft, step: StepRule) -> bool:
    """Whether the step just taken ends the choosing of mediators: the thread has left the place of its mediation, or the
    parties agreed to stop the time for choosing and nobody is chosen. Any other step leaves the choosing as it is: a way
    down, which one party may have alone, would otherwise take the other's way to a mediator."""
    rule = draft.ladder.mediation
    if rule is None or not clocks.mediation_is_here(draft):
        return True
    return rule.default_appointment in step.stops and not _in_hand(draft)


def current(draft: Draft) -> tuple[MediationRule, Mediation] | Refusal:
    """The ladder's mediation rules and the thread's mediation, or the refusal that none is open."""
    if draft.ladder.mediation is None or draft.state.mediation is None:
        return draft.refuse("no-mediation", "No mediation is open in this thread.", "Open mediation first.")
    return draft.ladder.mediation, draft.state.mediation


def nominate(draft: Draft, move: Move) -> Refusal | None:
    """``nomination``: one sealed list for each party."""
    act = move.act
    assert isinstance(act, Nominate)  # noqa: S101 - the form was checked
    found = current(draft)
    if isinstance(found, Refusal):
        return found
    rule, mediation = found
    if mediation.nominees or mediation.admitted:
        return draft.refuse("nominations-over", "A mediator has already been chosen.", "Accept or object instead.")
    if any(sealed.office == move.office for sealed in mediation.nominations):
        return draft.refuse("already-nominated", "Your office has already sent its sealed nomination.")
    nominations = (*mediation.nominations, Nomination(move.office, move.id, act.digest))
    draft.set(mediation=replace(mediation, nominations=nominations))
    draft.note(NominationSealed(move.office))
    if len(nominations) == 2:
        clocks.met_by_rule(draft, rule.nominations)
        for party in draft.state.parties:
            draft.note(RevealDue(party))
    return None


def reveal(draft: Draft, move: Move) -> Refusal | None:
    """``nomination-reveal``: opens the own sealed list; with the second one a mediator is chosen."""
    act = move.act
    assert isinstance(act, Reveal)  # noqa: S101 - the form was checked
    found = current(draft)
    if isinstance(found, Refusal):
        return found
    rule, mediation = found
    own = next((sealed for sealed in mediation.nominations if sealed.office == move.office), None)
    if own is None or own.entry != act.nomination:
        return draft.refuse("unknown-reference", "Your office has no such sealed nomination.")
    if own.nominees:
        return draft.refuse("already-revealed", "Your office's nomination is already open.")
    if len(mediation.nominations) < 2:
        return draft.refuse(
            "reveal-early",
            "The other party has not sent its sealed nomination.",
            "Your station opens yours when both are in.",
            rule=rule.nominations,
            clock=next((clock for clock in draft.state.clocks if clock.rule == rule.nominations), None),
        )
    if len(set(act.nominees)) != len(act.nominees):
        return draft.refuse("duplicate-nominee", "An office stands twice in the list.")
    if not _salt_is_right(act.salt) or own.digest != nomination_digest(
        draft.state.thread, move.office, act.nominees, act.salt
    ):
        return draft.refuse("nomination-mismatch", "The opened list is not the one that was sealed.")
    nominations = tuple(
        replace(sealed, nominees=act.nominees) if sealed.office == move.office else sealed
        for sealed in mediation.nominations
    )
    draft.set(mediation=replace(mediation, nominations=nominations))
    if all(sealed.nominees for sealed in nominations):
        _choose(draft, rule, nominations, move)
    return None


def _salt_is_right(salt: str) -> bool:
    try:
        return len(unb64u(salt)) == 32
    except Malformed:
        return False


def _choose(draft: Draft, rule: MediationRule, nominations: tuple[Nomination, ...], move: Move) -> None:
    ranking = overlap(draft, nominations[0].nominees, nominations[1].nominees)
    clocks.met_by_rule(draft, rule.default_appointment)
    mediation = draft.state.mediation
    assert mediation is not None  # noqa: S101 - current() looked
    if ranking:
        draft.set(mediation=replace(mediation, ranking=ranking[1:]))
        appoint(draft, ranking[0], "overlap", entry=move.id, seq=move.seq)
    else:
        stalled(draft)


def stalled(draft: Draft) -> None:
    """The parties chose nobody, or lost whom they had: either may have one appointed or, where a body appoints, the body
    may; where it does so at a party's request, either party may ask it."""
    rule, state = draft.ladder.mediation, draft.state
    assert rule is not None  # noqa: S101 - current() looked
    if not rule.appointed_by:
        for party in state.parties:
            draft.add_option(DEFAULT_APPOINTMENT, party, draft.at)
        return
    steps = draft.ladder.steps
    asking = [name for name in draft.ladder.appointing if name in steps and state.rung in steps[name].start]
    for name in sorted(asking):
        for party in state.parties:
            if steps[name].needs_option and not holders.roles(state, party).isdisjoint(steps[name].who):
                draft.add_option(name, party, draft.at)
    if not asking:
        for office in holders.of(state, rule.appointed_by):
            draft.add_option(DEFAULT_APPOINTMENT, office, draft.at)
    holders.invite_callable(draft)


def overlap(draft: Draft, first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    """Eligible offices on both lists, least sum of ranks first, ties in roster order."""
    common = [office for office in eligible(draft) if office in first and office in second]
    return tuple(sorted(common, key=lambda office: first.index(office) + second.index(office)))


def eligible(draft: Draft) -> tuple[str, ...]:
    """Mediators of the accord's roster who are no party here, not left out as nationals, not excluded, not chosen already;
    in roster order."""
    mediation = draft.state.mediation
    taken: set[str] = {*draft.state.parties, *draft.state.nationals}
    if mediation is not None:
        taken |= {*mediation.excluded, *mediation.admitted, *(nominee.office for nominee in mediation.nominees)}
    return tuple(office for office in draft.state.mediators if office not in taken)


def appoint(draft: Draft, office: str, how: str, *, entry: str, seq: int) -> None:
    """Makes ``office`` a nominee who must now accept and declare; consents given for another set lapse."""
    mediation = draft.state.mediation
    assert mediation is not None  # noqa: S101 - current() looked
    draft.set(mediation=replace(mediation, nominees=(*mediation.nominees, Nominee(office)), consents=()))
    draft.drop_options(DEFAULT_APPOINTMENT)
    draft.note(Nominated(office, how))
    draft.note(Invited(office, "nominee"))
    clocks.start(draft, "appointment", entry=entry, seq=seq, at=draft.at, subject=office)
