"""A hub's folder with a small log in it, for what is checked on files."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from protocols.frames import Published
from protocols.translog import peek_checkpoint
from tests.hotline.harness import World, connect, make_world, open_thread, running_hub


async def fill(path: Path, notes: int = 4) -> World:
    """A hub of one thread with ``notes`` messages, every head cosigned by two of the two that are asked for."""
    world = make_world(path, quorum=2)
    async with (
        running_hub(world) as hub,
        connect(hub.url, world, "AV") as av,
        connect(hub.url, world, "KV") as kv,
    ):
        thread = await open_thread(av, kv)

        async def cosign_all(client: object, upto: int) -> None:
            while await client.cosign_next() < upto:  # type: ignore[attr-defined]
                pass

        for number in range(notes):
            await av.say(thread, "goodwill-note", fields={"text": f"note {number}"})
            await asyncio.gather(*(cosign_all(client, number + 2) for client in (av, kv)))
        while peek_checkpoint((await av.expect(Published)).checkpoint).size < notes + 1:
            pass
    (path / "accord.jws").write_bytes(world.accord.data)
    (path / "accord.id").write_text(world.accord.id)
    return world


def make_folder(path: Path, notes: int = 4) -> World:
    """`fill`, for tests that are not async."""
    path.mkdir(exist_ok=True)
    return asyncio.run(fill(path, notes))


def alter(database: Path, *statements: str) -> None:
    """Change a store as somebody with a database tool would: the triggers are dropped first."""
    with closing(sqlite3.connect(database)) as db:
        db.execute("PRAGMA foreign_keys=OFF")
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            db.execute(statement)
        db.commit()
