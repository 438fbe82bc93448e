"""What the group engine reads from others, as functions of bytes: each may raise the documented errors and nothing else.

Targets with ``member`` in their name stand behind authentication: their bytes are signed with a real member's keys first, as
a dishonest member would.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import cache

from protocols.mls import (
    Group,
    PublicGroup,
    RemoteMlsError,
    SnapshotRefused,
    StagedCommit,
    StagedPublicCommit,
    hpke_open,
    inspect_key_package,
)
from protocols.mls.codec import Reader, decode
from protocols.mls.framing import AuthenticatedContent, read_message, write_message
from protocols.mls.group_info import GroupContext, GroupInfo, GroupSecrets, Welcome
from protocols.mls.key_package import KeyPackage, read_key_package_message
from protocols.mls.leaf_node import EXTERNAL_SENDERS, REQUIRED_CAPABILITIES, Extension, LeafNode, read_extensions
from protocols.mls.proposal_rules import external_senders, required_capabilities
from protocols.mls.proposals import Commit, Proposal, UpdatePath, encode_proposal, read_proposal
from protocols.mls.public_state import check_group_info, read_tree
from tests.protocols.mls.harness import NOW, Person, Room, forge, person

Target = Callable[[bytes], None]

_STRUCTURES: tuple[Callable[[Reader], object], ...] = (
    AuthenticatedContent.read,
    Commit.read,
    GroupContext.read,
    GroupInfo.read,
    GroupSecrets.read,
    KeyPackage.read,
    LeafNode.read,
    UpdatePath.read,
    Welcome.read,
)


@cache
def scene() -> tuple[Room, Person]:
    """A group, its hub, and somebody who waits to join."""
    return Room(3), person("new")


def _all_of(calls: list[Callable[[], object]]) -> None:
    """Every call must be refused, or go well; one that leaves a trace in the group undoes it by itself."""
    for call in calls:
        try:
            call()
        except RemoteMlsError:
            continue


def message(data: bytes) -> None:
    """The outermost form; what is read is written again to the same bytes."""
    try:
        body = read_message(data)
    except RemoteMlsError:
        return
    assert write_message(body) == data


def structures(data: bytes) -> None:
    """Every structure by itself, each with one encoding only."""
    for read in _STRUCTURES:
        try:
            value = decode(read, data)
        except RemoteMlsError:
            continue
        assert value.encoded == data  # type: ignore[attr-defined]
    with contextlib.suppress(RemoteMlsError):
        assert encode_proposal(decode(read_proposal, data)) == data


def extensions(data: bytes) -> None:
    """Extension lists and the contents of those we look into."""
    _all_of(
        [
            lambda: decode(read_extensions, data),
            lambda: external_senders([Extension(EXTERNAL_SENDERS, data)]),
            lambda: required_capabilities([Extension(REQUIRED_CAPABILITIES, data)]),
            lambda: read_key_package_message(data),
        ]
    )


def tree(data: bytes) -> None:
    """A ratchet tree of any shape, with everything that is computed from one."""
    room, _ = scene()
    try:
        read = read_tree(room.suite, data)
        assert read.root_hash
        read.check_structure()
        for index, _ in read.leaves():
            read.filtered_direct_path(index)
    except RemoteMlsError:
        return
    assert read.encoded == data


def process(data: bytes) -> None:
    """Everything at a member's door; the group is as it was unless the message was honest."""
    room, newcomer = scene()
    group = Group.restore(_snapshots()[0])
    _all_of(
        [
            lambda: group.process(data, now=NOW),
            lambda: group.stage(data, now=NOW),
            lambda: group.decrypt(data),
            lambda: group.commit(add=[data], now=NOW, rng=room.rng),
            lambda: Group.join(data, newcomer.bundle, newcomer.seed, now=NOW),
            lambda: Group.join_external(data, b"x", newcomer.seed, now=NOW, rng=room.rng),
            lambda: inspect_key_package(data, now=NOW),
            lambda: hpke_open(newcomer.seed, b"", b"", data),
        ]
    )


def hub(data: bytes) -> None:
    """Everything at the hub's door."""
    group = PublicGroup.restore(_snapshots()[1])
    _all_of(
        [
            lambda: group.stage(data, NOW),
            lambda: group.propose(data, NOW),
            lambda: PublicGroup.from_group_info(data, NOW),
        ]
    )


def member_handshake(data: bytes) -> None:
    """A proposal or commit of any content, signed and tagged by a member."""
    room, _ = scene()
    contents: list[Commit | Proposal] = []
    for read in (Commit.read, read_proposal):
        try:
            contents.append(decode(read, data))  # type: ignore[arg-type]
        except RemoteMlsError:
            continue
    for content in contents:
        signed = forge(room[1], content)
        process(signed)
        hub(signed)


def member_group_info(data: bytes) -> None:
    """A GroupInfo of any content, signed by the member that it names."""
    room, _ = scene()
    try:
        info = decode(GroupInfo.read, data)
    except RemoteMlsError:
        return
    _all_of([lambda: check_group_info(info.signed(room.suite, room[0]._signing), room[0]._public.tree.encoded)])


def snapshots(data: bytes) -> None:
    """Saved states: damaged ones are refused as such."""
    for restore in (Group.restore, PublicGroup.restore, StagedCommit.restore, StagedPublicCommit.restore):
        try:
            restore(data)
        except SnapshotRefused:
            continue


@cache
def _snapshots() -> tuple[bytes, bytes]:
    room, _ = scene()
    return room[0].snapshot(), room.hub.snapshot()


TARGETS: dict[str, Target] = {
    "message": message,
    "structures": structures,
    "extensions": extensions,
    "tree": tree,
    "process": process,
    "hub": hub,
    "member-handshake": member_handshake,
    "member-group-info": member_group_info,
    "snapshots": snapshots,
}


@cache
def seeds() -> dict[str, tuple[bytes, ...]]:
    """Honest examples to begin from, by target."""
    room, newcomer = scene()
    apart = Group.restore(room[1].snapshot())
    staged = apart.commit(add=[newcomer.bundle.key_package], remove=[2], now=NOW, rng=room.rng)
    update = apart.propose_update(now=NOW, rng=room.rng)
    by_reference = apart.commit(now=NOW, rng=room.rng)
    hidden = Group.restore(room[1].snapshot()).commit(now=NOW, rng=room.rng, public=False)
    info = room[1].group_info(external_commit=True)
    _, external = Group.join_external(info, b"x", newcomer.seed, now=NOW, rng=room.rng)
    messages = (
        apart.encrypt(b"text", aad=b"aad", rng=room.rng, padding=0),
        staged.commit,
        staged.welcome or b"",
        by_reference.commit,
        hidden.commit,
        update,
        info,
        external,
        newcomer.bundle.key_package,
    )
    bodies = [read_message(data) for data in messages]
    encoded = tuple(body.encoded for body in bodies)
    contents = tuple(body.content.content for body in bodies if hasattr(body, "content"))
    handshakes = tuple(c.encoded if isinstance(c, Commit) else encode_proposal(c) for c in contents)
    saved = (*_snapshots(), staged.snapshot())
    public_tree = room.hub._state.tree.encoded
    return {
        "message": messages,
        "structures": (*encoded, *handshakes),
        "extensions": (b"\x00", b"\x04\x00\x05\x01\x00", *messages[-1:]),
        "tree": (public_tree,),
        "process": messages,
        "hub": messages,
        "member-handshake": handshakes,
        "member-group-info": tuple(body.encoded for body in bodies if isinstance(body, GroupInfo)),
        "snapshots": saved,
    }
