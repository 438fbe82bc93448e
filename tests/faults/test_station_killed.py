"""``kill -9`` of a station while it sends and receives: nothing kept is lost or doubled, no key is used twice."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from pathlib import Path

import pytest

from tests.faults import child
from tests.faults.kit import back_again, impatient, opened, say, texts
from tests.hotline.harness import make_world, running_hub

ROUNDS = 5
NOTES = 12


@pytest.mark.faults
async def test_a_station_killed_at_any_moment_loses_nothing_says_nothing_twice_and_opens_again(tmp_path: Path) -> None:
    world, rng = make_world(tmp_path), random.Random(7)
    cast = tmp_path / "cast"
    child.save(world, "AV", cast)
    kept: list[str] = []
    theirs: list[str] = []
    async with running_hub(world) as hub, impatient(world, "KV", hub.url) as kv:
        async with impatient(world, "AV", hub.url) as av:
            thread = await opened(av, kv)
        for number in range(ROUNDS):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.faults.child", str(cast), hub.url, thread),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                cwd=Path(__file__).parents[2],
            )
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write("".join(f"{number}.{each}\n" for each in range(NOTES)).encode())
            for each in range(NOTES):
                await say(kv, thread, f"theirs {number}.{each}")
                theirs.append(f"theirs {number}.{each}")
            kept += [(await process.stdout.readline()).decode().strip() for _ in range(rng.randint(1, NOTES - 1))]
            await asyncio.sleep(rng.random() / 10)
            process.send_signal(signal.SIGKILL)
            # What it printed before it died was on its disk as well.
            kept += (await process.stdout.read()).decode().split("\n")[:-1]
            assert await process.wait() == -signal.SIGKILL
        assert len(kept) > ROUNDS
        async with back_again(world, "AV", hub.url, thread, kv) as again:
            ours = texts(kv, thread, "AV")
            assert [text for text in ours if text in set(kept)] == kept
            # A note may be on the disk without our having read that it is, at most the one in hand a round.
            assert len(ours) - len(kept) <= ROUNDS
            assert texts(again, thread, "KV") == theirs
            assert not kv.connection().alarms and not again.connection().alarms
