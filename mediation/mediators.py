"""From nominee to mediator: acceptance, declaration, objections, waivers, both parties' admission, and withdrawal.

No mediator enters without consent of both parties signed in the same words (UN Guidance for Effective Mediation 2012:
consent; it can be withdrawn). Interests are declared before anybody may object, and nobody is admitted while an
objection is possible or open (ICSID mediation rules; WTO and ASEAN codes: duty of continuing disclosure).
"""

from __future__ import annotations

from msgspec.structs import replace

from mediation import clocks
from mediation.draft import Draft
from mediation.durations import end_of
from mediation.effects import AdmissionComplete, NomineeRemoved, RekeyDue
from mediation.move import Move
from mediation.nominations import appoint, current, eligible, stalled
from mediation.refusals import Refusal
from mediation.rules import DEFAULT_APPOINTMENT, MediationRule
from mediation.state import Clock, Consent, Mediation, Nominee, OpenObjection
from protocols.kinds import Admission, Objection, ObjectionAnswer, Waiver, Withdrawal


def _nominee(mediation: Mediation, office: str) -> Nominee | None:
    return next((nominee for nominee in mediation.nominees if nominee.office == office), None)


def _with(mediation: Mediation, changed: Nominee) -> Mediation:
    nominees = tuple(changed if nominee.office == changed.office else nominee for nominee in mediation.nominees)
    return replace(mediation, nominees=nominees)


def _window(draft: Draft, rule: MediationRule, office: str) -> Clock | None:
    return next((c for c in draft.state.clocks if c.rule == rule.objections and c.subject == office), None)


def accept(draft: Draft, move: Move) -> Refusal | None:
    """``mediator-acceptance``: the nominee takes the task."""
    found = current(draft)
    if isinstance(found, Refusal):
        return found
    _, mediation = found
    nominee = _nominee(mediation, move.office)
    if nominee is None:
        return draft.refuse("no-standing", "Your office is not a nominee in this thread.")
    if nominee.accepted:
        return draft.refuse("already-accepted", "Your office has already accepted.", "Send your declaration.")
    draft.set(mediation=_with(mediation, replace(nominee, accepted=True)))
    return None


def declare(draft: Draft, move: Move) -> Refusal | None:
    """``declaration``: interests disclosed; the window for objections opens. A nominee's further declaration opens the
    window anew, an admitted mediator's is taken note of (the parties can withdraw their consent)."""
    found = current(draft)
    if isinstance(found, Refusal):
        return found
    rule, mediation = found
    nominee = _nominee(mediation, move.office)
    if nominee is None:
        if move.office in mediation.admitted:
            return None
        return draft.refuse("no-standing", "Your office is not a nominee in this thread.")
    if not nominee.accepted:
        return draft.refuse("accept-first", "A nominee accepts before declaring interests.", "Send the acceptance.")
    again = replace(nominee, declared=True, window_over=False, waived_by=())
    draft.set(mediation=replace(_with(mediation, again), consents=()))
    clocks.met_by_rule(draft, rule.nominee_answer, move.office)
    if mediation.objection is None and all(other.declared for other in mediation.nominees if other is not nominee):
        draft.drop_options(DEFAULT_APPOINTMENT)
    window = _window(draft, rule, move.office)
    if window is None:
        clocks.start(draft, "declaration", entry=move.id, seq=move.seq, at=draft.at, subject=move.office)
    else:
        end = end_of(draft.at, draft.ladder.spans[rule.objections, ""], draft.state.scale)
        if end > window.end and window.paused is None:
            clocks.lengthen(draft, window, end)
    return None


def object_to(draft: Draft, move: Move) -> Refusal | None:
    """``objection``: flat, which removes the nominee, or on the condition of a co-mediator, which the other answers."""
    act = move.act
    assert isinstance(act, Objection)  # noqa: S101 - the form was checked
    found = current(draft)
    if isinstance(found, Refusal):
        return found
    rule, mediation = found
    nominee = _nominee(mediation, act.mediator)
    if nominee is None:
        return draft.refuse("not-nominee", "That office is not a nominee.")
    if not nominee.declared:
        return draft.refuse("not-declared", "The nominee has not declared its interests yet.", "Wait for it.")
    if nominee.window_over or move.office in nominee.waived_by:
        return draft.refuse(
            "window-closed",
            "Objections to this nominee are over.",
            "You can still refuse to admit it, or withdraw consent.",
            rule=rule.objections,
        )
    if mediation.objection is not None:
        return draft.refuse("objection-open", "An objection is already waiting for an answer.", rule=rule.objections)
    if act.co_mediator is None:
        remove(draft, act.mediator, move)
        return None
    if act.co_mediator not in eligible(draft):
        return draft.refuse(
            "not-on-roster",
            "The co-mediator must be another office of the accord's roster that has not been excluded.",
            "Choose one from the roster.",
        )
    opened = OpenObjection(move.id, move.seq, move.office, act.mediator, act.co_mediator)
    draft.set(mediation=replace(mediation, objection=opened, consents=()))
    clocks.start(
        draft,
        "objection",
        entry=move.id,
        seq=move.seq,
        at=draft.at,
        requester=move.office,
        respondent=draft.state.other_party(move.office),
        subject=act.mediator,
    )
    return None


