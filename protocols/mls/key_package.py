"""Key packages: signed invitations to be added while offline (RFC 9420 section 10)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from .codec import Reader, decode, opaque, u16, vector
from .errors import InvalidKeyPackage, KeyPackageExpired, Malformed, Misuse
from .kem import Rng, draw
from .leaf_node import (
    BASIC,
    KEY_PACKAGE,
    MLS10,
    OUR_CAPABILITIES,
    Credential,
    Extension,
    LeafNode,
    Lifetime,
    check_leaf,
    read_extensions,
)
from .suites import SUITES, Suite, signing_key, suite_of

MAX_LIFETIME: Final = 92 * 86400
"""Longest lifetime accepted by default, in seconds: a quarter of a year.

Section 7.2 asks every application to set one: a key package found years later must not let anybody in.
"""

WIRE_KEY_PACKAGE: Final = 5


@dataclass(frozen=True)
class KeyPackage:
    """Section 10."""

    version: int
    cipher_suite: int
    init_key: bytes
    leaf_node: LeafNode
    extensions: tuple[Extension, ...]
    signature: bytes = b""

    @cached_property
    def _unsigned(self) -> bytes:
        return b"".join(
            [
                u16(self.version),
                u16(self.cipher_suite),
                opaque(self.init_key),
                self.leaf_node.encoded,
                vector(self.extensions),
            ]
        )

    @cached_property
    def encoded(self) -> bytes:
        """The canonical encoding."""
        return self._unsigned + opaque(self.signature)

    @classmethod
    def read(cls, reader: Reader) -> KeyPackage:
        """Read a key package."""
        return cls(
            reader.u16(),
            reader.u16(),
            reader.opaque(),
            LeafNode.read(reader),
            read_extensions(reader),
            reader.opaque(),
        )

    def ref(self, suite: Suite) -> bytes:
        """KeyPackageRef (section 5.2)."""
        return suite.key_package_ref(self.encoded)

    def signed(self, suite: Suite, key: bytes) -> KeyPackage:
        """The same key package with our signature."""
        return replace(self, signature=suite.sign(key, b"KeyPackageTBS", self._unsigned))

    def verify(self, suite: Suite) -> None:
        """Check the outer signature, or raise BadSignature."""
        suite.verify(self.leaf_node.signature_key, b"KeyPackageTBS", self._unsigned, self.signature)

    @property
    def message(self) -> bytes:
        """As an MLSMessage."""
        return u16(MLS10) + u16(WIRE_KEY_PACKAGE) + self.encoded


def read_key_package_message(data: bytes) -> KeyPackage:
    """Read a key package from an MLSMessage."""

    def read(reader: Reader) -> KeyPackage:
        if reader.u16() != MLS10 or reader.u16() != WIRE_KEY_PACKAGE:
            raise Malformed("not a key package message")
        return KeyPackage.read(reader)

    return decode(read, data)


def check_lifetime(lifetime: Lifetime | None, now: int, longest: int) -> None:
    """Check a key package's lifetime at the moment it is used to add somebody."""
    if lifetime is None or lifetime.not_after <= lifetime.not_before:
        # MLS-07.2-01: a lifetime has a beginning before its end.
        raise KeyPackageExpired("lifetime is empty")
    if lifetime.not_after - lifetime.not_before > longest:
        # MLS-07.2-02: a lifetime is not longer than the application allows.
        raise KeyPackageExpired("lifetime is longer than allowed")
    if not lifetime.not_before <= now <= lifetime.not_after:
        # MLS-07.3-06: the current time lies within the lifetime.
        raise KeyPackageExpired("not valid at this time")


