"""Had a clock run out? What the witnesses' times prove, fed entry by entry: shared by the auditor and the hub's console.

A clock started with entry S and was noted as run out by entry X. X is noted the moment the clock runs out, so the head
that it has seen is a little older than that; the first later entry of the thread that saw a head cosigned after the end
proves it, and is named.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from protocols.translog import Bounds, Wait, judge_wait

LATER = 50
"""Entries after the note that are asked whether they prove the end."""


@dataclass
class Waiting:
    """The verdict on a wait of ``length`` milliseconds from an entry made within ``start``, as more entries are fed.

    Feed the entry that notes (or relies on) the end first, then those after it, until `feed` says that the verdict stands.
    ``verdict`` is about the first of them: NOT_ELAPSED proves that it came too early. ``proven_by``: the entry by which the
    end is proven. ``least``, ``most``: seconds that lay between, None where nothing bounds them.
    """

    start: Bounds
    length: int
    epsilon: int
    verdict: Wait = Wait.UNDETERMINED
    proven_by: int | None = None
    least: int | None = None
    most: int | None = None
    _fed: int = field(default=0, init=False)

    def feed(self, seq: int, end: Bounds) -> bool:
        """Take the next entry's bounds; whether the verdict stands."""
        found = self._judge(end)
        first, self._fed = self._fed == 0, self._fed + 1
        if found is Wait.ELAPSED:
            self.verdict, self.proven_by = found, seq
        elif first:
            self.verdict = found
        if first or found is Wait.ELAPSED:
            self.least = _between(self.start.by, end.after)
            self.most = _between(self.start.after, end.by)
        return self.verdict is not Wait.UNDETERMINED or self._fed > LATER

    def _judge(self, end: Bounds) -> Wait:
        # Witnesses sign whole seconds: what is claimed to have passed is rounded up, what would refute it down.
        if judge_wait(self.start, end, -(-self.length // 1000), self.epsilon) is Wait.ELAPSED:
            return Wait.ELAPSED
        if judge_wait(self.start, end, self.length // 1000, self.epsilon) is Wait.NOT_ELAPSED:
            return Wait.NOT_ELAPSED
        return Wait.UNDETERMINED


def _between(first: int | None, second: int | None) -> int | None:
    return None if first is None or second is None else second - first
