"""A disagreement about the ladder's state: steps wait, words go on, both desks hear of it, and it can be mended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from hotline.cli import station as station_cli
from hotline.hub.console import HubConsole
from hotline.hub.disagreements import disagreement_words
from hotline.station import replay as replay_module
from hotline.station.errors import NotParted, StillParted
from hotline.station.parting import CODE, TALK, carried, passes, state_words
from hotline.station.station import Station
from mediation.inputs import move_of
from mediation.state import ThreadState, state_hash
from protocols.frames import Disagreement, disagreement_text
from protocols.kinds import KINDS
from tests.hotline.harness import World, make_world, running_hub
from tests.hotline.station.kit import officer, open_station, opened, running, seq, until


class OtherProgram:
    """As if the station of one office ran a program that computes other states from the entry ``since`` on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch

    def of(self, station: Station, thread: str, since: int) -> None:
        station.core.replay.hash_of = _other(thread, since)

    def mended(self, station: Station) -> None:
        station.core.replay.hash_of = state_hash


def _other(thread: str, since: int) -> Callable[[ThreadState], str]:
    def hash_of(state: ThreadState) -> str:
        if state.thread != thread or state.seq < since:
            return state_hash(state)
        return state_hash(msgspec.structs.replace(state, released={"as computed elsewhere": state.seq}))

    return hash_of


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> OtherProgram:
    return OtherProgram(monkeypatch)


async def parted(av: Station, kv: Station, other: OtherProgram) -> str:
    """A thread in which KV computes another state than the hub and AV from entry 2 on."""
    thread = await opened(av, kv)
    other.of(kv, thread, 2)
    assert (await av.send(officer(av), thread, "goodwill-note", {}, {"text": "first"})).ok
    await until(lambda: kv.core.threads[thread].parted)
    await until(lambda: any("another ladder state" in alarm for alarm in av.connection().alarms))
    return thread


@asynccontextmanager
async def two(world: World, url: str) -> AsyncIterator[tuple[Station, Station]]:
    async with running(world, "AV", url) as av, running(world, "KV", url) as kv:
        yield av, kv


async def test_words_go_on_both_ways_and_are_marked_and_steps_are_refused(tmp_path: Path, other: OtherProgram) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, two(world, hub.url) as (av, kv):
        thread = await parted(av, kv, other)
        for station, kind, fields in (
            (kv, "goodwill-note", {"text": "from the one that differs"}),
            (kv, "authenticity-query", {"text": "was this you?"}),
            (kv, "public-safety-notice", {"text": "danger to life"}),
            (av, "goodwill-note", {"text": "from the other"}),
        ):
            outcome = await station.send(officer(station), thread, kind, {}, fields)
            assert outcome.ok, outcome
        first = kv.core.threads[thread].by_seq[2]
        assert (await kv.send(officer(kv), thread, "acknowledgement", {"entry": first.id}, {})).ok
        await until(lambda: seq(av, thread) == seq(kv, thread) == hub.hub.threads()[0].seq >= 7)
        said = [held.fields["text"] for held in kv.core.threads[thread].held if held.fields]
        assert said == ["first", "from the one that differs", "was this you?", "danger to life", "from the other"]
        assert said == [held.fields["text"] for held in av.core.threads[thread].held if held.fields]
        before = hub.hub.threads()[0]
        for kind, act, fields in (
            ("incident-notice", {}, {"text": "would be the step to the first level"}),
            ("step-request", {"step": "L5-mediation"}, {}),
            ("close", {}, {}),
            ("public-attribution", {}, {"text": "it was them"}),
            ("nomination", {"digest": "A" * 43}, {}),
        ):
            outcome = await kv.send(officer(kv), thread, kind, act, fields)
            assert (outcome.ok, outcome.code) == (False, CODE), (kind, outcome)
            assert "not sent" in str(outcome.sentence)
            outcome, entry = await kv.insist(officer(kv), thread, kind, act, fields)
            assert (outcome.ok, outcome.code, entry) == (False, CODE, b"")
        assert hub.hub.threads()[0].seq == before.seq
        entries = {entry.seq: entry for entry in kv.thread(thread).entries}
        assert [entry.agreed for entry in entries.values()][:2] == [True, False]
        assert not any(entry.agreed for number, entry in entries.items() if number >= 2)
        assert all(entry.agreed for entry in av.thread(thread).entries)
        assert not any(offer.allowed for offer in kv.thread(thread).offers if offer.step is not None)
        assert {offer.kind for offer in kv.thread(thread).offers if offer.allowed} >= {
            "goodwill-note",
            "authenticity-query",
        }
        assert kv.core.threads[thread].frozen is None


