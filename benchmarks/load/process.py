"""The hub (or a bare relay) in a process of its own, as in life; only this process's children are ever ended."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sqlite3
import ssl
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

import aiohttp
from aiohttp import web

from benchmarks.load.report import quiet
from benchmarks.load.world import LADDER
from hotline.hub.app import make_app
from hotline.hub.front import Front
from hotline.hub.hub import Hub, HubKeys
from hotline.hub.settings import Settings
from hotline.hub.tls import make_certificate, server_context
from hotline.ladders import load
from hotline.store.place import Place
from hotline.tasks import keep_loaded
from protocols.accord import SignedAccord

_SPAWN = multiprocessing.get_context("spawn")
"""A child of its own memory: in a forked one the driver's would be counted too."""


class Child:
    """A running server: its ``url``, its processor time and its memory."""

    def __init__(self, pid: int, port: int, scheme: str = "ws") -> None:
        self.pid, self.url = pid, f"{scheme}://127.0.0.1:{port}/line"

    @property
    def cpu(self) -> float:
        """Seconds of processor time so far."""
        return cpu_of(self.pid)

    @property
    def memory(self) -> int:
        """Resident bytes."""
        return int(Path(f"/proc/{self.pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu_of(pid: int) -> float:
    """Seconds of processor time that a process used so far, by the scheduler's own count of its threads."""
    return sum(int(path.read_text("ascii").split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def cpu_with_children(pid: int) -> float:
    """The same of a process and those it began, those that ended included; in hundredths of a second."""
    children = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK") + sum(map(cpu_with_children, children))


@dataclass(frozen=True)
class _Founded:
    settings: Settings
    keys: HubKeys
    accord: SignedAccord


class Founded(Protocol):
    """What a hub is made from; the tests' world is one too."""

    @property
    def settings(self) -> Settings: ...
    @property
    def keys(self) -> HubKeys: ...
    @property
    def accord(self) -> SignedAccord: ...


@contextmanager
def hub(world: Founded, place: Place, *, tls: bool = False) -> Iterator[Child]:
    """A real hub over the store at ``place``, listening as `hotline hub serve` does."""
    founded = _Founded(world.settings, world.keys, world.accord)
    with _child(_run_hub, (founded, place, tls), "wss" if tls else "ws") as child:
        yield child


@contextmanager
def relay(path: Path) -> Iterator[Child]:
    """The floor: every message is put into a group commit and sent to everybody of its room; nothing is checked. Whoever
    comes into a room is sent what went through it before."""
    with _child(_run_relay, path) as child:
        yield child


@contextmanager
def _child(run, argument, scheme: str = "ws") -> Iterator[Child]:  # type: ignore[no-untyped-def]
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=run, args=(argument, theirs), daemon=True)
    process.start()
    try:
        if not ours.poll(60):
            raise RuntimeError("the server did not start")
        yield Child(process.pid or 0, ours.recv(), scheme)
    finally:
        if process.is_alive() and process.pid:
            os.kill(process.pid, signal.SIGTERM)
        process.join(20)
        if process.is_alive():
            process.kill()


def _run_hub(of: tuple[Founded, Place, bool], pipe: Connection) -> None:
    world, place, tls = of

    quiet()

    async def run() -> None:
        made = await Hub.open(place, world.settings, world.keys, world.accord, {LADDER: load(LADDER)})
        made.start()
        keep_loaded()  # as `hotline hub serve` does
        await _serve(make_app(made), pipe, made.front, _context() if tls else None)
        await made.stop()

    _profiled(run)


def _context() -> ssl.SSLContext:
    certificate, key, _ = make_certificate("hub.bench", ["wss://127.0.0.1"], int(time.time() * 1000))
    return server_context(certificate, key)


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


async def _serve(
    app: web.Application, pipe: Connection, front: Front | None = None, tls: ssl.SSLContext | None = None
) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    if front is not None:
        server = await front.listen(runner.server, "127.0.0.1", 0, tls=tls)
    else:
        server = await asyncio.get_running_loop().create_server(runner.server, "127.0.0.1", 0, backlog=1024)
    pipe.send(server.sockets[0].getsockname()[1])
    await stop.wait()
    server.close()
    await runner.cleanup()


def _relay_app(path: Path) -> web.Application:
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        database.execute(f"PRAGMA {pragma}")
    database.execute("CREATE TABLE leaf (data BLOB)")
    waiting: list[bytes] = []
    rooms: dict[bytes, set[web.WebSocketResponse]] = {}
    past: dict[bytes, deque[bytes]] = {}
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
                await asyncio.to_thread(flush, batch)
                for data in batch:
                    past[data[:16]].append(data)
                    for ws in tuple(rooms[data[:16]]):
                        await ws.send_bytes(data)

    async def line(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse(compress=False, max_msg_size=1 << 20)
        await ws.prepare(request)
        room: set[web.WebSocketResponse] = set()
        async for message in ws:
            if message.type is not aiohttp.WSMsgType.BINARY:
                continue
            if len(message.data) == 16:
                room = rooms.setdefault(message.data, set())
                room.add(ws)
                for data in tuple(past.setdefault(message.data, deque(maxlen=50))):
                    await ws.send_bytes(data)
            else:
                waiting.append(message.data)
                wake.set()
        room.discard(ws)
        return ws

    app = web.Application()
    app.router.add_get("/line", line)

    async def begin(_app: web.Application) -> None:
        _app["writer"] = asyncio.create_task(write())

    app.on_startup.append(begin)
    return app
