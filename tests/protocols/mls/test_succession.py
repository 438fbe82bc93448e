"""Reinitialization into another suite, and branches: made, entered, and refused where they break RFC 9420 section 11."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from protocols.mls import (
    HYBRID,
    X25519_AES128,
    X25519_CHACHA20,
    Group,
    InvalidCommit,
    InvalidProposal,
    InvalidWelcome,
    Malformed,
    Misuse,
    Proposed,
    PublicGroup,
    StagedCommit,
    Successor,
    UnknownPsk,
    make_key_package,
)
from protocols.mls.key_package import read_key_package_message
from protocols.mls.leaf_node import APPLICATION_ID
from protocols.mls.proposals import (
    USAGE_BRANCH,
    USAGE_REINIT,
    Add,
    PreSharedKey,
    PreSharedKeyID,
    ReInit,
    Remove,
)
from tests.protocols.mls.harness import DAY, NOW, Draw, Person, Room, forge, forge_commit, person, refuse

NEXT = Successor(b"next", HYBRID, ((APPLICATION_ID, b"x"),))


def again(name: str, suite: int) -> Person:
    """Somebody's key package of another suite."""
    seed = Draw(name)(32)
    rng = Draw(name + "/again")
    return Person(
        name, seed, make_key_package(suite, name.encode(), seed, not_before=NOW - DAY, not_after=NOW + DAY, rng=rng)
    )


def closed(size: int = 3, successor: Successor = NEXT) -> tuple[Room, list[Person]]:
    """A group that a ReInit closed, and what its other members need for the next one."""
    room = Room(size)
    room.commit(1, reinit=successor)
    return room, [again(f"m{number}", successor.suite) for number in range(1, size)]


def packages(people: Sequence[Person]) -> list[bytes]:
    return [somebody.bundle.key_package for somebody in people]


def enter(staged: StagedCommit, newcomer: Person, **arguments: Any) -> Group:
    assert staged.welcome is not None
    return Group.join(staged.welcome, newcomer.bundle, newcomer.seed, now=NOW, **arguments)


def test_a_group_goes_on_in_another_suite() -> None:
    room, people = closed(3)
    assert {group.successor for group in room.groups.values()} == {NEXT}
    room.groups = {leaf: Group.restore(group.snapshot()) for leaf, group in room.groups.items()}
    room.hub = PublicGroup.restore(room.hub.snapshot())
    assert room.hub.successor == NEXT
    group, staged = room[0].reinitialize(packages(people), now=NOW, rng=room.rng)
    hub = PublicGroup.from_group_info(group.group_info(), NOW)
    hub.merge(hub.stage(staged.commit, NOW))
    group.merge(staged)
    members = [group, *(enter(staged, p, former=room[n]) for n, p in enumerate(people, 1))]
    assert len({member.epoch_authenticator for member in members}) == 1
    assert {member.tree_hash for member in members} == {hub.tree_hash}
    assert (hub.suite, hub.group_id, hub.epoch) == (HYBRID, b"next", 1)
    read = members[2].decrypt(members[1].encrypt(b"here we are", rng=room.rng))
    assert read.data == b"here we are"
    update = members[2].commit(now=NOW, rng=room.rng)
    members[1].merge(members[1].stage(update.commit, now=NOW))
    hub.merge(hub.stage(update.commit, NOW))


def test_a_reinitialization_can_be_proposed_and_committed_by_another() -> None:
    room = Room(3)
    for public in (True, False):
        room = Room(3)
        message = room[1].propose_reinit(NEXT, now=NOW, public=public, rng=room.rng)
        for leaf in (0, 2):
            assert isinstance(room[leaf].process(message, now=NOW), Proposed)
        if public:
            room.hub.propose(message, NOW)
            room.commit(2)
            assert room.hub.closed
        else:
            staged = room[2].commit(now=NOW, rng=room.rng)
            room[0].merge(room[0].stage(staged.commit, now=NOW))
            assert room[0].successor == NEXT


