"""The one writer: waiting entries become one transaction, and only then answers.

Leaves of the hub's own (`hotline.hub.own_leaves`) that somebody waits for go into the same batch, after its entries.

Every batch is judged under the store's write lock, after whatever another process has written was read: so a clock that
ran out is noted once, however many processes stand on one store, and no two entries take one place.

While one batch is on its way to the disk the next one gathers (`hotline.hub.lanes`), so the cost of flushing is shared under
load and there is no added wait when the line is idle.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from hotline.clock import SystemClock
from hotline.hub import commits, moved, own_leaves
from hotline.hub.admission import Admitted, Pass, Rules
from hotline.hub.beside import NOTHING, Beside, Proven
from hotline.hub.commits import Position
from hotline.hub.directory import Directory, Known
from hotline.hub.errors import BehindWitnesses, Closing, HubFault, NotStored
from hotline.hub.lanes import Answer, Job, Lanes, Told
from hotline.hub.metrics import Metrics
from hotline.hub.moved import Moved
from hotline.hub.own_leaves import OwnLeaf, Wanted
from hotline.hub.thread import Thread
from hotline.store.engine import Store
from mediation.refusals import Refusal
from protocols.entry import Entry, signatures_of
from protocols.errors import ProtocolError
from protocols.frames import Deliver
from protocols.translog import Frontier

_LOG = structlog.get_logger("hotline.hub.writer")
BATCH = 64
CROWD = 8
"""So many entries that wait are a load under which signatures are checked beside."""
LIGHT = frozenset({"body", "box"})
"""Parts that nothing looks into. An entry with another one moves the group's keys, which takes as long as many entries do."""
SLOWED = 8
"""Of a batch, what may come from offices that have used up their urgency."""


@dataclass(eq=False, slots=True)
class OwnJob:
    """A leaf of the hub's own that somebody waits for. The answer: what keeps it from being written, or None."""

    wanted: Wanted
    answer: asyncio.Future[Closing | HubFault | NotStored | None]


@dataclass
class Standing:
    """What the writer keeps in memory of the store: it alone changes this, after each commit.

    ``said``: up to which seq the end of each thread was said in a `heads` leaf; ``heads``: the log's size with the newest
    such leaf in it (0: none).
    """

    threads: dict[str, Thread] = field(default_factory=dict)
    frontier: Frontier = field(default_factory=Frontier)
    said: dict[str, int] = field(default_factory=dict)
    heads: int = 0


Committed = Callable[[list[Admitted], Mapping[str, int]], None]
Elsewhere = Callable[[set[str]], None]
Own = Callable[[Sequence[OwnLeaf]], None]


