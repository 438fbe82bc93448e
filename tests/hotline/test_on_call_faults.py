"""Six faults that on-call systems had (Grafana OnCall's tracker), held against our paging: the ladder's page clocks, the
station's alarms, its reminders. Each test names the fault and what must happen instead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hotline.station.folder import DutyTable
from hotline.station.lookout import GIVEN_UP
from hotline.station.model import Held
from hotline.station.station import Station
from hotline.station.views import Change
from protocols.entry import Payload
from tests.hotline.harness import World, make_world, running_hub
from tests.hotline.station.kit import officer, opened, running, until

DUTY = DutyTable(fallback=1.0, tick=0.1, answer=20.0, heads=1e9)  # the heads are another matter: see test_lookout
PAGE = 500  # ms: ten minutes at the scale of these tests
MINUTE = 60_000


@asynccontextmanager
async def two(world: World, url: str) -> AsyncIterator[tuple[Station, Station]]:
    async with running(world, "AV", url, duty=DUTY) as av, running(world, "KV", url, duty=DUTY) as kv:
        yield av, kv


async def notify(av: Station, thread: str, precedence: str = "PRIORITY") -> None:
    draft = await av.send(officer(av), thread, "incident-notice", {}, {"text": "down"}, precedence=precedence)
    assert (await av.release(officer(av, 1), str(draft.id))).ok


def entries(station: Station, thread: str, kind: str) -> list[Held]:
    return [held for held in station.core.threads[thread].held if held.payload.kind == kind]


def noted(station: Station, thread: str, rule: str) -> list[Payload]:
    """The hub's notes that a clock of this rule ran out."""
    found = (held.payload for held in entries(station, thread, "clock-expired"))
    return [payload for payload in found if str(payload.act["clock"]).startswith(f"{rule}/")]


async def have_it(station: Station, thread: str) -> Held:
    """The duty officer says "I have it"."""
    await until(lambda: entries(station, thread, "incident-notice"))
    (notice,) = entries(station, thread, "incident-notice")
    outcome = await station.send(officer(station), thread, "acknowledgement", {"entry": notice.id}, {})
    assert outcome.ok, outcome
    await until(lambda: entries(station, thread, "acknowledgement"))
    return notice


class Ear:
    """What sounded at a desk."""

    def __init__(self, station: Station) -> None:
        self.heard: list[Change] = []
        self._task = asyncio.create_task(self._listen(station))

    async def _listen(self, station: Station) -> None:
        async for change in station.changes():
            if change.alarm:
                self.heard.append(change)

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def later(station: Station, monkeypatch: pytest.MonkeyPatch, ms: int) -> None:
    """As if so much time had passed on the hub's clock, for what the station looks at."""
    core = station.core
    real = type(core).now
    monkeypatch.setattr(core, "now", lambda: real(core) + ms)


def reminders(station: Station) -> list[str]:
    return [words for _, what, words in station.journal() if what == "reminder"]


async def test_paging_does_not_go_on_after_somebody_has_it(tmp_path: Path) -> None:
    """OnCall #4760, #4654."""
    world = make_world(tmp_path, scale=100)  # ten minutes in six seconds
    async with running_hub(world) as hub, two(world, hub.url) as (av, kv):
        thread = await opened(av, kv)
        await notify(av, thread)
        await have_it(kv, thread)
        state = hub.hub.threads()[0].state
        assert not [clock for clock in state.clocks if clock.rule in ("page-alternate", "human-ack")]
        ear = Ear(kv)
        await asyncio.sleep(7)
        await ear.stop()
        assert not noted(kv, thread, "page-alternate") and ear.heard == []


async def test_the_alternate_is_paged_when_nobody_has_it(tmp_path: Path) -> None:
    """The other side of it: silence does page, once."""
    world = make_world(tmp_path, scale=1200)
    async with running_hub(world) as hub, two(world, hub.url) as (av, kv):
        thread = await opened(av, kv)
        ear = Ear(kv)
        await notify(av, thread)
        await until(lambda: noted(kv, thread, "page-alternate"))
        await until(lambda: any(change.what == "entry" for change in ear.heard))
        await asyncio.sleep(2 * PAGE / 1000)
        await ear.stop()
        assert len(noted(kv, thread, "page-alternate")) == 1


async def test_what_was_acknowledged_and_forgotten_is_called_again_until_a_real_reply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OnCall #1792: users want to be notified again."""
    world = make_world(tmp_path)
    async with running_hub(world) as hub, two(world, hub.url) as (av, kv):
        thread = await opened(av, kv)
        await notify(av, thread)
        await have_it(kv, thread)
        await kv.lookout.look()
        assert reminders(kv) == []
        for minutes, count in ((29, 0), (31, 1), (45, 1), (61, 2)):
            later(kv, monkeypatch, minutes * MINUTE)
            await kv.lookout.look()
            await kv.lookout.look()
            assert len(reminders(kv)) == count, minutes
            assert kv.thread(thread).summary.unanswered == (1 if count else 0), "the screen says it as long as it lasts"
        assert "not answered" in reminders(kv)[0] and "down" not in reminders(kv)[0]  # no content in a reminder
        entry = next(each for each in kv.thread(thread).entries if each.kind == "incident-notice")
        assert any("not answered" in note for note in entry.notes)
        monkeypatch.undo()
        assert (await kv.send(officer(kv), thread, "statement", {}, {"text": "We are on it."})).ok
        await until(lambda: entries(kv, thread, "statement"))
        later(kv, monkeypatch, 300 * MINUTE)
        await kv.lookout.look()
        assert len(reminders(kv)) == 2
        assert reminders(av) == []


