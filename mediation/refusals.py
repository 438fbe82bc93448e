"""How the ladder says no: a value, never an exception, so that a refusal can be stored, signed, shown and tested."""

from __future__ import annotations

import msgspec


class Refusal(msgspec.Struct, frozen=True):
    """An entry was refused; the state is unchanged.

    ``code``: stable, for programs and the trail (``ladder.standstill``). ``rule``: where the ladder says so
    (``cpci-default/standstill``). ``sentence``: for the duty officer: what happened, what is safe, what to do.
    ``clock``: id of the running clock that stands in the way or must be waited for, if one does. ``until``: when
    that clock ends, milliseconds UTC; the time left is ``until`` minus now. None where the clock stands still.
    """

    code: str
    rule: str
    sentence: str
    clock: str | None = None
    until: int | None = None


SAFE = "Nothing was sent and nothing has changed."
