"""Hub processes that share a store: how one hears that another wrote, and what they tell each other besides.

The store is the truth: what a process knows, it reads there. A hint (PostgreSQL's LISTEN/NOTIFY) only says that there is
something to read; one that is lost costs the second until the store is looked at anyway. What is in no store because it
is true only while it lasts goes by hints alone, and is told anew every few seconds: which stations are on whose line, and
which witnesses have said since the start what they hold.

::

    log ID                     a batch was committed
    row ID                     something else was
    came ID KID SINCE          a station logged in: an older line of it elsewhere is dead, and may not know it
    here ID KID=SINCE,...      stations on this process's lines
    gone ID KID                a station's line ended
    heard ID WITNESS ...       witnesses that have spoken
    who ID                     tell me: I have just begun
    bye ID                     this process stops
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

import structlog
from sqlalchemy.exc import SQLAlchemyError

from hotline.clock import Clock
from hotline.store.place import Place, Server

_LOG = structlog.get_logger("hotline.hub.replicas")
BEAT = 10.0
"""Seconds between two tellings of who is on the line."""
SILENT = 35_000
"""ms after which what a process said about its lines no longer counts: it is gone."""
LOOK = 1.0
"""Seconds after which the store is looked at though nobody hinted at anything."""
SKEW = 2_000
"""ms by which the clocks of two processes may differ: whoever logged in last wins."""
_MOST = 80
"""Stations or witnesses in one hint; PostgreSQL takes 8000 bytes."""


@dataclass
class Peers:
    """What the other processes said of their lines. Plain data. ``heard_at``: ms UTC by our own clock."""

    lines: dict[str, dict[str, int]] = field(default_factory=dict)
    heard_at: dict[str, int] = field(default_factory=dict)

    def since(self) -> dict[str, int]:
        """Stations on other processes' lines, and since when (ms UTC); of two the newer."""
        found: dict[str, int] = {}
        for lines in self.lines.values():
            for kid, since in lines.items():
                found[kid] = max(since, found.get(kid, 0))
        return found

    def drop_silent(self, now: int) -> None:
        """Forget processes that have not said anything for long."""
        for peer in [peer for peer, at in self.heard_at.items() if at + SILENT < now]:
            self.forget(peer)

    def forget(self, peer: str) -> None:
        self.lines.pop(peer, None)
        self.heard_at.pop(peer, None)


