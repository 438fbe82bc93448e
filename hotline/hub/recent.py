"""The newest entries, kept in memory as well: a station that is up to date gets the next one without asking the store.

The store remains the truth. What is not here, or was only partly for a station, is read from there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import islice

from hotline.hub.admission import Admitted
from protocols.frames import Deliver

MOST_BYTES = 32 * 1024 * 1024
"""What all kept entries may weigh together."""


class Recent:
    """Entries in order of their commit, gapless within each thread, the oldest dropped first."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most, self._bytes = most, 0
        self._order: deque[tuple[str, int]] = deque()
        self._threads: dict[str, deque[Deliver]] = {}

    def add(self, admitted: Iterable[Admitted]) -> None:
        """Keep what was committed, in the order of the commit."""
        self.put(Deliver(each.thread, each.entry.stamp.seq, each.entry.leaf, dict(each.parts)) for each in admitted)

    def put(self, frames: Iterable[Deliver]) -> None:
        """Keep what another process committed, in the order of the log."""
        for frame in frames:
            kept = self._threads.setdefault(frame.thread, deque())
            if kept and kept[-1].seq + 1 != frame.seq:  # another process wrote in between
                self._forget(frame.thread)
                kept = self._threads.setdefault(frame.thread, deque())
            size = len(frame.leaf) + sum(map(len, frame.parts.values()))
            kept.append(frame)
            self._order.append((frame.thread, size))
            self._bytes += size
        while self._bytes > self._most and self._order:
            self._drop()

    def after(self, thread: str, seq: int, upto: int, limit: int) -> tuple[Deliver, ...]:
        """The entries of a thread from after ``seq`` up to ``upto``, at most ``limit``; empty unless the next one is
        here, so that the caller reads the store instead."""
        kept = self._threads.get(thread)
        if not kept or not kept[0].seq <= seq + 1 <= kept[-1].seq:
            return ()
        start = seq + 1 - kept[0].seq
        return tuple(frame for frame in islice(kept, start, start + limit) if frame.seq <= upto)

    def _drop(self) -> None:
        thread, size = self._order.popleft()
        self._bytes -= size
        kept = self._threads[thread]
        kept.popleft()
        if not kept:
            del self._threads[thread]

    def _forget(self, thread: str) -> None:
        self._bytes -= sum(size for name, size in self._order if name == thread)
        self._order = deque(each for each in self._order if each[0] != thread)
        del self._threads[thread]
