"""The hub (or a bare relay) in a process of its own, as in life; only this process's children are ever ended."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

import aiohttp
from aiohttp import web

from benchmarks.load.world import LADDER
from hotline.hub.app import make_app
from hotline.hub.hub import Hub, HubKeys
from hotline.hub.settings import Settings
from hotline.ladders import load
from hotline.store.place import Place
from protocols.accord import SignedAccord

_FORK = multiprocessing.get_context("fork")


class Child:
    """A running server: its ``url``, its processor time and its memory."""

    def __init__(self, pid: int, port: int) -> None:
        self.pid, self.url = pid, f"ws://127.0.0.1:{port}/line"

    @property
    def cpu(self) -> float:
        """Seconds of processor time so far."""
        return cpu_of(self.pid)

    @property
    def memory(self) -> int:
        """Resident bytes."""
        return int(Path(f"/proc/{self.pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu_of(pid: int) -> float:
    """Seconds of processor time that a process used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Founded(Protocol):
    """What a hub is made from; the tests' world is one too."""

    @property
    def settings(self) -> Settings: ...
    @property
    def keys(self) -> HubKeys: ...
    @property
    def accord(self) -> SignedAccord: ...


@contextmanager
def hub(world: Founded, place: Place) -> Iterator[Child]:
    """A real hub over the store at ``place``."""
    with _child(_run_hub, (world, place)) as child:
        yield child


@contextmanager
def relay(path: Path) -> Iterator[Child]:
    """The floor: every message is put into a group commit and sent to everybody of its thread; nothing is checked."""
    with _child(_run_relay, path) as child:
        yield child


@contextmanager
def _child(run, argument) -> Iterator[Child]:  # type: ignore[no-untyped-def]
    ours, theirs = _FORK.Pipe()
    process = _FORK.Process(target=run, args=(argument, theirs), daemon=True)
    process.start()
    try:
        if not ours.poll(60):
            raise RuntimeError("the server did not start")
        yield Child(process.pid or 0, ours.recv())
    finally:
        if process.is_alive() and process.pid:
            os.kill(process.pid, signal.SIGTERM)
        process.join(20)
        if process.is_alive():
            process.kill()


def _run_hub(of: tuple[Founded, Place], pipe: Connection) -> None:
    world, place = of

    async def run() -> None:
        made = await Hub.open(place, world.settings, world.keys, world.accord, {LADDER: load(LADDER)})
        made.start()
        await _serve(make_app(made), pipe)
        await made.stop()

    _profiled(run)


def _run_relay(path: Path, pipe: Connection) -> None:
    async def run() -> None:
        await _serve(_relay_app(path), pipe)

    asyncio.run(run())


def _profiled(run) -> None:  # type: ignore[no-untyped-def]
    """With HOTLINE_BENCH_PROFILE set, leave a profile there: it slows everything, so figures of such a run are none."""
    target = os.environ.get("HOTLINE_BENCH_PROFILE")
    if not target:
        asyncio.run(run())
        return
    import cProfile

    profile = cProfile.Profile()
    profile.runcall(asyncio.run, run())
    profile.dump_stats(target)


async def _serve(app: web.Application, pipe: Connection) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=2048)
    await site.start()
    server = site._server
    assert server is not None
    pipe.send(server.sockets[0].getsockname()[1])
    await stop.wait()
    await runner.cleanup()


def _relay_app(path: Path) -> web.Application:
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        database.execute(f"PRAGMA {pragma}")
    database.execute("CREATE TABLE leaf (data BLOB)")
    waiting: list[tuple[bytes, web.WebSocketResponse]] = []
    rooms: dict[bytes, set[web.WebSocketResponse]] = {}
    wake = asyncio.Event()

    def flush(batch: list[bytes]) -> None:
        database.execute("BEGIN IMMEDIATE")
        database.executemany("INSERT INTO leaf VALUES (?)", [(each,) for each in batch])
        database.execute("COMMIT")

    async def write() -> None:
        while True:
            await wake.wait()
            wake.clear()
            while waiting:
                batch = waiting[:]
                waiting.clear()
                await asyncio.to_thread(flush, [data for data, _ in batch])
                for data, _ in batch:
                    for ws in rooms[data[:16]]:
                        await ws.send_bytes(data)

    async def line(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse(compress=False, max_msg_size=1 << 20)
        await ws.prepare(request)
        async for message in ws:
            if message.type is not aiohttp.WSMsgType.BINARY:
                continue
            if len(message.data) == 16:
                rooms.setdefault(message.data, set()).add(ws)
            else:
                waiting.append((message.data, ws))
                wake.set()
        return ws

    app = web.Application()
    app.router.add_get("/line", line)

    async def begin(_app: web.Application) -> None:
        _app["writer"] = asyncio.create_task(write())

    app.on_startup.append(begin)
    return app
