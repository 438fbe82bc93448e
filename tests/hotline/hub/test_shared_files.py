"""Files at hubs that share a store: carried to one, had from another, under TLS; never out of two folders."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from hotline.hub import blob_folder
from hotline.hub.errors import HubNotReady
from hotline.hub.hub import Hub
from hotline.station.station import Station
from hotline.store import forms, postgres
from hotline.store import migrate as migration
from hotline.store.hub import metadata
from tests.faults import child
from tests.faults.kit import impatient
from tests.faults.test_attachments import line, process
from tests.hotline.harness import World, connect, free_port, make_world, open_thread
from tests.hotline.hub.test_process import Serving, make_folder
from tests.hotline.station.kit import officer, opened, until
from tests.hotline.test_attachments import ask, attach, limited, saved, say, state
from tests.postgres import MISSING, available, new_database

HERE = Path(__file__).parents[3]
shared = pytest.mark.skipif(not available(), reason=MISSING)


def settings(hub: Path, old: int, port: int, more: str) -> None:
    text = (hub / "hub.toml").read_text().replace(f":{old}", f":{port}")
    (hub / "hub.toml").write_text(f"{text}[attachments]\nspare = 0\n{more}")


async def bytes_of(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), 1 << 18):
        yield data[at : at + (1 << 18)]


@pytest.mark.faults
@shared
async def test_a_file_begun_at_one_hub_goes_on_at_another_when_that_is_killed_and_is_had_from_both(
    tmp_path: Path,
) -> None:
    world, hub, port = make_folder(tmp_path, plain=False)
    limited(world)
    store, files, other_port = new_database(), tmp_path / "files", free_port()
    second, third = tmp_path / "second", tmp_path / "third"
    for copy in (second, third):
        shutil.copytree(hub, copy)
    place = f'[store]\nurl = "{store.conninfo}"\n'
    settings(hub, port, port, f"folder = {json.dumps(str(files))}\n{place}")
    settings(second, port, other_port, f"folder = {json.dumps(str(files))}\n{place}")
    settings(third, port, free_port(), place)
    one, two = Serving(tmp_path, hub, port, plain=False), Serving(tmp_path, second, other_port, plain=False)
    await asyncio.gather(one.start(), two.start())
    urls = [f"wss://127.0.0.1:{each}/line" for each in (port, other_port)]
    data = secrets.token_bytes(12 << 20)
    try:
        async with impatient(world, "AV", urls[0], urls[1]) as av, impatient(world, "KV", urls[1], urls[0]) as kv:
            thread = await opened(av, kv)
            file = await av.attach(officer(av), thread, "plan.bin", "", bytes_of(data))
            part = files / thread / f"{getattr(file, 'blob', '')}.part"
            await until(lambda: blob_folder.length(part) > 1 << 20)
            await one.end(signal.SIGKILL)
            had = blob_folder.length(part)
            assert 1 << 20 < had < len(data)
            blob = part.stem
            await until(lambda: state(av, thread, blob) == "whole", 60)
            assert (await say(av, thread, av.files(thread)[blob])).ok
            await until(lambda: blob in kv.files(thread), 30)
            await kv.fetch(officer(kv), thread, blob)
            await until(lambda: state(kv, thread, blob) == "whole", 60)
            assert await saved(kv, thread, blob) == data
            await one.start()
            refused = await asyncio.to_thread(_serve, tmp_path, third)
            assert refused.returncode == 1 and b"hub.not-ready" in refused.stderr and b"folder" in refused.stderr, (
                refused
            )
            assert not (third / "blobs").exists(), "nothing was made there"
        checked = await asyncio.to_thread(hotline, "hub", "check", str(second), "--json")
        parts = {part["part"]: part for part in json.loads(checked.stdout)["parts"]}
        assert parts["files"]["level"] == "OK" and parts["files"]["found"].startswith("1 sealed files"), parts["files"]
        checked = await asyncio.to_thread(hotline, "hub", "check", str(third), "--json")
        parts = {part["part"]: part for part in json.loads(checked.stdout)["parts"]}
        assert parts["files"]["level"] == "FAIL"
    finally:
        for each in (one, two):
            if each.process is not None and each.process.poll() is None:
                await each.end(signal.SIGTERM)
    adopted = hotline("hub", "adopt-files", str(third))
    assert adopted.returncode == 0 and b"0 are there, 1 are not" in adopted.stdout, adopted
    assert blob_folder.read_mark(third / "blobs") == blob_folder.read_mark(files) != ""
    log = (tmp_path / "hub.log").read_bytes()
    assert b"Traceback" not in log and blob.encode() not in log and thread.encode() not in log


def _serve(path: Path, hub: Path) -> subprocess.CompletedProcess[bytes]:
    return hotline("hub", "serve", str(hub), "--passphrase-file", str(path / "passphrase"))


def hotline(*words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "hotline", *words], capture_output=True, cwd=HERE, timeout=60)


@shared
def test_a_store_that_was_moved_takes_no_other_folder(tmp_path: Path) -> None:
    _, hub, port = make_folder(tmp_path, plain=False)
    place = new_database()
    settings(hub, port, port, f'[store]\nurl = "{place.conninfo}"\n')
    migration.upgrade(place, "hub")
    engine = postgres.open_plain(place)
    with engine.begin() as connection:
        connection.execute(metadata.tables["meta"].insert().values(key=forms.MOVED, value="another"))
    engine.dispose()
    refused = hotline("hub", "adopt-files", str(hub))
    assert refused.returncode == 3 and b"store.moved" in refused.stderr, refused
    assert not blob_folder.read_mark(hub / "blobs")


async def opened_hub(world: World, files: Path) -> Hub:
    return await Hub.open(world.place, world.settings, world.keys, world.accord, world.ladders, (), files)


@shared
async def test_a_hub_with_another_folder_or_an_empty_one_does_not_start_and_the_first_marks_both(
    tmp_path: Path,
) -> None:
    world = limited(make_world(tmp_path))
    world.server = new_database()
    first = await opened_hub(world, tmp_path / "files")
    second = await opened_hub(world, tmp_path / "files")
    try:
        mark = blob_folder.read_mark(tmp_path / "files")
        assert len(mark) == 32
        for name, found in (("empty", ""), ("another", "0" * 32)):
            (tmp_path / name).mkdir()
            if found:
                blob_folder.write_mark(tmp_path / name, found)
            with pytest.raises(HubNotReady, match="adopt-files"):
                await opened_hub(world, tmp_path / name)
            assert blob_folder.read_mark(tmp_path / name) == found, "nothing was changed"
        (tmp_path / "files").rename(tmp_path / "moved")
        third = await opened_hub(world, tmp_path / "moved")
        await third.stop()
    finally:
        await first.stop()
        await second.stop()


@shared
async def test_a_share_that_goes_away_stops_files_and_no_messages_and_nothing_is_written_beneath(
    tmp_path: Path,
) -> None:
    from aiohttp import web

    from hotline.hub.app import make_app

    world = limited(make_world(tmp_path))
    world.server = new_database()
    files, data = tmp_path / "files", secrets.token_bytes(1000)
    hub = await opened_hub(world, files)
    hub.start()
    runner = web.AppRunner(make_app(hub), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"ws://127.0.0.1:{runner.addresses[0][1]}/line"
    try:
        async with connect(url, world, "AV") as av, connect(url, world, "KV") as kv:
            thread = await open_thread(av, kv)
            ticket = (await ask(av, thread.id, data)).ticket
            files.rename(tmp_path / "away")
            files.mkdir()  # what stands beneath a mount
            assert (await ask(av, thread.id, data)).code == "attachment.no-room"
            async with (
                aiohttp.ClientSession() as session,
                session.patch(
                    url.replace("ws", "http", 1).replace("line", "blob"),
                    data=data,
                    headers={"Authorization": f"Hotline {ticket}", "Upload-Offset": "0"},
                ) as response,
            ):
                assert response.status == 507
            await hub.blobs.look()
            found = {part.name: part for part in await hub.readiness.look()}
            assert "mounted" in found["files"].problem and not found["files"].stops
            await av.say(thread, "goodwill-note", fields={"text": "messages pass"})
            assert not list(files.iterdir())
            files.rmdir()
            (tmp_path / "away").rename(files)
            await hub.blobs.look()
            assert not hub.blobs.problem
            assert (await ask(av, thread.id, data)).have == 0
    finally:
        await hub.stop()
        await runner.cleanup()


@pytest.mark.faults
async def test_over_tls_a_station_process_hands_over_a_file_and_another_has_it(tmp_path: Path) -> None:
    world, hub, port = make_folder(tmp_path, plain=False)
    settings(hub, port, port, "")
    serving = Serving(tmp_path, hub, port, plain=False)
    url, data = f"wss://127.0.0.1:{port}/line", secrets.token_bytes(3 << 20)
    cast, plain = tmp_path / "cast", tmp_path / "plain.bin"
    child.save(world, "AV", cast)
    plain.write_bytes(data)
    await serving.start()
    try:
        async with impatient(world, "KV", url) as kv:
            async with impatient(world, "AV", url) as av:
                thread = await opened(av, kv)
            async with process("tests.faults.attaching_child", str(cast), url, thread, str(plain)) as station:
                blob = await line(station)
                await until(lambda: (hub / "blobs" / thread / blob).exists(), 60)
                os.kill(station.pid, signal.SIGKILL)
            async with impatient(world, "AV", url) as av:
                await until(lambda: state(av, thread, blob) == "whole", 30)
                assert (await say(av, thread, av.files(thread)[blob])).ok
                await until(lambda: blob in kv.files(thread), 30)
                await kv.fetch(officer(kv), thread, blob)
                await until(lambda: state(kv, thread, blob) == "whole", 60)
                assert await saved(kv, thread, blob) == data
                await _imposter(av, thread, tmp_path)
    finally:
        if serving.process is not None and serving.process.poll() is None:
            assert await serving.end(signal.SIGTERM) == 0
    assert b"Traceback" not in (tmp_path / "hub.log").read_bytes()


async def _imposter(av: Station, thread: str, path: Path) -> None:
    """Somebody in between with another certificate gets no ticket, let alone a file."""
    from aiohttp import web

    from hotline.hub import tls

    certificate, key, _ = tls.make_certificate("hub.test", ("wss://127.0.0.1/line",), 1_790_000_000_000)
    asked: list[dict[str, str]] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append(dict(request.headers))
        return web.Response(status=204)

    app = web.Application()
    app.router.add_route("*", "/blob", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls.server_context(certificate, key))
    await site.start()
    try:
        real = av.core.line.address
        file = await attach(av, thread, b"secret" * 10)
        await until(lambda: state(av, thread, file.blob) == "whole", 30)
        from hotline.station.carrier import Carrier
        from hotline.station.errors import HubImposter
        from protocols.frames import BlobTicket

        av.core.line.address = f"wss://127.0.0.1:{runner.addresses[0][1]}/line"
        async with Carrier(av.core) as carrier:
            with pytest.raises(HubImposter):
                ticket = BlobTicket(1, "ticket", 0, 1 << 50)
                await carrier.put(path / "plain.bin", 1000, ticket, lambda _: None)
        av.core.line.address = real
        assert asked == []
    finally:
        await runner.cleanup()
