"""The sealed files that stations gave back, into the hub's folder: each believed by the hash that is its name and nothing else.

A file is taken where the thread is in the log and both who gave it back and who sent it have been members of it. It counts
against the quota of who sent it where that station says so itself, else of who gave it back: nobody can fill another's. What
nobody had any more is named: the entry that binds it stands, and its bytes are gone.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
import structlog

from hotline.hashed import holds
from hotline.hub import blob_folder, blob_keep
from hotline.hub.blob_keep import Listed
from hotline.hub.blob_mark import agree
from hotline.hub.blobs import MIB
from hotline.hub.given_back import Given, SaidFile
from hotline.hub.settings import AttachmentTable
from hotline.store import hub as t
from hotline.store.engine import Store

_LOG = structlog.get_logger("hotline.hub.files")


@dataclass(frozen=True, slots=True)
class FilesBack:
    """``count``, ``size``: files that were put back; ``there``: that were there already; ``gone``: that an entry binds, as some
    station said or the store lists, and that nobody has; ``no_room``: that the disk had no room for; ``strange``: of no thread
    of their station's, not taken."""

    count: int = 0
    size: int = 0
    there: int = 0
    gone: tuple[Listed, ...] = ()
    no_room: tuple[Listed, ...] = ()
    strange: int = 0


async def take_files(store: Store, folder: Path, settings: AttachmentTable, given: Given, now: int) -> FilesBack:
    """Put back what can be. The hub does not run. ``now``: ms UTC. Raises ``OSError``, `HubNotReady`, `BadFile`.

    It may be done again: what is there is left alone.
    """
    if store.shared:
        await agree(store, folder)
    members, offices = await _members(store)
    wanted: dict[tuple[str, str], list[SaidFile]] = {}
    strange = 0
    for each in given.files:
        thread = each.said.thread
        if (thread, each.source.speaker) in members and (thread, each.said.station) in members:
            wanted.setdefault((thread, each.said.blob), []).append(each)
        else:
            strange += 1
    count = size = there = 0
    gone: dict[str, Listed] = {}
    no_room = []
    for (thread, blob), sources in wanted.items():
        path = folder / thread / blob
        before = await asyncio.to_thread(_there, path, sources)
        found = before
        for each in sources:
            if found is None and each.said.here:
                if await asyncio.to_thread(blob_folder.free, folder) - each.said.size < settings.spare * MIB:
                    no_room.append(_listed(each))
                    break
                if await asyncio.to_thread(blob_folder.store, given.pieces(each), path, blob, each.said.size):
                    found = each
                else:
                    _LOG.warning("other bytes than their name says were given back", station=each.source.speaker)
        if found is None:
            gone[sources[0].said.blob] = _listed(sources[0])
            continue
        author = found.said.station
        by = author if any(each.source.speaker == author for each in sources) else found.source.speaker
        await _list(store, found, by, offices[by], now)
        there += before is not None
        count, size = count + (before is None), size + (found.said.size if before is None else 0)
    for lost in (await asyncio.to_thread(blob_keep.check_files, store.place, folder, quick=True)).lost:
        gone[lost.blob] = lost
    for lost in no_room:
        gone.pop(lost.blob, None)
    return FilesBack(count, size, there, tuple(gone.values()), tuple(no_room), strange)


async def _members(store: Store) -> tuple[set[tuple[str, str]], dict[str, str]]:
    """Who is, or was, in which thread; and the office of each station."""
    m, papers = t.members.c, t.mandates.c
    async with store.read() as connection:
        seats = await connection.execute(sa.select(m.thread, m.station).distinct())
        members = {(row.thread, row.station) for row in seats}
        stations = await connection.execute(sa.select(papers.kid, papers.office).distinct())
        offices = {row.kid: row.office for row in stations}
    return {seat for seat in members if seat[1] in offices}, offices


async def _list(store: Store, found: SaidFile, by: str, office: str, now: int) -> None:
    """Have the store list a file that is in the folder now. ``by``: for whom it counts where it is new."""
    b, said = t.blobs.c, found.said
    mine = (b.thread == said.thread, b.blob == said.blob)
    async with store.write() as connection:
        values = {"size": said.size, "at": now, "whole": True, "bound": now}
        if not (await connection.execute(sa.update(t.blobs).where(*mine).values(**values))).rowcount:
            names = {"thread": said.thread, "blob": said.blob, "office": office, "station": by}
            await connection.execute(sa.insert(t.blobs).values(**names, **values))


def _there(path: Path, sources: list[SaidFile]) -> SaidFile | None:
    """Whichever of them the folder has already."""
    return next((each for each in sources if holds(path, each.said.blob, each.said.size)), None)


def _listed(each: SaidFile) -> Listed:
    return Listed(each.said.thread, each.said.blob, each.said.size)
