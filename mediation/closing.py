"""Closing, and reports about breaches with what a verifier finds.

A thread closes when both parties sign; a mediator's signature is advice. A running standstill outlasts the closing,
because nobody can shorten it. A breach report stops nothing and starts nothing: monitoring (is it kept), verification
(is the report true) and investigation (who did it) are different jobs.
"""

from __future__ import annotations

from msgspec.structs import replace

from mediation import clocks, standstill, steps, suspension
from mediation.draft import Draft
from mediation.effects import Closed, CloseSigned, FindingMade, Invited
from mediation.move import Move
from mediation.refusals import Refusal
from mediation.state import Report
from protocols.kinds import Breach, CarveOut, Finding

REPORTS_KEPT = 16


def close(draft: Draft, move: Move) -> Refusal | None:
    """``close``: a party signs the closing, or a mediator recommends it."""
    state = draft.state
    if not draft.is_party(move.office):
        if move.office not in state.recommended:
            draft.set(recommended=(*state.recommended, move.office))
        draft.note(CloseSigned(move.office, recommendation=True))
        return None
    if move.office in state.closes:
        return draft.refuse("already-closing", "Your office has already signed the closing.", "Wait for the other.")
    draft.set(closes=(*state.closes, move.office))
    draft.note(CloseSigned(move.office, recommendation=False))
    if set(draft.state.closes) >= set(state.parties):
        clocks.stop(draft, lambda clock: True)
        suspension.lift(draft)
        steps.enter(draft, draft.ladder.closed, move.seq, draft.at)
        draft.set(closed_at=draft.at, options=(), requests=(), awaiting=())
        draft.note(Closed())
        clocks.start(draft, "close", entry=move.id, seq=move.seq, at=draft.at)
    return None


def breach_report(draft: Draft, move: Move) -> Refusal | None:
    """``breach-report``: recorded; the office named to verify it is invited and may send a finding."""
    act = move.act
    assert isinstance(act, Breach)  # noqa: S101 - the form was checked
    state = draft.state
    if act.verifier is not None and act.verifier not in {
        office.id for office in state.offices if office.role != "party" and office.id not in state.parties
    }:
        return draft.refuse(
            "unknown-office", "The verifier must be a monitor or mediator of the accord.", "Choose one, or name none."
        )
    draft.set(reports=(*state.reports, Report(move.id, move.seq, move.office, act.verifier or ""))[-REPORTS_KEPT:])
    if act.verifier is not None:
        draft.note(Invited(act.verifier, "verifier"))
    return None


def finding(draft: Draft, move: Move) -> Refusal | None:
    """``finding``: by the office that was asked, about the report it was asked about; never moves a standstill."""
    act = move.act
    assert isinstance(act, Finding)  # noqa: S101 - the form was checked
    report = next((found for found in draft.state.reports if found.entry == act.entry), None)
    if report is None or report.verifier != move.office:
        return draft.refuse("unknown-reference", "Your office was not asked to verify that report.")
    draft.set(
        reports=tuple(
            replace(found, finding=act.finding) if found.entry == act.entry else found for found in draft.state.reports
        )
    )
    draft.note(FindingMade(act.entry, move.office, act.finding))
    return None


def carve_out(draft: Draft, move: Move) -> Refusal | None:
    """``carve-out-notice``: announces an act that the standstill permits, on one of its agreed grounds."""
    act = move.act
    assert isinstance(act, CarveOut)  # noqa: S101 - the form was checked
    return standstill.forbids_ground(draft, act.ground)
