"""The hub: its parts put together, and the tasks that run them.

::

    lines ──submit──> writer ──commit──> store
      ^                 │ committed
      │                 ├──> lines (deliver), clocks (arm), heads (grow), console (changes)
      └──deliver── store, by cursor
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog

from hotline.clock import SystemClock, span_words
from hotline.hub import records
from hotline.hub.admission import Admitted, Rules
from hotline.hub.allowance import Allowances
from hotline.hub.backlog import Backlog
from hotline.hub.blobs import Blobs, ticket_key
from hotline.hub.claims import Claims
from hotline.hub.directory import Directory
from hotline.hub.disagreements import Disagreements
from hotline.hub.errors import BehindWitnesses, Closing, HubFault, HubNotReady, NotStored
from hotline.hub.foreign import Foreign
from hotline.hub.front import Front
from hotline.hub.lanes import RANK
from hotline.hub.lines import Lines, Throttle
from hotline.hub.log import HeadKeeper
from hotline.hub.login import Door
from hotline.hub.metrics import Metrics
from hotline.hub.own_leaves import Heads, OwnLeaf
from hotline.hub.readiness import Readiness, ready
from hotline.hub.recent import Recent
from hotline.hub.replicas import Replicas, new_id
from hotline.hub.safekeeping import Safe
from hotline.hub.settings import Settings
from hotline.hub.tails import Ends
from hotline.hub.thread import Thread, may_see
from hotline.hub.timestamps import Timestamps
from hotline.hub.watchers import Watchers
from hotline.hub.writer import Writer
from hotline.store import hub as t
from hotline.store.engine import Store, migrate
from hotline.store.place import Place
from hotline.tasks import end
from mediation import fold
from mediation.ladder import Ladder, parse_ladder
from protocols import frames
from protocols.accord import SignedAccord
from protocols.encoding import b64u
from protocols.keys import SeedSigner
from protocols.mandate import VerifiedMandate
from protocols.translog import ed25519_signer, parse_policy, parse_vkey

_LOG = structlog.get_logger("hotline.hub")
MANDATE_CHECK = 30.0
"""Seconds between two looks at mandates that may have ended."""
DRIFT = 2_000
"""ms by which the machine's clock may differ from the hub's before operators are told."""
REREAD = 1000
"""ms between two readings of what other processes kept of stations that disagree."""


@dataclass(frozen=True, slots=True, repr=False)
class HubKeys:
    """The hub's private keys: 32-byte Ed25519 seeds for stamps and for the log, and a key that seals TOTP secrets."""

    sign: bytes
    log: bytes
    operators: bytes


