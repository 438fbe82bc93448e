"""Where a thread stands on its ladder, as the drawing shows it: rung, clocks, standstill, and which steps are open."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from mediation.fold import advance
from mediation.ladder import Ladder
from mediation.offers import allowed
from mediation.rules import StepRule
from mediation.state import ThreadState
from mediation.words import span
from protocols.kinds import KINDS


@dataclass(frozen=True, slots=True)
class Running:
    """A running clock: its definition's id and its end, ms UTC of the hub's clock. ``opens``: a window's opening that
    is still ahead. ``paused``: since when it stands still; it then ends later by as long as that lasts."""

    rule: str
    end: int
    opens: int | None = None
    paused: int | None = None

    def words(self, at: int) -> str:
        """``to 12 Mar 2031 05:12 UTC, 1 h 30 min left``, as it stands at ``at`` (ms UTC)."""
        if self.paused is not None:
            return f"paused, {remaining(self.end - self.paused)}"
        head = f"opens {moment(self.opens)}, " if self.opens is not None else ""
        return f"{head}to {moment(self.end)}, {remaining(self.end - at)}"


@dataclass(frozen=True, slots=True)
class Position:
    """A thread at ``at`` (ms UTC): the rung it is on, its running clocks by end, the end of a running standstill with
    the step that brought it, whether another forum is seized, the track, and, for every step that is open now, the offices
    that may take it."""

    rung: str
    at: int
    running: tuple[Running, ...] = ()
    standstill: str = ""
    standstill_end: int = 0
    suspended: bool = False
    track: str = ""
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
    holders = (name for held in now.holders.values() for name in held)
    offices = [office] if office is not None else list(dict.fromkeys((*now.parties, *now.admitted, *holders)))
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
        running=tuple(
            Running(clock.rule, clock.end, None if clock.open else clock.opens, clock.paused)
            for clock in sorted(now.clocks, key=lambda clock: (clock.end, clock.id))
        ),
        standstill=still.step if still is not None else "",
        standstill_end=still.end if still is not None else 0,
        suspended=now.suspension is not None,
        track=now.track,
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
    """``2 d 3 h left``; a clock at its end has run out."""
    return f"{span(ms)} left" if ms > 0 else "run out"
