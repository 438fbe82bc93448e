"""What somebody in particular owes on the clocks of a thread: this office first, until it comes, overdue included."""

from __future__ import annotations

from hotline.station.screens.clocks import bound
from hotline.station.views import DueView
from hotline.words import clock_title
from mediation import holders
from mediation.ladder import Ladder
from mediation.state import Clock, ThreadState
from mediation.words import mark

_A_SIDE = ("requester", "respondent")


def due(ladder: Ladder, state: ThreadState, office: str) -> tuple[DueView, ...]:
    """What ``office`` owes, then what others owe, each by its end. What both parties owe together is on neither alone; of a
    closed incident nothing is owed any more."""
    if state.rung == ladder.closed:
        return ()
    running = [clock for clock in state.clocks if clock.paused is None]
    late = [clock for clock in state.expired if not clock.answered and _can_come_late(ladder, clock)]
    found = []
    for clock in (*running, *late):
        debtors = _debtors(ladder, state, clock)
        if not debtors:
            continue
        rule = ladder.clocks[clock.rule]
        found.append(
            DueView(
                id=clock.id,
                title=clock_title(ladder, clock),
                on=bound(ladder, state, clock),
                ours=office in debtors,
                end=clock.end,
                mark=mark(rule),
            )
        )
    return tuple(sorted(found, key=lambda each: (not each.ours, each.end, each.id)))


def _debtors(ladder: Ladder, state: ThreadState, clock: Clock) -> tuple[str, ...]:
    rule = ladder.clocks.get(clock.rule)
    if rule is None or rule.kind != "reply-by" or rule.who == "both":
        return ()
    if rule.timeout is not None and rule.timeout.moves:
        return ()  # silence lets the step happen: some may stop it, nobody must
    if rule.who in _A_SIDE and not getattr(clock, rule.who):
        return ()
    return holders.of(state, rule.who, clock)


def _can_come_late(ladder: Ladder, clock: Clock) -> bool:
    """Whether anything still answers a clock that ran out: of a nominee who stayed silent nothing is awaited."""
    rule = ladder.clocks.get(clock.rule)
    return rule is not None and bool(rule.met_by or rule.met_by_any or rule.met_by_steps)
