"""What is granted after a receipt is granted without one too.

A clock from receipt never starts while the receiver stays offline, so nobody may depend on it alone. Whatever its running
out (or its window) gives must also be given by a clock that starts without anybody's receipt, from the same entry or step,
and that the receipt of nobody else can meet.
"""

from __future__ import annotations

from mediation.checker.found import Found
from mediation.ladder import Ladder
from mediation.rules import OTHER, ClockRule

_WITHOUT = {"admission", "request", "opening", "acceptance"}
_OF_OTHER = frozenset({"respondent", "both"})


def without_receipt(ladder: Ladder, found: Found) -> None:
    """``receipt-blocks``: nothing gives without a receipt what a clock gives after one."""
    for clock in ladder.clocks.values():
        if clock.starts != "receipt":
            continue
        for gift in sorted(_gifts(clock)):
            step = ladder.steps.get(gift)
            if step is not None and not step.needs_option and not _moves(clock, gift):
                continue  # open without an option anyway
            if not any(_stands_in(ladder, clock, other, gift) for other in ladder.clocks.values()):
                title = step.title if step is not None else gift
                found.add(
                    "receipt-blocks",
                    found.at("clock", clock.id, "from"),
                    f"{clock.title!r} gives {title!r} only after a receipt: whoever stays offline keeps it from starting. Add "
                    "a clock from the entry itself that gives the same, and that only this receipt meets.",
                )


def _gifts(clock: ClockRule) -> set[str]:
    given = {clock.timeout.option, clock.timeout.moves} if clock.timeout is not None else set()
    return (given | ({clock.gives.step} if clock.gives is not None else set())) - {""}


def _moves(clock: ClockRule, gift: str) -> bool:
    return clock.timeout is not None and clock.timeout.moves == gift


def _stands_in(ladder: Ladder, clock: ClockRule, other: ClockRule, gift: str) -> bool:
    """Whether ``other`` gives the same where no receipt comes."""
    if other.starts not in _WITHOUT or gift not in _gifts(other) or _moves(clock, gift) != _moves(other, gift):
        return False
    step = ladder.steps.get(clock.of)
    same = {clock.of, *ladder.triggers.get(clock.of, ()), *((step.trigger,) if step is not None else ())}
    if other.of not in same - {"step-request"}:
        return False
    if "receipt" not in (*other.met_by, *other.met_by_any):
        return True
    return other.who in _OF_OTHER if clock.by == OTHER else other.who == clock.by
