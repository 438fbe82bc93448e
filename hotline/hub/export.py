"""The evidence of one thread as a zip file: leaves, proofs, head, policy, accord, ladder, mandates. No disclosures: the
hub holds none. What it holds is checked by `hotline audit verify`, never by trusting this program.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from hotline import bundles
from hotline.hub.errors import NotProvenYet
from hotline.hub.log import PublishedHead
from hotline.hub.trail import read_leaves
from hotline.hub.withholding import withhold_entries
from protocols.bundle import Bundle, Exhibit, involved
from protocols.entry import Entry, parse_entry, verify_stamp
from protocols.redaction import Redaction

if TYPE_CHECKING:
    from hotline.hub.hub import Hub

PATIENCE = 3.0
"""Seconds to wait for witnesses when the newest entries are not yet under a published head."""


async def export_thread(
    hub: Hub, thread: str, items: Sequence[Redaction] = (), by: str = "", upto: int | None = None
) -> bytes:
    """The zip. Entries that no published head covers yet are left out, from the first such on; those that ``items`` name
    are withheld, and said to be (`hotline.hub.withholding`). ``by``: who exports; ``upto``: the last entry to be in it.

    Raises `NotProvenYet` where nothing is covered, or the thread does not exist; `CannotWithhold`.
    """
    bundle = await _bundle(hub, thread, upto)

    def mandates(kids: Iterable[str]) -> tuple[bytes, ...]:
        wanted = set(kids)
        return tuple(mandate.data for mandate in hub.directory.book.all() if mandate.kid in wanted)

    return await asyncio.to_thread(lambda: bundles.pack(withhold_entries(bundle, items, mandates, by)))


async def _bundle(hub: Hub, thread: str, upto: int | None) -> Bundle:
    leaves = [leaf.data for leaf in await read_leaves(hub.store, thread)][:upto]
    if not leaves:
        raise NotProvenYet("no such thread")
    entries = [parse_entry(leaf) for leaf in leaves]
    indexes = [verify_stamp(entry, hub.accord).index for entry in entries]
    head = await _head_over(hub, indexes[-1])
    covered = sum(1 for index in indexes if index < head.checkpoint.size)
    if not covered:
        raise NotProvenYet("no entry of this thread is under a published head")
    exhibits = [
        Exhibit(leaf, (await hub.heads.proof_under(index, head)).encode())
        for leaf, index in zip(leaves[:covered], indexes[:covered], strict=True)
    ]
    ladder = str(entries[0].payload.act["ladder"])
    return Bundle(
        thread,
        ladder,
        head.note.encode(),
        hub.accord.accord.policy.encode(),
        hub.accord.data,
        hub.ladder_files[ladder],
        _mandates(hub, entries[:covered]),
        tuple(exhibits),
    )


async def _head_over(hub: Hub, index: int) -> PublishedHead:
    waited = 0.0
    while (hub.heads.published is None or hub.heads.published.checkpoint.size <= index) and waited < PATIENCE:
        await asyncio.sleep(0.1)
        waited += 0.1
    if hub.heads.published is None:
        raise NotProvenYet("no head was published yet")
    return hub.heads.published


def _mandates(hub: Hub, entries: list[Entry]) -> tuple[bytes, ...]:
    """Every mandate of every key that signed or was let in."""
    kids = involved(entries)
    return tuple(mandate.data for mandate in hub.directory.book.all() if mandate.kid in kids)
