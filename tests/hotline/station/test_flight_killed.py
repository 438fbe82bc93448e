"""``kill -9`` of a station with many entries of one thread on the way: each that was kept arrives once, under its own key."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from pathlib import Path

import pytest

from tests.faults import child
from tests.faults.kit import back_again, impatient, opened, texts
from tests.hotline.harness import make_world, running_hub
from tests.hotline.station.kit import keys_used

ROUNDS, NOTES = 4, 40


@pytest.mark.faults
async def test_killed_with_many_on_the_way_nothing_is_lost_doubled_or_sealed_twice_under_one_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = keys_used(monkeypatch)
    world, rng = make_world(tmp_path), random.Random(11)
    cast = tmp_path / "cast"
    child.save(world, "AV", cast)
    kept: list[str] = []
    async with running_hub(world) as hub, impatient(world, "KV", hub.url) as kv:
        async with impatient(world, "AV", hub.url) as av:
            thread = await opened(av, kv)
        for number in range(ROUNDS):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.hotline.station.flight_child", str(cast), hub.url, thread),
                *(str(number), str(NOTES)),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                cwd=Path(__file__).parents[3],
            )
            assert process.stdout is not None
            kept.append((await process.stdout.readline()).decode().strip())
            await asyncio.sleep(rng.random() / 8)
            process.send_signal(signal.SIGKILL)
            kept += (await process.stdout.read()).decode().split("\n")[:-1]
            assert await process.wait() == -signal.SIGKILL
        async with back_again(world, "AV", hub.url, thread, kv) as again:
            ours = texts(kv, thread, "AV")
            assert set(kept) <= set(ours) and len(kept) == len(set(kept))
            assert ours == sorted(ours) and len(ours) == len(set(ours))
            assert not kv.connection().alarms and not again.connection().alarms
    assert len(used) == len({(each.epoch, each.generation) for each in used}) == len(ours)
