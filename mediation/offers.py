"""What an office may do now: the ladder panel of the desk.

Every offer is tried with the very `step` that will judge the real message, on an example act made from the state
(accept this request, answer those questions, lengthen that clock). So the panel and the fold cannot disagree, and a
closed door comes with the same words as the refusal would.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from mediation.appointing import chooses
from mediation.draft import Draft
from mediation.durations import HOUR
from mediation.fold import advance, step
from mediation.ladder import Ladder
from mediation.move import Move
from mediation.nominations import eligible
from mediation.refusals import Refusal
from mediation.rules import StepRule
from mediation.state import Request, ThreadState
from protocols.kinds import (
    KINDS,
    About,
    Act,
    Admission,
    Answer,
    AnswerState,
    Appointment,
    Ask,
    Author,
    Breach,
    CarveOut,
    DisclosureConsent,
    DisclosureNotice,
    Empty,
    Extension,
    Finding,
    Nominate,
    Objection,
    ObjectionAnswer,
    Portion,
    Proposal,
    ProposalAnswer,
    Scope,
    Step,
    StepAnswer,
    Supersede,
    Verdict,
    Waiver,
    Withdrawal,
)

NOTHING = "A" * 43
"""Stands where an example act would name an entry and the thread has none that fits."""


class Offer(msgspec.Struct, frozen=True):
    """One thing an office could do. ``step`` for step kinds, ``subject`` the clock, request or office it is about, or
    empty. ``act`` is the example that was tried. ``refusal`` says why not, with rule and until."""

    kind: str
    step: str | None
    subject: str
    act: Act
    allowed: bool
    refusal: Refusal | None = None


def allowed(
    ladder: Ladder,
    state: ThreadState,
    office: str,
    at: int,
    two_person: bool = True,
    kinds: frozenset[str] | None = None,
) -> tuple[Offer, ...]:
    """Every kind an officer of ``office`` can write and every step, with whether it is open at ``at`` (ms UTC) and, if
    not, the refusal. ``two_person``: whether a second officer is there to release it. ``kinds``: only these. Catalogue
    order."""
    now = advance(ladder, state, at)
    return tuple(
        _try(ladder, now, office, max(at, state.at), two_person, kind, step_name, subject, act)
        for kind, step_name, subject, act in _candidates(ladder, now, office)
        if kinds is None or kind in kinds
    )


def example_move(state: ThreadState, office: str, kind: str, act: Act, *, two_person: bool = True) -> Move:
    """The next entry as ``office`` would send it now, from a station it has (an unknown one if it has none here)."""
    mine = {station: seat for station, seat in state.seats.items() if seat.office == office}
    station = next((name for name, seat in sorted(mine.items()) if seat.member), next(iter(sorted(mine)), NOTHING))
    return Move(
        id="example".ljust(43, "-"),
        seq=state.seq + 1,
        kind=kind,
        office=office,
        station=station,
        serial=(mine[station].serial if station in mine else 0) + 1,
        prev_seq=state.seq,
        act=act,
        officers=("drafter", "releaser") if two_person else ("drafter",),
        two_person=two_person,
        epoch=state.epoch if KINDS[kind].fields and station in state.roster else None,
    )


def _try(
    ladder: Ladder,
    state: ThreadState,
    office: str,
    at: int,
    two_person: bool,
    kind: str,
    step_name: str | None,
    subject: str,
    act: Act,
) -> Offer:
    outcome = step(ladder, state, example_move(state, office, kind, act, two_person=two_person), at)
    refusal = outcome if isinstance(outcome, Refusal) else None
    return Offer(kind, step_name, subject, act, refusal is None, refusal)


def _candidates(ladder: Ladder, state: ThreadState, office: str) -> Iterator[tuple[str, str | None, str, Act]]:
    for name, kind in KINDS.items():
        if kind.author is not Author.OFFICER or (name not in ladder.kinds and not kind.always):
            continue
        match name:
            case "step-request":
                for found in ladder.steps.values():
                    if found.trigger == "step-request":
                        yield name, found.id, "", Step(found.id, _newest(state, found))
            case "step-accept" | "step-decline" | "second" | "block":
                waiting = [asked for asked in state.requests if _answerable(ladder, name, asked)]
                for asked in waiting:
                    yield name, asked.step, asked.entry, StepAnswer(asked.entry, asked.step)
                if not waiting:
                    yield name, None, "", StepAnswer(NOTHING, "none")
            case "default-appointment":
                yield from ((name, None, *found) for found in _appointments(ladder, state, office))
            case "extension":
                for clock in state.clocks:
                    yield name, None, clock.id, Extension(clock.id, _agreed_end(state, clock.id, clock.end))
                if not state.clocks:
                    yield name, None, "", Extension("none", 0)
            case "clarification-answer":
                others = [asked for asked in state.asked if asked.office != office and "later" in asked.answers]
                for asked_ in others:
                    later: AnswerState = "later"
                    yield name, None, asked_.entry, Answer(asked_.entry, (later,) * len(asked_.answers))
                if not others:
                    yield name, None, "", Answer(NOTHING, ("later",))
            case "disclosure-consent":
                open_ = [found.entry for found in state.notices if found.office != office and not found.answer]
                for entry in open_:
                    yield name, None, entry, DisclosureConsent(entry, agree=False)
                if not open_:
                    yield name, None, "", DisclosureConsent(NOTHING, agree=False)
            case _:
                yield name, None, *_example(name, state, office)


def _appointments(ladder: Ladder, state: ThreadState, office: str) -> Iterator[tuple[str, Appointment]]:
    """Each office that a body may choose to appoint; one act without a name where the roster's order decides."""
    draft = Draft(ladder, state, state.at)
    named = eligible(draft) if chooses(draft, office) else ()
    yield from ((mediator, Appointment(mediator)) for mediator in named)
    if not named:
        yield "", Appointment()


