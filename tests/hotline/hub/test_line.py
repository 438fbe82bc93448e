"""A station's way through the hub: log in, open, submit, receive, resume; and whatever else knocks."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

import aiohttp
import msgspec
import pytest
from structlog.testing import capture_logs
from websockets.asyncio.client import connect as ws_connect
from websockets.exceptions import ConnectionClosed

from hotline.hub.errors import HubNotReady
from hotline.hub.settings import Limits, read_settings
from protocols.encoding import b64u, digest
from protocols.frames import (
    Accepted,
    Announce,
    Deliver,
    Directory,
    Failed,
    Hello,
    Presence,
    Proof,
    Ready,
    Refused,
    Submit,
    decode_from_hub,
    encode_frame,
)
from protocols.mandate import sign_mandate
from tests.hotline.harness import (
    connect,
    login,
    make_station,
    make_world,
    mandate_of,
    open_thread,
    running_hub,
    station_keys,
)


async def test_two_stations_open_a_thread_and_one_reads_the_other(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with (
        running_hub(world) as hub,
        connect(hub.url, world, "AV") as av,
        connect(hub.url, world, "KV") as kv,
    ):
        thread = await open_thread(av, kv)
        answer = await av.say(thread, "incident-notice", fields={"text": "St Brannoc is down"}, drafter=1)
        assert (answer.seq, answer.index) == (2, 1)
        found = await kv.expect(Deliver)
        assert found.seq == 2
        assert b"St Brannoc" not in found.leaf
        group = kv.threads[thread.id].group
        assert group is not None
        assert group.decrypt(found.parts["body"]).data


async def test_a_station_resumes_from_its_cursor_in_order_and_without_gaps(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av:
        async with connect(hub.url, world, "KV") as kv:
            thread = await open_thread(av, kv)
        for number in range(70):
            await av.say(thread, "goodwill-note", fields={"text": f"note {number}"})
        async with connect(hub.url, world, "KV", follow=False) as kv:
            assert [each.seq for each in await kv.follow()] == list(range(1, 72))
            assert [each.seq for each in await kv.follow({thread.id: 68})] == [69, 70, 71]
            assert await kv.follow({thread.id: 71}) == []


async def test_what_was_accepted_survives_a_restart(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with (
        running_hub(world) as hub,
        connect(hub.url, world, "AV") as av,
        connect(hub.url, world, "KV") as kv,
    ):
        thread = await open_thread(av, kv)
        entry, parts = av.write(thread, "goodwill-note", fields={"text": "kept"})
        first = await av.submit(entry, parts)
        state = hub.hub.threads()[0].state
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av:
        assert hub.hub.threads()[0].state == state
        again = await av.submit(entry, parts)
        assert isinstance(first, Accepted) and isinstance(again, Accepted)
        assert (again.seq, again.at) == (first.seq, first.at)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"v": 2}, "login.other-version"),
        ({"accord": digest(b"other")}, "login.refused"),
        ({"mandate": b"rubbish"}, "login.refused"),
        ({"station": digest(b"me")}, "login.refused"),
        ({"nonce": "!" * 43}, "entry.malformed"),
    ],
)
async def test_a_login_that_does_not_hold_is_refused(tmp_path: Path, change: dict[str, object], code: str) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, ws_connect(hub.url, proxy=None) as ws:
        answer = await login(ws, world, world.stations["AV"], **change)
        assert isinstance(answer, Failed)
        assert answer.code == code


async def test_whoever_holds_only_the_mandate_does_not_get_in(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    thief = make_station("AV", "9", world.roots["AV"])
    thief.mandate = world.stations["AV"].mandate
    async with running_hub(world) as hub, ws_connect(hub.url, proxy=None) as ws:
        hello = Hello(1, world.accord.id, world.stations["AV"].kid, thief.mandate, b64u(secrets.token_bytes(32)))
        await ws.send(encode_frame(hello))
        await ws.recv()
        await ws.send(encode_frame(Proof(thief.sign.sign(b"anything"))))
        answer = decode_from_hub(bytes(await ws.recv(decode=False)))
        assert isinstance(answer, Failed)
        assert answer.code == "login.refused"


async def test_a_revoked_station_is_cut_off_and_cannot_come_back(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    station = world.stations["AV"]
    revoked = sign_mandate(
        mandate_of("AV", "station 1", station.sign, (), 9, station_keys(station)),
        world.roots["AV"],
    )
    async with (
        running_hub(world) as hub,
        connect(hub.url, world, "AV") as av,
        connect(hub.url, world, "KV") as kv,
    ):
        await kv.send(Announce((revoked,)))
        assert (await kv.expect(Directory)).mandates
        assert (await av.expect(Failed)).code == "line.mandate-ended"
        async with ws_connect(hub.url, proxy=None) as ws:
            answer = await login(ws, world, station)
            assert isinstance(answer, Failed) and answer.code == "login.refused"


async def test_the_newest_connection_of_a_station_wins(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with (
        running_hub(world) as hub,
        connect(hub.url, world, "AV") as first,
        connect(hub.url, world, "AV") as second,
    ):
        assert (await first.expect(Failed)).code == "line.replaced"
        assert (await second.ping()).now > 0


async def test_stations_hear_who_is_on_the_line(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av:
        await av.expect(Presence)
        kid = world.stations["KV"].kid
        async with connect(hub.url, world, "KV"):
            while not (now := (await av.expect(Presence)).stations.get(kid)):
                pass
            assert now > 0
        assert (await av.expect(Presence)).stations == {kid: 0}


async def test_failed_logins_are_throttled_by_address(tmp_path: Path) -> None:
    world = make_world(tmp_path, limits=Limits(login_failures=3))
    async with running_hub(world) as hub:
        with capture_logs() as logs:
            for _ in range(3):
                async with ws_connect(hub.url, proxy=None) as ws:
                    answer = await login(ws, world, world.stations["AV"], mandate=b"no")
                    assert isinstance(answer, Failed) and answer.code == "login.refused"
        told = [each for each in logs if each["event"] == "login refused"]
        assert [(each["code"], each["address"]) for each in told] == [("login.refused", "127.0.0.1")] * 3
        async with ws_connect(hub.url, proxy=None) as ws:
            answer = decode_from_hub(bytes(await ws.recv(decode=False)))
            assert isinstance(answer, Failed) and answer.code == "login.throttled"


async def test_a_login_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    world = make_world(tmp_path, limits=Limits(login=0.2))
    async with running_hub(world) as hub, ws_connect(hub.url, proxy=None) as ws:
        answer = decode_from_hub(bytes(await ws.recv(decode=False)))
        assert isinstance(answer, Failed)
        assert answer.code == "login.too-slow"


RUBBISH: list[bytes | str] = [
    b"",
    b"\x00" * 100,
    b"\xff" * 1000,
    "text",
    msgspec.msgpack.encode({"t": "no-such-frame"}),
    msgspec.msgpack.encode({"t": "hello"}),
    msgspec.msgpack.encode({"t": "submit", "ref": -1, "entry": b""}),
    msgspec.msgpack.encode({"t": "submit", "ref": 1, "entry": b"", "more": 1}),
    msgspec.msgpack.encode([1, 2, 3]),
    b"\x91" * 5000,
]


@pytest.mark.parametrize("logged_in", [False, True])
async def test_rubbish_ends_that_line_with_a_word_and_nothing_else(tmp_path: Path, logged_in: bool) -> None:
    world = make_world(tmp_path, limits=Limits(login_failures=1000))
    async with running_hub(world) as hub, connect(hub.url, world, "KV") as kv:
        for rubbish in RUBBISH:
            async with ws_connect(hub.url, proxy=None) as ws:
                if logged_in:
                    assert isinstance(await login(ws, world, world.stations["AV"]), Ready)
                await ws.send(rubbish)
                answer = decode_from_hub(bytes(await ws.recv(decode=False)))
                while not isinstance(answer, Failed):
                    answer = decode_from_hub(bytes(await ws.recv(decode=False)))
                assert answer.code == "entry.malformed"
        assert (await kv.ping()).now > 0
        assert hub.hub.metrics.registry.get_sample_value("hotline_faults_total") == 0


async def test_rubbish_on_the_port_never_harms_the_hub(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, connect(hub.url, world, "KV") as kv:
        for rubbish in (
            b"\0" * 4096,
            b"GET /line HTTP/1.1\r\n\r\n",
            b"POST / HTTP/9.9\r\n\r\n",
            secrets.token_bytes(999),
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
            writer.write(rubbish)
            await writer.drain()
            writer.write_eof()
            await asyncio.wait_for(reader.read(), 5)
            writer.close()
            await writer.wait_closed()
        assert (await kv.ping()).now > 0


async def test_an_oversized_frame_ends_the_line_and_nothing_else(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with (
        running_hub(world) as hub,
        connect(hub.url, world, "KV") as kv,
        ws_connect(hub.url, proxy=None) as ws,
    ):
        assert isinstance(await login(ws, world, world.stations["AV"]), Ready)
        with pytest.raises(ConnectionClosed):
            await ws.send(encode_frame(Submit(1, bytes(5 << 20))))
            while True:
                await ws.recv()
        assert (await kv.ping()).now > 0


async def test_browsers_and_strangers_get_nothing_from_the_line(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, aiohttp.ClientSession() as session:
        async with session.get(f"{hub.http}/line", headers={"Origin": "https://evil.example"}) as answer:
            assert answer.status == 403
        async with session.get(f"{hub.http}/line") as answer:
            assert answer.status == 426
        async with session.get(f"{hub.http}/healthz") as answer:
            assert answer.status == 200
        async with session.get(f"{hub.http}/readyz") as answer:
            assert answer.status == 200
        async with session.get(f"{hub.http}/metrics") as answer:
            assert "hotline_log_size" in await answer.text()


@pytest.mark.parametrize(("named", "status"), [((), 404), (("127.0.0.0/30",), 200), (("10.0.0.7", "::1"), 404)])
async def test_metrics_are_for_the_machine_itself_and_addresses_that_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: tuple[str, ...], status: int
) -> None:
    monkeypatch.setattr("hotline.hub.settings.LOOPBACK", ())  # every test is on the loopback
    world = make_world(tmp_path)
    world.settings = msgspec.structs.replace(world.settings, metrics_from=named)
    async with (
        running_hub(world) as hub,
        aiohttp.ClientSession() as session,
        session.get(f"{hub.http}/metrics") as answer,
    ):
        assert answer.status == status
        assert ("hotline" in await answer.text()) is (status == 200)


def test_an_address_that_is_none_is_refused_before_the_hub_starts(tmp_path: Path) -> None:
    (tmp_path / "hub.toml").write_text('name = "hub"\nlisten = "127.0.0.1:0"\nmetrics_from = ["monitoring"]\n')
    with pytest.raises(HubNotReady, match="metrics_from"):
        read_settings(tmp_path / "hub.toml")


async def test_a_bad_mandate_is_refused_and_the_line_stays(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av:
        await av.send(Announce((b"rubbish",)))
        answer = await av.expect(Refused)
        assert (answer.ref, answer.code) == (0, "entry.malformed")
        assert (await av.ping()).now > 0
