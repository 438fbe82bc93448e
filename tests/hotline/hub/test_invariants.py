"""The invariants of the log, one test each. What they rest on is tested where it is made; here each is held as a whole."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, OperationalError

from hotline.hub import commits
from hotline.hub.errors import BadCosignature, BehindWitnesses, HubNotReady
from hotline.hub.fsck import fsck
from hotline.store import hub as tables
from hotline.store.engine import Store
from protocols.entry import parse_entry
from protocols.frames import Published, Refused
from protocols.translog import (
    build_consistency,
    build_inclusion,
    build_root,
    leaf_hash,
    open_with_policy,
    parse_policy,
    verify_consistency,
    verify_inclusion,
)
from tests.hotline.harness import Client, connect, handed_in, make_world, open_thread, running_hub
from tests.hotline.hub.stored import fill


def rows(path: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(path / "hub.db")) as db:
        return db.execute(query).fetchall()


async def test_1_leaf_nodes_and_state_stand_together_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path, quorum=2)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = await open_thread(av, kv)
        before = {name: rows(tmp_path, f"SELECT * FROM {name}") for name in ("leaves", "nodes", "entries", "threads")}
        real, entry = commits._save_threads, av.write(thread, "goodwill-note", fields={"text": "x"})

        def fails(*_: object) -> None:
            raise OperationalError("UPDATE", {}, Exception("disk I/O error"))

        with monkeypatch.context() as patch:
            patch.setattr(commits, "_save_threads", fails)  # the last thing that is written
            future = handed_in(hub.hub.writer, parse_entry(entry[0]), entry[1])
            assert (await future).code == "hub.not-stored"  # type: ignore[union-attr]
        assert commits._save_threads is real
        for name, found in before.items():
            assert rows(tmp_path, f"SELECT * FROM {name}") == found, name
        await av.say(thread, "goodwill-note", fields={"text": "x"})
    assert fsck(tmp_path / "hub.db", world.accord).holds


async def test_1_the_same_leaf_and_the_same_index_cannot_be_stored_twice(tmp_path: Path) -> None:
    await fill(tmp_path, 1)
    store = Store(tmp_path / "hub.db")
    for column, value in (("idx", 0), ("id", rows(tmp_path, "SELECT id FROM entries WHERE idx = 0")[0][0])):
        with pytest.raises(IntegrityError):
            async with store.write() as connection:
                row = dict((await connection.execute(sa.select(tables.entries).limit(1))).mappings().one())
                free = {"idx": 99, "id": "new", "seq": 99, "serial": 99} | {column: value}
                await connection.execute(tables.leaves.insert().values(idx=99, data=b"x"))
                await connection.execute(tables.entries.insert().values(**row | free))
    with pytest.raises(IntegrityError):
        async with store.write() as connection:
            await connection.execute(tables.leaves.insert().values(idx=0, data=b"another"))
    await store.close()


async def test_2_what_is_acknowledged_was_flushed_before(tmp_path: Path) -> None:
    """A commit is a flush (synchronous=FULL), and the answer comes after the commit."""
    world = make_world(tmp_path, quorum=2)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = await open_thread(av, kv)
        order: list[str] = []
        real = hub.hub.store.transact

        async def transact(work: Callable[[sa.Connection], Any], **how: Any) -> Any:
            def watched(connection: sa.Connection) -> Any:
                assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
                return work(connection)

            done = await real(watched, **how)
            order.append("committed")
            return done

        hub.hub.store.transact = transact  # type: ignore[method-assign]
        entry, parts = av.write(thread, "goodwill-note", fields={"text": "x"})
        future = handed_in(hub.hub.writer, parse_entry(entry), parts)
        future.add_done_callback(lambda _: order.append("acknowledged"))
        await future
        await asyncio.sleep(0)
        assert order[:2] == ["committed", "acknowledged"]


async def test_3_a_head_is_written_down_before_it_is_signed_and_never_a_second_for_its_size(tmp_path: Path) -> None:
    world = await fill(tmp_path)
    with closing(sqlite3.connect(tmp_path / "hub.db")) as db:
        size = db.execute("SELECT max(size) FROM heads").fetchone()[0]
        for attempt in (
            f"INSERT INTO heads VALUES ({size}, zeroblob(32), 0)",
            f"INSERT OR REPLACE INTO heads VALUES ({size}, zeroblob(32), 0)",
            f"UPDATE heads SET root = zeroblob(32) WHERE size = {size}",
            f"DELETE FROM heads WHERE size = {size}",
        ):
            with pytest.raises(sqlite3.IntegrityError):
                db.execute(attempt)
    for note in rows(tmp_path, "SELECT note FROM published"):
        head = open_with_policy(note[0], parse_policy(world.accord.accord.policy)).checkpoint
        assert rows(tmp_path, f"SELECT root FROM heads WHERE size = {head.size}") == [(head.root,)]


async def test_3_a_store_that_shrank_below_a_signed_head_is_not_served(tmp_path: Path) -> None:
    world = await fill(tmp_path)
    with closing(sqlite3.connect(tmp_path / "hub.db")) as db:
        db.execute("INSERT INTO heads VALUES (99, zeroblob(32), 0)")
        db.commit()
    with pytest.raises(HubNotReady):
        async with running_hub(world):
            pass


async def test_4_a_restored_hub_refuses_to_run_behind_what_a_station_holds(tmp_path: Path) -> None:
    world = make_world(tmp_path, quorum=2)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = await open_thread(av, kv)
        with closing(sqlite3.connect(tmp_path / "hub.db")) as now, closing(sqlite3.connect(tmp_path / "old")) as old:
            now.backup(old)
        await av.say(thread, "goodwill-note", fields={"text": "x"})
        await asyncio.gather(*(cosign_until(client, 2) for client in (av, kv)))
        newest = (await av.expect(Published)).checkpoint
        while open_with_policy(newest, parse_policy(world.accord.accord.policy)).checkpoint.size < 2:
            newest = (await av.expect(Published)).checkpoint
    for path in tmp_path.glob("hub.db*"):
        path.unlink()
    shutil.copy(tmp_path / "old", tmp_path / "hub.db")
    async with running_hub(world) as hub:
        with pytest.raises(BehindWitnesses):
            await hub.hub.hear("av.test", newest)
        assert isinstance(hub.hub.failed.exception(), BehindWitnesses)


async def cosign_until(client: Client, size: int) -> None:
    while await client.cosign_next() < size:
        pass


async def test_5_without_quorum_the_old_head_goes_on_being_served_and_its_age_shows(tmp_path: Path) -> None:
    world = make_world(tmp_path, quorum=2)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = await open_thread(av, kv)
        await asyncio.gather(av.cosign_next(), kv.cosign_next())
        first = (await av.expect(Published)).checkpoint
        await av.say(thread, "goodwill-note", fields={"text": "x"})
        while await av.cosign_next() < 2:
            pass
        await av.ping()
        published = hub.hub.heads.published
        assert published is not None
        assert published.note == first
        assert hub.hub.heads.head is not None
        assert hub.hub.heads.head.size == 2
        assert published.at <= hub.hub.clock.now()


async def test_6_a_cosignature_that_does_not_verify_is_never_attached(tmp_path: Path) -> None:
    world = make_world(tmp_path, quorum=2)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        await open_thread(av, kv)
        await asyncio.gather(av.cosign_next(), kv.cosign_next())
        note = (await av.expect(Published)).checkpoint
        line = next(line for line in note.splitlines(keepends=True) if "av.test" in line)
        keys = [each.key for each in hub.hub.heads.policy.witnesses if each.key.name == "av.test"]
        for wrong in (line.replace("av.test", "kv.test"), line[:-3] + "A=\n", line.replace("— ", "- ")):
            with pytest.raises(BadCosignature):
                await hub.hub.heads.cosigned(keys, 1, wrong)
        published = hub.hub.heads.published
        assert published is not None
        open_with_policy(published.note, parse_policy(world.accord.accord.policy))


async def test_8_fsck_holds_after_everything_a_hub_does(tmp_path: Path) -> None:
    world = await fill(tmp_path)
    result = fsck(tmp_path / "hub.db", world.accord)
    assert result.holds, result.findings


async def test_every_historic_size_can_be_proven_from_what_is_stored(tmp_path: Path) -> None:
    await fill(tmp_path, 9)
    nodes = {(level, index): node for level, index, node in rows(tmp_path, "SELECT level, idx, hash FROM nodes")}
    leaves = [row[0] for row in rows(tmp_path, "SELECT data FROM leaves ORDER BY idx")]

    def get_node(level: int, index: int) -> bytes:
        return bytes(nodes[level, index])

    for size in range(1, len(leaves) + 1):
        root = build_root(size, get_node)
        for index in range(size):
            verify_inclusion(leaf_hash(leaves[index]), index, size, build_inclusion(index, size, get_node), root)
        for old in range(size + 1):
            verify_consistency(old, build_root(old, get_node), size, root, build_consistency(old, size, get_node))


async def test_an_entry_dated_by_a_head_of_its_future_does_not_exist(tmp_path: Path) -> None:
    world = make_world(tmp_path, quorum=2)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = await open_thread(av, kv)
        answer = await av.submit(*av.write(thread, "goodwill-note", fields={"text": "x"}, seen="B" * 43))
        assert isinstance(answer, Refused)
        assert hub.hub.writer.standing.frontier.size == 1
