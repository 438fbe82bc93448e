"""Time-stamps over published heads: asked for as agreed, verified, kept as they came; never in anything's way."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from msgspec.structs import replace

from hotline.hub import timestamps
from hotline.hub.console import HubConsole
from hotline.hub.errors import HubNotReady
from hotline.hub.folder import HubFolder
from hotline.hub.fsck import fsck
from hotline.hub.fsck_timestamps import check_timestamps
from hotline.hub.fsck_tree import Fsck
from hotline.hub.hub import Hub
from hotline.hub.log import PublishedHead
from hotline.hub.log_views import StampHealth
from hotline.hub.metrics import Metrics
from hotline.hub.settings import TimestampTable, read_settings
from hotline.hub.timestamps import GAP, QUERY, REPLY, Stamped, Timestamps, first_stamped, token_for
from hotline.store import hub as t
from hotline.store.engine import Store, migrate
from hotline.store.reading import reading
from protocols.encoding import b64u
from protocols.translog import Checkpoint, note_digest
from protocols.translog.timestamp import MAX_TOKEN_BYTES, check_token
from tests.hotline.harness import connect, make_world, open_thread, running_hub
from tests.hotline.hub.stored import alter
from tests.tsa import Authority, make_authority, needs_openssl

pytestmark = needs_openssl
EVERY = 3_600_000


@dataclass
class HandClock:
    """A clock that stands until it is moved."""

    at: int = 1_800_000_000_000

    def now(self) -> int:
        return self.at


@dataclass
class Desk:
    """An authority's HTTP interface. ``answer``: what it does instead of stamping."""

    authority: Authority
    url: str = ""
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
    queries: list[bytes] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        query = await request.read()
        assert request.headers["Content-Type"] == QUERY
        self.queries.append(query)
        if self.answer is not None:
            return await self.answer(request)
        reply = await asyncio.to_thread(self.authority.reply, query)
        return web.Response(body=reply, content_type=REPLY)


