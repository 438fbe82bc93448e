"""Measure the full path: ``python -m benchmarks.path [--quick] [--json FILE]``. Two real stations and a hub, a process each.

The sending station signs, encrypts, stores and hands in; the hub checks, stores, acknowledges and delivers; the receiving
station verifies, decrypts and stores. An entry is done when the sender has its acknowledgement and the receiver can show
its text, both flushed to disk. The three processes and the driver (which lives in the two stations) share this machine's
cores; beside each rate stands the processor time of each, because that is what a wider machine would divide.

``--pids`` prints the processes' numbers, for a profiler.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
import struct
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.load import process
from benchmarks.load.client import Latencies
from benchmarks.load.report import Told, Values, measuring, options, quiet
from benchmarks.load.world import open_limits
from hotline.station.folder import DutyTable
from hotline.station.station import Station
from hotline.tasks import keep_loaded
from tests.hotline.harness import LADDER, World, make_world
from tests.hotline.station.kit import officer, open_station, until

BODY = 1024
_FORK = multiprocessing.get_context("fork")
_RECEIPT = struct.Struct("<Id")
"""Number of the message, and when the receiver had it: seconds of the machine's steady clock, the same in all processes."""

CASES = (
    ("full path, 1 outstanding", 1, 1, 300),
    ("full path, 1 thread, 16 outstanding", 1, 16, 800),
    ("full path, 8 threads, 2 outstanding each", 8, 2, 800),
)
"""Name, threads, entries outstanding in each, entries in all."""


def _text(number: int) -> str:
    return f"{number:08d}".ljust(BODY, "x")


async def _up(world: World, office: str, url: str) -> Station:
    # As it ships, not as hurried as the tests have it.
    station = await open_station(world, office, url, duty=DutyTable())
    await station.start()
    await until(lambda: station.core.line.caught)
    keep_loaded()  # as `hotline station serve` does
    return station


def _receive(world: World, url: str, line: socket.socket) -> None:
    """The receiving station's process: writes a receipt for every message that it can show."""

    async def run() -> None:
        reader, writer = await asyncio.open_connection(sock=line)
        station = await _up(world, "KV", url)
        writer.write(_RECEIPT.pack(0, 0.0))
        shown: dict[str, int] = {}

        def show() -> None:
            now = time.perf_counter()
            for name, thread in station.core.threads.items():
                for held in thread.held[shown.get(name, 0) :]:
                    if held.payload.kind == "statement":
                        writer.write(_RECEIPT.pack(int(str((held.fields or {})["text"])[:8]), now))
                shown[name] = len(thread.held)

        async def watch() -> None:
            async for _ in station.core.fanout.listen():
                show()

        watching = asyncio.create_task(watch())
        await reader.read(1)  # the sender has ended
        watching.cancel()
        await station.stop()

    quiet()
    asyncio.run(run())


def _send(world: World, url: str, pids: dict[str, int], share: int, line: socket.socket, pipe: Connection) -> None:
    """The sending station's process: runs all cases and hands over their figures. ``pids``: the other processes."""

    async def run() -> None:
        reader, writer = await asyncio.open_connection(sock=line)
        await reader.readexactly(_RECEIPT.size)
        station = await _up(world, "AV", url)
        receipts = _Receipts(reader)
        pids["sender"] = os.getpid()
        threads = [await _open(station) for _ in range(max(case[1] for case in CASES))]
        first = 0
        for name, wide, depth, count in _cases(share):
            await _load(station, receipts, threads[:wide], depth, 16, first)
            before = {who: process.cpu_of(pid) for who, pid in pids.items()}
            found = await _load(station, receipts, threads[:wide], depth, count, first + 16)
            for who, pid in pids.items():
                found[f"{who}_cpu_us"] = (process.cpu_of(pid) - before[who]) / count * 1e6
            first += 16 + count
            pipe.send((name, found))
        pipe.send(None)
        receipts.close()
        writer.write(b".")
        writer.close()
        await station.stop()

    quiet()
    asyncio.run(run())


async def _open(station: Station) -> str:
    outcome = await station.open_thread(officer(station), "KV", LADDER, "Benchmark")
    if not outcome.ok or outcome.thread is None:
        raise RuntimeError(f"no thread: {outcome}")
    await until(lambda: outcome.thread in station.core.threads)
    return outcome.thread


class _Receipts:
    """When the receiver had each message."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._waiting: dict[int, asyncio.Future[float]] = {}
        self._task = asyncio.create_task(self._read())

    def of(self, number: int) -> asyncio.Future[float]:
        return self._waiting.setdefault(number, asyncio.get_running_loop().create_future())

    def close(self) -> None:
        self._task.cancel()

    async def _read(self) -> None:
        while True:
            number, at = _RECEIPT.unpack(await self._reader.readexactly(_RECEIPT.size))
            self.of(number).set_result(at)


async def _load(
    station: Station, receipts: _Receipts, threads: list[str], depth: int, count: int, first: int
) -> Values:
    """``count`` messages over ``threads``, ``depth`` outstanding in each; latency until the receiver had it."""
    latencies, by = Latencies(), officer(station)
    numbers = iter(range(first + 1, first + count + 1))

    async def one(thread: str) -> None:
        for number in numbers:
            started = time.perf_counter()
            outcome = await station.send(by, thread, "statement", {}, {"text": _text(number)})
            if not outcome.ok or outcome.state != "accepted":
                raise RuntimeError(f"not taken: {outcome}")
            latencies.values.append((await receipts.of(number) - started) * 1000)

    started = time.perf_counter()
    await asyncio.gather(*(one(thread) for thread in threads for _ in range(depth)))
    seconds = time.perf_counter() - started
    return latencies.over(count, seconds)


def _cases(share: int) -> list[tuple[str, int, int, int]]:
    return [(name, wide, depth, count // share) for name, wide, depth, count in CASES]


def run(folder: Path, share: int, told: Told, *, pids: bool = False) -> None:
    """All cases; ``told`` hears of each. ``share``: that part of the work."""
    world = make_world(folder, head_delay=0.5, quorum=2, limits=open_limits())
    with process.hub(world, folder / "hub.db") as hub:
        ours, theirs = socket.socketpair()
        receiver = _FORK.Process(target=_receive, args=(world, hub.url, theirs), daemon=True)
        receiver.start()
        results, pipe = _FORK.Pipe(duplex=False)
        numbers = {"hub": hub.pid, "receiver": receiver.pid or 0}
        sender = _FORK.Process(target=_send, args=(world, hub.url, numbers, share, ours, pipe), daemon=True)
        sender.start()
        for end in (ours, theirs, pipe):
            end.close()
        if pids:
            print(f"sender {sender.pid}  hub {hub.pid}  receiver {receiver.pid}", file=sys.stderr, flush=True)
        try:
            while (found := results.recv()) is not None:
                told(*found)
        except EOFError:
            raise RuntimeError("a station ended before its work") from None
        finally:
            for each in (sender, receiver):
                each.join(10)
                if each.is_alive():
                    each.kill()


def main() -> None:
    """Run all, print the table."""
    parser = options(__doc__)
    parser.add_argument("--pids", action="store_true", help="print the processes' numbers")
    chosen = parser.parse_args()
    with measuring(chosen) as (folder, share, told):
        run(folder, share, told, pids=chosen.pids)


if __name__ == "__main__":
    main()
