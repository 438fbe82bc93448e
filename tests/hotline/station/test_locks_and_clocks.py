"""An officer's key is open only while its officer is there; a clock that differs is not believed."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotline.station.desk import LOGIN, token_hash
from hotline.station.errors import LineBroken
from hotline.station.replay import MAX_AHEAD
from protocols.frames import Deliver
from tests.hotline.harness import make_world, running_hub
from tests.hotline.station.kit import officer, opened, running


async def test_a_login_and_a_logout_close_the_key_but_not_one_opened_for_unattended_use(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av:
        attended, unattended = officer(av, 0), officer(av, 1)
        assert await av.unlock(unattended, b"", unattended=True)
        for kid in (attended, unattended):
            async with av.core.store.change() as change:
                await change.add_token(token_hash(kid), LOGIN, kid, av.core.clock.now() + 60_000)
            assert await av.redeem(kid) == kid
        assert {view.kid: view.unlocked for view in av.officers()} == {attended: False, unattended: True}
        refused = await av.open_thread(attended, "KV", "cpci-default", "no key, no thread")
        assert (refused.ok, refused.code) == (False, "officer.locked")
        assert await av.unlock(attended, b"")
        av.lock(attended)
        av.lock(unattended)
        assert {view.kid: view.unlocked for view in av.officers()} == {attended: False, unattended: True}


async def test_an_hour_that_differs_by_minutes_raises_an_alarm_and_is_not_taken_over(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av:
        await av._hear_time(MAX_AHEAD + 1)
        assert av.connection().offset == 0
        assert any("clock" in alarm for alarm in av.connection().alarms)
        await av._hear_time(1500)
        assert av.connection().offset == 1500
        assert av.connection().alarms == ()


async def test_an_entry_from_the_future_breaks_the_line_and_freezes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        thread = await opened(av, kv)
        held = kv.core.threads[thread].held[-1]
        monkeypatch.setattr(kv.core.clock, "now", lambda: held.stamp.at - MAX_AHEAD - 60_000)
        fresh = kv.core.threads.pop(thread)
        with pytest.raises(LineBroken):
            await kv.intake.deliver(Deliver(thread, 1, fresh.by_seq[1].admitted.leaf, {}))
        assert thread not in kv.core.threads
        assert any("ahead" in alarm for alarm in kv.connection().alarms)
        monkeypatch.undo()
        kv.core.threads[thread] = fresh
        assert kv.thread(thread).summary.frozen is None