class Writer:
    """Owns the write path. the mandates and ``seen`` are read anew for every batch; ``committed`` is told what is
    durable and with which rank it was carried (by entry id, for what stations handed in), before the answers go out, ``own``
    of the hub's own leaves among it, ``elsewhere`` which threads another process on the same store moved (none: it wrote
    leaves of its own)."""

    def __init__(
        self,
        store: Store,
        rules: Rules,
        clock: SystemClock,
        metrics: Metrics,
        *,
        directory: Directory,
        seen: Callable[[], str | None],
        committed: Committed,
        elsewhere: Elsewhere = lambda _: None,
        own: Own = lambda _: None,
        fresh: Callable[[Sequence[Deliver]], None] = lambda _: None,
    ) -> None:
        """``fresh`` is given the new entries of another process before ``elsewhere`` is told of them."""
        self._store, self._rules, self._clock, self._metrics = store, rules, clock, metrics
        self._directory, self._seen, self._committed = directory, seen, committed
        self._elsewhere, self._told_own = elsewhere, own
        self._fresh = fresh
        self.standing = Standing()
        self.healthy = True
        self._lanes = Lanes()
        self._beside = Beside()
        self._own: list[OwnJob] = []
        self._due: set[str] = set()
        self._stale = False
        self._wake = asyncio.Event()
        self._stopping = False

    async def load(self) -> None:
        """Read the standing from the store. Raises `BehindWitnesses` where it does not begin with what is known here."""
        async with self._store.read() as connection:
            await connection.run_sync(commits.load_grown, self.standing.frontier)
            self.standing, floor = await connection.run_sync(_load)
        self._clock.raise_floor(floor)

    def hand_in(self, entry: Entry, parts: Mapping[str, bytes], told: Told, *, owner: str = "", rank: int = -1) -> None:
        """Queue an entry; ``told`` is given its position once it is durable, or the refusal, and must not raise.

        ``owner``: whose turn it takes among the equally urgent. ``rank``: how urgently it is carried; -1: as it says.
        """
        if self._stopping:
            told(Closing())
            return
        self._lanes.put(Job(entry, parts, told, owner, rank, self._check(entry)))
        self._wake.set()

    def _check(self, entry: Entry) -> asyncio.Future[Proven] | None:
        """Have its signatures checked beside, where others stand before it: while those are written, there is time."""
        if len(self._lanes) < CROWD:
            return None
        if not self._beside.runs:
            self._beside.start()
            return None
        return self._beside.check(signatures_of(entry, self._directory.book, self._clock.now()))

    async def write(self, wanted: Wanted) -> None:
        """Write a leaf of the hub's own; returns when it is on the disk. Raises `Closing`, `NotStored`, `HubFault`."""
        job = OwnJob(wanted, asyncio.get_running_loop().create_future())
        if self._stopping:
            raise Closing
        self._own.append(job)
        self._wake.set()
        if (why := await job.answer) is not None:
            raise why

    @property
    def unsaid(self) -> bool:
        """Whether a thread moved since its end was last said in the log."""
        said = self.standing.said
        return any(thread.seq != said.get(name, 0) for name, thread in self.standing.threads.items())

    def announce(self, threads: set[str]) -> None:
        """Have the clocks of these threads looked at."""
        self._due |= threads
        self._wake.set()

    def hint(self) -> None:
        """Another process on the same store has written: look, as soon as there is time."""
        self._stale = True
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
        """Until `stop`. Raises `BehindWitnesses` where the store is no longer the one whose entries were acknowledged."""
        try:
            while not self._stopping:
                await self._wake.wait()
                self._wake.clear()
                while (self._lanes or self._due or self._stale or self._own) and not self._stopping:
                    jobs, due, own = self._lanes.take(BATCH, SLOWED), self._due, self._own[:BATCH]
                    self._due, self._stale, self._own = set(), False, self._own[BATCH:]
                    if jobs or due or own:
                        await self._batch(jobs, due, own)
                    else:
                        await self._catch_up()
        finally:
            self._stopping = True
            await self._beside.close()
            _close(self._lanes.take(len(self._lanes)), self._own)
            self._own = []

    async def _catch_up(self) -> None:
        """Read what another process wrote, without its having to wait for us: no lock is needed for that."""
        try:
            async with self._store.read() as connection:
                self.standing, found = await connection.run_sync(_look, self._clock, self.standing)
        except (SQLAlchemyError, OSError) as error:
            # Looked at again in a second; entries that come meanwhile are judged after reading under the lock.
            _LOG.error("store not read", error=type(error).__name__)
            return
        self._tell(found)

    def _tell(self, found: Moved | None) -> None:
        if found is not None:
            self._fresh(found.frames)
            self._elsewhere(found.threads)

    async def _batch(self, jobs: list[Job], due: set[str], own: list[OwnJob]) -> None:
        started = time.monotonic()
        await self._beside.wait([job.proven for job in jobs if job.proven is not None])
        context = _Context(self._rules, self._directory, self._directory.known, self._seen(), self._clock)
        standing = self.standing
        try:
            wanted = [job.wanted for job in own]
            light = not due and not own and all(job.parts.keys() <= LIGHT for job in jobs)
            outcome = await self._store.transact(
                lambda connection: _work(connection, context, standing, jobs, due, wanted), here=light
            )
        except (SQLAlchemyError, OSError) as error:
            await self._not_stored(jobs, due, own, error)
            return
        except BehindWitnesses:
            self.healthy = False
            _close(jobs, own)
            raise
        except Exception:
            await self._fault(jobs, due, own)
            return
        self.healthy = True
        self.standing, done = outcome.standing, outcome.done
        if done.admitted or outcome.own:
            self.standing.threads.update(done.changed)
            self.standing.frontier = done.frontier
            _say(self.standing, outcome.own)
            self._metrics.committed(done.admitted, outcome.own, time.monotonic() - started, done.frontier.size)
        if outcome.known is not context.known:
            self._directory.take(outcome.known)
        self._tell(outcome.moved)
        # An entry goes to its own station before the answer does: who hears "accepted" has what was accepted.
        if done.admitted:
            self._committed(done.admitted, {job.entry.id: job.urgency for job in jobs})
        if outcome.own:
            self._told_own(outcome.own)
        for waiting in own:
            _answer_own(waiting, None)
        for job, answer in zip(jobs, outcome.answers, strict=True):
            if not isinstance(answer, Position):
                self._metrics.refusals.labels(answer.code).inc()
            job.told(answer)

    async def _fault(self, jobs: list[Job], due: set[str], own: list[OwnJob]) -> None:
        """A fault of the program over one entry must not stop the others: take each alone, refuse the one that fails."""
        if len(jobs) + len(due) + len(own) > 1:
            each: list[tuple[list[Job], set[str], list[OwnJob]]] = [([], {name}, []) for name in sorted(due)]
            each += [([job], set(), []) for job in jobs]
            each += [([], set(), [waiting]) for waiting in own]
            for number, one in enumerate(each, 1):
                try:
                    await self._batch(*one)
                except BehindWitnesses:
                    for rest, _, own_rest in each[number:]:
                        _close(rest, own_rest)
                    raise
            return
        self._metrics.faults.inc()
        _LOG.exception("fault over an entry", ids=[job.entry.id for job in jobs], threads=sorted(due))
        for job in jobs:
            job.told(HubFault())
        for waiting in own:
            _answer_own(waiting, HubFault())

    async def _not_stored(self, jobs: list[Job], due: set[str], own: list[OwnJob], error: Exception) -> None:
        self.healthy = False
        self._metrics.store_failures.inc()
        _LOG.error("not stored", jobs=len(jobs), error=type(error).__name__)
        try:
            # Whether the commit reached the disk is unknown: the store says what stands. What does is told like another
            # process's entries, for whoever hands it in again hears only that it stands.
            async with self._store.read() as connection:
                await connection.run_sync(commits.load_grown, self.standing.frontier)
                self.standing, moved = await connection.run_sync(_look, self._clock, self.standing)
            self._tell(moved)
        except (SQLAlchemyError, OSError):
            _LOG.error("store not read")  # the next batch reads it under the lock
        except BehindWitnesses:
            _close(jobs, own)
            raise
        self._due |= due
        for job in jobs:
            job.told(NotStored(type(error).__name__))
        for waiting in own:
            _answer_own(waiting, NotStored(type(error).__name__))
        await asyncio.sleep(0.2)


