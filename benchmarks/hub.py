"""Measure the hub: ``python -m benchmarks.hub [--quick] [--json FILE]``. Driver and hub share this machine's cores.

Entries are made beforehand by the stations' own code (signed by officer and station, MLS-encrypted), so that the hub is
what is measured. Beside the figures stand their floors from the same run: a bare relay on the same WebSocket library
with group commit and none of our checks, raw group commit on the same disk, and the signature checks alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import secrets
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import structlog

from benchmarks.load import process
from benchmarks.load.client import Client, Latencies
from benchmarks.load.world import Made, Thread, World, make_open, make_statement, make_world
from protocols.keys import SeedSigner, verify

BODY = 1024


async def _clients(
    world: World, url: str, session: aiohttp.ClientSession, pairs: int
) -> tuple[list[Client], list[Client]]:
    senders = [Client(world, station) for station in world.av[:pairs]]
    receivers = [Client(world, station) for station in world.kv[:pairs]]
    for client in (*senders, *receivers):
        await client.open(session, url)
    await senders[0].announce()
    return senders, receivers


async def _threads(world: World, senders: list[Client], receivers: list[Client]) -> list[Thread]:
    threads = []
    for sender, receiver in zip(senders, receivers, strict=True):
        made, thread = make_open(world, sender.station, receiver.station)
        await sender.submit(made)
        threads.append(thread)
    return threads


async def _load(senders: list[Client], receivers: list[Client], work: list[list[Made]], depth: int) -> dict[str, float]:
    """Every sender keeps ``depth`` entries outstanding; one is done when it is acknowledged and its peer has it."""
    latencies = Latencies()

    async def one(sender: Client, receiver: Client, entries: list[Made]) -> None:
        room = asyncio.Semaphore(depth)
        begun: list[float] = []
        done = 0
        finished = asyncio.Event()
        arrived = acknowledged = 0

        def settle() -> None:
            nonlocal done
            while done < min(arrived, acknowledged):
                latencies.since(begun[done])
                done += 1
                room.release()
            if done == len(entries):
                finished.set()

        def on_deliver(_frame: Any) -> None:
            nonlocal arrived
            arrived += 1
            settle()

        def on_answer(future: asyncio.Future[Any]) -> None:
            nonlocal acknowledged
            future.result()
            acknowledged += 1
            settle()

        receiver.on_deliver = on_deliver
        for each in entries:
            await room.acquire()
            begun.append(time.perf_counter())
            sender.hand_in(each).add_done_callback(on_answer)
        await finished.wait()

    started = time.perf_counter()
    await asyncio.gather(*(one(*each) for each in zip(senders, receivers, work, strict=True)))
    seconds = time.perf_counter() - started
    count = sum(map(len, work))
    return {
        "rate": count / seconds,
        "p50_ms": latencies.at(0.5),
        "p99_ms": latencies.at(0.99),
        "entries": count,
        "seconds": seconds,
    }


async def throughput(world: World, child: process.Child, each: int, deep: int) -> dict[str, dict[str, float]]:
    """50 senders in 50 threads with one and with 16 outstanding; one sender alone."""
    found: dict[str, dict[str, float]] = {}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        senders, receivers = await _clients(world, child.url, session, len(world.av))
        threads = await _threads(world, senders, receivers)
        await asyncio.sleep(0.5)
        plan = (("50 senders, 1 outstanding", 1, each), ("50 senders, 16 outstanding", 16, deep))
        for name, depth, count in plan:
            work = [
                [make_statement(world, sender.station, thread, BODY) for _ in range(count)]
                for sender, thread in zip(senders, threads, strict=True)
            ]
            cpu = child.cpu
            found[name] = await _load(senders, receivers, work, depth)
            found[name]["hub_cpu_us"] = (child.cpu - cpu) / found[name]["entries"] * 1e6
        work = [[make_statement(world, senders[0].station, threads[0], BODY) for _ in range(200)]]
        found["1 sender, 1 outstanding"] = await _load(senders[:1], receivers[:1], work, 1)
        for client in (*senders, *receivers):
            await client.close()
    return found


async def reconnect(world: World, child: process.Child, undelivered: int) -> dict[str, float]:
    """All receivers away while their threads grow, then all back at once: the time until all have all."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        senders, receivers = await _clients(world, child.url, session, len(world.av))
        threads = await _threads(world, senders, receivers)
        for client in receivers:
            await client.close()
        for sender, thread in zip(senders, threads, strict=True):
            entries = [make_statement(world, sender.station, thread, BODY) for _ in range(undelivered)]
            await asyncio.gather(*(sender.hand_in(made) for made in entries))
        back = [Client(world, station) for station in (*world.kv,)]
        started = time.perf_counter()
        await asyncio.gather(
            *(
                client.open(session, child.url, cursors={thread.id: 1})
                for client, thread in zip(back, threads, strict=True)
            )
        )
        await asyncio.gather(*(client.caught.wait() for client in back))
        seconds = time.perf_counter() - started
        missing = [client for client in back if client.delivered < undelivered]
        for client in (*senders, *back):
            await client.close()
    return {"seconds": seconds, "stations": len(back), "each": undelivered, "incomplete": len(missing)}


