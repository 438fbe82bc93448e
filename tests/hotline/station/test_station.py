"""Two stations and a real hub: what officers see and what is kept."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hotline.words import late_words
from tests.hotline.harness import make_station, make_world, running_hub
from tests.hotline.station.kit import officer, opened, running, seq, until


async def test_two_stations_exchange_a_notice_and_an_answer(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        thread = await opened(av, kv)
        draft = await av.send(
            officer(av),
            thread,
            "incident-notice",
            {},
            {"text": "Records are down.", "subject": "St Brannoc"},
            precedence="FLASH",
        )
        assert (draft.ok, draft.state) == (True, "draft")
        assert not kv.thread(thread).entries[1:]
        again = await av.release(officer(av), str(draft.id))
        assert (again.ok, again.code) == (False, "entry.same-officer")
        sent = await av.release(officer(av, 1), str(draft.id))
        assert sent.state == "accepted", sent
        await until(lambda: any(e.kind == "incident-notice" for e in kv.thread(thread).entries))
        notice = next(e for e in kv.thread(thread).entries if e.kind == "incident-notice")
        assert notice.fields == {"text": "Records are down.", "subject": "St Brannoc"}
        assert notice.officers == ("officer 2", "officer 1") and notice.unread
        await until(lambda: any(m.state == "delivered" for e in av.thread(thread).entries for m in e.marks))
        said = await kv.send(officer(kv), thread, "acknowledgement", {"entry": notice.id}, {"text": "We have it."})
        assert said.state == "accepted", said
        await until(lambda: any(m.state == "acknowledged" for e in av.thread(thread).entries for m in e.marks))
        await until(lambda: seq(av, thread) == seq(kv, thread))
        assert av.thread(thread).state_hash == kv.thread(thread).state_hash
        assert kv.thread(thread).summary.title == "St Brannoc"
        assert not av.connection().alarms and not kv.connection().alarms


async def test_both_stations_of_an_office_read_and_one_of_them_gives_the_receipt(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    second = make_station("AV", "2", world.roots["AV"], serial=10)
    async with (
        running_hub(world) as hub,
        running(world, "AV", hub.url) as first,
        running(world, second, hub.url) as other,
        running(world, "KV", hub.url) as kv,
    ):
        thread = await opened(first, kv)
        await until(lambda: thread in other.core.threads)
        sent = await kv.send(officer(kv), thread, "statement", {}, {"text": "To both of you."})
        for station in (first, other):
            await until(lambda station=station: station.core.threads[thread].held[-1].payload.kind == "receipt")  # type: ignore[misc]
            assert station.thread(thread).entries[1].fields == {"text": "To both of you."}
        await asyncio.sleep(1.5)  # longer than the second station waits for the first
        for station in (first, other, kv):
            receipts = [e for e in station.thread(thread).entries if e.kind == "receipt"]
            assert [e.act["entry"] for e in receipts] == [sent.id]
        assert not first.core.pending() and not other.core.pending()


async def test_the_name_an_incident_was_opened_under_travels_once_as_a_subject(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        thread = await opened(av, kv)
        assert kv.thread(thread).summary.title.startswith("AV – KV, ")
        other = await kv.send(officer(kv), thread, "statement", {}, {"text": "You called?"})
        for words in ("It is about Lydd.", "More follows."):
            sent = await av.send(officer(av), thread, "statement", {}, {"text": words})
            assert sent.state == "accepted", sent
        await until(lambda: sent.id in {e.id for e in kv.thread(thread).entries})
        found = {e.id: e.fields for e in kv.thread(thread).entries}
        assert found[str(other.id)] == {"text": "You called?"}
        assert [fields for fields in found.values() if fields][1:] == [
            {"text": "It is about Lydd.", "subject": "Test thread"},
            {"text": "More follows."},
        ]
        assert av.thread(thread).summary.title == kv.thread(thread).summary.title == "Test thread"


def test_lateness_is_said_from_one_second_on() -> None:
    assert [late_words(ms) for ms in (0, 10, 999)] == ["", "", ""]
    assert late_words(3_000) == "the hub noted it 3 s after its time"
    assert late_words(7_265_000) == "the hub noted it 2 h 1 min after its time"
