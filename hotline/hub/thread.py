"""A thread as the hub holds it in memory: where it stands. The store is the truth; this is its newest row."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from mediation.state import ThreadState


class Membership(NamedTuple):
    """From which entry to which (both included; None: still) a station was a member of the group."""

    joined: int
    left: int | None

    def covers(self, seq: int) -> bool:
        return self.joined <= seq and (self.left is None or seq <= self.left)


class Thread(msgspec.Struct, frozen=True):
    """Position and state after entry ``seq``. ``head``: its id; ``chain``: SHA-256 of its leaf; ``at``: its stamp (ms).

    ``group``: snapshots of the public MLS group (`hotline.hub.groups.Kept`). ``members``: station kid to its times
    of membership.
    """

    thread: str
    ladder: str
    seq: int
    head: str
    chain: str
    at: int
    opened: int
    state: ThreadState
    group: bytes
    members: dict[str, tuple[Membership, ...]]

    def after(self, seq: int, before: ThreadState | None, after: ThreadState) -> dict[str, tuple[Membership, ...]]:
        """The memberships once entry ``seq`` has moved the state from ``before`` to ``after``."""
        old = set() if before is None else set(before.roster)
        new = set(after.roster)
        if old == new:
            return self.members
        members = dict(self.members)
        for station in new - old:
            members[station] = (*members.get(station, ()), Membership(seq, None))
        for station in old - new:
            *earlier, last = members[station]
            members[station] = (*earlier, Membership(last.joined, seq))
        return members


def may_see(thread: Thread, station: str) -> Membership | None:
    """The newest membership of a station, under which it is delivered the thread; None for those outside."""
    known = thread.members.get(station)
    return known[-1] if known else None