async def test_both_desks_and_the_console_hear_of_it_and_see_the_first_entry_that_differs(
    tmp_path: Path, other: OtherProgram
) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, two(world, hub.url) as (av, kv):
        thread = await parted(av, kv, other)
        for station in (av, kv):
            assert any("another ladder state" in alarm for alarm in station.connection().alarms)
            assert any(what == "alarm" for _, what, _ in station.journal())
        ours, theirs = kv.thread(thread).parting, av.thread(thread).parting
        assert ours is not None and theirs is not None
        assert (ours.seq, ours.kind_title, ours.own) == (2, "Goodwill note", True)
        assert (theirs.seq, theirs.own, theirs.reports[0].office) == (2, False, "KV")
        stamp = kv.core.threads[thread].by_seq[2].stamp
        assert ours.stamped == stamp.state == theirs.reports[0].stamped
        assert ours.computed == theirs.reports[0].computed != ours.stamped
        words = dict(ours.words)
        assert words["Level"].startswith("Routine") and words["Members"].startswith("Arvenia")
        assert any(thread[:8] in alarm and "KV" in alarm for alarm in HubConsole(hub.hub).summary().alarms)
        # AV agrees with the hub: its own steps are its own to take. The word of one side stops nobody else.
        outcome = await av.send(officer(av), thread, "incident-notice", {}, {"text": "we go on"})
        assert (outcome.state, outcome.code) == ("draft", None)


async def test_it_stays_over_restarts_and_ends_only_when_a_replay_from_the_first_entry_agrees(
    tmp_path: Path, other: OtherProgram
) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av:
        async with running(world, "KV", hub.url) as kv:
            thread = await parted(av, kv, other)
            found = await kv.core.thaw(thread)  # it still computes another state
            assert found is not None and found.seq == 2
            assert kv.core.threads[thread].parted is not None
        kv = await open_station(world, "KV", hub.url)  # the mended program, from here on
        assert kv.core.threads[thread].parted is not None
        assert any("another ladder state" in alarm for alarm in kv.connection().alarms)
        assert await kv.core.thaw(thread) is None
        with pytest.raises(NotParted):
            await kv.core.thaw(thread)
        await kv.core.store.close()
        async with running(world, "KV", hub.url) as kv:
            await until(lambda: not av.core.threads[thread].reports)
            await until(lambda: not kv.core.mended)
            assert not av.connection().alarms and not kv.connection().alarms
            assert HubConsole(hub.hub).summary().alarms == ()
            outcome = await kv.send(officer(kv), thread, "incident-notice", {}, {"text": "steps again"})
            assert outcome.state == "draft", outcome
            await until(lambda: kv.thread(thread).state_hash == av.thread(thread).state_hash)
        kv = await open_station(world, "KV", hub.url)
        assert kv.core.threads[thread].parted is None and not kv.core.mended
        await kv.core.store.close()


