"""What a station is sent of a thread, from its cursor on.

A member gets every entry from the first; the sealed parts of entries before its admission stay behind, but for a box
that names its own key. An office outside the group gets its own entries, those with a box sealed to its station, and
the requests on which it has a say, and those whose clocks run from its receipt (readable parts only, unless a box holds
the rest).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hotline.hub import records
from hotline.hub.backlog import Backlog, Stretch
from hotline.hub.recent import Recent
from hotline.hub.thread import Thread, may_see
from hotline.store.engine import Store
from protocols.entry import PARTS
from protocols.frames import Deliver
from protocols.mandate import VerifiedMandate

BATCH = 32
"""Entries read at once."""
BATCH_BYTES = 8 << 20
"""What their sealed parts may weigh together; a single one always passes."""


@dataclass
class Cursors:
    """How far each thread was sent, as its newest ``seq``: what the station named, then what went out since.

    Before its admission a station's cursor counts what it was sent from outside; at admission it begins again at 0,
    because only then does it receive the thread without gaps.
    """

    named: dict[str, int] = field(default_factory=dict)
    inside: dict[str, int] = field(default_factory=dict)
    outside: dict[str, int] = field(default_factory=dict)

    def of(self, thread: str, *, member: bool) -> int:
        if member:
            if thread not in self.inside:
                self.inside[thread] = 0 if thread in self.outside else self.named.get(thread, 0)
            return self.inside[thread]
        return self.outside.setdefault(thread, self.named.get(thread, 0))


@dataclass(frozen=True, slots=True)
class Batch:
    """Frames to send in order. ``more``: there is more to read."""

    frames: tuple[Deliver, ...]
    more: bool


def fresh_batch(
    recent: Recent, thread: Thread, cursors: Cursors, station: str, most_bytes: int | None = None
) -> Batch | None:
    """The same as `next_batch` for a station that is up to date, or nearly: from memory. None where the store must be read,
    and where they weigh more than ``most_bytes``."""
    times = thread.members.get(station)
    if not times:
        return None
    after = cursors.of(thread.thread, member=True)
    upto = thread.seq if times[-1].left is None else times[-1].left
    if after >= upto:
        return Batch((), False)
    fresh = recent.after(thread.thread, after, upto, BATCH)
    if not fresh or not all(any(time.covers(frame.seq) for time in times) for frame in fresh):
        return None
    if most_bytes is not None and sum(map(_weight, fresh)) > most_bytes:
        return None
    cursors.inside[thread.thread] = fresh[-1].seq
    return Batch(fresh, fresh[-1].seq < upto)


def _weight(frame: Deliver) -> int:
    return len(frame.leaf) + sum(map(len, frame.parts.values()))


async def next_batch(
    store: Store,
    backlog: Backlog,
    thread: Thread,
    cursors: Cursors,
    mandate: VerifiedMandate,
    concerning: frozenset[int] = frozenset(),
) -> Batch:
    """The next entries for this station; moves its cursor past them. ``concerning``: open requests on which its office
    has a say from outside."""
    if may_see(thread, mandate.kid) is not None:
        return await _inside(store, backlog, thread, cursors, mandate)
    if mandate.office in thread.state.parties:
        return Batch((), False)
    return await _outside(store, thread, cursors, mandate, concerning)


async def _inside(store: Store, backlog: Backlog, thread: Thread, cursors: Cursors, mandate: VerifiedMandate) -> Batch:
    times = thread.members[mandate.kid]
    after = cursors.of(thread.thread, member=True)
    upto = thread.seq if times[-1].left is None else times[-1].left
    some = min(upto, after + BATCH)
    if any(time.covers(after + 1) and time.covers(some) for time in times):
        whole = await backlog.read(Stretch(thread.thread, after, some))
        if whole:
            cursors.inside[thread.thread] = whole[-1].seq
        return Batch(whole, bool(whole) and whole[-1].seq < upto)
    async with store.read() as connection:
        read = await records.read_entries(connection, thread.thread, after, upto, BATCH)
        sizes = await records.part_sizes(connection, thread.thread, [row.seq for row in read])
        found = read[: _fitting([sizes.get(row.seq, 0) for row in read])]
        shared = [row.seq for row in found if any(time.covers(row.seq) for time in times)]
        earlier = [row.seq for row in found if row.seq not in shared]
        parts = await records.read_parts(connection, thread.thread, shared, PARTS)
        if earlier:
            mine = await records.sealed_to(connection, thread.thread, earlier, mandate.station_keys.seal)
            parts |= await records.read_parts(connection, thread.thread, sorted(mine), ("box",))
    frames = tuple(Deliver(thread.thread, row.seq, row.leaf, parts.get(row.seq, {})) for row in found)
    if frames:
        cursors.inside[thread.thread] = frames[-1].seq
    return Batch(frames, len(read) == BATCH or len(found) < len(read))


def _fitting(sizes: Sequence[int]) -> int:
    """How many from the first on weigh no more than a batch may; at least one."""
    weight = 0
    for count, size in enumerate(sizes):
        weight += size
        if count and weight > BATCH_BYTES:
            return count
    return len(sizes)


async def _outside(
    store: Store, thread: Thread, cursors: Cursors, mandate: VerifiedMandate, concerning: frozenset[int]
) -> Batch:
    after = cursors.of(thread.thread, member=False)
    seal = mandate.station_keys.seal
    async with store.read() as connection:
        read = await records.read_outside(connection, thread.thread, after, mandate.office, seal, BATCH, concerning)
        sizes = await records.part_sizes(connection, thread.thread, [row.seq for row in read])
        found = read[: _fitting([sizes.get(row.seq, 0) for row in read])]
        boxes = await records.sealed_to(connection, thread.thread, [row.seq for row in found], seal)
        boxes |= {row.seq for row in found if row.station == mandate.kid}
        parts = await records.read_parts(connection, thread.thread, sorted(boxes), ("box",))
    frames = tuple(Deliver(thread.thread, row.seq, row.leaf, parts.get(row.seq, {})) for row in found)
    if frames:
        cursors.outside[thread.thread] = frames[-1].seq
    return Batch(frames, len(read) == BATCH or len(found) < len(read))
