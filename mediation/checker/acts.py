"""The readable part of an entry as somebody would plausibly write it now."""

from __future__ import annotations

from mediation.offers import NOTHING
from mediation.state import ThreadState
from protocols.kinds import (
    KINDS,
    About,
    Act,
    Answer,
    AnswerState,
    Ask,
    Breach,
    CarveOut,
    DisclosureConsent,
    DisclosureNotice,
    Empty,
    Finding,
    Portion,
    StepAnswer,
    Supersede,
    Verdict,
    Withdrawal,
)


def example(kind: str, state: ThreadState, office: str) -> Act | None:
    """An act of ``kind`` that ``office`` could mean, or None where this state gives it nothing to refer to."""
    match KINDS[kind].act:
        case wanted if wanted is Empty:
            return Empty()
        case wanted if issubclass(wanted, About):
            return wanted(next((clock.entry for clock in state.clocks if clock.requester != office), NOTHING))
        case wanted if wanted is Supersede:
            return Supersede()
        case wanted if wanted is Ask:
            return Ask(1)
        case wanted if wanted is Answer:
            asked = next((found for found in state.asked if found.office != office), None)
            done: AnswerState = "answered"
            return Answer(asked.entry, (done,) * len(asked.answers)) if asked is not None else None
        case wanted if wanted is Verdict:
            return Verdict(NOTHING, "unknown")
        case wanted if wanted is Breach:
            return Breach(next(found.id for found in state.offices if found.role == "monitor"))
        case wanted if wanted is Finding:
            report = next((found for found in state.reports if found.verifier == office), None)
            return Finding(report.entry, "undetermined") if report is not None else None
        case wanted if wanted is CarveOut:
            return CarveOut("protect-life")
        case wanted if wanted is StepAnswer:
            asked_ = next(iter(state.requests), None)
            return StepAnswer(asked_.entry, asked_.step) if asked_ is not None else None
        case wanted if wanted is Withdrawal:
            nominees = state.mediation.nominees if state.mediation is not None else ()
            named = next(iter((*state.admitted, *(nominee.office for nominee in nominees))), None)
            return Withdrawal(named) if named is not None else None
        case wanted if wanted is DisclosureNotice:
            return DisclosureNotice("court", (Portion(1, ("text",)),))
        case wanted if wanted is DisclosureConsent:
            notice = next((found for found in state.notices if found.office != office and not found.answer), None)
            return DisclosureConsent(notice.entry, agree=False) if notice is not None else None
        case _:
            return None


def anything(kind: str, state: ThreadState, office: str) -> Act:
    """An act of a kind that must always pass, referring to nothing if need be."""
    fitting = example(kind, state, office)
    if fitting is not None:
        return fitting
    later: AnswerState = "later"
    plain: dict[type[Act], Act] = {
        Answer: Answer(NOTHING, (later,)),
        StepAnswer: StepAnswer(NOTHING, "none"),
        Withdrawal: Withdrawal(state.mediators[0]),
        DisclosureConsent: DisclosureConsent(NOTHING, agree=False),
    }
    return plain[KINDS[kind].act]
