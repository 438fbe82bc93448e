"""The clocks of a thread as the desk shows them."""

from __future__ import annotations

from hotline.station.views import ClockView
from hotline.words import clock_title, step_title
from mediation import holders
from mediation.awaited import receivers, rules
from mediation.ladder import Ladder
from mediation.state import Awaiting, Clock, ThreadState
from mediation.words import entitled, mark, role
from protocols.kinds import KINDS


def clocks(ladder: Ladder, state: ThreadState) -> tuple[ClockView, ...]:
    """Those that run, by their end; those that ran out, answered since or not; those that wait for a receipt."""
    found = [_clock(ladder, state, clock, "running") for clock in sorted(state.clocks, key=lambda clock: clock.end)]
    found += [_clock(ladder, state, clock, "answered late" if clock.answered else "ran out") for clock in state.expired]
    for awaiting in state.awaiting:
        for rule in rules(ladder, awaiting):
            definition = ladder.clocks[rule]
            found.append(
                ClockView(
                    id=f"{rule}/{awaiting.seq}",
                    title=definition.title,
                    kind=definition.kind,
                    on=_receiver(ladder, state, awaiting),
                    start=None,
                    end=None,
                    state="waiting for receipt",
                    then=then_words(ladder, rule),
                    standstill=False,
                    extendable=False,
                    mark=mark(definition),
                )
            )
    return tuple(found)


def _receiver(ladder: Ladder, state: ThreadState, awaiting: Awaiting) -> str:
    """Whose receipt is awaited: an office, or the title of the role."""
    if awaiting.by in ladder.roles:
        return ladder.roles[awaiting.by].title
    found = receivers(state, awaiting)
    return found[0] if len(found) == 1 else "the other side"


def _clock(ladder: Ladder, state: ThreadState, clock: Clock, words: str) -> ClockView:
    definition = ladder.clocks.get(clock.rule)
    return ClockView(
        id=clock.id,
        title=clock_title(ladder, clock),
        kind="" if definition is None else definition.kind,
        on=bound(ladder, state, clock),
        start=clock.start,
        end=clock.end,
        state=_run(clock) if words == "running" else words,
        then=then_words(ladder, clock.rule),
        standstill=clock.rule in ladder.standstill_clocks,
        extendable=words == "running" and definition is not None and definition.extend != "nobody",
        mark="" if definition is None else mark(definition),
        opens=clock.opens if words == "running" and not clock.open else None,
    )


def bound(ladder: Ladder, state: ThreadState, clock: Clock) -> str:
    """Whom a clock is about: an office, the title of the role that must act, or "both" parties."""
    definition = ladder.clocks.get(clock.rule)
    if definition is not None and definition.who in ladder.roles:
        return ladder.roles[definition.who].title
    silence = definition is not None and definition.timeout is not None and definition.timeout.moves
    step = ladder.steps.get(silence) if silence else None
    if step is not None and step.blocked_by is not None:
        # It runs against those who may block; the other party owes nothing.
        return role(ladder, step.blocked_by.role)
    if definition is None:
        return clock.respondent or clock.subject or "both"
    # Its sides say who asked for it. Whom it binds is the ladder's word: a standstill that one side asked for binds both.
    found = holders.of(state, definition.who, clock)
    if len(found) == 1:
        return found[0]
    return "both" if set(found) == set(state.parties) else role(ladder, definition.who)


def _run(clock: Clock) -> str:
    """Whether a clock that has not run out counts down."""
    if clock.paused is not None:
        return "paused"
    if clock.open:
        return "open"
    return "running" if clock.opens is None else "opens later"


def then_words(ladder: Ladder, rule: str) -> str:
    """What the end of a clock brings; of a window, what it gives while it is open."""
    definition = ladder.clocks.get(rule)
    if definition is not None and definition.kind == "second-by":
        return "the request lapses if too few have seconded it"
    if definition is not None and definition.gives is not None:
        gives = definition.gives
        return f"while it is open, “{step_title(ladder, gives.step)}” is open to {entitled(ladder, gives.to)}"
    if definition is None or definition.timeout is None:
        return "ends; nothing moves by itself"
    if definition.timeout.moves:
        return f"takes the step “{step_title(ladder, definition.timeout.moves)}”"
    option = definition.timeout.option
    words = KINDS[option].title if option in KINDS else step_title(ladder, option)
    return f"opens “{words}” to {entitled(ladder, definition.timeout.to)}; nothing moves by itself"
