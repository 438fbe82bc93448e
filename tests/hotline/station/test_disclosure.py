"""Notice of a disclosure and its answer, between two stations over a hub."""

from __future__ import annotations

from pathlib import Path

from tests.hotline.harness import make_world, running_hub
from tests.hotline.station.kit import officer, opened, running, seq, until

SHOWN = {"recipient": "court", "portions": [{"seq": 2, "fields": ["text"]}]}


async def test_one_party_gives_notice_and_the_other_answers_once(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        thread = await opened(av, kv)
        assert (await av.send(officer(av), thread, "goodwill-note", {}, {"text": "Ours."})).ok
        told = await av.send(officer(av), thread, "disclosure-notice", SHOWN, {"addressee": "High Court, HC-44"})
        assert told.ok, told
        await until(lambda: seq(kv, thread) >= 3)
        notice = next(entry for entry in kv.thread(thread).entries if entry.kind == "disclosure-notice")
        assert notice.act_words == f"means to show to a court of entry {notice.act['portions'][0]['seq']}: text"
        assert notice.fields == {"addressee": "High Court, HC-44"}
        offer = next(offer for offer in kv.thread(thread).offers if offer.kind == "disclosure-consent")
        assert offer.allowed and offer.act["notice"] == notice.id
        answer = {"notice": notice.id, "agree": True}
        own = await av.send(officer(av), thread, "disclosure-consent", answer, {})
        assert (own.ok, own.code) == (False, "ladder.own-request")
        assert (await kv.send(officer(kv), thread, "disclosure-consent", answer, {})).ok
        again = await kv.send(officer(kv), thread, "disclosure-consent", {**answer, "agree": False}, {})
        assert (again.ok, again.code) == (False, "ladder.already-answered")
        await until(lambda: any(entry.kind == "disclosure-consent" for entry in av.thread(thread).entries))
        ours = next(entry for entry in av.thread(thread).entries if entry.kind == "disclosure-notice")
        assert [(mark.office, mark.state) for mark in ours.marks] == [("KV", "answered")]
        said = next(entry for entry in av.thread(thread).entries if entry.kind == "disclosure-consent")
        assert said.act_words == f"consents to what entry {notice.seq} names"
