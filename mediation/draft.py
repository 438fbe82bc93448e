"""The next state while it is being worked out. Handlers change ``draft.state`` by replacing it and note effects; when
one of them refuses, the whole draft is dropped, so a refused entry cannot leave anything behind.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from mediation.effects import Effect, OptionOpened
from mediation.ladder import Ladder
from mediation.refusals import SAFE, Refusal
from mediation.state import Clock, Option, ThreadState


class Draft:
    """A state under way: ``ladder``, ``state``, ``at`` (ms UTC) and the ``effects`` so far."""

    __slots__ = ("at", "effects", "ladder", "state")

    def __init__(self, ladder: Ladder, state: ThreadState, at: int) -> None:
        self.ladder = ladder
        self.state = state
        self.at = at
        self.effects: list[Effect] = []

    def set(self, **changes: Any) -> None:
        """Replaces fields of the state."""
        self.state = replace(self.state, **changes)

    def note(self, effect: Effect) -> None:
        """Adds an effect."""
        self.effects.append(effect)

    def refuse(
        self, code: str, happened: str, todo: str = "", *, rule: str = "", clock: Clock | None = None
    ) -> Refusal:
        """A refusal ``ladder.<code>``: what happened, that nothing changed, what to do, and the clock in the way."""
        return Refusal(
            code=f"ladder.{code}",
            rule=self.ladder.rule(rule or code),
            sentence=" ".join(part for part in (happened, SAFE, todo) if part),
            clock=clock.id if clock is not None else None,
            until=clock.end if clock is not None and clock.paused is None else None,
        )

    def is_party(self, office: str) -> bool:
        """Whether ``office`` is one of the thread's two parties."""
        return office in self.state.parties

    def has_option(self, step: str, office: str) -> bool:
        """Whether ``office`` holds an option for ``step``."""
        return any(option.step == step and option.office == office for option in self.state.options)

    def opponent(self, office: str) -> str:
        """The other party, or nobody where ``office`` is none."""
        return self.state.other_party(office) if self.is_party(office) else ""

    def sides(self, office: str) -> tuple[str, str]:
        """Who gains and who must act where ``office`` takes a step: the party and the other one; for a body the party
        that opened the thread and its counterpart."""
        asking = office if self.is_party(office) else self.state.initiator
        return asking, self.state.other_party(asking)

    def add_option(self, step: str, office: str, since: int, clock: str = "", *, window: bool = False) -> None:
        """Gives an option once; a second reason for the same option adds nothing, save that what lasts takes the place
        of what is given only while a window is open."""
        before = next((found for found in self.state.options if (found.step, found.office) == (step, office)), None)
        if before is not None and (window or not before.window):
            return
        others = tuple(found for found in self.state.options if found is not before)
        self.set(options=(*others, Option(step, office, since, clock, window)))
        if before is None:
            self.note(OptionOpened(step, office))

    def drop_options(self, step: str) -> None:
        """Takes back every option for ``step``, because it was taken or has no object any more."""
        self.set(options=tuple(option for option in self.state.options if option.step != step))