def answer_objection(draft: Draft, move: Move) -> Refusal | None:
    """``objection-answer``: the other party agrees to the co-mediator, or the nominee makes way."""
    act = move.act
    assert isinstance(act, ObjectionAnswer)  # noqa: S101 - the form was checked
    found = current(draft)
    if isinstance(found, Refusal):
        return found
    rule, mediation = found
    objection = mediation.objection
    if objection is None or objection.entry != act.objection:
        return draft.refuse("unknown-reference", "No open objection matches this answer.")
    if objection.office == move.office:
        return draft.refuse("own-request", "An office does not answer its own objection.")
    draft.set(mediation=replace(mediation, objection=None))
    clocks.met_by_rule(draft, rule.objection_answer)
    if act.agree:
        appoint(draft, objection.co_mediator, "condition", entry=move.id, seq=move.seq)
    else:
        remove(draft, objection.mediator, move)
    return None


def waive(draft: Draft, move: Move) -> Refusal | None:
    """``waiver``: gives up further objections; a window ends early when both parties have waived it."""
    act = move.act
    assert isinstance(act, Waiver)  # noqa: S101 - the form was checked
    found = current(draft)
    if isinstance(found, Refusal):
        return found
    rule, mediation = found
    news = False
    for office in act.mediators:
        nominee = _nominee(mediation, office)
        if nominee is None:
            return draft.refuse("not-nominee", f"{office} is not a nominee.")
        if not nominee.declared:
            return draft.refuse("not-declared", f"{office} has not declared its interests yet.", "Wait for it.")
        if mediation.objection is not None and mediation.objection.mediator == office:
            return draft.refuse("objection-open", "An objection to this nominee is open.", "Answer it first.")
        if move.office in nominee.waived_by:
            continue
        news = True
        waived = (*nominee.waived_by, move.office)
        over = nominee.window_over or set(draft.state.parties) <= set(waived)
        mediation = _with(mediation, replace(nominee, waived_by=waived, window_over=over))
    if not news:
        return draft.refuse("already-waived", "Your office has already waived objections to these nominees.")
    draft.set(mediation=mediation)
    for nominee in mediation.nominees:
        if nominee.window_over:
            clocks.met_by_rule(draft, rule.objections, nominee.office)
    return None


def window_ended(draft: Draft, clock: Clock) -> None:
    """The objection window of ``clock`` ran out: nobody can object to that nominee any more."""
    rule, mediation = draft.ladder.mediation, draft.state.mediation
    if rule is None or mediation is None or clock.rule != rule.objections:
        return
    nominee = _nominee(mediation, clock.subject)
    if nominee is not None:
        draft.set(mediation=_with(mediation, replace(nominee, window_over=True)))


def admit(draft: Draft, move: Move) -> Refusal | None:
    """``admission``: one party's consent; the second in the same words lets the mediators in."""
    act = move.act
    assert isinstance(act, Admission)  # noqa: S101 - the form was checked
    found = current(draft)
    if isinstance(found, Refusal):
        return found
    rule, mediation = found
    refusal = _may_admit(draft, rule, mediation, act)
    if refusal is not None:
        return refusal
    others = tuple(consent for consent in mediation.consents if consent.office != move.office)
    if others and (others[0].mediators, others[0].scope) != (act.mediators, act.scope):
        return draft.refuse(
            "scope-differs",
            "The other party signed an admission in other words.",
            "Sign the same mediators and the same history, or ask the other party to sign anew.",
        )
    if not others:
        draft.set(mediation=replace(mediation, consents=(Consent(move.office, act.mediators, act.scope),)))
        return None
    admitted = (*mediation.admitted, *act.mediators)
    draft.set(
        mediation=replace(mediation, admitted=admitted, scope=act.scope, nominees=(), consents=(), ranking=()),
        due_adds=(*draft.state.due_adds, *act.mediators),
    )
    draft.drop_options(DEFAULT_APPOINTMENT)
    clocks.stop(draft, lambda clock: clock.rule in (rule.nominations, rule.default_appointment))
    clocks.start(draft, "mediators-admitted", entry=move.id, seq=move.seq, at=draft.at, once=True)
    draft.note(AdmissionComplete(act.mediators, act.scope, move.office))
    draft.note(RekeyDue(draft.state.due_adds, draft.state.due_removes))
    return None


