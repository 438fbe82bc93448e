"""The engine interface: all that the rest of the product knows of MLS.

``Engine`` says what a replacement must offer (an audited core behind a binding, for instance); ``ENGINE`` is our own
implementation. Nothing outside this package imports another of its modules. This implementation has had no independent
audit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from .errors import (
    BadSignature,
    BadTag,
    DecryptionFailed,
    GenerationTooFar,
    InvalidCommit,
    InvalidKeyPackage,
    InvalidLeaf,
    InvalidPath,
    InvalidProposal,
    InvalidTree,
    InvalidWelcome,
    KeyPackageExpired,
    LocalMlsError,
    Malformed,
    Misuse,
    MlsError,
    NotAMember,
    NotForUs,
    OwnMessage,
    RemoteMlsError,
    Replayed,
    SnapshotRefused,
    StaleStage,
    UnknownProposal,
    UnknownPsk,
    UnknownSender,
    Unsupported,
    WrongEpoch,
    WrongGroup,
)
from .group import PAST_EPOCHS, Group
from .group_proposing import DEFAULT_PADDING
from .hpke import hpke_open, hpke_seal
from .kem import Rng
from .key_package import (
    MAX_LIFETIME,
    KeyPackageBundle,
    KeyPackageInfo,
    inspect_key_package,
    make_key_package,
)
from .public_group import PublicGroup
from .public_state import Member
from .results import Decrypted, Proposed
from .staged import StagedCommit, StagedPeerCommit, StagedPublicCommit
from .succession import Successor
from .suites import HYBRID, SUITES, X25519_AES128, X25519_CHACHA20


class MemberGroup(Protocol):
    """What a station needs of a group; ``protocols.mls.group.Group`` documents each call."""

    @property
    def group_id(self) -> bytes:
        """The group's identifier."""

    @property
    def epoch(self) -> int:
        """The current epoch."""

    @property
    def suite(self) -> int:
        """The cipher suite's code point."""

    @property
    def own_leaf(self) -> int:
        """Our place in the tree."""

    @property
    def is_member(self) -> bool:
        """False once we were removed."""

    @property
    def epoch_authenticator(self) -> bytes:
        """Equal for two members exactly if they agree on the whole history."""

    @property
    def tree_hash(self) -> bytes:
        """The hash of the public tree."""

    def members(self) -> tuple[Member, ...]:
        """The roster."""

    def group_info(self, rng: Rng | None = None, *, external_commit: bool = False) -> bytes:
        """A signed GroupInfo with the tree."""

    def info_after(self, staged: StagedCommit) -> bytes:
        """A GroupInfo of the epoch that our commit will make, for external commits."""

    def commit(
        self,
        *,
        add: Sequence[bytes] = (),
        remove: Sequence[int] = (),
        public: bool = True,
        aad: bytes = b"",
        now: int,
        rng: Rng,
    ) -> StagedCommit:
        """Make a commit; the group is unchanged until ``merge``."""

    def stage(self, message: bytes, *, now: int) -> StagedPeerCommit:
        """Check a peer's commit; the group is unchanged until ``merge``."""

    def merge(self, staged: StagedCommit | StagedPeerCommit) -> None:
        """Enter the next epoch."""

    def encrypt(self, data: bytes, *, aad: bytes = b"", rng: Rng) -> bytes:
        """Encrypt to the group; save before the result leaves."""

    def decrypt(self, message: bytes) -> Decrypted:
        """Decrypt and use up the key."""

    def export(self, label: str, context: bytes, length: int) -> bytes:
        """A secret for the application."""

    def snapshot(self) -> bytes:
        """The whole state."""


