"""Rubbish on every port of real processes: no handler raises, nobody is thrown off the line, honest talk goes on."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import ssl
import subprocess
import sys
from pathlib import Path

import aiohttp
import msgspec
import pytest
from click.testing import CliRunner

from hotline.cli import main
from hotline.office import StationCard, read_card
from protocols.frames import Accepted
from protocols.mandate import Mandate, sign_mandate
from tests.hotline.harness import World, connect, free_port, open_thread
from tests.hotline.hub.test_process import Serving, make_folder

ROOT = Path(__file__).parents[2]
PATHS = ("/", "/line", "/login", "/console/login", "/threads/../../etc/passwd", "/%00", "/api", "/static/..%2f..%2f")


def station_folder(path: Path, world: World) -> Path:
    """A station of AV made by its own commands, mandated by its office."""
    folder, secret = path / "station", ("--passphrase-file", str(path / "passphrase"))

    def run(*arguments: str) -> None:
        result = CliRunner().invoke(main, ["station", *arguments])
        assert result.exit_code == 0, result.output

    run("init", str(folder), "--office", "AV", "--name", "desk", *secret)
    card = read_card(folder / "station-card.json")
    assert isinstance(card, StationCard)
    begin, end = "2020-01-01T00:00:00.000Z", "2099-01-01T00:00:00.000Z"
    mandate = Mandate(1, "AV", "station", "desk", 50, ("station",), card.keys.sign, begin, end, card.holder, card.keys)
    files = {"mandate.jws": sign_mandate(mandate, world.roots["AV"]), "accord.jws": world.accord.data}
    files |= {"ladder.toml": next(iter(world.ladders.values()))}
    for name, data in files.items():
        (path / name).write_bytes(data)
    given = [(f"--{name.split('.')[0]}", str(path / name)) for name in files]
    run("install", str(folder), *(each for pair in given for each in pair))
    return folder


def serve(path: Path, folder: Path, port: int, log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "hotline", "station", "serve", str(folder)),
                *("--listen", f"127.0.0.1:{port}", "--passphrase-file", str(path / "passphrase")),
            ],
            stderr=output,
            cwd=ROOT,
        )


def rubbish(rng: random.Random) -> list[bytes]:
    lines = [f"{method} {where} HTTP/1.1\r\n" for method in ("GET", "POST", "BREW") for where in PATHS]
    upgrade = "Host: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    found = [
        b"\0" * 4096,
        rng.randbytes(3000),
        b"\x16\x03\x01" + rng.randbytes(300),
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /line HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999\r\n\r\nabc",
        b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n",
        b"POST /console/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=\r\n"
        b"Content-Length: 4\r\n\r\n\xff\xfe\xfd\xfc",
        f"GET /line HTTP/1.1\r\n{upgrade}Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        + rng.randbytes(500),
        f"GET /line HTTP/1.1\r\n{upgrade}Sec-WebSocket-Key: short\r\n\r\n".encode(),
    ]
    for line in lines:
        host = rng.choice(("127.0.0.1", "evil.example", "\xff", ""))
        body = rng.randbytes(rng.choice((0, 40))).hex()
        kind = rng.choice(("application/x-www-form-urlencoded", "application/json", "multipart/form-data", "\x01"))
        found.append(
            f"{line}Host: {host}\r\nContent-Type: {kind}\r\nCookie: session={body}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode("latin-1")
        )
    return found


async def throw(port: int, data: bytes, tls: ssl.SSLContext | None) -> None:
    """Send it all, read what comes, hang up."""
    try:
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
            try:
                writer.write(data)
                await writer.drain()
                if tls is None:
                    writer.write_eof()
                async with asyncio.timeout(0.5):
                    await reader.read(65536)
            except TimeoutError:
                pass  # it waits for the rest of what was promised: its own time limit's business
            finally:
                writer.close()
                await writer.wait_closed()
    except (ConnectionError, ssl.SSLError, OSError):
        pass  # hung up on, which is fair


@pytest.mark.faults
async def test_rubbish_on_every_port_raises_out_of_no_handler(
    tmp_path: Path,
) -> None:
    world, hub, port = make_folder(tmp_path, plain=True)
    serving = Serving(tmp_path, hub, port, plain=True)
    folder, log, desk = await asyncio.to_thread(station_folder, tmp_path, world), tmp_path / "station.log", free_port()
    await serving.start()
    url = f"ws://127.0.0.1:{port}/line"
    station = serve(tmp_path, folder, desk, log)
    try:
        async with connect(url, world, "AV") as av, connect(url, world, "KV") as kv, aiohttp.ClientSession() as session:
            thread = await open_thread(av, kv)
            await answers(session, f"http://127.0.0.1:{desk}/login", log)
            # A second process over the same folder would be the same station twice.
            second = await asyncio.to_thread(serve(tmp_path, folder, free_port(), tmp_path / "second.log").wait, 30)
            assert second == 1
            for number, data in enumerate(rubbish(random.Random(1))):
                await asyncio.gather(throw(port, data, None), throw(desk, data, None))
                if number % 8 == 0:
                    assert isinstance(await av.say(thread, "goodwill-note", fields={"text": str(number)}), Accepted)
            async with session.get(f"http://127.0.0.1:{port}/readyz") as ready:
                assert ready.status == 200
            async with session.get(f"http://127.0.0.1:{port}/metrics") as metrics:
                lines = (await metrics.text()).splitlines()
            assert "hotline_faults_total 0.0" in lines
            assert "hotline_lines 3.0" in lines, [line for line in lines if "lines" in line]
            await answers(session, f"http://127.0.0.1:{desk}/login", log)
    finally:
        if station.poll() is None:
            station.send_signal(signal.SIGTERM)
        ended = await asyncio.to_thread(station.wait, 15)
        stopped = await serving.end(signal.SIGTERM)
    assert (ended, stopped) == (0, 0)
    for name in ("hub.log", "station.log"):
        said = (tmp_path / name).read_text()
        assert "Traceback" not in said, said
        for line in said.splitlines():
            assert msgspec.json.decode(line)["level"] in ("info", "warning"), line
    assert "running already" in (tmp_path / "second.log").read_text() + json.dumps(second)


async def answers(session: aiohttp.ClientSession, url: str, log: Path) -> None:
    for _ in range(1200):
        try:
            async with session.get(url) as answer:
                assert answer.status < 500
                return
        except aiohttp.ClientError:
            await asyncio.sleep(0.05)
    raise AssertionError(log.read_text())
