"""Hostile clients: what each does to a hub until its time is up, in a process of its own. Returns what it counted.

They come from other loopback addresses than the honest stations (127.0.0.66 and on), as from other machines.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as ws_connect
from websockets.exceptions import WebSocketException

from protocols import frames
from protocols.encoding import digest
from protocols.entry import make_entry
from protocols.mls import StagedPeerCommit
from tests.hotline.harness import Client, Station, Thread, World, login, open_thread

BROKEN = (WebSocketException, OSError, TimeoutError, AssertionError)
"""How a connection ends for those whom the hub shows the door; an assertion: no login."""


@dataclass(frozen=True)
class Target:
    """The hub under attack, and the hostile stations' keys."""

    world: World
    port: int
    seconds: float

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/line"


LATE = 30.0
"""Seconds that an attacker is given beyond its own to do anything at all."""
Attack = Callable[[Target, Counter[str]], Awaitable[None]]


def launch(attack: Attack, target: Target) -> tuple[multiprocessing.process.BaseProcess, Connection]:
    """Start one; the pipe brings its counts at the end."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_run, args=(attack, target, theirs))
    process.start()
    return process, ours


def _run(attack: Attack, target: Target, pipe: Connection) -> None:
    counts: Counter[str] = Counter()

    async def until_the_end() -> None:
        running = asyncio.create_task(attack(target, counts))
        await asyncio.wait([running], timeout=target.seconds)
        # Where much else runs, the first login alone may take as long.
        late = time.monotonic() + LATE
        while attack is not nobody and not counts and not running.done() and time.monotonic() < late:
            await asyncio.wait([running], timeout=0.1)
        running.cancel()
        with suppress(TimeoutError, asyncio.CancelledError):
            await running

    asyncio.run(until_the_end())
    pipe.send(dict(counts))


@asynccontextmanager
async def station(target: Target, who: Station, host: int = 66) -> AsyncIterator[Client]:
    """A hostile station, logged in, that reads as fast as it can."""
    async with ws_connect(
        target.url,
        max_size=frames.MAX_FRAME_BYTES,
        proxy=None,
        max_queue=None,
        close_timeout=0.1,
        local_addr=(f"127.0.0.{host}", 0),
    ) as ws:
        ready = await login(ws, target.world, who)
        assert isinstance(ready, frames.Ready), ready
        client = Client(target.world, who, ws, ready)
        await client.send(frames.Announce(who.officer_mandates))
        await client.send(frames.Follow({}))
        yield client


async def drain(ws: ClientConnection, counts: Counter[str]) -> None:
    """Read and count answers until the connection ends."""
    with suppress(*BROKEN):
        while True:
            data = await ws.recv()
            assert isinstance(data, bytes)
            frame = frames.decode_from_hub(data)
            code = getattr(frame, "code", "")
            counts[f"{type(frame).__name__}{f' {code}' if code else ''}"] += 1


def real_frames(client: Client) -> list[bytes]:
    """One of many kinds, as an honest station would send them."""
    thread = Thread("A" * 22, None)
    entry, parts = client.write(thread, "goodwill-note", fields={"text": "x" * 300})
    made: list[frames.Frame] = [
        frames.Submit(1, entry, parts),
        frames.Ping(2),
        frames.Follow({}),
        frames.Claim(3, (client.station.kid,)),
        frames.Announce(client.station.officer_mandates),
        frames.Hashes(4, 0),
        frames.Recall(5, digest(b"x")),
        frames.AskOwn(6, 0),
        frames.AskTails(("A" * 22,)),
        frames.Cosign(3, "x"),
        frames.Publish((b"x" * 100,)),
    ]
    return [frames.encode_frame(each) for each in made]


def mutated(rng: random.Random, data: bytes) -> bytes:
    """A frame with a few bytes changed, cut out, doubled or put in, or a value of another type."""
    if rng.random() < 0.3:
        value = msgspec.msgpack.decode(data)
        name = rng.choice(list(value))
        value[name] = rng.choice([None, -1, 1 << 63, "", "x" * 5000, b"", [], {}, [[]] * 50, 1.5, True, {"a": {}}])
        return msgspec.msgpack.encode(value)
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        at = rng.randrange(len(changed) + 1)
        match rng.randrange(4):
            case 0:
                changed[at : at + 1] = rng.randbytes(1)
            case 1:
                del changed[at : at + rng.randrange(1, 40)]
            case 2:
                changed[at:at] = changed[: rng.randrange(1, 60)]
            case _:
                changed[at:at] = rng.randbytes(rng.randrange(1, 9))
    return bytes(changed)


async def nobody(_: Target, __: Counter[str]) -> None:
    """For comparison."""
    await asyncio.sleep(3600)


async def malformed(target: Target, counts: Counter[str]) -> None:
    """Real frames with something broken in them, on lines and before any login."""
    rng, world = random.Random(7), target.world

    async def member(who: Station, host: int) -> None:
        while True:
            with suppress(*BROKEN):
                async with station(target, who, host) as client:
                    counts["lines"] += 1
                    reading = asyncio.create_task(drain(client.ws, counts))
                    templates = real_frames(client)
                    while not reading.done():
                        await client.ws.send(mutated(rng, rng.choice(templates)))
                        counts["sent"] += 1
                        await asyncio.sleep(
                            0.001
                        )  # to hear what comes back: the first that does not parse ends the line

    async def stranger() -> None:
        nonce, mandate = "A" * 43, world.stations["XX"].mandate
        hello = frames.encode_frame(frames.Hello(frames.VERSION, world.accord.id, "A" * 43, mandate, nonce))
        while True:
            with suppress(*BROKEN):
                host = f"127.0.0.{rng.randrange(80, 250)}"  # many, or it would soon be locked out
                async with ws_connect(target.url, proxy=None, local_addr=(host, 0), close_timeout=0.1) as ws:
                    await ws.send(mutated(rng, hello))
                    counts["sent before a login"] += 1
                    await drain(ws, counts)

    members = (member(world.stations[office], host) for office, host in (("XX", 66), ("YY", 67), ("HD", 68)))
    await asyncio.gather(*members, *(stranger() for _ in range(6)))


async def logins(target: Target, counts: Counter[str]) -> None:
    """Fifty at a time that log in wrongly, without end."""

    async def one(number: int) -> None:
        while True:
            with suppress(*BROKEN):
                async with ws_connect(
                    target.url, proxy=None, local_addr=(f"127.0.0.{66 + number % 20}", 0), close_timeout=0.1
                ) as ws:
                    answer = await login(ws, target.world, target.world.stations["XX"], mandate=b"no")
                    counts[getattr(answer, "code", "?")] += 1

    await asyncio.gather(*(one(number) for number in range(50)))


async def slow_loris(target: Target, counts: Counter[str]) -> None:
    """Three hundred connections that drip: heads of requests, WebSocket handshakes, hellos, or nothing at all."""
    head = (
        b"GET /line HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    )
    whole = head + b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"

    async def one(number: int) -> None:
        while True:
            counts["opened"] += 1
            with suppress(OSError):
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", target.port, local_addr=(f"127.0.0.{66 + number % 10}", 0)
                )
                try:
                    writer.write((b"", head, whole)[number % 3])
                    for _ in range(1000):
                        await asyncio.sleep(0.3)
                        writer.write((b"X", b"X-A: b\r\n", b"\x82")[number % 3])
                        await writer.drain()
                        if reader.at_eof():
                            break
                finally:
                    writer.close()
            counts["cut"] += 1
            await asyncio.sleep(0.1)

    await asyncio.gather(*(one(number) for number in range(300)))


async def gigantic(target: Target, counts: Counter[str]) -> None:
    """The largest frames that are taken, larger ones, and large ones from strangers."""
    who, big = target.world.stations["XX"], bytes(frames.MAX_FRAME_BYTES - 2000)

    async def strangers() -> None:
        while True:
            with suppress(*BROKEN):
                async with ws_connect(target.url, proxy=None, local_addr=("127.0.0.67", 0), close_timeout=0.1) as ws:
                    counts["from a stranger"] += 1
                    await ws.send(big)
                    await ws.recv()

    async def member() -> None:
        while True:
            with suppress(*BROKEN):
                async with station(target, who) as client:
                    reading = asyncio.create_task(drain(client.ws, counts))
                    payload = client.payload(Thread("A" * 22, None), "goodwill-note", parts={"body": digest(big)})
                    frame = frames.encode_frame(frames.Submit(1, make_entry(payload, who.sign), {"body": big}))
                    for number in range(30):
                        counts["of 4 MiB"] += 1
                        await client.ws.send(frame if number < 29 else bytes(5 << 20))
                    await reading

    await asyncio.gather(strangers(), member())


async def tiny(target: Target, counts: Counter[str]) -> None:
    """Pings of the line and of WebSocket, fragments of one byte, as fast as they go; the answers are not read."""
    who = target.world.stations["XX"]
    ping = frames.encode_frame(frames.Ping(1))
    while True:
        with suppress(*BROKEN):
            async with station(target, who) as client:
                client.ws.transport.pause_reading()
                for number in range(20_000):
                    await client.ws.send(ping)
                    counts["pings"] += 1
                    if number % 10 == 0:
                        await client.ws.send([ping[at : at + 1] for at in range(len(ping))])
                        await client.ws.ping(number.to_bytes(4, "big"))


async def key_packages(target: Target, counts: Counter[str]) -> None:
    """Claim every key package of an honest station."""
    who, theirs = target.world.stations["XX"], target.world.stations["KV"].kid
    while True:
        with suppress(*BROKEN):
            async with station(target, who) as client:
                reading = asyncio.create_task(drain(client.ws, counts))
                while not reading.done():
                    await client.send(frames.Claim(1, (theirs,)))
                    counts["asked"] += 1
                    await asyncio.sleep(0)


async def flash(target: Target, counts: Counter[str]) -> None:
    """A member that marks everything FLASH and hands in as much as it can, in a thread with an accomplice."""
    xx, yy = target.world.stations["XX"], target.world.stations["YY"]
    async with station(target, yy, 67) as accomplice, station(target, xx) as client:
        thread = await open_thread(client, accomplice)
        readings = [asyncio.create_task(drain(each.ws, counts)) for each in (client, accomplice)]
        while not any(reading.done() for reading in readings):
            for _ in range(20):
                client.ref += 1
                entry, parts = client.write(thread, "goodwill-note", fields={"text": "!"}, precedence="FLASH")
                thread.serial += 1
                await client.send(frames.Submit(client.ref, entry, parts))
                counts["sent"] += 1
            await asyncio.sleep(0)
            if counts["Refused line.too-fast"] and counts["sent"] % 500 == 0:
                # The serials after one that was put back lead nowhere: begin again where the hub is.
                thread.serial = counts["Accepted"] + 1
                await asyncio.sleep(0.5)


async def commits(target: Target, counts: Counter[str]) -> None:
    """Both members of a thread renew its keys at the same moment, again and again, several commits each."""
    xx, yy = target.world.stations["XX"], target.world.stations["YY"]
    async with station(target, yy, 67) as one, station(target, xx) as other:
        thread = await open_thread(other, one)
        pair: list[tuple[Client, Thread]] = [(one, one.threads[thread.id]), (other, thread)]
        while True:
            epoch = pair[0][1].epoch
            made = [(client, known, *_commit(client, known)) for client, known in pair for _ in range(2)]
            answers = await asyncio.gather(
                *(_hand_in(pair[at], [each[2:] for each in made[2 * at : 2 * at + 2]]) for at in (0, 1))
            )
            for client, known in pair:
                known.serial = _serial(answers[pair.index((client, known))], known.serial)
            won = [each for found in answers for each in found if isinstance(each[0], frames.Accepted)]
            for answer, _ in (each for found in answers for each in found):
                counts[f"{type(answer).__name__} {getattr(answer, 'code', '')}".strip()] += 1
            assert len(won) <= 1, "two commits of one epoch"
            counts["epochs"] += len(won)
            assert pair[0][1].epoch == epoch
            if not won:
                await asyncio.sleep(0.2)
                continue
            answer, staged = won[0]
            for (client, known), found in zip(pair, answers, strict=True):
                assert known.group is not None
                if any(each[1] is staged for each in found):
                    known.group.merge(staged)
                else:
                    theirs = known.group.process(staged.commit, now=int(time.time()))
                    assert isinstance(theirs, StagedPeerCommit)
                    known.group.merge(theirs)
                known.epoch += 1
                client.note(known, answer.id, answer.seq)
                client.inbox.clear()


def _serial(answers: list[tuple[Any, Any]], serial: int) -> int:
    return serial + sum(isinstance(answer, frames.Accepted) for answer, _ in answers)


def _commit(client: Client, known: Thread) -> tuple[bytes, dict[str, bytes], Any]:
    assert known.group is not None
    staged = known.group.commit(now=int(time.time()), rng=random.randbytes)
    parts = {"commit": staged.commit, "external": known.group.info_after(staged)}
    act = {"epoch": known.epoch + 1}
    payload = client.payload(known, "rekey", act, parts={name: digest(data) for name, data in parts.items()})
    return make_entry(payload, client.station.sign), parts, staged


async def _hand_in(member: tuple[Client, Thread], made: list[tuple[bytes, dict[str, bytes], Any]]) -> list[Any]:
    client, _ = member
    for entry, parts, _staged in made:
        client.ref += 1
        await client.send(frames.Submit(client.ref, entry, parts))
    first = client.ref - len(made) + 1
    return [(await client.answer(first + at), each[2]) for at, each in enumerate(made)]


ATTACKS: dict[str, Attack] = {
    each.__name__: each
    for each in (nobody, malformed, logins, slow_loris, gigantic, tiny, key_packages, flash, commits)
}
