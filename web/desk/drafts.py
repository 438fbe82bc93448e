"""What is being typed, numbered: so that the newest save wins, whichever comes first.

A page sends its last words as it goes, and the page after it may be made before they are here. Each page therefore numbers
its saves, and a *version* names one: ``page.number``. A page knows from its version what it shows, asks whether the save of
the page before it has come, and does not write over what it never showed.

Versions are in memory, like sessions: after a restart no page of before may save anything.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from aiohttp import web

from hotline.station.views import Desk

MOST = 4096
"""Forms whose newest version is known; the one that was not saved for the longest goes first."""
SENT = 2**53 - 1
"""The number of what a page sent as a form: nothing that the page saved before comes after it."""
_PAGE = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Place(NamedTuple):
    """Whose draft of what: officer's kid, thread, and the form's key."""

    officer: str
    thread: str
    key: str


class Save(NamedTuple):
    """One save of one page. ``base``: the version the page shows or last had confirmed; None where it names none."""

    page: str
    number: int
    base: str | None


class Drafts:
    """The drafts of a desk's officers with their versions."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._newest: dict[Place, tuple[str, int]] = {}
        self._lock = asyncio.Lock()

    def version(self, place: Place) -> str:
        """The newest save; "" where there was none since the start."""
        page, number = self._newest.get(place, ("", 0))
        return f"{page}.{number}" if page else ""

    async def read(self, place: Place) -> tuple[Mapping[str, Any], str]:
        """What is kept, and its version."""
        async with self._lock:
            return await self._desk.scratch(*place), self.version(place)

    async def save(self, place: Place, values: Mapping[str, Any], save: Save) -> bool:
        """Keep ``values``. False, and nothing is kept, where something stands there that the page never showed."""
        async with self._lock:
            page, number = self._newest.get(place, ("", 0))
            if page == save.page and number > save.number:
                return True  # overtaken by a newer save of the same page
            unseen = page != save.page and save.base is not None and save.base != self.version(place)
            if unseen and dict(await self._desk.scratch(*place)) != dict(values):
                return False
            await self._desk.save_scratch(*place, values)
            self._newest.pop(place, None)
            while len(self._newest) >= MOST:
                del self._newest[next(iter(self._newest))]
            if _PAGE.fullmatch(save.page):
                self._newest[place] = save.page, save.number
            return True


DRAFTS = web.AppKey("drafts", Drafts)
