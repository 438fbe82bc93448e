"""Attacks on key packages, Welcomes and GroupInfos."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

import protocols.mls.committing as committing
from protocols.mls import (
    BadSignature,
    BadTag,
    Group,
    InvalidKeyPackage,
    InvalidLeaf,
    InvalidPath,
    InvalidTree,
    InvalidWelcome,
    KeyPackageExpired,
    Malformed,
    Misuse,
    NotForUs,
    PublicGroup,
    StagedCommit,
    UnknownPsk,
    Unsupported,
    inspect_key_package,
    make_key_package,
)
from protocols.mls.codec import vector
from protocols.mls.errors import MlsError
from protocols.mls.framing import read_message, write_message
from protocols.mls.group_info import GroupInfo, Welcome
from protocols.mls.key_package import KeyPackage, read_key_package_message
from protocols.mls.leaf_node import (
    COMMIT,
    RATCHET_TREE,
    X509,
    Credential,
    Extension,
    Lifetime,
)
from protocols.mls.proposals import USAGE_REINIT, PreSharedKeyID
from protocols.mls.public_state import read_tree
from protocols.mls.ratchet_tree import ParentNode, RatchetTree
from protocols.mls.suites import SUITES, signing_key
from protocols.mls.tree_math import direct_path
from tests.protocols.mls.harness import ALL_SUITES, DAY, NOW, Draw, Person, Room, person, refuse

LOW_ORDER = bytes(32)


@pytest.fixture
def room() -> Room:
    return Room(4)


@pytest.fixture
def newcomer() -> Person:
    return person("new")


def join(staged: StagedCommit, newcomer: Person, **arguments: Any) -> Group:
    assert staged.welcome is not None
    return Group.join(staged.welcome, newcomer.bundle, newcomer.seed, **{"now": NOW, **arguments})


def package_of(newcomer: Person) -> KeyPackage:
    return read_key_package_message(newcomer.bundle.key_package)


# Key packages


@pytest.mark.parametrize("suite", ALL_SUITES)
def test_a_key_package_says_whose_it_is(suite: int) -> None:
    somebody = person("somebody", suite)
    info = inspect_key_package(somebody.bundle.key_package, now=NOW)
    assert (info.suite, info.identity, info.ref) == (suite, b"somebody", somebody.bundle.ref)
    assert (info.not_before, info.not_after) == (NOW - DAY, NOW + DAY)
    assert info.signature_key == signing_key(somebody.seed)[32:]


@pytest.mark.parametrize("now", [NOW - DAY - 1, NOW + DAY + 1, 0, 1 << 63])
def test_a_key_package_outside_its_lifetime_is_refused(newcomer: Person, now: int) -> None:
    """Breaks MLS-07.3-06, MLS-10.1-04."""
    refuse(KeyPackageExpired, lambda: inspect_key_package(newcomer.bundle.key_package, now=now))


def test_a_key_package_with_a_lifetime_too_long_or_empty_is_refused() -> None:
    """Breaks MLS-07.2-01, MLS-07.2-02."""
    key = signing_key(Draw("new")(32))
    honest = package_of(person("new"))
    for lifetime in (Lifetime(0, (1 << 64) - 1), Lifetime(NOW - 93 * DAY, NOW), Lifetime(NOW, NOW), Lifetime(9, 3)):
        suite = SUITES[honest.cipher_suite]
        leaf = replace(honest.leaf_node, lifetime=lifetime).signed(suite, key)
        message = replace(honest, leaf_node=leaf).signed(suite, key).message
        refuse(KeyPackageExpired, lambda m=message: inspect_key_package(m, now=NOW))


def test_a_changed_or_badly_made_key_package_is_refused(newcomer: Person) -> None:
    """Breaks MLS-07.3-01, MLS-07.3-02, MLS-07.3-03, MLS-07.3-04, MLS-07.3-05, MLS-07.3-10, MLS-10.1-02."""
    honest = package_of(newcomer)
    suite, key = SUITES[honest.cipher_suite], signing_key(newcomer.seed)
    leaf = honest.leaf_node
    capabilities = leaf.capabilities
    certificates = Credential(X509, b"", (b"certificate",))
    grease = Extension(0x0A0A, b"")

    def with_leaf(**changes: Any) -> KeyPackage:
        return replace(honest, leaf_node=replace(leaf, **changes).signed(suite, key)).signed(suite, key)

    bad: list[tuple[type[MlsError], KeyPackage]] = [
        (BadSignature, replace(honest, signature=b"")),
        (BadSignature, replace(honest, signature=bytes(64))),
        (BadSignature, honest.signed(suite, signing_key(bytes(32)))),
        (BadSignature, replace(honest, leaf_node=replace(leaf, signature=b"")).signed(suite, key)),
        (Unsupported, replace(honest, cipher_suite=2).signed(suite, key)),
        (InvalidLeaf, replace(honest, cipher_suite=0xF0C1).signed(suite, key)),
        (InvalidKeyPackage, replace(honest, version=2).signed(suite, key)),
        (InvalidKeyPackage, replace(honest, init_key=LOW_ORDER).signed(suite, key)),
        (InvalidKeyPackage, with_leaf(source=COMMIT, lifetime=None)),
        (InvalidLeaf, with_leaf(encryption_key=LOW_ORDER)),
        (InvalidLeaf, with_leaf(signature_key=b"")),
        (InvalidLeaf, with_leaf(credential=certificates)),
        (InvalidLeaf, with_leaf(credential=certificates, capabilities=replace(capabilities, credentials=(1, 2)))),
        (InvalidLeaf, with_leaf(extensions=(grease,))),
        (InvalidLeaf, with_leaf(capabilities=replace(capabilities, versions=()))),
        (InvalidLeaf, with_leaf(capabilities=replace(capabilities, cipher_suites=(1,)))),
        (InvalidLeaf, with_leaf(capabilities=replace(capabilities, credentials=(2,)))),
    ]
    for error, forged in bad:
        refuse(error, lambda m=forged.message: inspect_key_package(m, now=NOW))


def test_unknown_values_in_capabilities_and_extensions_are_tolerated(newcomer: Person) -> None:
    honest = package_of(newcomer)
    suite, key = SUITES[honest.cipher_suite], signing_key(newcomer.seed)
    capabilities = replace(honest.leaf_node.capabilities, extensions=(0x0A0A,), proposals=(0x1A1A,))
    leaf = replace(honest.leaf_node, capabilities=capabilities, extensions=(Extension(0x0A0A, b"x"),))
    package = replace(honest, leaf_node=leaf.signed(suite, key), extensions=(Extension(0x2A2A, b"y"),))
    assert inspect_key_package(package.signed(suite, key).message, now=NOW).identity == b"new"


def test_a_key_package_made_wrongly_is_our_own_fault() -> None:
    for arguments in (
        (2, bytes(32), NOW, NOW + 1),
        (3, bytes(31), NOW, NOW + 1),
        (3, bytes(32), NOW, NOW),
        (3, bytes(32), -1, NOW),
    ):
        suite, seed, start, end = arguments
        with pytest.raises(Misuse):
            make_key_package(suite, b"x", seed, not_before=start, not_after=end, rng=Draw())


def test_a_bundle_does_not_print_its_private_part(newcomer: Person) -> None:
    assert newcomer.bundle.private.hex() not in repr(newcomer.bundle)
    assert str(newcomer.bundle.private) not in repr(newcomer.bundle)


# Welcomes


def test_a_welcome_for_another_key_package_is_refused(room: Room, newcomer: Person) -> None:
    """Breaks MLS-12.4-14, MLS-12.4-18."""
    staged = room.commit(0, add=[newcomer.bundle.key_package])
    refuse(NotForUs, lambda: join(staged, person("another")))
    refuse(NotForUs, lambda: join(staged, person("another", 1)))


def test_a_welcome_cannot_be_used_with_other_keys(room: Room, newcomer: Person) -> None:
    staged = room.commit(0, add=[newcomer.bundle.key_package])
    other = person("another")
    refuse(Misuse, lambda: join(staged, replace_seed(newcomer, bytes(32))))
    mixed = replace(newcomer.bundle, private=other.bundle.private)
    refuse(Misuse, lambda: Group.join(staged.welcome or b"", mixed, newcomer.seed, now=NOW))
    broken = replace(newcomer.bundle, private=b"\x02")
    refuse(Misuse, lambda: Group.join(staged.welcome or b"", broken, newcomer.seed, now=NOW))
    broken = replace(newcomer.bundle, key_package=b"")
    refuse(Misuse, lambda: Group.join(staged.welcome or b"", broken, newcomer.seed, now=NOW))


def replace_seed(somebody: Person, seed: bytes) -> Person:
    return Person(somebody.name, seed, somebody.bundle)


def test_a_welcome_is_not_taken_after_the_key_package_expired(room: Room, newcomer: Person) -> None:
    """Breaks MLS-12.4-22."""
    staged = room.commit(0, add=[newcomer.bundle.key_package])
    refuse(KeyPackageExpired, lambda: join(staged, newcomer, now=NOW + 2 * DAY))


def test_a_damaged_welcome_is_refused(room: Room, newcomer: Person) -> None:
    """Breaks MLS-05.1-06, MLS-12.4-28, MLS-12.4-14."""
    staged = room.commit(0, add=[newcomer.bundle.key_package])
    body = read_message(staged.welcome or b"")
    assert isinstance(body, Welcome)
    secret = body.secrets[0]
    sealed = secret.encrypted_group_secrets
    info = body.encrypted_group_info
    bad: list[tuple[type[MlsError], Welcome]] = [
        (InvalidWelcome, replace(body, encrypted_group_info=info[:-1] + bytes(1))),
        (InvalidWelcome, replace(body, encrypted_group_info=b"")),
        (NotForUs, replace(body, secrets=())),
        (NotForUs, replace(body, cipher_suite=1)),
        (Unsupported, replace(body, cipher_suite=2)),
        (InvalidWelcome, with_secret(body, replace(sealed, ciphertext=b""))),
        (InvalidWelcome, with_secret(body, replace(sealed, kem_output=b""))),
        (Malformed, with_secret(body, replace(sealed, kem_output=LOW_ORDER))),
    ]
    for error, forged in bad:
        message = write_message(forged)
        refuse(error, lambda m=message: Group.join(m, newcomer.bundle, newcomer.seed, now=NOW))


def with_secret(body: Welcome, sealed: Any) -> Welcome:
    return replace(body, secrets=(replace(body.secrets[0], encrypted_group_secrets=sealed),))


def forged_welcome(
    room: Room, newcomer: Person, monkeypatch: pytest.MonkeyPatch, change: Callable[[GroupInfo], GroupInfo]
) -> StagedCommit:
    """A Welcome whose GroupInfo a dishonest member changed before sealing it."""
    honest = committing.make_group_info
    monkeypatch.setattr(committing, "make_group_info", lambda *a: change(honest(*a)))
    staged = room[0].commit(add=[newcomer.bundle.key_package], now=NOW, rng=room.rng)
    monkeypatch.undo()
    return staged


def test_a_group_info_signed_by_another_than_it_names_is_refused(
    room: Room, newcomer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Breaks MLS-12.4-10, MLS-12.4-15, MLS-12.4-17, MLS-12.4-32, MLS-12.4-33."""
    key, suite = room[0]._signing, room.suite
    changes: list[tuple[type[MlsError], Callable[[GroupInfo], GroupInfo]]] = [
        (BadSignature, lambda i: replace(i, signer=1)),
        (BadSignature, lambda i: replace(i, signer=1).signed(suite, key)),
        (BadSignature, lambda i: replace(i, signer=77).signed(suite, key)),
        (BadSignature, lambda i: replace(i, signature=b"")),
        (BadSignature, lambda i: i.signed(suite, signing_key(bytes(32)))),
        (BadTag, lambda i: replace(i, confirmation_tag=bytes(32)).signed(suite, key)),
        (BadTag, lambda i: replace(i, confirmation_tag=b"").signed(suite, key)),
        (InvalidTree, lambda i: replace(i, extensions=()).signed(suite, key)),
        (InvalidTree, lambda i: replace(i, context=replace(i.context, tree_hash=bytes(32))).signed(suite, key)),
        (BadTag, lambda i: replace(i, context=replace(i.context, epoch=99)).signed(suite, key)),
        (InvalidWelcome, lambda i: replace(i, context=replace(i.context, cipher_suite=1)).signed(suite, key)),
        (Malformed, lambda i: replace(i, context=replace(i.context, version=2)).signed(suite, key)),
    ]
    for error, change in changes:
        staged = forged_welcome(room, newcomer, monkeypatch, change)
        refuse(error, lambda s=staged: join(s, newcomer))
    join(forged_welcome(room, newcomer, monkeypatch, lambda info: info), newcomer)


