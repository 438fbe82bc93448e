"""Attacks on proposals and commits. Each forged commit is refused by members and, where it can see it, by the hub."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocols.mls import (
    BadSignature,
    BadTag,
    DecryptionFailed,
    Group,
    InvalidCommit,
    InvalidKeyPackage,
    InvalidPath,
    InvalidProposal,
    InvalidTree,
    KeyPackageExpired,
    Malformed,
    Misuse,
    OwnMessage,
    Proposed,
    StaleStage,
    UnknownProposal,
    UnknownPsk,
    UnknownSender,
    Unsupported,
    WrongEpoch,
    WrongGroup,
    treekem,
)
from protocols.mls.codec import opaque
from protocols.mls.errors import MlsError
from protocols.mls.framing import (
    EXTERNAL,
    MEMBER,
    NEW_MEMBER_COMMIT,
    NEW_MEMBER_PROPOSAL,
    AuthData,
    Sender,
    write_message,
)
from protocols.mls.key_package import KeyPackage, read_key_package_message
from protocols.mls.leaf_node import (
    BASIC,
    COMMIT,
    EXTERNAL_SENDERS,
    REQUIRED_CAPABILITIES,
    UPDATE,
    Credential,
    Extension,
    LeafNode,
)
from protocols.mls.proposals import (
    USAGE_APPLICATION,
    USAGE_BRANCH,
    Add,
    Commit,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    PreSharedKeyID,
    Proposal,
    ProposalOrRef,
    ReInit,
    Remove,
    Update,
    UpdatePath,
)
from protocols.mls.suites import signing_key
from tests.protocols.mls.harness import (
    DAY,
    NOW,
    Draw,
    Room,
    commit_of,
    forge,
    forge_commit,
    person,
    public_of,
    refuse,
)

ZERO = bytes(32)
LOW_ORDER = (1).to_bytes(32, "little")


@pytest.fixture
def room() -> Room:
    return Room(4)


def everyone_refuses(room: Room, error: type[MlsError], message: bytes, hub: bool = True) -> None:
    """Member 0 refuses a commit, and so does the hub; afterwards the honest commit is still accepted."""
    refuse(error, lambda: room[0].stage(message, now=NOW), room[0])
    refuse(error, lambda: room[0].process(message, now=NOW), room[0])
    if hub:
        refuse(error, lambda: room.hub.stage(message, NOW), room.hub)
    room.commit(1)
    room.agree()


def package(name: str = "new", **changes: int) -> KeyPackage:
    return read_key_package_message(person(name, **changes).bundle.key_package)


def own_leaf_of(group: Group) -> LeafNode:
    leaf = group._public.tree.leaf(group.own_leaf)
    assert leaf is not None
    return leaf


def update_of(group: Group, **changes: object) -> Update:
    key = group._public.suite.derive_key_pair(b"update")[1]
    fields = {"encryption_key": key, "source": UPDATE, "lifetime": None, "parent_hash": b""} | changes
    leaf = replace(own_leaf_of(group), **fields)  # type: ignore[arg-type]
    return Update(leaf.signed(group._public.suite, group._signing, group.group_id, group.own_leaf))


# Origin


def test_a_commit_as_another_member_is_refused(room: Room) -> None:
    """Breaks MLS-05.1-05, MLS-06.1-01."""
    everyone_refuses(room, BadSignature, forge_commit(room[1], sender=Sender(MEMBER, 2)))


@pytest.mark.parametrize("length", [0, 1, 63, 64, 65])
def test_a_commit_without_a_real_signature_is_refused(room: Room, length: int) -> None:
    """Breaks MLS-05.1-02, MLS-06.1-01."""
    everyone_refuses(room, BadSignature, forge_commit(room[1], signature=bytes(length)))


def test_a_commit_by_a_blank_leaf_is_refused(room: Room) -> None:
    """Breaks MLS-06.1-02."""
    room.commit(0, remove=[3])
    everyone_refuses(room, UnknownSender, forge_commit(room[1], sender=Sender(MEMBER, 3)))
    everyone_refuses(room, UnknownSender, forge_commit(room[1], sender=Sender(MEMBER, 1 << 31)))


def test_a_commit_by_an_external_sender_is_refused(room: Room) -> None:
    """Breaks MLS-06.1-03, MLS-06.1-05."""
    everyone_refuses(room, UnknownSender, forge_commit(room[1], sender=Sender(EXTERNAL, 0)))
    everyone_refuses(room, UnknownSender, forge_commit(room[1], sender=Sender(NEW_MEMBER_PROPOSAL)))


def test_a_relay_without_keys_cannot_block_the_real_commit(room: Room) -> None:
    """Breaks MLS-06.2-01."""
    stranger = signing_key(Draw("stranger")(32))
    forged = forge_commit(room[1], signing=stranger, membership=ZERO)
    real = room[1].commit(now=NOW, rng=room.rng)
    refuse(BadTag, lambda: room[0].stage(forged, now=NOW), room[0])
    refuse(BadSignature, lambda: room.hub.stage(forged, NOW), room.hub)
    room.follow(1, real)
    room.agree()


def test_a_relay_without_keys_cannot_block_the_real_proposal(room: Room) -> None:
    stranger = signing_key(Draw("stranger")(32))
    forged = forge(room[1], Remove(2), signing=stranger, membership=ZERO)
    refuse(BadTag, lambda: room[0].process(forged, now=NOW), room[0])
    refuse(BadSignature, lambda: room.hub.propose(forged, NOW), room.hub)
    real = room[1].propose_remove(2, now=NOW)
    for leaf in (0, 2, 3):
        assert isinstance(room[leaf].process(real, now=NOW), Proposed)
    room.hub.propose(real, NOW)
    room.commit(0)
    assert [m.leaf for m in room.hub.members()] == [0, 1, 3]
    room.agree()


# Tags


@pytest.mark.parametrize("tag", [b"", b"\x00", bytes(31), bytes(32), bytes(33), bytes(64)])
def test_a_wrong_membership_tag_is_refused(room: Room, tag: bytes) -> None:
    everyone_refuses(room, BadTag, forge_commit(room[1], membership_tag=tag), hub=False)


def test_every_proper_prefix_of_the_right_membership_tag_is_refused(room: Room) -> None:
    real = public_of(room[1].commit(now=NOW, rng=room.rng).commit)
    assert real.membership_tag is not None
    for size in (0, 1, 16, 31):
        message = write_message(replace(real, membership_tag=real.membership_tag[:size]))
        refuse(BadTag, lambda m=message: room[0].stage(m, now=NOW), room[0])


def test_a_missing_membership_tag_is_refused(room: Room) -> None:
    """Breaks MLS-02.1-02."""
    real = public_of(room[1].commit(now=NOW, rng=room.rng).commit)
    message = write_message(replace(real, membership_tag=None))
    refuse(Malformed, lambda: room[0].stage(message, now=NOW), room[0])


@pytest.mark.parametrize("tag", [b"", b"\x00", bytes(31), bytes(32), bytes(33), bytes(64)])
def test_a_wrong_confirmation_tag_is_refused_and_the_hub_cannot_know(room: Room, tag: bytes) -> None:
    """Breaks MLS-06.1-06."""
    message = forge_commit(room[1], tag=tag)
    everyone_refuses(room, BadTag, message, hub=False)


def test_a_prefix_of_the_right_confirmation_tag_is_refused(room: Room) -> None:
    real = public_of(room[1].commit(now=NOW, rng=room.rng).commit)
    right = real.auth.confirmation_tag
    assert right is not None
    for size in (0, 1, 16, 31):
        message = forge(room[1], commit_of(write_message(real)), tag=right[:size])
        refuse(BadTag, lambda m=message: room[0].stage(m, now=NOW), room[0])
    room[0].stage(forge(room[1], commit_of(write_message(real)), tag=right), now=NOW)


def test_a_missing_confirmation_tag_is_refused(room: Room) -> None:
    real = public_of(room[1].commit(now=NOW, rng=room.rng).commit)
    message = write_message(replace(real, auth=AuthData(real.auth.signature, None)))
    refuse(Malformed, lambda: room[0].stage(message, now=NOW), room[0])


# Address


def test_a_commit_for_another_group_or_epoch_is_refused(room: Room) -> None:
    """Breaks MLS-06.0-02, MLS-06.0-03."""
    everyone_refuses(room, WrongGroup, forge_commit(room[1], group_id=b"other"))
    for epoch in (0, room[1].epoch - 1, room[1].epoch + 1, (1 << 64) - 1):
        everyone_refuses(room, WrongEpoch, forge_commit(room[1], epoch=epoch))


def test_two_commits_in_one_epoch_cannot_both_be_entered(room: Room) -> None:
    """Breaks MLS-06.0-03."""
    first = room[1].commit(now=NOW, rng=room.rng)
    second = room[2].commit(now=NOW, rng=room.rng)
    one, two = room[0].stage(first.commit, now=NOW), room[0].stage(second.commit, now=NOW)
    room[0].merge(one)
    refuse(StaleStage, lambda: room[0].merge(two), room[0])
    refuse(WrongEpoch, lambda: room[0].stage(second.commit, now=NOW), room[0])
    refuse(StaleStage, lambda: room[0].merge(one), room[0])
    hub_one, hub_two = room.hub.stage(first.commit, NOW), room.hub.stage(second.commit, NOW)
    room.hub.merge(hub_one)
    refuse(StaleStage, lambda: room.hub.merge(hub_two), room.hub)


def test_our_own_commit_is_not_staged_as_a_peers(room: Room) -> None:
    """Breaks MLS-12.4-24."""
    staged = room[1].commit(now=NOW, rng=room.rng)
    refuse(OwnMessage, lambda: room[1].stage(staged.commit, now=NOW), room[1])


def test_a_commit_that_refers_to_a_proposal_nobody_has_is_refused(room: Room) -> None:
    """Breaks MLS-12.4-07."""
    everyone_refuses(room, UnknownProposal, forge_commit(room[1], bytes(32)))
    everyone_refuses(room, UnknownProposal, forge_commit(room[1], b""))


def test_a_proposal_of_another_epoch_is_refused_and_forgotten(room: Room) -> None:
    old = room[1].propose_remove(2, now=NOW)
    known = room[0].process(old, now=NOW)
    assert isinstance(known, Proposed)
    room.commit(3, pending=False)
    refuse(WrongEpoch, lambda: room[0].process(old, now=NOW), room[0])
    everyone_refuses(room, UnknownProposal, forge_commit(room[1], known.ref))


# Rules on proposals


@pytest.mark.parametrize(
    ("error", "values"),
    [
        (InvalidProposal, [Remove(1)]),
        (InvalidProposal, [Remove(2), Remove(2)]),
        (InvalidProposal, [Remove(9)]),
        (InvalidProposal, [Remove((1 << 32) - 1)]),
        (InvalidProposal, [ExternalInit(ZERO)]),
        (InvalidProposal, [ReInit(b"x", 1, 3, ()), Remove(2)]),
        (InvalidProposal, [ReInit(b"x", 0, 3, ())]),
        (InvalidProposal, [GroupContextExtensions(()), GroupContextExtensions(())]),
        (InvalidTree, [GroupContextExtensions((Extension(0xF123, b""),))]),
        (Malformed, [GroupContextExtensions((Extension(REQUIRED_CAPABILITIES, b"\xff"),))]),
        (InvalidTree, [GroupContextExtensions((Extension(REQUIRED_CAPABILITIES, b"\x02\xf1\x23\x00\x00"),))]),
    ],
)
def test_a_forbidden_list_of_proposals_is_refused(room: Room, error: type[MlsError], values: list[Proposal]) -> None:
    """Breaks MLS-02.1-03, MLS-11.1-01, MLS-12.1-02, MLS-12.1-05, MLS-12.1-06, MLS-12.1-11, MLS-12.2-04."""
    everyone_refuses(room, error, forge_commit(room[1], *values))


def test_an_update_by_the_committer_is_refused(room: Room) -> None:
    """Breaks MLS-12.2-05."""
    everyone_refuses(room, InvalidProposal, forge_commit(room[1], update_of(room[1])))


def test_a_committer_cannot_update_another_member_by_value(room: Room) -> None:
    """Breaks MLS-12.1-13."""
    everyone_refuses(room, InvalidProposal, forge_commit(room[1], update_of(room[2])))


def test_an_update_and_a_removal_of_one_leaf_are_refused(room: Room) -> None:
    """Breaks MLS-12.2-08."""
    message = room[2].propose_update(now=NOW, rng=room.rng)
    known = room[0].process(message, now=NOW)
    assert isinstance(known, Proposed)
    room.hub.propose(message, NOW)
    everyone_refuses(room, InvalidProposal, forge_commit(room[1], known.ref, Remove(2)))


def test_an_update_that_keeps_the_key_or_was_no_update_is_refused(room: Room) -> None:
    """Breaks MLS-12.1-09, MLS-12.1-10."""
    leaf = own_leaf_of(room[2])
    for update in (
        update_of(room[2], encryption_key=leaf.encryption_key),
        update_of(room[2], source=COMMIT, parent_hash=ZERO),
    ):
        message = forge(room[2], update)
        refuse(InvalidProposal, lambda m=message: room[0].process(m, now=NOW), room[0])
        refuse(InvalidProposal, lambda m=message: room.hub.propose(m, NOW), room.hub)


def test_a_proposal_for_a_leaf_that_is_not_its_senders_is_refused(room: Room) -> None:
    stolen = update_of(room[2])
    refuse(InvalidProposal, lambda: room[0].process(forge(room[1], stolen), now=NOW), room[0])
    leaf = update_of(room[1]).leaf_node
    for group_id, place in ((b"thread", 2), (b"other", 1)):
        misplaced = Update(leaf.signed(room.suite, room[1]._signing, group_id, place))
        message = forge(room[1], misplaced)
        refuse(BadSignature, lambda m=message: room[0].process(m, now=NOW), room[0])


def test_a_member_cannot_be_added_twice(room: Room) -> None:
    new = package()
    everyone_refuses(room, InvalidTree, forge_commit(room[1], Add(new), Add(new)))
    newcomer = person("new")
    room.add([newcomer])
    everyone_refuses(room, InvalidTree, forge_commit(room[1], Add(new)))


def test_a_key_of_a_member_cannot_be_added_under_another_name(room: Room) -> None:
    """Breaks MLS-07.3-07."""
    copied = own_leaf_of(room[2])
    new = package()
    key = signing_key(Draw("new")(32))
    leaf = replace(new.leaf_node, encryption_key=copied.encryption_key).signed(room.suite, key)
    forged = replace(new, leaf_node=leaf).signed(room.suite, key)
    everyone_refuses(room, InvalidTree, forge_commit(room[1], Add(forged)))


def test_an_inline_add_of_a_bad_key_package_is_refused(room: Room) -> None:
    """Breaks MLS-10.1-01, MLS-10.1-03, MLS-10.1-04, MLS-10.1-05, MLS-12.1-01."""
    suite, key, other = room.suite, signing_key(Draw("new")(32)), signing_key(ZERO)
    new = package()
    leaf = new.leaf_node
    bad: list[tuple[type[MlsError], KeyPackage]] = [
        (BadSignature, replace(new, signature=b"")),
        (BadSignature, replace(new, signature=bytes(64))),
        (BadSignature, new.signed(suite, other)),
        (BadSignature, replace(new, leaf_node=leaf.signed(suite, other)).signed(suite, key)),
        (InvalidKeyPackage, replace(new, version=2).signed(suite, key)),
        (InvalidKeyPackage, replace(new, cipher_suite=1).signed(suite, key)),
        (InvalidKeyPackage, replace(new, init_key=leaf.encryption_key).signed(suite, key)),
        (InvalidKeyPackage, replace(new, init_key=LOW_ORDER).signed(suite, key)),
        (InvalidKeyPackage, replace(new, init_key=b"").signed(suite, key)),
        (KeyPackageExpired, package("old", not_before=NOW - DAY, not_after=NOW - 1)),
        (KeyPackageExpired, package("early", not_before=NOW + 1, not_after=NOW + DAY)),
        (KeyPackageExpired, package("long", not_before=NOW, not_after=NOW + 365 * DAY)),
        (KeyPackageExpired, package("ever", not_before=0, not_after=(1 << 64) - 1)),
    ]
    for error, forged in bad:
        everyone_refuses(room, error, forge_commit(room[1], Add(forged)))


# Paths


def forge_path(room: Room, change: object, by: int = 1) -> bytes:
    """An honest empty commit by a member with its path changed and everything signed again."""
    path = commit_of(room[by].commit(now=NOW, rng=Draw("path")).commit).path
    assert path is not None
    return forge(room[by], Commit((), change(path)))  # type: ignore[operator]


def resign(room: Room, path: UpdatePath, by: int = 1, **changes: object) -> UpdatePath:
    group = room[by]
    leaf = replace(path.leaf_node, **changes)  # type: ignore[arg-type]
    return replace(path, leaf_node=leaf.signed(room.suite, group._signing, group.group_id, by))


def with_node(path: UpdatePath, index: int, **changes: object) -> UpdatePath:
    nodes = list(path.nodes)
    nodes[index] = replace(nodes[index], **changes)  # type: ignore[arg-type]
    return replace(path, nodes=tuple(nodes))


def test_a_commit_that_needs_a_path_and_has_none_is_refused(room: Room) -> None:
    """Breaks MLS-12.4-09, MLS-12.4-31."""
    everyone_refuses(room, InvalidCommit, forge_commit(room[1], path=None))
    everyone_refuses(room, InvalidCommit, forge_commit(room[1], Remove(2), path=None))


def test_a_broken_parent_hash_is_refused(room: Room) -> None:
    """Breaks MLS-07.9-02."""
    everyone_refuses(room, InvalidPath, forge_path(room, lambda p: resign(room, p, parent_hash=ZERO)))
    everyone_refuses(room, InvalidPath, forge_path(room, lambda p: resign(room, p, parent_hash=b"")))


def test_a_path_leaf_signed_for_another_place_or_group_is_refused(room: Room) -> None:
    """Breaks MLS-05.1-05, MLS-07.3-09."""

    def elsewhere(path: UpdatePath) -> UpdatePath:
        return replace(path, leaf_node=path.leaf_node.signed(room.suite, room[1]._signing, b"thread", 2))

    def other_group(path: UpdatePath) -> UpdatePath:
        return replace(path, leaf_node=path.leaf_node.signed(room.suite, room[1]._signing, b"other", 1))

    everyone_refuses(room, BadSignature, forge_path(room, elsewhere))
    everyone_refuses(room, BadSignature, forge_path(room, other_group))


def test_a_member_cannot_take_another_name(room: Room) -> None:
    """Breaks MLS-07.3-11."""
    other = own_leaf_of(room[2]).credential
    everyone_refuses(room, InvalidPath, forge_path(room, lambda p: resign(room, p, credential=other)))
    message = forge(room[1], update_of(room[1], credential=other))
    refuse(InvalidProposal, lambda: room[0].process(message, now=NOW), room[0])


def test_a_path_leaf_of_another_source_is_refused(room: Room) -> None:
    """Breaks MLS-12.4-04."""
    message = forge_path(room, lambda p: resign(room, p, source=UPDATE))
    refuse(InvalidPath, lambda: room[0].stage(message, now=NOW), room[0], says="not made for a commit")
    everyone_refuses(room, InvalidPath, message)


def test_a_path_that_reuses_a_key_of_the_tree_is_refused(room: Room) -> None:
    """Breaks MLS-12.4-06."""
    tree = room[0]._public.tree
    for node in tree.nodes:
        if node is not None:
            key = node.encryption_key
            everyone_refuses(room, InvalidPath, forge_path(room, lambda p, k=key: resign(room, p, encryption_key=k)))
            tree = room[0]._public.tree
            break
    copied = own_leaf_of(room[3]).encryption_key
    everyone_refuses(room, InvalidPath, forge_path(room, lambda p: with_node(p, 0, encryption_key=copied)))
    own = own_leaf_of(room[1]).encryption_key
    everyone_refuses(room, InvalidPath, forge_path(room, lambda p: resign(room, p, encryption_key=own)))


def test_a_path_whose_keys_repeat_is_refused(room: Room) -> None:
    """Breaks MLS-12.4-05."""
    everyone_refuses(
        room,
        InvalidPath,
        forge_path(room, lambda p: with_node(p, 0, encryption_key=p.nodes[1].encryption_key)),
    )


@pytest.mark.parametrize("key", [b"", bytes(31), ZERO, LOW_ORDER, bytes(33)])
def test_a_path_key_that_nobody_can_encrypt_to_is_refused(room: Room, key: bytes) -> None:
    """Breaks MLS-12.4-05."""
    everyone_refuses(room, InvalidPath, forge_path(room, lambda p: with_node(p, 0, encryption_key=key)))


def test_a_path_key_of_low_order_with_right_hashes_is_refused_by_the_hub_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Breaks MLS-12.4-05."""
    room = Room(2)
    monkeypatch.setattr(treekem, "node_key_pair", lambda suite, secret: (ZERO, LOW_ORDER))
    message = room[1].commit(now=NOW, rng=room.rng).commit
    monkeypatch.undo()
    everyone_refuses(room, InvalidPath, message)


