"""Two hub processes over one store: a clock that ran out is noted once, and the log stays one log."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hotline.hub.directory import Directory
from hotline.hub.errors import HubNotReady
from hotline.hub.hub import Hub
from mediation.state import from_bytes
from protocols.encoding import b64u, digest
from protocols.entry import parse_entry, verify_stamp
from protocols.translog.tree import leaf_hash, root_of
from tests.faults.kit import impatient, opened, say, until
from tests.hotline.harness import LADDER, World, connect, make_world, open_thread, running_hub
from tests.hotline.hub.test_clocks import notify

THREADS = 4
SECONDS = 6.0


def _write(world: World) -> None:
    keys = {name: b64u(getattr(world.keys, name)) for name in ("sign", "log", "operators")}
    (world.path / "hub.json").write_text(json.dumps(keys))
    (world.path / "accord.jws").write_bytes(world.accord.data)
    (world.path / "ladder.toml").write_bytes(world.ladders[LADDER])


async def test_two_processes_on_one_store_fire_every_clock_once_at_the_same_end(tmp_path: Path) -> None:
    world = make_world(tmp_path, scale=400)  # ten minutes in one and a half seconds
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        await kv.publish(THREADS + 6)  # two for each other office stay
        for _ in range(THREADS):
            await notify(av, kv)
    _write(world)
    command = [sys.executable, "-m", "tests.faults.hub_child", str(tmp_path), str(SECONDS)]
    root = Path(__file__).parents[2]
    children = [
        subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for child in children:
        out, err = child.communicate(timeout=60)
        assert child.returncode == 0, err
        assert "faults 0 0" in out, (out, err)
    found = sqlite3.connect(tmp_path / "hub.db")
    leaves = [parse_entry(row[0]) for row in found.execute("SELECT data FROM leaves ORDER BY idx")]
    stamps = [verify_stamp(leaf, world.accord) for leaf in leaves]
    assert [stamp.index for stamp in stamps] == list(range(len(stamps)))
    assert [stamp.at for stamp in stamps] == sorted(stamp.at for stamp in stamps)
    for thread, state in found.execute("SELECT thread, state FROM threads"):
        ours = [(leaf, stamp) for leaf, stamp in zip(leaves, stamps, strict=True) if leaf.payload.thread == thread]
        assert [stamp.seq for _, stamp in ours] == list(range(1, len(ours) + 1))
        chain = [None, *(digest(row) for row in _leaves(found, thread))]
        assert [stamp.chain for _, stamp in ours] == chain[:-1]
        noted = [leaf.payload.act for leaf, _ in ours if leaf.payload.kind == "clock-expired"]
        names = [str(act["clock"]) for act in noted]
        assert len(names) == len(set(names)) >= 2
        ends = {clock.id: clock.end for clock in from_bytes(state).expired}
        assert all(act["end"] == ends[str(act["clock"])] for act in noted if act["clock"] in ends)
        for (_, stamp), act in zip(
            [each for each in ours if each[0].payload.kind == "clock-expired"], noted, strict=True
        ):
            assert stamp.at - int(act["end"]) == act.get("late", 0) >= 0  # left out where it is none
    size, root_ = found.execute("SELECT size, root FROM heads ORDER BY size DESC LIMIT 1").fetchone()
    hashes = [leaf_hash(row[0]) for row in found.execute("SELECT data FROM leaves ORDER BY idx")]
    assert root_of(hashes[:size]) == root_
    found.close()


async def test_a_hub_that_begins_while_another_goes_on_takes_a_newer_head_for_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its own reading of the log and of the heads, the other one writes and signs."""
    world = make_world(tmp_path)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = await open_thread(av, kv)
        plain = Directory.load

        async def slowly(directory: Directory) -> None:
            await av.say(thread, "goodwill-note", fields={"text": "meanwhile"})
            await hub.hub.heads.new_head()
            await plain(directory)

        monkeypatch.setattr(Directory, "load", slowly)
        for _ in range(2):
            other = await Hub.open(world.place, world.settings, world.keys, world.accord, world.ladders)
            assert other.heads.head is None or other.heads.head.size < hub.hub.heads.head.size  # type: ignore[union-attr]
            await other.writer._catch_up()
            await other.heads.new_head()
            await other.stop()
    monkeypatch.undo()
    with closing(sqlite3.connect(tmp_path / "hub.db")) as found, found:
        found.execute("INSERT INTO heads VALUES (99, x'00', 1)")
    with pytest.raises(HubNotReady, match="99 was signed"):
        await Hub.open(world.place, world.settings, world.keys, world.accord, world.ladders)


async def test_a_witness_is_offered_no_head_older_than_its_own_by_a_hub_that_has_not_read_so_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logs: list[Any]
) -> None:
    """It would take the log for shorter than it was, and call the engineers."""
    world = make_world(tmp_path, quorum=1)
    async with running_hub(world) as one, impatient(world, "KV", one.url) as kv, impatient(world, "AV", one.url) as av:
        thread = await opened(av, kv)
        await until(lambda: av.core.cosigned == one.hub.writer.standing.frontier.size)
        async with running_hub(world) as two:

            async def blind() -> None:
                await asyncio.sleep(0)

            monkeypatch.setattr(two.hub.writer, "look", blind)
            before = two.hub.writer.standing.frontier.size
            await say(kv, thread, "meanwhile")
            await until(lambda: av.core.cosigned > before)
            await av.stop()
            for _ in range(3):
                async with impatient(world, "AV", two.url) as again:
                    await asyncio.sleep(0.3)
                    assert not again.connection().alarms
            assert two.hub.heads.head is not None and two.hub.heads.head.size == before
    assert "head not cosigned" not in {event["event"] for event in logs}


def _leaves(found: sqlite3.Connection, thread: str) -> list[bytes]:
    query = "SELECT data FROM leaves JOIN entries ON entries.idx = leaves.idx WHERE thread = ? ORDER BY seq"
    return [row[0] for row in found.execute(query, (thread,))]