async def test_the_command_thaws_only_what_agrees_and_says_where_it_still_parts(
    tmp_path: Path, other: OtherProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, two(world, hub.url) as (av, kv):
        thread = await parted(av, kv, other)
        sound = await opened(av, kv)
        identity = kv.core.identity
    (tmp_path / "station.db").symlink_to(tmp_path / "KV-1.db")
    monkeypatch.setattr(station_cli, "load_identity", lambda *_, now: identity)
    for name in (sound, "", "no such thread"):
        with pytest.raises(NotParted):
            await station_cli._thaw(tmp_path, {}, name)
    with monkeypatch.context() as same_program:
        same_program.setattr(replay_module, "state_hash", _other(thread, 2))
        with pytest.raises(StillParted) as still:
            await station_cli._thaw(tmp_path, {}, thread)
    assert still.value.seq == 2 and "entry 2" in still.value.sentence
    assert "Steps go on" in await station_cli._thaw(tmp_path, {}, thread[:8])
    with pytest.raises(NotParted):
        await station_cli._thaw(tmp_path, {}, thread)


async def test_who_logs_in_later_or_after_a_restart_of_the_hub_hears_of_it(tmp_path: Path, other: OtherProgram) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, two(world, hub.url) as (av, kv):
        thread = await parted(av, kv, other)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av:
        await until(lambda: av.core.threads[thread].reports)


async def test_a_word_that_is_not_the_stations_own_is_believed_by_nobody(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, two(world, hub.url) as (av, kv):
        thread = await opened(av, kv)
        entry = av.core.threads[thread].by_seq[1]
        forged = Disagreement(
            thread, 1, entry.id, "open", entry.stamp.state, "A" * 43, av.now(), kv.core.identity.kid, bytes(64)
        )
        await av.disagreements.heard(forged)
        assert not av.core.threads[thread].reports and not av.connection().alarms
        # Signed by AV, in KV's name; and by KV, over another hash than is shown.
        text = disagreement_text(world.accord.id, forged)
        await av.disagreements.heard(msgspec.structs.replace(forged, signature=av.core.identity.keys.sign.sign(text)))
        theirs = kv.core.identity.keys.sign.sign(text)
        await av.disagreements.heard(msgspec.structs.replace(forged, computed="B" * 43, signature=theirs))
        assert not av.core.threads[thread].reports
        await av._send(msgspec.structs.replace(forged, signature=theirs))  # the hub takes no word of another station
        await until(lambda: any("did not take" in words for _, _, words in av.journal()))
        assert hub.hub.disagreements.words() == ()
        assert not kv.connection().alarms


async def test_what_our_ladder_refuses_is_still_read_but_a_stranger_or_a_change_of_keys_is_not_even_counted(
    tmp_path: Path,
) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, two(world, hub.url) as (av, kv):
        thread = await opened(av, kv)
        state = av.core.threads[thread].state
        assert state is not None
        kid = kv.core.identity.kid
        move = move_of(av.core.threads[thread].held[0].admitted.verified, 2)
        move = msgspec.structs.replace(move, kind="statement", station=kid, office="KV", serial=1)
        counted = carried(state, move, state.at + 5)
        assert counted is not None and counted.seats[kid].serial == 1 and counted.rung == state.rung
        note = msgspec.structs.replace(move, kind="clock-expired", office="HUB", station="h" * 43)
        noted = carried(state, note, state.at + 5)  # a clock that only the hub knows of moves nothing here
        assert noted is not None and noted.clocks == state.clocks and noted.roster == state.roster
        keys = [{"kind": kind} for kind in ("rekey", "open", "rejoin", "cannot-follow")]
        for wrong in (*keys, {"office": "HUB"}, {"office": "AV"}, {"station": "x" * 43}):
            assert carried(state, msgspec.structs.replace(move, **wrong), state.at + 5) is None


def test_every_kind_that_goes_out_is_talk_or_always_passes() -> None:
    allowed = {name for name in KINDS if passes(name, None, None)}
    assert allowed == {name for name, kind in KINDS.items() if kind.always}
    assert all(KINDS[name].content for name in TALK)
    assert not {"step-request", "step-accept", "admission", "close", "rekey", "handover", "nomination", "open"} & (
        allowed | TALK
    )


def test_the_words_for_operators_name_incident_entry_and_both_hashes() -> None:
    said = Disagreement("T" * 22, 7, "E" * 43, "step-accept", "S" * 43, "C" * 43, 5, "K" * 43, b"")
    words = disagreement_words("KV", said)
    assert all(part in words for part in ("TTTTTTTT", "entry 7", "S" * 43, "C" * 43, "KV"))


__all__ = ["state_words"]
