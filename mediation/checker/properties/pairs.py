"""Clocks that contradict each other, seen from their lengths.

Two clocks that run from the same event start in the same instant, so their order is decided by their lengths alone, on
every track. Months differ in length, so such pairs are compared from the first of every month of four years: what goes
wrong from one of these dates can happen.
"""

from __future__ import annotations

from itertools import product

from mediation.checker.found import Found
from mediation.durations import Span, add_months, end_of
from mediation.ladder import Ladder
from mediation.rules import ClockRule

_JANUARY = 1_924_992_000_000  # 2031-01-01T00:00Z
_STARTS = tuple(add_months(_JANUARY, month) for month in range(48))


def clock_order(ladder: Ladder, found: Found) -> None:
    """``clock-order``: a window that is over, or a reply that is due, before the waiting period of the same step ends; a
    limit that runs longer than the overall cap from the same event; sealed nominations due after the default
    appointment they would avoid."""
    tracks = {track for _, track in ladder.spans}
    clocks = ladder.clocks.values()
    for one, other in product(clocks, clocks):
        if one is not other and (one.starts, one.of, one.by) == (other.starts, other.of, other.by):
            for track in sorted(tracks):
                sentence = _contradiction(ladder, one, other, track)
                if sentence:
                    field = "tracks" if track and track in one.tracks else "after"
                    found.add("clock-order", found.at("clock", one.id, field), sentence)


def _contradiction(ladder: Ladder, one: ClockRule, other: ClockRule, track: str) -> str:
    """What is wrong with ``one`` beside ``other``, or nothing."""
    on = f" on the track {track!r}" if track else ""
    early = _first(ladder, one, other, track)
    if other.kind == "not-before" and one.gives is not None and one.gives.step in other.holds and early:
        return f"The window {one.title!r} closes before {other.title!r} lets its step be taken{on}."
    if other.kind == "not-before" and one.kind == "reply-by" and set(one.met_by_steps) & set(other.holds) and early:
        return f"{one.title!r} is due before {other.title!r} lets its step be taken{on}."
    granted = one.timeout is not None and (one.timeout.option or one.timeout.moves)
    if other.kind == "cap" and one.kind != "cap" and granted and _first(ladder, other, one, track):
        return f"{one.title!r} runs out only when the cap {other.title!r} has ended everything{on}."
    rule = ladder.mediation
    lists = rule is not None and (one.id, other.id) == (rule.nominations, rule.default_appointment)
    if lists and _first(ladder, other, one, track, equal=False):
        return f"{one.title!r} are due only when {other.title!r} has already run out{on}."
    return ""


def _first(ladder: Ladder, one: ClockRule, other: ClockRule, track: str, *, equal: bool = True) -> bool:
    """Whether ``one`` can be over before (or, with ``equal``, together with) ``other``."""
    first, second = _span(ladder, one, track), _span(ladder, other, track)
    return any(
        end_of(start, first) < end_of(start, second) or (equal and end_of(start, first) == end_of(start, second))
        for start in (_STARTS if first.months or second.months else _STARTS[:1])
    )


def _span(ladder: Ladder, clock: ClockRule, track: str) -> Span:
    return ladder.spans.get((clock.id, track), ladder.spans[clock.id, ""])
