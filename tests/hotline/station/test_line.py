"""The line: whom a station talks to, and whom it refuses."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import pytest

from hotline.station.errors import LineBroken
from hotline.station.station import Station
from hotline.station.views import Mark, OfficeView
from protocols.accord import SignedAccord
from protocols.encoding import b64u
from protocols.keys import SeedSigner
from tests.hotline.harness import make_world, running_hub
from tests.hotline.station.kit import officer, open_station, opened, running, until


async def test_a_hub_with_another_key_is_refused_and_raises_the_alarm(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub:
        station = await open_station(world, "AV", hub.url)
        card = msgspec.structs.replace(world.accord.accord.hub, key=b64u(SeedSigner(secrets.token_bytes(32)).public))
        accord = msgspec.structs.replace(world.accord.accord, hub=card)
        station.line._accord = SignedAccord(accord, world.accord.id, world.accord.data)
        await station.start()
        try:
            await until(lambda: station.connection().alarms)
            assert "not the hub of your agreement" in station.connection().alarms[0]
            assert station.connection().state == "offline"
            assert any(what == "alarm" for _, what, _ in station.journal())
        finally:
            await station.stop()


async def test_an_accord_with_a_certificate_takes_no_line_in_the_clear(tmp_path: Path) -> None:
    world = make_world(tmp_path, tls=b64u(b"f" * 32))
    async with running_hub(world) as hub:
        station = await open_station(world, "AV", hub.url)
        await station.start()
        try:
            await until(lambda: station.connection().alarms)
            assert not hub.hub.lines.since()
        finally:
            await station.stop()


async def test_the_second_address_is_tried_when_the_first_is_dead(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub:
        station = await open_station(world, "AV", "ws://127.0.0.1:9/line")
        station.line._addresses = ("ws://127.0.0.1:9/line", hub.url)
        await station.start()
        try:
            await until(lambda: station.core.line.caught)
            assert station.connection().address == hub.url and station.connection().state == "live"
        finally:
            await station.stop()


async def test_a_station_comes_back_by_itself_after_the_hub_restarts(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub:
        station = await open_station(world, "AV", hub.url)
        await station.start()
        await until(lambda: station.core.line.caught)
    try:
        await until(lambda: station.connection().state == "reconnecting")
        assert not station.connection().alarms
        async with running_hub(world) as hub:
            station.line._addresses = (hub.url,)
            await until(lambda: station.connection().state == "live")
    finally:
        await station.stop()


async def test_a_line_that_does_not_come_back_is_called_cut_until_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hotline.station.station.CUT_AFTER", 1.0)
    world = make_world(tmp_path)
    async with running_hub(world) as hub:
        station = await open_station(world, "AV", hub.url)
        assert station.connection().state == "offline", "it never was up"
        await station.start()
        await until(lambda: station.core.line.caught)
    try:
        seen: list[tuple[str, int]] = []

        def watch() -> bool:
            now = (station.connection().state, station.connection().since)
            if seen[-1:] != [now]:
                seen.append(now)
            return now[0] == "offline"

        changes = station.changes()
        told = asyncio.ensure_future(anext(changes))
        await until(lambda: station.connection().state == "reconnecting")
        await until(watch)
        lost = station.connection().since
        assert seen == [("reconnecting", lost), ("offline", lost)]
        assert not station.connection().alarms
        failed: list[object] = []
        down = station.line._receiver.down

        async def counted(why: LineBroken) -> None:
            failed.append(why)
            await down(why)

        monkeypatch.setattr(station, "down", counted)
        await until(lambda: watch() and len(failed) > 3)
        assert seen[-1] == ("offline", lost), "further failures change nothing of it"
        assert (await told).what == "connection"
        await changes.aclose()
        async with running_hub(world) as hub:
            station.line._addresses = (hub.url,)
            await until(lambda: station.connection().state == "live")
            assert station._cutting is None
    finally:
        await station.stop()


async def test_a_station_off_the_line_claims_to_know_nothing_of_the_others(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with AsyncExitStack() as stack:
        async with running_hub(world) as hub:
            av = await stack.enter_async_context(running(world, "AV", hub.url))
            await stack.enter_async_context(running(world, "MD", hub.url))
            async with running(world, "KV", hub.url) as kv:
                thread = await opened(av, kv)
                await until(lambda: seen(av, "KV").line == seen(av, "MD").line == "up")
            await until(lambda: seen(av, "KV").line == "down")
            left, came = seen(av, "KV").line_since, seen(av, "MD").line_since
            assert (av.office.line, seen(av, "KV").heard) == ("up", "")
            sent = await av.send(officer(av), thread, "public-safety-notice", {}, {"text": "A dam leaks."})
            assert sent.state == "accepted"
            assert av.thread(thread).entries[-1].marks == (Mark("KV", "line down", left),)
        await until(lambda: av.connection().state != "live")
        assert (av.office.line, av.office.line_since) == ("down", av.connection().since)
        for office, heard, since in (("KV", "down", left), ("MD", "up", came)):
            found = seen(av, office)
            assert (found.line, found.line_since, found.heard, found.heard_since) == ("unknown", None, heard, since)
        assert av.thread(thread).entries[-1].marks == (Mark("KV", "not known", None),)


def seen(station: Station, office: str) -> OfficeView:
    return next(each for each in station.offices() if each.id == office)


async def test_rubbish_from_the_hub_ends_the_connection_and_nothing_else(tmp_path: Path) -> None:
    from websockets.asyncio.server import ServerConnection, serve

    world = make_world(tmp_path)
    calls = []

    async def rubbish(socket: ServerConnection) -> None:
        calls.append(await socket.recv())
        await socket.send([b"\x81\xa1t\xa3xxx", "text", b"", secrets.token_bytes(200)][len(calls) % 4])

    async with serve(rubbish, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        station = await open_station(world, "AV", f"ws://127.0.0.1:{port}/line")
        await station.start()
        try:
            await until(lambda: len(calls) >= 5)
            assert station.connection().state in ("reconnecting", "offline")
            assert all(not task.done() for task in station._tasks)
        finally:
            await station.stop()


async def test_stations_cosign_the_log_and_prove_their_entries(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        async with running(world, "MD", hub.url):
            outcome = await av.open_thread(av.officers()[0].kid, "KV", "cpci-default", "Log")
            thread = str(outcome.thread)
            await until(lambda: av.connection().published > 0 and av.connection().cosigned > 0)
            await until(lambda: all(e.proven for e in av.thread(thread).entries))
            sent = await av.send(av.officers()[0].kid, thread, "goodwill-note", {}, {"text": "seen"})
            assert sent.state == "accepted"
            entry = av.core.threads[thread].by_id[str(sent.id)]
            assert entry.payload.seen == av.core.head[1] or entry.payload.seen is not None
        await asyncio.sleep(0)
        assert not kv.connection().alarms
