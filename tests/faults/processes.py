"""Hubs and stations in processes of their own that begin in a blink, so that a test can kill a hundred of them.

They are forked from one process that has imported everything already (`multiprocessing`'s fork server), talk with the test over
a pipe, and are ended by their own id with whatever signal the test likes. What they log is in ``<name>.log``, a line of JSON an
event.

::

    hub = Hub(world)                       # a port of its own, kept over restarts
    await hub.start(); hub.end(SIGKILL); await hub.start()

``<folder>/wall`` holds the milliseconds by which the wall clock of these processes is wrong, read whenever they look at it;
``<folder>/boot``, where there is one, the name of the boot of the machine they run on.
"""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import json
import multiprocessing
import os
import pickle
import signal
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import structlog
from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from hotline import clock
from hotline.hub import hub as hubs
from hotline.hub.app import make_app
from hotline.hub.errors import BehindWitnesses
from hotline.station.station import Station
from hotline.store.place import Place
from protocols.accord import open_accord
from protocols.translog import ed25519_cosigner
from tests.faults.kit import open_impatient, say
from tests.hotline.harness import LADDER, World, free_port
from tests.hotline.harness import Station as Cast
from tests.hotline.station.kit import officer

_FORKED = multiprocessing.get_context("forkserver")
_FORKED.set_forkserver_preload(["tests.faults.processes", "hotline.store.migrate", "hotline.store.postgres"])
START = 60.0
"""Seconds a child may take to begin, on a machine that does much else."""

Main = Callable[["Pipe"], Awaitable[int]]


class Pipe:
    """One end of the talk between a test and a child: small tuples, in order."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._found: deque[tuple[Any, ...]] = deque()
        self._news = asyncio.Event()
        self.ended = False
        asyncio.get_running_loop().add_reader(connection.fileno(), self._read)

    def _read(self) -> None:
        try:
            while self._connection.poll():
                self._found.append(self._connection.recv())
        except (EOFError, OSError):  # whoever is killed says no goodbye
            self.ended = True
            asyncio.get_running_loop().remove_reader(self._connection.fileno())
        self._news.set()

    def say(self, *words: Any) -> None:
        """To the other end; lost where that is gone."""
        with suppress(OSError):
            self._connection.send(words)

    def taken(self) -> list[tuple[Any, ...]]:
        """What came since, without waiting."""
        found = list(self._found)
        self._found.clear()
        return found

    async def hear(self) -> tuple[Any, ...]:
        """The next word; ``("ended",)`` when the other end is gone."""
        while not self._found:
            if self.ended:
                return ("ended",)
            self._news.clear()
            await self._news.wait()
        return self._found.popleft()

    def close(self) -> None:
        if not self.ended:
            asyncio.get_running_loop().remove_reader(self._connection.fileno())
        self._connection.close()


class Child:
    """One child after the other, under one name: of the last one, `pid` and what it said. ``main`` must be importable."""

    def __init__(self, name: str, folder: Path, main: Callable[..., Awaitable[int]], *arguments: Any) -> None:
        self.name, self._folder, self._main, self._arguments = name, folder, main, arguments
        self._process: Any = None
        self.pipe: Pipe | None = None

    async def start(self) -> None:
        """Begin; returns when the child says that it is ready."""
        assert await self.try_start(), (
            f"{self.name} does not begin: {(self._folder / f'{self.name}.log').read_text()[-2000:]}"
        )

    async def try_start(self) -> bool:
        """As `start`; False where the child ends instead."""
        self._forget()
        ours, theirs = _FORKED.Pipe()
        arguments = (self._main, theirs, self.name, self._folder, self._arguments)
        process = _FORKED.Process(target=_begin, args=arguments, name=self.name, daemon=True)
        await asyncio.to_thread(process.start)
        theirs.close()
        self._process, self.pipe = process, Pipe(ours)
        async with asyncio.timeout(START):
            word = await self.pipe.hear()
        return word == ("ready",)

    @property
    def pid(self) -> int:
        return int(self._process.pid)

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.exitcode is None

    def resident(self) -> int:
        """Bytes of memory in use."""
        found = next(
            row for row in Path(f"/proc/{self.pid}/status").read_text().splitlines() if row.startswith("VmRSS")
        )
        return int(found.split()[1]) * 1024

    def descriptors(self) -> int:
        """Files, sockets and pipes that are open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def send(self, how: signal.Signals) -> None:
        """SIGKILL, SIGSTOP, SIGCONT, ... to this child alone."""
        os.kill(self.pid, how)

    async def end(self, how: signal.Signals = signal.SIGTERM, wait: float = 30.0) -> int:
        """Send ``how`` and wait for the end; the exit status as `subprocess` gives it."""
        if self.runs:
            self.send(how)
        return await self.ended(wait)

    async def ended(self, wait: float = 30.0) -> int:
        """Wait for the end."""
        await asyncio.to_thread(self._process.join, wait)
        assert self._process.exitcode is not None, f"{self.name} does not end"
        return int(self._process.exitcode)

    def logged(self) -> list[dict[str, Any]]:
        """Every event in this child's log, those of its predecessors too."""
        path = self._folder / f"{self.name}.log"
        return (
            [json.loads(line) for line in path.read_text().splitlines() if line.startswith("{")]
            if path.exists()
            else []
        )

    def close(self) -> None:
        """Kill what still runs, and close the pipe."""
        if self.runs:
            self.send(signal.SIGKILL)
            self._process.join(30)
        self._forget()

    def _forget(self) -> None:
        if self.pipe is not None:
            self.pipe.close()
            self.pipe = None
        if self._process is not None:
            self._process.join()
            self._process.close()
            self._process = None


