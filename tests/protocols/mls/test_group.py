"""What honest members do, in every suite: create, join, commit, propose, remove, save, restore."""

from __future__ import annotations

import pytest

from protocols.mls import (
    ENGINE,
    HYBRID,
    Group,
    InvalidProposal,
    InvalidWelcome,
    MemberGroup,
    Misuse,
    Proposed,
    PublicGroup,
    SnapshotRefused,
    StagedCommit,
    StagedPeerCommit,
    StagedPublicCommit,
    Unsupported,
)
from protocols.mls.errors import LocalMlsError, MlsError, RemoteMlsError
from protocols.mls.leaf_node import APPLICATION_ID
from protocols.mls.proposals import ReInit
from tests.protocols.mls.harness import ALL_SUITES, NOW, Draw, Room, forge, person, refuse


@pytest.mark.parametrize("suite", ALL_SUITES)
@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
def test_groups_of_every_size_agree(suite: int, size: int) -> None:
    room = Room(size, suite)
    room.agree()
    assert [m.identity for m in room.hub.members()] == [b"m%d" % n for n in range(size)]
    assert room[0].suite == suite
    exported = {group.export("hotline", b"context", 48) for group in room.groups.values()}
    assert len(exported) == 1
    assert len(exported.pop()) == 48


def test_exported_secrets_differ_by_label_context_and_epoch() -> None:
    room = Room(2)
    values = {room[0].export("a", b"", 32), room[0].export("b", b"", 32), room[0].export("a", b"x", 32)}
    room.commit(1)
    values.add(room[0].export("a", b"", 32))
    assert len(values) == 4


def test_a_commit_changes_nothing_until_it_is_merged() -> None:
    room = Room(3)
    before = room[1].snapshot()
    staged = room[1].commit(now=NOW, rng=room.rng, add=[person("new").bundle.key_package])
    assert room[1].snapshot() == before
    assert staged.epoch == room[1].epoch + 1
    assert [m.identity for m in staged.members] == [b"m0", b"m1", b"m2", b"new"]
    assert [m.identity for m in staged.added] == [b"new"]


def test_staging_a_commit_changes_nothing_and_tells_who_comes_and_goes() -> None:
    room = Room(4)
    staged = room[1].commit(now=NOW, rng=room.rng, add=[person("new").bundle.key_package], remove=[2], aad=b"entry 12")
    for group in (room[0], room[3]):
        before = group.snapshot()
        peer = group.stage(staged.commit, now=NOW)
        assert group.snapshot() == before
        assert (peer.sender, peer.epoch, peer.aad) == (1, group.epoch + 1, b"entry 12")
        assert [m.identity for m in peer.added] == [b"new"]
        assert [m.identity for m in peer.removed] == [b"m2"]
        assert peer.members == staged.members
        assert not peer.removes_us
    assert room[2].stage(staged.commit, now=NOW).removes_us
    public = room.hub.stage(staged.commit, NOW)
    assert (public.members, public.aad, public.sender) == (staged.members, b"entry 12", 1)


def test_a_pending_commit_survives_a_crash() -> None:
    room = Room(3)
    newcomer = person("new")
    staged = room[1].commit(now=NOW, rng=room.rng, add=[newcomer.bundle.key_package])
    saved_group, saved_commit = room[1].snapshot(), staged.snapshot()
    again = StagedCommit.restore(saved_commit)
    assert (again.commit, again.welcome, again.members) == (staged.commit, staged.welcome, staged.members)
    assert again.snapshot() == saved_commit
    room.groups[1] = Group.restore(saved_group)
    room.follow(1, again)
    joined = Group.join(again.welcome or b"", newcomer.bundle, newcomer.seed, now=NOW)
    room.groups[joined.own_leaf] = joined
    room.agree()


def test_a_pending_commit_is_dropped_when_another_was_first() -> None:
    room = Room(3)
    mine = room[1].commit(now=NOW, rng=room.rng)
    room.commit(2)
    with pytest.raises(LocalMlsError):
        room[1].merge(mine)
    room.commit(1)
    room.agree()


def test_a_commit_without_arguments_renews_the_committers_keys() -> None:
    room = Room(3)
    before = room.hub._state.tree.leaf(1)
    room.commit(1)
    after = room.hub._state.tree.leaf(1)
    assert before is not None
    assert after is not None
    assert before.encryption_key != after.encryption_key
    assert before.signature_key == after.signature_key


def test_a_leaf_that_became_free_is_given_to_the_next_newcomer() -> None:
    room = Room(5)
    room.commit(0, remove=[1, 3])
    room.add([person("a"), person("b"), person("c")], by=4)
    assert {m.leaf: m.identity for m in room.hub.members()} == {
        0: b"m0",
        1: b"a",
        2: b"m2",
        3: b"b",
        4: b"m4",
        5: b"c",
    }
    for leaf in list(room.groups):
        room.commit(leaf)
    room.agree()


