"""Kept for the hub: the leaves of its own, which belong to no thread and which nobody else would hold.

They are asked for as the mirror of the log grows, and each must have the hash that the mirror has in its place: a hub cannot
have something kept that is not in its log. What opens them came sealed and stays so. With the entries of its threads, which
every station keeps as they were delivered, they are what a hub that lost its store is given back (`hotline.station.give_back`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import sqlalchemy as sa

from hotline.station.core import Core, log
from hotline.store import station as tables
from protocols import frames
from protocols.errors import ProtocolError
from protocols.hub_leaf import verify_hub_leaf
from protocols.translog import leaf_hash
from protocols.translog.tiles import TILE_WIDTH
from protocols.translog.tree import HASH_SIZE


class Keeping:
    """``send`` sends a frame to the hub; ``ref`` numbers a question."""

    def __init__(self, core: Core, send: Callable[[frames.Frame], Awaitable[None]], ref: Callable[[], int]) -> None:
        self._core, self._send, self._ref = core, send, ref
        self.upto = 0
        """All leaves of the hub's own below this index are kept."""
        self._mirrored = 0
        self._asked: int | None = None

    async def load(self) -> None:
        """Where the keeping stands. Once, before the line."""
        newest = await self._core.store.rows(tables.kept_leaves, sa.desc(tables.kept_leaves.c.idx), limit=1)
        self.upto = newest[0].idx + 1 if newest else 0

    async def reached(self, size: int) -> None:
        """The mirror is checked as far as ``size``: ask for what is not kept yet."""
        self._mirrored = size
        if self._asked is None and self.upto < size:
            self._asked = self._ref()
            await self._send(frames.AskOwn(self._asked, self.upto))

    async def received(self, frame: frames.Own) -> Sequence[str]:
        """Keep what is in the log; the digests of the heads that these leaves say the hub had seen are returned."""
        if frame.ref != self._asked:
            return ()
        self._asked = None
        # The hub may be further than the mirror: what cannot be checked yet is asked for again.
        leaves = [each for each in frame.leaves if each.index < self._mirrored]
        seen = await self._check(leaves)
        if seen is None or not self.upto < frame.upto:
            log.warning("not kept", detail="leaves that are not in the log, or none at all")
            return ()
        core = self._core
        async with core.lock, core.store.change() as change:
            await change.put_kept((each.index, each.leaf, each.sealed) for each in leaves)
        self.upto = min(frame.upto, self._mirrored)
        await self.reached(self._mirrored)
        return seen

    def refused(self, ref: int) -> None:
        """The hub has none to give; it is asked again when the mirror grows."""
        if ref == self._asked:
            self._asked = None

    def lost(self) -> None:
        """The line is cut: what was asked is not answered any more."""
        self._asked = None

    async def _check(self, leaves: Sequence[frames.OwnLeaf]) -> Sequence[str] | None:
        tiles = await self._core.store.read_tiles({(0, each.index // TILE_WIDTH) for each in leaves})
        seen = []
        last = self.upto - 1
        for each in leaves:
            at = each.index % TILE_WIDTH * HASH_SIZE
            if each.index <= last or tiles.get((0, each.index // TILE_WIDTH), b"")[at : at + HASH_SIZE] != leaf_hash(
                each.leaf
            ):
                return None
            try:
                payload = verify_hub_leaf(each.leaf, self._core.identity.accord).payload
            except ProtocolError:
                return None
            if payload.seen is not None:
                seen.append(payload.seen)
            last = each.index
        return seen
