"""The outbox in memory: every row, with those that the hub has not taken at hand.

What was accepted is kept for years, so that a repeated call finds its outcome; nothing that happens with every entry may
go through all of it.
"""

from __future__ import annotations

from typing import Any

from hotline.station.outbox import Item


class Items(dict[str, Item]):
    """Items by row. Rows are put in and taken out as in a dict; an item's own state may change at any time."""

    def __init__(self) -> None:
        super().__init__()
        self._open: dict[str, Item] = {}
        self._entries: dict[str, str] = {}
        self._sealed: dict[str, str] = {}
        """Rows by entry as they were when they were last gone through: a hint, and no more."""

    def __setitem__(self, row: str, item: Item) -> None:
        super().__setitem__(row, item)
        self._open[row] = item

    def __delitem__(self, row: str) -> None:
        item = self[row]
        super().__delitem__(row)
        self._open.pop(row, None)
        if item.entry is not None:
            self._entries.pop(item.entry, None)

    def pop(self, row: str, default: Any = None) -> Any:
        """The item of a row, which is taken out, or ``default``."""
        item = self.get(row, default)
        if row in self:
            del self[row]
        return item

    def open(self) -> list[Item]:
        """What the hub has not taken, in the order in which it was put in."""
        for row, item in [each for each in self._open.items() if each[1].state == "accepted"]:
            del self._open[row]
            if item.entry is not None:
                self._entries[item.entry] = row
        return list(self._open.values())

    def sealed_as(self, entry: str) -> Item | None:
        """The item that became an entry."""
        row = self._entries.get(entry)
        if row is not None:
            return self[row]
        found = self.get(self._sealed.get(entry, ""))
        if found is None or found.entry != entry:
            # Sealed since, or not ours: go through them once for all that are on the way.
            self._sealed = {item.entry: row for row, item in self._open.items() if item.entry is not None}
            found = self.get(self._sealed.get(entry, ""))
        return found