class Engine(Protocol):
    """What a replacement of this implementation must offer."""

    def suites(self) -> tuple[int, ...]:
        """The cipher suites at hand, by code point."""

    def make_key_package(
        self,
        suite: int,
        identity: bytes,
        signature_private: bytes,
        *,
        not_before: int,
        not_after: int,
        rng: Rng,
    ) -> KeyPackageBundle:
        """Make a key package to publish."""

    def inspect_key_package(self, key_package: bytes, *, now: int) -> KeyPackageInfo:
        """Verify a published key package."""

    def create(
        self, suite: int, group_id: bytes, identity: bytes, signature_private: bytes, *, now: int, rng: Rng
    ) -> MemberGroup:
        """Begin a group of one."""

    def join(
        self,
        welcome: bytes,
        bundle: KeyPackageBundle,
        signature_private: bytes,
        *,
        now: int,
        ratchet_tree: bytes | None = None,
    ) -> MemberGroup:
        """Enter a group by a Welcome."""

    def join_external(
        self,
        group_info: bytes,
        identity: bytes,
        signature_private: bytes,
        *,
        now: int,
        rng: Rng,
        replaces: int | None = None,
    ) -> tuple[MemberGroup, bytes]:
        """Enter a group by our own commit, in place of our former leaf."""

    def restore(self, data: bytes) -> MemberGroup:
        """Read a saved group."""

    def follow(self, group_info: bytes, now: int) -> PublicGroup:
        """Begin to follow a group without being in it."""


class Rfc9420Engine:
    """Our own implementation."""

    def suites(self) -> tuple[int, ...]:
        """The cipher suites at hand, by code point."""
        return tuple(SUITES)

    def make_key_package(
        self,
        suite: int,
        identity: bytes,
        signature_private: bytes,
        *,
        not_before: int,
        not_after: int,
        rng: Rng,
    ) -> KeyPackageBundle:
        """Make a key package to publish."""
        return make_key_package(suite, identity, signature_private, not_before=not_before, not_after=not_after, rng=rng)

    def inspect_key_package(self, key_package: bytes, *, now: int) -> KeyPackageInfo:
        """Verify a published key package."""
        return inspect_key_package(key_package, now=now)

    def create(
        self, suite: int, group_id: bytes, identity: bytes, signature_private: bytes, *, now: int, rng: Rng
    ) -> Group:
        """Begin a group of one."""
        return Group.create(suite, group_id, identity, signature_private, now=now, rng=rng)

    def join(
        self,
        welcome: bytes,
        bundle: KeyPackageBundle,
        signature_private: bytes,
        *,
        now: int,
        ratchet_tree: bytes | None = None,
        psks: Mapping[bytes, bytes] | None = None,
    ) -> Group:
        """Enter a group by a Welcome."""
        return Group.join(welcome, bundle, signature_private, now=now, ratchet_tree=ratchet_tree, psks=psks)

    def join_external(
        self,
        group_info: bytes,
        identity: bytes,
        signature_private: bytes,
        *,
        now: int,
        rng: Rng,
        replaces: int | None = None,
    ) -> tuple[Group, bytes]:
        """Enter a group by our own commit, in place of our former leaf."""
        return Group.join_external(group_info, identity, signature_private, now=now, rng=rng, replaces=replaces)

    def restore(self, data: bytes) -> Group:
        """Read a saved group."""
        return Group.restore(data)

    def follow(self, group_info: bytes, now: int) -> PublicGroup:
        """Begin to follow a group without being in it."""
        return PublicGroup.from_group_info(group_info, now)


ENGINE: Final[Engine] = Rfc9420Engine()

__all__ = [
    "DEFAULT_PADDING",
    "ENGINE",
    "HYBRID",
    "MAX_LIFETIME",
    "PAST_EPOCHS",
    "X25519_AES128",
    "X25519_CHACHA20",
    "BadSignature",
    "BadTag",
    "Decrypted",
    "DecryptionFailed",
    "Engine",
    "GenerationTooFar",
    "Group",
    "InvalidCommit",
    "InvalidKeyPackage",
    "InvalidLeaf",
    "InvalidPath",
    "InvalidProposal",
    "InvalidTree",
    "InvalidWelcome",
    "KeyPackageBundle",
    "KeyPackageExpired",
    "KeyPackageInfo",
    "LocalMlsError",
    "Malformed",
    "Member",
    "MemberGroup",
    "Misuse",
    "MlsError",
    "NotAMember",
    "NotForUs",
    "OwnMessage",
    "Proposed",
    "PublicGroup",
    "RemoteMlsError",
    "Replayed",
    "Rfc9420Engine",
    "Rng",
    "SnapshotRefused",
    "StagedCommit",
    "StagedPeerCommit",
    "StagedPublicCommit",
    "StaleStage",
    "Successor",
    "UnknownProposal",
    "UnknownPsk",
    "UnknownSender",
    "Unsupported",
    "WrongEpoch",
    "WrongGroup",
    "hpke_open",
    "hpke_seal",
    "inspect_key_package",
    "make_key_package",
]
