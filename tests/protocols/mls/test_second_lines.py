"""Checks that other checks stand in front of or behind: each is shown to refuse by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

import protocols.mls.committing as committing
import protocols.mls.proposal_rules as rules
import protocols.mls.treekem as treekem
from protocols.mls import (
    BadSignature,
    DecryptionFailed,
    Group,
    InvalidLeaf,
    InvalidPath,
    InvalidProposal,
    InvalidTree,
    InvalidWelcome,
    Malformed,
    Proposed,
    PublicGroup,
)
from protocols.mls.codec import decode, opaque, u8, u32, u64
from protocols.mls.framing import (
    EXTERNAL,
    MEMBER,
    NEW_MEMBER_COMMIT,
    NEW_MEMBER_PROPOSAL,
    FramedContent,
    PrivateMessage,
    Sender,
    read_message,
    write_message,
)
from protocols.mls.group_info import GroupInfo
from protocols.mls.key_package import read_key_package_message
from protocols.mls.key_schedule import welcome_secret
from protocols.mls.leaf_node import RATCHET_TREE, Credential, Extension, LeafNode
from protocols.mls.proposal_rules import QueuedProposal
from protocols.mls.proposals import (
    USAGE_REINIT,
    Add,
    ExternalInit,
    PreSharedKey,
    PreSharedKeyID,
    ProposalOrRef,
    Remove,
    Update,
    read_proposal,
)
from protocols.mls.protection import _sender_data_key_nonce
from protocols.mls.public_state import read_tree
from protocols.mls.ratchet_tree import ParentNode
from protocols.mls.suites import signing_key
from tests.protocols.mls.harness import NOW, Draw, Room, forge, person, public_of, refuse


@pytest.fixture
def room() -> Room:
    return Room(4)


def test_a_message_of_an_unknown_form_is_refused(room: Room) -> None:
    """Breaks MLS-06.0-07."""
    honest = room[1].commit(now=NOW, rng=room.rng).commit
    for form in (0, 6, 0xFFFF):
        message = honest[:2] + form.to_bytes(2, "big") + honest[4:]
        refuse(Malformed, lambda m=message: room[0].process(m, now=NOW), room[0], says="wire format")


def test_a_sender_or_content_of_an_unknown_type_is_refused(room: Room) -> None:
    """Breaks MLS-06.0-04, MLS-06.0-05."""
    content = public_of(forge(room[1], Remove(2))).content
    encoded = content.encoded
    place = len(opaque(content.group_id)) + 8
    for kind in (0, 5, 255):
        wrong = encoded[:place] + u8(kind) + encoded[place + 1 :]
        refuse(Malformed, lambda w=wrong: decode(FramedContent.read, w), says="sender type")
        at = place + len(content.sender.encoded) + len(opaque(content.authenticated_data))
        wrong = encoded[:at] + u8(kind) + encoded[at + 1 :]
        refuse(Malformed, lambda w=wrong: decode(FramedContent.read, w), says="content type")


def test_an_encrypted_message_of_an_unknown_content_type_is_refused(room: Room) -> None:
    """Breaks MLS-06.0-06."""
    body = read_message(room[1].encrypt(b"x", rng=room.rng))
    assert isinstance(body, PrivateMessage)
    for kind in (0, 4, 255):
        message = write_message(replace(body, content_type=kind))
        refuse(Malformed, lambda m=message: room[0].process(m, now=NOW), room[0], says="content type")


@pytest.mark.parametrize("extra", [b"", b"\x00"])
def test_sender_data_of_wrong_length_is_refused(room: Room, extra: bytes) -> None:
    """Breaks MLS-06.3-05."""
    body = read_message(room[1].encrypt(b"x", rng=room.rng))
    assert isinstance(body, PrivateMessage)
    keys = room[1]._member.messages
    key, nonce = _sender_data_key_nonce(room.suite, keys.sender_data_secret, body.ciphertext)
    bound = opaque(body.group_id) + u64(body.epoch) + u8(body.content_type)
    plain = (u32(1) + u32(0) + bytes(4))[: 12 if extra else 11] + extra
    message = write_message(replace(body, encrypted_sender_data=room.suite.aead.seal(key, nonce, bound, plain)))
    refuse(Malformed, lambda: room[0].decrypt(message), room[0], says="sender data")


def test_a_credential_leaf_source_node_or_list_item_of_unknown_type_is_refused(room: Room) -> None:
    """Breaks MLS-05.3-01, MLS-07.2-03, MLS-07.8-02, MLS-08.4-03, MLS-08.4-04, MLS-12.1-14, MLS-12.4-30."""
    refuse(Malformed, lambda: decode(Credential.read, b"\x00\x03\x00"), says="credential type")
    leaf = room.hub._state.tree.leaf(0)
    assert leaf is not None
    place = leaf.encoded.index(leaf.capabilities.encoded) + len(leaf.capabilities.encoded)
    for source in (0, 4):
        wrong = leaf.encoded[:place] + u8(source) + leaf.encoded[place + 1 :]
        refuse(Malformed, lambda w=wrong: decode(LeafNode.read, w), says="source")
    refuse(Malformed, lambda: read_tree(room.suite, opaque(b"\x01\x03")), says="node type")
    refuse(Malformed, lambda: decode(ProposalOrRef.read, b"\x03"), says="neither a proposal")
    refuse(Malformed, lambda: decode(PreSharedKeyID.read, b"\x03"), says="pre-shared key type")
    for use in (0, 4):
        refuse(Malformed, lambda u=use: decode(PreSharedKeyID.read, b"\x02" + u8(u)), says="resumption key")
    refuse(Malformed, lambda: decode(read_proposal, b"\x00\x08"), says="proposal type")


def test_a_path_secret_of_wrong_length_is_refused_even_where_its_keys_fit(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Breaks MLS-07.6-02."""
    honest = treekem.draw
    monkeypatch.setattr(treekem, "draw", lambda rng, size: honest(rng, size)[:16])
    message = room[1].commit(now=NOW, rng=room.rng).commit
    monkeypatch.undo()
    refuse(InvalidPath, lambda: room[0].stage(message, now=NOW), room[0], says="wrong length")


