"""Evidence: a step may have to rest on entries of certain kinds, sent earlier in the thread and named in its request."""

from __future__ import annotations

from mediation.draft import Draft
from mediation.move import Move
from mediation.refusals import Refusal
from mediation.rules import StepRule
from protocols.kinds import KINDS, Step

KEPT = 8
"""Newest entries kept of each kind that some step asks for."""


def lacks(draft: Draft, step: StepRule, act: Step) -> Refusal | None:
    """Refuses a request that names no entry of a kind the step asks for."""
    for kind in step.evidence:
        if not set(draft.state.evidence.get(kind, ())) & set(act.evidence):
            return draft.refuse(
                "evidence",
                f"The step {step.title!r} rests on a message of the kind {KINDS[kind].title!r}, and the request names "
                "none of this thread.",
                f"Name one of the newest {KEPT} of that kind; send one first where there is none.",
                rule=step.id,
            )
    return None


def book(draft: Draft, move: Move) -> None:
    """Remembers an entry of a kind that some step asks for."""
    if move.kind in draft.ladder.asked_kinds:
        found = (*draft.state.evidence.get(move.kind, ()), move.id)[-KEPT:]
        draft.set(evidence={**draft.state.evidence, move.kind: found})
