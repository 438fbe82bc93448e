"""Signature checks beside the hub: only what holds is said to hold, and a process that fails costs nothing but time."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from hotline.hub import beside, writer
from hotline.hub.beside import NOTHING, Beside
from protocols.entry import parse_entry, signatures_of
from protocols.frames import Accepted, Refused, Submit
from protocols.jws import Jws
from protocols.keys import BadSignature, SeedSigner
from tests.hotline.harness import connect, make_world, open_thread, running_hub

SIGNER = SeedSigner(bytes(range(32)))


def triple(number: int) -> tuple[bytes, bytes, bytes]:
    message = b"message %d" % number
    return SIGNER.public, message, SIGNER.sign(message)


@pytest.fixture
async def running() -> AsyncIterator[Beside]:
    made = Beside()
    made.start()
    await until(lambda: made.runs)
    yield made
    await made.close()


async def until(holds: object) -> None:
    async with asyncio.timeout(30):
        while not holds():  # type: ignore[operator]
            await asyncio.sleep(0.01)


async def test_of_many_signatures_exactly_those_that_hold_are_proven(running: Beside) -> None:
    good = [triple(number) for number in range(200)]
    bad = [
        (good[0][0], good[0][1] + b"!", good[0][2]),
        (good[0][0], good[0][1], good[1][2]),
        (SeedSigner(bytes(32)).public, good[0][1], good[0][2]),
        (b"short", good[0][1], good[0][2]),
        (good[0][0], good[0][1], b""),
    ]
    asked = [running.check([good[number], *bad, good[-number]]) for number in range(1, 100)]
    await running.wait(asked)
    for number, found in enumerate(asked, 1):
        assert found.result() == {good[number], good[-number]}


async def test_a_process_that_is_killed_leaves_everything_unknown_and_nobody_waiting(running: Beside) -> None:
    process = running._process
    assert process is not None
    asked = [running.check([triple(number)]) for number in range(3)]
    os.kill(process.pid, signal.SIGKILL)
    await running.wait(asked)
    assert all(found.result() <= {triple(number)} for number, found in enumerate(asked))
    await until(lambda: not running.runs)
    later = running.check([triple(9)])
    await running.wait([later])
    assert later.result() == NOTHING
    running.start()
    await asyncio.sleep(0)
    assert not running.runs, "one that just failed is not tried again at once"
    await running.close()
    assert process.returncode is not None, "closing waits for one that ended by itself, too"


async def test_a_process_that_does_not_answer_is_ended_and_waited_for_no_longer(
    running: Beside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside, "PATIENCE", 0.2)
    process = running._process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    asked = [running.check([triple(1)]), running.check([triple(2)])]
    await running.wait(asked)
    assert [found.result() for found in asked] == [NOTHING, NOTHING]
    assert await process.wait() == -signal.SIGKILL


async def test_without_a_process_nothing_is_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside.sys, "executable", "/nowhere/python")
    made = Beside()
    made.start()
    found = made.check([triple(1)])
    await made.wait([found])
    assert found.result() == NOTHING
    await asyncio.sleep(0.1)
    assert not made.runs
    await made.close()


async def test_a_crowd_is_checked_beside_and_a_false_signature_in_it_is_refused_as_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "CROWD", 0)
    world = make_world(tmp_path)
    proven: list[int] = []
    check = Beside.check

    def counted(self: Beside, triples: list[tuple[bytes, bytes, bytes]]) -> asyncio.Future[frozenset[object]]:
        found = check(self, triples)
        found.add_done_callback(lambda done: proven.append(len(done.result())))
        return found  # type: ignore[return-value]

    monkeypatch.setattr(Beside, "check", counted)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = await open_thread(av, kv)
        await until(lambda: hub.hub.writer._beside.runs)
        pid = hub.hub.writer._beside._process.pid
        entry, parts = av.write(thread, "goodwill-note", fields={"text": "true"})
        made = parse_entry(entry).jws
        last = made.signatures[-1]
        assert last.role == "station"
        forged = replace(last, signature=bytes([last.signature[0] ^ 1]) + last.signature[1:])
        await av.send(Submit(1, Jws(made.payload, (*made.signatures[:-1], forged)).to_bytes(), parts))
        refused = await av.expect(Refused)
        assert (refused.ref, refused.code) == (1, BadSignature.code)
        await av.send(Submit(2, entry, parts))
        assert (await av.expect(Accepted)).ref == 2
        signed = len(signatures_of(parse_entry(entry), hub.hub.directory.book, hub.hub.clock.now()))
        assert proven[-2:] == [signed - 1, signed] and signed >= 2
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)  # it ended with its hub
