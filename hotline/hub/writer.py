"""The one writer: waiting entries become one transaction, and only then answers.

Every batch is judged under the store's write lock, after whatever another process has written was read: so a clock that
ran out is noted once, however many processes stand on one store, and no two entries take one place.

Entries wait in lanes, one a station and thread, because a station's entries of a thread must keep their order; among
lanes the most urgent goes first (FLASH before IMMEDIATE before PRIORITY before ROUTINE), an urgent entry pulling along
what stands before it in its lane. While one batch is on its way to the disk the next one gathers, so the cost of
flushing is shared under load and there is no added wait when the line is idle.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from hotline.clock import SystemClock
from hotline.hub import records
from hotline.hub.admission import Admitted, Pass, Rules
from hotline.hub.errors import Closing, HubFault, NotStored
from hotline.hub.metrics import Metrics
from hotline.hub.records import Position
from hotline.hub.thread import Thread
from hotline.store.engine import Store
from mediation.refusals import Refusal
from protocols.entry import Entry
from protocols.errors import ProtocolError
from protocols.mandate import MandateBook
from protocols.translog import Frontier

_LOG = structlog.get_logger("hotline.hub.writer")
BATCH = 64
RANK = {"FLASH": 0, "IMMEDIATE": 1, "PRIORITY": 2, "ROUTINE": 3}

Answer = Position | Refusal | ProtocolError | HubFault | NotStored


@dataclass(eq=False, slots=True)
class Job:
    """One submitted entry and where its answer goes."""

    entry: Entry
    parts: Mapping[str, bytes]
    answer: asyncio.Future[Answer]


class Lanes:
    """Waiting jobs. Plain data, no I/O."""

    def __init__(self) -> None:
        self._lanes: dict[tuple[str, str], deque[tuple[int, Job]]] = {}
        self._count = 0

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values()))

    def put(self, job: Job) -> None:
        """Add a job at the end of its lane."""
        self._count += 1
        payload = job.entry.payload
        self._lanes.setdefault((payload.station, payload.thread), deque()).append((self._count, job))

    def take(self, most: int) -> list[Job]:
        """The next ``most`` jobs, most urgent lane first, within a lane in order of arrival."""
        taken: list[Job] = []
        while self._lanes and len(taken) < most:
            key = min(self._lanes, key=self._urgency)
            lane = self._lanes[key]
            taken.append(lane.popleft()[1])
            if not lane:
                del self._lanes[key]
        return taken

    def _urgency(self, key: tuple[str, str]) -> tuple[int, int]:
        lane = self._lanes[key]
        return min(RANK[job.entry.payload.precedence] for _, job in lane), lane[0][0]


@dataclass
class Standing:
    """What the writer keeps in memory of the store: it alone changes this, after each commit."""

    threads: dict[str, Thread] = field(default_factory=dict)
    frontier: Frontier = field(default_factory=Frontier)


Committed = Callable[[list[Admitted]], Awaitable[None]]
Elsewhere = Callable[[set[str]], None]


class Writer:
    """Owns the write path. ``mandates`` and ``seen`` are read anew for every batch; ``committed`` is told what is
    durable, before the answers go out, ``elsewhere`` which threads another process on the same store moved."""

    def __init__(
        self,
        store: Store,
        rules: Rules,
        clock: SystemClock,
        metrics: Metrics,
        *,
        mandates: Callable[[], MandateBook],
        seen: Callable[[], str | None],
        committed: Committed,
        elsewhere: Elsewhere = lambda _: None,
    ) -> None:
        self._store, self._rules, self._clock, self._metrics = store, rules, clock, metrics
        self._mandates, self._seen, self._committed = mandates, seen, committed
        self._elsewhere = elsewhere
        self.standing = Standing()
        self.healthy = True
        self._lanes = Lanes()
        self._due: set[str] = set()
        self._stale = False
        self._wake = asyncio.Event()
        self._stopping = False

    async def load(self) -> None:
        """Read the standing from the store."""
        async with self._store.read() as connection:
            threads = await records.load_threads(connection)
            frontier = await records.load_frontier(connection)
            self._clock.raise_floor(await records.newest_stamp(connection))
        self.standing = Standing(threads, frontier)

    def submit(self, entry: Entry, parts: Mapping[str, bytes]) -> asyncio.Future[Answer]:
        """Queue an entry; the future gives its position once it is durable, or the refusal. It never raises."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        if self._stopping:
            answer.set_result(Closing())
            return answer
        self._lanes.put(Job(entry, parts, answer))
        self._wake.set()
        return answer

    def announce(self, threads: set[str]) -> None:
        """Have the clocks of these threads looked at."""
        self._due |= threads
        self._wake.set()

    async def look(self) -> None:
        """Take in what another process on the same store has written since, if anything."""
        async with self._store.read() as connection:
            self._stale = await records.log_size(connection) != self.standing.frontier.size
        if self._stale:
            self._wake.set()

    def stop(self) -> None:
        """Finish the batch on its way, refuse what still waits, and end `run`."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Until `stop`."""
        while not self._stopping:
            await self._wake.wait()
            self._wake.clear()
            while (self._lanes or self._due or self._stale) and not self._stopping:
                jobs, due = self._lanes.take(BATCH), self._due
                self._due, self._stale = set(), False
                await self._batch(jobs, due)
        for job in self._lanes.take(len(self._lanes)):
            _answer(job, Closing())

    async def _batch(self, jobs: list[Job], due: set[str]) -> None:
        started = time.monotonic()
        moved: set[str] = set()
        try:
            async with self._store.write() as connection:
                moved = await self._refresh(connection)
                done, answers = await self._prepare(connection, jobs, due)
                if done.admitted:
                    await records.save(connection, done)
        except (SQLAlchemyError, OSError) as error:
            await self._not_stored(jobs, due, error)
            return
        except Exception:
            await self._fault(jobs, due)
            return
        self.healthy = True
        if moved:
            self._elsewhere(moved)
        if done.admitted:
            self.standing.threads.update(done.changed)
            self.standing.frontier = done.frontier
            self._metrics.committed(done.admitted, time.monotonic() - started, done.frontier.size)
            await self._committed(done.admitted)
        for job, answer in zip(jobs, answers, strict=True):
            if not isinstance(answer, Position):
                self._metrics.refusals.labels(answer.code).inc()
            _answer(job, answer)

    async def _refresh(self, connection: AsyncConnection) -> set[str]:
        """Under the write lock: bring the standing up to what stands in the store. The threads that had moved."""
        if await records.log_size(connection) == self.standing.frontier.size:
            return set()
        known = {name: thread.seq for name, thread in self.standing.threads.items()}
        changed = await records.load_threads(connection, known)
        frontier = await records.load_frontier(connection)
        self._clock.raise_floor(await records.newest_stamp(connection))
        self.standing = Standing({**self.standing.threads, **changed}, frontier)
        return set(changed)

    async def _prepare(self, connection: AsyncConnection, jobs: list[Job], due: set[str]) -> tuple[Pass, list[Answer]]:
        wanted = [(job.entry.payload.thread, job.entry.payload.prev_seq) for job in jobs]
        stored = await records.find_positions(connection, [job.entry.id for job in jobs]) if jobs else {}
        known = await records.find_ids(connection, wanted) if jobs else {}
        done = Pass(
            self._rules,
            self._mandates(),
            self._clock.now(),
            self.standing.frontier,
            self.standing.threads,
            known,
            self._seen(),
            await records.find_heads(
                connection, {seen for job in jobs if (seen := job.entry.payload.seen) is not None}
            ),
        )
        # Signatures and folding take a millisecond or so an entry: off the loop, so that reading and sending go on.
        return done, await asyncio.to_thread(_judge, done, jobs, due, stored)

    async def _fault(self, jobs: list[Job], due: set[str]) -> None:
        """A fault of the program over one entry must not stop the others: take each alone, refuse the one that fails."""
        if len(jobs) + len(due) > 1:
            for name in due:
                await self._batch([], {name})
            for job in jobs:
                await self._batch([job], set())
            return
        self._metrics.faults.inc()
        _LOG.exception("fault over an entry", ids=[job.entry.id for job in jobs], threads=sorted(due))
        for job in jobs:
            _answer(job, HubFault())

    async def _not_stored(self, jobs: list[Job], due: set[str], error: Exception) -> None:
        self.healthy = False
        self._metrics.store_failures.inc()
        _LOG.error("not stored", jobs=len(jobs), error=type(error).__name__)
        with suppress(SQLAlchemyError, OSError):
            # Whether the commit reached the disk is unknown: the store says what stands.
            await self.load()
        self._due |= due
        for job in jobs:
            _answer(job, NotStored(type(error).__name__))
        await asyncio.sleep(0.2)


def _judge(done: Pass, jobs: list[Job], due: set[str], stored: dict[str, Position]) -> list[Answer]:
    for thread in sorted(due):
        done.announce(thread)
    answers: list[Answer] = []
    for job in jobs:
        answer = _judge_one(done, job, stored)
        if isinstance(answer, Position):
            stored[answer.id] = answer
        answers.append(answer)
    return answers


def _judge_one(done: Pass, job: Job, stored: dict[str, Position]) -> Answer:
    if job.entry.id in stored:  # handed in again: the same answer
        return stored[job.entry.id]
    try:
        found = done.submit(job.entry, job.parts)
    except ProtocolError as error:
        return error
    if isinstance(found, Refusal):
        return found
    stamp = found.entry.stamp
    return Position(found.entry.id, found.thread, stamp.seq, stamp.index, stamp.at)


def _answer(job: Job, answer: Answer) -> None:
    if not job.answer.done():
        job.answer.set_result(answer)
