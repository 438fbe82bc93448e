"""The outbox loses nothing and says nothing twice, through broken lines, kills and renewed keys."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from hotline.station.errors import LineBroken
from hotline.station.model import Thread
from hotline.station.outbox import Sealed
from hotline.station.station import Station
from protocols import frames
from protocols.mls import Group
from tests.hotline.harness import make_world, running_hub
from tests.hotline.station.kit import DUTY, msgspec, officer, open_station, opened, running, seq, until

QUICK = msgspec.structs.replace(DUTY, answer=0.2)


def texts(station: Station, thread: str) -> list[str]:
    return [e.fields["text"] for e in station.thread(thread).entries if e.fields]


async def note(station: Station, thread: str, text: str) -> str:
    outcome = await station.send(officer(station), thread, "goodwill-note", {}, {"text": text}, client_id=text)
    assert outcome.ok, outcome
    return outcome.state


async def test_what_is_written_offline_arrives_once_and_in_order(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, running(world, "KV", hub.url) as kv:
        async with running(world, "AV", hub.url, duty=QUICK) as av:
            thread = await opened(av, kv)
        offline = await open_station(world, "AV", hub.url, duty=QUICK)
        for text in ("one", "two", "three"):
            assert await note(offline, thread, text) == "queued"
        assert await note(offline, thread, "two") == "queued"  # the same call again adds nothing
        assert offline.connection().queued == 3
        await offline.stop()
        async with running(world, "AV", hub.url, duty=QUICK) as av:
            await until(lambda: texts(kv, thread) == ["one", "two", "three"])
            await until(lambda: not av.connection().queued and seq(av, thread) == seq(kv, thread))
            assert texts(av, thread) == ["one", "two", "three"]


async def test_a_station_cut_off_for_a_while_catches_up_in_order(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av:
        async with running(world, "KV", hub.url) as kv:
            thread = await opened(av, kv)
        for number in range(5):
            assert await note(av, thread, str(number)) == "accepted"
        async with running(world, "KV", hub.url) as kv:
            assert texts(kv, thread) == ["0", "1", "2", "3", "4"]
            assert kv.thread(thread).state_hash == av.thread(thread).state_hash
            assert kv.thread(thread).summary.unread == 5


async def test_a_kill_between_storing_and_sending_repeats_the_same_bytes_and_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, running(world, "KV", hub.url) as kv:
        async with running(world, "AV", hub.url, duty=QUICK) as av:
            thread = await opened(av, kv)

            async def dies(frame: frames.Frame) -> None:
                if isinstance(frame, frames.Submit):
                    raise LineBroken("killed")
                await av.line.send(frame)

            monkeypatch.setattr(av.sender, "_send", dies)
            assert await note(av, thread, "sealed") == "queued"
            item = next(iter(av.core.pending(thread)))
            await until(lambda: item.wire is not None)
            before = item.wire
            assert before is not None
        again = await open_station(world, "AV", hub.url, duty=QUICK)
        kept = next(iter(again.core.pending(thread)))
        assert kept.wire == before and kept.state == "sending"
        # What the disk holds already lies behind the key that sealed those bytes.
        after = again.core.threads[thread].mls
        assert after is not None
        fresh = Group.restore(after).encrypt(b"x", rng=lambda n: b"\0" * n)
        assert fresh[:40] != before.parts["body"][:40] or fresh != before.parts["body"]
        await again.start()
        try:
            await until(lambda: texts(kv, thread) == ["sealed"])
            assert await note(again, thread, "next") in ("accepted", "queued")
            await until(lambda: texts(kv, thread) == ["sealed", "next"])
            assert not kv.connection().alarms
        finally:
            await again.stop()


async def test_an_entry_that_crosses_a_renewal_of_keys_is_sealed_again(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        thread = await opened(av, kv)
        refused = frames.Refused(0, "entry.wrong-epoch", "too late")
        real, seen = av.sender._send, []

        async def crosses(frame: frames.Frame) -> None:
            if isinstance(frame, frames.Submit) and not seen:
                seen.append(frame.entry)
                av.core.threads[thread].state = msgspec.structs.replace(av.core.threads[thread].state, epoch=1)
                await av.sender.refused(msgspec.structs.replace(refused, ref=frame.ref))
                item = next(iter(av.core.pending(thread)))
                item.newer_than = None  # the renewal has been delivered
                return
            if isinstance(frame, frames.Submit):
                seen.append(frame.entry)
            await real(frame)

        av.sender._send = crosses
        assert await note(av, thread, "hello") == "accepted"
        await until(lambda: texts(kv, thread) == ["hello"])
        assert len(seen) == 2 and seen[0] != seen[1]


async def test_the_file_holds_no_plaintext(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    secret = "Norrhavn-substation-secret-words"
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        thread = await opened(av, kv)
        await note(av, thread, secret)
        await av.save_scratch(officer(av), thread, "statement", {"text": secret})
        draft = await av.send(officer(av), thread, "incident-notice", {}, {"text": secret})
        assert draft.state == "draft"
        await until(lambda: texts(kv, thread) == [secret])
        assert await av.scratch(officer(av), thread, "statement") == {"text": secret}
        files = [p for p in tmp_path.iterdir() if ".db" in p.name]
        assert len(files) > 3
        encoded = __import__("base64").urlsafe_b64encode(secret.encode())[4:36]
        for path in files:
            data = path.read_bytes()
            assert secret.encode() not in data and encoded not in data, path.name
        with sqlite3.connect(tmp_path / "AV-1.db") as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_what_the_ladder_forbids_is_refused_here_at_the_hub_and_at_the_peer(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        thread = await opened(av, kv)
        act = {"step": "L7-referral"}
        own = await av.send(officer(av), thread, "step-request", act, {})
        assert (own.ok, own.code) == (False, "ladder.wrong-rung")
        answer, entry = await av.insist(officer(av), thread, "step-request", act, {})
        assert (answer.ok, answer.code, answer.rule) == (False, own.code, own.rule)
        assert kv.judge(entry).code == own.code
        assert any(
            "step-request" in words for what, _, words in ((w, a, t) for a, w, t in av.journal()) if what == "refused"
        )
        assert not av.thread(thread).pending
        assert await note(av, thread, "goes on") == "accepted"


async def test_a_fault_over_one_thread_keeps_no_other_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        threads = [await opened(av, kv) for _ in range(4)]
        seal = av.core.sealer.seal

        def failing(thread: Thread, *more: Any) -> Sealed:
            if thread.id != threads[-1]:
                raise KeyError("a fault of this program")
            return seal(thread, *more)

        monkeypatch.setattr(av.core.sealer, "seal", failing)
        waiting = [
            asyncio.create_task(av.send(officer(av), each, "statement", {}, {"text": "Still here."}))
            for each in threads
        ]
        assert (await waiting[-1]).state == "accepted"
        await until(lambda: any("KeyError" in alarm for alarm in av.connection().alarms))
        monkeypatch.undo()
        assert {(await each).state for each in waiting} == {"accepted"}


async def test_a_message_has_only_its_own_threads_keys_looked_at_and_a_tick_those_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    slow = msgspec.structs.replace(DUTY, tick=3600.0)
    async with (
        running_hub(world) as hub,
        running(world, "AV", hub.url, duty=slow) as av,
        running(world, "KV", hub.url) as kv,
    ):
        threads = [await opened(av, kv) for _ in range(3)]
        await until(lambda: all(seq(av, each) == seq(kv, each) for each in threads))
        await until(lambda: av.sender._touched == set())
        real, asked = av.sender._duties.keys, set[str]()

        def keys(thread: Thread, now: int) -> Any:
            asked.add(thread.id)
            return real(thread, now)

        monkeypatch.setattr(av.sender._duties, "keys", keys)
        assert await note(av, threads[1], "one") == "accepted"
        assert await note(kv, threads[1], "two") == "accepted"
        await until(lambda: texts(av, threads[1]) == ["one", "two"] and av.sender._touched == set())
        assert asked == {threads[1]}
        av.sender.wake()
        await until(lambda: asked == set(threads))
