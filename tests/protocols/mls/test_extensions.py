"""What a group demands and tolerates: required capabilities, unknown values (GREASE), lifetimes, credentials."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from protocols.mls import (
    MAX_LIFETIME,
    X25519_CHACHA20,
    Group,
    InvalidLeaf,
    InvalidTree,
    KeyPackageBundle,
    KeyPackageExpired,
    Misuse,
    PublicGroup,
    inspect_key_package,
    make_key_package,
)
from protocols.mls.codec import u16_vector
from protocols.mls.framing import read_message, write_message
from protocols.mls.group_info import GroupInfo
from protocols.mls.key_package import read_key_package_message
from protocols.mls.leaf_node import REQUIRED_CAPABILITIES, X509, Credential, Extension
from protocols.mls.suites import SUITES, signing_key
from tests.protocols.mls.harness import DAY, NOW, Draw, Person, Room, person, refuse

GREASE = (0x0A0A, 0x1A1A, 0x2A2A, 0xEAEA)
SUITE = SUITES[X25519_CHACHA20]


def required(
    extensions: tuple[int, ...] = (), proposals: tuple[int, ...] = (), credentials: tuple[int, ...] = ()
) -> Any:
    return (REQUIRED_CAPABILITIES, u16_vector(extensions) + u16_vector(proposals) + u16_vector(credentials))


def altered(somebody: Person, **changes: Any) -> Person:
    """Somebody whose leaf says something else, signed again; ``capabilities`` is a dict of changes."""
    package = read_key_package_message(somebody.bundle.key_package)
    leaf, key = package.leaf_node, signing_key(somebody.seed)
    if "capabilities" in changes:
        changes["capabilities"] = replace(leaf.capabilities, **changes["capabilities"])
    signed = replace(package, leaf_node=replace(leaf, **changes).signed(SUITE, key)).signed(SUITE, key)
    bundle = KeyPackageBundle(signed.message, somebody.bundle.private, signed.ref(SUITE))
    return Person(somebody.name, somebody.seed, bundle)


def greased(name: str) -> Person:
    ours = read_key_package_message(person("x").bundle.key_package).leaf_node.capabilities
    return altered(
        person(name),
        capabilities={
            "versions": (*GREASE, *ours.versions),
            "cipher_suites": (*GREASE, *ours.cipher_suites),
            "extensions": GREASE,
            "proposals": GREASE,
            "credentials": (*ours.credentials, *GREASE),
        },
        extensions=(Extension(GREASE[0], b"anything"),),
    )


def test_a_member_that_sends_grease_everywhere_is_a_member_like_any_other() -> None:
    room = Room(2)
    newcomer = greased("greased")
    assert inspect_key_package(newcomer.bundle.key_package, now=NOW).identity == b"greased"
    room.add([newcomer])
    for leaf in list(room.groups):
        room.commit(leaf)
    room.agree()
    assert room[0].decrypt(room[2].encrypt(b"hello", rng=room.rng)).data == b"hello"


def test_unknown_extensions_of_a_group_info_are_tolerated() -> None:
    group = Room(1)[0]
    info = read_message(group.group_info())
    assert isinstance(info, GroupInfo)
    more = replace(info, extensions=(Extension(GREASE[1], b"x"), *info.extensions)).signed(SUITE, group._signing)
    assert PublicGroup.from_group_info(write_message(more), NOW).members() == group.members()


def test_a_group_that_requires_what_all_have_goes_on() -> None:
    seed = Draw("a")(32)
    group = Group.create(3, b"g", b"a", seed, now=NOW, rng=Draw(), extensions=[required((1, 5), (1, 7), (1,))])
    newcomer = person("b")
    staged = group.commit(add=[newcomer.bundle.key_package], now=NOW, rng=Draw("c"))
    group.merge(staged)
    joined = Group.join(staged.welcome or b"", newcomer.bundle, newcomer.seed, now=NOW)
    assert joined.epoch_authenticator == group.epoch_authenticator


@pytest.mark.parametrize("lacking", [required((0xF123,)), required((), (0xF123,)), required((), (), (3,))])
def test_a_group_cannot_require_what_a_member_lacks(lacking: tuple[int, bytes]) -> None:
    refuse(Misuse, lambda: Group.create(3, b"g", b"a", bytes(32), now=NOW, rng=Draw(), extensions=[lacking]))
    room = Room(2)
    refuse(InvalidTree, lambda: room[0].commit(extensions=[lacking], now=NOW, rng=room.rng), room[0])


def test_who_lacks_what_the_group_requires_cannot_be_added() -> None:
    room = Room(2)
    room.commit(0, extensions=[required((), (), (1,))])
    lacking = altered(person("new"), capabilities={"credentials": (2, 3)})
    refuse(InvalidLeaf, lambda: room[0].commit(add=[lacking.bundle.key_package], now=NOW, rng=room.rng), room[0])


def test_only_basic_credentials_are_taken() -> None:
    room = Room(2)
    certified = altered(
        person("new"), credential=Credential(X509, b"", (b"certificate",)), capabilities={"credentials": (1, 2)}
    )
    refuse(InvalidLeaf, lambda: inspect_key_package(certified.bundle.key_package, now=NOW))
    refuse(InvalidLeaf, lambda: room[0].commit(add=[certified.bundle.key_package], now=NOW, rng=room.rng), room[0])


def test_a_lifetime_bounds_when_its_owner_may_be_added_not_how_long_it_stays() -> None:
    room, newcomer = Room(2), person("new")
    late = NOW + 2 * DAY
    refuse(
        KeyPackageExpired,
        lambda: room[0].commit(add=[newcomer.bundle.key_package], now=late, rng=room.rng),
        room[0],
    )
    room.add([newcomer])
    staged = room[0].commit(now=late, rng=room.rng)
    room[2].merge(room[2].stage(staged.commit, now=late))
    room.hub.merge(room.hub.stage(staged.commit, late))


def test_the_longest_lifetime_is_the_callers_to_set() -> None:
    seed = bytes(32)
    long = make_key_package(
        3, b"x", seed, not_before=NOW, not_after=NOW + MAX_LIFETIME + 1, rng=Draw("long")
    )  # fmt: skip
    refuse(KeyPackageExpired, lambda: inspect_key_package(long.key_package, now=NOW))
    assert inspect_key_package(long.key_package, now=NOW, max_lifetime=MAX_LIFETIME + 1).identity == b"x"
    edge = make_key_package(3, b"x", seed, not_before=NOW, not_after=NOW + MAX_LIFETIME, rng=Draw("edge"))
    for now in (NOW, NOW + MAX_LIFETIME):
        assert inspect_key_package(edge.key_package, now=now).identity == b"x"
