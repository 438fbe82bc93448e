"""Key packages of others: asked of the hub when a station is to come into a group, and checked before they are used."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from hotline.station.core import Core
from hotline.station.errors import LineBroken
from hotline.station.model import Thread
from hotline.station.outbox import Item
from protocols import frames
from protocols.encoding import b64u
from protocols.errors import ProtocolError
from protocols.kinds import OfficeId
from protocols.mls import inspect_key_package

CLAIM_WAIT = 10.0  # seconds


class ClaimFailed(Exception):
    """A key package that could not be had; ``args`` say why in words."""


class Claims:
    """``send`` sends a frame (`LineBroken` where it cannot); ``ref`` numbers a question."""

    def __init__(self, core: Core, send: Callable[[frames.Frame], Awaitable[None]], ref: Callable[[], int]) -> None:
        self._core, self._send, self._ref = core, send, ref
        self._claims: dict[int, asyncio.Future[dict[str, bytes]]] = {}
        self._packages: dict[str, bytes] = {}

    def claimed(self, frame: frames.Claimed) -> None:
        """The hub hands them out."""
        claim = self._claims.pop(frame.ref, None)
        if claim is not None and not claim.done():
            claim.set_result(dict(frame.packages))

    def refused(self, frame: frames.Refused) -> bool:
        """Whether what the hub refused was a claim."""
        claim = self._claims.pop(frame.ref, None)
        if claim is not None and not claim.done():
            claim.set_exception(ClaimFailed(frame.sentence))
        return claim is not None

    def lost(self) -> None:
        """The connection is gone: what was asked on it is not answered any more."""
        for claim in self._claims.values():
            if not claim.done():
                claim.set_exception(LineBroken("the line went down during a claim"))
        self._claims.clear()

    def spent(self, kids: Iterable[str]) -> None:
        """The packages of these stations are in a stored commit: each is for one use."""
        for kid in kids:
            self._packages.pop(kid, None)

    async def collect(self, item: Item, thread: Thread | None) -> dict[str, bytes]:
        """One key package of each station that is to come in. Raises `ClaimFailed`."""
        core, identity = self._core, self._core.identity
        book, now = identity.mandates, core.now()
        if item.intent.kind == "open":
            offices: tuple[OfficeId, ...] = (identity.office, str(item.intent.extra["counterpart"]))
        elif item.intent.kind == "rekey" and thread is not None and thread.state is not None:
            offices = thread.state.due_adds
        else:
            return {}
        found: dict[str, bytes] = {}
        for office in offices:
            before = len(found)
            why = f"{office} has no station with a mandate"
            for mandate in book.stations(office, now):
                if mandate.kid == identity.kid:
                    continue
                try:
                    found[mandate.kid] = await self._claim(mandate.kid)
                except ClaimFailed as error:
                    why = str(error)
            if len(found) == before and office != identity.office:
                raise ClaimFailed(why)
        return found

    async def _claim(self, kid: str) -> bytes:
        if kid in self._packages:
            return self._packages[kid]
        ref = self._ref()
        claim: asyncio.Future[dict[str, bytes]] = asyncio.get_running_loop().create_future()
        self._claims[ref] = claim
        try:
            async with asyncio.timeout(CLAIM_WAIT):
                await self._send(frames.Claim(ref, (kid,)))
                packages = await claim
        except TimeoutError:
            raise LineBroken("no answer to a claim") from None
        finally:
            self._claims.pop(ref, None)
            if claim.done() and not claim.cancelled():
                claim.exception()  # heard, also where sending failed and nobody waited for it any more
        if kid not in packages:
            raise ClaimFailed("that station has no key package left on the hub; it must connect first")
        self._check_package(kid, packages[kid])
        self._packages[kid] = packages[kid]
        return packages[kid]

    def _check_package(self, kid: str, package: bytes) -> None:
        """The hub may hand out anything: the package must be the mandated station's own."""
        core = self._core
        try:
            info = inspect_key_package(package, now=core.clock.now() // 1000)
            keys = core.identity.mandates.find(kid, core.now()).station_keys
        except ProtocolError as error:
            raise ClaimFailed(error.sentence) from error
        if info.identity != kid.encode("ascii") or b64u(info.signature_key) != keys.mls:
            raise ClaimFailed("the hub handed out a key package that is not that station's; it was not used")
