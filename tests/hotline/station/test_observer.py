"""The station as a witness: what it cosigns, and when it sounds the alarm."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from hotline.station.observer import Observer
from protocols import frames
from protocols.translog import Checkpoint, ed25519_cosigner, ed25519_signer, format_add_checkpoint, sign_checkpoint

LOG = ed25519_signer("hub.example/log", bytes([7]) * 32)
WITNESS = ed25519_cosigner("station.av.AV-1", bytes([8]) * 32)


class Desk:
    """What of a station's core a witness touches."""

    def __init__(self) -> None:
        self.identity = SimpleNamespace(
            log=LOG.key,
            keys=SimpleNamespace(witness=WITNESS, cosigners=(WITNESS,)),
            policy=SimpleNamespace(witnesses=[SimpleNamespace(key=WITNESS.key)]),
        )
        self.clock = SimpleNamespace(now=lambda: 2_000_000_000_000)
        self.lock = asyncio.Lock()
        self.store = self
        self.cosigned = 0
        self.alarms: dict[str, str] = {}
        self.sent: list[frames.Frame] = []

    @asynccontextmanager
    async def decide(self) -> AsyncIterator[Desk]:
        yield self

    async def swap_witness(self, *_: object) -> bool:
        return True

    async def alarm(self, name: str, sentence: str) -> None:
        self.alarms[name] = sentence

    def tell(self, *_: object) -> None:
        """Nobody watches."""

    async def send(self, frame: frames.Frame) -> None:
        self.sent.append(frame)


def head(size: int, old: int) -> frames.Head:
    note = sign_checkpoint(Checkpoint(LOG.key.name, size, bytes([size]) * 32), LOG)
    return frames.Head(format_add_checkpoint(old, (), note).decode())


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def observer(desk: Desk) -> Observer:
    core: Any = desk
    made = Observer(core, desk.send, lambda: 1)
    made.load(15, bytes([15]) * 32, 1_999_999_000)
    return made


async def test_a_log_that_stays_shorter_than_what_was_cosigned_sounds_the_alarm(desk: Desk, observer: Observer) -> None:
    await observer.head(head(14, 14))
    assert desk.alarms == {}, "offers may overtake each other once"
    await observer.head(head(14, 14))
    assert "shorter" in desk.alarms["log"]
    assert desk.sent == [frames.Cosign(15, "")] * 2


async def test_heads_that_overtook_each_other_are_no_alarm(desk: Desk, observer: Observer) -> None:
    await observer.head(head(14, 14))
    await observer.head(head(15, 15))
    await observer.head(head(14, 14))
    assert desk.alarms == {}
    assert desk.cosigned == 15


async def test_a_hub_that_forgot_what_we_cosigned_is_told_and_is_no_alarm(desk: Desk, observer: Observer) -> None:
    for _ in range(3):
        await observer.head(head(16, 14))
    assert desk.alarms == {}
    assert desk.sent == [frames.Cosign(15, "")] * 3