async def idle_memory(world: World, child: process.Child) -> dict[str, float]:
    """Resident memory that idle connections add, each."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        before = child.memory
        clients = [Client(world, station) for station in (*world.av, *world.kv)]
        for client in clients:
            await client.open(session, child.url)
        await asyncio.sleep(1)
        after = child.memory
        for client in clients:
            await client.close()
    return {"KiB": (after - before) / len(clients) / 1024, "connections": len(clients)}


async def relay_floor(folder: Path, pairs: int, each: int, depth: int, size: int) -> float:
    """Messages a second through the bare relay."""
    with process.relay(folder / f"relay-{depth}.db") as child:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            rooms = [secrets.token_bytes(16) for _ in range(pairs)]
            lines = []
            for room in rooms:
                pair = [await session.ws_connect(child.url, compress=0) for _ in range(2)]
                for ws in pair:
                    await ws.send_bytes(room)
                lines.append(pair)
            await asyncio.sleep(0.2)

            async def one(room: bytes, pair: list[aiohttp.ClientWebSocketResponse]) -> None:
                message = room + bytes(size)
                gate = asyncio.Semaphore(depth)

                async def read(ws: aiohttp.ClientWebSocketResponse, release: bool) -> None:
                    for _ in range(each):
                        await ws.receive_bytes()
                        if release:
                            gate.release()

                reading = [asyncio.create_task(read(pair[0], False)), asyncio.create_task(read(pair[1], True))]
                for _ in range(each):
                    await gate.acquire()
                    await pair[0].send_bytes(message)
                await asyncio.gather(*reading)

            started = time.perf_counter()
            await asyncio.gather(*(one(room, pair) for room, pair in zip(rooms, lines, strict=True)))
            rate = pairs * each / (time.perf_counter() - started)
            for pair in lines:
                for ws in pair:
                    await ws.close()
    return rate


def commit_floor(folder: Path, batch: int, size: int) -> float:
    """Rows a second that the disk takes in flushed transactions of ``batch`` rows."""
    database = sqlite3.connect(folder / f"raw-{batch}.db", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE leaf (data BLOB)")
    rows = [(os.urandom(size),) for _ in range(batch)]
    started = time.perf_counter()
    rounds = 0
    while time.perf_counter() - started < 1:
        database.execute("BEGIN IMMEDIATE")
        database.executemany("INSERT INTO leaf VALUES (?)", rows)
        database.execute("COMMIT")
        rounds += 1
    return rounds * batch / (time.perf_counter() - started)


def signature_floor() -> float:
    """Microseconds of what no hub can leave out for an entry: two checks and one signature."""
    signer = SeedSigner(secrets.token_bytes(32))
    message = os.urandom(2500)
    signature = signer.sign(message)
    started = time.perf_counter()
    for _ in range(500):
        verify(signer.public, message, signature)
        verify(signer.public, message, signature)
        signer.sign(message)
    return (time.perf_counter() - started) / 500 * 1e6


def main() -> None:
    logging.basicConfig(level=logging.ERROR)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    """Run all, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    parser.add_argument("--only-load", action="store_true", help="throughput only, no floors")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    share = 5 if options.quick else 1
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="hotline-bench-") as name:
        folder = Path(name)
        if not options.only_load:
            figures["floor: signatures, us an entry"] = {"us": signature_floor()}
            for batch in (1, 50, 500):
                figures[f"floor: raw commit, batch {batch}"] = {"rate": commit_floor(folder, batch, 3500)}
            for depth, each in ((1, 200), (16, 400)):
                rate = asyncio.run(relay_floor(folder, 50, each // share, depth, 3500))
                figures[f"floor: bare relay, {depth} outstanding"] = {"rate": rate}
        (folder / "load").mkdir()
        world = make_world(folder / "load", 50)
        with process.hub(world, world.folder / "hub.db") as child:
            figures |= asyncio.run(throughput(world, child, 200 // share, 400 // share))
        if not options.only_load:
            (folder / "back").mkdir()
            world = make_world(folder / "back", 200)
            with process.hub(world, world.folder / "hub.db") as child:
                figures["200 stations back, 50 entries each"] = asyncio.run(reconnect(world, child, 50))
            (folder / "idle").mkdir()
            world = make_world(folder / "idle", 500)
            with process.hub(world, world.folder / "hub.db") as child:
                figures["1,000 idle connections"] = asyncio.run(idle_memory(world, child))
    for name, values in figures.items():
        print(f"{name:42}  " + "  ".join(f"{key} {value:,.1f}" for key, value in values.items()))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