def test_members_can_be_exchanged_in_one_commit() -> None:
    room = Room(3)
    newcomer = person("new")
    staged = room.commit(0, remove=[1], add=[newcomer.bundle.key_package])
    room.groups[1] = Group.join(staged.welcome or b"", newcomer.bundle, newcomer.seed, now=NOW)
    room.agree()
    message = room[1].encrypt(b"hello", rng=room.rng)
    assert room[2].decrypt(message).data == b"hello"


def test_a_large_group_shrinks_to_one() -> None:
    room = Room(8)
    room.commit(0, remove=[7, 6, 5, 4])
    assert room.hub._state.tree.leaf_count == 4
    room.commit(3, remove=[0, 1, 2])
    assert [m.leaf for m in room.hub.members()] == [3]
    room.commit(3)
    room.add([person("new")], by=3)
    room.agree()


@pytest.mark.parametrize("suite", ALL_SUITES)
def test_proposals_by_reference_are_committed_by_anybody(suite: int) -> None:
    room = Room(4, suite)
    newcomer = person("new", suite)
    messages = [
        room[1].propose_add(newcomer.bundle.key_package, now=NOW),
        room[2].propose_update(now=NOW, rng=room.rng),
        room[2].propose_remove(3, now=NOW),
    ]
    for message in messages:
        for group in room.groups.values():
            assert isinstance(group.process(message, now=NOW), Proposed)
        room.hub.propose(message, NOW)
    room.groups[2] = Group.restore(room[2].snapshot())
    room.hub = PublicGroup.restore(room.hub.snapshot())
    staged = room.commit(0)
    joined = Group.join(staged.welcome or b"", newcomer.bundle, newcomer.seed, now=NOW)
    room.groups[joined.own_leaf] = joined
    assert [m.identity for m in room.hub.members()] == [b"m0", b"m1", b"m2", b"new"]
    for leaf in list(room.groups):
        room.commit(leaf)
    room.agree()


def test_a_proposal_is_forgotten_when_the_epoch_ends() -> None:
    room = Room(3)
    room[1].propose_remove(2, now=NOW)
    room.commit(0)
    room.commit(1)
    assert len(room.hub.members()) == 3


def test_a_commit_can_leave_waiting_proposals_out() -> None:
    room = Room(3)
    message = room[1].propose_remove(2, now=NOW)
    for leaf in (0, 2):
        room[leaf].process(message, now=NOW)
    room.hub.propose(message, NOW)
    room.commit(0, pending=False)
    assert len(room.hub.members()) == 3


def test_handshakes_can_be_encrypted_too() -> None:
    room = Room(3)
    staged = room[1].commit(now=NOW, rng=room.rng, public=False)
    for leaf in (0, 2):
        peer = room[leaf].process(staged.commit, now=NOW)
        assert isinstance(peer, StagedPeerCommit)
        room[leaf].merge(peer)
    room[1].merge(staged)
    assert len({group.epoch_authenticator for group in room.groups.values()}) == 1


def test_external_pre_shared_keys_are_mixed_in_for_members_and_newcomers() -> None:
    room = Room(2)
    newcomer = person("new")
    keys = {b"agreed": b"in person", b"again": b"by courier"}
    staged = room[0].commit(now=NOW, rng=room.rng, add=[newcomer.bundle.key_package], psks=keys)
    room[1].merge(room[1].stage(staged.commit, now=NOW, psks=keys))
    room[0].merge(staged)
    joined = Group.join(staged.welcome or b"", newcomer.bundle, newcomer.seed, now=NOW, psks=keys)
    assert len({g.epoch_authenticator for g in (room[0], room[1], joined)}) == 1


@pytest.mark.parametrize("suite", ALL_SUITES)
def test_a_station_that_lost_its_state_comes_back_by_an_external_commit(suite: int) -> None:
    room = Room(4, suite)
    info = room[1].group_info(external_commit=True)
    del room.groups[2]
    group, commit = Group.join_external(info, b"m2", Draw("m2")(32), now=NOW, rng=room.rng, replaces=2)
    room.hub.merge(room.hub.stage(commit, NOW))
    for other in room.groups.values():
        staged = other.stage(commit, now=NOW)
        assert staged.sender is None
        assert [m.identity for m in staged.added] == [b"m2"]
        assert [m.identity for m in staged.removed] == [b"m2"]
        other.merge(staged)
    room.groups[group.own_leaf] = Group.restore(group.snapshot())
    room.agree()
    for leaf in list(room.groups):
        room.commit(leaf)
    room.agree()


def test_an_external_commit_needs_an_invitation_to_one() -> None:
    room = Room(2)
    info = room[1].group_info()
    refuse(InvalidWelcome, lambda: Group.join_external(info, b"x", bytes(32), now=NOW, rng=room.rng))