def _begin(
    main: Callable[..., Awaitable[int]], connection: Connection, name: str, folder: Path, arguments: Any
) -> None:
    """In the child."""
    with (folder / f"{name}.log").open("a", buffering=1) as file:
        structlog.configure(
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(default=str),
            ],
            logger_factory=structlog.WriteLoggerFactory(file=file),
        )
        vars(clock)["time"] = _wall(folder / "wall")
        if (folder / "boot").exists():
            vars(clock)["_BOOT_ID"] = folder / "boot"

        async def run() -> int:
            return await main(Pipe(connection), folder, *arguments)

        raise SystemExit(asyncio.run(run()))


def _wall(path: Path) -> Any:
    """What `hotline.clock` takes for the machine's clocks: the wall clock is off by what stands in ``path``."""

    def off() -> int:
        try:
            return int(path.read_text() or "0")
        except FileNotFoundError:
            return 0

    steady = {name: getattr(time, name) for name in ("clock_gettime_ns", "CLOCK_MONOTONIC")}
    return SimpleNamespace(time_ns=lambda: time.time_ns() + off() * 1_000_000, **steady)


# -- a hub -----------------------------------------------------------------------------------------------------------------


class Hub(Child):
    """A hub process over the world's store, or over ``place``; always on the same port."""

    def __init__(self, world: World, name: str = "hub", place: Place | None = None) -> None:
        self.port = free_port()
        kept = (place or world.place, world.settings, world.keys, world.accord.data, world.ladders[LADDER])
        super().__init__(name, world.path, serve, self.port, *kept)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/line"

    async def insist(self) -> None:
        """Start it, again and again while the server under it is still coming up, as a supervisor would."""
        for _ in range(60):
            if await self.try_start():
                return
            await self.ended()
            await asyncio.sleep(0.2)
        raise AssertionError(f"{self.name} does not begin")


async def serve(
    pipe: Pipe, folder: Path, port: int, place: Place, settings: Any, keys: Any, data: bytes, ladder: bytes
) -> int:
    """As ``hotline hub serve``: until SIGTERM, or until a part of it fails (status 1; 3 behind its witnesses)."""
    accord = open_accord(data)
    hub = await hubs.Hub.open(place, settings, keys, accord, {each.id: ladder for each in accord.accord.ladders})
    hub.recent._most = 1 << 20  # full within seconds, so that a soak sees what grows beside it
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    hub.start()
    runner = web.AppRunner(make_app(hub), access_log=None, shutdown_timeout=2)
    await runner.setup()
    server = await hub.front.listen(runner.server, "127.0.0.1", port)
    try:
        pipe.say("ready")
        await asyncio.wait((asyncio.ensure_future(stop.wait()), hub.failed), return_when=asyncio.FIRST_COMPLETED)
        if hub.failed.done():
            return 3 if isinstance(hub.failed.exception(), BehindWitnesses) else 1
        return 0
    finally:
        server.close()
        await hub.stop()
        await runner.cleanup()