class Replicas:
    """One process's end of it: `attach`, then `run`. On a file, where no other machine can be, it only looks."""

    def __init__(self, place: Place, clock: Clock, id_: str) -> None:
        self.id = id_
        self.peers = Peers()
        self._server = place if isinstance(place, Server) else None
        self._clock = clock
        self._news = asyncio.Event()
        self._out: list[str] = []
        self._say = asyncio.Event()

    def attach(
        self,
        *,
        hint: Callable[[], None],
        look: Callable[[], Awaitable[None]],
        lines: Callable[[], Mapping[str, int]],
        presence: Callable[[dict[str, int]], None],
        replace: Callable[[str, int], None],
        heard: Callable[[str], None],
        spoken: Callable[[], Iterable[str]],
    ) -> None:
        """``hint`` has the log read on; ``look`` reads whatever others wrote; ``lines`` gives the stations on our own lines;
        ``presence`` is told whose presence elsewhere changed (since when; 0: gone); ``replace`` ends our own line of a station
        if it is older than that; ``heard`` takes a witness that spoke elsewhere, and ``spoken`` gives those that spoke here."""
        self._hint, self._look, self._lines, self._presence = hint, look, lines, presence
        self._replace, self._heard, self._spoken = replace, heard, spoken

    def moved(self, kid: str, since: int) -> None:
        """A station came to one of our own lines, or (0) its line ended."""
        self._tell(f"came {self.id} {kid} {since}" if since else f"gone {self.id} {kid}")

    def spoke(self, witness: str) -> None:
        """A witness said here what it holds."""
        self._tell(f"heard {self.id} {witness}")

    def _tell(self, hint: str) -> None:
        if self._server is not None:
            self._out.append(hint)
            self._say.set()

    async def run(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._run_look(), name="hub look")
            if self._server is not None:
                group.create_task(self._run_listen(self._server), name="hub listen")
                group.create_task(self._run_say(self._server), name="hub say")
                group.create_task(self._run_beat(), name="hub beat")
                group.create_task(self._run_free(self._server), name="hub free")

    async def bye(self) -> None:
        """Tell the others that our lines are gone."""
        if self._server is not None:
            await self._send(self._server, [f"bye {self.id}"])

    async def _run_look(self) -> None:
        while True:
            try:
                async with asyncio.timeout(LOOK):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()
            try:
                await self._look()
            except (SQLAlchemyError, OSError) as error:
                _LOG.error("store not read", error=type(error).__name__)
                await asyncio.sleep(LOOK)

    async def _run_listen(self, place: Server) -> None:
        import psycopg

        from hotline.store import postgres
        from hotline.store.migrate import newest_revision

        knows = int(newest_revision("hub"))
        while True:
            try:
                # Raises where the store got a form meanwhile that this program does not serve: the process ends then.
                async with postgres.hints(place, knows) as hints:
                    self._tell(f"who {self.id}")
                    self._news.set()  # what was told before we listened
                    async for hint in hints:
                        await self.take(hint)
            except (psycopg.Error, OSError) as error:
                # Looking goes on without hints.
                _LOG.warning("no hints from the store", error=type(error).__name__)
            await asyncio.sleep(LOOK)

    async def _run_say(self, place: Server) -> None:
        while True:
            await self._say.wait()
            self._say.clear()
            hints, self._out = self._out, []
            await self._send(place, hints)

    async def _send(self, place: Server, hints: list[str]) -> None:
        import psycopg

        from hotline.store import postgres

        try:
            await postgres.say(place, hints)
        except (psycopg.Error, OSError) as error:
            # Lost like any hint: what lasts is told again with the next beat.
            _LOG.warning("not told to the other hubs", error=type(error).__name__)

    async def _run_beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT)
            before = self.peers.since()
            self.peers.drop_silent(self._clock.now())
            self._changed(before)
            self._tell_all()

    async def _run_free(self, place: Server) -> None:
        """A process that stands still in the middle of a transaction must not hold the others up for longer than a while."""
        import psycopg

        from hotline.store import postgres

        while True:
            await asyncio.sleep(BEAT)
            try:
                if ended := await postgres.end_frozen(place):
                    _LOG.error("a process that stands still held the log: its transaction was ended", ended=ended)
            except (psycopg.Error, OSError) as error:
                _LOG.warning("not looked for processes that stand still", error=type(error).__name__)

    def _tell_all(self) -> None:
        lines = sorted(self._lines().items())
        for start in range(0, max(1, len(lines)), _MOST):
            some = ",".join(f"{kid}={since}" for kid, since in lines[start : start + _MOST])
            self._tell(f"{'here' if start == 0 else 'also'} {self.id} {some}")
        witnesses = sorted(self._spoken())
        for start in range(0, len(witnesses), _MOST):
            self._tell(f"heard {self.id} {' '.join(witnesses[start : start + _MOST])}")

    async def take(self, hint: str) -> None:
        """What another process told. Anybody who may write into the store may say anything here, and whoever may write into
        the store can do worse: what cannot be read is left alone."""
        what, _, rest = hint.partition(" ")
        peer, _, words = rest.partition(" ")
        if peer == self.id:
            return
        before = self.peers.since()
        if what in ("log", "row"):
            self._hint() if what == "log" else self._news.set()
            return
        self.peers.heard_at[peer] = self._clock.now()
        known = self.peers.lines.setdefault(peer, {})
        if what in ("here", "also"):
            if what == "here":
                known.clear()
            known.update(_pairs(words))
        elif what == "came":
            for kid, since in _pairs(words.replace(" ", "=", 1)).items():
                known[kid] = since
                self._replace(kid, since + SKEW)
        elif what == "gone":
            known.pop(words, None)
        elif what == "heard":
            for witness in words.split():
                self._heard(witness)
        elif what == "who":
            await self._answer()
        elif what == "bye":
            self.peers.forget(peer)
        self._changed(before)

    async def _answer(self) -> None:
        """Tell somebody who begins what we know, after making sure that the store is still the one we know it of."""
        try:
            await self._look()
        except (SQLAlchemyError, OSError) as error:
            _LOG.error("store not read", error=type(error).__name__)
            return
        self._tell_all()

    def _changed(self, before: Mapping[str, int]) -> None:
        after, own = self.peers.since(), self._lines()
        changed = {kid: since for kid, since in after.items() if before.get(kid) != since}
        changed |= {kid: 0 for kid in before if kid not in after}
        if told := {kid: since for kid, since in changed.items() if kid not in own}:
            self._presence(told)


def new_id() -> str:
    """By which a process knows its own hints."""
    return secrets.token_hex(6)


def _pairs(words: str) -> dict[str, int]:
    found = {}
    for pair in words.split(","):
        kid, _, since = pair.partition("=")
        if kid and since.isdecimal() and len(since) < 16:
            found[kid] = int(since)
    return found
