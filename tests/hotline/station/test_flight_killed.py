"""``kill -9`` of a station with many entries of one thread on the way: each that was kept arrives once, under its own key."""

from __future__ import annotations

import asyncio
import random
import secrets
import signal
import sys
from pathlib import Path

import pytest

from protocols.mls import Decrypted, Group
from protocols.translog import ed25519_cosigner
from tests.faults import child
from tests.faults.kit import agree, impatient, open_impatient, opened, positions, texts, until
from tests.hotline.harness import make_station, make_world, running_hub

ROUNDS, NOTES = 4, 40


@pytest.mark.faults
async def test_killed_with_many_on_the_way_nothing_is_lost_doubled_or_sealed_twice_under_one_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[tuple[int, int]] = []
    plain = Group.decrypt

    def decrypt(self: Group, message: bytes) -> Decrypted:
        opened = plain(self, message)
        used.append((opened.epoch, opened.generation))
        return opened

    monkeypatch.setattr(Group, "decrypt", decrypt)
    world, seed, rng = make_world(tmp_path), secrets.token_bytes(32), random.Random(11)
    world.stations["AV"] = make_station("AV", "1", world.roots["AV"], ed25519_cosigner(child.WITNESS, seed), serial=20)
    cast = tmp_path / "cast"
    child.save(world, "AV", seed, cast)
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
        again = await open_impatient(world, "AV", hub.url)
        await again.start()
        try:
            await until(lambda: again.core.line.caught and not again.connection().queued, 40)
            await until(lambda: not kv.connection().queued and len(positions(thread, kv, again)) == 1, 40)
            agree(thread, kv, again)
            ours = texts(kv, thread, "AV")
            assert set(kept) <= set(ours) and len(kept) == len(set(kept))
            assert ours == sorted(ours) and len(ours) == len(set(ours))
            assert not kv.connection().alarms and not again.connection().alarms
        finally:
            await again.stop()
    assert len(used) == len(set(used)) == len(ours)
