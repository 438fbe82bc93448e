"""Seconding and blocking: other states lend a request the weight it needs, or take it away.

Twelve other states must second an emergency meeting (Berlin Mechanism 1991, within 48 hours), nine a mission (Moscow
Mechanism); three quarters of a council's members may stop a challenge inspection, and their silence lets it go ahead
(CWC art. IX.17).
"""

from __future__ import annotations

from msgspec.structs import replace

from mediation import passage, requests
from mediation.draft import Draft
from mediation.effects import Blocked, Seconded, StepBlocked
from mediation.move import Move
from mediation.refusals import Refusal
from mediation.rules import Quorum
from mediation.state import Request
from mediation.steps import take
from protocols.kinds import StepAnswer


def second(draft: Draft, move: Move) -> Refusal | None:
    """``second``: one office's support; with the last one needed, and the consent where some is, the step is taken."""
    act = move.act
    assert isinstance(act, StepAnswer)  # noqa: S101 - the form was checked
    asked = requests.find(draft, act)
    if isinstance(asked, Refusal):
        return asked
    step = draft.ladder.steps[asked.step]
    rule = step.seconded_by
    if rule is None:
        return draft.refuse("no-seconds", "This request needs no seconds.", rule=step.id)
    refusal = _voice(draft, move, asked, rule, asked.seconds) or passage.forbids_step(draft, step)
    if refusal is not None:
        return refusal
    seconds, need = (*asked.seconds, move.office), requests.quorum(draft, rule)
    draft.note(Seconded(step.id, move.office, asked.entry, len(seconds), need))
    if len(seconds) >= need and (step.consent == "none" or asked.accepted):
        take(draft, step, entry=move.id, seq=move.seq, at=draft.at, office=asked.office, accepted=asked.accepted)
        return None
    requests.change(draft, replace(asked, seconds=seconds))
    return None


def block(draft: Draft, move: Move) -> Refusal | None:
    """``block``: one office's objection; with the last one needed the request falls and its clock stops."""
    act = move.act
    assert isinstance(act, StepAnswer)  # noqa: S101 - the form was checked
    asked = requests.find(draft, act)
    if isinstance(asked, Refusal):
        return asked
    step = draft.ladder.steps[asked.step]
    rule = step.blocked_by
    if rule is None:
        return draft.refuse("no-blocking", "This request cannot be blocked.", rule=step.id)
    refusal = _voice(draft, move, asked, rule, asked.blocks)
    if refusal is not None:
        return refusal
    blocks, need = (*asked.blocks, move.office), requests.quorum(draft, rule)
    draft.note(Blocked(step.id, move.office, asked.entry, len(blocks), need))
    if len(blocks) < need:
        requests.change(draft, replace(asked, blocks=blocks))
        return None
    requests.drop(draft, lambda other: other.entry == asked.entry)
    draft.note(StepBlocked(step.id, asked.entry))
    return None


def _voice(draft: Draft, move: Move, asked: Request, rule: Quorum, before: tuple[str, ...]) -> Refusal | None:
    """Whether this office may raise its voice on the request, and has not yet."""
    if move.office not in draft.state.holders.get(rule.role, ()):
        title = draft.ladder.roles[rule.role].title if rule.role in draft.ladder.roles else rule.role
        return draft.refuse("not-yours", f"That is for the role {title!r}, which your office does not hold here.",
                            rule=asked.step)  # fmt: skip
    if asked.office == move.office:
        return draft.refuse("own-request", "An office has no say on its own request.", "Wait for the others.")
    if move.office in before:
        return draft.refuse("already-said", "Your office has already said so about this request.", rule=asked.step)
    return None
