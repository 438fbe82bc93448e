"""What the console may see and do: the one interface between a hub and its pages. No content, ever: the hub has none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hotline.hub.findings import Counted, Found, Search
from hotline.hub.log_views import LogHealth
from mediation.drawing import Chart
from protocols.redaction import Redaction


@dataclass(frozen=True, slots=True)
class HubSummary:
    name: str
    accord_title: str
    accord_id: str
    status: str
    exercise: str
    now: int
    started: int
    stations: tuple[tuple[str, str, int], ...]
    """(office, station name, connected since ms or 0)"""
    witnesses: tuple[tuple[str, int, int], ...]
    """(witness name, size it last cosigned, when in ms; 0 never)"""
    alarms: tuple[str, ...] = ()
    """What operators must know, in sentences: a machine clock that went astray, stations that compute another state."""
    warnings: tuple[tuple[str, str], ...] = ()
    """(ladder id, sentence): a review that is due, a sunset that is near."""


@dataclass(frozen=True, slots=True)
class ThreadRow:
    id: str
    parties: tuple[str, ...]
    members: tuple[str, ...]
    ladder: str
    scale: int
    rung: str
    rung_title: str
    level: int
    standstill_until: int | None
    entries: int
    opened: int
    last_at: int
    closed: bool


@dataclass(frozen=True, slots=True)
class TrailEntry:
    """One entry as the hub knows it: who, when, which kind, how long; no content."""

    id: str
    seq: int
    index: int
    at: int
    kind: str
    kind_title: str
    office: str
    act: Mapping[str, Any]
    act_words: str
    precedence: str
    size: int
    rung_before: str
    rung_after: str
    sealed: int = 0
    """Places for fields that only digests stand for: what a reader of the leaf sees of its body."""


@dataclass(frozen=True, slots=True)
class Span:
    """For the drawing: a rung held, a clock run, a membership, from ``start`` to ``end`` (ms; None: still so)."""

    lane: str
    label: str
    start: int
    end: int | None
    kind: str
    """rung, clock, standstill, member"""
    mark: str = ""
    """Of a clock: "unverified" or "inferred" where nobody has read its number in the source."""


@dataclass(frozen=True, slots=True)
class RanOut:
    """A clock that ended: its title, for whom, the entry it started with, the entry that ended it (the hub's note that it
    ran out, or, of one that was ``met`` in time, what met it), how long it was from the entry it started with (ms); and its
    id within the thread."""

    title: str
    who: str
    start_seq: int
    noted_seq: int
    duration: int
    clock: str = ""
    met: bool = False


@dataclass(frozen=True, slots=True)
class ProvenClock:
    """What witnesses' times prove about a clock. ``verdict``: ELAPSED, NOT ELAPSED or UNDETERMINED of one
    that ran out, IN TIME or UNDETERMINED of one that was met; at ``least`` and at ``most`` so many seconds lay between start
    and end (None: not bounded); ``proven_by``: the entry that proves it."""

    clock: RanOut
    verdict: str
    least: int | None
    most: int | None
    proven_by: int | None


@dataclass(frozen=True, slots=True)
class ThreadTrail:
    row: ThreadRow
    entries: tuple[TrailEntry, ...]
    spans: tuple[Span, ...]
    rungs: tuple[tuple[str, str, int], ...]
    """(id, title, level) in order"""
    chart: Chart | None = None
    """The ladder with the thread's place on it, to be drawn."""
    ran_out: tuple[RanOut, ...] = ()
    met: tuple[RanOut, ...] = ()


@dataclass(frozen=True, slots=True)
class LookRow:
    """A look of an operator. ``index``: of its leaf; None: it was taken before looks were leaves of the log, and only the
    hub's store says it. ``state``: proven (under a published head), logged (not yet under one), stored (no leaf), or
    damaged (what is stored does not open the leaf, or the leaf is not in the log)."""

    index: int | None
    at: int
    operator: str
    what: str
    state: str


class Console(Protocol):
    """The hub as its console uses it."""

    def summary(self) -> HubSummary: ...

    async def log_health(self) -> LogHealth: ...

    async def threads(self) -> tuple[ThreadRow, ...]: ...

    async def trail(self, thread: str) -> ThreadTrail | None: ...

    async def proven(self, thread: str) -> tuple[ProvenClock, ...]:
        """What the witnesses' times prove about the clocks of a thread that ran out."""
        ...

    async def search(self, wanted: Search) -> Found:
        """One page of the entries that match."""
        ...

    def kinds_and_offices(self) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
        """What may be searched for: (kind, title) of every kind, and every office that writes, the hub included."""
        ...

    async def statistics(self, thread: str = "") -> Counted | None:
        """Reply times and answers, of one thread or of all; None where there is no such thread."""
        ...

    async def export(
        self, thread: str, items: Sequence[Redaction] = (), by: str = "", upto: int | None = None
    ) -> bytes:
        """The evidence bundle of a thread (zip), without any disclosure: the hub holds none. ``items``: entries withheld,
        and why; ``by``: who exports; ``upto``: the last entry to be in it (None: all that are proven)."""
        ...

    def attempt(self, address: str) -> bool:
        """A login from this address is about to be tried; False: too many failed there lately, it must wait. Counts as a
        failure until `succeeded` says otherwise, so that many at once are counted too."""
        ...

    def succeeded(self, address: str) -> None:
        """The login that was tried from this address held."""
        ...

    async def login(self, operator: str, password: str, code: str) -> bool:
        """Argon2id password and TOTP; throttled; a code is taken once."""
        ...

    async def redeem(self, token: str) -> str | None:
        """The operator for a one-time login token, or None; the token is spent either way."""
        ...

    async def record_look(self, operator: str, what: str) -> None:
        """Write into the log what an operator looks at; returns when it is on the disk. Raises `LookNotLogged`: then
        nothing may be shown."""
        ...

    async def read_looks(self, before: int | None, limit: int) -> tuple[LookRow, ...]:
        """The newest looks before the leaf ``before``, newest first."""
        ...

    def changes(self) -> AsyncIterator[str]:
        """Ids of threads that changed, from now on; "" for anything else."""
        ...