def check_key_package(package: KeyPackage, suite: Suite, *, now: int, longest: int) -> None:
    """Check a key package for use in a group of ``suite`` (section 10.1)."""
    leaf = package.leaf_node
    if package.version != MLS10 or package.cipher_suite != suite.code:
        # MLS-10.1-01: version and suite are the group's.
        raise InvalidKeyPackage("version or suite is not the group's")
    if leaf.source != KEY_PACKAGE:
        # MLS-10.1-02: the leaf was made for a key package.
        raise InvalidKeyPackage("leaf node was not made for a key package")
    check_leaf(leaf, suite)
    if not suite.hpke.kem.valid_public(package.init_key):
        # MLS-10.1-05: the init key has the suite's length and is not of low order.
        raise InvalidKeyPackage("init key that nobody can encrypt to")
    if package.init_key == leaf.encryption_key:
        # MLS-10.1-03: the init key is used once and never in the tree.
        raise InvalidKeyPackage("init key equals the leaf's encryption key")
    # MLS-10.1-04: both signatures verify under the leaf's key.
    leaf.verify(suite)
    package.verify(suite)
    check_lifetime(leaf.lifetime, now, longest)


@dataclass(frozen=True)
class KeyPackageInfo:
    """What a verified key package says."""

    suite: int
    identity: bytes
    signature_key: bytes
    ref: bytes
    not_before: int
    not_after: int


@dataclass(frozen=True, repr=False)
class KeyPackageBundle:
    """A key package to publish, with the private keys to keep. Use it for one group, then destroy it."""

    key_package: bytes
    private: bytes
    ref: bytes

    def __repr__(self) -> str:
        """Name the bundle without its private part."""
        return f"KeyPackageBundle(ref={self.ref.hex()})"


def make_key_package(
    suite: int,
    identity: bytes,
    signature_private: bytes,
    *,
    not_before: int,
    not_after: int,
    rng: Rng,
) -> KeyPackageBundle:
    """Make a key package and its private keys.

    The lifetime bounds when the package may be used to add its owner, not how long the owner stays.
    """
    chosen = SUITES.get(suite)
    if chosen is None:
        raise Misuse(f"no cipher suite 0x{suite:04x}")
    if not 0 <= not_before < not_after < 1 << 64:
        raise Misuse("a lifetime begins before it ends")
    key = signing_key(signature_private)
    init_private, init_key = chosen.derive_key_pair(draw(rng, 32))
    leaf_private, leaf_key = chosen.derive_key_pair(draw(rng, 32))
    leaf = LeafNode(
        leaf_key,
        key[32:],
        Credential(BASIC, identity),
        OUR_CAPABILITIES,
        KEY_PACKAGE,
        Lifetime(not_before, not_after),
        b"",
        (),
    ).signed(chosen, key)
    package = KeyPackage(MLS10, suite, init_key, leaf, ()).signed(chosen, key)
    return KeyPackageBundle(package.message, pack_private(init_private, leaf_private), package.ref(chosen))


def pack_private(init_private: bytes, leaf_private: bytes) -> bytes:
    """The private part of a bundle: a version octet and both HPKE private keys."""
    return b"\x01" + opaque(init_private) + opaque(leaf_private)


def unpack_private(data: bytes) -> tuple[bytes, bytes]:
    """Read ``pack_private``'s form: ``(init, leaf)``."""

    def read(reader: Reader) -> tuple[bytes, bytes]:
        if reader.u8() != 1:
            raise Malformed("unknown version")
        return reader.opaque(), reader.opaque()

    try:
        return decode(read, data)
    except Malformed:
        raise Misuse("the private part of the key package bundle is damaged") from None


def inspect_key_package(key_package: bytes, *, now: int, max_lifetime: int = MAX_LIFETIME) -> KeyPackageInfo:
    """Verify a key package that somebody published, and say whose it is."""
    package = read_key_package_message(key_package)
    suite = suite_of(package.cipher_suite)
    check_key_package(package, suite, now=now, longest=max_lifetime)
    leaf = package.leaf_node
    lifetime = leaf.lifetime or Lifetime(0, 0)
    return KeyPackageInfo(
        suite.code,
        leaf.credential.identity,
        leaf.signature_key,
        package.ref(suite),
        lifetime.not_before,
        lifetime.not_after,
    )
