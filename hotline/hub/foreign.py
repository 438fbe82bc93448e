"""Witnesses that are not stations: asked at start, then offered every head over HTTP (C2SP tlog-witness).

Each has a task of its own that waits for it and nothing else does: a witness that is slow, gone or lying holds up neither
messages nor the other witnesses.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Mapping

import aiohttp
import structlog

from hotline.hub.claims import Claims
from hotline.hub.errors import BadCosignature
from hotline.hub.log import HeadKeeper
from protocols.translog import VerifierKey
from protocols.translog.note import MAX_NOTE_BYTES
from protocols.translog.witness import SIZE_CONTENT_TYPE

_LOG = structlog.get_logger("hotline.hub.foreign")
ANSWER = 10.0
"""Seconds that one request may take."""
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds between two tries; doubled each time, and jittered."""
MAX_ANSWER_BYTES = 64 * 1024


class NoAnswer(Exception):
    """A witness did not answer, or not as the specification says. Its text is for the log: no body stands in it."""


class Foreign:
    """``urls``: key name to the prefix of its HTTP interface."""

    def __init__(self, heads: HeadKeeper, claims: Claims, urls: Mapping[str, str]) -> None:
        self._heads, self._claims = heads, claims
        self._urls = {name: url.rstrip("/") for name, url in urls.items()}
        self._keys: dict[str, list[VerifierKey]] = {}
        for witness in heads.policy.witnesses:
            if witness.key.name in self._urls:
                self._keys.setdefault(witness.key.name, []).append(witness.key)
        self._new = {name: asyncio.Event() for name in self._keys}
        self._session: aiohttp.ClientSession | None = None

    def offer(self) -> None:
        """There is a head to cosign."""
        for event in self._new.values():
            event.set()

    async def ask(self) -> None:
        """Ask every witness what it holds. One that does not answer is asked again with the first head.

        Raises `BehindWitnesses`.
        """
        results = await asyncio.gather(*(self._ask(name) for name in self._keys), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def run(self) -> None:
        """For ever: every witness by itself. Raises `BehindWitnesses`."""
        async with asyncio.TaskGroup() as group:
            for name in self._keys:
                group.create_task(self._serve(name), name=f"witness {name}")
            if not self._keys:
                await asyncio.get_running_loop().create_future()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _serve(self, name: str) -> None:
        wait, heard = FIRST_WAIT, False
        while True:
            await self._new[name].wait()
            self._new[name].clear()
            try:
                if not heard:
                    # Not trusted to have been asked at start: it may have been away then.
                    heard = await self._ask(name, quiet=False)
                await self._submit(name)
                wait = FIRST_WAIT
            except (NoAnswer, BadCosignature) as error:
                _LOG.warning("witness", name=name, why=str(error)[:200])
                self._new[name].set()
                await asyncio.sleep(wait * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, no secret
                wait = min(2 * wait, LONGEST_WAIT)

    async def _submit(self, name: str) -> None:
        """Offer the newest head; once more from where the witness says it stands."""
        for _ in range(3):
            keys = self._keys[name]
            request = await self._heads.request(keys[0].vkey)
            if request is None:
                return
            size = int(request.split("\n\n", 1)[1].split("\n")[1])
            status, kind, body = await self._call("POST", f"{self._urls[name]}/add-checkpoint", request.encode())
            if status == 200:
                await self._heads.cosigned(keys, size, body)
                return
            if status != 409 or kind != SIZE_CONTENT_TYPE or not body.strip().isdecimal() or len(body) > 20:
                raise NoAnswer(f"status {status}")
            if not await self._heads.cosigned(keys, int(body), ""):
                raise NoAnswer(f"stands at {int(body)}")
        raise NoAnswer("moves while it is asked")

    async def _ask(self, name: str, *, quiet: bool = True) -> bool:
        digest = hashlib.sha256(self._heads.origin.encode()).hexdigest()
        try:
            status, _, body = await self._call("GET", f"{self._urls[name]}/{digest}/checkpoint", None)
            if status not in (200, 404):
                raise NoAnswer(f"status {status}")
        except NoAnswer as error:
            if not quiet:
                raise
            _LOG.warning("witness not asked", name=name, why=str(error)[:200])
            return False
        if await self._claims.hear(name, body if status == 200 else ""):
            self._heads.grown()
        return True

    async def _call(self, method: str, url: str, body: bytes | None) -> tuple[int, str, str]:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=ANSWER), trust_env=False, cookie_jar=aiohttp.DummyCookieJar()
            )
        limit = MAX_ANSWER_BYTES if method == "POST" else MAX_NOTE_BYTES
        try:
            async with self._session.request(method, url, data=body, allow_redirects=False) as response:
                data = b""
                async for chunk in response.content.iter_chunked(16 * 1024):
                    data += chunk
                    if len(data) > limit:
                        raise NoAnswer("too long an answer")
                return response.status, response.headers.get("Content-Type", ""), data.decode()
        except (aiohttp.ClientError, TimeoutError, OSError, UnicodeDecodeError) as error:
            raise NoAnswer(type(error).__name__) from error
