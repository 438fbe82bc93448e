"""What a thread is opened with: the ladder, its speed, and who the offices of the accord are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from mediation.ladder import Ladder

Role = Literal["party", "mediator", "monitor"]
Status = Literal["ACTUAL", "EXERCISE"]


class OfficeRole(msgspec.Struct, frozen=True):
    """An office of the accord and what it is there. The order of mediators is the order of default appointment."""

    id: str
    role: Role


class ThreadContext(msgspec.Struct, frozen=True):
    """Everything the fold must be told when a thread opens; it is copied into the state.

    ``scale`` divides every duration of the ladder; more than 1 is refused unless ``status`` is EXERCISE.
    ``offices`` are all offices of the accord, mediators in roster order. ``thread`` is the thread's id, over which
    sealed nominations are hashed; left empty, the id of the opening entry takes its place. ``roles``: the offices that
    the accord names for this ladder's roles. ``states``: the state of each office that is not a state of its own.
    """

    ladder: Ladder
    scale: int
    status: Status
    offices: tuple[OfficeRole, ...]
    thread: str = ""
    roles: Mapping[str, tuple[str, ...]] = {}
    states: Mapping[str, str] = {}
