"""An own entry that comes back is compared, not believed; kept groups, items and frames are what they were."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

import pytest
from msgspec.structs import replace

from hotline.station.inbox import MOST, MOST_BYTES, Inbox
from hotline.station.items import Items
from hotline.station.live_groups import LiveGroups
from hotline.station.outbox import Intent, Item
from hotline.station.own_again import Remembered, name_of, remembering, stamped
from protocols import jws
from protocols.encoding import b64u
from protocols.entry import TYP, Entry, Stamp, parse_entry, stamp_entry, verify_entry
from protocols.errors import ProtocolError
from protocols.keys import BadSignature, SeedSigner
from protocols.mandate import MandateBook, sign_mandate
from protocols.mls import X25519_CHACHA20, Group
from tests.hotline.harness import Client, Thread, World, make_world, mandate_of


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


@pytest.fixture
def book(world: World) -> MandateBook:
    made = MandateBook(world.accord.accord)
    cast = world.stations["AV"]
    for data in (cast.mandate, *cast.officer_mandates):
        made.add_bytes(data)
    return made


@pytest.fixture
def sent(world: World) -> Entry:
    client = Client(world, world.stations["AV"], None, None)  # type: ignore[arg-type]
    entry, _ = client.write(Thread(b64u(secrets.token_bytes(16)), None), "acknowledgement", {"entry": "A" * 43})
    return remembering(parse_entry(entry))


def leaf_of(world: World, sent: Entry, at: int = 1_795_000_000_000) -> bytes:
    return stamp_entry(sent, Stamp(at, 2, 1, "A" * 43, "A" * 43), SeedSigner(world.keys.sign))


def test_what_comes_back_is_the_same_entry_as_if_it_were_read_anew(
    world: World, sent: Entry, book: MandateBook
) -> None:
    leaf = leaf_of(world, sent)
    verify_entry(sent, world.accord, book, at=1_795_000_000_000)
    again, anew = stamped(sent, leaf), parse_entry(leaf)
    assert name_of(leaf) == sent.id == anew.id
    assert again.payload == anew.payload and again.jws.to_bytes() == leaf
    assert verify_entry(again, world.accord, book, at=1_795_000_000_000).officers == (
        verify_entry(anew, world.accord, book, at=1_795_000_000_000).officers
    )


def test_a_signature_that_held_is_not_computed_again_and_another_is(
    world: World, sent: Entry, book: MandateBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify_entry(sent, world.accord, book, at=1_795_000_000_000)
    count = 0
    plain = jws.verify

    def verify(*args: bytes) -> None:
        nonlocal count
        count += 1
        plain(*args)

    monkeypatch.setattr(jws, "verify", verify)
    again = stamped(sent, leaf_of(world, sent))
    verify_entry(again, world.accord, book, at=1_795_000_000_000)
    assert count == 0
    held = again.jws.signatures[0]
    assert isinstance(held, Remembered)
    with pytest.raises(BadSignature):
        held.check(again.jws.payload, secrets.token_bytes(32))
    with pytest.raises(BadSignature):
        held.check(again.jws.payload + "A", world.stations["AV"].officers[0].public)
    assert count == 2


def test_a_leaf_with_another_signature_in_an_own_ones_place_is_read_and_checked_anew(
    world: World, sent: Entry, book: MandateBook
) -> None:
    verify_entry(sent, world.accord, book, at=1_795_000_000_000)
    mine = sent.jws.signatures
    other = jws.sign(sent.jws.payload, SeedSigner(secrets.token_bytes(32)), typ=TYP, role="station")
    forged = replace(
        sent, jws=jws.Jws(sent.jws.payload, (mine[0], replace(other, kid=mine[1].kid, protected=mine[1].protected)))
    )
    again = stamped(sent, leaf_of(world, forged))
    assert not any(isinstance(each, Remembered) for each in again.jws.signatures)
    with pytest.raises(BadSignature):
        verify_entry(again, world.accord, book, at=1_795_000_000_000)


def test_a_leaf_with_more_behind_our_signatures_than_one_stamp_is_read_anew_or_refused(
    world: World, sent: Entry
) -> None:
    leaf = leaf_of(world, sent)
    begun = len(sent.jws.to_bytes()) - 2
    stamp = leaf[begun + 1 : -2]
    twice = leaf[:-2] + b"," + stamp + b"]}"
    for bad in (twice, leaf + b" ", leaf[:-1], leaf[: begun + 1] + b"]}", leaf[:begun] + b"]}]}"):
        with pytest.raises(ProtocolError):
            stamped(sent, bad)
    # A third signature in our own role is no stamp.
    again = jws.sign(sent.jws.payload, SeedSigner(secrets.token_bytes(32)), typ=TYP, role="station")
    with pytest.raises(ProtocolError):
        stamped(sent, sent.jws.with_signature(again).to_bytes())
    assert stamped(sent, sent.jws.to_bytes()).jws.to_bytes() == sent.jws.to_bytes()


def test_mandates_are_asked_again_at_the_stamped_time(world: World, sent: Entry, book: MandateBook) -> None:
    verify_entry(sent, world.accord, book, at=1_795_000_000_000)
    cast = world.stations["AV"]
    ended = mandate_of(
        "AV", "officer 1", cast.officers[0], ("drafter", "releaser"), 90, not_after="2026-01-01T00:00:00.000Z"
    )
    book.add_bytes(sign_mandate(ended, world.roots["AV"]))
    with pytest.raises(ProtocolError):
        verify_entry(stamped(sent, leaf_of(world, sent)), world.accord, book, at=1_795_000_000_000)


@pytest.mark.parametrize("rubbish", [b"", b"{", b'{"payload":"', b'{"payload":"abc', bytes(100)])
def test_rubbish_has_a_name_too_and_is_refused(sent: Entry, rubbish: bytes) -> None:
    assert len(name_of(rubbish)) == 43
    with pytest.raises(ProtocolError):
        stamped(sent, rubbish)


def group() -> Group:
    seed = secrets.token_bytes(32)
    return Group.create(X25519_CHACHA20, b"g" * 16, b"AV", seed, now=1_795_000_000, rng=secrets.token_bytes)


def test_a_group_is_handed_out_once_and_only_for_the_very_snapshot_that_was_kept() -> None:
    live, first = LiveGroups(), group()
    kept = live.keep("t", first)
    assert live.open("t", kept) is first
    assert live.open("t", kept) is not first, "it was not kept again: what became of it is unknown"
    kept = live.keep("t", first)
    assert live.open("t", bytes(bytearray(kept))) is not first, "the same bytes from elsewhere"


def test_a_group_that_moved_on_without_being_stored_is_read_anew() -> None:
    live, first = LiveGroups(), group()
    stored = live.keep("t", first)
    moved = live.open("t", stored)
    moved.encrypt(b"never left", rng=secrets.token_bytes)
    live.keep("t", moved)
    assert live.open("t", stored).snapshot() == stored


def test_a_group_that_was_let_go_is_not_kept() -> None:
    live, first = LiveGroups(), group()
    kept = live.keep("t", first)
    live.forget("t")
    live.forget("t")
    assert live.open("t", kept) is not first


def item(row: str, state: str = "queued", entry: str | None = None) -> Item:
    return Item(1, row, "thread", state, Intent("goodwill-note", {}, 0), entry)


def test_items_that_were_accepted_are_found_by_entry_and_no_longer_gone_through() -> None:
    items = Items()
    items["a"], items["b"] = item("a", "sending", "entry a"), item("b")
    assert items.sealed_as("entry a") is items["a"] and items.sealed_as("other") is None
    items["a"].state = "accepted"
    assert items.open() == [items["b"]]
    assert items.sealed_as("entry a") is items["a"]
    items["b"].entry = "entry b"
    assert items.sealed_as("entry b") is items["b"]
    items["b"].entry = "entry b, sealed anew"
    assert items.sealed_as("entry b") is None and items.sealed_as("entry b, sealed anew") is items["b"]
    assert items.pop("nobody") is None
    assert items.pop("a") is not None
    assert items.sealed_as("entry a") is None and list(items) == ["b"]
    del items["b"]
    assert items.open() == []


async def test_an_inbox_hands_over_all_that_waits_in_order_and_then_says_why_it_ended() -> None:
    inbox = Inbox()
    for number in range(3):
        await inbox.put(bytes([number]))
    inbox.close(ConnectionResetError("gone"))
    assert await inbox.take() == [b"\0", b"\1", b"\2"]
    with pytest.raises(ConnectionResetError):
        await inbox.take()


@pytest.mark.parametrize("frames", [[b"x"] * MOST, [bytes(MOST_BYTES)], [bytes(MOST_BYTES + 1)]])
async def test_an_inbox_that_is_full_holds_its_reader_up(frames: list[bytes]) -> None:
    inbox = Inbox()
    for frame in frames:
        await inbox.put(frame)
    late = asyncio.create_task(inbox.put(b"late"))
    await asyncio.sleep(0.01)
    assert not late.done()
    assert await inbox.take() == frames
    await late
    assert await inbox.take() == [b"late"]
