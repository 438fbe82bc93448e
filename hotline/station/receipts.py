"""Receipts are gathered: what a thread brings in a moment is signed for with one entry.

A message that comes alone has its receipt at once. While more keep coming, the next receipt waits a moment and takes in what
comes until then: a burst of a hundred messages would else be two hundred entries for everybody. What is urgent waits for
nothing, and no receipt waits longer than `GATHERED`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from msgspec.structs import replace

from hotline.station.outbox import Intent, Item

GATHERED = 250
"""ms."""
MOST = 200
"""Entries in one receipt."""
URGENT = ("FLASH", "IMMEDIATE")

Rows = dict[str, tuple[str, Intent]]
"""Intents to be queued, by row, with their threads."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """``rows`` to be queued, and items of the outbox with the intent that they are to have now."""

    rows: Rows
    more: tuple[tuple[Item, Intent], ...]


class Receipts:
    """When each thread had its last receipt. Nothing here is stored."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def gather(self, rows: Rows, waiting: Iterable[Item], now: int) -> Gathered:
        """The same intents with fewer receipts: each goes into one that waits already, in the outbox (``waiting``: what is
        not sealed) or among these, where that one is as urgent and due at much the same time. ``now``: own clock, ms UTC."""
        items = {item.id: item for item in waiting if item.state == "queued" and item.intent.kind == "receipt"}
        threads = {item.id: item.thread for item in items.values()}
        open_ = {row: item.intent for row, item in items.items()}
        kept: Rows = {}
        for row, (thread, intent) in rows.items():
            if intent.kind != "receipt":
                kept[row] = thread, intent
                continue
            into = next(
                (each for each in open_ if threads[each] == thread and _takes(open_[each], intent, now)),
                None,
            )
            if into is None:
                intent = self._timed(thread, intent, now)
                threads[row], open_[row], kept[row] = thread, intent, (thread, intent)
                continue
            open_[into] = intent = _with(open_[into], intent)
            if into in kept:
                kept[into] = thread, intent
        more = tuple((item, open_[row]) for row, item in items.items() if open_[row] is not item.intent)
        return Gathered(kept, more)

    def _timed(self, thread: str, intent: Intent, now: int) -> Intent:
        if intent.precedence in URGENT or intent.after:
            return intent
        due = self._last.get(thread, 0) + GATHERED
        # A clock that was set back must not hold receipts up.
        after = due if now < due <= now + GATHERED else 0
        self._last[thread] = after or now
        return replace(intent, after=after)


def named(intent: Intent) -> tuple[str, ...]:
    """The entries that a receipt is to sign for."""
    return (intent.act["entry"], *intent.act.get("also", ()))


def _takes(one: Intent, other: Intent, now: int) -> bool:
    """Whether a receipt may stand in another: neither comes much earlier or later by it."""
    room = len(named(one)) < MOST and one.precedence == other.precedence
    return room and abs(max(one.after, now) - max(other.after, now)) <= GATHERED


def _with(one: Intent, other: Intent) -> Intent:
    first, *also = dict.fromkeys((*named(one), *named(other)))
    return replace(one, act={"entry": first, "also": also} if also else {"entry": first})
