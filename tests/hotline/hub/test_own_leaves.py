"""Leaves of the hub's own: when they are written, what the store keeps of them, and that a check of the store finds lies."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy.exc import OperationalError

from hotline.cli import main
from hotline.hub import commits, own_leaves, tails
from hotline.hub.console import HubConsole
from hotline.hub.errors import Closing, LookNotLogged
from hotline.hub.fsck import fsck
from hotline.hub.hub import Hub
from hotline.hub.own_leaves import Heads
from hotline.hub.tiles import check_tiles, export_tiles
from protocols.encoding import digest
from protocols.entry import parse_entry
from protocols.frames import Accepted, Deliver, Follow, Tails
from protocols.hub_leaf import (
    Made,
    Place,
    ThreadEnd,
    check_tail,
    is_hub_leaf,
    make_heads,
    open_heads,
    open_look,
    parse_hub_leaf,
    verify_hub_leaf,
)
from protocols.translog import parse_policy, parse_proof, verify_proof
from tests.hotline.harness import Client, World, connect, make_world, open_thread, running_hub
from tests.hotline.hub.stored import alter
from tests.hotline.station.kit import until


def leaves(world: World) -> list[bytes]:
    with closing(sqlite3.connect(world.path / "hub.db")) as db:
        return [row[0] for row in db.execute("SELECT data FROM leaves ORDER BY idx")]


def texts(world: World, index: int) -> list[str]:
    with closing(sqlite3.connect(world.path / "hub.db")) as db:
        return [row[0] for row in db.execute("SELECT text FROM own_disclosures WHERE idx = ?", (index,))]


def ends(world: World, index: int) -> Mapping[str, ThreadEnd]:
    return open_heads(verify_hub_leaf(leaves(world)[index], world.accord), texts(world, index))


async def published(hub: Hub, client: Client, size: int) -> None:
    """Cosign until the log is published up to ``size``."""
    while hub.heads.published is None or hub.heads.published.checkpoint.size < size:
        await client.cosign_next()
        await client.ping()


# -- when -------------------------------------------------------------------------------------------------------------


async def test_every_heartbeat_says_where_the_threads_end_that_moved_and_quiet_ones_cost_nothing(
    tmp_path: Path,
) -> None:
    world = make_world(tmp_path, quorum=1, head_interval=0.3)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        threads = [await open_thread(av, kv) for _ in range(3)]
        await until(lambda: not hub.hub.writer.unsaid)
        size = len(leaves(world))
        await asyncio.sleep(1.0)
        assert len(leaves(world)) == size, "nothing moved, and something was written"
        await av.say(threads[1], "goodwill-note", fields={"text": "one moves"})
        await until(lambda: not hub.hub.writer.unsaid)
        *_, entry, heads = leaves(world)
        assert ends(world, size + 1) == {threads[1].id: ThreadEnd(2, digest(entry))}
        assert len(parse_hub_leaf(heads).payload.sd) == 8
    assert fsck(tmp_path / "hub.db", world.accord).holds


async def test_an_end_can_be_had_on_demand_although_nothing_moved(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = await open_thread(av, kv)
        for index in (1, 2):
            await hub.hub.writer.write(Heads(frozenset({thread.id, "A" * 22})))
            assert ends(world, index) == {thread.id: ThreadEnd(1, digest(leaves(world)[0]))}
        await hub.hub.writer.write(Heads(frozenset({"A" * 22})))
        await hub.hub.writer.write(Heads(moved=True))
        assert len(leaves(world)) == 3
        found = await tails.newest(hub.hub, thread.id)
        assert found is None, "no head was published yet"
    assert fsck(tmp_path / "hub.db", world.accord).holds


async def test_a_hub_that_is_started_anew_says_what_was_not_said_and_nothing_twice(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        said, unsaid = await open_thread(av, kv), await open_thread(av, kv)
        await hub.hub.writer.write(Heads(frozenset({said.id})))
    async with running_hub(world) as hub:
        before = hub.hub.writer.unsaid
        await hub.hub.writer.write(Heads(moved=True))
        assert set(ends(world, 3)) == {unsaid.id}
        assert (before, hub.hub.writer.unsaid) == (True, False)
    async with running_hub(world) as hub:
        assert not hub.hub.writer.unsaid
        stamps = [verify_hub_leaf(leaf, world.accord).payload.at for leaf in leaves(world)[2:]]
        assert stamps == sorted(stamps) and hub.hub.clock.now() >= stamps[-1]
    assert fsck(tmp_path / "hub.db", world.accord).holds


async def test_two_processes_on_one_store_say_an_end_once(tmp_path: Path) -> None:
    world = make_world(tmp_path, head_interval=0.3)
    async with (
        running_hub(world) as one,
        running_hub(world) as two,
        connect(one.url, world, "AV") as av,
        connect(one.url, world, "KV") as kv,
    ):
        thread = await open_thread(av, kv)
        await until(lambda: not (one.hub.writer.unsaid or two.hub.writer.unsaid) and two.hub.threads())
        consoles = [HubConsole(hub.hub) for hub in (one, two)]
        await asyncio.gather(*(console.record_look("Ada", str(n)) for n in range(9) for console in consoles))
        await av.say(thread, "goodwill-note", fields={"text": "again"})
        await until(lambda: two.hub.threads()[0].seq == 2 and not (one.hub.writer.unsaid or two.hub.writer.unsaid))
    kinds = [parse_hub_leaf(leaf).kind for leaf in leaves(world) if is_hub_leaf(leaf)]
    assert kinds.count("heads") == 2
    assert kinds.count("look") == 18
    assert fsck(tmp_path / "hub.db", world.accord).holds


async def test_more_threads_than_one_leaf_holds_are_said_in_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_leaves, "MAX_HEADS", 2)
    world = make_world(tmp_path)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        threads = {(await open_thread(av, kv)).id for _ in range(3)}
        await hub.hub.writer.write(Heads(moved=True))
        assert ends(world, 3).keys() | ends(world, 4).keys() == threads
        assert [len(ends(world, index)) for index in (3, 4)] == [2, 1]
    assert fsck(tmp_path / "hub.db", world.accord).holds


# -- looks ------------------------------------------------------------------------------------------------------------


async def test_a_look_is_in_the_log_before_anything_is_shown(tmp_path: Path) -> None:
    world = make_world(tmp_path, quorum=1)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = await open_thread(av, kv)
        console = HubConsole(hub.hub)
        await console.record_look("Ada", f"trail {thread.id}")
        (_, leaf) = leaves(world)
        assert thread.id.encode() not in leaf and b"Ada" not in leaf
        look = open_look(verify_hub_leaf(leaf, world.accord), texts(world, 1))
        assert (look.operator, look.what) == ("Ada", f"trail {thread.id}")
        (row,) = await console.read_looks(None, 10)
        assert (row.index, row.operator, row.state) == (1, "Ada", "logged")
        await published(hub.hub, av, 2)
        (row,) = await console.read_looks(None, 10)
        assert row.state == "proven"
        assert await console.read_looks(1, 10) == ()
    assert fsck(tmp_path / "hub.db", world.accord).holds


async def test_looks_of_one_moment_share_a_flush_and_each_is_a_leaf(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub:
        console, real, flushes = HubConsole(hub.hub), hub.hub.store.transact, 0

        async def counted(work: Any, **how: Any) -> Any:
            nonlocal flushes
            flushes += 1
            return await real(work, **how)

        hub.hub.store.transact = counted  # type: ignore[method-assign]
        await asyncio.gather(*(console.record_look("Ada", f"page {n}") for n in range(40)))
        assert flushes <= 3
        assert [row.what for row in await console.read_looks(None, 100)] == [f"page {n}" for n in range(39, -1, -1)]
    assert fsck(tmp_path / "hub.db", world.accord).holds


async def test_a_look_that_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub:
        console = HubConsole(hub.hub)

        def full(*_: Any) -> None:
            raise OperationalError("INSERT", {}, Exception("database or disk is full"))

        with monkeypatch.context() as patch:
            patch.setattr(own_leaves, "save", full)
            with pytest.raises(LookNotLogged):
                await console.record_look("Ada", "log")
        assert leaves(world) == []
        await console.record_look("Ada", "log")
        hub.hub.writer.stop()
        with pytest.raises(LookNotLogged):
            await console.record_look("Ada", "log")
        with pytest.raises(Closing):
            await hub.hub.writer.write(Heads(moved=True))
    assert len(leaves(world)) == 1
    assert fsck(tmp_path / "hub.db", world.accord).holds


async def test_a_fault_over_a_look_stops_no_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world(tmp_path)

    def faulty(*_: Any) -> None:
        raise ZeroDivisionError

    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = await open_thread(av, kv)
        monkeypatch.setattr(own_leaves, "make_look", faulty)
        note = av.write(thread, "goodwill-note", fields={"text": "passes"})
        look = asyncio.ensure_future(HubConsole(hub.hub).record_look("Ada", "log"))
        answer = await av.submit(*note)
        assert isinstance(answer, Accepted)
        with pytest.raises(LookNotLogged):
            await look


async def test_the_command_lists_looks_and_finds_damage(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub:
        for what in ("overview", "trail x"):
            await HubConsole(hub.hub).record_look("Ada", what)
    (tmp_path / "accord.jws").write_bytes(world.accord.data)
    (tmp_path / "accord.id").write_text(world.accord.id)
    alter(tmp_path / "hub.db", "INSERT INTO looks (at, operator, what) VALUES (5, 'Bob', 'before')")

    def run(*more: str) -> Any:
        return CliRunner().invoke(main, ["audit", "looks", "--hub", str(tmp_path), *more])

    done = await asyncio.to_thread(run)
    assert done.exit_code == 0, done.output
    assert done.output.index("trail x") < done.output.index("overview") < done.output.index("before")
    assert "no published head yet" in done.output and "only this hub's store says it" in done.output
    done = await asyncio.to_thread(run, "--json", "--most", "1")
    assert json.loads(done.output)["what"] == "trail x"
    alter(tmp_path / "hub.db", "UPDATE own_disclosures SET text = (SELECT text FROM own_disclosures WHERE idx = 0)")
    done = await asyncio.to_thread(run)
    assert done.exit_code == 1 and "DAMAGED" in done.output


# -- on their way to stations -----------------------------------------------------------------------------------------


async def test_a_member_is_told_the_end_of_its_threads_with_proof_after_every_entry_and_once(tmp_path: Path) -> None:
    world = make_world(tmp_path, quorum=1)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = await open_thread(av, kv)
        await av.say(thread, "goodwill-note", fields={"text": "the newest"})
        await hub.hub.writer.write(Heads(moved=True))
        await published(hub.hub, av, 3)
        told = await kv.expect(Tails)
        assert kv.inbox and [f.seq for f in kv.inbox if isinstance(f, Deliver)][-1] == 2, "the entries came first"
        proof = parse_proof(told.proof)
        verify_proof(proof, told.leaf, parse_policy(world.accord.accord.policy))
        tail = check_tail(told.leaf, told.disclosures[0], thread.id, world.accord)
        assert (tail.seq, tail.leaf, tail.index) == (2, digest(leaves(world)[1]), proof.index)
        found = await tails.newest(hub.hub, thread.id)
        assert found is not None and found[1].leaf == told.leaf and found[0].seq == 2
        async with connect(hub.url, world, "MD") as md:
            await md.ping()
            assert not [frame for frame in md.inbox if isinstance(frame, Tails)], "it is no member"
        for since, many in ((0, 1), (2, 1), (3, 0)):
            async with connect(hub.url, world, "KV", follow=False) as again:
                await again.send(Follow({thread.id: 2}, "", since))
                await again.ping()
                await asyncio.sleep(0.2)
                await again.ping()
                assert sum(isinstance(frame, Tails) for frame in again.inbox) == many, since


async def test_a_log_with_leaves_of_the_hubs_own_is_written_as_tiles(tmp_path: Path) -> None:
    world = make_world(tmp_path, quorum=1)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        await open_thread(av, kv)
        await hub.hub.writer.write(Heads(moved=True))
        await HubConsole(hub.hub).record_look("Ada", "log")
        await published(hub.hub, av, 3)
        assert b'hotline_own_leaves_total{kind="look"} 1.0' in hub.hub.metrics.text()
    export_tiles(tmp_path / "hub.db", world.accord, tmp_path / "tiles")
    head = check_tiles(tmp_path / "tiles", parse_policy(world.accord.accord.policy))
    assert head.checkpoint.size == 3


# -- what a check of the store finds ----------------------------------------------------------------------------------

ALTERED = {
    "a disclosure taken away": ("DELETE FROM own_disclosures WHERE idx = 1", "fsck.disclosure"),
    "half of a look taken away": ("DELETE FROM own_disclosures WHERE name = 'what'", "fsck.disclosure"),
    "another's disclosure": ("UPDATE own_disclosures SET text = 'WzFd' WHERE name = 'what'", "fsck.own-leaf"),
    "a thread's name": ("UPDATE own_disclosures SET name = 'x' WHERE idx = 1", "fsck.disclosure"),
    "its row taken away": ("DELETE FROM own_leaves WHERE idx = 2", "fsck.row"),
    "its time": ("UPDATE own_leaves SET at = at + 1 WHERE idx = 2", "fsck.row"),
    "its kind": ("UPDATE own_leaves SET kind = 'look'", "fsck.row"),
    "a row too many": ("INSERT INTO own_leaves VALUES (0, 'look', 5)", "fsck.row"),
    "a disclosure of nothing": ("INSERT INTO own_disclosures VALUES (0, 'x', 'y')", "fsck.disclosure"),
    "an entry's row for it": ("UPDATE entries SET idx = 1 WHERE idx = 0", "fsck.row"),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Leaf 0 opens a thread, leaf 1 says its end, leaf 2 is a look."""
    world = make_world(tmp_path_factory.mktemp("own"))

    async def fill() -> None:
        async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
            await open_thread(av, kv)
            await hub.hub.writer.write(Heads(moved=True))
            await HubConsole(hub.hub).record_look("Ada", "log")

    asyncio.run(fill())
    return world