def _newest(state: ThreadState, step: StepRule) -> tuple[str, ...]:
    """The newest entry of each kind that the step rests on, as far as there is one."""
    return tuple(dict.fromkeys(state.evidence[kind][-1] for kind in step.evidence if state.evidence.get(kind)))


def _answerable(ladder: Ladder, kind: str, asked: Request) -> bool:
    """Whether an answer of that kind makes sense for the request at all."""
    step = ladder.steps[asked.step]
    match kind:
        case "second":
            return step.seconded_by is not None
        case "block":
            return step.blocked_by is not None
    return True


def _agreed_end(state: ThreadState, clock: str, end: int) -> int:
    """The end another office has already proposed, else an hour more."""
    return next((found.until for found in state.extensions if found.clock == clock), end + HOUR)


def _example(kind: str, state: ThreadState, office: str) -> tuple[str, Act]:
    """The subject and the act of a kind that has one natural example."""
    mediation = state.mediation
    nominees = tuple(nominee.office for nominee in mediation.nominees) if mediation is not None else ()
    others = tuple(nominee for nominee in nominees if nominee != office)
    text, act_type = state.text, KINDS[kind].act
    if act_type is Empty:
        return "", Empty()
    if issubclass(act_type, About):
        return "", act_type(state.clocks[-1].entry if state.clocks else NOTHING)
    if act_type is ProposalAnswer:
        return (text.entry, ProposalAnswer(text.entry, text.version)) if text else ("", ProposalAnswer(NOTHING, 1))
    if act_type is Admission:
        return _admission(state, nominees)
    if act_type is Withdrawal:
        named = next(iter((*state.admitted, *nominees)), office)
        mine = office if office in (*state.admitted, *nominees) else named
        return mine, Withdrawal(mine)
    if act_type is Objection:
        declared = [n.office for n in mediation.nominees if n.declared] if mediation is not None else []
        named = next(iter([*declared, *others]), office)
        return named, Objection(named)
    if act_type is ObjectionAnswer:
        entry = mediation.objection.entry if mediation is not None and mediation.objection is not None else NOTHING
        return ("" if entry == NOTHING else entry), ObjectionAnswer(entry, agree=True)
    if act_type is Finding:
        mine_ = next((found.entry for found in reversed(state.reports) if found.verifier == office), NOTHING)
        return ("" if mine_ == NOTHING else mine_), Finding(mine_, "undetermined")
    simple: dict[type[Act], Act] = {
        Ask: Ask(1),
        Supersede: Supersede(),
        Verdict: Verdict(NOTHING, "unknown"),
        CarveOut: CarveOut("protect-life"),
        Breach: Breach(),
        Nominate: Nominate(NOTHING),
        Waiver: Waiver(nominees or (office,)),
        Proposal: Proposal((text.version if text else 0) + 1),
        DisclosureNotice: DisclosureNotice("court", (Portion(1, ("text",)),)),
    }
    return "", simple[act_type]


def _admission(state: ThreadState, nominees: tuple[str, ...]) -> tuple[str, Act]:
    mediation = state.mediation
    if mediation is not None and mediation.consents:
        consent = mediation.consents[0]
        return "", Admission(consent.mediators, consent.scope)
    return "", Admission(nominees or ("NONE",), Scope())
