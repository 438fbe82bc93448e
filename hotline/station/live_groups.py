"""Groups kept open between two messages, so that each need not be read from its snapshot again.

The snapshot stays the truth: a group is handed out only to whoever holds the very snapshot that was made of it, and to
one at a time. What is opened and not kept again is forgotten, and read anew from what is stored: so a group that moved on
while its snapshot could not be stored is never used.
"""

from __future__ import annotations

from protocols.mls import Group

MOST = 64
"""Groups that are kept open; those used longest ago go first."""


class LiveGroups:
    """By thread. The bytes of a snapshot are compared by identity: equal bytes made elsewhere are read anew."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[bytes, Group]] = {}

    def open(self, thread: str, snapshot: bytes) -> Group:
        """The group as ``snapshot`` has it, for the caller alone. Raises `SnapshotRefused`."""
        kept = self._kept.pop(thread, None)
        return kept[1] if kept is not None and kept[0] is snapshot else Group.restore(snapshot)

    def forget(self, thread: str) -> None:
        """Let go of the secrets of a group that was left, or whose keys were renewed."""
        self._kept.pop(thread, None)

    def keep(self, thread: str, group: Group) -> bytes:
        """The snapshot of a group that was used: store it before anything made with the group leaves."""
        snapshot = group.snapshot()
        self._kept.pop(thread, None)
        self._kept[thread] = (snapshot, group)
        if len(self._kept) > MOST:
            del self._kept[next(iter(self._kept))]
        return snapshot