@pytest.mark.parametrize("what", ALTERED)
def test_whatever_is_altered_of_them_is_found(whole: World, tmp_path: Path, what: str) -> None:
    statement, code = ALTERED[what]
    with closing(sqlite3.connect(whole.path / "hub.db")) as db, closing(sqlite3.connect(tmp_path / "hub.db")) as copy:
        db.backup(copy)
    assert fsck(tmp_path / "hub.db", whole.accord).holds
    alter(tmp_path / "hub.db", statement)
    assert code in {finding.code for finding in fsck(tmp_path / "hub.db", whole.accord).findings}


@pytest.mark.parametrize("lie", ["seq", "leaf", "thread"])
async def test_a_hub_that_logs_a_false_end_is_found_out_by_its_own_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lie: str
) -> None:
    world = make_world(tmp_path)

    def false(place: Place, said: Mapping[str, ThreadEnd], *more: Any) -> Made:
        told = {
            "A" * 22 if lie == "thread" else name: ThreadEnd(
                end.seq + (lie == "seq"), "A" * 43 if lie == "leaf" else end.leaf
            )
            for name, end in said.items()
        }
        return make_heads(place, told, *more)

    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = await open_thread(av, kv)
        monkeypatch.setattr(own_leaves, "make_heads", false)
        monkeypatch.setattr("hotline.hub.writer._say", lambda *_: None)
        await hub.hub.writer.write(Heads(frozenset({thread.id})))
    assert "fsck.tail" in {finding.code for finding in fsck(tmp_path / "hub.db", world.accord).findings}


def test_the_newest_stamp_counts_leaves_of_the_hubs_own(whole: World) -> None:
    with closing(sqlite3.connect(whole.path / "hub.db")) as db:
        (at,) = db.execute("SELECT at FROM own_leaves ORDER BY idx DESC").fetchone()
    from sqlalchemy import create_engine

    engine = create_engine(f"sqlite:///{whole.path / 'hub.db'}")
    with engine.connect() as connection:
        assert commits.newest_stamp(connection) >= at
    engine.dispose()
    assert parse_entry(leaves(whole)[0]).payload.kind == "open"
