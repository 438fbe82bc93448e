"""A desk as a program uses it: the JSON side of the same pages, the same session, the same rules."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urldefrag

import aiohttp

from hotline.errors import RemoteFault

View = dict[str, Any]


class DeskRefused(RemoteFault):
    """The desk answered with an error instead of a view."""

    code = "exercise.desk-refused"


class NeverHappened(RemoteFault):
    """Something that had to become visible on a desk did not, in time."""

    code = "exercise.never-happened"


class DeskClient:
    """One officer's session at one desk."""

    def __init__(self, session: aiohttp.ClientSession, base: str, csrf: str, officer: str) -> None:
        self._session = session
        self._base = base
        self._csrf = csrf
        self.officer = officer

    @classmethod
    async def login(cls, link: str) -> DeskClient:
        """Spend a one-time link."""
        page, token = urldefrag(link)
        base = page.removesuffix("/login")
        session = aiohttp.ClientSession(
            cookie_jar=aiohttp.CookieJar(unsafe=True), timeout=aiohttp.ClientTimeout(total=30)
        )
        desk = cls(session, base, "", "")
        try:
            desk._csrf = (await desk.get("csrf"))["csrf"]
            desk.officer = (await desk.post("login", {"token": token}))["officer"]
            desk._csrf = (await desk.get("csrf"))["csrf"]  # the token belongs to the session, which is new
        except BaseException:
            await session.close()
            raise
        return desk

    async def close(self) -> None:
        await self._session.close()

    async def get(self, path: str) -> Any:
        async with self._session.get(f"{self._base}/api/{path}") as response:
            if response.status != 200:
                raise DeskRefused(f"{path}: {response.status}")
            return await response.json()

    async def post(self, path: str, body: Mapping[str, Any]) -> View:
        headers = {"Origin": self._base, "X-Hotline-CSRF": self._csrf}
        async with self._session.post(f"{self._base}/api/{path}", json=dict(body), headers=headers) as response:
            if response.status != 200:
                raise DeskRefused(f"{path}: {response.status} {(await response.text())[:200]}")
            answer: View = await response.json()
            return answer

    async def state(self) -> View:
        """Connection, threads, offices, the hub's time."""
        answer: View = await self.get("state")
        return answer

    async def thread(self, thread: str) -> View:
        answer: View = await self.get(f"threads/{thread}")
        return answer

    async def send(
        self, thread: str, kind: str, act: Mapping[str, Any], fields: Mapping[str, Any], **more: Any
    ) -> View:
        """As `hotline.station.views.Desk.send`; the outcome."""
        return await self.post(f"threads/{thread}/send", {"kind": kind, "act": act, "fields": fields, **more})

    async def release(self, draft: str, **more: Any) -> View:
        return await self.post(f"pending/{draft}/release", more)

    async def wait(self, what: str, look: Callable[[], Any], *, seconds: float = 20.0) -> Any:
        """Call ``look`` (a coroutine function) until it gives something true, and give that. Raises `NeverHappened`."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    found = await look()
                    if found:
                        return found
                    await asyncio.sleep(0.03)
        except TimeoutError:
            raise NeverHappened(what) from None

    async def see(self, thread: str, what: str, test: Callable[[View], Any], *, seconds: float = 20.0) -> Any:
        """Wait until the thread's view passes ``test``; what the test gave."""

        async def look() -> Any:
            try:
                return test(await self.thread(thread))
            except DeskRefused:
                return None  # the thread is not here yet

        return await self.wait(what, look, seconds=seconds)
