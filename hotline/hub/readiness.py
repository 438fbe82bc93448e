"""Whether a hub does its work, part by part: what ``/readyz`` answers and what monitoring is told.

::

    tasks      every task of the hub runs
    store      takes a write, now
    clocks     limits that ran out are noted, within seconds
    witnesses  what is in the log comes under a head with a quorum, within a quarter of an hour
    files      the folder of files is there and is the one that all hubs of the store share

The first three stop messages; without the others messages go on, and proofs or files wait. The difference matters to a load
balancer: stations reach the hub through it, and stations are witnesses. A hub that was taken out of service because its
witnesses are away would never get them back.
"""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import SQLAlchemyError

from hotline.clock import span_words
from hotline.store import hub as t

if TYPE_CHECKING:
    from hotline.hub.hub import Hub

_LOG = structlog.get_logger("hotline.hub")
CHECK_EVERY = 1000
"""ms for which the store, once found writable, is taken to be so."""
CLOCK_LATE = 10_000
"""ms after which a limit that ran out and is not noted says that the clocks stand."""
ROOM, ROOM_BYTES = "room", 1 << 18
"""Row of ``meta``, written and deleted, that shows that there is room on the disk."""
QUORUM_LATE = 15 * 60_000
"""ms that something in the log may wait for a head with a quorum."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the hub. ``problem``: in words, "" where it does its work; ``stops``: no message is taken without it."""

    name: str
    problem: str
    stops: bool = True


class Readiness:
    """Looks at ``hub``; the store is asked to write at most once in `CHECK_EVERY`, because anybody who reaches the port may
    ask, and every answer costs a flush of the disk that entries wait for."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._checking = asyncio.Lock()
        self._checked_at = 0

    async def look(self) -> tuple[Part, ...]:
        """Every part as it is now; the metrics are set by the way. Raises nothing."""
        parts = (
            Part("tasks", "" if self._hub.runs else "a task of the hub has ended"),
            Part("store", await self._store()),
            Part("clocks", self._clocks()),
            Part("witnesses", await self._witnesses(), stops=False),
            Part("files", self._hub.blobs.problem, stops=False),
        )
        metrics = self._hub.metrics
        for part in parts:
            metrics.ready.labels(part.name).set(not part.problem)
        metrics.alarms.set(len(self._hub.alarms()))
        self._measure_disk()
        return parts

    async def recover(self) -> None:
        """Take the store for writable again once it has room for what a batch needs. A hub that said it was not ready may be
        sent no message by which it would find out."""
        writer = self._hub.writer
        if writer.healthy:
            return
        m = t.meta
        try:
            async with self._hub.store.write() as connection:
                await connection.execute(m.insert().values(key=ROOM, value="x" * ROOM_BYTES))
                await connection.execute(m.delete().where(m.c.key == ROOM))
        except (SQLAlchemyError, OSError) as error:
            _LOG.warning("still not stored", error=type(error).__name__)
            return
        _LOG.info("store takes writes again")
        writer.healthy = True

    async def _store(self) -> str:
        hub = self._hub
        if not hub.writer.healthy:
            return "the last batch could not be written"
        if not hub.runs:
            return ""
        async with self._checking:
            now = hub.clock.now()
            if now - self._checked_at < CHECK_EVERY:
                return ""
            writable = await self._can_write()
            self._checked_at = now if writable else 0
        return "" if writable else "it takes no writes"

    async def _can_write(self) -> bool:
        try:
            async with self._hub.store.write() as connection:
                same = t.meta.update().where(t.meta.c.key == "accord").values(value=self._hub.accord.id)
                await connection.execute(same)
        except (SQLAlchemyError, OSError):
            return False
        return True

    def _clocks(self) -> str:
        late = self._hub.overdue()
        return f"a time limit ran out {span_words(late)} ago and is not noted" if late > CLOCK_LATE else ""

    async def _witnesses(self) -> str:
        hub = self._hub
        if hub.claims.proofs:
            return "the log's key has signed two histories: no head is signed any more"
        try:
            waiting = await self._unproven()
        except (SQLAlchemyError, OSError):
            return "the store cannot be read"
        hub.metrics.unproven.set(waiting / 1000)
        return f"no head has met the quorum for {span_words(waiting)}" if waiting > QUORUM_LATE else ""

    async def _unproven(self) -> int:
        """For how long something in the log has waited for a head with a quorum while this process ran, ms; 0: nothing does."""
        hub = self._hub
        covered = 0 if hub.heads.published is None else hub.heads.published.checkpoint.size
        if hub.writer.standing.frontier.size <= covered:
            return 0
        h = t.heads.c
        async with hub.store.read() as connection:
            wanted = sa.select(h.at).where(h.size > covered).order_by(h.size).limit(1)
            signed = (await connection.execute(wanted)).scalar()
        return max(0, hub.clock.now() - max(signed or 0, hub.started))

    def _measure_disk(self) -> None:
        place = self._hub.store.place
        if isinstance(place, Path):
            self._hub.metrics.disk_free.set(shutil.disk_usage(place.parent).free)


def ready(parts: tuple[Part, ...], *, whole: bool = False) -> bool:
    """Whether messages are taken; with ``whole`` whether nothing at all is the matter."""
    return not any(part.problem and (whole or part.stops) for part in parts)
