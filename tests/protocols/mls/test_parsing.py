"""Nothing but the documented errors escapes a decoder, whatever arrives, and nothing changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocols.mls import (
    Group,
    Malformed,
    PublicGroup,
    RemoteMlsError,
    SnapshotRefused,
    StagedCommit,
    hpke_open,
    inspect_key_package,
)
from protocols.mls.codec import MAX_ELEMENTS, MAX_INPUT, Reader, decode, opaque, varint, vector
from protocols.mls.leaf_node import Extension, read_extensions
from protocols.mls.proposals import Remove, read_proposal
from protocols.mls.public_state import read_tree
from protocols.mls.ratchet_tree import ParentNode, RatchetTree
from tests.protocols.mls.harness import NOW, Person, Room, forge, person, public_of, refuse


@pytest.mark.parametrize("length", [0, 1, 63, 64, 16383, 16384, (1 << 30) - 1])
def test_lengths_are_written_and_read_alike(length: int) -> None:
    assert decode(Reader.varint, varint(length)) == length


@pytest.mark.parametrize("data", ["4000", "403f", "80000000", "80003fff", "c0000000", "ff", "40", "8000", ""])
def test_a_length_that_is_not_minimal_or_not_complete_is_refused(data: str) -> None:
    """Breaks MLS-02.1-03, MLS-02.1-04."""
    refuse(Malformed, lambda: decode(Reader.varint, bytes.fromhex(data)))


def test_a_vector_too_long_to_write_is_refused() -> None:
    refuse(Malformed, lambda: varint(1 << 30))


def test_a_vector_that_runs_past_the_end_is_refused() -> None:
    """Breaks MLS-02.1-02."""
    for data in (b"\x01", b"\x3f" + bytes(62), b"\xbf\xff\xff\xff"):
        refuse(Malformed, lambda d=data: decode(Reader.opaque, d))
        refuse(Malformed, lambda d=data: decode(lambda r: r.vector(Reader.u8), d))


def test_trailing_octets_are_refused() -> None:
    """Breaks MLS-02.1-07."""
    refuse(Malformed, lambda: decode(Reader.u8, b"\x00\x00"))


def test_a_presence_octet_other_than_0_and_1_is_refused() -> None:
    """Breaks MLS-02.1-05."""
    refuse(Malformed, lambda: decode(Reader.presence, b"\x02"))


def test_an_extension_type_twice_is_refused() -> None:
    """Breaks MLS-13.4-01."""
    refuse(Malformed, lambda: decode(read_extensions, vector([Extension(9, b""), Extension(9, b"x")])))


def test_an_input_too_large_or_with_too_many_elements_is_refused() -> None:
    """Breaks MLS-02.1-01, MLS-02.1-06."""
    refuse(Malformed, lambda: Reader(bytes(MAX_INPUT + 1)))
    bomb = opaque(bytes(MAX_ELEMENTS + 1))
    refuse(Malformed, lambda: decode(lambda r: r.vector(Reader.u8), bomb))
    assert len(decode(lambda r: r.vector(Reader.u8), opaque(bytes(MAX_ELEMENTS)))) == MAX_ELEMENTS


@pytest.mark.parametrize("data", ["0000", "0008", "00040300", "000402040000000000000000000000"])
def test_a_proposal_of_unknown_form_is_refused(data: str) -> None:
    """Breaks MLS-08.4-03, MLS-08.4-04, MLS-12.1-14."""
    refuse(Malformed, lambda: decode(read_proposal, bytes.fromhex(data)))


@cache
def scene() -> tuple[Room, Person, dict[str, bytes]]:
    """A group and one honest example of everything that can arrive."""
    room = Room(3)
    newcomer = person("new")
    staged = room[1].commit(now=NOW, rng=room.rng, add=[newcomer.bundle.key_package])
    hidden = Group.restore(room[1].snapshot()).commit(now=NOW, rng=room.rng, public=False)
    return (
        room,
        newcomer,
        {
            "application": room[1].encrypt(b"text", aad=b"aad", rng=room.rng, padding=0),
            "commit": staged.commit,
            "private commit": hidden.commit,
            "proposal": forge(room[1], Remove(2)),
            "welcome": staged.welcome or b"",
            "key package": newcomer.bundle.key_package,
            "group info": room[1].group_info(),
            "group": room[0].snapshot(),
            "staged": staged.snapshot(),
            "hub": room.hub.snapshot(),
        },
    )


def doors(room: Room, newcomer: Person) -> list[Callable[[bytes], object]]:
    """Every call that takes bytes from elsewhere."""
    return [
        lambda m: room[0].process(m, now=NOW),
        lambda m: room[0].stage(m, now=NOW),
        lambda m: room[0].decrypt(m),
        lambda m: room[0].commit(add=[m], now=NOW, rng=room.rng),
        lambda m: PublicGroup.from_group_info(m, NOW),
        lambda m: Group.join(m, newcomer.bundle, newcomer.seed, now=NOW),
        lambda m: inspect_key_package(m, now=NOW),
        lambda m: hpke_open(newcomer.seed, b"", b"", m),
    ]


def only_the_tags_differ(message: bytes) -> bool:
    """Whether the damage is where only members can see it: in the membership or confirmation tag."""
    found = public_of(message)
    for name in ("commit", "proposal"):
        honest = public_of(scene()[2][name])
        if (found.content, found.auth.signature) == (honest.content, honest.auth.signature):
            return True
    return False


def knock(message: bytes) -> None:
    """Offer a damaged message at every door."""
    room, newcomer, _ = scene()
    before = (room[0].snapshot(), room.hub.snapshot())
    for door in doors(room, newcomer):
        with pytest.raises(RemoteMlsError):
            door(message)
    hub = PublicGroup.restore(before[1])
    for public_door in (hub.stage, hub.propose):
        try:
            public_door(message, NOW)
        except RemoteMlsError:
            assert hub.snapshot() == before[1]
        else:
            assert only_the_tags_differ(message)
    for restore in (Group.restore, PublicGroup.restore, StagedCommit.restore):
        with pytest.raises(SnapshotRefused):
            restore(message)
    assert (room[0].snapshot(), room.hub.snapshot()) == before


MESSAGES = ["application", "commit", "private commit", "proposal", "welcome", "key package", "group info"]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_random_octets_are_refused(data: bytes) -> None:
    knock(data)
    knock(b"\x00\x01" + data)


@pytest.mark.parametrize("name", MESSAGES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_messages_are_refused(name: str, data: st.DataObject) -> None:
    honest = scene()[2][name]
    place = data.draw(st.integers(0, len(honest) - 1))
    octet = data.draw(st.integers(1, 255))
    knock(honest[:place] + bytes([honest[place] ^ octet]) + honest[place + 1 :])


@pytest.mark.parametrize("name", MESSAGES)
def test_truncated_and_lengthened_messages_are_refused(name: str) -> None:
    honest = scene()[2][name]
    for size in {0, 1, 2, 3, 4, 5, len(honest) // 3, len(honest) // 2, len(honest) - 1}:
        knock(honest[:size])
    knock(honest + b"\x00")


@pytest.mark.parametrize("name", ["group", "staged", "hub"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_snapshot_is_refused_or_read_but_never_crashes(name: str, data: st.DataObject) -> None:
    honest = scene()[2][name]
    place = data.draw(st.integers(0, len(honest) - 1))
    broken = honest[:place] + bytes([honest[place] ^ data.draw(st.integers(1, 255))]) + honest[place + 1 :]
    for restore in (Group.restore, PublicGroup.restore, StagedCommit.restore):
        try:
            restore(broken)
        except SnapshotRefused:
            continue


def grow(data: st.DataObject, room: Room) -> RatchetTree:
    """A tree of a member's making: real nodes in any places, with any unmerged leaves."""
    real = room[0]._public.tree
    leaves = [node for node in real.nodes[::2] if node is not None]
    nodes: list[Any] = []
    for place in range(data.draw(st.sampled_from([1, 3, 5, 7, 9, 15]))):
        if data.draw(st.booleans()):
            nodes.append(None)
        elif place % 2 == 0:
            leaf: Any = data.draw(st.sampled_from(leaves))
            nodes.append(replace(leaf, encryption_key=bytes([place + 9]) * 32, signature_key=bytes([place]) * 32))
        else:
            unmerged = data.draw(st.lists(st.integers(0, 9), max_size=3).map(lambda n: tuple(sorted(set(n)))))
            nodes.append(ParentNode(bytes([place + 9]) * 32, b"", unmerged))
    if all(node is None for node in nodes):
        nodes[0] = leaves[0]
    return RatchetTree(room.suite, nodes)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_tree_of_any_shape_is_refused_or_read_but_never_crashes(data: st.DataObject) -> None:
    room = scene()[0]
    encoded = grow(data, room).encoded
    try:
        tree = read_tree(room.suite, encoded)
        assert tree.root_hash
        tree.check_structure()
    except RemoteMlsError:
        return
    assert tree.encoded == encoded
