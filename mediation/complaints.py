"""What is wrong with a ladder file, collected with places."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mediation.durations import parse_span
from mediation.errors import LadderError
from mediation.ladder_place import place_of
from mediation.rules import BUILT_IN_ROLES, PARTY_ROLES, LadderFile
from protocols.kinds import KINDS

_NOT_FOR_A_LADDER = frozenset({"open", "clock-expired"})


class Complaints:
    """The file under the glass, its tables by name, and the ``errors`` found so far."""

    def __init__(self, text: str, file: LadderFile) -> None:
        self.text = text
        self.file = file
        self.rungs = {rung.id: rung for rung in file.rung}
        self.steps = {step.id: step for step in file.step}
        self.clocks = {clock.id: clock for clock in file.clock}
        self.declared = {role.id for role in file.role}
        self.roles = {*BUILT_IN_ROLES, *self.declared}
        self.standing = {step.standstill.clock for step in file.step if step.standstill is not None}
        self.optioned = (
            {clock.timeout.option for clock in file.clock if clock.timeout is not None}
            | {clock.when_met.option for clock in file.clock if clock.when_met is not None}
            | {clock.gives.step for clock in file.clock if clock.gives is not None}
            | {step.when_taken.option for step in file.step if step.when_taken is not None}
        )
        self.errors: list[LadderError] = []

    def add(self, code: str, sentence: str, field: str) -> None:
        """Notes a complaint ``ladder.file.<code>`` about ``field``."""
        place = place_of(self.text, field)
        line, column = place if place is not None else (None, None)
        self.errors.append(LadderError(f"ladder.file.{code}", sentence, line=line, column=column, field=field))

    def known(self, names: Iterable[str], table: Iterable[str], what: str, field: str) -> bool:
        """Whether every name is in the table; complains about the first that is not."""
        known = set(table)
        for name in names:
            if name not in known:
                self.add("reference", f"There is no {what} {name!r} in this ladder.", field)
                return False
        return True

    def kinds(self, names: Iterable[str], field: str) -> bool:
        """Whether a ladder may name these kinds."""
        for name in names:
            if name not in KINDS or name in _NOT_FOR_A_LADDER:
                self.add("reference", f"There is no kind {name!r} that a ladder could name.", field)
                return False
        return True

    def duration(self, text: str, field: str, parse: Callable[[str], object] = parse_span) -> bool:
        """Whether the text is a duration that ``parse`` takes."""
        try:
            parse(text)
        except ValueError as error:
            self.add("duration", f"{error}.", field)
            return False
        return True

    def covered(self, role: str, allowed: Iterable[str]) -> bool:
        """Whether a rule for ``allowed`` lets ``role``: by name, or as one of the parties."""
        return role in allowed or (
            role in PARTY_ROLES and ("party" in allowed or PARTY_ROLES - {"party"} <= {*allowed})
        )