# -- a station -------------------------------------------------------------------------------------------------------------


class Remote(Child):
    """A station process. Tells it what to say; `said` gives what it did about it."""

    def __init__(self, world: World, cast: Cast, seed: bytes, *urls: str) -> None:
        """``cast``'s witness key must be made from ``seed`` under `witness_name`: such signers cannot be pickled."""
        name = f"station-{cast.office}-{cast.name}"
        alone = dataclasses.replace(cast, witness=None)  # type: ignore[arg-type]
        bare = dataclasses.replace(world, stations={})
        self.cast = cast
        super().__init__(name, world.path, stand, pickle.dumps((bare, alone)), seed, *urls)

    def tell(self, thread: str, text: str) -> None:
        """Have it say this."""
        self.ask("say", thread, text)

    def ask(self, *words: str) -> None:
        """``say THREAD TEXT``, ``open COUNTERPART``, ``close THREAD``, ``rejoin THREAD`` or ``count``."""
        assert self.pipe is not None
        self.pipe.say(*words)


def witness_name(office: str, name: str) -> str:
    return f"{office.lower()}{name}.remote.test"


async def stand(pipe: Pipe, folder: Path, pickled: bytes, seed: bytes, url: str, *more: str) -> int:
    """A station until SIGTERM. Says ``kept THREAD TEXT`` when words are on its disk, ``acknowledged ID THREAD SEQ INDEX AT``
    and ``refused CODE SENTENCE`` when the hub answers."""
    world, cast = pickle.loads(pickled)
    cast = dataclasses.replace(cast, witness=ed25519_cosigner(witness_name(cast.office, cast.name), seed))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    station = await open_impatient(world, cast, url, *more)
    accepted, refused = station.sender.accepted, station.sender.refused

    async def acknowledged(frame: Any) -> None:
        pipe.say("acknowledged", frame.id, frame.thread, frame.seq, frame.index, frame.at)
        await accepted(frame)

    async def answered_no(frame: Any) -> None:
        pipe.say("refused", frame.code, frame.sentence)
        await refused(frame)

    station.sender.accepted, station.sender.refused = acknowledged, answered_no  # type: ignore[method-assign]
    await station.start()
    pipe.say("ready")
    ending = asyncio.ensure_future(stop.wait())
    while not ending.done():
        word = asyncio.ensure_future(pipe.hear())
        await asyncio.wait((word, ending), return_when=asyncio.FIRST_COMPLETED)
        if not word.done():
            word.cancel()
            break
        if word.result() == ("ended",):
            break
        await _obey(pipe, station, word.result())
    await station.stop()
    return 0


async def _obey(pipe: Pipe, station: Station, word: tuple[Any, ...]) -> None:
    match word:
        case ("say" | "close" | "rejoin", thread, *_) if thread not in station.core.threads:
            pipe.say("unknown", *word)
        case ("say", thread, text):
            try:
                await say(station, thread, text)
            except SQLAlchemyError as error:
                pipe.say("not kept", thread, text, str(error))
            else:
                pipe.say("kept", thread, text)
        case ("open", counterpart):
            opened = await station.open_thread(officer(station), counterpart, LADDER, "Test thread")
            pipe.say("opened", opened.thread, opened.ok, opened.sentence)
        case ("close", thread):
            closed = await station.send(
                officer(station), thread, "close", {}, {"text": f"closed by {station.office.id}"}
            )
            if closed.state == "draft":
                closed = await station.release(officer(station, 1), str(closed.id))
            pipe.say("closed", thread, closed.ok, closed.sentence)
        case ("rejoin", thread):
            pipe.say("rejoined", thread, await station.rejoin(thread))
        case ("count",):
            gc.collect()
            held = {name: len(thread.held) for name, thread in station.core.threads.items()}
            pipe.say("counted", held, station.connection().queued)
