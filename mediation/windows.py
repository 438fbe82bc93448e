"""Windows: a step that is an option from the moment the window opens until it closes, and neither before nor after."""

from __future__ import annotations

from msgspec.structs import replace

from mediation import holders
from mediation.draft import Draft
from mediation.effects import WindowOpened
from mediation.state import Clock


def opened(draft: Draft, clock: Clock) -> None:
    """The window opens now."""
    now = replace(clock, open=True)
    draft.set(clocks=tuple(now if other.id == clock.id else other for other in draft.state.clocks))
    draft.note(WindowOpened(now))
    give(draft, now)


def give(draft: Draft, clock: Clock) -> None:
    """Gives the option of an open window, where it can be taken from the present rung."""
    gives = draft.ladder.clocks[clock.rule].gives
    if gives is None or draft.state.rung not in draft.ladder.steps[gives.step].start:
        return
    since = clock.start if clock.opens is None else clock.opens
    for office in holders.of(draft.state, gives.to, clock):
        draft.add_option(gives.step, office, since, clock.id, window=True)
    holders.invite_callable(draft)


def refresh(draft: Draft) -> None:
    """After a step: what open windows give from the rung on which the thread stands now."""
    for clock in draft.state.clocks:
        if clock.open:
            give(draft, clock)
