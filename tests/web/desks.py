"""Real desks in a real browser: a hub, stations of parties and of offices outside, and a Chromium in front of them.

The ladder is the one of `tests.mediation.council`: a chair reports, other states second, a council may block. Here the
chair may also go on from what the parties sent, and must name it.
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestServer

from hotline.clock import SystemClock
from hotline.station.logins import LOGIN, token_hash
from hotline.station.station import Station
from hotline.station.views import ThreadView
from tests.hotline.harness import LADDER, make_world, running_hub
from tests.hotline.station.kit import officer, opened, running, until
from tests.mediation.council import TEXT
from web.desk import make_desk

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
ARGS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--autoplay-policy=document-user-activation-required",
]

RULING = """
[[step]]
id = "rule"
title = "The chair calls both in on what was shown"
from = ["L1"]
to = "L2"
direction = "up"
who = ["chair"]
consent = "none"
evidence = ["breach-report", "statement"]
"""
_EDITS = (
    ('id = "council"', f'id = "{LADDER}"'),
    ('\n[[step]]\nid = "answer"', RULING + '\n[[step]]\nid = "answer"'),
)
OUTSIDE = {"CH": "monitor", "NN": "party", "OO": "party"}


def council_ladder() -> bytes:
    """The council's ladder with a step of its chair that rests on evidence."""
    text = TEXT
    for old, new in _EDITS:
        assert old in text
        text = text.replace(old, new, 1)
    return text.encode()


@dataclass
class Desks:
    """Stations by office with a desk each, and what any of their pages complained about."""

    stations: dict[str, Station]
    servers: dict[str, TestServer]
    browser: Any
    cut: Callable[[], Awaitable[None]]
    """Stops the hub, for good."""
    complaints: list[str] = field(default_factory=list)
    contexts: list[Any] = field(default_factory=list)

    def url(self, office: str, path: str) -> str:
        return f"http://127.0.0.1:{self.servers[office].port}{path}"

    async def opened(self) -> str:
        """A thread between AV and KV."""
        return await opened(self.stations["AV"], self.stations["KV"])

    async def say(self, office: str, thread: str, kind: str, act: dict[str, object], **fields: object) -> str:
        """Send from a station without its page; the entry's id."""
        station = self.stations[office]
        outcome = await station.send(officer(station), thread, kind, act, fields)
        assert outcome.state == "accepted", (kind, outcome)
        return str(outcome.id)

    async def seen(self, office: str, thread: str, what: Callable[[ThreadView], object]) -> None:
        """Wait until the thread is at that office and looks so."""
        station = self.stations[office]
        await until(lambda: thread in station.core.threads and what(station.thread(thread)))

    async def page(self, office: str, *, width: int = 1280, height: int = 900, **context: Any) -> Any:
        """A page of the office's desk, its officer logged in and their key open."""
        station, token = self.stations[office], secrets.token_urlsafe(24)
        async with station.core.store.change() as change:
            await change.add_token(token_hash(token), LOGIN, officer(station), time.time_ns() // 1_000_000 + 600_000)
        made = await self.browser.new_context(viewport={"width": width, "height": height}, **context)
        self.contexts.append(made)
        page = await made.new_page()
        page.set_default_timeout(40_000)  # ms on a busy machine
        page.on(
            "console", lambda message: message.type in ("error", "warning") and self.complaints.append(message.text)
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        await page.goto(self.url(office, f"/login#{token}"))
        await page.wait_for_url(self.url(office, "/unlock"))
        await page.fill("#passphrase", "words")
        await page.keyboard.press("Enter")
        await page.wait_for_url(self.url(office, "/"))
        return page


@asynccontextmanager
async def running_desks(path: Path, browser: Any, offices: tuple[str, ...], *, scale: int = 1) -> AsyncIterator[Desks]:
    """A hub with the council's ladder, its clocks ``scale`` times faster, and a station with its desk for each of
    ``offices``."""
    world = make_world(
        path,
        ladder=council_ladder(),
        others={**OUTSIDE, "PP": "party"},
        ladder_roles={"chair": ("CH",)},
        quorum=6,
        scale=scale,
    )
    async with AsyncExitStack() as stack, AsyncExitStack() as line:
        hub = await line.enter_async_context(running_hub(world))
        desks = Desks({}, {}, browser, line.aclose)
        for office in offices:
            station = await stack.enter_async_context(running(world, office, hub.url))
            server = TestServer(make_desk(station, allowed_hosts=["127.0.0.1"], clock=SystemClock()))
            await server.start_server()
            stack.push_async_callback(server.close)
            desks.stations[office], desks.servers[office] = station, server
        try:
            yield desks
        finally:
            # A page that is left open dials again while its server goes down, and what it opens then nobody closes.
            for context in desks.contexts:
                await context.close()