@asynccontextmanager
async def desk_of(authority: Authority) -> AsyncIterator[Desk]:
    desk = Desk(authority)
    app = web.Application()
    app.router.add_post("/tsa", desk.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        desk.url = f"http://127.0.0.1:{port}/tsa"
        yield desk
    finally:
        await runner.cleanup()


@dataclass
class Scene:
    """A store, an authority and what is asked for between them."""

    store: Store
    desk: Desk
    clock: HandClock
    metrics: Metrics
    stamps: Timestamps
    head: PublishedHead | None = None

    async def publish(self, size: int, mark: str = "") -> PublishedHead:
        """A head of ``size`` leaves is published; ``mark`` tells notes of one size apart."""
        note = f"hub.test/log\n{size}\n{'A' * 43}=\n\n— w {mark}\n"
        head = PublishedHead(Checkpoint("hub.test/log", size, bytes(32)), note, self.clock.now())
        async with self.store.write() as connection:
            known = await connection.execute(t.heads.select().where(t.heads.c.size == size))
            if known.first() is None:
                await connection.execute(t.heads.insert().values(size=size, root=bytes(32), at=1))
            row = {"size": size, "at": head.at, "note": note, "digest": head.digest}
            await connection.execute(t.published.insert().values(**row))
        self.head = head
        self.stamps.offer()
        return head

    async def until(self, size: int) -> None:
        await _stamped(self.stamps, size)

    async def asked(self, times: int) -> None:
        async with asyncio.timeout(20):
            while len(self.desk.queries) < times:
                await asyncio.sleep(0.01)

    def count(self, result: str) -> float:
        return self.metrics.registry.get_sample_value("hotline_timestamps_total", {"result": result}) or 0.0


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def scene(tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    monkeypatch.setattr(timestamps, "FIRST_WAIT", 0.02)
    await migrate(tmp_path / "hub.db", "hub")
    store, clock, metrics = Store(tmp_path / "hub.db"), HandClock(), Metrics()
    async with desk_of(authority) as desk:
        table = TimestampTable(urls=(desk.url,), every=EVERY / 1000, answer=0.5)
        made: list[Scene] = []
        stamps = Timestamps(store, table, [authority.root], clock, metrics, lambda: made[0].head)
        made.append(Scene(store, desk, clock, metrics, stamps))
        await stamps.load()
        running = asyncio.create_task(stamps.run())
        yield made[0]
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await stamps.close()
        await store.close()


# -- asked for as agreed ------------------------------------------------------------------------------------------


async def test_a_published_head_is_stamped_and_the_token_kept_as_it_came(scene: Scene, authority: Authority) -> None:
    head = await scene.publish(3)
    await scene.until(3)
    token = await token_for(scene.store, head.digest)
    assert token is not None
    found = check_token(token, head.note.encode(), [authority.root])
    newest = scene.stamps.newest
    assert newest is not None
    assert (newest.time, newest.token, newest.note) == (found.at, token, head.note)
    assert head.digest == b64u(note_digest(head.note)), "the digest that entries carry is the one that is stamped"
    assert await token_for(scene.store, "another") is None
    assert scene.count("granted") == 1
    assert scene.metrics.registry.get_sample_value("hotline_timestamp_at_seconds") == scene.clock.at / 1000


async def test_no_more_than_one_head_is_stamped_in_the_agreed_time(scene: Scene) -> None:
    await scene.publish(1)
    await scene.until(1)
    for size in (2, 3, 4):
        scene.clock.at += EVERY // 4
        await scene.publish(size)
    await asyncio.sleep(0.1)
    assert len(scene.desk.queries) == 1
    scene.clock.at += EVERY // 4
    await scene.publish(5)
    await scene.until(5)
    assert len(scene.desk.queries) == 2


async def test_the_same_note_is_not_stamped_twice_but_fresh_cosignatures_are(scene: Scene) -> None:
    await scene.publish(1)
    await scene.until(1)
    scene.clock.at += 2 * EVERY
    scene.stamps.offer()
    await asyncio.sleep(0.1)
    assert len(scene.desk.queries) == 1
    again = await scene.publish(1, "later")
    await scene.asked(2)
    async with asyncio.timeout(10):
        while await token_for(scene.store, again.digest) is None:
            await asyncio.sleep(0.01)


async def test_an_escalation_is_stamped_at_once_but_not_more_often_than_every_minute(scene: Scene) -> None:
    await scene.publish(1)
    await scene.until(1)
    scene.clock.at += GAP
    scene.stamps.escalated(3)
    await scene.publish(2)
    await asyncio.sleep(0.1)
    assert len(scene.desk.queries) == 1, "the head does not cover the escalation yet"
    await scene.publish(3)
    await scene.until(3)
    scene.stamps.escalated(4)
    await scene.publish(4)
    await asyncio.sleep(0.1)
    assert len(scene.desk.queries) == 2, "within the minute"
    scene.clock.at += GAP
    scene.stamps.offer()
    await scene.until(4)
    scene.clock.at += GAP
    await scene.publish(5)
    await asyncio.sleep(0.1)
    assert len(scene.desk.queries) == 3, "an escalation asks for one token"


async def test_the_first_stamped_head_over_a_leaf_is_found(scene: Scene) -> None:
    for size in (2, 5, 9):
        await scene.publish(size)
        await scene.until(size)
        scene.clock.at += EVERY
    sizes = []
    for size in (1, 2, 3, 9):
        stamped = await first_stamped(scene.store, size)
        assert stamped is not None
        sizes.append(stamped.size)
    assert sizes == [2, 2, 5, 9]
    assert await first_stamped(scene.store, 10) is None


async def test_a_hub_started_again_knows_its_newest_token(scene: Scene, authority: Authority) -> None:
    await scene.publish(1)
    await scene.until(1)
    table = TimestampTable(urls=(scene.desk.url,), every=EVERY / 1000)
    again = Timestamps(scene.store, table, [authority.root], scene.clock, Metrics(), lambda: scene.head)
    await again.load()
    assert again.newest == scene.stamps.newest


# -- what authorities do wrong ------------------------------------------------------------------------------------


async def _refused(_: web.Request) -> web.StreamResponse:
    return web.Response(status=503)


async def _moved(_: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("http://127.0.0.1:1/")


async def _rubbish(_: web.Request) -> web.StreamResponse:
    return web.Response(body=b"<html>", content_type=REPLY)


async def _huge(_: web.Request) -> web.StreamResponse:
    return web.Response(body=bytes(MAX_TOKEN_BYTES + 1), content_type=REPLY)


async def _slow(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(1)
    return web.Response(body=b"")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (_refused, "status 503"),
        (_moved, "status 302"),
        (_rubbish, "translog.timestamp-malformed"),
        (_huge, "too long an answer"),
        (_slow, "TimeoutError"),
    ],
)
async def test_a_bad_answer_is_named_in_the_log_counted_and_asked_again(
    scene: Scene,
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]],
    why: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    scene.desk.answer = answer
    await scene.publish(1)
    await scene.asked(2)
    assert scene.stamps.newest is None
    assert scene.count("failed") >= 1
    assert why in capsys.readouterr().out
    scene.desk.answer = None
    await scene.until(1)


async def test_a_fault_of_the_program_is_counted_and_does_not_end_the_hub(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: object, **__: object) -> None:
        raise RuntimeError("a fault")

    with monkeypatch.context() as patch:
        patch.setattr(timestamps, "check_token", fault)
        await scene.publish(1)
        await scene.asked(2)
    await scene.until(1)
    assert (scene.metrics.registry.get_sample_value("hotline_faults_total") or 0) >= 1


async def test_the_answer_to_another_request_is_not_kept(scene: Scene, authority: Authority) -> None:
    first = await scene.publish(1)
    await scene.until(1)
    old = await token_for(scene.store, first.digest)

    async def replay(_: web.Request) -> web.StreamResponse:
        return web.Response(body=old, content_type=REPLY)

    scene.desk.answer = replay
    scene.clock.at += EVERY
    await scene.publish(2)
    await scene.asked(3)
    assert scene.stamps.newest is not None and scene.stamps.newest.size == 1


async def test_an_authority_that_nobody_trusts_is_not_believed(scene: Scene, tmp_path: Path) -> None:
    other = make_authority(tmp_path / "other")

    async def stranger(request: web.Request) -> web.StreamResponse:
        return web.Response(body=other.reply(scene.desk.queries[-1]), content_type=REPLY)

    scene.desk.answer = stranger
    await scene.publish(1)
    await scene.asked(2)
    assert scene.stamps.newest is None


async def test_the_next_authority_is_asked_when_the_first_fails(scene: Scene, authority: Authority) -> None:
    table = TimestampTable(urls=("http://127.0.0.1:1/", scene.desk.url), every=EVERY / 1000)
    stamps = Timestamps(scene.store, table, [authority.root], scene.clock, scene.metrics, lambda: scene.head)
    await scene.publish(7)
    await scene.until(7)
    scene.clock.at += EVERY
    await stamps.load()
    running = asyncio.create_task(stamps.run())
    await scene.publish(8)
    stamps.offer()
    async with asyncio.timeout(10):
        while stamps.newest is None or stamps.newest.size < 8:
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await stamps.close()


async def test_operators_are_told_when_tokens_stay_away(scene: Scene) -> None:
    scene.desk.answer = _refused
    assert scene.stamps.alarm() == ""
    assert scene.stamps.health() == StampHealth(0, None, None, False)
    await scene.publish(1)
    scene.clock.at += 2 * EVERY
    assert scene.stamps.alarm() == ""
    scene.clock.at += 1
    assert "2 hours" in scene.stamps.alarm() or "2 h" in scene.stamps.alarm()
    scene.desk.answer = None
    await scene.until(1)
    assert scene.stamps.alarm() == ""
    newest = scene.stamps.newest
    assert newest is not None
    assert scene.stamps.health() == StampHealth(1, scene.clock.at, newest.time, False)


async def _stamped(stamps: Timestamps, size: int) -> Stamped:
    async with asyncio.timeout(20):
        while stamps.newest is None or stamps.newest.size < size:
            await asyncio.sleep(0.01)
    return stamps.newest


# -- in the hub ---------------------------------------------------------------------------------------------------


async def test_tokens_cannot_be_changed_or_removed(scene: Scene, tmp_path: Path) -> None:
    await scene.publish(1)
    await scene.until(1)
    with closing(sqlite3.connect(tmp_path / "hub.db")) as connection:
        for statement in (
            "UPDATE timestamps SET time = 0",
            "DELETE FROM timestamps",
            "INSERT OR REPLACE INTO timestamps SELECT * FROM timestamps",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="insert-only"):
                connection.execute(statement)


async def test_an_incident_that_goes_up_is_stamped_and_the_store_with_its_token_holds(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timestamps, "GAP", 0)
    world = make_world(tmp_path, quorum=1)
    async with desk_of(authority) as desk:
        world.settings = replace(world.settings, timestamps=TimestampTable(urls=(desk.url,)))
        world.authorities = (authority.root,)
        av, kv = world.stations["AV"], world.stations["KV"]
        async with (
            running_hub(world) as running,
            connect(running.url, world, av) as a,
            connect(running.url, world, kv) as k,
        ):
            stamps = running.hub.timestamps
            thread = await open_thread(a, k)
            await a.cosign_next()
            await _stamped(stamps, 1)  # the first head there is
            await a.say(thread, "incident-notice", fields={"text": "St Brannoc is down"}, drafter=1)
            while await a.cosign_next() < 2:
                pass
            newest = await _stamped(stamps, 2)
            assert newest.note == running.hub.heads.published.note  # type: ignore[union-attr]
            check_token(newest.token, newest.note.encode(), world.authorities)
            assert len(desk.queries) == 2
    assert fsck(tmp_path / "hub.db", world.accord).holds


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE timestamps SET token = x'3000'",
        "UPDATE timestamps SET digest = (SELECT digest FROM published WHERE size = 2)",
        "UPDATE timestamps SET size = 2",
        "UPDATE timestamps SET token = (SELECT token FROM timestamps WHERE size = 2) WHERE size = 1",
    ],
)
async def test_fsck_finds_a_token_that_is_not_over_its_head(scene: Scene, tmp_path: Path, change: str) -> None:
    for size in (1, 2):
        await scene.publish(size)
        await scene.until(size)
        scene.clock.at += EVERY
    with reading(tmp_path / "hub.db") as db:
        notes = {str(digest): int(size) for digest, size in db.execute("SELECT digest, size FROM published")}
        check_timestamps(db, notes, good := Fsck(quick=True))
        assert good.holds
    alter(tmp_path / "hub.db", change)
    with reading(tmp_path / "hub.db") as db:
        check_timestamps(db, notes, found := Fsck(quick=True))
        assert {each.code for each in found.findings} == {"fsck.timestamp"}


