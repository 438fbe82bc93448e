"""A real ``hotline hub serve``: killed without warning in mid-stream, started again, asked to stop."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from websockets.asyncio.client import connect as ws_connect
from websockets.exceptions import ConnectionClosed

from hotline import keystore
from hotline.hub import folder
from hotline.hub.hub import HubKeys
from hotline.ladders import load
from protocols.encoding import b64u, sha256
from protocols.frames import MAX_FRAME_BYTES, Accepted, Deliver, Ready, Submit
from tests.hotline.harness import LADDER, Client, World, connect, login, make_world, open_thread
from tests.postgres import MISSING, available, new_database

PASSPHRASE = b"correct horse battery"


def make_folder(path: Path, *, plain: bool) -> tuple[World, Path, int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    hub = path / "hub"
    scheme = "ws" if plain else "wss"
    card = folder.create(
        hub,
        name="hub.test",
        addresses=(f"{scheme}://127.0.0.1:{port}/line",),
        listen=f"127.0.0.1:{port}",
        passphrase=PASSPHRASE,
        now=time.time_ns() // 1_000_000,
        plain=plain,
        profile="interactive",
    )
    secrets = keystore.unlock(hub / "hub.key", PASSPHRASE)
    keys = HubKeys(secrets["sign"], secrets["log"], secrets["operators"])
    world = make_world(hub, scale=1200, keys=keys, tls=card.tls, addresses=card.addresses, origin="hub.test/log")
    folder.install(hub, world.accord.data, (load(LADDER),))
    (path / "passphrase").write_bytes(PASSPHRASE)
    (path / "passphrase").chmod(0o600)
    return world, hub, port


def command(path: Path, hub: Path) -> list[str]:
    return [sys.executable, "-m", "hotline", "hub", "serve", str(hub), "--passphrase-file", str(path / "passphrase")]


class Serving:
    """The process; started, killed and stopped by its own id."""

    def __init__(self, path: Path, hub: Path, port: int, *, plain: bool) -> None:
        self.path, self.hub, self.port, self.plain = path, hub, port, plain
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        with (self.path / "hub.log").open("ab") as log:
            self.process = subprocess.Popen(
                command(self.path, self.hub),
                stderr=log,
                cwd=Path(__file__).parents[3],
            )
        scheme = "http" if self.plain else "https"
        context = None if self.plain else ssl._create_unverified_context()
        for _ in range(1800):
            assert self.process.poll() is None, (self.path / "hub.log").read_text()
            try:
                await asyncio.to_thread(
                    lambda: urllib.request.urlopen(f"{scheme}://127.0.0.1:{self.port}/readyz", context=context).close()
                )
            except OSError:
                await asyncio.sleep(0.05)
            else:
                return
        raise AssertionError((self.path / "hub.log").read_text())

    async def end(self, how: signal.Signals) -> int:
        assert self.process is not None
        os.kill(self.process.pid, how)
        return await asyncio.to_thread(self.process.wait, 15)


@pytest.mark.faults
async def test_kill_in_mid_stream_loses_and_doubles_nothing_and_moves_no_clock(tmp_path: Path) -> None:
    world, hub, port = make_folder(tmp_path, plain=True)
    serving = Serving(tmp_path, hub, port, plain=True)
    url = f"ws://127.0.0.1:{port}/line"
    await serving.start()
    accepted: dict[str, Accepted] = {}
    sent: list[tuple[bytes, dict[str, bytes]]] = []
    try:
        async with connect(url, world, "AV") as av, connect(url, world, "KV") as kv:
            thread = await open_thread(av, kv)
            notice = await av.say(thread, "incident-notice", fields={"text": "down"}, drafter=1)
            theirs = kv.threads[thread.id]
            await kv.deliveries(theirs, 2)
            await kv.say(theirs, "receipt", {"entry": notice.id}, officer=None)
            await av.deliveries(thread, 3)
            for number in range(120):
                sent.append(av.write(thread, "goodwill-note", fields={"text": str(number)}))
                thread.serial += 1
            with pytest.raises(ConnectionClosed):
                await stream(av, sent, accepted, serving)
        assert serving.process is not None and serving.process.returncode == -signal.SIGKILL
        assert 0 < len(accepted) < 120
        await serving.start()
        async with connect(url, world, "AV", follow=False) as av, connect(url, world, "KV", follow=False) as kv:
            for ref, (entry, parts) in enumerate(sent):
                answer = await av.submit(entry, parts)
                assert isinstance(answer, Accepted), answer
                before = accepted.get(answer.id)
                assert before is None or (before.seq, before.index, before.at) == (
                    answer.seq,
                    answer.index,
                    answer.at,
                ), ref
            mine, others = await av.follow(), await kv.follow()
            assert [each.leaf for each in mine] == [each.leaf for each in others]
            assert [each.seq for each in mine] == list(range(1, len(mine) + 1))
            ends = expired(mine)
            assert ends and len({clock for clock, _ in ends}) == len(ends)
            for clock, end in ends:
                assert end in running_ends(mine, clock)
    finally:
        if serving.process is not None and serving.process.poll() is None:
            assert await serving.end(signal.SIGTERM) == 0


async def stream(
    av: Client, sent: list[tuple[bytes, dict[str, bytes]]], accepted: dict[str, Accepted], serving: Serving
) -> None:
    for ref, (entry, parts) in enumerate(sent, 1000):
        await av.send(Submit(ref, entry, parts))
        if ref == 1060:
            assert serving.process is not None
            while len(accepted) < 20:
                frame = await av.recv()
                if isinstance(frame, Accepted):
                    accepted[frame.id] = frame
            await serving.end(signal.SIGKILL)
    while True:
        frame = await av.recv()
        if isinstance(frame, Accepted):
            accepted[frame.id] = frame


def expired(found: list[Deliver]) -> list[tuple[str, int]]:
    from protocols.entry import parse_entry

    payloads = [parse_entry(each.leaf).payload for each in found]
    return [(each.act["clock"], each.act["end"]) for each in payloads if each.kind == "clock-expired"]


def running_ends(found: list[Deliver], clock: str) -> set[int]:
    """The end that anybody computes for a clock that runs from the receipt: its stamp and the ladder's length."""
    from mediation.durations import scaled
    from mediation.ladder import parse_ladder
    from protocols.entry import parse_entry

    ladder = parse_ladder(load(LADDER))
    stamps = [parse_entry(each.leaf).jws.signatures[-1].extra["at"] for each in found]
    return {stamp + scaled(ladder.ms[clock.split("/")[0]], 1200) for stamp in stamps}


