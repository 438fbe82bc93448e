"""What the console finds and counts, as its pages show it. No content: entries by their envelope, replies by their times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for: a ``thread`` by its id or how it begins, an ``office``, a ``kind``, from ``since`` to before
    ``until`` (ms UTC of the stamp); empty or None: any. ``before``: below this index of the log, for further pages."""

    thread: str = ""
    office: str = ""
    kind: str = ""
    since: int | None = None
    until: int | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True)
class FoundEntry:
    """``moved_to``: the title of the level it led to, "" where it led to none."""

    thread: str
    seq: int
    index: int
    at: int
    kind: str
    kind_title: str
    office: str
    act_words: str
    precedence: str
    moved_to: str


@dataclass(frozen=True, slots=True)
class Found:
    """A page of matches, newest first. ``total``: how many there are, at least so many where ``more``; ``older``: the
    ``before`` of the next page, None on the last."""

    wanted: Search
    entries: tuple[FoundEntry, ...]
    total: int
    more: bool
    older: int | None


@dataclass(frozen=True, slots=True)
class ReplyFigures:
    """Clocks that wait for somebody, of one ``name``: how many were met in time, answered late, ran out unanswered, still
    run, were stopped; and over ``cases`` answers the times from the clock's start (ms; None without a case)."""

    name: str
    met: int
    late: int
    missed: int
    running: int
    stopped: int
    cases: int
    median: int | None
    p90: int | None
    worst: int | None


@dataclass(frozen=True, slots=True)
class AnswerStates:
    """How an office answered: ``requests`` put to it, ``questions`` in them, and how many stand in which state."""

    office: str
    requests: int
    questions: int
    states: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ReplyLine:
    """One clock: its title, whom it waits (waited) for, the entry it is ``about``, and how it came out. ``taken``: ms from
    its start to the answer, None without one."""

    title: str
    office: str
    about: int
    clock: str
    started: int
    end: int
    outcome: str
    taken: int | None


@dataclass(frozen=True, slots=True)
class Figures:
    """Replies by kind of clock and by office, answers by office; ``lines``: each clock, for one thread only."""

    by_clock: tuple[ReplyFigures, ...]
    by_office: tuple[ReplyFigures, ...]
    answers: tuple[AnswerStates, ...]
    lines: tuple[ReplyLine, ...] = ()


@dataclass(frozen=True, slots=True)
class Counted:
    """Figures, and over how many of the ``entries`` there are they go (``counted``), in how many ``threads``."""

    figures: Figures
    counted: int
    entries: int
    threads: int