class Hub:
    """A running hub. ``await Hub.open(...)``, then ``start``; at the end ``stop``."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        keys: HubKeys,
        accord: SignedAccord,
        ladders: Mapping[str, bytes],
        roots: Sequence[bytes] = (),
        files: Path | None = None,
    ) -> None:
        """Use `open`."""
        card = accord.accord.hub
        signer, log = SeedSigner(keys.sign), ed25519_signer(accord.log_origin, keys.log)
        if b64u(signer.public) != card.key or log.key != parse_vkey(card.log):
            raise HubNotReady("the keys are not those that the accord names for its hub")
        if card.name != settings.name:
            raise HubNotReady(f"this hub is called {settings.name!r}, the accord's {card.name!r}")
        self.settings, self.accord, self.store, self.keys = settings, accord, store, keys
        self.ladders, self.ladder_files = parse_ladders(accord, ladders), dict(ladders)
        self.clock = SystemClock()
        self.started = self.clock.now()
        self.closing = False
        self.metrics = Metrics()
        self.watchers = Watchers()
        self.front = Front(settings.limits, self.metrics)
        self.allowances = Allowances(settings.limits)
        self.replicas = Replicas(store.place, self.clock, store.id)
        self.lines = Lines(
            self.metrics,
            elsewhere=self.replicas.peers.since,
            moved=self.replicas.moved,
        )
        self.recent = Recent()
        self.backlog = Backlog(store)
        self.ends = Ends(self)
        self.disagreements = Disagreements(store, accord.id)
        self.throttle = Throttle(settings.limits.login_failures)
        self.directory = Directory(
            store,
            accord,
            self.clock,
            settings.limits,
            size=lambda: self.writer.standing.frontier.size,
            elsewhere=self._mandates_elsewhere,
        )
        self.writer = Writer(
            store,
            Rules(accord, self.ladders, signer),
            self.clock,
            self.metrics,
            directory=self.directory,
            seen=lambda: None if self.heads.published is None else self.heads.published.digest,
            committed=self._committed,
            elsewhere=self._elsewhere,
            own=self._own_committed,
            fresh=self.recent.put,
        )
        self.heads = HeadKeeper(
            store,
            log,
            parse_policy(accord.accord.policy),
            self.clock,
            self.metrics,
            frontier=lambda: self.writer.standing.frontier,
            offer=self._offer,
            publish=self._published,
            interval=settings.head_interval,
            delay=settings.head_delay,
            may_sign=lambda: self.claims.confirmed and not self.claims.proofs,
        )
        self.claims = Claims(
            store,
            log.key,
            self.heads.policy,
            self.clock,
            lambda: self.writer.standing.frontier.size,
            spoke=self.replicas.spoke,
        )
        self.replicas.attach(
            hint=self.writer.hint,
            look=self._look,
            lines=self.lines.own,
            presence=self._presence,
            replace=self.lines.replace,
            heard=self._heard_elsewhere,
            spoken=self.claims.spoken,
        )
        self._marks: records.Marks | None = None
        self._looked = 0
        self.foreign = Foreign(self.heads, self.claims, _witness_urls(settings, self.heads))
        self.timestamps = Timestamps(
            store, settings.timestamps, roots, self.clock, self.metrics, lambda: self.heads.published
        )
        self.blobs = Blobs(
            store,
            files,
            settings.attachments,
            ticket_key(keys.sign),
            self.directory,
            self.find_thread,
            self.clock.now,
            self.metrics,
        )
        self.safe = Safe(keys.operators, accord.log_origin, secrets.token_bytes)
        self.door = Door(accord, signer, self.directory, self.clock.now)
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.readiness = Readiness(self)
        self.clock_alarm = ""
        """What is wrong with the machine's clock, in words for operators; "" where nothing is."""
        self._moved = asyncio.Event()
        self._due: dict[str, int] = {}
        self._next_due = 0
        """When the clocks are looked at next (ms UTC): what is due before that, or comes after it, wakes whoever does."""
        self._asked: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._writing: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        place: Place,
        settings: Settings,
        keys: HubKeys,
        accord: SignedAccord,
        ladders: Mapping[str, bytes],
        roots: Sequence[bytes] = (),
        files: Path | None = None,
    ) -> Hub:
        """A hub over the store at ``place``, made or upgraded as needed. ``ladders``: exact bytes by the accord's ids.
        ``roots``: certificates of the time-stamping authorities that are trusted, if any is to be asked. ``files``: the folder
        of the sealed files that go with entries; none: beside a store that is a file, and with a server none are taken.

        Raises `HubNotReady`, `NotInAccord`, `LadderError`, and what `hotline.store.migrate.upgrade` raises.
        """
        await migrate(place, "hub")
        store = Store(place, new_id())
        try:
            if files is None and isinstance(place, Path):
                files = place.with_name(f"{place.stem}-blobs")
            hub = cls(store, settings, keys, accord, ladders, roots, files)
            await hub._load()
        except BaseException:
            await store.close()
            raise
        return hub

    async def _load(self) -> None:
        await self._pin()
        await self._set_clock()
        await self.directory.load()
        await self.heads.load()
        await self.claims.load()
        await self.timestamps.load()
        await self.blobs.agree()
        try:
            await self.foreign.ask()
        except BaseException:
            await self.foreign.close()
            raise
        await self.disagreements.load({each.kid: each.office for each in self.directory.book.all()})
        for thread in self.threads():
            self._arm(thread)

    async def _set_clock(self) -> None:
        """Count time on from where the process before this one counted, and never from before what is written down."""
        row = records.clock_row(shared=self.store.shared)
        async with self.store.read() as connection:
            mark = await records.read_mark(connection, row)
            if self.store.shared:
                differs = SystemClock().now() - await records.server_time(connection)
                if abs(differs) > DRIFT:
                    raise HubNotReady(
                        f"this machine's clock differs from the PostgreSQL server's by {span_words(differs)}"
                    )
        if mark is not None and not self.clock.go_on(mark):
            _LOG.info("machine was started anew: its clock is taken")
        await self.writer.load()
        async with self.store.write() as connection:
            await records.put_mark(connection, self.clock.mark(), row)
        self.started = self.clock.now()
        self.check_clock()

    def check_clock(self) -> None:
        """Look whether the machine's clock went its own way; say so where it did. The hub's clock is not moved by it."""
        drift = self.clock.drift()
        self.metrics.drift.set(drift / 1000)
        words = "" if abs(drift) < DRIFT else clock_words(round(drift, -3))
        if bool(words) != bool(self.clock_alarm):
            _LOG.log(30 if words else 20, "machine clock differs" if words else "machine clock agrees", drift_ms=drift)
            self.watchers.tell("")
        self.clock_alarm = words

    async def _pin(self) -> None:
        """A store belongs to one accord for ever: another accord's entries in it would prove nothing."""

        async with self.store.write() as connection:
            row = (await connection.execute(sa.select(t.meta.c.value).where(t.meta.c.key == "accord"))).scalar()
            if row is None:
                await connection.execute(t.meta.insert().values(key="accord", value=self.accord.id))
            elif row != self.accord.id:
                raise HubNotReady("the store was made under another accord")

    # -- running --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the tasks. `failed` is set when one of them ends by a fault: stop the process then."""
        self._writing = self._spawn(self.writer.run(), "writer")
        self._tasks = [
            self._spawn(self._run_clocks(), "clocks"),
            self._spawn(self.heads.run(), "heads"),
            self._spawn(self._run_tails(), "tails"),
            self._spawn(self._run_checks(), "checks"),
            self._spawn(self.replicas.run(), "replicas"),
            self._spawn(self._run_foreign(), "witnesses"),
            self._spawn(self.timestamps.run(), "timestamps"),
            self._spawn(self.blobs.run(), "files"),
        ]
        if self.writer.standing.frontier.size:
            self.heads.grown()

    async def stop(self) -> None:
        """End every line, finish what is being written, close the store."""
        self.closing = True
        await end(self._tasks)
        self.writer.stop()
        if self._writing is not None:
            await asyncio.gather(self._writing, return_exceptions=True)
        self.lines.cut_all(Closing())
        self.watchers.close()
        await self.replicas.bye()
        for _ in range(100):
            if not list(self.lines):
                break
            await asyncio.sleep(0.02)
        await self.foreign.close()
        await self.timestamps.close()
        await self.store.close()
        if not self.failed.done():
            self.failed.cancel()

    @property
    def runs(self) -> bool:
        """Every task runs."""
        tasks = [*self._tasks, *([self._writing] if self._writing else [])]
        return bool(tasks) and not self.closing and not any(task.done() for task in tasks)

    @property
    def ready(self) -> bool:
        """The store was writable last, and every task runs."""
        return self.runs and self.writer.healthy

    async def check(self) -> bool:
        """Whether entries can be taken now (`hotline.hub.readiness`)."""
        return ready(await self.readiness.look())

    def overdue(self) -> int:
        """For how long the oldest time limit that ran out has waited to be noted, ms; 0: none waits."""
        return max(0, self.clock.now() - min(self._due.values(), default=self.clock.now()))

    def alarms(self) -> tuple[str, ...]:
        """What operators must know, in sentences."""
        said = (self.clock_alarm, *self.disagreements.words(), *self._log_alarms(), self.timestamps.alarm())
        return tuple(words for words in said if words)

    def _log_alarms(self) -> tuple[str, ...]:
        said = []
        if self.claims.proofs:
            said.append(
                "The log's key has signed two histories. The proof is kept here and at the stations; no head is signed any "
                "more. Find out whether the store was restored or the key stolen, and found a new log."
            )
        elif not self.claims.confirmed:
            said.append("Too few witnesses have said since the start what they hold of the log: no head is signed yet.")
        said += [
            f"The witness {name} has forgotten what it signed (it says {size} leaves). It must be retired: its cosignatures "
            "do not count until the accord names a new key."
            for name, size in sorted(self.heads.forgetful.items())
        ]
        return tuple(said)

    async def disagree(self, said: frames.Disagreement, mandate: VerifiedMandate) -> None:
        """A station computes another state than this hub stamped: keep it and tell the thread's members, that one too."""
        thread = self.writer.standing.threads.get(said.thread)
        if await self.disagreements.take(said, mandate, thread):
            self._tell_members(said)

    def _tell_members(self, said: frames.Disagreement) -> None:
        thread = self.writer.standing.threads.get(said.thread)
        if thread is not None:
            for line in self.lines:
                if may_see(thread, line.kid) is not None:
                    line.out.push(said)
            self.watchers.tell(said.thread)

    def threads(self) -> tuple[Thread, ...]:
        """Every thread as it stands."""
        return tuple(self.writer.standing.threads.values())

    def find_thread(self, name: str) -> Thread | None:
        """A thread as it stands, if there is one of that name."""
        return self.writer.standing.threads.get(name)

    async def take_mandates(self, mandates: tuple[bytes, ...]) -> None:
        """Verify and keep mandates, and tell every station of the new ones. Raises what verification raises."""
        new: list[bytes] = []
        try:
            for data in mandates:
                found = self.directory.verify(data)
                self.directory.check_start(found, self.threads())
                if await self.directory.add(found):
                    new.append(data)
        finally:
            # Those before one that is refused stand: everybody hears of them, a revocation at once.
            if new:
                self.lines.tell(frames.Directory(tuple(new)))
                self.lines.check_mandates(self.directory.book, self.clock.now())

    def _mandates_elsewhere(self, new: tuple[bytes, ...]) -> None:
        """Another process on the same store took these."""
        self.lines.tell(frames.Directory(new))
        self.lines.check_mandates(self.directory.book, self.clock.now())

    # -- what the writer and the log tell -------------------------------------------------------------------------

    def _committed(self, admitted: list[Admitted], carried: Mapping[str, int]) -> None:
        self.recent.add(admitted)
        ranks: dict[str, int] = {}
        for each in admitted:
            rank = carried.get(each.entry.id, RANK[each.entry.payload.precedence])
            ranks[each.thread] = min(rank, ranks.get(each.thread, rank))
        for name in ranks:
            self._arm(self.writer.standing.threads[name])
        self.lines.news((self.writer.standing.threads[name], rank) for name, rank in ranks.items())
        self._stamp_escalations(admitted)
        self.heads.grown()
        for name in ranks:
            self.watchers.tell(name)

    def _stamp_escalations(self, admitted: list[Admitted]) -> None:
        for each in admitted:
            rungs = self.ladders[self.writer.standing.threads[each.thread].ladder].rungs
            before, after = rungs.get(each.rung_before), rungs.get(each.rung_after)
            if before is not None and after is not None and after.level > before.level:
                self.timestamps.escalated(each.entry.stamp.index + 1)

    def _elsewhere(self, names: set[str]) -> None:
        """Another process on the same store wrote in these threads."""
        for name in names:
            self._arm(self.writer.standing.threads[name])
            self.watchers.tell(name)
        self._moved.set()  # the hub's clock may have gone forward with what the other wrote
        self.lines.news((self.writer.standing.threads[name], RANK["PRIORITY"]) for name in names)
        self.heads.grown()

    def _own_committed(self, _: Sequence[OwnLeaf]) -> None:
        self.heads.grown()

    def ask_tails(self, station: str, threads: tuple[str, ...]) -> None:
        """A station asks where threads of its own end: said with the next heartbeat, so that asking costs no leaf more."""
        for name in threads:
            thread = self.writer.standing.threads.get(name)
            membership = None if thread is None else may_see(thread, station)
            if membership is not None and membership.left is None:
                self._asked.add(name)

    async def hear(self, operator: str | None, note: str) -> None:
        """What a station holds of the log when it begins to follow. Raises `BehindWitnesses`, and stops the hub."""
        try:
            if await self.claims.hear(operator, note):
                self.heads.grown()
        except BehindWitnesses as error:
            self.writer.stop()
            if not self.failed.done():
                _LOG.error("behind the witnesses", detail=error.detail)
                self.failed.set_exception(error)
            raise

    async def take_evidence(self, station: str, evidence: frames.Evidence) -> None:
        """A proof that the log key signed two histories: kept, told to every station, and no head is signed any more."""
        if await self.claims.take(station, evidence.first, evidence.second):
            self.lines.tell(frames.TwoHistories(evidence.first, evidence.second))
            self.watchers.tell("")

    async def _run_foreign(self) -> None:
        try:
            await self.foreign.run()
        except* BehindWitnesses as group:
            error = group.exceptions[0]
            self.writer.stop()
            raise error from None

    async def _offer(self) -> None:
        for line in self.lines:
            await line.offer_head()
        self.foreign.offer()
        self.watchers.tell("")

    async def _published(self, note: str) -> None:
        self.timestamps.offer()
        self.lines.tell(frames.Published(note))
        for line in self.lines:
            line.out.wake()  # ends of threads may be proven now
        self.watchers.tell("")

    # -- clocks ---------------------------------------------------------------------------------------------------

    def _arm(self, thread: Thread) -> None:
        now = self.clock.now()
        waiting = fold.unannounced(thread.state, now)
        due = waiting[0].end if waiting else fold.next_turn(self.ladders[thread.ladder], thread.state, now)
        if due is None:
            self._due.pop(thread.thread, None)
        else:
            self._due[thread.thread] = due
        # Overdue: the machine slept, which a wait does not count.
        if now >= self._next_due or (due is not None and due < self._next_due):
            self._moved.set()

    async def _run_clocks(self) -> None:
        """Hands threads whose clocks ran out to the writer. Ends are absolute, so a restart changes none of them."""
        while True:
            self._moved.clear()
            now = self.clock.now()
            due = {name for name, at in self._due.items() if at <= now}
            if due:
                self.writer.announce(due)
                self._windows_opened(due, now)
            # What was handed over shows up as a commit; look again in a second if the disk refused it.
            left = [at - now for at in self._due.values() if at > now] + ([1000] if due else [])
            wait = min([*left, 60_000])
            self._next_due = now + wait
            with suppress(TimeoutError):
                async with asyncio.timeout(wait / 1000):  # not `wait_for`: see `hotline.hub.log`
                    await self._moved.wait()

    def _windows_opened(self, names: set[str], now: int) -> None:
        """A window opens without an entry; whoever may act while it is open is told all the same."""
        for name in names:
            thread = self.writer.standing.threads[name]
            if not fold.unannounced(thread.state, now):
                self._arm(thread)
                self.lines.news([(thread, RANK["PRIORITY"])])
                self.watchers.tell(name)

    async def _run_tails(self) -> None:
        """Every heartbeat: say in the log where the threads end that moved since it was last said, and those that somebody asks
        about. Quiet ones cost nothing."""
        while True:
            await asyncio.sleep(self.settings.head_interval)
            asked = frozenset(self._asked)
            if asked or self.writer.unsaid:
                try:
                    await self.writer.write(Heads(asked, moved=True))
                    self._asked -= asked
                except (Closing, NotStored, HubFault) as error:
                    # Nothing waits for it: what was not said now is said at the next heartbeat.
                    _LOG.error("ends of threads not written", code=error.code)

    async def _run_checks(self) -> None:
        while True:
            await asyncio.sleep(MANDATE_CHECK)
            self.check_clock()
            self.lines.check_mandates(self.directory.book, self.clock.now())
            await self.readiness.recover()
            await self.readiness.look()  # for the metrics: nobody else may be asking

    async def _look(self) -> None:
        """Another process may stand on the same store: the store is the truth, looking is cheap."""
        async with self.store.read() as connection:
            marks = await records.read_marks(connection)
        before = self._marks
        if marks.size != self.writer.standing.frontier.size:
            await self.writer.look()
        if before is None or marks.mandates != before.mandates:
            await self.directory.look()
        if before is None or (marks.published, marks.witnessed) != (before.published, before.witnessed):
            await self.heads.look()
        if before is None or marks.evidence != before.evidence:
            for first, second in await self.claims.look():
                self.lines.tell(frames.TwoHistories(first, second))
        self._marks = marks
        if self.clock.now() - self._looked >= REREAD:
            self._looked = self.clock.now()
            offices = {each.kid: each.office for each in self.directory.book.all()}
            for said in await self.disagreements.look(offices):
                self._tell_members(said)

    def _presence(self, changed: dict[str, int]) -> None:
        self.lines.changed(changed)

    def _heard_elsewhere(self, witness: str) -> None:
        if self.claims.heard_elsewhere(witness):
            self.heads.grown()

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=f"hub {name}")
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and not self.failed.done():
            self.metrics.faults.inc()
            _LOG.error("a task of the hub failed", task=task.get_name(), exc_info=error)
            self.failed.set_exception(error)