def test_a_tree_with_a_leaf_unmerged_above_but_merged_below_is_refused(room: Room) -> None:
    """Breaks MLS-12.4-03."""
    tree = room.hub._state.tree.copy()
    top = tree.nodes[3]
    assert isinstance(top, ParentNode)
    tree.nodes[3] = replace(top, unmerged_leaves=(1,))
    refuse(InvalidTree, lambda: read_tree(room.suite, tree.encoded).check_structure(), says="merged below")


def test_who_is_outside_proposes_only_what_it_may(room: Room) -> None:
    """Breaks MLS-12.1-06, MLS-12.1-07, MLS-12.1-08, MLS-12.2-02."""
    judged = room.hub._state.rules(NOW, 1)
    leaf = room.hub._state.tree.leaf(1)
    assert leaf is not None
    for proposal in (Update(leaf), ExternalInit(b"")):
        queued = QueuedProposal(proposal, Sender(EXTERNAL, 0))
        refuse(InvalidProposal, lambda q=queued: rules.check_proposal(q, judged), says="external sender")
    queued = QueuedProposal(Remove(2), Sender(NEW_MEMBER_PROPOSAL))
    refuse(InvalidProposal, lambda: rules.check_proposal(queued, judged), says="only propose to be added")
    inside = QueuedProposal(ExternalInit(b""), Sender(MEMBER, 1))
    refuse(InvalidProposal, lambda: rules.check_list([inside], Sender(MEMBER, 1)), says="member's commit")
    refuse(InvalidProposal, lambda: rules.check_proposal(inside, judged), says="outside an external commit")
    alone = [QueuedProposal(ExternalInit(b""), Sender(NEW_MEMBER_COMMIT))]
    rules.check_list(alone, Sender(NEW_MEMBER_COMMIT))


