"""Entries that wait for the writer, in the order in which they are carried.

They wait in lanes, one a station and thread, because a station's entries of a thread must keep their order; among lanes the
most urgent goes first (FLASH before IMMEDIATE before PRIORITY before ROUTINE), an urgent entry pulling along what stands
before it in its lane.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hotline.hub.beside import Proven
from hotline.hub.commits import Position
from hotline.hub.errors import HubFault, NotStored
from mediation.refusals import Refusal
from protocols.entry import Entry
from protocols.errors import ProtocolError

RANK = {"FLASH": 0, "IMMEDIATE": 1, "PRIORITY": 2, "ROUTINE": 3}

Answer = Position | Refusal | ProtocolError | HubFault | NotStored
Told = Callable[[Answer], None]


@dataclass(eq=False, slots=True)
class Job:
    """One submitted entry and where its answer goes."""

    entry: Entry
    parts: Mapping[str, bytes]
    told: Told
    owner: str = ""
    """Whose turn it takes among those that are equally urgent; "": its station's."""
    rank: int = -1
    """How urgently it is carried; -1: as its precedence says."""
    proven: asyncio.Future[Proven] | None = None
    """Its signatures on their way to be checked beside; None: they are checked when it is judged."""

    @property
    def slowed(self) -> bool:
        """Whether it is carried less urgently than it says: its office has used up its urgency."""
        return self.rank > RANK[self.entry.payload.precedence]

    @property
    def urgency(self) -> int:
        return RANK[self.entry.payload.precedence] if self.rank < 0 else self.rank


class Lane:
    """One station's waiting jobs of one thread, in order of arrival.

    ``urgency``: the rank of the most urgent job, whose place those before it share, and the first one's turn and number;
    None: empty.
    """

    def __init__(self) -> None:
        self._jobs: deque[tuple[int, int, Job]] = deque()
        self._ranks = [0] * len(RANK)
        self.urgency: tuple[int, int, int] | None = None

    def __len__(self) -> int:
        return len(self._jobs)

    def put(self, turn: int, number: int, job: Job) -> None:
        """Add a job; ``number`` grows with every job of the hub, ``turn`` with every job of its owner."""
        rank = job.urgency
        self._jobs.append((turn, number, job))
        self._ranks[rank] += 1
        if self.urgency is None or rank < self.urgency[0]:
            self.urgency = rank, *self._jobs[0][:2]

    @property
    def first(self) -> Job:
        """The job that came first."""
        return self._jobs[0][2]

    def take(self) -> Job:
        """The same, taken out."""
        _, _, job = self._jobs.popleft()
        self._ranks[job.urgency] -= 1
        most = next((rank for rank, count in enumerate(self._ranks) if count), None)
        self.urgency = None if most is None else (most, *self._jobs[0][:2])
        return job


class Lanes:
    """Waiting jobs. Plain data, no I/O. Cost of a job: logarithmic in the number of lanes.

    Equally urgent ones are taken in turn of their owners (start-time fair queueing): one that hands in a thousand at once
    stands in its own way only.
    """

    def __init__(self) -> None:
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._heap: list[tuple[int, int, int, tuple[str, str]]] = []
        self._count = self._waiting = 0
        self._turn = 0
        self._turns: dict[str, int] = {}

    def __len__(self) -> int:
        return self._waiting

    def put(self, job: Job) -> None:
        """Add a job at the end of its lane."""
        self._count += 1
        self._waiting += 1
        payload = job.entry.payload
        key = payload.station, payload.thread
        lane = self._lanes.setdefault(key, Lane())
        before = lane.urgency
        owner = job.owner or payload.station
        turn = max(self._turn, self._turns.get(owner, 0))
        self._turns[owner] = turn + 1
        lane.put(turn, self._count, job)
        if lane.urgency != before:
            self._push(key, lane)

    def take(self, most: int, slowed: int | None = None) -> list[Job]:
        """The next ``most`` jobs, most urgent lane first, within a lane in order of arrival; of those whose office has used
        up its urgency at most ``slowed``, so that a batch that others wait for stays short."""
        taken: list[Job] = []
        aside: list[tuple[int, int, int, tuple[str, str]]] = []
        left = most if slowed is None else slowed
        while self._heap and len(taken) < most:
            rank, turn, number, key = heapq.heappop(self._heap)
            lane = self._lanes.get(key)
            if lane is None or lane.urgency != (rank, turn, number):
                continue  # said before the lane became what it is; what it is now is in the heap too
            if lane.first.slowed:
                if left == 0:
                    aside.append((rank, turn, number, key))
                    continue
                left -= 1
            taken.append(lane.take())
            self._waiting -= 1
            self._turn = max(self._turn, turn)
            if lane:
                self._push(key, lane)
            else:
                del self._lanes[key]
        for each in aside:
            heapq.heappush(self._heap, each)
        if not self._waiting:
            self._turns.clear()
        return taken

    def _push(self, key: tuple[str, str], lane: Lane) -> None:
        if lane.urgency is not None:
            heapq.heappush(self._heap, (*lane.urgency, key))
