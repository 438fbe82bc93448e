"""An officer's key is open only while its officer is there; a clock that differs is not believed."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotline.station.errors import DoesNotFollow, LineBroken
from hotline.station.logins import LOGIN, token_hash
from hotline.station.model import Thread
from hotline.station.replay import MAX_AHEAD, Taken
from hotline.station.station import Station
from protocols.frames import Deliver, Pong
from tests.hotline.harness import make_world, running_hub
from tests.hotline.station.kit import officer, opened, running, until


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


async def test_an_entry_from_the_future_is_held_back_and_asked_for_again_and_freezes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        early, quiet = await opened(av, kv), await opened(av, kv)
        real = kv.core.replay.take

        def hub_is_ahead(base: Thread | None, frame: Deliver) -> Taken:
            if frame.thread == early:
                raise DoesNotFollow("replay.future", frame.seq, "as if the hub's clock were ahead")
            return real(base, frame)

        monkeypatch.setattr(kv.core.replay, "take", hub_is_ahead)
        for thread in (early, quiet):
            assert (await av.send(officer(av), thread, "goodwill-note", {}, {"text": "on time"})).ok
        await until(lambda: said(kv, quiet) == ["on time"] and kv.intake.held_back == {early})
        assert said(kv, early) == [] and kv.core.threads[early].frozen is None
        assert any("ahead" in alarm for alarm in kv.connection().alarms)
        monkeypatch.undo()
        with pytest.raises(LineBroken):
            await kv._pong(Pong(0, kv.core.clock.now(), 10))
        await kv.line.stop()
        kv.intake.held_back.clear()
    async with running_hub(world) as hub, running(world, "KV", hub.url) as kv:
        assert said(kv, early) == ["on time"]


def said(station: Station, thread: str) -> list[str]:
    return [held.fields["text"] for held in station.core.threads[thread].held if held.fields and "text" in held.fields]