async def test_a_hub_without_authorities_asks_none_and_says_nothing(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as running:
        assert running.hub.ready
        assert running.hub.timestamps.alarm() == ""
        assert (await HubConsole(running.hub).log_health()).stamps is None
        assert running.hub.timestamps.newest is None


async def test_authorities_without_a_trusted_root_are_refused_at_start(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    settings = replace(world.settings, timestamps=TimestampTable(urls=("http://127.0.0.1:1/",)))
    with pytest.raises(HubNotReady, match="root certificate"):
        await Hub.open(tmp_path / "hub.db", settings, world.keys, world.accord, world.ladders)


def test_the_folder_hands_out_the_roots_it_is_told_to_trust(tmp_path: Path, authority: Authority) -> None:
    world = make_world(tmp_path)
    table = TimestampTable(urls=("http://tsa.test/",), roots="roots.pem")
    folder = HubFolder(tmp_path, replace(world.settings, timestamps=table), world.accord, {})
    with pytest.raises(HubNotReady, match=r"roots\.pem"):
        folder.timestamp_roots()
    (tmp_path / "roots.pem").write_bytes(b"nothing")
    with pytest.raises(HubNotReady, match=r"roots\.pem"):
        folder.timestamp_roots()
    (tmp_path / "roots.pem").write_bytes(authority.root)
    assert folder.timestamp_roots() == (authority.root,)
    assert HubFolder(tmp_path, world.settings, world.accord, {}).timestamp_roots() == ()


@pytest.mark.parametrize(
    "line", ['urls = ["ftp://tsa.test"]', "every = 1", 'urls = "http://x"', "often = true", "answer = 0"]
)
def test_settings_that_make_no_sense_are_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "hub.toml").write_text(f'name = "hub.test"\nlisten = "127.0.0.1:0"\n[timestamps]\n{line}\n')
    with pytest.raises(HubNotReady):
        read_settings(tmp_path / "hub.toml")
