"""Whether a ladder is still fresh: review and sunset, for warnings on screens.

An agreement that nobody looks at again ages badly (START and New START reviewed theirs twice a year). A review that is
due warns and stops nothing; after the sunset date no new thread opens (`mediation.fold.open_thread`), and threads that
are open come to their end.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from mediation.durations import DAY, end_of, parse_span
from mediation.ladder import Ladder
from protocols.encoding import rfc3339

NEAR = 90 * DAY
"""How long before a date a warning begins, milliseconds."""


class Warning(msgspec.Struct, frozen=True):
    """``code`` is stable; ``at`` is the date it is about, ms UTC; ``sentence`` is for the duty officer."""

    code: Literal["ladder.review-due", "ladder.review-overdue", "ladder.sunset-near", "ladder.sunset"]
    at: int
    sentence: str


def warnings(ladder: Ladder, in_force_from: int, at: int) -> tuple[Warning, ...]:
    """What to say at ``at`` about a ladder in force since ``in_force_from`` (both ms UTC), most pressing first."""
    found = []
    if ladder.sunset is not None:
        day = _day(ladder.sunset)
        if at >= ladder.sunset:
            sentence = f"The sunset of {ladder.title!r} was {day}: no new thread opens under it. Open threads go on."
            found.append(Warning("ladder.sunset", ladder.sunset, sentence))
        elif ladder.sunset - at <= NEAR:
            sentence = (
                f"From {day} no new thread opens under {ladder.title!r}; the offices should agree on what follows."
            )
            found.append(Warning("ladder.sunset-near", ladder.sunset, sentence))
    review = end_of(in_force_from, parse_span(ladder.review))
    if at >= review:
        sentence = f"The review of {ladder.title!r} has been due since {_day(review)}. The ladder stays in force."
        found.append(Warning("ladder.review-overdue", review, sentence))
    elif review - at <= NEAR:
        found.append(Warning("ladder.review-due", review, f"The review of {ladder.title!r} is due on {_day(review)}."))
    return tuple(found)


def _day(at: int) -> str:
    return rfc3339(at)[:10]
