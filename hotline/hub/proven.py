"""What is proven about clocks that ran out, by the times that witnesses signed: never by the hub's word or anybody's claim.

Bounds come from the hub's own store here, where an auditor takes them from the bundle (`mediation.audit.bounds`); the
verdict is the same (`mediation.audit.waits`).
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from hotline.hub.views import ProvenClock, RanOut
from hotline.store import hub as t
from hotline.store.engine import Store
from mediation.audit import EPSILON
from mediation.audit.waits import Waiting
from protocols.entry import parse_entry
from protocols.translog import (
    Bounds,
    Head,
    Policy,
    ProofRefused,
    TranslogError,
    bounds_of,
    head_of,
    judge_deadline,
    liars_tolerated,
    open_with_policy,
)

HEADS = 3
"""Published heads after an entry among which the tightest bound is looked for."""


class Prover:
    """Bounds of entries out of a hub's store; one for a look at a thread, then thrown away."""

    def __init__(self, store: Store, policy: Policy) -> None:
        self._store, self._policy, self._f = store, policy, liars_tolerated(policy)
        self._heads: dict[int, Head | None] = {}

    async def judge(self, clocks: Sequence[RanOut], leaves: Sequence[bytes]) -> tuple[ProvenClock, ...]:
        """The verdict on each clock. ``leaves``: the thread's, in order of seq.

        That a deadline was *missed* is not judged here: it takes the absence of the answer from a head, and that the party
        could have sent it, which an auditor looks for in the whole bundle (`mediation.audit.clocks`).
        """
        known: dict[int, Bounds] = {}

        async def bounds(seq: int) -> Bounds:
            if seq not in known:
                known[seq] = await self._bounds(leaves[seq - 1])
            return known[seq]

        found = []
        for clock in clocks:
            if clock.met:
                found.append(_in_time(clock, await bounds(clock.start_seq), await bounds(clock.noted_seq)))
                continue
            waiting = Waiting(await bounds(clock.start_seq), clock.duration, EPSILON)
            for seq in range(clock.noted_seq, len(leaves) + 1):
                if waiting.feed(seq, await bounds(seq)):
                    break
            verdict = waiting.verdict.value
            found.append(ProvenClock(clock, verdict, waiting.least, waiting.most, waiting.proven_by))
        return tuple(found)

    async def _bounds(self, leaf: bytes) -> Bounds:
        """When an entry was made, as far as witnesses' times tell; a claim that cannot be true bounds nothing."""
        entry = parse_entry(leaf)
        stamp = entry.jws.by_role("hub")
        index = int(stamp.extra["index"]) if stamp is not None else 0
        p = t.published.c
        after = sa.select(p.number, p.note).where(p.size > index).order_by(p.number).limit(HEADS)
        async with self._store.read() as connection:
            rows = list((await connection.execute(after)).all())
            seen = None
            if entry.payload.seen is not None:
                named = sa.select(p.number, p.note).where(p.digest == entry.payload.seen).limit(1)
                seen = (await connection.execute(named)).first()
        heads = [head for row in rows if (head := self._head(row.number, row.note)) is not None]
        try:
            return bounds_of(index, None if seen is None else self._head(seen.number, seen.note), heads, self._f)
        except ProofRefused:
            return bounds_of(index, None, heads, self._f)

    def _head(self, number: int, note: str) -> Head | None:
        if number not in self._heads:
            try:
                self._heads[number] = head_of(open_with_policy(note, self._policy), self._policy)
            except TranslogError:
                self._heads[number] = None  # what does not hold proves nothing; fsck says so
        return self._heads[number]


def _in_time(clock: RanOut, start: Bounds, act: Bounds) -> ProvenClock:
    """Whether it is proven that what met the clock existed before its end."""
    length = clock.duration // 1000  # whole seconds, as witnesses sign: rounded against the claim
    verdict = judge_deadline(start, act, None, length, EPSILON, path_worked=False)
    least = None if act.after is None or start.by is None else act.after - start.by
    most = None if act.by is None or start.after is None else act.by - start.after
    return ProvenClock(clock, verdict.value, least, most, None)
