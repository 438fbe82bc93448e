"""Whether an entry needs a drafter and a releaser."""

from __future__ import annotations

from mediation.ladder import Ladder


def needs_two(ladder: Ladder | None, kind: str, step: str | None) -> bool:
    """Whether the ladder wants a drafter and a releaser."""
    if ladder is None:
        return False
    rule = ladder.kinds.get(kind)
    if rule is not None and rule.two_person:
        return True
    found = ladder.steps.get(step or "")
    return kind == "step-request" and found is not None and found.two_person
