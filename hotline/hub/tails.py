"""The ends of a station's threads, as the log says them, on their way to the station."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from hotline.hub import own_leaves
from hotline.hub.own_leaves import TailRow
from hotline.hub.thread import may_see
from protocols.frames import Tails

if TYPE_CHECKING:
    from hotline.hub.hub import Hub


async def read(hub: Hub, station: str, since: int, upto: int) -> dict[str, TailRow]:
    """The newest end of each thread that the station is a member of, among the leaves from ``since`` to before ``upto``."""

    def work(connection: Connection) -> dict[str, TailRow]:
        return own_leaves.read_tails(connection, since, upto)

    async with hub.store.read() as connection:
        found = await connection.run_sync(work)
    threads = hub.writer.standing.threads
    mine = {}
    for name, tail in found.items():
        thread = threads.get(name)
        membership = None if thread is None else may_see(thread, station)
        # Who has left a thread is not told that it goes on.
        if membership is not None and membership.left is None:
            mine[name] = tail
    return mine


async def frames(hub: Hub, found: Iterable[TailRow]) -> list[Tails]:
    """One frame a leaf, in the log's order, proven under the newest published head."""
    leaves: dict[int, list[TailRow]] = {}
    for tail in found:
        leaves.setdefault(tail.index, []).append(tail)
    made = []
    for index, ends in sorted(leaves.items()):
        async with hub.store.read() as connection:
            leaf = await connection.run_sync(own_leaves.read_leaf, index)
        made.append(Tails(leaf, await hub.heads.prove(index), tuple(end.disclosure for end in ends)))
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
    (frame,) = await frames(hub, (tail,))
    return tail, frame