@pytest.mark.faults
async def test_it_serves_its_pinned_certificate_logs_no_names_and_stops_when_told(tmp_path: Path) -> None:
    world, hub, port = make_folder(tmp_path, plain=False)
    serving = Serving(tmp_path, hub, port, plain=False)
    await serving.start()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    url = f"wss://127.0.0.1:{port}/line"
    async with ws_connect(url, ssl=context, max_size=MAX_FRAME_BYTES, proxy=None) as ws:
        tls = ws.transport.get_extra_info("ssl_object")
        assert b64u(sha256(tls.getpeercert(binary_form=True))) == world.accord.accord.hub.tls
        assert tls.version() == "TLSv1.3"
        assert isinstance(await login(ws, world, world.stations["AV"]), Ready)
        second = subprocess.run(
            command(tmp_path, hub),
            capture_output=True,
            cwd=Path(__file__).parents[3],
            timeout=30,
        )
        assert second.returncode == 1 and b"hub.not-ready" in second.stderr
        assert await serving.end(signal.SIGTERM) == 0
    assert b"Traceback" not in (tmp_path / "hub.log").read_bytes()
    assert b"PRIVATE KEY" not in b"".join(each.read_bytes() for each in hub.rglob("*") if each.is_file())


@pytest.mark.faults
@pytest.mark.skipif(not available(), reason=MISSING)
async def test_two_hubs_from_two_folders_serve_one_line_on_postgresql_and_the_audit_reads_it(tmp_path: Path) -> None:
    world, hub, port = make_folder(tmp_path, plain=True)
    settings, store = (hub / "hub.toml").read_text(), new_database()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        second_port = probe.getsockname()[1]
    second = tmp_path / "second"
    shutil.copytree(hub, second)
    for folder_, at in ((hub, port), (second, second_port)):
        text = settings.replace(f":{port}", f":{at}") + f'[store]\nurl = "{store.conninfo}"\n'
        text += f'[attachments]\nfolder = "{tmp_path / "files"}"\n'
        (folder_ / "hub.toml").write_text(text)
    first, other = Serving(tmp_path, hub, port, plain=True), Serving(tmp_path, second, second_port, plain=True)
    await asyncio.gather(first.start(), other.start())
    try:
        async with (
            connect(f"ws://127.0.0.1:{port}/line", world, "AV") as av,
            connect(f"ws://127.0.0.1:{second_port}/line", world, "KV") as kv,
        ):
            thread = await open_thread(av, kv)
            await av.say(thread, "goodwill-note", fields={"text": "across"})
            await kv.deliveries(kv.threads[thread.id], 2)
        audit = [sys.executable, "-m", "hotline", "audit", "fsck", str(second)]
        said = await asyncio.to_thread(subprocess.run, audit, capture_output=True, cwd=Path(__file__).parents[3])
        assert said.returncode == 0 and b"of 2 leaves" in said.stdout, said
        backup = [sys.executable, "-m", "hotline", "hub", "backup", str(hub), str(tmp_path / "copy")]
        refused = await asyncio.to_thread(subprocess.run, backup, capture_output=True, cwd=Path(__file__).parents[3])
        assert refused.returncode == 1 and b"PostgreSQL" in refused.stderr, refused
        assert not (hub / "hub.db").exists() and not (second / "hub.db").exists()
    finally:
        assert [await each.end(signal.SIGTERM) for each in (first, other)] == [0, 0]
    log = (tmp_path / "hub.log").read_bytes()
    assert b"Traceback" not in log and store.conninfo.split()[0].encode() not in log
