"""What is proven about clocks that ran out, by the times that witnesses signed: never by the hub's word or anybody's claim.

A clock started with entry S and was noted as run out by entry X. Of every entry it is known that it existed *by* some time
(a published head holds it) and was made *after* some time (it names, in ``seen``, a head that was cosigned by then). From
these follow the verdicts of `protocols.translog.timebound`. X itself is noted the moment the clock runs out, so its own
``seen`` is a little older than that; the first later entry of the thread that saw a head cosigned after the end proves it,
and is named.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from hotline.hub.views import ProvenClock, RanOut
from hotline.store import hub as t
from hotline.store.engine import Store
from protocols.entry import parse_entry
from protocols.translog import (
    Bounds,
    Head,
    Policy,
    ProofRefused,
    TranslogError,
    Wait,
    bounds_of,
    head_of,
    judge_wait,
    liars_tolerated,
    open_with_policy,
)

EPSILON = 2
"""Seconds by which an honest witness's clock may differ from true time."""
HEADS = 3
"""Published heads after an entry among which the tightest bound is looked for."""
LATER = 50
"""Entries after the note that are asked whether they prove the end."""


class Prover:
    """Bounds of entries out of a hub's store; one for a look at a thread, then thrown away."""

    def __init__(self, store: Store, policy: Policy) -> None:
        self._store, self._policy, self._f = store, policy, liars_tolerated(policy)
        self._heads: dict[int, Head | None] = {}

    async def judge(self, clocks: Sequence[RanOut], leaves: Sequence[bytes]) -> tuple[ProvenClock, ...]:
        """The verdict on each clock. ``leaves``: the thread's, in order of seq."""
        known: dict[int, Bounds] = {}

        async def bounds(seq: int) -> Bounds:
            if seq not in known:
                known[seq] = await self._bounds(leaves[seq - 1])
            return known[seq]

        found = []
        for clock in clocks:
            start, noted = await bounds(clock.start_seq), await bounds(clock.noted_seq)
            duration = -(-clock.duration // 1000)  # whole seconds, as witnesses sign: rounded against the claim
            verdict, proven_by = judge_wait(start, noted, duration, EPSILON), None
            last = min(len(leaves), clock.noted_seq + LATER)
            for seq in range(clock.noted_seq, last + 1) if verdict is not Wait.NOT_ELAPSED else ():
                if judge_wait(start, await bounds(seq), duration, EPSILON) is Wait.ELAPSED:
                    verdict, proven_by = Wait.ELAPSED, seq
                    break
            end = noted if proven_by is None else await bounds(proven_by)
            least = None if end.after is None or start.by is None else end.after - start.by
            most = None if end.by is None or start.after is None else end.by - start.after
            found.append(ProvenClock(clock, verdict.value, least, most, proven_by))
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