def test_the_groups_extensions_can_be_set_and_are_agreed_on() -> None:
    """Breaks MLS-12.1-11."""
    seed = Draw("x")(32)
    group = Group.create(3, b"g", b"a", seed, now=NOW, rng=Draw(), extensions=[(APPLICATION_ID, b"1")])
    staged = group.commit(now=NOW, rng=Draw("y"), extensions=[(APPLICATION_ID, b"2")])
    group.merge(staged)
    assert group._public.context.extensions[0].data == b"2"
    with pytest.raises(Misuse):
        Group.create(3, b"g", b"a", seed, now=NOW, rng=Draw(), extensions=[(0xF123, b"")])


def test_a_group_closed_for_reinitialization_takes_nothing_more() -> None:
    room = Room(3)
    late = room[2].encrypt(b"late", rng=room.rng)
    message = forge(room[1], ReInit(b"next", 1, HYBRID, ()))
    for group in room.groups.values():
        group.process(message, now=NOW)
    room.hub.propose(message, NOW)
    room.commit(0)
    assert room.hub.closed
    for group in room.groups.values():
        assert group.closed
        refuse(Misuse, lambda g=group: g.encrypt(b"", rng=room.rng), group)
        refuse(Misuse, lambda g=group: g.commit(now=NOW, rng=room.rng), group)
    assert Group.restore(room[0].snapshot()).decrypt(late).data == b"late"


def test_snapshots_are_complete() -> None:
    room = Room(4)
    room[1].encrypt(b"x", rng=room.rng)
    room[1].propose_update(now=NOW, rng=room.rng)
    for group in room.groups.values():
        assert Group.restore(group.snapshot()).snapshot() == group.snapshot()
    assert PublicGroup.restore(room.hub.snapshot()).snapshot() == room.hub.snapshot()
    public = room.hub.stage(room[2].commit(now=NOW, rng=room.rng, pending=False).commit, NOW)
    restored = StagedPublicCommit.restore(public.snapshot())
    assert restored.snapshot() == public.snapshot()
    room.hub.merge(restored)


def test_a_damaged_snapshot_is_refused_as_such() -> None:
    room = Room(2)
    data = room[0].snapshot()
    for broken in (b"", data[:-1], data + b"\x00", b"X" + data[1:], data[:5] + b"\x02" + data[6:], data[:40]):
        refuse(SnapshotRefused, lambda b=broken: Group.restore(b))
    refuse(SnapshotRefused, lambda: PublicGroup.restore(data))
    refuse(SnapshotRefused, lambda: StagedCommit.restore(data))


def test_wrong_calls_are_our_own_fault() -> None:
    """Breaks MLS-12.1-02."""
    room = Room(2)
    for length in (-1, 255 * 32 + 1, 1 << 20):
        refuse(Misuse, lambda n=length: room[0].export("label", b"", n), room[0])
    assert len(room[0].export("label", b"", 255 * 32)) == 255 * 32
    refuse(Misuse, lambda: Group.create(9, b"g", b"a", bytes(32), now=NOW, rng=room.rng))
    refuse(Misuse, lambda: Group.create(3, b"g", b"a", b"short", now=NOW, rng=room.rng))
    refuse(InvalidProposal, lambda: room[0].commit(now=NOW, rng=room.rng, remove=[0]), room[0])
    refuse(InvalidProposal, lambda: room[0].commit(now=NOW, rng=room.rng, remove=[7]), room[0])
    refuse(InvalidProposal, lambda: room[0].propose_remove(7, now=NOW), room[0])
    refuse(Unsupported, lambda: room[0].stage(b"\x00\x09\x00\x00", now=NOW), room[0])


def test_our_implementation_is_an_engine() -> None:
    seed = Draw("e")(32)
    group: MemberGroup = ENGINE.create(HYBRID, b"g", b"a", seed, now=NOW, rng=Draw())
    bundle = ENGINE.make_key_package(HYBRID, b"b", seed[::-1], not_before=NOW, not_after=NOW + 9, rng=Draw("k"))
    assert ENGINE.inspect_key_package(bundle.key_package, now=NOW).ref == bundle.ref
    hub = ENGINE.follow(group.group_info(), NOW)
    staged = group.commit(add=[bundle.key_package], now=NOW, rng=Draw("c"))
    hub.merge(hub.stage(staged.commit, NOW))
    group.merge(staged)
    joined = ENGINE.join(staged.welcome or b"", bundle, seed[::-1], now=NOW)
    assert ENGINE.restore(joined.snapshot()).epoch_authenticator == group.epoch_authenticator
    assert HYBRID in ENGINE.suites()


def test_every_error_has_its_own_code_and_a_sentence() -> None:
    def below(kind: type[MlsError]) -> list[type[MlsError]]:
        return [kind, *(k for child in kind.__subclasses__() for k in below(child))]

    kinds = list(dict.fromkeys(below(MlsError)))
    assert len({kind.code for kind in kinds}) == len(kinds)
    for kind in kinds:
        assert kind.code.startswith("mls.")
        assert kind().sentence.endswith(".")
        assert kind is MlsError or issubclass(kind, LocalMlsError) != issubclass(kind, RemoteMlsError)