def clock_words(drift: int) -> str:
    """What operators are told when the machine's clock is ``drift`` ms ahead of the hub's (negative: behind)."""
    way = "ahead of" if drift > 0 else "behind"
    return (
        f"The machine's clock is {span_words(drift)} {way} the hub's. The hub counts by its own steady clock, so no time "
        "limit was shortened, lengthened or fired twice. Find out which of the two is right; if it is the machine's, "
        "stop the hub and use hotline hub take-time."
    )


def _witness_urls(settings: Settings, heads: HeadKeeper) -> dict[str, str]:
    """Witnesses that are reached over HTTP: as the accord's policy says, and as the settings say instead."""
    urls = {each.key.name: each.url for each in heads.policy.witnesses if each.url is not None}
    strangers = set(settings.witnesses) - set(heads.policy.operators)
    if strangers:
        raise HubNotReady(f"witnesses: {', '.join(sorted(strangers))} stands in no policy of the accord")
    found = {**urls, **settings.witnesses}
    if not all(url.startswith(("http://", "https://")) for url in found.values()):
        raise HubNotReady("witnesses: a URL that is neither http:// nor https://")
    return found


def parse_ladders(accord: SignedAccord, given: Mapping[str, bytes]) -> dict[str, Ladder]:
    """The ladders in force, by id, from their exact bytes. Raises `HubNotReady`, `NotInAccord`, `LadderError`."""
    found = {}
    for in_force in accord.accord.ladders:
        if in_force.id not in given:
            raise HubNotReady(f"the ladder {in_force.id} of the accord is not installed")
        accord.accord.check_ladder(in_force.id, given[in_force.id])
        found[in_force.id] = parse_ladder(given[in_force.id])
    return found
