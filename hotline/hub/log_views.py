"""How the log does, as the console shows it."""

from __future__ import annotations

from dataclasses import dataclass

LATE = 3
"""Intervals between heads after which something that is missing counts as late, ..."""
SOON = 15_000
"""... and never sooner than this (ms), however short the intervals of an exercise."""


@dataclass(frozen=True, slots=True)
class WitnessHealth:
    """One witness (one operator, whatever its keys). ``size``: the largest head it cosigned, ``at``: when the hub last had
    a cosignature of it (ms; None: never). ``behind``: entries of the newest signed head that it has not cosigned;
    ``behind_since``: when the oldest head that it has not cosigned was signed (ms; None: it lacks none). ``in_published``:
    it stands under the newest published head. ``forgetful``: it forgot what it signed and is to be retired."""

    name: str
    size: int
    at: int | None
    behind: int
    behind_since: int | None
    in_published: bool
    forgetful: bool = False

    @property
    def state(self) -> str:
        """level, behind, never or forgetful."""
        if self.forgetful:
            return "forgetful"
        if self.at is None:
            return "never"
        return "behind" if self.behind else "level"


@dataclass(frozen=True, slots=True)
class StampHealth:
    """Time-stamps by outside authorities. ``size`` of the newest stamped head; ``at``: when its token was had (ms UTC by the
    hub's clock; None: none yet); ``time``: what the token says; ``late``: it should have been had since long."""

    size: int
    at: int | None
    time: int | None
    late: bool


@dataclass(frozen=True, slots=True)
class LogHealth:
    """``size`` of the log, of the newest signed ``head``, of the newest ``published`` (with quorum) and their ages (ms).

    ``needed``: witnesses of a quorum; ``have``: those that cosigned the newest head; ``waiting_since``: when the oldest
    head without a quorum yet was signed (ms; None: there is none). ``interval``: ms between heads while the line is idle.
    ``stamps``: None where no time-stamping authority is asked.
    """

    origin: str
    size: int
    head_size: int
    head_age: int | None
    published_size: int
    published_age: int | None
    quorum: str
    cosigners: tuple[str, ...]
    checkpoint: str
    needed: int = 0
    have: int = 0
    witnesses: tuple[WitnessHealth, ...] = ()
    waiting_since: int | None = None
    interval: int = 60_000
    stamps: StampHealth | None = None

    @property
    def patience(self) -> int:
        """ms after which what is missing counts as late."""
        return max(LATE * self.interval, SOON)

    def state(self, now: int) -> str:
        """empty, good, gathering (a quorum is on its way) or late (it should be there since long). At ``now``, ms."""
        if not self.size:
            return "empty"
        if self.waiting_since is None:
            # Heads are cosigned anew at every interval: a published one that grows old says that nobody answers.
            old = self.published_age is None or self.published_age > self.patience
            return "late" if old else "good"
        return "late" if now - self.waiting_since > self.patience else "gathering"
