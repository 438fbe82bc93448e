"""What is granted after a receipt is granted without one too.

A clock from receipt never starts while the receiver stays offline, so nobody may depend on it alone. Whatever its running
out (or its window) gives must also be given, by that step or another to the same rung, by a clock that starts without
anybody's receipt, from the same entry or step, and that the receipt of nobody else can meet.
"""

from __future__ import annotations

from mediation.checker.found import Found
from mediation.ladder import Ladder
from mediation.rules import OTHER, ClockRule

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
                    "a clock from the entry itself that gives as much, and that only this receipt meets.",
                )


def _gifts(clock: ClockRule) -> set[str]:
    given = {clock.timeout.option, clock.timeout.moves} if clock.timeout is not None else set()
    return (given | ({clock.gives.step} if clock.gives is not None else set())) - {""}


def _moves(clock: ClockRule, gift: str) -> bool:
    return clock.timeout is not None and clock.timeout.moves == gift


def _as_good(ladder: Ladder, clock: ClockRule, gift: str, other: ClockRule, found: str) -> bool:
    """Whether what ``other`` gives is the same, or another step to the same rung: a chair may convene whom a party cannot."""
    one, two = ladder.steps.get(gift), ladder.steps.get(found)
    same_rung = one is not None and two is not None and bool(one.to) and one.to == two.to
    return (gift == found or same_rung) and _moves(clock, gift) == _moves(other, found)


def _stands_in(ladder: Ladder, clock: ClockRule, other: ClockRule, gift: str) -> bool:
    """Whether ``other`` gives as much where no receipt comes."""
    if (other.starts, other.of) not in _sure(ladder, clock.of):
        return False
    if not any(_as_good(ladder, clock, gift, other, found) for found in _gifts(other)):
        return False
    if "receipt" not in (*other.met_by, *other.met_by_any):
        return True
    return other.who in _OF_OTHER if clock.by == OTHER else other.who == clock.by


def _sure(ladder: Ladder, of: str) -> set[tuple[str, str]]:
    """The events that come with what is to be received. Nobody's consent is one of them."""
    step = ladder.steps.get(of)
    if step is None:
        return {("admission", of)}
    if step.trigger != "step-request":
        return {("opening", of), ("admission", step.trigger)}
    at_once = step.consent == "none" and step.seconded_by is None and step.blocked_by is None
    return {("request", of), ("opening", of)} if at_once else {("request", of)}
