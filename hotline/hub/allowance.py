"""How much an office, and one of its stations, may hand in: entries and bytes a minute, and how many of them urgently.

Token buckets that hold a minute's allowance, so that an incident's first minute is not slowed down. What is over the
allowance is put back with a time to come again, never lost: the station keeps it in its outbox. Urgency is an allowance of
its own: an office that marks everything FLASH has the first of it carried as FLASH and the rest as ROUTINE, so that its
words still pass and nobody else's wait behind them. A part of each allowance is kept for what is urgent.

Plain data, no I/O. Times are monotonic ms.
"""

from __future__ import annotations

from dataclasses import dataclass

from hotline.hub.errors import TooFast
from hotline.hub.settings import Limits

MINUTE = 60_000
FLASH, ROUTINE = 0, 3
URGENT_SHARE = 0.2
"""Of the allowance of entries and bytes, kept for entries that pass as urgent."""
FLASH_SHARE = 0.5
"""Of the allowance of urgent entries, kept for FLASH."""


class Bucket:
    """``most`` tokens, refilled evenly within ``span`` ms."""

    def __init__(self, most: float, now: float, span: float = MINUTE) -> None:
        self._most, self._rate = most, most / span
        self._level, self._at = float(most), now

    def wait(self, cost: float, now: float, kept: float = 0.0) -> float:
        """How long, in ms, until ``cost`` may be taken with the share ``kept`` left over; 0: now. What costs more than the
        bucket holds may be taken from a full one."""
        self._fill(now)
        needed = min(cost + kept * self._most, self._most)
        return max(0.0, (needed - self._level) / self._rate)

    def take(self, cost: float, now: float) -> float:
        """Take it, into debt where too little is there; how long, in ms, until the debt is paid."""
        self._fill(now)
        self._level -= cost
        return max(0.0, -self._level / self._rate)

    def _fill(self, now: float) -> None:
        if now == self._at:
            return
        self._level = min(self._most, self._level + max(0.0, now - self._at) * self._rate)
        self._at = max(self._at, now)


@dataclass(frozen=True, slots=True)
class _Buckets:
    entries: Bucket
    bytes: Bucket
    urgent: Bucket


class Allowances:
    """What each office and station has left. Holds one set of buckets for each that ever logged in here."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._offices: dict[str, _Buckets] = {}
        self._stations: dict[str, _Buckets] = {}

    def admit(self, office: str, station: str, rank: int, size: int, now: float) -> int:
        """Count one entry of ``size`` bytes; the rank it is carried with: its own, or that of ROUTINE where the office has
        used up what it may hand in as urgent. Raises `TooFast`, and counts nothing then."""
        limits = self._limits
        mine = self._offices.get(office)
        if mine is None:
            mine = self._offices[office] = _buckets(
                limits.office_entries, limits.office_bytes, limits.office_urgent, now
            )
        own = self._stations.get(station)
        if own is None:
            own = self._stations[station] = _buckets(
                limits.station_entries, limits.station_bytes, limits.office_urgent, now
            )
        if rank < ROUTINE and mine.urgent.wait(1, now, 0.0 if rank == FLASH else FLASH_SHARE) > 0:
            rank = ROUTINE
        kept = 0.0 if rank < ROUTINE else URGENT_SHARE
        waits = (
            mine.entries.wait(1, now, kept),
            mine.bytes.wait(size, now, kept),
            own.entries.wait(1, now, kept),
            own.bytes.wait(size, now, kept),
        )
        wait = max(waits)
        if wait > 0:
            raise TooFast(_words(limits)[waits.index(wait)], int(wait) + 1)
        for bucket, cost in ((mine.entries, 1), (mine.bytes, size), (own.entries, 1), (own.bytes, size)):
            bucket.take(cost, now)
        if rank < ROUTINE:
            mine.urgent.take(1, now)
        return rank


def _words(limits: Limits) -> tuple[str, ...]:
    return (
        f"{limits.office_entries:,} messages a minute from one office",
        f"{limits.office_bytes >> 20:,} MiB a minute from one office",
        f"{limits.station_entries:,} messages a minute from one station",
        f"{limits.station_bytes >> 20:,} MiB a minute from one station",
    )


def _buckets(entries: int, size: int, urgent: int, now: float) -> _Buckets:
    return _Buckets(Bucket(entries, now), Bucket(size, now), Bucket(urgent, now))


class Pace:
    """How fast frames of one connection are read: what comes faster waits in the sender's own machine (TCP)."""

    def __init__(self, limits: Limits, now: float) -> None:
        second = 1000 * PACE_BURST
        self._frames = Bucket(limits.frames_per_second * PACE_BURST, now, second)
        self._bytes = Bucket(limits.bytes_per_second * PACE_BURST, now, second)

    def take(self, frames: int, size: int, now: float) -> float:
        """Count work worth ``frames`` frames and ``size`` bytes; how long, in ms, to read nothing more."""
        return max(self._frames.take(frames, now), self._bytes.take(size, now))


PACE_BURST = 8
"""Seconds' worth that may come at once."""
