"""Figures out of counted replies (`hotline.hub.tally`): how often, how fast, and of how many. Pure.

A figure without its number of cases misleads, so every one carries it. Percentiles are of the cases themselves (nearest
rank): what is shown as the worst, or as the 90th percentile, did happen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from hotline.hub.findings import AnswerStates, Figures, ReplyFigures, ReplyLine
from hotline.hub.tally import ClockRow, RequestRow
from mediation.ladder import Ladder

NOBODY = "both"
"""Whom a clock without one respondent waits for."""
LINES = 200
"""Clocks listed one by one."""


@dataclass(frozen=True, slots=True)
class Place:
    """Of a thread: its ladder by the accord's name, and its parties."""

    ladder: str
    parties: tuple[str, ...]


def figures(
    clocks: Sequence[tuple[str, ClockRow]],
    requests: Iterable[tuple[str, RequestRow]],
    places: Mapping[str, Place],
    ladders: Mapping[str, Ladder],
    *,
    listed: bool,
) -> Figures:
    """``clocks``, ``requests``: with their threads. ``listed``: name each clock too (for one thread)."""
    known = [(thread, row) for thread, row in clocks if thread in places]

    def title(thread: str, row: ClockRow) -> str:
        ladder = ladders[places[thread].ladder]
        return ladder.clocks[row.rule].title if row.rule in ladder.clocks else row.rule

    return Figures(
        _grouped(known, title),
        _grouped(known, lambda _, row: row.office or NOBODY),
        _answers(requests, places),
        tuple(_line(row, title(thread, row)) for thread, row in known[-LINES:]) if listed else (),
    )


def percentile(ordered: Sequence[int], share: float) -> int:
    """The nearest-rank percentile of ascending values: the least one that ``share`` (0 to 1] of them do not exceed."""
    rank = -(-len(ordered) * round(share * 100) // 100)
    return ordered[max(rank, 1) - 1]


def _grouped(clocks: Iterable[tuple[str, ClockRow]], by: Callable[[str, ClockRow], str]) -> tuple[ReplyFigures, ...]:
    groups: dict[str, list[ClockRow]] = {}
    for thread, row in clocks:
        groups.setdefault(by(thread, row), []).append(row)
    return tuple(_figures(name, rows) for name, rows in sorted(groups.items()))


def _figures(name: str, rows: Sequence[ClockRow]) -> ReplyFigures:
    count = dict.fromkeys(("running", "met", "late", "missed", "stopped"), 0)
    for row in rows:
        count[row.outcome] += 1
    times = sorted(row.ended - row.started for row in rows if row.outcome in ("met", "late") and row.ended is not None)
    return ReplyFigures(
        name,
        count["met"],
        count["late"],
        count["missed"],
        count["running"],
        count["stopped"],
        len(times),
        percentile(times, 0.5) if times else None,
        percentile(times, 0.9) if times else None,
        times[-1] if times else None,
    )


def _answers(requests: Iterable[tuple[str, RequestRow]], places: Mapping[str, Place]) -> tuple[AnswerStates, ...]:
    """By the office that was asked: the party that did not ask."""
    found: dict[str, tuple[int, dict[str, int]]] = {}
    for thread, row in requests:
        if thread not in places:
            continue
        asked = next((party for party in places[thread].parties if party != row.office), NOBODY)
        number, states = found.setdefault(asked, (0, {}))
        for state in row.answers:
            states[state] = states.get(state, 0) + 1
        found[asked] = (number + 1, states)
    return tuple(
        AnswerStates(office, number, sum(states.values()), dict(sorted(states.items())))
        for office, (number, states) in sorted(found.items())
    )


def _line(row: ClockRow, title: str) -> ReplyLine:
    taken = row.ended - row.started if row.ended is not None and row.outcome in ("met", "late") else None
    return ReplyLine(title, row.office or NOBODY, row.about, row.clock, row.started, row.end, row.outcome, taken)
