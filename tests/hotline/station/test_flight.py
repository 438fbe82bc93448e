"""Several entries of one thread on the way at once: in order, each once, under keys that are never used twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from hotline.station.errors import LineBroken
from hotline.station.flight import OUT_OF_ORDER, WINDOW, Ready
from hotline.station.outbox import Item
from hotline.station.sender import AT_ONCE
from hotline.station.station import Station
from hotline.station.views import Outcome
from hotline.store import station as tables
from protocols import frames
from protocols.entry import parse_entry
from protocols.kinds import Received
from protocols.mls import Group
from tests.hotline import forge
from tests.hotline.harness import make_world, running_hub
from tests.hotline.station.kit import (
    DUTY,
    MessageKey,
    keys_used,
    msgspec,
    officer,
    open_station,
    opened,
    running,
    seq,
    until,
)

QUICK = msgspec.structs.replace(DUTY, answer=0.2)
Pass = Callable[[frames.Frame], Awaitable[None]]


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[MessageKey]:
    return keys_used(monkeypatch)


async def note(station: Station, thread: str, text: str) -> Outcome:
    return await station.send(officer(station), thread, "goodwill-note", {}, {"text": text}, client_id=text)


async def notes(station: Station, thread: str, texts: list[str]) -> list[Outcome]:
    return list(await asyncio.gather(*(note(station, thread, text) for text in texts)))


def texts(station: Station, thread: str) -> list[str]:
    return [e.fields["text"] for e in station.thread(thread).entries if e.fields]


def serials(station: Station, thread: str, office: str) -> list[int]:
    held = station.core.threads[thread].held
    return [each.payload.serial for each in held if each.payload.office == office]


def statements(station: Station, thread: str) -> list[str]:
    return [each.id for each in station.core.threads[thread].held if each.payload.kind == "statement"]


def signed_for(station: Station, thread: str) -> list[str]:
    """The entries whose receipts have come, each as often as it was signed for."""
    acts = (each.admitted.verified.entry.act for each in station.core.threads[thread].held)
    return [entry for act in acts if isinstance(act, Received) for entry in act.entries]


def submitting(
    station: Station, monkeypatch: pytest.MonkeyPatch, how: Callable[[frames.Submit, Pass], Awaitable[None]]
) -> None:
    """Have ``how`` deal with every submission, with the real sending at hand."""
    real = station.sender._send

    async def send(frame: frames.Frame) -> None:
        await (how(frame, real) if isinstance(frame, frames.Submit) else real(frame))

    monkeypatch.setattr(station.sender, "_send", send)


def commits(station: Station) -> list[int]:
    """The transactions of a station's store from now on."""
    real, seen = station.core.store._store.transact, list[int]()

    async def transact(work: Callable[[Any], Any], **how: Any) -> Any:
        seen.append(1)
        return await real(work, **how)

    station.core.store._store.transact = transact  # type: ignore[method-assign]
    return seen


async def test_the_first_of_a_burst_are_on_their_way_while_the_next_are_sealed(tmp_path: Path) -> None:
    world, many = make_world(tmp_path), [f"note {number:02}" for number in range(20)]
    async with running_hub(world) as hub, running(world, "KV", hub.url) as kv, running(world, "AV", hub.url) as av:
        thread = await opened(av, kv)
        real, stored = av.sender.storing.store, list[int]()

        async def store(fresh: Iterable[Item], ready: Sequence[Ready]) -> None:
            kept = tuple(fresh)
            stored.append(len(kept))
            await real(kept, ready)

        av.sender.storing.store = store  # type: ignore[method-assign]
        assert {outcome.state for outcome in await notes(av, thread, many)} == {"accepted"}
        assert sum(stored) == 20 and max(stored) == AT_ONCE
        await until(lambda: texts(kv, thread) == many)