def test_a_closed_group_takes_nothing_more_and_a_member_cannot_reopen_it() -> None:
    """Breaks MLS-11.2-01, MLS-11.2-02."""
    room, _ = closed()
    late = forge(room[1], Remove(2))
    refuse(InvalidProposal, lambda: room.hub.propose(late, NOW), room.hub)
    refuse(InvalidCommit, lambda: room.hub.stage(forge_commit_of_closed(room), NOW), room.hub)
    for call in (
        lambda: room[0].stage(forge_commit_of_closed(room), now=NOW),
        lambda: room[0].process(late, now=NOW),
        lambda: room[0].encrypt(b"", rng=room.rng),
        lambda: room[0].branch(b"b", [], now=NOW, rng=room.rng),
        lambda: room[0].propose_remove(1, now=NOW),
    ):
        refuse(Misuse, call, room[0])


def forge_commit_of_closed(room: Room) -> bytes:
    """What a dishonest member sends after the group was closed."""
    group = Group.restore(room[1].snapshot())
    group._public = replace(group._public, reinit=None)
    return group.commit(now=NOW, rng=Draw("dishonest")).commit


def test_a_group_entered_as_a_successor_must_follow_from_the_former_one() -> None:
    """Breaks MLS-11.2-03."""
    room, people = closed(2)
    plain = Group.create(HYBRID, b"next", b"m0", room[0]._signing[:32], now=NOW, rng=room.rng)
    staged = plain.commit(add=packages(people), now=NOW, rng=room.rng)
    refuse(InvalidWelcome, lambda: enter(staged, people[0], former=room[1]), room[1])
    assert enter(staged, people[0]).epoch == 1


def test_a_successor_cannot_be_entered_without_the_former_group() -> None:
    """Breaks MLS-12.4-27."""
    room, people = closed(2)
    _, staged = room[0].reinitialize(packages(people), now=NOW, rng=room.rng)
    refuse(UnknownPsk, lambda: enter(staged, people[0]))
    stranger = Room(2)
    stranger.commit(0, reinit=replace(NEXT, group_id=b"other"))
    refuse(InvalidWelcome, lambda: enter(staged, people[0], former=stranger[1]))


def begin(room: Room, usage: int, successor: Successor, people: Sequence[Person], epoch: int = 0) -> StagedCommit:
    """A successor as a dishonest member makes it: whatever it likes, tied to the former group."""
    former = room[0]
    group = Group.create(
        successor.suite, successor.group_id, b"m0", former._signing[:32], now=NOW, rng=room.rng,
        extensions=successor.extensions,
    )  # fmt: skip
    tie = PreSharedKeyID.resumption(usage, former.group_id, epoch or former.epoch, bytes(32))
    values = [*(Add(read_key_package_message(p)) for p in packages(people)), PreSharedKey(tie)]
    return group._commit(values, former._psk_lookup(None), now=NOW, rng=room.rng)


@pytest.mark.parametrize(
    "successor",
    [
        replace(NEXT, group_id=b"elsewhere"),
        replace(NEXT, suite=X25519_AES128),
        replace(NEXT, extensions=()),
    ],
)
def test_a_successor_other_than_the_reinit_said_is_refused(successor: Successor) -> None:
    """Breaks MLS-11.2-05."""
    room, _ = closed(2)
    people = [again("m1", successor.suite)]
    staged = begin(room, USAGE_REINIT, successor, people)
    refuse(InvalidWelcome, lambda: enter(staged, people[0], former=room[1]), room[1])


def test_a_successor_of_a_group_that_was_not_closed_or_of_an_old_epoch_is_refused() -> None:
    """Breaks MLS-11.2-04."""
    room = Room(2)
    people = [again("m1", HYBRID)]
    staged = begin(room, USAGE_REINIT, NEXT, people)
    refuse(InvalidWelcome, lambda: enter(staged, people[0], former=room[1]), room[1])
    room, _ = closed(2)
    staged = begin(room, USAGE_REINIT, NEXT, people, epoch=room[0].epoch - 1)
    refuse(InvalidWelcome, lambda: enter(staged, people[0], former=room[1]), room[1])


def test_a_successor_with_other_members_is_refused() -> None:
    """Breaks MLS-11.2-06."""
    room, people = closed(3)
    for members in (people[:1], [*people, again("stranger", HYBRID)], [people[0], again("stranger", HYBRID)]):
        staged = begin(room, USAGE_REINIT, NEXT, members)
        refuse(InvalidWelcome, lambda s=staged: enter(s, people[0], former=room[1]), room[1])
        refuse(Misuse, lambda m=members: room[0].reinitialize(packages(m), now=NOW, rng=room.rng), room[0])


