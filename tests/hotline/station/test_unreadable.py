"""A body that is not what its author signed: both desks say so aloud, and the complaint stands in the log, once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from hotline.station.station import Station
from protocols import disclosure
from protocols.disclosure import SLOTS, Body, Rng, body_to_bytes
from protocols.encoding import b64u, digest, to_json
from tests.hotline.harness import make_station, make_world, running_hub
from tests.hotline.station.kit import officer, opened, running, seq, until


def complaints(station: Station, thread: str) -> list[tuple[str, Mapping[str, Any]]]:
    return [
        (held.payload.office, held.payload.act)
        for held in station.core.threads[thread].held
        if held.payload.kind == "complaint"
    ]


def words(station: Station) -> list[str]:
    return [said for _, what, said in station.journal() if what == "complaint"]


async def test_a_body_that_does_not_open_is_told_beside_the_entry_and_sounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        thread = await opened(av, kv)
        told: dict[str, list[tuple[str | None, str, bool]]] = {"AV": [], "KV": []}

        def record(station: Station) -> Callable[..., None]:
            tell = station.core.tell

            def tells(name: str | None, what: str, *, alarm: bool = False) -> None:
                told[station.office.id].append((name, what, alarm))
                tell(name, what, alarm=alarm)

            return tells

        for station in (av, kv):
            monkeypatch.setattr(station.core, "tell", record(station))
        with monkeypatch.context() as wrong:
            # Sealed for another place than the entry: what a faulty or hostile sender can do and the hub cannot see.
            wrong.setattr("hotline.station.outbox.body_aad", lambda _: b"elsewhere")
            sent = await av.send(officer(av), thread, "statement", {}, {"text": "unreadable"})
        assert sent.state == "accepted"
        await until(lambda: seq(kv, thread) >= 2)
        entry = kv.thread(thread).entries[1]
        assert not entry.fields
        assert [note for note in entry.notes if note.startswith("not readable here") and "send it again" in note]
        assert [said for said in words(kv) if "Ask them" in said]
        assert (thread, "entry", True) in told["KV"]
        await until(lambda: complaints(av, thread))
        assert complaints(av, thread) == [("KV", {"entry": entry.id, "code": "entry.body-misplaced"})]
        assert [said for said in words(av) if "our entry 2 is not what we signed" in said]
        assert (thread, "entry", True) in told["AV"]
        ours = av.thread(thread).entries[1]
        assert [note for note in ours.notes if note.startswith("KV did not get its text as it was signed")]
        said = await av.send(officer(av), thread, "statement", {}, {"text": "again"})
        assert said.state == "accepted"
        await until(lambda: any(e.fields == {"text": "again"} for e in kv.thread(thread).entries))
        assert len(complaints(kv, thread)) == 1


async def test_an_office_with_two_stations_complains_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
        with monkeypatch.context() as wrong:
            wrong.setattr("hotline.station.outbox.body_aad", lambda _: b"elsewhere")
            sent = await kv.send(officer(kv), thread, "statement", {}, {"text": "unreadable"})
            assert sent.state == "accepted"
            for station in (first, other, kv):
                await until(lambda station=station: complaints(station, thread))  # type: ignore[misc]
        await asyncio.sleep(1.5)  # longer than the second station waits for the first
        for station in (first, other, kv):
            assert complaints(station, thread) == [("AV", {"entry": sent.id, "code": "entry.body-misplaced"})]
        assert not first.core.pending() and not other.core.pending()
        assert len(words(first)) == len(words(other)) == 1


def field(name: Any, value: Any, salt: bytes) -> str:
    return b64u(to_json([b64u(salt), name, value]))


def committed(*texts: str) -> tuple[str, ...]:
    digests = [digest(text.encode()) for text in texts]
    digests += [digest(bytes([n])) for n in range(-len(digests) % SLOTS)]
    return tuple(sorted(digests))


STRANGE = field("text", "Slipped in.", bytes(32))
HOSTILE: dict[str, tuple[Callable[[Body], bytes], tuple[str, ...], str]] = {
    "another text than signed": (lambda _: to_json([STRANGE]), (), "entry.digest-mismatch"),
    "one that nothing commits to": (lambda b: to_json([*b.disclosures, STRANGE]), (), "entry.digest-mismatch"),
    "one that stands twice": (lambda b: to_json([*b.disclosures, *b.disclosures]), (), "entry.digest-mismatch"),
    "two fields of one name": (
        body_to_bytes,
        (field("text", "Yes.", bytes(32)), field("text", "No.", bytes([1]) * 32)),
        "entry.digest-mismatch",
    ),
    "a short salt": (body_to_bytes, (field("text", "Yes.", bytes(31)),), "entry.malformed"),
    "a long salt": (body_to_bytes, (field("text", "Yes.", bytes(33)),), "entry.malformed"),
    "a field that the kind does not have": (
        body_to_bytes,
        (field("text", "Yes.", bytes(32)), field("orders", "No.", bytes(32))),
        "entry.bad-body",
    ),
    "less than the kind must have": (lambda _: to_json([]), (), "entry.bad-body"),
    "no list": (lambda _: b"{}", (), "entry.malformed"),
}


async def test_every_way_to_slip_in_another_text_is_refused_and_complained_about_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    honest = disclosure.make_body
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        thread = await opened(av, kv)
        wanted: list[tuple[str, Mapping[str, Any]]] = []
        for name, (data, fields, code) in HOSTILE.items():

            def made(
                given: Mapping[str, Any], rng: Rng, fields: tuple[str, ...] = fields
            ) -> tuple[Body, tuple[str, ...]]:
                return (Body(fields, given), committed(*fields)) if fields else honest(given, rng)

            with monkeypatch.context() as hostile:
                hostile.setattr("hotline.station.writing.make_body", made)
                hostile.setattr("hotline.station.outbox.body_to_bytes", data)
                sent = await av.send(officer(av), thread, "statement", {}, {"text": "Yes."})
                assert sent.state == "accepted", name
                await until(lambda: len(complaints(kv, thread)) == len(wanted) + 1)
            entry = next(e for e in reversed(kv.thread(thread).entries) if e.kind == "statement")
            assert not entry.fields, name
            wanted.append(("KV", {"entry": entry.id, "code": code}))
            assert complaints(kv, thread) == wanted, name
        assert len(words(kv)) == len(HOSTILE)
