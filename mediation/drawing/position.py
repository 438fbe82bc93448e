"""Where a thread stands on its ladder, as the drawing shows it: rung, clocks, standstill, and which steps are open."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from mediation.fold import advance
from mediation.ladder import Ladder
from mediation.offers import allowed
from mediation.rules import StepRule
from mediation.state import ThreadState
from protocols.kinds import KINDS


@dataclass(frozen=True, slots=True)
class Running:
    """A running clock: its definition's id and its end, ms UTC of the hub's clock."""

    rule: str
    end: int


@dataclass(frozen=True, slots=True)
class Position:
    """A thread at ``at`` (ms UTC): the rung it is on, its running clocks by end, the end of a running standstill with
    the step that brought it, and, for every step that is open now, the offices that may take it."""

    rung: str
    at: int
    running: tuple[Running, ...] = ()
    standstill: str = ""
    standstill_end: int = 0
    open: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def takers(self) -> dict[str, tuple[str, ...]]:
        """Step to the offices that may take it now; steps that nobody may take are absent."""
        return dict(self.open)


def position_of(ladder: Ladder, state: ThreadState, at: int, office: str | None = None) -> Position:
    """The position of ``state`` at ``at`` (ms UTC), seen by ``office`` or, without one, by everybody.

    What is open is tried with the very fold that will judge the real message (`mediation.offers`).
    """
    now = advance(ladder, state, at)
    offices = [office] if office is not None else [*now.parties, *now.admitted]
    takers: dict[str, list[str]] = {}
    for taker in offices:
        offers = allowed(ladder, now, taker, at)
        steps = {offer.step for offer in offers if offer.allowed and offer.kind == "step-request"}
        kinds = {offer.kind for offer in offers if offer.allowed}
        for step in ladder.steps.values():
            by_kind = step.trigger in kinds and step.trigger != "step-request" and now.rung in step.start
            if step.id in steps or by_kind:
                takers.setdefault(step.id, []).append(taker)
    still = now.standstill
    return Position(
        rung=now.rung,
        at=at,
        running=tuple(Running(clock.rule, clock.end) for clock in sorted(now.clocks, key=lambda c: (c.end, c.id))),
        standstill=still.step if still is not None else "",
        standstill_end=still.end if still is not None else 0,
        open=tuple((step, tuple(found)) for step, found in takers.items()),
    )


def forbidden(ladder: Ladder, position: Position) -> frozenset[str]:
    """The steps that the running standstill forbids."""
    bringer = ladder.steps.get(position.standstill)
    rule = bringer.standstill if bringer is not None else None
    if rule is None:
        return frozenset()
    return frozenset(
        step.id
        for step in ladder.steps.values()
        if (step.direction in rule.forbids_directions or step.id in rule.forbids_steps) and not _calms(step)
    )


def _calms(step: StepRule) -> bool:
    return step.direction in ("down", "deescalate") or KINDS[step.trigger].always


def moment(ms: int) -> str:
    """``12 Mar 2031 03:12 UTC``."""
    when = datetime.fromtimestamp(ms / 1000, UTC)
    return f"{when.day} {when.strftime('%b %Y %H:%M')} UTC"


def remaining(ms: int) -> str:
    """``2 d 3 h left``, in the two largest units; a clock at its end has run out."""
    if ms <= 0:
        return "run out"
    minutes = ms // 60_000
    parts = []
    for size, unit in ((1440, "d"), (60, "h"), (1, "min")):
        count, minutes = divmod(minutes, size)
        if count:
            parts.append(f"{count} {unit}")
    return f"{' '.join(parts[:2]) or 'less than 1 min'} left"