def test_some_members_branch_off() -> None:
    room = Room(4)
    people = [again("m2", X25519_CHACHA20)]
    group, staged = room[0].branch(b"caucus", packages(people), now=NOW, rng=room.rng)
    group.merge(staged)
    joined = enter(staged, people[0], former=room[2])
    assert joined.epoch_authenticator == group.epoch_authenticator
    assert [m.identity for m in joined.members()] == [b"m0", b"m2"]
    room.commit(3)
    room.agree()


def test_a_branch_tied_to_an_epoch_just_past_is_entered() -> None:
    room = Room(3)
    people = [again("m1", X25519_CHACHA20)]
    staged = begin(room, USAGE_BRANCH, Successor(b"b", X25519_CHACHA20), people, epoch=room[0].epoch - 1)
    assert enter(staged, people[0], former=room[1]).epoch == 1


def test_a_branch_of_another_suite_or_with_a_stranger_is_refused() -> None:
    """Breaks MLS-11.3-01, MLS-11.3-02."""
    room = Room(3)
    other = [again("m1", X25519_AES128)]
    staged = begin(room, USAGE_BRANCH, Successor(b"b", X25519_AES128), other)
    refuse(InvalidWelcome, lambda: enter(staged, other[0], former=room[1]), room[1])
    people = [again("m1", X25519_CHACHA20), again("stranger", X25519_CHACHA20)]
    staged = begin(room, USAGE_BRANCH, Successor(b"b", X25519_CHACHA20), people)
    refuse(InvalidWelcome, lambda: enter(staged, people[0], former=room[1]), room[1])
    refuse(Misuse, lambda: room[0].branch(b"b", packages(people), now=NOW, rng=room.rng), room[0])


def test_a_key_that_ties_groups_is_refused_once_a_group_has_begun() -> None:
    """Breaks MLS-12.1-03."""
    room = Room(2)
    for usage in (USAGE_REINIT, USAGE_BRANCH):
        tie = PreSharedKeyID.resumption(usage, room[0].group_id, room[0].epoch, bytes(32))
        message = forge_commit(room[1], PreSharedKey(tie))
        refuse(InvalidProposal, lambda m=message: room[0].stage(m, now=NOW), room[0])
        refuse(InvalidProposal, lambda m=message: room.hub.stage(m, NOW), room.hub)


def test_wrong_calls_are_our_own_fault() -> None:
    """Breaks MLS-12.2-03."""
    room = Room(2)
    refuse(Misuse, lambda: room[0].reinitialize([], now=NOW, rng=room.rng), room[0])
    refuse(Misuse, lambda: room[0].commit(reinit=Successor(b"n", 9), now=NOW, rng=room.rng), room[0])
    refuse(InvalidProposal, lambda: room[0].commit(reinit=NEXT, remove=[1], now=NOW, rng=room.rng), room[0])
    refuse(Misuse, lambda: room[0].propose_remove(1, now=NOW, public=False), room[0])
    refuse(Malformed, lambda: room[0].branch(b"b", [b""], now=NOW, rng=room.rng), room[0])
    assert room[0].successor is None
    assert Successor.of(ReInit(b"n", 1, 3, ())) == Successor(b"n", 3)


def test_encrypted_proposals_use_up_a_key_and_are_committed() -> None:
    room = Room(3)
    newcomer = person("new")
    messages = [
        room[1].propose_add(newcomer.bundle.key_package, now=NOW, public=False, rng=room.rng),
        room[1].propose_remove(2, now=NOW, public=False, rng=room.rng),
        room[2].propose_update(now=NOW, public=False, rng=room.rng),
    ]
    assert len(set(messages)) == 3
    for message in messages[:2]:
        assert isinstance(room[0].process(message, now=NOW), Proposed)
    staged = room[0].commit(now=NOW, rng=room.rng)
    room[1].merge(room[1].stage(staged.commit, now=NOW))
    room[0].merge(staged)
    assert [m.identity for m in room[1].members()] == [b"m0", b"m1", b"new"]
    assert room[0].epoch_authenticator == room[1].epoch_authenticator
