"""A member signs a renewal whose secret part is false: the hub cannot see it, and the thread goes on all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotline.hub.groups import Kept
from hotline.station.station import Station
from mediation.renewals import open_dispute
from mediation.state import ThreadState, state_hash
from protocols.mls import PublicGroup
from tests.hotline.forge import false_secret, false_tag, insisting, lie, renew
from tests.hotline.harness import World, make_world, running_hub
from tests.hotline.station.kit import act, mediator_admitted, opened, running, seq, until
from tests.hotline.station.test_restored import say, texts


def state(station: Station, thread: str) -> ThreadState:
    found = station.core.threads[thread].state
    assert found is not None
    return found


def kinds(station: Station, thread: str) -> list[str]:
    return [held.payload.kind for held in station.core.threads[thread].held]


def level(thread: str, *stations: Station) -> bool:
    """Whether the stations hold the same entries, and nothing about the keys is still to be done."""
    states = [state(station, thread) for station in stations]
    return (
        len({seq(station, thread) for station in stations}) == 1
        and all(open_dispute(each) is None and each.renewal is None and not each.leaving for each in states)
        and not any(station.core.pending(thread) for station in stations)
    )


async def agree(thread: str, *stations: Station) -> None:
    # Receipts may still come in at one and not yet at another.
    await until(lambda: level(thread, *stations) and len({state_hash(state(each, thread)) for each in stations}) == 1)
    assert all(station.core.threads[thread].frozen is None for station in stations)
    for station in stations:
        held = station.core.threads[thread]
        assert held.mls is not None and not held.keys.stuck
        assert held.keys.before is None, "the keys before are kept longer than needed"
        assert not station.connection().alarms


async def test_a_false_confirmation_tag_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av:
        async with running(world, "KV", hub.url) as kv:
            thread = await opened(av, kv)
            await say(av, thread, "before")
            await until(lambda: texts(kv, thread) == ["before"])
        lie(av, monkeypatch, false_tag)
        with insisting(av, monkeypatch):
            await renew(av, thread)
            await until(lambda: state(av, thread).epoch == 2)
        await say(av, thread, "in between")
        assert state(av, thread).renewal is not None
    # Hub and stations start again with what they stored; the one that lied is honest from now on.
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av:
        assert av.core.threads[thread].keys.before is not None
        async with running(world, "KV", hub.url) as kv:
            await until(lambda: texts(kv, thread) == ["before", "in between"])
            await until(lambda: level(thread, av, kv))
            assert "cannot-follow" in kinds(kv, thread) and "resealed" in kinds(kv, thread)
            assert (state(av, thread).epoch, state(av, thread).mls_epoch) == (4, 2)
            rekeys = [held.payload.office for held in av.core.threads[thread].held if held.payload.kind == "rekey"]
            assert rekeys == ["AV", "KV"]
            await say(kv, thread, "answer")
            await say(av, thread, "after")
            await until(lambda: texts(kv, thread) == texts(av, thread) == ["before", "in between", "answer", "after"])
            await agree(thread, av, kv)
            told = [words for _, what, words in av.journal() if what == "keys"]
            assert "KV, station station 1 says that it cannot follow" in told[0] and "AV, station" in told[0]
            notes = " ".join(next(e for e in av.thread(thread).entries if e.fields == {"text": "in between"}).notes)
            assert "taken back" in notes
            public = PublicGroup.restore(Kept.read(hub.hub.threads()[0].group).now)
            assert public.epoch == 2


async def admitted(av: Station, kv: Station, md: Station) -> str:
    """A thread at L5 whose parties have both admitted MD; its keys may follow or not."""
    thread = await opened(av, kv)
    await mediator_admitted(av, kv, md, thread)
    return thread


async def mediated(av: Station, kv: Station, md: Station) -> str:
    """A thread with MD in its keys, at L5."""
    thread = await admitted(av, kv, md)
    await until(lambda: md.thread(thread).epoch == 2 and level(thread, av, kv, md))
    return thread


async def test_path_secrets_that_one_member_cannot_open_stop_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    async with (
        running_hub(world) as hub,
        running(world, "AV", hub.url) as av,
        running(world, "KV", hub.url) as kv,
    ):
        async with running(world, "MD", hub.url) as md:
            thread = await mediated(av, kv, md)
        lie(av, monkeypatch, false_secret(1))
        with insisting(av, monkeypatch):
            await renew(av, thread)
            await until(lambda: state(kv, thread).epoch == 3)
        assert not kv.core.threads[thread].keys.stuck
        await say(kv, thread, "from KV, which followed")
        await say(av, thread, "from AV, which lied")
        async with running(world, "MD", hub.url) as md:
            await until(lambda: md.core.threads[thread].keys.stuck == "" and state(md, thread).epoch >= 4)
            await until(lambda: texts(md, thread) == ["from KV, which followed", "from AV, which lied"])
            await until(lambda: level(thread, av, kv, md))
            await say(md, thread, "thank you")
            for station in (av, kv):
                await until(lambda s=station: texts(s, thread)[-1:] == ["thank you"])  # type: ignore[misc]
            await agree(thread, av, kv, md)


async def test_a_removal_that_is_not_followed_is_made_again_and_who_was_put_out_reads_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    async with (
        running_hub(world) as hub,
        running(world, "AV", hub.url) as av,
        running(world, "KV", hub.url) as kv,
        running(world, "MD", hub.url) as md,
    ):
        thread = await mediated(av, kv, md)
        lie(kv, monkeypatch, false_tag)
        await act(kv, thread, "withdrawal", {"mediator": "MD"})
        await until(lambda: "cannot-follow" in kinds(av, thread))
        last = next(held.seq for held in av.core.threads[thread].held if held.payload.kind == "cannot-follow")
        await until(lambda: level(thread, av, kv))
        made = [held for held in av.core.threads[thread].held if held.payload.kind == "rekey"]
        assert [held.payload.office for held in made[-2:]] == ["KV", "AV"]
        await say(kv, thread, "without them")
        await until(lambda: texts(av, thread)[-1:] == ["without them"])
        assert seq(md, thread) < last and "without them" not in texts(md, thread)
        assert not {m.identity for m in PublicGroup.restore(Kept.read(hub.hub.threads()[0].group).now).members()} & {
            world.stations["MD"].kid.encode()
        }
        await agree(thread, av, kv)


async def test_an_admission_that_the_mediator_cannot_follow_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world: World = make_world(tmp_path)
    async with (
        running_hub(world) as hub,
        running(world, "AV", hub.url) as av,
        running(world, "KV", hub.url) as kv,
        running(world, "MD", hub.url) as md,
    ):
        lie(kv, monkeypatch, false_tag)
        thread = await mediated_anyhow(av, kv, md)
        assert "cannot-follow" in kinds(av, thread)
        await say(md, thread, "good day")
        await until(lambda: texts(av, thread)[-1:] == texts(kv, thread)[-1:] == ["good day"])
        await until(lambda: level(thread, av, kv, md))
        await agree(thread, av, kv, md)


async def mediated_anyhow(av: Station, kv: Station, md: Station) -> str:
    """The same, although a renewal could not be followed on the way."""
    thread = await admitted(av, kv, md)
    await until(lambda: md.thread(thread).epoch is not None and md.thread(thread).epoch >= 4)  # type: ignore[operator]
    return thread
