"""A desk and a console on fakes, and clients that talk to them as a browser would."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from tests.web.desks import ARGS, CHROMIUM
from tests.web.fakes import FakeConsole, FakeDesk
from web.console import make_console
from web.desk import make_desk

Client = TestClient[web.Request, web.Application]


@dataclass
class Browser:
    """A client that sends the Origin header and the CSRF token of the page it last saw, as a browser would."""

    client: Client
    root: str = ""
    csrf: str = ""

    @property
    def origin(self) -> str:
        return str(self.client.make_url("/")).rstrip("/")

    async def get(self, path: str, **given: object) -> tuple[ClientResponse, str]:
        return await self._seen(await self.client.get(self.root + path, **given))  # type: ignore[arg-type]

    async def post(self, path: str, data: object = (), **given: object) -> tuple[ClientResponse, str]:
        pairs = list(data.items()) if isinstance(data, dict) else list(data)  # type: ignore[call-overload]
        response = await self.client.post(
            self.root + path,
            data=[("csrf", self.csrf), *pairs],
            headers={"Origin": self.origin},
            **given,  # type: ignore[arg-type]
        )
        return await self._seen(response)

    async def login(self, token: str = "good-token") -> tuple[ClientResponse, str]:
        await self.get("/login")
        return await self.post("/login", {"token": token})

    async def _seen(self, response: ClientResponse) -> tuple[ClientResponse, str]:
        text = await response.text() if response.content_type.startswith("text/") else ""
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', text)
        if found:
            self.csrf = found[1]
        return response, text


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk()


@pytest.fixture
def console() -> FakeConsole:
    return FakeConsole()


@pytest.fixture
async def stranger(desk: FakeDesk) -> AsyncIterator[Browser]:
    """A browser before the desk, not logged in."""
    app = make_desk(desk, allowed_hosts=["127.0.0.1"], clock=desk.clock)
    async with TestClient(TestServer(app)) as client:
        yield Browser(client)


@pytest.fixture
async def officer(stranger: Browser) -> Browser:
    """A browser in which Dr Ana Vale is logged in."""
    await stranger.login()
    return stranger


@pytest.fixture
async def visitor(console: FakeConsole) -> AsyncIterator[Browser]:
    """A browser before the console, mounted under /console/ as the hub does, not logged in."""
    root = web.Application()
    root.add_subapp("/console/", make_console(console, allowed_hosts=["127.0.0.1"], secure=False, clock=console.clock))
    async with TestClient(TestServer(root)) as client:
        yield Browser(client, "/console")


@pytest.fixture
async def operator(visitor: Browser) -> Browser:
    """A browser in which the operator is logged in."""
    await visitor.login()
    return visitor


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Any]:
    """One Chromium for a module's tests: to start one costs more than most of them do."""
    playwright = pytest.importorskip("playwright.async_api", reason="SKIPPED LOUDLY: playwright is not installed")
    async with playwright.async_playwright() as player:
        launched = await player.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield launched
        await launched.close()


@pytest_asyncio.fixture(loop_scope="module")
async def browser(chromium: Any) -> AsyncIterator[Any]:
    """It, with nothing of the tests before. For tests on their module's loop (``asyncio(loop_scope="module")``)."""
    assert chromium.contexts == []
    yield chromium
    for context in chromium.contexts:
        await context.close()