def test_a_path_of_wrong_length_is_refused(room: Room) -> None:
    """Breaks MLS-07.5-01."""
    everyone_refuses(room, InvalidPath, forge_path(room, lambda p: replace(p, nodes=p.nodes[:-1])))
    everyone_refuses(room, InvalidPath, forge_path(room, lambda p: replace(p, nodes=(*p.nodes, p.nodes[-1]))))
    everyone_refuses(room, InvalidPath, forge_path(room, lambda p: replace(p, nodes=())))


def test_a_path_with_too_few_or_too_many_ciphertexts_is_refused(room: Room) -> None:
    """Breaks MLS-07.5-02."""
    for count in (0, 2):
        everyone_refuses(
            room,
            InvalidPath,
            forge_path(
                room,
                lambda p, n=count: with_node(p, 0, encrypted_path_secret=p.nodes[0].encrypted_path_secret * n),
            ),
        )


def test_a_path_secret_that_does_not_decrypt_is_refused(room: Room) -> None:
    """Breaks MLS-05.1-01, MLS-05.1-07, MLS-07.6-01."""

    def damaged(path: UpdatePath) -> UpdatePath:
        sealed = path.nodes[0].encrypted_path_secret[0]
        return with_node(path, 0, encrypted_path_secret=(replace(sealed, ciphertext=bytes(48)),))

    def low_order(path: UpdatePath) -> UpdatePath:
        sealed = path.nodes[0].encrypted_path_secret[0]
        return with_node(path, 0, encrypted_path_secret=(replace(sealed, kem_output=LOW_ORDER),))

    def short(path: UpdatePath) -> UpdatePath:
        sealed = path.nodes[0].encrypted_path_secret[0]
        return with_node(path, 0, encrypted_path_secret=(replace(sealed, kem_output=b"", ciphertext=b""),))

    for change in (damaged, low_order, short):
        everyone_refuses(room, InvalidPath, forge_path(room, change), hub=False)