@pytest.mark.parametrize(("precedence", "minutes"), [("FLASH", 5), ("IMMEDIATE", 5), ("ROUTINE", 30)])
async def test_each_case_has_its_own_reminder_shorter_for_what_is_urgent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precedence: str, minutes: int
) -> None:
    """OnCall #4062, #3870: shorter reminders, and a case at a time."""
    world = make_world(tmp_path)
    async with running_hub(world) as hub, two(world, hub.url) as (av, kv):
        thread, other = await opened(av, kv), await opened(av, kv)
        for name in (thread, other):
            await notify(av, name, precedence)
            await have_it(kv, name)
        assert (await kv.send(officer(kv), other, "statement", {}, {"text": "answered"})).ok
        await until(lambda: entries(kv, other, "statement"))
        later(kv, monkeypatch, minutes * MINUTE - 10_000)
        await kv.lookout.look()
        assert reminders(kv) == []
        later(kv, monkeypatch, minutes * MINUTE)
        await kv.lookout.look()
        (words,) = reminders(kv)
        assert thread[:6] in words


async def test_an_acknowledgement_that_comes_after_the_answer_undoes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OnCall #3161: an acknowledgement racing a resolve put the alert back."""
    world = make_world(tmp_path)
    async with running_hub(world) as hub, two(world, hub.url) as (av, kv):
        thread = await opened(av, kv)
        await notify(av, thread)
        await until(lambda: entries(kv, thread, "incident-notice"))
        (notice,) = entries(kv, thread, "incident-notice")
        for kind, fields in (("holding-reply", {"text": "in an hour"}), ("acknowledgement", {})):
            outcome = await kv.send(officer(kv), thread, kind, {"entry": notice.id}, fields)
            assert outcome.ok, outcome
        await until(lambda: entries(av, thread, "acknowledgement") and entries(kv, thread, "acknowledgement"))
        for station in (av, kv):
            mine = station.core.threads[thread].by_id[notice.id]
            assert mine.reached["KV"][0] == "holding"
        rules = {clock.rule for clock in hub.hub.threads()[0].state.clocks}
        assert not rules & {"page-alternate", "human-ack"}
        later(kv, monkeypatch, 300 * MINUTE)
        await kv.lookout.look()
        assert reminders(kv) == []


async def test_a_months_old_acknowledgement_calls_nobody_at_half_past_five(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OnCall #3111."""
    world = make_world(tmp_path)
    async with running_hub(world) as hub:
        async with two(world, hub.url) as (av, kv):
            thread = await opened(av, kv)
            await notify(av, thread)
            await have_it(kv, thread)
        async with running(world, "KV", hub.url, duty=DUTY) as kv:  # started anew: nothing is remembered
            later(kv, monkeypatch, 90 * 24 * 60 * MINUTE)
            ear = Ear(kv)
            await kv.lookout.look()
            await asyncio.sleep(0.5)
            await ear.stop()
            assert reminders(kv) == [] and ear.heard == []
            # It is not hidden either: who opens the incident reads it.
            entry = next(each for each in kv.thread(thread).entries if each.kind == "incident-notice")
            assert any(note.startswith("acknowledged by us 90 d") for note in entry.notes)
    assert GIVEN_UP < 90 * 24 * 60 * MINUTE


async def test_a_waiting_page_goes_on_over_a_restart_neither_lost_nor_early(tmp_path: Path) -> None:
    """OnCall: a paused escalation never went on after a restart, or went on at once."""
    world = make_world(tmp_path, scale=100)
    async with running_hub(world) as hub, two(world, hub.url) as (av, kv):
        thread = await opened(av, kv)
        await notify(av, thread)
        await until(lambda: entries(kv, thread, "receipt"))
        (clock,) = [each for each in hub.hub.threads()[0].state.clocks if each.rule == "page-alternate"]
    async with running_hub(world) as hub, two(world, hub.url) as (av, kv):
        assert hub.hub.clock.now() < clock.end and not noted(kv, thread, "page-alternate")
        await until(lambda: noted(kv, thread, "page-alternate") and noted(av, thread, "page-alternate"))
        (note,) = noted(kv, thread, "page-alternate")
        held = next(each for each in entries(kv, thread, "clock-expired") if each.payload == note)
        assert note.act["end"] == clock.end <= held.stamp.at < clock.end + 3_000


async def test_a_reminder_goes_on_over_a_restart_of_the_station(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for what we do ourselves: the wait counts from the acknowledgement, not from the start."""
    world = make_world(tmp_path)
    async with running_hub(world) as hub:
        async with two(world, hub.url) as (av, kv):
            thread = await opened(av, kv)
            await notify(av, thread)
            await have_it(kv, thread)
        async with running(world, "KV", hub.url, duty=DUTY) as kv:
            later(kv, monkeypatch, 29 * MINUTE)
            await kv.lookout.look()
            assert reminders(kv) == []
            later(kv, monkeypatch, 30 * MINUTE)
            await kv.lookout.look()
            assert len(reminders(kv)) == 1


async def test_reminders_can_be_switched_off_for_a_station(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world(tmp_path)
    quiet = DutyTable(fallback=1.0, tick=0.1, answer=20.0, remind=0, remind_urgent=0, heads=1e9)
    async with (
        running_hub(world) as hub,
        running(world, "AV", hub.url) as av,
        running(world, "KV", hub.url, duty=quiet) as kv,
    ):
        thread = await opened(av, kv)
        await notify(av, thread)
        await have_it(kv, thread)
        later(kv, monkeypatch, 100 * MINUTE)
        await kv.lookout.look()
        assert reminders(kv) == []
