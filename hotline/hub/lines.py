"""Who is on the line: every connected station, who hears of what, and how often an address may fail to log in."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from hotline.hub.errors import MandateEnded, Replaced
from hotline.hub.metrics import Metrics
from hotline.hub.thread import Thread
from protocols.errors import ProtocolError
from protocols.frames import Frame, Presence, encode_frame
from protocols.mandate import MandateBook, OutOfMandate

if TYPE_CHECKING:
    from hotline.hub.line import Line
    from hotline.hub.sending import Sending

MINUTE = 60_000
TOGETHER = 0.2
"""Seconds in which changes of presence are gathered."""


class Lines:
    """The connected stations, one line a station: the newest wins, because the older may be dead and not know it."""

    def __init__(
        self,
        metrics: Metrics,
        elsewhere: Callable[[], Mapping[str, int]] = dict,
        moved: Callable[[str, int], None] = lambda *_: None,
    ) -> None:
        """``elsewhere``: stations on the lines of other processes on the same store; ``moved`` is told who came, and (0) who
        went."""
        self._metrics, self._elsewhere, self._moved = metrics, elsewhere, moved
        self._lines: dict[str, Line] = {}
        self._changed: dict[str, int] = {}
        self._telling: asyncio.TimerHandle | None = None
        self._present: bytes | None = None
        self._offices: dict[str, dict[str, Line]] = {}
        self._soon: list[Sending] = []

    def __iter__(self) -> Iterator[Line]:
        return iter(tuple(self._lines.values()))

    def since(self) -> dict[str, int]:
        """Stations connected, and since when (ms UTC), here or elsewhere."""
        return {**self._elsewhere(), **self.own()}

    def own(self) -> dict[str, int]:
        """Stations connected here, and since when (ms UTC)."""
        return {kid: line.since for kid, line in self._lines.items()}

    def replace(self, kid: str, before: int) -> None:
        """A station logged in at another process: cut our own line of it, unless that began after ``before`` (ms UTC)."""
        line = self._lines.get(kid)
        if line is not None and line.since < before:
            line.cut(Replaced())

    def add(self, line: Line) -> None:
        """A station logged in."""
        older = self._lines.get(line.kid)
        if older is not None:
            older.cut(Replaced())
        self._lines[line.kid] = line
        self._offices.setdefault(line.office, {})[line.kid] = line
        self._metrics.lines.set(len(self._lines))
        self.changed({line.kid: line.since})
        self._moved(line.kid, line.since)

    def remove(self, line: Line) -> None:
        """A station's connection ended; an older one's end says nothing about the newer."""
        if self._lines.get(line.kid) is line:
            del self._lines[line.kid]
            del self._offices[line.office][line.kid]
            self._metrics.lines.set(len(self._lines))
            self.changed({line.kid: self._elsewhere().get(line.kid, 0)})
            self._moved(line.kid, 0)

    def tell(self, frame: Frame) -> None:
        """Send a frame to everybody."""
        data = encode_frame(frame)
        for line in self:
            line.out.push_bytes(data)

    def changed(self, presence: Mapping[str, int]) -> None:
        """Stations came (since when, ms UTC) or went (0): tell everybody, at once or together with what changes until
        `TOGETHER` after the last telling: when all come back at once, nobody is told of each by itself."""
        self._changed |= presence
        if self._telling is None:
            self._tell_changed()

    def _tell_changed(self) -> None:
        self._telling = self._present = None
        if self._changed:
            changed, self._changed = self._changed, {}
            self.tell(Presence(changed))
            if self._lines:
                self._telling = asyncio.get_running_loop().call_later(TOGETHER, self._tell_changed)

    def present(self) -> bytes:
        """The frame that tells a new line who is there. It may lack what changed lately and is still to be told to all."""
        if self._present is None:
            self._present = encode_frame(Presence(self.since()))
        return self._present

    def news(self, threads: Iterable[tuple[Thread, int]]) -> None:
        """Threads have new entries: (thread, rank of the most urgent). Only those hear of it whom it may concern, so
        that the cost of an entry does not grow with the number of stations on the line."""
        for thread, rank in sorted(threads, key=_urgency):
            for kid in thread.members:
                if (line := self._lines.get(kid)) is not None:
                    line.out.news(thread, rank)
            parties = thread.state.parties
            for office, lines in self._offices.items():
                if office not in parties:
                    for line in lines.values():
                        if line.kid not in thread.members:
                            line.out.news(thread, rank)

    def soon(self, sending: Sending) -> None:
        """Something came up for this station: `Sending.hand_over` when this turn of the loop is over."""
        if not self._soon:
            asyncio.get_running_loop().call_soon(self._hand_over)
        self._soon.append(sending)

    def _hand_over(self) -> None:
        soon, self._soon = self._soon, []
        for sending in soon:
            sending.hand_over()

    def check_mandates(self, book: MandateBook, now: int) -> None:
        """Cut every station whose mandate is no longer in force."""
        for line in self:
            try:
                book.require(line.kid, role="station", office=line.office, at=now)
            except OutOfMandate:
                line.cut(MandateEnded())

    def cut_all(self, why: ProtocolError) -> None:
        """End every connection."""
        if self._telling is not None:
            self._telling.cancel()
        for line in self:
            line.cut(why)


class Throttle:
    """Counts failures an address and minute. A success does not clear them: it may be another station's."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._failures: dict[str, deque[int]] = {}

    def blocked(self, address: str, now: int) -> bool:
        """Whether this address has failed too often lately."""
        recent = self._failures.get(address)
        if recent is None:
            return False
        while recent and recent[0] <= now - MINUTE:
            recent.popleft()
        if not recent:
            del self._failures[address]
            return False
        return len(recent) >= self._most

    def forgive(self, address: str) -> None:
        """What was counted last was no failure."""
        if recent := self._failures.get(address):
            recent.pop()

    def failed(self, address: str, now: int) -> None:
        """Count one failure."""
        if len(self._failures) > 10_000:  # many addresses at once: forget the oldest half rather than grow
            for known in list(self._failures)[:5_000]:
                del self._failures[known]
        self._failures.setdefault(address, deque(maxlen=self._most)).append(now)


def _urgency(news: tuple[Thread, int]) -> int:
    return news[1]