def test_a_key_that_ties_groups_outside_epoch_1_is_refused(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks MLS-12.4-21."""
    newcomer = person("new")
    tie = PreSharedKeyID.resumption(USAGE_REINIT, b"thread", room[0].epoch, bytes(32))
    values = [Add(read_key_package_message(newcomer.bundle.key_package)), PreSharedKey(tie)]
    monkeypatch.setattr(rules, "check_proposal", lambda *_: None)
    staged = room[0]._commit(values, room[0]._psk_lookup(None), now=NOW, rng=room.rng)
    monkeypatch.undo()
    refuse(
        InvalidWelcome,
        lambda: Group.join(staged.welcome or b"", newcomer.bundle, newcomer.seed, now=NOW, former=room[1]),
        says="outside epoch 1",
    )


def test_a_welcome_in_our_own_name_is_refused(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks MLS-12.4-25."""
    newcomer, honest = person("new"), committing.make_group_info
    key = signing_key(newcomer.seed)
    monkeypatch.setattr(committing, "make_group_info", lambda *a: replace(honest(*a), signer=4).signed(room.suite, key))
    staged = room[0].commit(add=[newcomer.bundle.key_package], now=NOW, rng=room.rng)
    refuse(
        InvalidWelcome,
        lambda: Group.join(staged.welcome or b"", newcomer.bundle, newcomer.seed, now=NOW),
        says="signed by us",
    )


def test_a_joiner_secret_of_wrong_length_is_refused(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks MLS-12.4-26."""
    newcomer, honest = person("new"), committing.make_welcome

    def lie(suite, info, derivation, *rest):  # type: ignore[no-untyped-def]
        opened = welcome_secret(suite, b"short", bytes(32))
        return honest(suite, info, replace(derivation, joiner_secret=b"short", welcome_secret=opened), *rest)

    monkeypatch.setattr(committing, "make_welcome", lie)
    staged = room[0].commit(add=[newcomer.bundle.key_package], now=NOW, rng=room.rng)
    refuse(
        InvalidWelcome,
        lambda: Group.join(staged.welcome or b"", newcomer.bundle, newcomer.seed, now=NOW),
        says="joiner secret",
    )


def test_a_commit_with_an_update_of_ours_that_we_forgot_is_refused(room: Room) -> None:
    """Breaks MLS-12.4-29."""
    forgetful = Group.restore(room[2].snapshot())
    message = room[2].propose_update(now=NOW, rng=room.rng)
    assert isinstance(forgetful.process(message, now=NOW), Proposed)
    room[0].process(message, now=NOW)
    staged = room[0].commit(now=NOW, rng=Draw("commit"))
    refuse(InvalidPath, lambda: forgetful.stage(staged.commit, now=NOW), forgetful, says="key we do not hold")
    room[2].merge(room[2].stage(staged.commit, now=NOW))


def test_unmerged_leaves_out_of_order_are_refused_as_such(room: Room) -> None:
    """Breaks MLS-07.1-01."""
    tree = room.hub._state.tree.copy()
    top = tree.nodes[3]
    assert isinstance(top, ParentNode)
    for unmerged in ((1, 0), (2, 2)):
        tree.nodes[3] = replace(top, unmerged_leaves=unmerged)
        refuse(InvalidTree, lambda: read_tree(room.suite, tree.encoded).check_structure(), says="not in order")


def test_lengths_are_compared_before_anything_is_computed(room: Room) -> None:
    """The libraries behind would refuse these too, one of them after reading past the end. Breaks MLS-05.1-02, MLS-05.1-04."""
    suite = room.suite
    key = signing_key(bytes(32))
    signature = suite.sign(key, b"label", b"content")
    suite.verify(key[32:], b"label", b"content", signature)
    for public, given in (
        (key[32:-1], signature),
        (key[32:] + b"\x00", signature),
        (b"", signature),
        (key[32:], b""),
        (key[32:], signature[:-1]),
        (key[32:], signature + b"\x00"),
    ):
        refuse(BadSignature, lambda p=public, g=given: suite.verify(p, b"label", b"content", g), says="wrong length")
    for size in range(16):
        refuse(
            DecryptionFailed, lambda n=size: suite.aead.open(bytes(32), bytes(12), b"", bytes(n)), says="shorter than"
        )


def test_a_parent_key_that_nobody_can_encrypt_to_is_refused_as_such(room: Room) -> None:
    """Breaks MLS-12.4-23."""
    tree = room.hub._state.tree.copy()
    top = tree.nodes[3]
    assert isinstance(top, ParentNode)
    for key in (b"", bytes(32), bytes(31)):
        tree.nodes[3] = replace(top, encryption_key=key)
        refuse(InvalidTree, lambda: read_tree(room.suite, tree.encoded).check_structure(), says="encryption key is not")


def test_a_group_info_with_an_invalid_leaf_is_refused_though_all_its_signatures_fit() -> None:
    """Breaks MLS-12.4-13."""
    group = Room(1)[0]
    info = read_message(group.group_info())
    assert isinstance(info, GroupInfo)
    suite, key = group._public.suite, group._signing
    leaf = group._public.tree.leaf(0)
    assert leaf is not None
    for bad in (
        replace(leaf, capabilities=replace(leaf.capabilities, credentials=())),
        replace(leaf, capabilities=replace(leaf.capabilities, versions=())),
        replace(leaf, encryption_key=bytes(32)),
    ):
        tree = group._public.tree.copy()
        tree.set_leaf(0, bad.signed(suite, key, group.group_id, 0))
        context = replace(info.context, tree_hash=tree.root_hash)
        forged = replace(info, context=context, extensions=(Extension(RATCHET_TREE, tree.encoded),)).signed(suite, key)
        refuse(InvalidLeaf, lambda f=forged: PublicGroup.from_group_info(write_message(f), NOW))
