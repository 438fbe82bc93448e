"""A thread's ladder with its place on it, drawn only when somebody looks."""

from __future__ import annotations

from dataclasses import dataclass

from mediation.drawing.outline import Outline, outline
from mediation.drawing.position import Position, position_of
from mediation.drawing.svg import svg
from mediation.ladder import Ladder
from mediation.state import ThreadState


@dataclass(frozen=True, slots=True)
class Chart:
    """``state`` of a thread under ``ladder`` at ``at`` (ms UTC); without a state the ladder alone is drawn."""

    ladder: Ladder
    state: ThreadState | None
    at: int

    def position(self) -> Position | None:
        """Where the thread stands, seen by everybody; None without a state."""
        return position_of(self.ladder, self.state, self.at) if self.state is not None else None

    def drawn(self) -> tuple[str, Outline]:
        """The picture for a page (no colours of its own) and the same as a list."""
        position = self.position()
        return svg(self.ladder, position, standalone=False), outline(self.ladder, position)
