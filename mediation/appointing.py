"""Appointing a mediator where the parties do not: by either of them, or by a body that the ladder names.

Either party may have the first office of the roster appointed, or somebody who is no party does it for them, from outside
the group: the Secretary-General (ICSID mediation rule 13; UNCLOS annex V art. 3), a mediation board (RLA section 5). The
body either takes the first office without objection, as a party would, or chooses among all of these; the ladder says
which. No party can do it in the body's place, unless a clock gives it the option when the body stays silent.
"""

from __future__ import annotations

from msgspec.structs import replace

from mediation import clocks, holders
from mediation.draft import Draft
from mediation.move import Move
from mediation.nominations import appoint, current, eligible
from mediation.refusals import Refusal
from mediation.rules import DEFAULT_APPOINTMENT, MediationRule
from protocols.kinds import Appointment

DUE = ("appointment-due", "")
"""The event from which a ladder may run a clock for the body: it may appoint from now on."""


def appoint_by_default(draft: Draft, move: Move) -> Refusal | None:
    """``default-appointment``: an office of the roster without objection, under an option.

    Nominees who let their time pass, and one under an objection that nobody answered in time, make way.
    """
    act = move.act
    assert isinstance(act, Appointment)  # noqa: S101 - the form was checked
    found = current(draft)
    if isinstance(found, Refusal):
        return found
    rule, mediation = found
    if not draft.has_option(DEFAULT_APPOINTMENT, move.office):
        return _not_open(draft, rule)
    timed = {clock.subject for clock in draft.state.clocks if clock.rule == rule.nominee_answer}
    silent = {nominee.office for nominee in mediation.nominees if not nominee.declared and nominee.office not in timed}
    objection = mediation.objection
    if objection is not None and not any(clock.rule == rule.objection_answer for clock in draft.state.clocks):
        silent.add(objection.mediator)
        objection = None
    draft.set(
        mediation=replace(
            mediation,
            nominees=tuple(nominee for nominee in mediation.nominees if nominee.office not in silent),
            excluded=(*mediation.excluded, *sorted(silent)),
            objection=objection,
            nominations=(),
            ranking=(),
        )
    )
    clocks.stop(draft, lambda clock: clock.subject in silent and clock.subject != "")
    chosen = _chosen(draft, rule, move.office, act.mediator)
    if isinstance(chosen, Refusal):
        return chosen
    clocks.stop(draft, lambda clock: clock.rule in (rule.nominations, rule.default_appointment))
    for name in draft.ladder.starting.get(DUE, ()):
        clocks.met_by_rule(draft, name)
    appoint(draft, chosen, "default" if draft.is_party(move.office) else "body", entry=move.id, seq=move.seq)
    return None


def _not_open(draft: Draft, rule: MediationRule) -> Refusal:
    """Why this office may not appoint now: it is the body's, or nobody's yet."""
    granting = draft.ladder.granted_by.get(DEFAULT_APPOINTMENT, ())
    waiting = [clock for clock in draft.state.clocks if clock.rule in granting]
    happened = "A default appointment is open only when a side has let its time pass."
    todo = "Wait for the clock, or nominate."
    if holders.may_appoint(draft):
        happened = (
            f"The appointment is for the {draft.ladder.roles[rule.appointed_by].title} to make, not for your office."
        )
        todo = "Wait for it, or agree on a mediator with the other party."
    return draft.refuse(
        "no-option",
        happened,
        todo,
        rule=rule.default_appointment,
        clock=min(waiting, key=lambda clock: clock.end) if waiting else None,
    )


def _chosen(draft: Draft, rule: MediationRule, office: str, named: str | None) -> str | Refusal:
    """Whom the entry appoints: the roster's first, or whom the body named where the ladder lets it choose."""
    candidates = eligible(draft)
    if not candidates:
        return draft.refuse(
            "roster-exhausted",
            "No office of the roster is left to appoint.",
            "Other steps of the ladder stay open; the accord's offices may agree on a longer roster.",
        )
    if chooses(draft, office):
        if named is None:
            return draft.refuse("name-one", "Your office appoints whom it chooses.", "Name an office of the roster.")
        if named not in candidates:
            return draft.refuse(
                "not-on-roster",
                f"{named} cannot be appointed here: it is not on the roster, is excluded, or is chosen already.",
                "Name another office of the roster.",
            )
        return named
    if named not in (None, candidates[0]):
        return draft.refuse(
            "not-first",
            f"This ladder has the roster's first office without objection appointed, which is {candidates[0]}.",
            "Send the appointment without naming another.",
            rule=rule.default_appointment,
        )
    return candidates[0]


def chooses(draft: Draft, office: str) -> bool:
    """Whether ``office`` is the body that may appoint any office of the roster that can be."""
    rule = draft.ladder.mediation
    body = rule is not None and office in draft.state.holders.get(rule.appointed_by, ())
    return rule is not None and rule.appoints == "any" and body and not draft.is_party(office)


def follow(draft: Draft, at: int, *, entry: str, seq: int) -> None:
    """Runs the ladder's clocks for the body while it may appoint: from ``at`` (ms UTC) where it may since then."""
    due = draft.ladder.starting.get(DUE, ())
    if not due:
        return
    held = holders.may_appoint(draft)
    if not held:
        clocks.stop(draft, lambda clock: clock.rule in due)
    elif any(option.since == at for option in held):
        clocks.start(draft, *DUE, entry=entry, seq=seq, at=at, once=True)
