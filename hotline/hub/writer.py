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
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from hotline.clock import SystemClock
from hotline.hub import commits
from hotline.hub.admission import Admitted, Pass, Rules
from hotline.hub.commits import Position
from hotline.hub.errors import Closing, HubFault, NotStored
from hotline.hub.metrics import Metrics
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
            self.standing, floor = await connection.run_sync(_load)
        self._clock.raise_floor(floor)

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
            self._stale = await connection.run_sync(commits.log_size) != self.standing.frontier.size
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
        context = _Context(self._rules, self._mandates(), self._seen(), self._clock)
        standing = self.standing
        try:
            outcome = await self._store.transact(lambda connection: _work(connection, context, standing, jobs, due))
        except (SQLAlchemyError, OSError) as error:
            await self._not_stored(jobs, due, error)
            return
        except Exception:
            await self._fault(jobs, due)
            return
        self.healthy = True
        self.standing, done = outcome.standing, outcome.done
        if outcome.moved:
            self._elsewhere(outcome.moved)
        if done.admitted:
            self.standing.threads.update(done.changed)
            self.standing.frontier = done.frontier
            self._metrics.committed(done.admitted, time.monotonic() - started, done.frontier.size)
            await self._committed(done.admitted)
        for job, answer in zip(jobs, outcome.answers, strict=True):
            if not isinstance(answer, Position):
                self._metrics.refusals.labels(answer.code).inc()
            _answer(job, answer)

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


@dataclass(frozen=True, slots=True)
class _Context:
    """What a batch is judged by besides the store."""

    rules: Rules
    mandates: MandateBook
    seen: str | None
    clock: SystemClock


@dataclass(frozen=True, slots=True)
class _Outcome:
    """A batch that stands in the store. ``moved``: threads that another process had written to before it."""

    standing: Standing
    moved: set[str]
    done: Pass
    answers: list[Answer]


def _load(connection: Connection) -> tuple[Standing, int]:
    """The whole standing, and the newest time written down (ms UTC)."""
    standing = Standing(commits.load_threads(connection), commits.load_frontier(connection))
    return standing, commits.newest_stamp(connection)


def _work(connection: Connection, context: _Context, standing: Standing, jobs: list[Job], due: set[str]) -> _Outcome:
    """One batch, in the store's thread and under its write lock: refresh, judge, write. Changes nothing but the store."""
    standing, moved = _refresh(connection, context.clock, standing)
    stored: dict[str, Position] = {}
    known: dict[tuple[str, int], str] = {}
    heads: set[str] = set()
    if jobs:
        stored = commits.find_positions(connection, [job.entry.id for job in jobs])
        payloads = [job.entry.payload for job in jobs]
        known = commits.find_ids(connection, [(payload.thread, payload.prev_seq) for payload in payloads])
        heads = commits.find_heads(connection, {payload.seen for payload in payloads if payload.seen is not None})
    done = Pass(
        context.rules,
        context.mandates,
        context.clock.now(),
        standing.frontier,
        standing.threads,
        known,
        context.seen,
        heads,
    )
    answers = _judge(done, jobs, due, stored)
    if done.admitted:
        commits.save(connection, done)
    return _Outcome(standing, moved, done, answers)


def _refresh(connection: Connection, clock: SystemClock, standing: Standing) -> tuple[Standing, set[str]]:
    """The standing brought up to what stands in the store, and the threads that had moved."""
    if commits.log_size(connection) == standing.frontier.size:
        return standing, set()
    known = {name: thread.seq for name, thread in standing.threads.items()}
    changed = commits.load_threads(connection, known)
    clock.raise_floor(commits.newest_stamp(connection))
    return Standing({**standing.threads, **changed}, commits.load_frontier(connection)), set(changed)


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
