"""What the desk shows of a thread, in words, from what was replayed. Nothing here decides anything."""

from __future__ import annotations

from hotline.station.screens.entries import entry, pending
from hotline.station.screens.state import shown_state
from hotline.station.screens.thread import pressing, summary, title, view
from hotline.station.screens.two_people import needs_two

__all__ = ["entry", "needs_two", "pending", "pressing", "shown_state", "summary", "title", "view"]
