"""Whose turn it is in the outbox: by precedence, then by age; what the keys wait for before anything else."""

from __future__ import annotations

from collections.abc import Mapping

from hotline.station.core import Core
from hotline.station.outbox import Item

OF_KEYS = ("open", "rekey", "rejoin", "cannot-follow")
"""Before anything else: without it nothing can be sealed."""
RANK = {"FLASH": 0, "IMMEDIATE": 1, "PRIORITY": 2, "ROUTINE": 3}


class Turns:
    """``not_before``: when an item may be tried again, by row, ms UTC."""

    def __init__(self, core: Core, not_before: Mapping[str, int]) -> None:
        self._core, self._not_before = core, not_before

    def by_urgency(self) -> list[str]:
        """The threads in which something waits to go out, the one with the most urgent first, then the oldest."""
        first: dict[str, tuple[int, int]] = {}
        for item in self._core.items.open():
            if item.state in ("queued", "sending"):
                mine = RANK[item.intent.precedence], item.position
                first[item.thread] = min(mine, first.get(item.thread, mine))
        return sorted(first, key=lambda name: first[name])

    def head(self, items: list[Item]) -> Item | None:
        """Which of a thread's items is next, None where all of them wait for their time. Equally urgent entries of officers
        keep their order, due or not."""
        ready = [item for item in items if self.is_time(item)]
        auto = next((item for item in ready if item.intent.auto), None)
        written = [item for item in items if not item.intent.auto]
        theirs = min(written, key=lambda item: (RANK[item.intent.precedence], item.position), default=None)
        if theirs is None or theirs not in ready:
            return auto
        urgent = RANK[theirs.intent.precedence] < RANK["PRIORITY"]
        return theirs if auto is None or (urgent and auto.intent.kind not in OF_KEYS) else auto

    def is_time(self, item: Item) -> bool:
        """Whether an item may go as far as the clock goes."""
        now = self._core.clock.now()
        return item.intent.after <= now and self._not_before.get(item.id, 0) <= now

    def pause(self) -> float:
        """Seconds until an item that waits for a time is due, at most a tick."""
        now = self._core.clock.now()
        waiting = [item for item in self._core.items.open() if item.state in ("queued", "sending")]
        times = [at for item in waiting for at in (item.intent.after, self._not_before.get(item.id, 0)) if at > now]
        return min([self._core.identity.settings.duty.tick, *((at - now) / 1000 for at in times)])
