"""The directory: mandates every station may read, and key packages by which one station may be added by another.

The book of mandates is never changed in place: admission reads it from another thread while a new one is made.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from hotline.clock import Clock
from hotline.hub import commits
from hotline.hub.errors import (
    BadKeyPackage,
    ClaimRefused,
    KeyPackagesKept,
    MandateTooLate,
    NoKeyPackage,
    TooManyKeyPackages,
    TooManyMandates,
)
from hotline.hub.moved import moved_since
from hotline.hub.settings import Limits
from hotline.hub.thread import Thread
from hotline.hub.together import Together
from hotline.store import hub as t
from hotline.store.engine import Store
from protocols import mls
from protocols.accord import SignedAccord
from protocols.encoding import b64u, digest, unb64u
from protocols.frames import encode_mandates
from protocols.mandate import MandateBook, OutOfMandate, VerifiedMandate, verify_mandate

HOUR = 3_600_000
_TOGETHER = 256
"""Stations whose key packages are counted in one query."""
EXPIRED = "expired"
"""Who claimed a key package that nobody can use any more."""


@dataclass(frozen=True, slots=True)
class Known:
    """The mandates that a process knows, never changed in place. ``rows``: how many the store held when they were read."""

    book: MandateBook
    rows: int


class Directory:
    """Mandates and key packages. All that is in it was verified against the accord."""

    def __init__(
        self,
        store: Store,
        accord: SignedAccord,
        clock: Clock,
        limits: Limits,
        *,
        size: Callable[[], int] = lambda: 0,
        elsewhere: Callable[[tuple[bytes, ...]], None] = lambda _: None,
    ) -> None:
        """``size``: how far this process has read the log. ``elsewhere`` is told of mandates that another process on the same
        store took."""
        self._store, self._accord, self._clock, self._limits = store, accord, clock, limits
        self._size, self._elsewhere = size, elsewhere
        self._claims: dict[tuple[str, ...], deque[int]] = {}
        self._adding = asyncio.Lock()
        self.known = Known(MandateBook(accord.accord), 0)
        self._index: tuple[Known, dict[bytes, VerifiedMandate]] | None = None
        self._encoded: tuple[dict[bytes, VerifiedMandate], msgspec.Raw] | None = None
        self._left: Together[str, int] = Together(self._read_left)

    @property
    def book(self) -> MandateBook:
        """Every mandate that is known."""
        return self.known.book

    async def load(self) -> None:
        """Read and verify everything stored."""
        async with self._store.read() as connection:
            self.known = await connection.run_sync(self.renew, Known(MandateBook(self._accord.accord), 0))

    def renew(self, connection: Connection, known: Known, rows: int | None = None) -> Known:
        """``known`` with what stands in the store besides; the same object where nothing does. Changes nothing here.
        ``rows``: how many stand there, where that is read already."""
        if rows is None:
            rows = int(connection.execute(sa.select(sa.func.count()).select_from(t.mandates)).scalar_one())
        if rows == known.rows:
            return known
        held = {mandate.data for mandate in known.book.all()}
        book = MandateBook(self._accord.accord, known.book.all())
        for row in connection.execute(sa.select(t.mandates.c.data).order_by(t.mandates.c.added)):
            if bytes(row.data) not in held:
                book.add_bytes(row.data)
        return Known(book, rows)

    def take(self, known: Known) -> None:
        """Go on with what `renew` found, and tell of what is new. What is older than what is known here is left alone."""
        if known.rows <= self.known.rows:
            return
        held = {mandate.data for mandate in self.book.all()}
        self.known = known
        if new := tuple(mandate.data for mandate in known.book.all() if mandate.data not in held):
            self._elsewhere(new)

    async def look(self) -> None:
        """Take in what another process on the same store has taken."""
        async with self._adding, self._store.read() as connection:
            self.take(await connection.run_sync(self.renew, self.known))

    def encoded(self) -> msgspec.Raw:
        """The mandates as they travel, encoded once for all that log in (`encode_ready`)."""
        held = self._held
        if self._encoded is None or self._encoded[0] is not held:
            self._encoded = held, encode_mandates(tuple(held))
        return self._encoded[1]

    @property
    def _held(self) -> dict[bytes, VerifiedMandate]:
        """Every mandate that is known, by its exact bytes."""
        if self._index is None or self._index[0] is not self.known:
            self._index = self.known, {mandate.data: mandate for mandate in self.known.book.all()}
        return self._index[1]

    def verify(self, data: bytes) -> VerifiedMandate:
        """The mandate in these bytes; the very same bytes that were verified before are not verified again. Raises what
        `verify_mandate` raises."""
        return self._held.get(data) or verify_mandate(data, self._accord.accord)

    def with_mandate(self, found: VerifiedMandate) -> MandateBook:
        """The book as it would be with this mandate too. Raises `OutOfMandate` or `TooManyMandates`."""
        return self._with(self.known, found).book

    def _with(self, known: Known, found: VerifiedMandate) -> Known:
        if known is self.known and found.data in self._held:
            return known
        mandates = known.book.all()
        if any(mandate.mandate == found.mandate for mandate in mandates):
            return known
        if sum(mandate.office == found.office for mandate in mandates) >= self._limits.mandates:
            raise TooManyMandates(found.office)
        book = MandateBook(self._accord.accord, mandates)
        book.add(found)
        return Known(book, known.rows + 1)

    def check_start(self, found: VerifiedMandate, threads: Iterable[Thread], book: MandateBook | None = None) -> None:
        """Refuses (`MandateTooLate`) one that would unmake what stands in ``threads``: see `MandateBook.takes_back`."""
        if not (book or self.book).takes_back(found, self._clock.now()):
            return
        for thread in threads:
            seated = any(seat.office == found.office for seat in thread.state.seats.values())
            if seated and thread.at >= found.not_before:
                raise MandateTooLate(f"it begins before entry {thread.seq} of thread {thread.thread}")

    async def add(self, found: VerifiedMandate) -> bool:
        """Take a mandate, durably; False where it is known. Raises `OutOfMandate`, `TooManyMandates` or `MandateTooLate`."""
        if found.data in self._held:
            return False
        async with self._adding:  # of two that contradict each other only one may reach the store
            if self._with(self.known, found) is self.known:
                return False
            async with self._store.write() as connection:
                before, after = await connection.run_sync(self._add, found)
            self.take(before)
            if after is before:
                return False
            self.known = after
        return True

    def _add(self, connection: Connection, found: VerifiedMandate) -> tuple[Known, Known]:
        """Under the store's lock: what is known before and after, with what other processes wrote counted in."""
        known = self.renew(connection, self.known)
        after = self._with(known, found)
        if after is known:
            return known, known
        if commits.log_size(connection) != self._size():
            moved = moved_since(connection, self._size())
            self.check_start(found, commits.load_threads(connection, moved).values(), known.book)
        row = {
            "digest": digest(found.data),
            "kid": found.kid,
            "office": found.office,
            "added": self._clock.now(),
            "data": found.data,
        }
        connection.execute(t.mandates.insert().values(**row))
        return known, after

    async def publish(self, station: VerifiedMandate, packages: tuple[bytes, ...]) -> None:
        """Keep key packages of a station. Raises `BadKeyPackage`, `TooManyKeyPackages`: nothing of the frame is kept."""
        now = self._clock.now()
        rows = [self._package(station, data, now) for data in packages]
        k = t.key_packages.c
        async with self._store.write() as connection:
            free = await connection.execute(
                sa.select(sa.func.count()).where(k.station == station.kid, k.claimed_at.is_(None))
            )
            if free.scalar_one() + len(rows) > self._limits.key_packages:
                raise TooManyKeyPackages(f"at most {self._limits.key_packages}")
            number = (await connection.execute(sa.select(sa.func.coalesce(sa.func.max(k.number), 0)))).scalar_one()
            there = sa.select(k.ref).where(k.ref.in_([row["ref"] for row in rows]))
            known = set((await connection.execute(there)).scalars())
            new = {row["ref"]: row for row in rows if row["ref"] not in known}
            for offset, row in enumerate(new.values(), 1):
                await connection.execute(t.key_packages.insert().values(**row, number=number + offset))

    async def left(self, station: str) -> int:
        """How many key packages of a station wait to be claimed."""
        return await self._left.ask(station)

    async def _read_left(self, stations: Sequence[str]) -> dict[str, int]:
        asked = stations[:_TOGETHER]
        k = t.key_packages.c
        query = sa.select(k.station, sa.func.count()).where(k.station.in_(asked), k.claimed_at.is_(None))

        def work(connection: Connection) -> dict[str, int]:
            found = {row[0]: int(row[1]) for row in connection.execute(query.group_by(k.station))}
            return {station: found.get(station, 0) for station in asked}

        return await self._store.fetch(work)

    async def claim(
        self, station: VerifiedMandate, wanted: tuple[str, ...], threads: Callable[[], tuple[Thread, ...]]
    ) -> dict[str, bytes]:
        """One key package of each wanted station, each handed out once, all or none.

        Raises `ClaimRefused`, `KeyPackagesKept`, `NoKeyPackage`, `OutOfMandate`.
        """
        now = self._clock.now()
        wanted = tuple(dict.fromkeys(wanted))
        for kid in wanted:
            target = self.book.require(kid, role="station", office=self.book.find(kid, now).office, at=now)
            if not self._may_need(station.office, target.office, threads()):
                raise ClaimRefused(f"no thread brings {station.office} and {target.office} together")
        self._count(station, wanted, now)
        offices = {each.kid: each.office for each in self.book.all()}
        found: dict[str, bytes] = {}
        async with self._store.write() as connection:
            for kid in wanted:
                await self._leave_others_theirs(connection, kid, station.office, offices)
                found[kid] = await self._claim_one(connection, kid, station.kid, now)
        return found

    async def _leave_others_theirs(
        self, connection: AsyncConnection, kid: str, office: str, offices: Mapping[str, str]
    ) -> None:
        """Each office has a few of what a station last published for itself; what is beyond that goes to whoever comes first.
        Counted in the store, so it holds at all hubs and over a restart. Raises `KeyPackagesKept`.

        ``offices``: of every station that is known."""
        k, each = t.key_packages.c, self._limits.claims_reserved
        free, published = (
            await connection.execute(
                # The oldest are handed out first: as long as one is free, the newest are.
                sa.select(sa.func.count(), sa.func.max(k.added)).where(k.station == kid, k.claimed_at.is_(None))
            )
        ).one()
        if not free:
            return  # `_claim_one` says so
        had: Counter[str] = Counter()
        taken = sa.select(k.claimed_by, sa.func.count().label("taken")).where(
            k.station == kid, k.claimed_at >= published
        )
        for row in await connection.execute(taken.group_by(k.claimed_by)):
            had[offices.get(str(row.claimed_by), "")] += int(row.taken)
        if had[office] < each:
            return
        others = (other.id for other in self._accord.accord.offices if other.id != office)
        theirs = sum(max(0, each - had[other]) for other in others)
        if free <= min(theirs, self._limits.key_packages * 2 // 5):
            raise KeyPackagesKept(kid)

    async def _claim_one(self, connection: AsyncConnection, kid: str, by: str, now: int) -> bytes:
        k = t.key_packages.c
        rows = await connection.execute(
            sa.select(k.ref, k.data).where(k.station == kid, k.claimed_at.is_(None)).order_by(k.number)
        )
        for row in rows.all():
            used = t.key_packages.update().where(k.ref == row.ref)
            try:
                mls.inspect_key_package(row.data, now=now // 1000)
            except mls.MlsError:  # expired while it waited: spent, the next one
                await connection.execute(used.values(claimed_by=EXPIRED, claimed_at=now))
                continue
            await connection.execute(used.values(claimed_by=by, claimed_at=now))
            return bytes(row.data)
        raise NoKeyPackage(kid)

    def _package(self, station: VerifiedMandate, data: bytes, now: int) -> dict[str, object]:
        try:
            info = mls.inspect_key_package(data, now=now // 1000)
        except mls.MlsError as error:
            raise BadKeyPackage(str(error)) from error
        expected = unb64u(station.station_keys.mls, size=32)
        if info.identity != station.kid.encode("ascii") or info.signature_key != expected:
            raise BadKeyPackage("not of this station")
        if info.suite != self._accord.accord.suite:
            raise BadKeyPackage("another suite than the accord's")
        return {"ref": b64u(info.ref), "station": station.kid, "data": data, "added": now}

    def _may_need(self, mine: str, theirs: str, threads: tuple[Thread, ...]) -> bool:
        """Parties may open threads with parties; whoever is in a thread may renew its keys with those it lets in."""
        roles = {office.id: office.role for office in self._accord.accord.offices}
        if mine == theirs or (roles.get(mine) == "party" and roles.get(theirs) == "party"):
            return True
        for thread in threads:
            state = thread.state
            inside = set(state.roster.values())
            if mine in inside and theirs in (inside | set(state.due_adds) | set(state.admitted)):
                return True
        return False

    def _count(self, station: VerifiedMandate, wanted: tuple[str, ...], now: int) -> None:
        """Count claims for the station, for its office, and for its office at each station: nobody may use up what others
        need. Raises `ClaimRefused`, and counts nothing then."""
        limits = self._limits
        counted = [
            ((station.kid,), len(wanted), limits.claims_per_hour),
            (("", station.office), len(wanted), limits.office_claims_per_hour),
            *(((station.office, kid, ""), 1, limits.claims_each_per_hour) for kid in wanted),
        ]
        for key, count, most in counted:
            recent = self._claims.setdefault(key, deque())
            while recent and recent[0] <= now - HOUR:
                recent.popleft()
            if len(recent) + count > most:
                raise ClaimRefused("too many in an hour")
        for key, count, _ in counted:
            self._claims[key].extend([now] * count)


def current_station(book: MandateBook, kid: str, office: str, at: int) -> VerifiedMandate:
    """The station's mandate in force at ``at`` (ms UTC). Raises `OutOfMandate`."""
    found = book.require(kid, role="station", office=office, at=at)
    if found.mandate.subject != "station":
        raise OutOfMandate("not a station")
    return found
