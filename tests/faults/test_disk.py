"""Disks that fail now and then: what was acknowledged stands, what was not is handed in again, and the line recovers."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from hotline.store.engine import Store
from tests.faults.kit import agree, impatient, opened, positions, say, texts, until
from tests.hotline.harness import make_world, running_hub

Failing = Callable[[], str]


def failing(store: Store, monkeypatch: pytest.MonkeyPatch, when: Failing) -> None:
    """Make a store's commits fail: ``when`` gives "before" (nothing is written), "after" (written, and still an error,
    as when the answer of the disk is lost), or an empty string."""
    real, transact = store.write, store.transact

    @asynccontextmanager
    async def sick() -> AsyncIterator[None]:
        how = when()
        if how == "before":
            raise OperationalError("COMMIT", {}, Exception("disk I/O error"))
        yield
        if how == "after":
            raise OperationalError("COMMIT", {}, Exception("disk I/O error"))

    @asynccontextmanager
    async def write() -> AsyncIterator[Any]:
        async with sick(), real() as connection:
            yield connection

    async def in_one_piece(work: Callable[[Any], Any], **how: Any) -> Any:
        async with sick():
            return await transact(work, **how)

    monkeypatch.setattr(store, "write", write)
    monkeypatch.setattr(store, "transact", in_one_piece)


@pytest.mark.parametrize("how", ["before", "after"])
async def test_a_hub_whose_disk_fails_loses_nothing_it_acknowledged_and_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    world, rng = make_world(tmp_path), random.Random(5)
    sick = True
    async with running_hub(world) as hub, impatient(world, "KV", hub.url) as kv, impatient(world, "AV", hub.url) as av:
        thread = await opened(av, kv)
        failing(hub.hub.store, monkeypatch, lambda: how if sick and rng.random() < 0.4 else "")
        for number in range(12):
            await say(av, thread, f"av {number}")
            await say(kv, thread, f"kv {number}")
        await until(lambda: hub.hub.metrics.registry.get_sample_value("hotline_store_failures_total"))
        accepted = {item.entry for item in av.core.items.values() if item.accepted}
        sick = False
        stations = (av, kv)
        await until(
            lambda: not any(each.connection().queued for each in stations) and len(positions(thread, *stations)) == 1
        )
        agree(thread, *stations)
        for office in ("av", "kv"):
            assert texts(kv, thread, office.upper()) == [f"{office} {number}" for number in range(12)]
        assert accepted <= set(av.core.threads[thread].by_id)
        await say(av, thread, "what shows that it writes again")
        await until(lambda: not av.connection().queued)
        assert await hub.hub.check()
        assert not hub.hub.failed.done()


@pytest.mark.parametrize("rate", [0.3, 1.0])
async def test_a_station_whose_disk_fails_keeps_its_keys_and_its_outbox_in_step_and_recovers_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate: float
) -> None:
    world, rng = make_world(tmp_path), random.Random(11)
    sick, failed = False, 0

    def when() -> str:
        nonlocal failed
        fails = sick and rng.random() < rate
        failed += fails
        return "before" if fails else ""

    async with running_hub(world) as hub, impatient(world, "KV", hub.url) as kv:
        async with impatient(world, "AV", hub.url) as av:
            thread = await opened(av, kv)
            await say(av, thread, "av first")
            failing(av.core.store._store, monkeypatch, when)
            said, sick = ["av first"], True
            for number in range(12):
                await say(kv, thread, f"kv {number}")
                try:
                    await say(av, thread, f"av {number}")
                except OperationalError:
                    continue  # the officer is told, and nothing was kept
                said.append(f"av {number}")
            await until(lambda: failed >= 20 or (rate < 1 and failed > 3))
            sick = False
            await until(lambda: av.core.line.caught and not av.connection().queued and not kv.connection().queued)
            await until(lambda: len(positions(thread, av, kv)) == 1)
            agree(thread, av, kv)
            assert len(said) < 13
            assert texts(kv, thread, "AV") == said
            assert texts(av, thread, "KV") == [f"kv {number}" for number in range(12)]
            assert all(not task.done() for task in av._tasks)
            assert av.core.alarms
        async with impatient(world, "AV", hub.url) as again:
            agree(thread, again, kv)
