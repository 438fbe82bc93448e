"""Several hubs over one PostgreSQL store: one log, one set of clocks, and every station served wherever it is connected."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from hotline.hub.errors import BehindWitnesses, HubNotReady
from hotline.hub.fsck import fsck
from hotline.hub.replicas import SILENT, Peers, Replicas
from protocols import frames
from protocols.encoding import rfc3339
from protocols.entry import parse_entry
from protocols.frames import Accepted, Directory, Failed, Presence, Published, Refused
from protocols.mandate import sign_mandate
from protocols.translog import open_with_policy, parse_policy
from tests.hotline.harness import (
    RunningHub,
    World,
    connect,
    handed_in,
    make_station,
    make_world,
    mandate_of,
    open_thread,
    running_hub,
    station_keys,
)
from tests.hotline.hub.test_clocks import notify
from tests.hotline.station.kit import until
from tests.postgres import MISSING, available, new_database

pytestmark = pytest.mark.skipif(not available(), reason=MISSING)


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = make_world(tmp_path, quorum=2)
    made.server = new_database()
    return made


@asynccontextmanager
async def replicas(world: World, count: int = 2) -> AsyncIterator[list[RunningHub]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(running_hub(world)) for _ in range(count)]


def quiet() -> dict[str, Any]:
    """What a hub is told by nobody."""
    names = ("hint", "lines", "presence", "replace", "heard", "spoken")
    return dict.fromkeys(names, lambda *_: {})


def rows(world: World, query: str) -> list[Any]:
    assert world.server is not None
    with psycopg.connect(world.server.conninfo) as connection:
        return connection.execute(query).fetchall()


async def test_a_message_taken_at_one_hub_is_delivered_at_another_at_once_and_in_order(world: World) -> None:
    async with (
        replicas(world) as (one, two),
        connect(one.url, world, "AV") as av,
        connect(two.url, world, "KV") as kv,
    ):
        thread = await open_thread(av, kv)
        theirs = kv.threads[thread.id]
        before = asyncio.get_running_loop().time()
        for number in range(10):
            await av.say(thread, "goodwill-note", fields={"text": str(number)})
        await kv.deliveries(theirs, 11)
        assert asyncio.get_running_loop().time() - before < 5  # by hints: ten looks a second apart would take longer
        answer = await kv.say(theirs, "goodwill-note", fields={"text": "back"})
        assert answer.seq == 12
        await av.deliveries(thread, 12)
    found = fsck(world.place, world.accord)
    assert found.holds and found.leaves == 12


async def test_two_hubs_that_are_written_to_at_once_make_one_log(world: World) -> None:
    async with (
        replicas(world) as (one, two),
        connect(one.url, world, "AV") as av,
        connect(two.url, world, "KV") as kv,
    ):
        thread = await open_thread(av, kv)
        theirs = kv.threads[thread.id]

        async def stream(client: Any, at: Any, count: int) -> list[Accepted]:
            return [await client.say(at, "goodwill-note", fields={"text": str(number)}) for number in range(count)]

        answers = [
            each for found in await asyncio.gather(stream(av, thread, 25), stream(kv, theirs, 25)) for each in found
        ]
        assert sorted(each.seq for each in answers) == list(range(2, 52))
    found = fsck(world.place, world.accord)
    assert found.holds and found.leaves == 51


async def test_cosignatures_given_to_different_hubs_make_one_published_head(world: World) -> None:
    async with (
        replicas(world) as (one, two),
        connect(one.url, world, "AV") as av,
        connect(two.url, world, "KV") as kv,
    ):
        await open_thread(av, kv)
        await asyncio.gather(av.cosign_next(), kv.cosign_next())
        notes = [(await client.expect(Published)).checkpoint for client in (av, kv)]
        policy = parse_policy(world.accord.accord.policy)
        assert {open_with_policy(note, policy).checkpoint.size for note in notes} == {1}
        await until(lambda: one.hub.heads.published is not None and one.hub.heads.published == two.hub.heads.published)
    sizes = [size for (size,) in rows(world, "SELECT size FROM published ORDER BY number")]
    assert sizes == sorted(sizes)
    assert fsck(world.place, world.accord).holds


async def test_a_mandate_told_to_one_hub_counts_at_the_other_in_the_same_moment(world: World) -> None:
    """Whoever is revoked at one hub cannot write at another, whether that has heard or not."""
    async with (
        replicas(world) as (one, two),
        connect(one.url, world, "AV") as av,
        connect(two.url, world, "KV") as kv,
    ):
        thread = await open_thread(av, kv)
        station = world.stations["KV"]
        entry = kv.write(kv.threads[thread.id], "goodwill-note", fields={"text": "after"})
        now = one.hub.clock.now()
        over = mandate_of("KV", "station 1", station.sign, (), 9, station_keys(station), not_before=rfc3339(now + 300))
        deaf = asyncio.Event()

        async def look() -> None:
            deaf.set()
            await asyncio.Event().wait()

        two.hub.replicas.attach(**{**quiet(), "look": look})  # it neither looks nor hears
        await deaf.wait()  # nor is it still about to
        await av.send(frames.Announce((sign_mandate(over, world.roots["KV"]),)))
        await av.ping()
        await asyncio.sleep(0.4)
        assert len(two.hub.directory.book.all()) < len(one.hub.directory.book.all())
        future = handed_in(two.hub.writer, parse_entry(entry[0]), entry[1])
        assert not hasattr(await future, "seq")
        assert (await kv.expect(Failed)).code == "line.mandate-ended"
        assert isinstance(await av.expect(Directory), Directory)
    assert rows(world, "SELECT count(*) FROM entries")[0][0] == 1


async def test_two_mandates_that_contradict_each_other_never_both_reach_the_store(world: World) -> None:
    root = world.roots["AV"]
    new = make_station("AV", "2", root)
    first, second = (
        sign_mandate(mandate_of("AV", name, new.sign, ("station",), 7, station_keys(new)), root) for name in ("a", "b")
    )
    async with replicas(world) as (one, two):
        done = await asyncio.gather(
            one.hub.take_mandates((first,)), two.hub.take_mandates((second,)), return_exceptions=True
        )
        assert sorted(each is None for each in done) == [False, True]
        await until(lambda: len(one.hub.directory.book.all()) == len(two.hub.directory.book.all()) == 1)


async def test_a_station_that_logs_in_elsewhere_leaves_its_older_line_and_everybody_sees_it_there(world: World) -> None:
    async with replicas(world) as (one, two), connect(two.url, world, "KV") as kv:
        kid = world.stations["AV"].kid
        async with connect(one.url, world, "AV") as first:
            while kid not in (told := (await kv.expect(Presence)).stations) or not told[kid]:
                pass
            await until(lambda: kid in two.hub.lines.since())
            async with connect(two.url, world, "AV"):
                assert (await first.expect(Failed)).code == "line.replaced"
                await until(lambda: kid not in one.hub.lines.own() and kid in one.hub.lines.since())
        await until(lambda: kid not in one.hub.lines.since() and kid not in two.hub.lines.since())


async def test_a_key_package_is_handed_out_once_however_many_hubs_are_asked(world: World) -> None:
    async with (
        replicas(world) as (one, two),
        connect(one.url, world, "AV"),
        connect(one.url, world, "KV") as kv,
    ):
        await kv.publish(1)
        kid = world.stations["KV"].kid
        book = one.hub.directory
        mine = world.stations["AV"]
        found = await asyncio.gather(
            *(
                hub.hub.directory.claim(book.book.find(mine.kid, hub.hub.clock.now()), (kid,), hub.hub.threads)
                for hub in (one, two)
            ),
            return_exceptions=True,
        )
        assert sum(isinstance(each, dict) for each in found) == 1


async def test_a_station_ahead_of_what_a_hub_has_read_is_no_proof_of_a_lost_log(world: World) -> None:
    async with replicas(world) as (one, two), connect(one.url, world, "AV") as av, connect(one.url, world, "KV") as kv:
        await open_thread(av, kv)
        await asyncio.gather(av.cosign_next(), kv.cosign_next())
        note = (await av.expect(Published)).checkpoint
        two.hub.writer.standing.frontier = type(two.hub.writer.standing.frontier)()  # as if it had not looked yet
        two.hub.writer.standing.threads.clear()
        await two.hub.hear("kv.test", note)
        assert not two.hub.failed.done()


async def test_a_hub_whose_store_went_back_stops_before_it_takes_anything(world: World) -> None:
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = await open_thread(av, kv)
        await av.say(thread, "goodwill-note", fields={"text": "acknowledged"})
        entry = av.write(thread, "goodwill-note", fields={"text": "later"})
        assert world.server is not None
        with psycopg.connect(world.server.conninfo, autocommit=True) as db:
            # A standby took over that had not everything.
            db.execute("SET session_replication_role = replica")
            for statement in (
                "DELETE FROM parts WHERE seq = 2",
                "DELETE FROM entries WHERE idx = 1",
                "DELETE FROM leaves WHERE idx = 1",
                "DELETE FROM nodes WHERE level = 1 OR idx = 1",
            ):
                db.execute(statement)
        answer = await handed_in(hub.hub.writer, parse_entry(entry[0]), entry[1])
        assert not isinstance(answer, Accepted | Refused) and not hasattr(answer, "seq")
        await until(hub.hub.failed.done)
        assert isinstance(hub.hub.failed.exception(), BehindWitnesses)
    assert rows(world, "SELECT count(*) FROM leaves") == [(1,)]


async def test_a_machine_with_another_time_than_the_server_does_not_serve(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hotline.hub import records

    real = records.server_time

    async def other(connection: Any) -> int:
        return await real(connection) + 60_000

    monkeypatch.setattr(records, "server_time", other)
    with pytest.raises(HubNotReady, match="clock"):
        async with running_hub(world):
            pass


async def test_witnesses_heard_by_one_hub_count_at_one_that_begins_later(world: World) -> None:
    async with running_hub(world) as one, connect(one.url, world, "AV"), connect(one.url, world, "KV"):
        assert one.hub.claims.confirmed
        async with running_hub(world) as two:
            await until(lambda: two.hub.claims.confirmed)


async def test_a_time_limit_is_noted_once_whichever_hubs_are_awake(tmp_path: Path) -> None:
    world = make_world(tmp_path, scale=400)  # ten minutes in one and a half seconds
    world.server = new_database()
    async with (
        replicas(world, 3) as hubs,
        connect(hubs[0].url, world, "AV") as av,
        connect(hubs[1].url, world, "KV") as kv,
    ):
        await kv.publish(2)
        for _ in range(2):
            await notify(av, kv)
        await until(lambda: all(not each.hub.overdue() for each in hubs))
        await asyncio.sleep(5)
        assert all(each.hub.writer.healthy and not each.hub.failed.done() for each in hubs)
    noted = [
        (entry.payload.thread, entry.payload.act["clock"])
        for (leaf,) in rows(world, "SELECT data FROM leaves ORDER BY idx")
        if (entry := parse_entry(leaf)).payload.kind == "clock-expired"
    ]
    assert len(noted) == len(set(noted)) >= 4
    assert fsck(world.place, world.accord).holds


async def test_a_hub_that_hears_no_hints_looks_by_itself(world: World) -> None:
    async with replicas(world) as (one, two):
        two.hub.store._hint = one.hub.store._hint = None
        async with connect(one.url, world, "AV") as av, connect(one.url, world, "KV") as kv:
            thread = await open_thread(av, kv)
            await until(lambda: thread.id in two.hub.writer.standing.threads)


class Told:
    """What one end of the hints says to its hub."""

    def __init__(self) -> None:
        self.presence: list[dict[str, int]] = []
        self.replaced: list[tuple[str, int]] = []
        self.heard: list[str] = []
        self.looks = 0
        self.clock = Hands()
        self.replicas = Replicas(Path("hub.db"), self.clock, "me")
        self.replicas.attach(
            hint=lambda: None,
            look=self.look,
            lines=lambda: {"mine": 1},
            presence=self.presence.append,
            replace=lambda kid, before: self.replaced.append((kid, before)),
            heard=self.heard.append,
            spoken=lambda: ("w",),
        )

    async def look(self) -> None:
        self.looks += 1


class Hands:
    at = 1000

    def now(self) -> int:
        return self.at

    async def sleep_until(self, at: int) -> None:
        raise AssertionError("nothing here sleeps")


async def test_hints_that_cannot_be_read_change_nothing() -> None:
    told = Told()
    for hint in (
        "",
        "x",
        "here",
        "came you",
        "came you kid",
        "came you kid x",
        "here you a=b,=3,c",
        "log",
        "also you ==,9",
    ):
        await told.replicas.take(hint)
    assert not told.presence and not told.replaced and not told.heard
    assert told.replicas.peers.since() == {}


async def test_a_process_that_falls_silent_takes_its_stations_with_it() -> None:
    told = Told()
    await told.replicas.take("here you a=5,mine=6")
    await told.replicas.take("came you b 7")
    await told.replicas.take("came me c 8")
    assert told.presence == [{"a": 5}, {"b": 7}] and [kid for kid, _ in told.replaced] == ["b"]
    told.clock.at += SILENT + 1
    peers = told.replicas.peers
    assert isinstance(peers, Peers)
    peers.drop_silent(told.clock.at)
    assert peers.since() == {}
    await told.replicas.take("here you a=5")
    await told.replicas.take("bye you")
    assert told.presence[-1] == {"a": 0}


async def test_who_begins_is_answered_only_after_a_look() -> None:
    told = Told()
    await told.replicas.take("who you")
    assert told.looks == 1
    await told.replicas.take("heard you w1 w2")
    assert told.heard == ["w1", "w2"]
