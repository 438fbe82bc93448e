"""The state a screen shows."""

from __future__ import annotations

from hotline.station.core import Core
from hotline.station.model import Thread
from mediation.fold import advance
from mediation.state import ThreadState


def shown_state(core: Core, thread: Thread) -> ThreadState | None:
    """The state as time has moved it up to now: a clock is over when it is over, not when the hub says so."""
    if thread.state is None or thread.ladder is None:
        return thread.state
    return advance(thread.ladder, thread.state, core.now())