async def test_many_that_wait_go_together_in_order_and_in_few_transactions(
    tmp_path: Path, used: list[MessageKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, many = make_world(tmp_path), [f"note {number:02}" for number in range(50)]
    async with running_hub(world) as hub, running(world, "KV", hub.url) as kv, running(world, "AV", hub.url) as av:
        thread = await opened(av, kv)
        most = 0

        async def watch(frame: frames.Submit, real: Pass) -> None:
            nonlocal most
            await real(frame)
            most = max(most, sum(item.state == "sending" for item in av.core.pending(thread)))

        submitting(av, monkeypatch, watch)
        wrote = commits(av)
        assert {outcome.state for outcome in await notes(av, thread, many)} == {"accepted"}
        assert 8 < most <= WINDOW
        assert len(wrote) < 50
        await until(lambda: texts(kv, thread) == many)
        assert texts(av, thread) == many
        assert serials(kv, thread, "AV") == list(range(1, 52))
        assert not av.connection().alarms and not kv.connection().alarms
    assert len(used) == len(set(used)) == 50


async def test_a_kill_between_the_group_commit_and_the_first_byte_repeats_the_same_bytes_and_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, many = make_world(tmp_path), [f"note {number}" for number in range(9)]
    async with running_hub(world) as hub, running(world, "KV", hub.url) as kv:
        async with running(world, "AV", hub.url, duty=QUICK) as av:
            thread = await opened(av, kv)
            killed = asyncio.Event()

            async def stuck(frame: frames.Submit, real: Pass) -> None:
                await killed.wait()
                raise LineBroken("killed")

            submitting(av, monkeypatch, stuck)
            saying = asyncio.create_task(notes(av, thread, many))
            await until(lambda: len(av.core.pending(thread)) == 9)
            await until(lambda: all(item.wire is not None for item in av.core.pending(thread)))
            before = {item.id: item.wire for item in av.core.pending(thread)}
            image = {path: path.read_bytes() for path in tmp_path.glob("AV-1.db*")}
            killed.set()
            await saying
        for path in tmp_path.glob("AV-1.db*"):
            path.unlink()
        for path, data in image.items():
            path.write_bytes(data)
        again = await open_station(world, "AV", hub.url, duty=QUICK)
        kept = again.core.pending(thread)
        assert {item.id: item.wire for item in kept} == before
        assert [item.serial for item in kept] == list(range(2, 11))
        snapshot = again.core.threads[thread].mls
        assert snapshot is not None
        fresh = Group.restore(snapshot).encrypt(b"x", rng=lambda n: b"\0" * n)
        await again.start()
        try:
            await until(lambda: texts(kv, thread) == many)
            there = kv.core.threads[thread].mls
            assert there is not None
            # What the disk held lay behind every key that had sealed something.
            assert Group.restore(there).decrypt(fresh).generation == 9
            assert (await note(again, thread, "next")).ok
            await until(lambda: texts(kv, thread) == [*many, "next"] and seq(again, thread) == seq(kv, thread))
            assert not kv.connection().alarms
        finally:
            await again.stop()


async def test_one_that_is_refused_lets_those_behind_it_be_sealed_again_and_nothing_is_lost_or_doubled(
    tmp_path: Path, used: list[MessageKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, many = make_world(tmp_path), [f"note {number}" for number in range(8)]
    async with running_hub(world) as hub, running(world, "KV", hub.url) as kv, running(world, "AV", hub.url) as av:
        thread = await opened(av, kv)
        codes: list[str] = []
        refused = av.sender.refused

        async def heard(frame: frames.Refused) -> None:
            codes.append(frame.code)
            await refused(frame)

        monkeypatch.setattr(av.sender, "refused", heard)

        async def third_is_refused(frame: frames.Submit, real: Pass) -> None:
            if parse_entry(frame.entry).payload.serial == 4 and not codes:
                await av.sender.refused(frames.Refused(frame.ref, "ladder.no", "Not now."))
            else:
                await real(frame)

        submitting(av, monkeypatch, third_is_refused)
        outcomes = await notes(av, thread, many)
        assert [outcome.state for outcome in outcomes] == ["accepted"] * 2 + ["refused"] + ["accepted"] * 5
        left = [text for text in many if text != "note 2"]
        await until(lambda: seq(kv, thread) == seq(av, thread) and len(texts(kv, thread)) == 7)
        assert sorted(texts(kv, thread)) == left and texts(kv, thread)[:2] == left[:2]
        assert serials(kv, thread, "AV") == list(range(1, 9))
        assert OUT_OF_ORDER in codes
        assert not kv.connection().alarms and not av.connection().alarms
        assert [item.state for item in av.core.pending(thread)] == ["refused"]
    assert len(used) == len(set(used))


async def test_one_that_is_put_back_for_a_while_keeps_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, many = make_world(tmp_path), [f"note {number}" for number in range(8)]
    async with running_hub(world) as hub, running(world, "KV", hub.url) as kv, running(world, "AV", hub.url) as av:
        thread = await opened(av, kv)
        put_back: list[bytes] = []

        async def second_waits(frame: frames.Submit, real: Pass) -> None:
            if parse_entry(frame.entry).payload.serial == 3 and len(put_back) < 2:
                put_back.append(frame.entry)
                until_ = av.now() + 300
                await av.sender.refused(frames.Refused(frame.ref, "line.too-fast", "Too fast.", until=until_))
            else:
                await real(frame)

        submitting(av, monkeypatch, second_waits)
        assert {outcome.state for outcome in await notes(av, thread, many)} == {"accepted"}
        await until(lambda: texts(kv, thread) == many)
        assert put_back[0] == put_back[1]
        assert serials(kv, thread, "AV") == list(range(1, 10))
        assert not kv.connection().alarms and not av.connection().alarms


async def test_keys_renewed_by_another_while_many_are_on_the_way_have_all_of_them_sealed_again(
    tmp_path: Path, used: list[MessageKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, many = make_world(tmp_path), [f"note {number}" for number in range(6)]
    async with running_hub(world) as hub, running(world, "KV", hub.url) as kv, running(world, "AV", hub.url) as av:
        thread = await opened(av, kv)
        held: list[frames.Submit] = []
        through = asyncio.Event()

        async def later(frame: frames.Submit, real: Pass) -> None:
            if through.is_set():
                await real(frame)
            else:
                held.append(frame)

        submitting(av, monkeypatch, later)
        saying = asyncio.create_task(notes(av, thread, many))
        await until(lambda: len(held) == len(many))
        with forge.insisting(kv, monkeypatch):
            await forge.renew(kv, thread)
            await until(lambda: seq(kv, thread) == 2)
        through.set()
        for frame in held:
            await av.line.send(frame)
        assert {outcome.state for outcome in await saying} == {"accepted"}
        await until(lambda: texts(kv, thread) == many)
        assert serials(kv, thread, "AV") == list(range(1, 8))
        assert {each.payload.epoch for each in kv.core.threads[thread].held if each.payload.sd} == {2}
        assert not kv.connection().alarms and not av.connection().alarms
    assert {each.epoch for each in used} == {2} and len(used) == len(set(used))


async def test_a_line_that_breaks_under_many_brings_each_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world, many = make_world(tmp_path), [f"note {number:02}" for number in range(20)]
    async with running_hub(world) as hub, running(world, "KV", hub.url) as kv, running(world, "AV", hub.url) as av:
        thread = await opened(av, kv)
        sent = 0

        async def breaks(frame: frames.Submit, real: Pass) -> None:
            nonlocal sent
            sent += 1
            await real(frame)
            if sent in (4, 9) and av.line._socket is not None:
                await av.line._socket.close()

        submitting(av, monkeypatch, breaks)
        await notes(av, thread, many)
        await until(lambda: texts(kv, thread) == many and not av.connection().queued)
        await until(lambda: seq(av, thread) == seq(kv, thread))
        assert serials(kv, thread, "AV") == list(range(1, 22))


async def test_what_could_not_be_stored_together_moved_nothing_and_is_taken_with_the_next_delivery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, many = make_world(tmp_path), [f"note {number}" for number in range(6)]
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av:
        async with running(world, "KV", hub.url) as kv:
            thread = await opened(av, kv)
        await notes(av, thread, many)
        kv = await open_station(world, "KV", hub.url)
        before = kv.core.threads[thread].mls
        real, failed = kv.core.store._store.transact, list[int]()

        async def transact(work: Callable[[Any], Any], **how: Any) -> Any:
            if seq(kv, thread) == 1 and kv.core.line.state == "live" and len(failed) < 2:
                failed.append(seq(kv, thread))
                raise OperationalError("COMMIT", {}, Exception("disk I/O error"))
            return await real(work, **how)

        monkeypatch.setattr(kv.core.store._store, "transact", transact)
        down: list[object] = []

        async def broken(why: Any) -> None:
            held = kv.core.threads[thread]
            down.append((held.mls is before, held.position.seq, texts(kv, thread)))
            await Station.down(kv, why)

        monkeypatch.setattr(kv, "down", broken)
        await kv.start()
        try:
            await until(lambda: texts(kv, thread) == many)
            assert failed and down[0] == (True, 1, [])
        finally:
            await kv.stop()
        again = await open_station(world, "KV", hub.url)
        assert texts(again, thread) == many
        await again.stop()


async def test_a_commit_whose_answer_is_lost_keeps_nothing_that_was_called_lost_and_uses_no_key_again(
    tmp_path: Path, used: list[MessageKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, running(world, "KV", hub.url) as kv:
        async with running(world, "AV", hub.url) as av:
            thread = await opened(av, kv)
            await note(av, thread, "one")
            real, failed = av.core.store._store.transact, list[int]()

            async def transact(work: Callable[[Any], Any], **how: Any) -> Any:
                done = await real(work, **how)
                if not failed and av.core.lock.locked() and av.sender.storing.unsure is not None:
                    failed.append(1)
                    raise OperationalError("COMMIT", {}, Exception("disk I/O error"))
                return done

            monkeypatch.setattr(av.core.store._store, "transact", transact)
            with pytest.raises(OperationalError):
                await note(av, thread, "lost")
            assert [row.state for row in await av.core.store.outbox()][-1] == "sending"
            assert (await note(av, thread, "two")).state == "accepted"
            assert (await note(av, thread, "lost")).state == "accepted", "and it may be said again"
            await until(lambda: texts(kv, thread) == ["one", "two", "lost"])
        async with running(world, "AV", hub.url) as av:
            assert (await note(av, thread, "three")).state == "accepted"
            await until(lambda: texts(kv, thread) == ["one", "two", "lost", "three"])
            assert serials(kv, thread, "AV") == [1, 2, 3, 4, 5]
            assert not kv.connection().alarms and not av.connection().alarms
    # The key of what was lost is skipped, not used for something else.
    assert [each.generation for each in used] == [0, 2, 3, 4]


async def test_entries_whose_commit_was_stored_though_it_failed_are_taken_again_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, many = make_world(tmp_path), [f"note {number}" for number in range(6)]
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        thread = await opened(av, kv)
        real, failed = kv.core.store._store.transact, list[int]()

        async def transact(work: Callable[[Any], Any], **how: Any) -> Any:
            done = await real(work, **how)
            if len(failed) < 2 and seq(kv, thread) < len(await kv.core.store.rows(tables.entries)):
                failed.append(1)
                raise OperationalError("COMMIT", {}, Exception("disk I/O error"))
            return done

        monkeypatch.setattr(kv.core.store._store, "transact", transact)
        outcomes = await asyncio.gather(
            *(av.send(officer(av), thread, "statement", {}, {"text": text}, client_id=text) for text in many)
        )
        assert all(outcome.ok for outcome in outcomes)
        await until(lambda: len(failed) == 2 and texts(kv, thread) == many)
        # Every one is signed for, and once.
        await until(lambda: sorted(signed_for(av, thread)) == sorted(statements(av, thread)))
        await until(lambda: seq(kv, thread) == seq(av, thread))
        assert serials(av, thread, "KV") == list(range(1, len(serials(av, thread, "KV")) + 1))
        assert kv.core.threads[thread].frozen is None
        held = [each.admitted.leaf for each in kv.core.threads[thread].held]
    again = await open_station(world, "KV", hub.url)
    assert [each.admitted.leaf for each in again.core.threads[thread].held] == held and texts(again, thread) == many
    await again.stop()


async def test_an_opening_whose_commit_stood_though_it_failed_goes_out_as_it_was_and_its_key_packages_are_used_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        real, sealed = av.core.store._store.transact, list[str]()

        async def transact(work: Callable[[Any], Any], **how: Any) -> Any:
            done = await real(work, **how)
            standing = [str(row.entry) for row in await av.core.store.outbox() if row.state == "sending"]
            if standing and not sealed:
                sealed.extend(standing)
                raise OperationalError("COMMIT", {}, Exception("disk I/O error"))
            return done

        monkeypatch.setattr(av.core.store._store, "transact", transact)
        threads = [await opened(av, kv) for _ in range(2)]
        assert sealed == [av.core.threads[threads[0]].held[0].id]
        for thread in threads:
            assert (await note(av, thread, thread)).state == "accepted"
            await until(lambda thread=thread: texts(kv, thread) == [thread])  # type: ignore[misc]
        assert not kv.connection().alarms


async def test_what_is_delivered_after_a_commit_whose_answer_is_lost_brings_no_used_key_back(
    tmp_path: Path, used: list[MessageKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        thread = await opened(av, kv)
        line, real, failed = av.core.line, av.core.store._store.transact, list[int]()
        line.caught = False  # it waits, sealed by nobody
        assert (await note(av, thread, "one")).state == "queued"

        async def transact(work: Callable[[Any], Any], **how: Any) -> Any:
            done = await real(work, **how)
            if not failed and av.sender.storing.unsure is not None and av.sender.storing.unsure.sealed:
                failed.append(1)
                line.caught = False  # what is delivered comes before the outbox has its next turn
                raise OperationalError("COMMIT", {}, Exception("disk I/O error"))
            return done

        monkeypatch.setattr(av.core.store._store, "transact", transact)
        line.caught = True
        av.sender.wake()
        await until(lambda: bool(failed))
        assert (await note(kv, thread, "theirs")).state == "accepted"
        await until(lambda: texts(av, thread) == ["theirs"])
        line.caught = True
        assert (await note(av, thread, "two")).state == "accepted"
        await until(lambda: texts(kv, thread) == ["theirs", "one", "two"])
        assert not kv.connection().alarms
    assert len(used) == len(set(used)) == 3


async def test_who_is_cancelled_while_storing_for_others_too_takes_nothing_from_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        thread = await opened(av, kv)
        real, begun, on = av.core.store._store.transact, asyncio.Event(), asyncio.Event()

        async def transact(work: Callable[[Any], Any], **how: Any) -> Any:
            begun.set()
            await on.wait()
            return await real(work, **how)

        async with av.core.lock:
            saying = [asyncio.create_task(note(av, thread, text)) for text in ("gone", "stays", "stays too")]
            await until(lambda: len(av.sender._new) == 3)
            monkeypatch.setattr(av.core.store._store, "transact", transact)
        await begun.wait()
        saying[0].cancel()
        on.set()
        outcomes = await asyncio.gather(*saying, return_exceptions=True)
        assert isinstance(outcomes[0], asyncio.CancelledError)
        assert [outcome.state for outcome in outcomes[1:] if isinstance(outcome, Outcome)] == ["accepted"] * 2
        await until(lambda: texts(kv, thread) == ["stays", "stays too"])
        assert serials(kv, thread, "AV") == [1, 2, 3]
