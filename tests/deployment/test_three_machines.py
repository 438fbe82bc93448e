"""The three-machine deployment of the how-to, from the files it ships, on the loopback: a primary with two standbys, two hubs,
HAProxy before them. A hub's machine goes, then the primary's; the line goes on, and nothing that was acknowledged is lost."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotline.hub.fsck import fsck
from hotline.store.place import Server
from tests.deployment.machines import PASSWORD, Machines, shipped
from tests.deployment.talk import talk
from tests.hotline.harness import free_port
from tests.hotline.hub.test_process import Serving, make_folder
from tests.postgres import MISSING, available

HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
NO_HAPROXY = "no HAProxy here (install the package haproxy): the shipped balancer before hubs was NOT tested"
pytestmark = pytest.mark.faults


@pytest.fixture
def machines() -> Iterator[Machines]:
    made = Machines()
    try:
        made.found()
        yield made
    finally:
        made.remove()


class Balancer:
    """HAProxy with the shipped file."""

    def __init__(self, folder: Path, port: int, a: int, b: int) -> None:
        self.path, self.port = folder / "haproxy.cfg", port
        self.path.write_text(
            shipped(
                "haproxy.cfg",
                front=f"bind :8443 -> bind 127.0.0.1:{port}",
                a=f"hub-a.example:8443 -> 127.0.0.1:{a}",
                b=f"hub-b.example:8443 -> 127.0.0.1:{b}",
            )
        )
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        assert HAPROXY is not None
        # -db: in the foreground; it ends with us because its standard input does.
        self.process = subprocess.Popen([HAPROXY, "-db", "-f", self.path], stderr=subprocess.DEVNULL)
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            await asyncio.sleep(0.1)
        raise AssertionError("HAProxy does not listen")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)


@pytest.mark.skipif(not available(), reason=MISSING)
@pytest.mark.skipif(HAPROXY is None, reason=NO_HAPROXY)
async def test_a_hub_and_then_the_primary_go_and_the_line_goes_on_with_all_that_was_acknowledged(
    tmp_path: Path, machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSFILE", str(machines.passfile))
    world, first, front = make_folder(tmp_path, plain=False)
    second, ports = tmp_path / "second", (free_port(), free_port())
    shutil.copytree(first, second)
    settings = (first / "hub.toml").read_text()
    for folder, port in zip((first, second), ports, strict=True):
        text = settings.replace(f":{front}", f":{port}")
        text += f'[store]\nurl = "{machines.url}"\n[attachments]\nfolder = "{tmp_path / "files"}"\n'
        (folder / "hub.toml").write_text(text)
    a, b = (Serving(tmp_path, folder, port, plain=False) for folder, port in zip((first, second), ports, strict=True))
    balancer, store = Balancer(tmp_path, front, *ports), Server(machines.url)
    url = f"wss://127.0.0.1:{front}/line"
    try:
        await a.start()
        await asyncio.gather(b.start(), balancer.start())
        async with talk(world, (url,), (url,)) as talking:
            await a.end(signal.SIGKILL)
            await talking.more()
            await a.start()
            await talking.more()
            # A restart by hand: drained, and the other one carries the line meanwhile.
            assert await b.end(signal.SIGTERM) == 0
            await talking.more()
            await b.start()

            machines.kill("a")
            heir = machines.ahead("b", "c")
            other = "c" if heir == "b" else "b"
            await asyncio.to_thread(machines.promote, heir, other)
            await talking.more()
            await asyncio.to_thread(machines.rewind, "a", heir)
            await asyncio.to_thread(machines.settled, heir, 2)
            await talking.more()
    finally:
        ends = [await each.end(signal.SIGTERM) for each in (a, b) if each.process and each.process.poll() is None]
        balancer.stop()
    assert ends == [0, 0], "neither hub had to be started again"
    found = fsck(store, world.accord)
    assert found.holds, found.findings
    log = (tmp_path / "hub.log").read_text()
    assert "Traceback" not in log
    assert PASSWORD not in log
