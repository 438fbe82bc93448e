"""Evidence out of a running station: what an officer chose to show, seen as its reader will see it before it goes out.

The preview is read back out of the very bundle that would be handed over, not out of what was asked for: what stands in it is
what leaves the house. Whether words may be shown, the agreement and the log say (`hotline.station.export`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hotline import bundles
from hotline.station.core import Core
from hotline.station.export import export_thread
from hotline.station.model import Thread
from hotline.station.views import ExportedEntry, ExportView
from hotline.words import EntryName, act_words
from mediation.audit.papers import with_reports
from protocols.bundle import Bundle, Exhibit
from protocols.encoding import from_json, unb64u
from protocols.entry import parse_entry


async def preview(core: Core, thread: Thread, disclose: Sequence[str]) -> ExportView:
    """The bundle with these fields (``SEQ:FIELD``) and how it reads. Raises what `export_thread` raises."""
    identity = core.identity
    async with core.store.read() as connection:
        bundle, left_out = await export_thread(
            connection, identity.accord, identity.ladder_files, thread.id, disclose, core.vault
        )
    packed = await asyncio.to_thread(lambda: bundles.pack(with_reports(bundle)))
    return ExportView(_entries(thread, bundle), left_out, packed)


def _entries(thread: Thread, bundle: Bundle) -> tuple[ExportedEntry, ...]:
    names = {held.id: held.seq for held in thread.held}

    def name(about: str) -> str:
        return f"entry {names[about]}" if about in names else "another entry"

    return tuple(_entry(thread, seq, exhibit, name) for seq, exhibit in enumerate(bundle.exhibits, 1))


def _entry(thread: Thread, seq: int, exhibit: Exhibit, name: EntryName) -> ExportedEntry:
    entry = parse_entry(exhibit.leaf)
    payload = entry.payload
    shown = {str(value[1]): value[2] for value in (from_json(unb64u(text)) for text in exhibit.disclosures)}
    stamp = entry.jws.by_role("hub")
    return ExportedEntry(
        seq,
        int(stamp.extra["at"]) if stamp is not None else 0,
        payload.office,
        entry.kind.title,
        act_words(payload.kind, payload.act, thread.ladder, name),
        shown,
        len(payload.sd) - len(shown),
    )
