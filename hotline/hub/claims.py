"""What others hold of this hub's log: asked before any head is signed, because a hub may wake up from an older copy.

A store that was restored from a backup looks whole from inside. But its log key has signed heads since, and others hold
them: stations hand theirs in when they begin to follow, foreign witnesses are asked for theirs. One signed head that this
store cannot have come from is proof, by the hub's own key, and the hub stops before it takes anything in: to go on would
give away places in the log a second time.

No head is signed until so many witnesses have spoken that one of them must have seen the newest published head. That costs
nothing: a head needs more of them than that to be published.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
import structlog

from hotline.clock import Clock
from hotline.hub import commits, records
from hotline.hub.errors import BehindWitnesses
from hotline.store import hub as t
from hotline.store.engine import Store
from protocols.translog import (
    Policy,
    TranslogError,
    VerifierKey,
    build_root,
    log_note,
    open_checkpoint,
    verify_equivocation,
)

_LOG = structlog.get_logger("hotline.hub.claims")


class Claims:
    """``size``: how many leaves this process knows of in the store; ``spoke`` is told of each witness that was heard."""

    def __init__(
        self,
        store: Store,
        log: VerifierKey,
        policy: Policy,
        clock: Clock,
        size: Callable[[], int],
        spoke: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._store, self._log, self._clock, self._size = store, log, clock, size
        n, k = len(policy.operators), policy.smallest_quorum()
        self._needed = min(k, n - k + 1)
        self._spoke = spoke
        self._operators = set(policy.operators)
        self._heard: set[str] = set()
        self.held: dict[str, int] = {}
        """The size of the head that each witness held when it last began to follow, found in this store."""
        self.proofs = 0
        """How many proofs of two histories are kept."""

    @property
    def confirmed(self) -> bool:
        """Enough witnesses have said what they hold, and none holds more than this store."""
        return len(self._heard) >= self._needed

    async def load(self) -> None:
        """Count what is kept."""
        async with self._store.read() as connection:
            self.proofs = (await connection.execute(sa.select(sa.func.count()).select_from(t.evidence))).scalar_one()

    async def hear(self, operator: str | None, note: str) -> bool:
        """What a station or witness holds: a head signed by this log's key, or nothing. True where it was the last one
        that had to speak.

        ``operator``: its witness key's name; None where it is no witness. Raises `BehindWitnesses` where this store cannot
        have come from what it holds. What our own key did not sign proves nothing and is taken for nothing.
        """
        before = self.confirmed
        if note:
            try:
                head = open_checkpoint(note, self._log)
            except TranslogError as error:
                _LOG.warning("a head that is not ours", operator=operator, code=error.code)
                return False
            size = self._size()
            if head.size > size:
                size = await self._stored()  # another process on this store may be further than this one has read
            if head.size > size:
                raise BehindWitnesses(f"a head of {head.size} leaves was signed; {size} are stored")
            if await self._root(head.size) != head.root:
                raise BehindWitnesses(f"another history of {head.size} leaves was signed")
            if operator is not None:
                self.held[operator] = head.size
        if operator is not None and operator in self._operators:
            self._heard.add(operator)
            self._spoke(operator)
        return self.confirmed and not before

    def spoken(self) -> frozenset[str]:
        """The witnesses that were heard."""
        return frozenset(self._heard)

    def heard_elsewhere(self, operator: str) -> bool:
        """A witness was heard by another process on the same store, which compared as this one would have. True where it
        was the last one that had to speak."""
        before = self.confirmed
        self._heard |= {operator} & self._operators
        return self.confirmed and not before

    async def look(self) -> list[tuple[str, str]]:
        """Count again; the pairs that are kept where another process kept a new one, otherwise none."""
        before = self.proofs
        await self.load()
        return await self.proofs_kept() if self.proofs > before else []

    async def _stored(self) -> int:
        async with self._store.read() as connection:
            return await connection.run_sync(commits.log_size)

    async def take(self, station: str, first: str, second: str) -> bool:
        """Keep a proof that the log key signed two histories; False where it is kept already. Raises `TranslogError`."""
        verify_equivocation(first, second, self._log)
        first, second = sorted(log_note(each, self._log) for each in (first, second))
        e = t.evidence.c
        async with self._store.write() as connection:
            known = sa.select(e.number).where(e.first == first, e.second == second)
            if (await connection.execute(known)).first() is not None:
                return False
            row = {"at": self._clock.now(), "station": station, "first": first, "second": second}
            await connection.execute(t.evidence.insert().values(**row))
            count = sa.select(sa.func.count()).select_from(t.evidence)
            self.proofs = (await connection.execute(count)).scalar_one()
        _LOG.error("the log key signed two histories", station=station)
        return True

    async def proofs_kept(self) -> list[tuple[str, str]]:
        """Every pair that is kept."""
        async with self._store.read() as connection:
            rows = await connection.execute(sa.select(t.evidence.c.first, t.evidence.c.second))
            return [(row.first, row.second) for row in rows]

    async def _root(self, size: int) -> bytes:
        wanted: list[tuple[int, int]] = []

        def plan(level: int, index: int) -> bytes:
            wanted.append((level, index))
            return bytes(32)

        build_root(size, plan)
        async with self._store.read() as connection:
            nodes = await records.read_nodes(connection, wanted)
        return build_root(size, lambda level, index: nodes[level, index])
