"""The log: heads signed once a size, published with quorum only, proofs that hold, tables that only grow."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from hotline.hub.errors import HubNotReady
from hotline.store import hub as tables
from protocols.encoding import digest
from protocols.frames import Cosign, Hashed, Hashes, Head, Published, Recall, Recalled, Refused
from protocols.translog import leaf_hash, open_with_policy, parse_policy
from tests.hotline.harness import connect, make_world, open_thread, running_hub


async def test_a_head_is_published_when_the_quorum_has_cosigned_and_not_before(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    policy = parse_policy(world.accord.accord.policy)
    async with (
        running_hub(world) as hub,
        connect(hub.url, world, "AV") as av,
        connect(hub.url, world, "KV") as kv,
        connect(hub.url, world, "MD") as md,
    ):
        await open_thread(av, kv)
        assert await av.cosign_next() == 1
        assert await kv.cosign_next() == 1
        await av.ping()
        assert hub.hub.heads.published is None
        av.ref += 1
        await av.send(Hashes(av.ref, 0))
        early = await av.answer(av.ref)
        assert isinstance(early, Refused) and early.code == "log.not-yet"
        assert await md.cosign_next() == 1
        note = (await av.expect(Published)).checkpoint
        opened = open_with_policy(note, policy)
        assert opened.checkpoint.size == 1
        assert len(opened.cosignatures) == 3
        await av.send(Hashes(7, 0))
        hashed = await av.expect(Hashed)
        assert (hashed.start, hashed.hashes) == (0, leaf_hash(await stored_leaf(tmp_path, 0)))
        await av.send(Recall(8, digest(note.encode())))
        assert (await av.expect(Recalled)).checkpoint == note
        await av.send(Recall(9, digest(b"never published")))
        unknown = await av.answer(9)
        assert isinstance(unknown, Refused) and unknown.code == "log.not-yet"


async def stored_leaf(path: Path, index: int) -> bytes:
    def read() -> bytes:
        connection = sqlite3.connect(path / "hub.db")
        try:
            return bytes(connection.execute("SELECT data FROM leaves WHERE idx = ?", (index,)).fetchone()[0])
        finally:
            connection.close()

    return await asyncio.to_thread(read)


async def test_the_log_grows_consistently_and_entries_name_the_newest_published_head(tmp_path: Path) -> None:
    world = make_world(tmp_path, quorum=1)
    async with (
        running_hub(world) as hub,
        connect(hub.url, world, "AV") as av,
        connect(hub.url, world, "KV") as kv,
    ):
        thread = await open_thread(av, kv)
        await av.cosign_next()
        first = (await av.expect(Published)).checkpoint
        assert hub.hub.heads.published is not None
        for number in range(5):
            await av.say(thread, "goodwill-note", fields={"text": str(number)}, seen=digest(first.encode()))
        sizes = [await av.cosign_next()]
        while sizes[-1] < 6:
            sizes.append(await av.cosign_next())
        assert sizes == sorted(sizes)


async def test_a_false_cosignature_is_refused_and_never_attached(tmp_path: Path) -> None:
    world = make_world(tmp_path, quorum=1)
    async with (
        running_hub(world) as hub,
        connect(hub.url, world, "AV") as av,
        connect(hub.url, world, "KV") as kv,
    ):
        await open_thread(av, kv)
        head = await av.expect(Head)
        assert head.request.startswith("old 0\n")
        for size, lines in ((1, "rubbish"), (1, "— av.test AAAA\n"), (99, "— av.test AAAA\n")):
            await av.send(Cosign(size, lines))
            answer = await av.answer(0)
            assert isinstance(answer, Refused) and answer.code == "log.bad-cosignature"
        assert hub.hub.heads.published is None


async def test_a_witness_that_is_ahead_says_so_and_is_offered_the_head_from_there(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with (
        running_hub(world) as hub,
        connect(hub.url, world, "AV") as av,
        connect(hub.url, world, "KV") as kv,
    ):
        thread = await open_thread(av, kv)
        await av.expect(Head)
        await av.say(thread, "goodwill-note", fields={"text": "two"})
        await av.expect(Head)
        await av.send(Cosign(1, ""))
        assert (await av.expect(Head)).request.startswith("old 1\n")


async def test_what_is_evidence_can_only_be_added_to(tmp_path: Path) -> None:
    world = make_world(tmp_path, quorum=1)
    async with (
        running_hub(world) as hub,
        connect(hub.url, world, "AV") as av,
        connect(hub.url, world, "KV") as kv,
    ):
        await open_thread(av, kv)
        await av.cosign_next()
        await av.expect(Published)
    assert not (tmp_path / "hub.db").stat().st_mode & 0o077
    connection = sqlite3.connect(tmp_path / "hub.db")
    for table in ("leaves", "entries", "parts", "nodes", "heads", "cosignatures", "published"):
        assert table in tables.APPEND_ONLY
        column = connection.execute(f"SELECT name FROM pragma_table_info('{table}')").fetchone()[0]
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] > 0
        for attempt in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}"):
            with pytest.raises(sqlite3.IntegrityError, match="insert-only"):
                connection.execute(attempt)
    with pytest.raises(sqlite3.IntegrityError, match="insert-only"):
        connection.execute("INSERT OR REPLACE INTO heads VALUES (1, x'00', 0)")
    connection.close()


async def test_a_store_that_lost_leaves_it_signed_for_is_not_served(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with (
        running_hub(world) as hub,
        connect(hub.url, world, "AV") as av,
        connect(hub.url, world, "KV") as kv,
    ):
        await open_thread(av, kv)
        await av.expect(Head)
    connection = sqlite3.connect(tmp_path / "hub.db")
    connection.execute("INSERT INTO heads VALUES (5, zeroblob(32), 0)")
    connection.commit()
    connection.close()
    with pytest.raises(HubNotReady):
        async with running_hub(world):
            pass


async def test_a_store_belongs_to_one_accord(tmp_path: Path) -> None:
    async with running_hub(make_world(tmp_path)):
        pass
    with pytest.raises(HubNotReady):
        async with running_hub(make_world(tmp_path)):
            pass


async def test_a_second_root_for_one_size_is_never_signed(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with (
        running_hub(world) as hub,
        connect(hub.url, world, "AV") as av,
        connect(hub.url, world, "KV") as kv,
    ):
        await open_thread(av, kv)
        await av.expect(Head)
        heads = hub.hub.heads
        assert heads.head is not None
        signed = heads.head
        heads.head = replace(signed, root=bytes(32))  # as if the stored leaves were not those that were signed
        with pytest.raises(HubNotReady):
            await heads.new_head()
        assert heads.head.root == bytes(32)
