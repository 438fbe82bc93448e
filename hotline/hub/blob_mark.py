"""The word that a store and its folder of files have in common, where several hubs share both: with two folders each hub would
have half of the files."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

import sqlalchemy as sa

from hotline.hub import blob_folder
from hotline.hub.errors import HubNotReady
from hotline.store import hub as t
from hotline.store.engine import Store

MARK_ROW = "files"
"""Row of ``meta``: the mark of the folder that all hubs of this store use."""


async def agree(store: Store, folder: Path) -> str:
    """The mark that the store and its folder of files have in common; the first that comes makes it. Raises `HubNotReady` where
    the folder has another one, or none though the store has."""
    try:
        # Under the store's lock: one hub is the first, and the next sees what it wrote.
        async with store.write() as connection:
            found = await asyncio.to_thread(blob_folder.read_mark, folder)
            wanted = (await connection.execute(sa.select(t.meta.c.value).where(t.meta.c.key == MARK_ROW))).scalar()
            if wanted is None:
                wanted = found or secrets.token_hex(16)
                if not found:
                    await asyncio.to_thread(blob_folder.write_mark, folder, wanted)
                await connection.execute(t.meta.insert().values(key=MARK_ROW, value=wanted))
            elif found != wanted:
                raise HubNotReady(_elsewhere(folder, found))
    except OSError as error:
        raise HubNotReady(f"the folder of files {folder}: {error.strerror}") from error
    return str(wanted)


async def adopt(store: Store, folder: Path) -> None:
    """Have ``folder`` bear the store's mark, whatever it bore: it is the one that all hubs share from now on."""
    async with store.write() as connection:
        mark = (await connection.execute(sa.select(t.meta.c.value).where(t.meta.c.key == MARK_ROW))).scalar()
        if mark is None:
            mark = secrets.token_hex(16)
            await connection.execute(t.meta.insert().values(key=MARK_ROW, value=mark))
        await asyncio.to_thread(blob_folder.write_mark, folder, str(mark))


def _elsewhere(folder: Path, found: str) -> str:
    what = "belongs to another store" if found else "is empty of what the other hubs' folder holds"
    return (
        f"the folder of files {folder} {what}: hubs on one store share one folder ([attachments] folder). Mount it there; only "
        "where its files are lost for good, or were moved here, use hotline hub adopt-files"
    )
