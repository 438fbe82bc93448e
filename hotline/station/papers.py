"""Mandates put into a station's folder: checked before they are written there, found there by a station that runs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from hotline.station.errors import BadFolder, TakesBack
from hotline.station.folder import read_settings
from hotline.store import station as tables
from hotline.store.station import StationStore
from protocols.accord import SignedAccord, open_accord
from protocols.entry import parse_entry, verify_stamp
from protocols.mandate import MandateBook, VerifiedMandate, verify_mandate

log = structlog.get_logger("hotline.station")


class Papers:
    """The ``*.jws`` files of one folder, each given out once, and again when it has changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[str, tuple[int, int]] = {}

    def fresh(self) -> tuple[bytes, ...]:
        """What is new since the last call. A file that cannot be read now is logged and tried again."""
        found: list[bytes] = []
        try:
            for path in sorted(self._folder.glob("*.jws")):
                status = path.stat()
                mark = (status.st_mtime_ns, status.st_size)
                if self._seen.get(path.name) != mark:
                    found.append(path.read_bytes())
                    self._seen[path.name] = mark
        except OSError as error:
            log.warning("mandates not readable", error=error.strerror)
        return tuple(found)


def file_name(mandate: VerifiedMandate) -> str:
    """The name of a mandate's file in a station's folder."""
    return f"{mandate.office}-{mandate.mandate.serial:04d}-{mandate.kid[:8]}.jws"


async def add_papers(folder: Path, files: tuple[Path, ...], *, now: int) -> tuple[VerifiedMandate, ...]:
    """Check mandates against the pinned accord, those that stand and what the store holds, then write all of them.

    ``now``: ms UTC. Raises `BadFolder`, `TakesBack` or a `ProtocolError`; nothing was written then.
    """
    settings = read_settings(folder)
    if not settings.accord:
        raise BadFolder("no accord is installed yet")
    accord = open_accord(_read(folder / "accord.jws"), pinned=settings.accord)
    book = MandateBook(accord.accord)
    for path in sorted((folder / "mandates").glob("*.jws")):
        book.add_bytes(_read(path))
    newest = await _stored(folder / "station.db", accord, book)
    found: list[VerifiedMandate] = []
    for path in files:
        mandate = verify_mandate(_read(path), accord.accord)
        if mandate.not_before <= newest.get(mandate.office, -1) and book.takes_back(mandate, now):
            raise TakesBack(f"{path.name}: of {mandate.office}, from {mandate.mandate.not_before}")
        book.add(mandate)
        found.append(mandate)
    for mandate in found:
        path = folder / "mandates" / file_name(mandate)
        partial = path.with_suffix(".partial")  # a running station reads whole files only
        partial.write_bytes(mandate.data)
        partial.replace(path)
    return tuple(found)


async def _stored(path: Path, accord: SignedAccord, book: MandateBook) -> dict[str, int]:
    """Add the store's mandates to ``book``; the time (ms UTC) of the newest entry of any thread that an office wrote in."""
    if not await asyncio.to_thread(path.exists):
        return {}
    newest: dict[str, int] = {}
    store = await asyncio.to_thread(StationStore.open, path)
    try:
        for row in await store.rows(tables.mandates):
            book.add_bytes(row.data)
        threads: dict[str, tuple[set[str], bytes]] = {}
        for row in await store.rows(tables.entries, tables.entries.c.thread, tables.entries.c.seq):
            offices, _ = threads.setdefault(row.thread, (set(), b""))
            offices.add(parse_entry(row.leaf).payload.office)
            threads[row.thread] = (offices, row.leaf)
    finally:
        await store.close()
    for offices, leaf in threads.values():
        at = verify_stamp(parse_entry(leaf), accord).at
        for office in offices:
            newest[office] = max(at, newest.get(office, 0))
    return newest


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadFolder(f"{path.name}: {error.strerror}") from error
