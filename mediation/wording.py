"""Small phrases that several refusals share."""

from __future__ import annotations

from mediation.draft import Draft


def title_of(draft: Draft, rung: str) -> str:
    """The rung's title as people know it."""
    found = draft.ladder.rungs.get(rung)
    return found.title if found is not None else rung