def test_a_path_secret_that_does_not_match_its_public_key_is_refused(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Breaks MLS-07.5-03."""
    import protocols.mls.committing as committing

    honest = committing.encrypt_path

    def lie(tree, new, context, leaves, rng):  # type: ignore[no-untyped-def]
        wrong = replace(new, path_secrets=[ZERO for _ in new.path_secrets])
        return honest(tree, wrong, context, leaves, rng)

    monkeypatch.setattr(committing, "encrypt_path", lie)
    message = room[1].commit(now=NOW, rng=room.rng).commit
    monkeypatch.undo()
    everyone_refuses(room, InvalidPath, message, hub=False)


# Pre-shared keys


def psk(name: bytes = b"key", nonce: bytes = ZERO) -> PreSharedKey:
    return PreSharedKey(PreSharedKeyID.external(name, nonce))


def test_a_commit_with_a_pre_shared_key_that_we_do_not_hold_is_refused(room: Room) -> None:
    """Breaks MLS-08.4-01."""
    everyone_refuses(room, UnknownPsk, forge_commit(room[1], psk()), hub=False)


@pytest.mark.parametrize("nonce", [b"", bytes(31), bytes(33)])
def test_a_pre_shared_key_nonce_of_wrong_length_is_refused(room: Room, nonce: bytes) -> None:
    """Breaks MLS-12.1-04."""
    everyone_refuses(room, InvalidProposal, forge_commit(room[1], psk(nonce=nonce)))


def test_a_pre_shared_key_named_twice_is_refused(room: Room) -> None:
    """Breaks MLS-12.2-07."""
    everyone_refuses(room, InvalidProposal, forge_commit(room[1], psk(), psk()))


def test_a_resumption_key_of_a_wrong_group_epoch_or_use_is_refused(room: Room) -> None:
    """Breaks MLS-08.4-02."""
    epoch = room[1].epoch

    def resumption(usage: int, group_id: bytes, at: int) -> bytes:
        return forge_commit(room[1], PreSharedKey(PreSharedKeyID.resumption(usage, group_id, at, ZERO)))

    refuse(UnknownPsk, lambda: room[0].stage(resumption(USAGE_APPLICATION, b"other", epoch), now=NOW), room[0])
    refuse(UnknownPsk, lambda: room[0].stage(resumption(USAGE_APPLICATION, b"thread", epoch + 1), now=NOW), room[0])
    refuse(UnknownPsk, lambda: room[0].stage(resumption(USAGE_APPLICATION, b"thread", 0), now=NOW), room[0])
    everyone_refuses(room, InvalidProposal, resumption(USAGE_BRANCH, b"thread", epoch))


def test_a_pre_shared_key_of_another_value_gives_another_epoch(room: Room) -> None:
    staged = room[1].commit(now=NOW, rng=room.rng, psks={b"key": b"right"})
    refuse(BadTag, lambda: room[0].stage(staged.commit, now=NOW, psks={b"key": b"wrong"}), room[0])
    room[0].merge(room[0].stage(staged.commit, now=NOW, psks={b"key": b"right"}))
    room[1].merge(staged)
    assert room[0].epoch_authenticator == room[1].epoch_authenticator


# External commits


def forge_external(room: Room, change: object) -> bytes:
    """An external commit whose content a dishonest newcomer changed and signed again."""
    seed = Draw("outsider")(32)
    info = room[1].group_info(external_commit=True)
    _, honest = Group.join_external(info, b"outsider", seed, now=NOW, rng=room.rng)
    return forge(room[1], change(commit_of(honest)), sender=Sender(NEW_MEMBER_COMMIT), signing=signing_key(seed))  # type: ignore[operator]


def test_an_external_commit_with_forbidden_contents_is_refused(room: Room) -> None:
    """Breaks MLS-05.1-08, MLS-06.1-04, MLS-12.2-01, MLS-12.4-08."""

    def values(*proposals: Proposal | bytes) -> object:
        return lambda c: replace(c, proposals=(*c.proposals, *(ProposalOrRef(p) for p in proposals)))

    known = room[0].process(room[1].propose_remove(2, now=NOW), now=NOW)
    assert isinstance(known, Proposed)
    for change, error in (
        (values(known.ref), InvalidProposal),
        (values(Add(package())), InvalidProposal),
        (values(Remove(1), Remove(2)), InvalidProposal),
        (values(ExternalInit(ZERO)), InvalidProposal),
        (values(GroupContextExtensions(())), InvalidProposal),
        (lambda c: replace(c, proposals=()), InvalidProposal),
        (lambda c: replace(c, path=None), UnknownSender),
    ):
        message = forge_external(room, change)
        refuse(error, lambda m=message: room[0].stage(m, now=NOW), room[0])
    allowed_only_by_value = room[0].process(room[1].propose_psk(b"key", now=NOW, rng=room.rng), now=NOW)
    assert isinstance(allowed_only_by_value, Proposed)
    message = forge_external(room, values(allowed_only_by_value.ref))
    refuse(InvalidProposal, lambda: room[0].stage(message, now=NOW, psks={b"key": b""}), room[0])
    message = forge_external(room, lambda c: replace(c, proposals=(ProposalOrRef(ExternalInit(b"")),)))
    refuse(DecryptionFailed, lambda: room[0].stage(message, now=NOW), room[0])
    message = forge_external(room, lambda c: replace(c, proposals=(ProposalOrRef(ExternalInit(ZERO)),)))
    refuse(Malformed, lambda: room[0].stage(message, now=NOW), room[0])


def test_an_external_commit_with_the_key_of_a_member_is_refused(room: Room) -> None:
    """Breaks MLS-07.3-08."""
    info = room[1].group_info(external_commit=True)
    seed = room[2]._signing[:32]
    refuse(InvalidTree, lambda: Group.join_external(info, b"m2", seed, now=NOW, rng=room.rng))
    refuse(Misuse, lambda: Group.join_external(info, b"x", seed, now=NOW, rng=room.rng, replaces=2))
    group, _ = Group.join_external(info, b"m2", seed, now=NOW, rng=room.rng, replaces=2)
    assert group.own_leaf == 2


def test_an_external_commit_cannot_evict_another_member(room: Room) -> None:
    """Breaks MLS-12.2-09."""
    message = forge_external(room, lambda c: replace(c, proposals=(*c.proposals, ProposalOrRef(Remove(2)))))
    refuse(InvalidProposal, lambda: room[0].stage(message, now=NOW), room[0])


# Others


def test_a_proposal_with_an_external_or_new_sender_must_be_its_own(room: Room) -> None:
    """Breaks MLS-06.1-04."""
    new = package()
    for sender, proposal, error in (
        (Sender(EXTERNAL, 0), Add(new), UnknownSender),
        (Sender(NEW_MEMBER_PROPOSAL), Remove(2), UnknownSender),
        (Sender(NEW_MEMBER_PROPOSAL), Add(new), BadSignature),
        (Sender(NEW_MEMBER_COMMIT), Add(new), UnknownSender),
    ):
        message = forge(room[1], proposal, sender=sender)
        refuse(error, lambda m=message: room[0].process(m, now=NOW), room[0])
        refuse(error, lambda m=message: room.hub.propose(m, NOW), room.hub)


def test_a_listed_external_sender_may_propose_but_not_everything() -> None:
    """Breaks MLS-12.1-07."""
    key = signing_key(Draw("watch")(32))
    credential = Credential(BASIC, b"watch").encoded
    listed = opaque(opaque(key[32:]) + credential + opaque(b"short") + credential)
    room = Room(3)
    room.commit(0, extensions=[(EXTERNAL_SENDERS, listed)])
    sender = Sender(EXTERNAL, 0)
    for proposal in (update_of(room[1]), ExternalInit(ZERO)):
        message = forge(room[1], proposal, sender=sender, signing=key)
        refuse(InvalidProposal, lambda m=message: room[0].process(m, now=NOW), room[0])
        refuse(InvalidProposal, lambda m=message: room.hub.propose(m, NOW), room.hub)
    foreign = forge(room[1], Remove(2), sender=sender)
    refuse(BadSignature, lambda: room[0].process(foreign, now=NOW), room[0])
    short = forge(room[1], Remove(2), sender=Sender(EXTERNAL, 1), signing=key)
    refuse(BadSignature, lambda: room[0].process(short, now=NOW), room[0])
    beyond = forge(room[1], Remove(2), sender=Sender(EXTERNAL, 2), signing=key)
    refuse(UnknownSender, lambda: room[0].process(beyond, now=NOW), room[0])
    honest = forge(room[1], Remove(2), sender=sender, signing=key)
    for group in room.groups.values():
        known = group.process(honest, now=NOW)
        assert isinstance(known, Proposed)
        assert known.sender_leaf is None
    room.hub.propose(honest, NOW)
    room.commit(1)
    assert [m.leaf for m in room.hub.members()] == [0, 1]


def test_a_newcomer_may_propose_to_be_added() -> None:
    room = Room(2)
    newcomer = person("new")
    honest = forge(
        room[1],
        Add(read_key_package_message(newcomer.bundle.key_package)),
        sender=Sender(NEW_MEMBER_PROPOSAL),
        signing=signing_key(newcomer.seed),
    )
    for group in room.groups.values():
        assert isinstance(group.process(honest, now=NOW), Proposed)
    room.hub.propose(honest, NOW)
    assert room.commit(0).welcome is not None
    assert [m.identity for m in room.hub.members()] == [b"m0", b"m1", b"new"]


def test_one_sender_cannot_fill_the_memory_of_the_others(room: Room) -> None:
    """Breaks MLS-12.1-12."""
    for _ in range(8):
        room[0].process(room[1].propose_psk(b"x", now=NOW, rng=room.rng), now=NOW)
    nonce = Draw("one more")(32)
    refuse(InvalidProposal, lambda: room[0].process(forge(room[1], psk(nonce=nonce)), now=NOW), room[0])
    assert isinstance(room[0].process(room[2].propose_psk(b"x", now=NOW, rng=room.rng), now=NOW), Proposed)


def test_proposals_that_do_not_fit_together_do_not_block_a_commit(room: Room) -> None:
    """Breaks MLS-12.2-06."""
    for message in (room[1].propose_remove(2, now=NOW), forge(room[3], Remove(2)), forge(room[3], Remove(0))):
        for leaf in (0, 1, 2, 3):
            room[leaf].process(message, now=NOW)
        room.hub.propose(message, NOW)
    room.commit(0)
    assert [m.leaf for m in room.hub.members()] == [0, 1, 3]
    room.agree()


def test_an_unknown_suite_or_version_is_refused(room: Room) -> None:
    """Breaks MLS-06.0-01."""
    message = bytearray(room[1].commit(now=NOW, rng=room.rng).commit)
    message[1] = 2
    refuse(Unsupported, lambda: room[0].stage(bytes(message), now=NOW), room[0])