@dataclass(frozen=True, slots=True)
class _Context:
    """What a batch is judged by besides the store."""

    rules: Rules
    directory: Directory
    known: Known
    seen: str | None
    clock: SystemClock


@dataclass(frozen=True, slots=True)
class _Outcome:
    """A batch that stands in the store. ``known``: the mandates it was judged by. ``moved``: threads that another process
    had written to before it; None where no other process wrote."""

    standing: Standing
    known: Known
    moved: Moved | None
    done: Pass
    answers: list[Answer]
    own: list[OwnLeaf]


def _load(connection: Connection) -> tuple[Standing, int]:
    """The whole standing, and the newest time written down (ms UTC)."""
    standing = Standing(commits.load_threads(connection), commits.load_frontier(connection))
    _heard(connection, standing, 0)
    return standing, commits.newest_stamp(connection)


def _heard(connection: Connection, standing: Standing, since: int) -> None:
    """Take in which ends of threads the leaves from ``since`` on say."""
    for name, tail in own_leaves.read_tails(connection, since).items():
        standing.said[name] = tail.seq
        standing.heads = max(standing.heads, tail.index + 1)


def _say(standing: Standing, own: Sequence[OwnLeaf]) -> None:
    """Take in what a batch of our own said: the ends of the threads as they stand after it."""
    for leaf in own:
        if leaf.kind == "heads":
            standing.said.update({name: standing.threads[name].seq for name in leaf.disclosures})
            standing.heads = leaf.index + 1


def _look(connection: Connection, clock: SystemClock, standing: Standing) -> tuple[Standing, Moved | None]:
    return _refresh(connection, clock, standing, commits.read_stand(connection))


def _work(
    connection: Connection,
    context: _Context,
    standing: Standing,
    jobs: list[Job],
    due: set[str],
    wanted: list[Wanted],
) -> _Outcome:
    """One batch, under the store's write lock: refresh, judge, write. Changes nothing but the store."""
    stand = commits.read_stand(connection)
    standing, elsewhere = _refresh(connection, context.clock, standing, stand)
    known_mandates = context.directory.renew(connection, context.known, stand.mandates)
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
        known_mandates.book,
        context.clock.now(),
        standing.frontier,
        standing.threads,
        known,
        context.seen,
        heads,
    )
    answers = _judge(done, jobs, due, stored)
    own = own_leaves.write(done, wanted, standing.said) if wanted else []
    if done.admitted or own:
        commits.save(connection, done, own)
    return _Outcome(standing, known_mandates, elsewhere, done, answers, own)


def _refresh(
    connection: Connection, clock: SystemClock, standing: Standing, stand: commits.Stand
) -> tuple[Standing, Moved | None]:
    """The standing brought up to what stands in the store, and what had moved; None where nothing had."""
    if stand.size == standing.frontier.size:
        return standing, None
    frontier = commits.load_grown(connection, standing.frontier, stand.size)
    found = moved.read_since(connection, standing.frontier.size)
    changed = moved.load_changed(connection, found.threads, standing.threads)
    clock.raise_floor(stand.at)
    renewed = Standing({**standing.threads, **changed}, frontier, dict(standing.said), standing.heads)
    if stand.own > standing.frontier.size:
        _heard(connection, renewed, standing.frontier.size)
    return renewed, found


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
        found = done.submit(job.entry, job.parts, NOTHING if job.proven is None else job.proven.result())
    except ProtocolError as error:
        return error
    if isinstance(found, Refusal):
        return found
    stamp = found.entry.stamp
    return Position(found.entry.id, found.thread, stamp.seq, stamp.index, stamp.at)


def _answer_own(job: OwnJob, answer: Closing | HubFault | NotStored | None) -> None:
    if not job.answer.done():
        job.answer.set_result(answer)


def _close(jobs: Iterable[Job], own: Iterable[OwnJob]) -> None:
    for job in jobs:
        job.told(Closing())
    for waiting in own:
        _answer_own(waiting, Closing())
