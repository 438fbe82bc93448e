"""The evidence of one thread as a zip file: leaves, proofs, head, policy, accord, ladder, mandates. No disclosures: the
hub holds none. What it holds is checked by `hotline audit verify`, never by trusting this program.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hotline import bundles
from hotline.hub.errors import NotProvenYet
from hotline.hub.log import PublishedHead
from hotline.hub.trail import read_leaves
from protocols.bundle import Bundle, Exhibit, involved
from protocols.entry import Entry, parse_entry, verify_stamp

if TYPE_CHECKING:
    from hotline.hub.hub import Hub

PATIENCE = 3.0
"""Seconds to wait for witnesses when the newest entries are not yet under a published head."""


async def export_thread(hub: Hub, thread: str) -> bytes:
    """The zip. Entries that no published head covers yet are left out, from the first such on.

    Raises `NotProvenYet` where that leaves nothing, or the thread does not exist.
    """
    leaves = [leaf.data for leaf in await read_leaves(hub.store, thread)]
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
    bundle = Bundle(
        thread,
        ladder,
        head.note.encode(),
        hub.accord.accord.policy.encode(),
        hub.accord.data,
        hub.ladder_files[ladder],
        _mandates(hub, entries[:covered]),
        tuple(exhibits),
    )
    return await asyncio.to_thread(bundles.pack, bundle)


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
