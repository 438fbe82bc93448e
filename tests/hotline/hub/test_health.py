"""The health check that container managers run: it asks the hub made in this folder, and nobody else. Readiness is cheap."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from hotline.hub import health, readiness
from hotline.hub.tls import make_certificate, server_context
from tests.hotline.harness import RunningHub, connect, make_world, open_thread, running_hub


class Answers(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(handler: type[Answers], context: ssl.SSLContext | None = None) -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), handler)
    if context is not None:
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that hangs up is expected
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def folder(path: Path, port: int, *, plain: bool = True) -> Path:
    text = f'name = "hub.example"\nlisten = "0.0.0.0:{port}"\nplain = {str(plain).lower()}\n'
    (path / "hub.toml").write_text(text)
    return path


def test_a_hub_that_answers_is_well(tmp_path: Path) -> None:
    with serving(Answers) as port:
        assert health.answers(folder(tmp_path, port))


def test_a_hub_that_answers_otherwise_or_not_at_all_is_not(tmp_path: Path) -> None:
    class Failing(Answers):
        status = 503

    with serving(Failing) as port:
        assert not health.answers(folder(tmp_path, port))
    assert not health.answers(folder(tmp_path, port))


def test_over_tls_only_the_hubs_own_certificate_is_believed(tmp_path: Path) -> None:
    now = time.time_ns() // 1_000_000
    own, other = (make_certificate("hub.example", ["wss://hub.example/line"], now) for _ in range(2))
    (tmp_path / "tls.crt").write_bytes(own[0])
    for certificate, key, believed in ((*own[:2], True), (*other[:2], False)):
        with serving(Answers, server_context(certificate, key)) as port:
            assert health.answers(folder(tmp_path, port, plain=False)) is believed


def test_a_folder_without_a_hub_is_said_to_be_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["health", str(tmp_path)])
    assert health.main() == 2
    assert "no hub to ask" in capsys.readouterr().err


async def test_asking_often_whether_the_hub_is_ready_costs_one_write_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_hub(make_world(tmp_path)) as hub:
        writes = 0
        write = hub.hub.store.write

        def counted() -> AbstractAsyncContextManager[AsyncConnection]:
            nonlocal writes
            writes += 1
            return write()

        monkeypatch.setattr(hub.hub.store, "write", counted)
        assert all(await asyncio.gather(*(hub.hub.check() for _ in range(20))))
        assert writes == 1
        hub.hub.writer.healthy = False
        assert not await hub.hub.check(), "what is known to have failed is said at once"


async def page(hub: RunningHub, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"{hub.http}{path}") as answer:
        return answer.status, await answer.text()


async def test_ready_says_part_by_part_what_is_not_and_only_to_readers_of_metrics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_hub(make_world(tmp_path)) as hub:
        assert await page(hub, "/readyz") == (
            200,
            "ready\ntasks: ok\nstore: ok\nclocks: ok\nwitnesses: ok\nfiles: ok\n",
        )
        assert (await page(hub, "/healthz"))[0] == 200
        hub.hub.writer.healthy = False
        status, text = await page(hub, "/readyz")
        assert (status, "store: the last batch could not be written" in text) == (503, True)
        monkeypatch.setattr("hotline.hub.app._may_read", lambda *_: False)
        assert await page(hub, "/readyz") == (503, "not ready\n")


async def test_clocks_that_stand_and_tasks_that_ended_are_found(tmp_path: Path) -> None:
    async with running_hub(make_world(tmp_path)) as hub:
        hub.hub._due["x"] = hub.hub.clock.now() - readiness.CLOCK_LATE - 1000
        status, text = await page(hub, "/readyz")
        assert (status, "clocks: a time limit ran out 11 s ago" in text) == (503, True)
        hub.hub._due.clear()
        task = hub.hub._tasks[0]
        task.cancel()
        await asyncio.wait([task])
        assert (await page(hub, "/readyz"))[0] == 503
        assert await page(hub, "/healthz") == (503, "failed\n")


async def test_without_a_quorum_messages_go_on_and_monitoring_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        await open_thread(av, kv)
        assert (await page(hub, "/readyz/all"))[0] == 200, "not yet long enough to tell anybody"
        monkeypatch.setattr(readiness, "QUORUM_LATE", -1)
        status, text = await page(hub, "/readyz/all")
        assert (status, "witnesses: no head has met the quorum for" in text) == (503, True)
        status, text = await page(hub, "/readyz")
        assert (status, text.startswith("ready\n")) == (200, True), "a load balancer must not shut the witnesses out"
        assert hub.hub.metrics.registry.get_sample_value("hotline_ready", {"part": "witnesses"}) == 0
        assert hub.hub.metrics.registry.get_sample_value("hotline_ready", {"part": "store"}) == 1


async def test_a_store_that_has_room_again_is_found_without_anybody_s_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_hub(make_world(tmp_path)) as hub:
        write = hub.hub.store.write

        def full() -> AbstractAsyncContextManager[AsyncConnection]:
            raise OSError(28, "No space left on device")

        hub.hub.writer.healthy = False
        monkeypatch.setattr(hub.hub.store, "write", full)
        await hub.hub.readiness.recover()
        assert not await hub.hub.check()
        monkeypatch.setattr(hub.hub.store, "write", write)
        await hub.hub.readiness.recover()
        assert await hub.hub.check()
