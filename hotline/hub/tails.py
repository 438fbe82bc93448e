"""The ends of a station's threads, as the log says them, on their way to the station."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from hotline.hub import own_leaves
from hotline.hub.own_leaves import TailRow
from hotline.hub.thread import may_see
from hotline.hub.together import Together
from protocols.frames import Tails

if TYPE_CHECKING:
    from hotline.hub.hub import Hub


KEPT = 64
"""Leaves of which the proof is kept: after a heartbeat every station is sent the same few."""


class Ends:
    """Reads ends of threads for all stations that are told of them: each heartbeat's once, and each leaf's proof once."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._found: Together[tuple[int, int], dict[str, TailRow]] = Together(self._read)
        self._proven: Together[tuple[int, str], tuple[bytes, str]] = Together(self._prove)
        self._proofs: dict[tuple[int, str], tuple[bytes, str]] = {}

    async def read(self, station: str, since: int, upto: int) -> dict[str, TailRow]:
        """The newest end of each thread that the station is a member of, among the leaves from ``since`` to before ``upto``."""
        found = await self._found.ask((since, upto))
        threads = self._hub.writer.standing.threads
        mine = {}
        for name, tail in found.items():
            thread = threads.get(name)
            membership = None if thread is None else may_see(thread, station)
            # Who has left a thread is not told that it goes on.
            if membership is not None and membership.left is None:
                mine[name] = tail
        return mine

    async def _read(self, asked: Sequence[tuple[int, int]]) -> dict[tuple[int, int], dict[str, TailRow]]:
        upto = asked[0][1]
        together = {since for since, before in asked if before == upto}
        least = min(together)
        rows = await self._hub.store.fetch(lambda connection: own_leaves.read_tails(connection, least, upto))
        # The newest end from an earlier leaf on is the newest from a later one on, or lies before it.
        return {
            (since, upto): rows if since == least else {name: row for name, row in rows.items() if row.index >= since}
            for since in together
        }

    async def prove(self, index: int) -> tuple[bytes, str]:
        """The leaf at ``index``, and its proof under the newest published head."""
        published = self._hub.heads.published
        key = index, "" if published is None else published.digest
        found = self._proofs.get(key)
        if found is None:
            found = self._proofs[key] = await self._proven.ask(key)
            while len(self._proofs) > KEPT:
                del self._proofs[next(iter(self._proofs))]
        return found

    async def _prove(self, asked: Sequence[tuple[int, str]]) -> dict[tuple[int, str], tuple[bytes, str]]:
        index = asked[0][0]
        leaf = await self._hub.store.fetch(lambda connection: own_leaves.read_leaf(connection, index))
        return {asked[0]: (leaf, await self._hub.heads.prove(index))}

    async def frames(self, found: Iterable[TailRow]) -> list[Tails]:
        """One frame a leaf, in the log's order, proven under the newest published head."""
        leaves: dict[int, list[TailRow]] = {}
        for tail in found:
            leaves.setdefault(tail.index, []).append(tail)
        made = []
        for index, ends in sorted(leaves.items()):
            leaf, proof = await self.prove(index)
            made.append(Tails(leaf, proof, tuple(end.disclosure for end in ends)))
        return made


async def newest(hub: Hub, thread: str) -> tuple[TailRow, Tails] | None:
    """The newest end of a thread that a published head covers, and its proof; None where there is none."""
    published = hub.heads.published
    if published is None:
        return None

    def work(connection: Connection) -> dict[str, TailRow]:
        return own_leaves.read_tails(connection, upto=published.checkpoint.size, threads=(thread,))

    async with hub.store.read() as connection:
        tail = (await connection.run_sync(work)).get(thread)
    if tail is None:
        return None
    (frame,) = await hub.ends.frames((tail,))
    return tail, frame
