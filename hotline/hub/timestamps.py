"""Time-stamps by outside authorities over published heads (RFC 3161): asked for now and then, kept beside the head.

Nothing waits for them and nothing depends on them. An authority that is slow, gone or lying costs a line in the log; what
it answers is verified against the operator's root certificates before it is kept, and kept exactly as it came.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import sqlalchemy as sa
import structlog
from sqlalchemy.exc import SQLAlchemyError

from hotline.clock import Clock, span_words
from hotline.hub.errors import HubNotReady
from hotline.hub.log import PublishedHead
from hotline.hub.log_views import StampHealth
from hotline.hub.metrics import Metrics
from hotline.hub.settings import TimestampTable
from hotline.store import hub as t
from hotline.store.engine import Store
from protocols.translog.errors import TimestampError
from protocols.translog.timestamp import MAX_TOKEN_BYTES, NONCE_LIMIT, Timestamp, check_token, timestamp_request

_LOG = structlog.get_logger("hotline.hub.timestamps")
QUERY, REPLY = "application/timestamp-query", "application/timestamp-reply"
FIRST_WAIT, LONGEST_WAIT = 5.0, 3600.0
"""Seconds between two tries after a failure; doubled each time, and jittered."""
GAP = 60_000
"""ms between two tokens, however fast incidents escalate: authorities count, and some charge."""
LATE = 2
"""Times the agreed interval after which a missing token is an alarm."""
FAR = 120_000
"""ms by which an authority's clock may differ from the hub's before the log says so."""


class NoToken(Exception):
    """An authority did not answer, or not well. Its text is for the log: nothing that the authority wrote stands in it."""


@dataclass(frozen=True, slots=True)
class Stamped:
    """A published head with a verified token. ``digest``: how entries name the head; ``note``: its exact text;
    ``at``: when the token was kept, ms UTC by the hub's clock; ``time``: what it says, ms UTC by the authority's."""

    digest: str
    size: int
    note: str
    at: int
    time: int
    token: bytes


class Timestamps:
    """Asks the authorities of ``settings``, one after the other until one answers well.

    ``published``: the newest published head. ``roots``: certificates of the authorities that are trusted, PEM or DER.
    Raises `HubNotReady` where authorities are to be asked and none is trusted.
    """

    def __init__(
        self,
        store: Store,
        settings: TimestampTable,
        roots: Sequence[bytes],
        clock: Clock,
        metrics: Metrics,
        published: Callable[[], PublishedHead | None],
    ) -> None:
        if settings.urls and not roots:
            raise HubNotReady("timestamps: no root certificate of an authority")
        self._store, self._settings, self._roots = store, settings, tuple(roots)
        self._clock, self._metrics, self._published = clock, metrics, published
        self._every = round(settings.every * 1000)
        self._news = asyncio.Event()
        self._session: aiohttp.ClientSession | None = None
        self._wanted = 0
        self._since = clock.now()
        self.newest: Stamped | None = None

    async def load(self) -> None:
        """Read the newest token."""
        self.newest = await _first(self._store, _QUERY.order_by(t.timestamps.c.number.desc()))
        self._tell()

    def offer(self) -> None:
        """A head was published."""
        self._news.set()

    def escalated(self, size: int) -> None:
        """An incident went up the ladder: a head of at least ``size`` leaves is to be stamped as soon as it is published."""
        if self._settings.escalations:
            self._wanted = max(self._wanted, size)
            self._news.set()

    def alarm(self) -> str:
        """What operators must know, a sentence; "" where tokens come as agreed."""
        since = self._since if self.newest is None else max(self.newest.at, self._since)
        age = self._clock.now() - since
        if not self._settings.urls or age <= LATE * self._every or self._published() is None:
            return ""
        return (
            f"No time-stamping authority has stamped the log for {span_words(age)}. Messages and proofs are not touched; "
            "look at the hub's log for what the authorities answered."
        )

    def health(self) -> StampHealth | None:
        """How old the newest token is; None where no authority is asked."""
        if not self._settings.urls:
            return None
        if self.newest is None:
            return StampHealth(0, None, None, bool(self.alarm()))
        return StampHealth(self.newest.size, self.newest.at, self.newest.time, bool(self.alarm()))

    async def run(self) -> None:
        """For ever. Never raises for what an authority does."""
        if not self._settings.urls:
            await asyncio.get_running_loop().create_future()
        wait = FIRST_WAIT
        while True:
            head = await self._due()
            try:
                await self._stamp(head)
                wait = FIRST_WAIT
                continue
            except (NoToken, SQLAlchemyError, OSError) as error:
                why = str(error) if isinstance(error, NoToken) else type(error).__name__
                _LOG.warning("not time-stamped", why=why, again_seconds=round(wait))
            except Exception:
                # A task that ends ends the hub: no answer of an authority may do that to a line that needs none.
                self._metrics.faults.inc()
                _LOG.exception("fault over a time-stamp", again_seconds=round(wait))
            await asyncio.sleep(wait * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, no secret
            wait = min(2 * wait, LONGEST_WAIT)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _due(self) -> PublishedHead:
        """Waits until a head is to be stamped."""
        while True:
            self._news.clear()
            head = self._published()
            left = None if head is None else self._left(head)
            if head is not None and left == 0:
                return head
            try:
                async with asyncio.timeout(
                    None if left is None else left / 1000
                ):  # not `wait_for`: see `hotline.hub.log`
                    await self._news.wait()
            except TimeoutError:
                continue

    def _left(self, head: PublishedHead) -> int | None:
        """ms until this head is to be stamped; None: not before another is published."""
        newest = self.newest
        if newest is None:
            return 0
        if newest.digest == head.digest:
            return None
        # An escalation that the newest token covers is no reason for another.
        escalated = newest.size < self._wanted <= head.checkpoint.size
        return max(0, newest.at + (GAP if escalated else self._every) - self._clock.now())

    async def _stamp(self, head: PublishedHead) -> None:
        await self.load()
        if self._left(head) != 0:
            return  # another process on this store was first
        failures = []
        for url in self._settings.urls:
            try:
                token, found = await self._ask(url, head.note.encode())
            except NoToken as error:
                self._metrics.timestamps.labels("failed").inc()
                failures.append(f"{url}: {error}")
                continue
            now = self._clock.now()
            await self._keep(
                Stamped(head.digest, head.checkpoint.size, head.note, now, found.at, token), found.authority
            )
            self._metrics.timestamps.labels("granted").inc()
            # Whose clock is wrong cannot be said here; the token is one all the same.
            _LOG.log(
                30 if abs(found.at - now) > FAR + (found.accuracy or 0) else 20,
                "time-stamped",
                size=head.checkpoint.size,
                authority=found.authority,
                authority_ahead_ms=found.at - now,
            )
            return
        raise NoToken("; ".join(failures))

    async def _ask(self, url: str, note: bytes) -> tuple[bytes, Timestamp]:
        nonce = secrets.randbelow(NONCE_LIMIT)
        token = await self._post(url, timestamp_request(note, nonce))
        try:
            return token, await asyncio.to_thread(check_token, token, note, self._roots, nonce=nonce)
        except TimestampError as error:
            raise NoToken(error.code) from error

    async def _post(self, url: str, query: bytes) -> bytes:
        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=False, cookie_jar=aiohttp.DummyCookieJar())
        timeout = aiohttp.ClientTimeout(total=self._settings.answer)
        headers = {"Content-Type": QUERY, "Accept": REPLY}
        try:
            async with self._session.post(
                url, data=query, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                if response.status != 200:
                    raise NoToken(f"status {response.status}")
                data = b""
                async for chunk in response.content.iter_chunked(16 * 1024):
                    data += chunk
                    if len(data) > MAX_TOKEN_BYTES:
                        raise NoToken("too long an answer")
                return data
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NoToken(type(error).__name__) from error

    async def _keep(self, stamped: Stamped, authority: str) -> None:
        async with self._store.write() as connection:
            await connection.execute(
                t.timestamps.insert().values(
                    digest=stamped.digest,
                    size=stamped.size,
                    at=stamped.at,
                    time=stamped.time,
                    authority=authority,
                    token=stamped.token,
                )
            )
        self.newest = stamped
        self._tell()

    def _tell(self) -> None:
        if self.newest is not None:
            self._metrics.timestamp_at.set(self.newest.at / 1000)


async def token_for(store: Store, digest: str) -> bytes | None:
    """The first token over the published head of this digest (base64url SHA-256 of the note), a TimeStampResp."""
    query = sa.select(t.timestamps.c.token).where(t.timestamps.c.digest == digest)
    async with store.read() as connection:
        return (await connection.execute(query.order_by(t.timestamps.c.number).limit(1))).scalar()


async def first_stamped(store: Store, size: int) -> Stamped | None:
    """The first stamped head of at least ``size`` leaves: whose token says soonest that they existed."""
    return await _first(store, _QUERY.where(t.timestamps.c.size >= size).order_by(t.timestamps.c.number))


_QUERY = sa.select(
    t.timestamps,
    sa.select(t.published.c.note).where(t.published.c.digest == t.timestamps.c.digest).limit(1).label("note"),
)


async def _first(store: Store, query: sa.Select[Any]) -> Stamped | None:
    async with store.read() as connection:
        row = (await connection.execute(query.limit(1))).first()
    return None if row is None else Stamped(row.digest, row.size, row.note, row.at, row.time, row.token)
