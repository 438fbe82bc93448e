"""The hub as its console sees it (`hotline.hub.views.Console`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from hotline.freshness import ladder_warnings
from hotline.hub import front
from hotline.hub.errors import Closing, HubFault, LookNotLogged, NotStored
from hotline.hub.export import export_thread
from hotline.hub.figures import read_figures
from hotline.hub.findings import Counted, Figures, Found, Search
from hotline.hub.hub import Hub
from hotline.hub.lines import Throttle
from hotline.hub.log_health import log_health
from hotline.hub.log_views import LogHealth
from hotline.hub.looks import read_looks
from hotline.hub.operators import Operators
from hotline.hub.own_leaves import Look
from hotline.hub.proven import Prover
from hotline.hub.search import search
from hotline.hub.statistics import Statistics
from hotline.hub.trail import make_trail, read_leaves, row_of
from hotline.hub.views import HubSummary, LookRow, ProvenClock, ThreadRow, ThreadTrail
from protocols.entry import HUB
from protocols.kinds import KINDS
from protocols.redaction import Redaction

MET_SHOWN = 50
"""Clocks met in time about which it is said what is proven: the newest."""


class HubConsole:
    """Implements `Console` over a running hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._operators = Operators(hub.store, hub.clock, hub.keys.operators, hub.settings.name)
        self._throttle = Throttle(hub.settings.limits.login_failures)
        self._statistics = Statistics(
            hub.store,
            hub.accord,
            hub.ladders,
            mandates=lambda: hub.directory.book,
            tell=lambda: hub.watchers.tell(""),
            closing=lambda: hub.closing,
        )
        self._figures: dict[str, tuple[int, Figures]] = {}
        self._trails: dict[str, tuple[int, ThreadTrail]] = {}

    def summary(self) -> HubSummary:
        hub, accord = self._hub, self._hub.accord
        now, since = hub.clock.now(), hub.lines.since()
        stations = tuple(
            (office.id, mandate.mandate.name, since.get(mandate.kid, 0))
            for office in accord.accord.offices
            for mandate in hub.directory.book.stations(office.id, now)
        )
        witnesses = tuple(
            (witness.name, *hub.heads.witnessed.get(witness.key.vkey, (0, 0))) for witness in hub.heads.policy.witnesses
        )
        return HubSummary(
            hub.settings.name,
            accord.accord.title,
            accord.id,
            accord.accord.status,
            accord.accord.exercise,
            now,
            hub.started,
            stations,
            witnesses,
            hub.alarms(),
            ladder_warnings(accord.accord, hub.ladders, now),
        )

    async def log_health(self) -> LogHealth:
        hub = self._hub
        health = await log_health(
            hub.store, hub.heads, hub.writer.standing.frontier.size, hub.clock.now(), hub.settings.head_interval
        )
        return replace(health, stamps=hub.timestamps.health())

    async def threads(self) -> tuple[ThreadRow, ...]:
        rows = [row_of(thread, self._hub.ladders[thread.ladder]) for thread in self._hub.threads()]
        return tuple(sorted(rows, key=lambda row: -row.last_at))

    async def trail(self, thread: str) -> ThreadTrail | None:
        hub = self._hub
        found = hub.writer.standing.threads.get(thread)
        if found is None:
            return None
        known = self._trails.get(thread)
        if known is not None and known[0] == found.seq:
            return known[1]
        leaves = await read_leaves(hub.store, thread)
        ladder = hub.ladders[found.ladder]
        made = await asyncio.to_thread(
            make_trail, found, leaves, ladder, hub.accord, hub.directory.book, hub.clock.now()
        )
        if len(self._trails) > 32:
            self._trails.clear()
        self._trails[thread] = (found.seq, made)
        return made

    async def proven(self, thread: str) -> tuple[ProvenClock, ...]:
        trail = await self.trail(thread)
        if trail is None or not (trail.ran_out or trail.met):
            return ()
        leaves = [leaf.data for leaf in await read_leaves(self._hub.store, thread)]
        return await Prover(self._hub.store, self._hub.heads.policy).judge(
            (*trail.ran_out, *trail.met[-MET_SHOWN:]), leaves
        )

    async def search(self, wanted: Search) -> Found:
        return await search(self._hub.store, wanted, self._hub.writer.standing.threads, self._hub.ladders)

    def kinds_and_offices(self) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
        kinds = tuple(sorted(((kind.name, kind.title) for kind in KINDS.values()), key=lambda each: each[1].lower()))
        return kinds, (*(office.id for office in self._hub.accord.accord.offices), HUB)

    async def statistics(self, thread: str = "") -> Counted | None:
        hub = self._hub
        threads = {each.thread: each for each in hub.threads()}
        if thread and thread not in threads:
            return None
        counted = await self._statistics.bring_up(hub.threads)
        made = await self._read_figures(thread, counted)
        entries = sum(each.seq for each in threads.values())
        return Counted(made, min(counted, entries), entries, 1 if thread else len(threads))

    async def _read_figures(self, thread: str, counted: int) -> Figures:
        """Pages fetch themselves anew at every change of anything; figures change only with what is counted."""
        known = self._figures.get(thread)
        if known is not None and known[0] == counted:
            return known[1]
        made = await read_figures(self._hub.store, thread)
        if len(self._figures) > 32:
            self._figures.clear()
        self._figures[thread] = (counted, made)
        return made

    async def export(
        self, thread: str, items: Sequence[Redaction] = (), by: str = "", upto: int | None = None
    ) -> bytes:
        """Raises `NotProvenYet` where no published head covers the thread, and `CannotWithhold`."""
        return await export_thread(self._hub, thread, items, by, upto)

    def attempt(self, address: str) -> bool:
        hub, origin = self._hub, front.origin(address)
        if self._throttle.blocked(origin, hub.clock.now()):
            hub.metrics.limited.labels("console-login").inc()
            return False
        self._throttle.failed(origin, hub.clock.now())
        return True

    def succeeded(self, address: str) -> None:
        self._throttle.forgive(front.origin(address))

    async def login(self, operator: str, password: str, code: str) -> bool:
        return await self._operators.login(operator, password, code)

    async def redeem(self, token: str) -> str | None:
        return await self._operators.redeem(token)

    async def read_looks(self, before: int | None, limit: int) -> tuple[LookRow, ...]:
        hub = self._hub

        def work(connection: Connection) -> tuple[LookRow, ...]:
            return read_looks(connection, hub.accord, before, limit)

        async with hub.store.read() as connection:
            return await connection.run_sync(work)

    async def record_look(self, operator: str, what: str) -> None:
        try:
            await self._hub.writer.write(Look(operator, what))
        except (Closing, NotStored, HubFault) as error:
            raise LookNotLogged(error.code) from error

    def changes(self) -> AsyncIterator[str]:
        return self._hub.watchers.changes()
