"""Crossing messages: two sides wrote at the same time without having read each other.

In October 1962 two letters crossed and the harder one was read as an answer to the softer. A crossing changes nothing
in the ladder; it is a flag on both messages, for both sides. The work is constant for each entry: one number for each
office of the thread.
"""

from __future__ import annotations

from mediation.draft import Draft
from mediation.effects import Crossed
from mediation.move import Move


def note_crossing(draft: Draft, move: Move) -> dict[str, int]:
    """Notes a crossing with the newest content of every other office that the author had not seen when writing;
    returns the newest content entry of each office, this one included."""
    newest = draft.state.last_content
    for office, seq in newest.items():
        if seq > move.prev_seq and office != move.office:
            draft.note(Crossed(move.seq, seq))
    return {**newest, move.office: move.seq}
