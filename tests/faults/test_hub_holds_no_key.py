"""Whoever seizes the hub, its store and its unlocked keys, reads nothing: there is no plaintext, and no key fits."""

from __future__ import annotations

import re
import sqlite3
from base64 import b16encode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from nacl import bindings

from protocols import mls
from protocols.mls.codec import opaque, u8, u64
from protocols.mls.errors import MlsError
from protocols.mls.framing import APPLICATION, PrivateMessage, read_message
from protocols.mls.key_schedule import from_epoch_secret
from protocols.mls.protection import _sender_data_key_nonce
from protocols.mls.suites import Suite, suite_of
from protocols.sealing import NotForUs, open_box
from tests.faults.kit import impatient, opened, positions, say, texts, until
from tests.hotline.harness import SUITE, World, connect, make_world, running_hub

KEY = re.compile(rb"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])")
LONG = re.compile(rb"[A-Za-z0-9_-]{100,}")
WORDS = "Norrhavn substation: control lost"


async def talked(world: World) -> tuple[list[bytes], str, str]:
    """Two real stations and a mediator's box, over a real hub. The groups' snapshots, the thread, a box's recipient."""
    async with (
        running_hub(world) as hub,
        impatient(world, "KV", hub.url) as kv,
        impatient(world, "AV", hub.url) as av,
    ):
        async with connect(hub.url, world, "HD"):
            pass  # its mandate is in the directory now
        thread = await opened(av, kv)
        await say(av, thread, WORDS)
        await say(kv, thread, f"Again: {WORDS}")
        report = await av.send(
            av.officers()[0].kid, thread, "breach-report", {"verifier": "HD"}, {"text": f"See {WORDS}"}
        )
        assert report.ok, report
        if report.state == "draft":
            assert (await av.release(av.officers()[1].kid, str(report.id))).ok
        await until(lambda: len(texts(kv, thread)) == 3 and len(positions(thread, av, kv)) == 1)
        groups = [station.core.threads[thread].mls for station in (av, kv)]
        assert all(groups)
    return [group for group in groups if group], thread, world.stations["HD"].seal_public


def stored(path: Path) -> Iterator[bytes]:
    """Every value of every table, as bytes."""
    with sqlite3.connect(path) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in names:
            for row in connection.execute(f'SELECT * FROM "{name}"'):
                for value in row:
                    if isinstance(value, str):
                        yield value.encode()
                    elif isinstance(value, bytes):
                        yield value


def candidates(world: World, values: list[bytes]) -> set[bytes]:
    """Every 32 bytes that could be a key: the hub's own, every value of that length, every text of one, and every
    window of what the hub keeps about groups and stations."""
    found = {world.keys.sign, world.keys.log, world.keys.operators}
    for value in values:
        found |= {urlsafe_b64decode(text + b"=") for text in KEY.findall(value)}
        if len(value) < 3_000 and not value.startswith(b"{"):
            found |= {value[at : at + 32] for at in range(len(value) - 31)}
    return found


def opens(suite: Suite, secret: bytes, message: PrivateMessage) -> bool:
    """Whether this is the epoch's key for sender data (without which no message key is found)."""
    bound = opaque(message.group_id) + u64(message.epoch) + u8(APPLICATION)
    key, nonce = _sender_data_key_nonce(suite, secret, message.ciphertext)
    try:
        suite.aead.open(key, nonce, bound, message.encrypted_sender_data)
    except MlsError:
        return False
    return True


@pytest.fixture
async def seized(tmp_path: Path) -> tuple[World, list[bytes], list[bytes], str]:
    world = make_world(tmp_path)
    groups, _, recipient = await talked(world)
    return world, groups, list(stored(tmp_path / "hub.db")), recipient


async def test_what_the_hub_stored_holds_no_plaintext_in_any_spelling(
    seized: tuple[World, list[bytes], list[bytes], str],
) -> None:
    world, _, values, _ = seized
    raw = b"".join(path.read_bytes() for path in world.path.glob("hub.db*")) + b"\0".join(values)
    words = WORDS.encode()
    for start in range(3):  # base64 of a text depends on where in a group of three bytes it stands
        for spelled in (b64encode, urlsafe_b64encode):
            inner = spelled(words[start : start + (len(words) - start) // 3 * 3])
            assert inner[4:-4] not in raw
    assert words not in raw and b16encode(words) not in raw and b16encode(words).lower() not in raw
    assert words.decode().encode("utf-16-le") not in raw
    assert b"goodwill-note" in raw, "the search would find something"


async def test_no_key_at_the_hub_opens_a_body(seized: tuple[World, list[bytes], list[bytes], str]) -> None:
    world, groups, values, recipient = seized
    suite, own = suite_of(SUITE), (world.keys.sign, world.keys.log, world.keys.operators)
    with sqlite3.connect(world.path / "hub.db") as connection:
        rows = connection.execute("SELECT name, data FROM parts WHERE name IN ('body', 'box')").fetchall()
    bodies = [body for name, data in rows if name == "body" if isinstance(body := read_message(data), PrivateMessage)]
    boxes = [data for name, data in rows if name == "box"]
    assert len(bodies) == 3 and len(boxes) == 1
    known = windows(values)
    # The trials find what fits: a member's own secret opens, and public keys of those who can read are in sight.
    assert opens(suite, mls.Group.restore(groups[0])._member.secrets.sender_data_secret, bodies[0])
    assert {exchange_key(bytes(world.stations["HD"].seal)), signing_key(world.stations["AV"].mls_seed)} <= known
    tried = candidates(world, values)
    assert len(tried) > 1_000
    for secret in tried:
        assert not opens(suite, secret, bodies[0])
        # Not the private half of anything public: no leaf's, key package's, node's, seal's or station's.
        assert exchange_key(secret) not in known
        assert signing_key(secret) not in known
    for secret in own:
        assert not opens(suite, from_epoch_secret(suite, secret).epoch.sender_data_secret, bodies[0])
        with pytest.raises(NotForUs):
            open_box(boxes[0], recipient, secret, b"")


def windows(values: list[bytes]) -> set[bytes]:
    """Every 32 bytes in a row that the hub stores, and every key that stands there as text."""
    found = {value[at : at + 32] for value in values for at in range(len(value) - 31)}
    for value in values:
        text = value
        for _ in range(3):  # payloads are base64url within JSON, drafts once more within those
            for key in KEY.findall(text):
                found.add(urlsafe_b64decode(key + b"="))
            text = b"\n".join(urlsafe_b64decode(long[: len(long) // 4 * 4]) for long in LONG.findall(text))
    return found


def exchange_key(private: bytes) -> bytes:
    """The X25519 public key."""
    return bytes(bindings.crypto_scalarmult_base(private))


def signing_key(seed: bytes) -> bytes:
    """The Ed25519 public key."""
    return bytes(bindings.crypto_sign_seed_keypair(seed)[0])
