"""What no hub of this kind could beat on this machine: a bare relay, the disk's own commits, the signatures alone."""

from __future__ import annotations

import asyncio
import os
import secrets
import sqlite3
import time
from pathlib import Path

import aiohttp

from benchmarks.load import process
from benchmarks.load.client import Latencies, session
from benchmarks.load.report import Told, Values
from protocols.keys import SeedSigner, verify

SIZE = 3500
"""Bytes of an entry with its stamp and its sealed body."""


async def relay(child: process.Child, pairs: int, each: int, depth: int) -> Values:
    """Messages through a relay that commits in groups and checks nothing; one is done when its peer has it."""
    latencies = Latencies()
    async with session() as http:
        rooms = [secrets.token_bytes(16) for _ in range(pairs)]
        lines = [await _pair(http, child.url, room) for room in rooms]
        await asyncio.sleep(0.2)

        async def one(room: bytes, pair: list[aiohttp.ClientWebSocketResponse]) -> None:
            message = room + bytes(SIZE)
            gate = asyncio.Semaphore(depth)
            begun: list[float] = []

            async def read(ws: aiohttp.ClientWebSocketResponse, *, receiver: bool) -> None:
                for number in range(each):
                    await ws.receive_bytes()
                    if receiver:
                        latencies.since(begun[number])
                        gate.release()

            reading = [asyncio.create_task(read(ws, receiver=number == 1)) for number, ws in enumerate(pair)]
            for _ in range(each):
                await gate.acquire()
                begun.append(time.perf_counter())
                await pair[0].send_bytes(message)
            await asyncio.gather(*reading)

        cpu, started = child.cpu, time.perf_counter()
        await asyncio.gather(*(one(room, pair) for room, pair in zip(rooms, lines, strict=True)))
        seconds = time.perf_counter() - started
        count = pairs * each
        found = {"rate": count / seconds, "p50_ms": latencies.at(0.5), "p99_ms": latencies.at(0.99)}
        found["relay_cpu_us"] = (child.cpu - cpu) / count * 1e6
        for pair in lines:
            for ws in pair:
                await ws.close()
    return found


async def back(child: process.Child, stations: int, waiting: int) -> Values:
    """Connections that come at once and have ``waiting`` messages sent to them: no login, nothing read from a disk."""
    async with session() as http:
        rooms = [secrets.token_bytes(16) for _ in range(stations)]
        for room in rooms:
            async with http.ws_connect(child.url, compress=0) as ws:
                await ws.send_bytes(room)
                for _ in range(waiting):
                    await ws.send_bytes(room + bytes(SIZE))
                for _ in range(waiting):
                    await ws.receive_bytes()

        async def one(room: bytes) -> aiohttp.ClientWebSocketResponse:
            ws = await http.ws_connect(child.url, compress=0)
            await ws.send_bytes(room)
            for _ in range(waiting):
                await ws.receive_bytes()
            return ws

        cpu, started = child.cpu, time.perf_counter()
        lines = await asyncio.gather(*map(one, rooms))
        seconds = time.perf_counter() - started
        found = {"seconds": seconds, "relay_cpu_s": child.cpu - cpu}
        for ws in lines:
            await ws.close()
    return found


async def idle(child: process.Child, connections: int) -> Values:
    """Resident memory that a bare connection adds."""
    async with session() as http:
        before = child.memory
        lines = [await http.ws_connect(child.url, compress=0) for _ in range(connections)]
        for ws in lines:
            await ws.send_bytes(secrets.token_bytes(16))
        await asyncio.sleep(1)
        found = {"KiB": (child.memory - before) / connections / 1024}
        for ws in lines:
            await ws.close()
    return found


async def _pair(http: aiohttp.ClientSession, url: str, room: bytes) -> list[aiohttp.ClientWebSocketResponse]:
    pair = [await http.ws_connect(url, compress=0) for _ in range(2)]
    for ws in pair:
        await ws.send_bytes(room)
    return pair


def commit(folder: Path, batch: int) -> Values:
    """Rows a second that the disk takes in flushed transactions of ``batch`` rows."""
    database = sqlite3.connect(folder / f"raw-{batch}.db", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE leaf (data BLOB)")
    rows = [(os.urandom(SIZE),) for _ in range(batch)]
    started = time.perf_counter()
    rounds = 0
    while time.perf_counter() - started < 1:
        database.execute("BEGIN IMMEDIATE")
        database.executemany("INSERT INTO leaf VALUES (?)", rows)
        database.execute("COMMIT")
        rounds += 1
    seconds = time.perf_counter() - started
    database.close()
    return {"rate": rounds * batch / seconds, "commits": rounds / seconds}


def signatures() -> Values:
    """Processor time of what no hub can leave out for an entry: two checks and one signature."""
    signer = SeedSigner(secrets.token_bytes(32))
    message = os.urandom(2500)
    signature = signer.sign(message)
    started = time.process_time()
    for _ in range(500):
        verify(signer.public, message, signature)
        verify(signer.public, message, signature)
        signer.sign(message)
    return {"us": (time.process_time() - started) / 500 * 1e6}


def run(folder: Path, share: int, told: Told) -> None:
    """All of them; ``told`` hears of each."""
    told("floor: signatures of an entry", signatures())
    for batch in (1, 50, 500):
        told(f"floor: raw commit, {batch} rows each", commit(folder, batch))
    for pairs, depth, each in ((50, 1, 200), (50, 16, 400), (1, 1, 500)):
        with process.relay(folder / f"relay-{pairs}-{depth}.db") as child:
            words = f"{pairs} sender{'s' if pairs > 1 else ''}, {depth} outstanding"
            told(f"floor: bare relay, {words}", asyncio.run(relay(child, pairs, each // share, depth)))
    with process.relay(folder / "relay-back.db") as child:
        told(f"floor: bare relay, {200 // share} back", asyncio.run(back(child, 200 // share, 50)))
    with process.relay(folder / "relay-idle.db") as child:
        told(f"floor: bare relay, {1000 // share:,} idle", asyncio.run(idle(child, 1000 // share)))