def with_tree(room: Room, change: Callable[[RatchetTree], None]) -> Callable[[GroupInfo], GroupInfo]:
    """Change the tree of a GroupInfo and make its hash fit, as its signer can."""

    def apply(info: GroupInfo) -> GroupInfo:
        tree = read_tree(room.suite, next(e.data for e in info.extensions if e.extension_type == RATCHET_TREE))
        change(tree)
        tree = read_tree(room.suite, tree.encoded)
        context = replace(info.context, tree_hash=tree.root_hash)
        return replace(info, context=context, extensions=(Extension(RATCHET_TREE, tree.encoded),)).signed(
            room.suite, room[0]._signing
        )

    return apply


def parents(tree: RatchetTree) -> list[tuple[int, ParentNode]]:
    return [(i, n) for i, n in enumerate(tree.nodes) if isinstance(n, ParentNode)]


def test_a_tree_that_lies_is_refused(room: Room, newcomer: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks MLS-07.9-01, MLS-12.4-02, MLS-12.4-13, MLS-12.4-16, MLS-12.4-23."""

    def change_parent(which: int = 0, **changes: Any) -> Callable[[RatchetTree], None]:
        def change(tree: RatchetTree) -> None:
            index, node = parents(tree)[which]
            tree.nodes[index] = replace(node, **changes)

        return change

    def swap_leaves(tree: RatchetTree) -> None:
        tree.nodes[4], tree.nodes[6] = tree.nodes[6], tree.nodes[4]

    def rename(place: int) -> Callable[[RatchetTree], None]:
        def change(tree: RatchetTree) -> None:
            leaf: Any = tree.nodes[place]
            tree.nodes[place] = replace(leaf, credential=Credential(1, b"somebody else"))

        return change

    def share_a_key(tree: RatchetTree) -> None:
        first: Any = tree.nodes[4]
        index, node = parents(tree)[0]
        tree.nodes[index] = replace(node, encryption_key=first.encryption_key)

    def drop_us(tree: RatchetTree) -> None:
        tree.remove_leaf(4)

    changes: list[tuple[type[MlsError], Callable[[RatchetTree], None]]] = [
        (InvalidTree, change_parent(parent_hash=bytes(32))),
        (InvalidTree, change_parent(encryption_key=bytes(31) + b"\x09")),
        (InvalidTree, change_parent(encryption_key=LOW_ORDER)),
        (InvalidTree, change_parent(unmerged_leaves=(0,))),
        (InvalidTree, change_parent(unmerged_leaves=(1, 0))),
        (InvalidTree, change_parent(unmerged_leaves=(3,))),
        *((InvalidTree, change_parent(which, unmerged_leaves=(4000,))) for which in range(4)),
        (InvalidTree, swap_leaves),
        (InvalidTree, rename(4)),
        (BadSignature, rename(0)),
        (InvalidTree, share_a_key),
        (NotForUs, drop_us),
    ]
    for error, change in changes:
        staged = forged_welcome(room, newcomer, monkeypatch, with_tree(room, change))
        refuse(error, lambda s=staged: join(s, newcomer))


def test_a_leaf_unmerged_twice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks MLS-07.1-01."""
    room, newcomer = Room(7), person("new")

    def double(tree: RatchetTree) -> None:
        index, node = next((i, n) for i, n in parents(tree) if n.unmerged_leaves)
        tree.nodes[index] = replace(node, unmerged_leaves=node.unmerged_leaves * 2)

    staged = forged_welcome(room, newcomer, monkeypatch, with_tree(room, double))
    refuse(InvalidTree, lambda: join(staged, newcomer))


def test_a_tree_with_nodes_in_wrong_places_is_refused(room: Room) -> None:
    """Breaks MLS-07.8-01, MLS-12.4-01."""
    nodes = room[0]._public.tree.nodes
    for wrong in ([nodes[1]], [nodes[0], nodes[0]], [nodes[0], nodes[1], nodes[1]], [nodes[0], None]):
        encoded = vector([Raw(b"\x00" if n is None else mark(n) + n.encoded) for n in wrong])
        refuse(InvalidTree, lambda e=encoded: read_tree(room.suite, e))
    refuse(Malformed, lambda: direct_path(99, 4))


@dataclass
class Raw:
    encoded: bytes


def mark(node: Any) -> bytes:
    return b"\x01\x02" if isinstance(node, ParentNode) else b"\x01\x01"


def test_a_path_secret_that_does_not_match_the_tree_is_refused(
    room: Room, newcomer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = committing.make_welcome

    def lie(suite, info, derivation, newcomers, own, new, psks, rng):  # type: ignore[no-untyped-def]
        wrong = replace(new, path_secrets=[bytes(32) for _ in new.path_secrets])
        return honest(suite, info, derivation, newcomers, own, wrong, psks, rng)

    monkeypatch.setattr(committing, "make_welcome", lie)
    staged = room[0].commit(add=[newcomer.bundle.key_package], now=NOW, rng=room.rng)
    refuse(InvalidPath, lambda: join(staged, newcomer))


def test_pre_shared_keys_of_a_welcome_are_checked(
    room: Room, newcomer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Breaks MLS-12.4-19, MLS-12.4-20."""
    honest = committing.make_welcome
    external = PreSharedKeyID.external(b"key", bytes(32))
    tie = PreSharedKeyID.resumption(USAGE_REINIT, b"old", 1, bytes(32))
    for error, psks in (
        (UnknownPsk, (external,)),
        (InvalidWelcome, (external, external)),
        (InvalidWelcome, (PreSharedKeyID.external(b"key", b"short"),)),
        (InvalidWelcome, (tie, replace(tie, epoch=2))),
        (UnknownPsk, (tie,)),
    ):
        monkeypatch.setattr(committing, "make_welcome", lambda *a, p=psks: honest(*a[:6], p, a[7]))
        staged = room[0].commit(add=[newcomer.bundle.key_package], now=NOW, rng=room.rng)
        refuse(error, lambda s=staged: join(s, newcomer))


def test_a_tree_can_come_beside_the_welcome(room: Room, newcomer: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks MLS-02.1-07, MLS-12.4-12."""
    key = room[0]._signing

    def strip(info: GroupInfo) -> GroupInfo:
        return replace(info, extensions=()).signed(room.suite, key)

    staged = forged_welcome(room, newcomer, monkeypatch, strip)
    tree = staged.public.tree.encoded
    assert join(staged, newcomer, ratchet_tree=tree).own_leaf == 4
    refuse(InvalidTree, lambda: join(staged, newcomer, ratchet_tree=room[0]._public.tree.encoded))
    refuse(Malformed, lambda: join(staged, newcomer, ratchet_tree=tree + b"\x00"))
    refuse(InvalidTree, lambda: join(staged, newcomer, ratchet_tree=b"\x00"))


# The hub


def test_the_hub_refuses_a_group_info_that_lies(room: Room) -> None:
    """Breaks MLS-12.4-11."""
    info = read_message(room[0].group_info())
    assert isinstance(info, GroupInfo)
    for forged in (
        replace(info, signer=1),
        replace(info, signature=bytes(64)),
        replace(info, confirmation_tag=bytes(32)),
    ):
        refuse(BadSignature, lambda f=forged: PublicGroup.from_group_info(write_message(f), NOW))
    refuse(Malformed, lambda: PublicGroup.from_group_info(person("x").bundle.key_package, NOW))


def test_a_hub_that_starts_in_a_later_epoch_reaches_the_same_state(room: Room) -> None:
    late = PublicGroup.from_group_info(room[2].group_info(), NOW)
    assert (late.epoch, late.tree_hash, late.members()) == (room.hub.epoch, room.hub.tree_hash, room.hub.members())
    staged = room[1].commit(now=NOW, rng=room.rng)
    late.merge(late.stage(staged.commit, NOW))
    room.follow(1, staged)
    assert late.tree_hash == room.hub.tree_hash
