"""Hostile clients against a real hub: honest stations keep exchanging, memory stays bounded, nothing raises.

A few seconds each; with HOTLINE_HOSTILE_SECONDS=60, a minute each. Times are printed (``-s``) and never judged.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import aiohttp
import pytest

from hotline import keystore
from hotline.hub import folder
from hotline.hub.hub import HubKeys
from hotline.ladders import load
from protocols.entry import parse_entry
from protocols.frames import Accepted, Deliver, Submit, encode_frame
from tests.faults.hostile import ATTACKS, Target, launch
from tests.hotline.harness import Client, Thread, World, connect, make_world, open_thread
from tests.hotline.hub.test_process import PASSPHRASE, Serving

SECONDS = float(os.environ.get("HOTLINE_HOSTILE_SECONDS", "3"))
PAUSE = 0.05
"""Seconds between two honest entries."""
GROWTH = 160 << 20
"""Bytes by which the hub may grow under attack. What the limits below allow strangers and one hostile connection together,
and the hub's 32 MiB of newest entries."""
LIMITS = """
[limits]
login = 2.0
strangers = 128
strangers_each = 48
office_entries = 1800
station_entries = 1800
office_urgent = 30
claims_each_per_hour = 10
"""


def make_hub(path: Path) -> tuple[World, Path, int]:
    """A hub's folder under limits that a few seconds reach, for an accord with two more parties, the hostile ones."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    hub, address = path / "hub", f"ws://127.0.0.1:{port}/line"
    now, listen = time.time_ns() // 1_000_000, f"127.0.0.1:{port}"
    card = folder.create(
        hub, name="hub.test", addresses=(address,), listen=listen, passphrase=PASSPHRASE, now=now, plain=True,
        profile="interactive",
    )  # fmt: skip
    made = keystore.unlock(hub / "hub.key", PASSPHRASE)
    keys = HubKeys(made["sign"], made["log"], made["operators"])
    world = make_world(
        hub, scale=1200, keys=keys, tls=card.tls, addresses=card.addresses, origin="hub.test/log",
        others={"XX": "party", "YY": "party"},
    )  # fmt: skip
    folder.install(hub, world.accord.data, (load("cpci-default"),))
    with (hub / "hub.toml").open("a") as settings:
        settings.write(LIMITS)
    (path / "passphrase").write_bytes(PASSPHRASE)
    (path / "passphrase").chmod(0o600)
    return world, hub, port


def weight(pid: int) -> int:
    """Resident bytes of a process."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


async def metrics(port: int) -> dict[str, float]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


async def talk(av: Client, thread: Thread, sent: dict[int, float], more: Callable[[], bool]) -> None:
    """Honest entries at an even pace, while there is to be ``more``; each must be accepted."""
    while more():
        begun = time.monotonic()
        av.ref += 1
        entry, parts = av.write(thread, "goodwill-note", fields={"text": str(len(sent))})
        await av.ws.send(encode_frame(Submit(av.ref, entry, parts)))
        answer = await av.answer(av.ref)
        assert isinstance(answer, Accepted), answer
        thread.serial += 1
        av.note(thread, answer.id, answer.seq)
        sent[answer.seq] = begun
        av.inbox.clear()
        await asyncio.sleep(PAUSE)


async def listen(kv: Client, thread: Thread, heard: list[tuple[int, float]]) -> None:
    while True:
        frame = await kv.expect(Deliver)
        assert parse_entry(frame.leaf).payload.thread == thread.id
        heard.append((frame.seq, time.monotonic()))
        kv.inbox.clear()


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


@pytest.mark.faults
@pytest.mark.parametrize("name", ATTACKS)
async def test_honest_stations_keep_exchanging_under(name: str, tmp_path: Path) -> None:
    world, hub, port = await asyncio.to_thread(make_hub, tmp_path)
    serving, url = Serving(tmp_path, hub, port, plain=True), f"ws://127.0.0.1:{port}/line"
    await serving.start()
    assert serving.process is not None
    pid, sent, heard = serving.process.pid, dict[int, float](), list[tuple[int, float]]()
    try:
        async with connect(url, world, "AV") as av, connect(url, world, "KV") as kv:
            await kv.publish(20)
            thread = await open_thread(av, kv)
            before = most = weight(pid)
            attacker, pipe = launch(ATTACKS[name], Target(world, port, SECONDS))
            listening = asyncio.create_task(listen(kv, kv.threads[thread.id], heard))
            end = time.monotonic() + SECONDS + 0.5
            talking = asyncio.create_task(talk(av, thread, sent, lambda: time.monotonic() < end or attacker.is_alive()))
            strangers = 0.0
            while not talking.done():
                most, strangers = max(most, weight(pid)), max(strangers, (await metrics(port))["hotline_strangers"])
                await asyncio.sleep(0.25)
            await talking
            # Who lost the line in the middle of it all comes back from where honest stations are.
            async with connect(url, world, "MD"):
                pass
            assert isinstance(await av.claim(kv.station.kid), dict)
            async with asyncio.timeout(30):
                while len(heard) < len(sent):
                    assert not listening.done(), listening.exception()
                    await asyncio.sleep(0.01)
            listening.cancel()
            await asyncio.to_thread(attacker.join, 30)
            assert attacker.exitcode == 0, "the attacker itself failed"
            counts = pipe.recv()
            found = await metrics(port)
    finally:
        status = await serving.end(signal.SIGTERM)
    delays = [at - sent[seq] for seq, at in heard]
    limited = {key[22:-2]: int(value) for key, value in found.items() if key.startswith("hotline_limited_total{")}
    print(
        f"\n{name}: {len(sent)} honest entries, p50 {percentile(delays, 0.5) * 1000:.1f} ms, "
        f"p99 {percentile(delays, 0.99) * 1000:.1f} ms; hub {before >> 20} MiB, at most {most >> 20} MiB, "
        f"strangers at most {strangers:.0f}; limited {limited}; attacker {counts}"
    )
    assert [seq for seq, _ in heard] == sorted(sent), "lost, doubled or out of order"
    assert most - before < GROWTH
    assert strangers <= 128
    assert found["hotline_faults_total"] == 0, [
        line for line in (tmp_path / "hub.log").read_text().splitlines() if "fault" in line
    ][:1]
    assert status == 0
    said = (tmp_path / "hub.log").read_text()
    assert "Traceback" not in said, said[-4000:]
    assert name == "nobody" or counts, "the attacker did nothing"
