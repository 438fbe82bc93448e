"""What the ladder wants two people for is drafted by one and released by another, each time anew.

A drafter signs what stood before them (``prev_seq``). Once their office has released an entry of that kind (and step),
every draft made before it is spent: otherwise a releaser alone could send an old draft again, and two people would
have decided once for any number of times.
"""

from __future__ import annotations

from mediation.draft import Draft
from mediation.move import Move
from mediation.refusals import Refusal
from protocols.kinds import KINDS, Step


def check(draft: Draft, move: Move) -> Refusal | None:
    """Whether the kind needs two people and had one, or kind or step had a draft that is spent. (`mediation.steps` says
    whether a step needs two.)"""
    rule = draft.ladder.kinds.get(move.kind)
    if rule is not None and rule.two_person and not move.two_person:
        return draft.refuse(
            "two-person",
            f"A message of the kind {KINDS[move.kind].title!r} needs two people.",
            "Have a second officer release the draft.",
            rule=f"kinds/{move.kind}",
        )
    if _needs_two(draft, move) and move.prev_seq < draft.state.released.get(_matter(move), 0):
        return draft.refuse(
            "draft-spent",
            "Your office has released this very draft, or another of its kind since this one was made.",
            "Draft it anew if it is still meant.",
        )
    return None


def book(draft: Draft, move: Move) -> None:
    """Remembers where an office last released a draft on a matter."""
    if _needs_two(draft, move):
        draft.set(released={**draft.state.released, _matter(move): move.seq})


def _needs_two(draft: Draft, move: Move) -> bool:
    rule = draft.ladder.kinds.get(move.kind)
    if rule is not None and rule.two_person:
        return True
    step = draft.ladder.steps.get(move.act.step) if isinstance(move.act, Step) else None
    return step is not None and step.two_person


def _matter(move: Move) -> str:
    """What a draft is about. Few: offices times kinds, and for steps the ladder's steps."""
    step = f"/{move.act.step}" if isinstance(move.act, Step) else ""
    return f"{move.office}/{move.kind}{step}"
