"""The fold's input: what a verified entry *does*, without its signatures and its sealed body."""

from __future__ import annotations

import msgspec

from protocols.kinds import Act

HUB = "HUB"
"""The office id under which the hub writes its own entries."""


class Move(msgspec.Struct, frozen=True):
    """One entry as the ladder sees it. The caller has verified signatures and mandates before it builds one.

    ``id``: the entry's id (43 characters). ``seq``: its position in the thread, from 1. ``office``: the author's
    office, ``HUB`` for the hub. ``station``: key id of the sending station. ``serial``: gapless per station and thread,
    from 1. ``prev_seq``: newest position its author had before them when writing, 0 for none. ``act``: the typed act of
    `protocols.kinds`; its references (a request, a clock, a report) are read from there. ``officers``: key ids of the
    officers who signed. ``two_person``: a drafter and a different releaser signed. ``epoch``: MLS epoch of the body,
    None when there is no body.
    """

    id: str
    seq: int
    kind: str
    office: str
    station: str
    serial: int
    prev_seq: int
    act: Act
    officers: tuple[str, ...] = ()
    two_person: bool = False
    precedence: str = "ROUTINE"
    epoch: int | None = None
