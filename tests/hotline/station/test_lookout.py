"""What time alone brings to light: an entry the hub took and keeps back, heads that grow old."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotline.station.folder import DutyTable
from protocols.frames import Deliver, FromHub, Published
from tests.hotline.harness import make_world, running_hub
from tests.hotline.station.kit import officer, opened, running, until

DUTY = DutyTable(fallback=1.0, tick=0.1, answer=2.0, undelivered=0.3, heads=0.3)
SLOW = DutyTable(fallback=1.0, tick=0.1, answer=20.0)


async def test_what_the_hub_took_and_keeps_back_is_said_with_the_time_until_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path, quorum=1)
    async with (
        running_hub(world) as hub,
        running(world, "AV", hub.url, duty=DUTY) as av,
        running(world, "KV", hub.url) as kv,
    ):
        thread = await opened(av, kv)
        real, held = av._delivered, []

        async def keeps_back(entries: list[Deliver]) -> None:
            held.extend(each for each in entries if each.thread == thread)
            await real([each for each in entries if each.thread != thread])

        monkeypatch.setattr(av, "_delivered", keeps_back)
        outcome = await av.send(officer(av), thread, "goodwill-note", {}, {"text": "taken, not delivered"})
        assert outcome.state == "accepted"
        await until(lambda: any("has not delivered it back" in alarm for alarm in av.connection().alarms))
        (alarm,) = [each for each in av.connection().alarms if "delivered it back" in each]
        assert "goodwill-note" in alarm and "count it as not sent" in alarm and "Z that it had taken" in alarm
        assert "taken, not delivered" not in alarm
        (pending,) = av.thread(thread).pending
        assert pending.sentence is not None and "has not delivered it back" in pending.sentence
        monkeypatch.setattr(av, "_delivered", real)
        await real(held)
        await until(lambda: not any("delivered it back" in alarm for alarm in av.connection().alarms))
        assert av.thread(thread).pending == ()


async def test_what_comes_back_in_time_is_no_matter(tmp_path: Path) -> None:
    world = make_world(tmp_path, quorum=1)
    async with (
        running_hub(world) as hub,
        running(world, "AV", hub.url, duty=SLOW) as av,
        running(world, "KV", hub.url) as kv,
    ):
        thread = await opened(av, kv)
        assert (await av.send(officer(av), thread, "goodwill-note", {}, {"text": "prompt"})).ok
        await until(lambda: len(av.core.threads[thread].held) == 2)
        await av.lookout.look()
        assert av.connection().alarms == ()


async def test_heads_that_grow_old_are_said_with_the_first_entry_they_do_not_cover_and_it_ends_with_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path, quorum=1)
    async with (
        running_hub(world) as hub,
        running(world, "AV", hub.url, duty=DUTY) as av,
        running(world, "KV", hub.url) as kv,
    ):
        real, held = av._receive, []

        async def keeps_back(frame: FromHub) -> None:
            if isinstance(frame, Published):
                held.append(frame)
            else:
                await real(frame)

        monkeypatch.setattr(av, "_receive", keeps_back)
        thread = await opened(av, kv)
        await until(lambda: any("heads grow old" in alarm for alarm in av.connection().alarms))
        (alarm,) = [each for each in av.connection().alarms if "heads grow old" in each]
        assert f"entry 1 of thread {thread[:6]}" in alarm and "cannot be proved" in alarm
        assert not any("heads grow old" in alarm for alarm in kv.connection().alarms)
        await until(lambda: held)
        monkeypatch.setattr(av, "_receive", real)
        await real(held[-1])
        await until(lambda: not any("heads grow old" in alarm for alarm in av.connection().alarms))