def _may_admit(draft: Draft, rule: MediationRule, mediation: Mediation, act: Admission) -> Refusal | None:
    if not mediation.nominees:
        return draft.refuse("not-nominee", "There is no nominee to admit.", "Nominate first.")
    if mediation.objection is not None:
        return draft.refuse(
            "objection-open",
            "An objection is waiting for an answer.",
            "Answer it first.",
            rule=rule.objections,
            clock=next((clock for clock in draft.state.clocks if clock.rule == rule.objection_answer), None),
        )
    nominees = {nominee.office for nominee in mediation.nominees}
    if len(set(act.mediators)) != len(act.mediators) or set(act.mediators) != nominees:
        return draft.refuse(
            "not-nominees", "An admission names all chosen nominees and nobody else.", "Name exactly those."
        )
    for nominee in mediation.nominees:
        if not nominee.declared:
            return draft.refuse("not-declared", f"{nominee.office} has not declared its interests yet.", "Wait for it.")
    for nominee in mediation.nominees:
        if not nominee.window_over:
            return draft.refuse(
                "objection-window",
                f"Objections to {nominee.office} are still possible.",
                "Wait for the end of the window, or have both parties waive it.",
                rule=rule.objections,
                clock=_window(draft, rule, nominee.office),
            )
    if act.scope.from_rung is not None and act.scope.from_rung not in draft.ladder.rungs:
        return draft.refuse("unknown-rung", "The history's first rung is not a rung of this ladder.")
    return None


def withdraw(draft: Draft, move: Move) -> Refusal | None:
    """``withdrawal``: a party withdraws consent to a mediator, or a mediator withdraws itself. It takes effect at once;
    the group's keys must then be renewed without it."""
    act = move.act
    assert isinstance(act, Withdrawal)  # noqa: S101 - the form was checked
    found = current(draft)
    if isinstance(found, Refusal):
        return found
    _, mediation = found
    if not draft.is_party(move.office) and act.mediator != move.office:
        return draft.refuse("not-yours", "A mediator can withdraw only itself.")
    if _nominee(mediation, act.mediator) is None and act.mediator not in mediation.admitted:
        return draft.refuse("unknown-reference", "That office is neither a nominee nor a mediator here.")
    remove(draft, act.mediator, move)
    return None


def remove(draft: Draft, office: str, move: Move) -> None:
    """Takes a nominee or mediator out; the next by rank follows, or the parties may have one appointed or nominate anew."""
    rule, mediation = draft.ladder.mediation, draft.state.mediation
    assert rule is not None and mediation is not None  # noqa: S101 - current() looked
    was_admitted = office in mediation.admitted
    objection = mediation.objection
    if objection is not None and office in (objection.mediator, objection.co_mediator):
        objection = None
    mediation = replace(
        mediation,
        nominees=tuple(nominee for nominee in mediation.nominees if nominee.office != office),
        admitted=tuple(other for other in mediation.admitted if other != office),
        excluded=(*mediation.excluded, office),
        objection=objection,
        consents=(),
    )
    draft.set(mediation=mediation)
    clocks.stop(draft, lambda clock: clock.subject == office)
    draft.note(NomineeRemoved(office))
    if was_admitted:
        _due_out(draft, office)
    if mediation.nominees or mediation.admitted:
        return
    following = next((other for other in mediation.ranking if other in eligible(draft)), None)
    if following is not None:
        ranking = mediation.ranking[mediation.ranking.index(following) + 1 :]
        draft.set(mediation=replace(mediation, ranking=ranking))
        appoint(draft, following, "overlap", entry=move.id, seq=move.seq)
    elif clocks.mediation_is_here(draft):
        if was_admitted:
            # Everything starts anew: fresh lists, fresh clocks, without those who are out.
            draft.set(mediation=replace(mediation, nominations=(), ranking=(), opened=draft.at))
            clocks.stop(draft, lambda clock: clock.rule == rule.duration)
            first, second = draft.state.parties
            clocks.start(
                draft,
                "opening",
                rule.step,
                entry=move.id,
                seq=move.seq,
                at=draft.at,
                requester=first,
                respondent=second,
                once=True,
            )
        else:
            stalled(draft)


def _due_out(draft: Draft, office: str) -> None:
    state = draft.state
    member = any(seat.member and seat.office == office for seat in state.seats.values())
    draft.set(
        due_adds=tuple(other for other in state.due_adds if other != office),
        due_removes=(*state.due_removes, office) if member else state.due_removes,
    )
    if member:
        draft.note(RekeyDue(draft.state.due_adds, draft.state.due_removes))


def hand_over(draft: Draft, move: Move) -> Refusal | None:
    """``handover``: earlier entries opened to the admitted mediators; there must be one."""
    found = current(draft)
    if isinstance(found, Refusal):
        return found
    if not found[1].admitted:
        return draft.refuse("not-admitted", "No mediator has been admitted to hand anything to.")
    return None
