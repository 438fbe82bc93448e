"""Whether anything keeps a step shut for everybody: a standstill first, which is the weightier reason, then a suspension."""

from __future__ import annotations

from mediation import standstill, suspension
from mediation.draft import Draft
from mediation.refusals import Refusal
from mediation.rules import StepRule


def forbids_step(draft: Draft, step: StepRule) -> Refusal | None:
    """The refusal, or None where the way is free."""
    return standstill.forbids_step(draft, step) or suspension.forbids_step(draft, step)
