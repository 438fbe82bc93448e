"""What of the past the parties agreed to show the mediators they admitted: both signed the same scope, word for word."""

from __future__ import annotations

from mediation.state import ThreadState


def covers(state: ThreadState, entry: str, seq: int) -> bool:
    """Whether the agreed scope holds the entry at ``seq``: it is named, or came with or after the entering of the rung
    from which on everything is shown. Without an admission nothing is."""
    scope = None if state.mediation is None else state.mediation.scope
    if scope is None:
        return False
    start = None if scope.from_rung is None else state.entered.get(scope.from_rung)
    return entry in scope.entries or (start is not None and seq >= start)
