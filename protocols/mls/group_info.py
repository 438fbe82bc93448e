"""Group context, GroupInfo, GroupSecrets and Welcome (RFC 9420 sections 8.1, 12.4.3)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from .codec import Reader, opaque, optional, u16, u32, u64, vector
from .leaf_node import Extension, read_extensions
from .proposals import HPKECiphertext, PreSharedKeyID
from .suites import Suite


@dataclass(frozen=True)
class GroupContext:
    """Section 8.1: what all members of an epoch agree on."""

    version: int
    cipher_suite: int
    group_id: bytes
    epoch: int
    tree_hash: bytes
    confirmed_transcript_hash: bytes
    extensions: tuple[Extension, ...]

    @cached_property
    def encoded(self) -> bytes:
        """The canonical encoding."""
        return b"".join(
            [
                u16(self.version),
                u16(self.cipher_suite),
                opaque(self.group_id),
                u64(self.epoch),
                opaque(self.tree_hash),
                opaque(self.confirmed_transcript_hash),
                vector(self.extensions),
            ]
        )

    @classmethod
    def read(cls, reader: Reader) -> GroupContext:
        """Read a group context."""
        return cls(
            reader.u16(),
            reader.u16(),
            reader.opaque(),
            reader.u64(),
            reader.opaque(),
            reader.opaque(),
            read_extensions(reader),
        )


@dataclass(frozen=True)
class GroupInfo:
    """Section 12.4.3: the group as one member vouches for it."""

    context: GroupContext
    extensions: tuple[Extension, ...]
    confirmation_tag: bytes
    signer: int
    signature: bytes = b""

    @cached_property
    def _unsigned(self) -> bytes:
        return b"".join(
            [
                self.context.encoded,
                vector(self.extensions),
                opaque(self.confirmation_tag),
                u32(self.signer),
            ]
        )

    @cached_property
    def encoded(self) -> bytes:
        """The canonical encoding."""
        return self._unsigned + opaque(self.signature)

    @classmethod
    def read(cls, reader: Reader) -> GroupInfo:
        """Read a GroupInfo."""
        context, extensions = GroupContext.read(reader), read_extensions(reader)
        return cls(context, extensions, reader.opaque(), reader.u32(), reader.opaque())

    def signed(self, suite: Suite, key: bytes) -> GroupInfo:
        """The same GroupInfo with our signature."""
        return replace(self, signature=suite.sign(key, b"GroupInfoTBS", self._unsigned))

    def verify(self, suite: Suite, public: bytes) -> None:
        """Check the signature, or raise BadSignature."""
        suite.verify(public, b"GroupInfoTBS", self._unsigned, self.signature)


@dataclass(frozen=True, repr=False)
class GroupSecrets:
    """Section 12.4.3: what a new member gets, sealed to the init key."""

    joiner_secret: bytes
    path_secret: bytes | None
    psks: tuple[PreSharedKeyID, ...]

    @cached_property
    def encoded(self) -> bytes:
        """The canonical encoding."""
        path = optional(None if self.path_secret is None else opaque(self.path_secret))
        return opaque(self.joiner_secret) + path + vector(self.psks)

    @classmethod
    def read(cls, reader: Reader) -> GroupSecrets:
        """Read group secrets."""
        joiner, path = reader.opaque(), reader.optional(Reader.opaque)
        return cls(joiner, path, reader.vector(PreSharedKeyID.read))


@dataclass(frozen=True)
class EncryptedGroupSecrets:
    """Section 12.4.3."""

    new_member: bytes
    encrypted_group_secrets: HPKECiphertext

    @cached_property
    def encoded(self) -> bytes:
        """The canonical encoding."""
        return opaque(self.new_member) + self.encrypted_group_secrets.encoded

    @classmethod
    def read(cls, reader: Reader) -> EncryptedGroupSecrets:
        """Read one new member's part."""
        return cls(reader.opaque(), HPKECiphertext.read(reader))


@dataclass(frozen=True)
class Welcome:
    """Section 12.4.3."""

    cipher_suite: int
    secrets: tuple[EncryptedGroupSecrets, ...]
    encrypted_group_info: bytes

    @cached_property
    def encoded(self) -> bytes:
        """The canonical encoding."""
        return u16(self.cipher_suite) + vector(self.secrets) + opaque(self.encrypted_group_info)

    @classmethod
    def read(cls, reader: Reader) -> Welcome:
        """Read a Welcome."""
        return cls(reader.u16(), reader.vector(EncryptedGroupSecrets.read), reader.opaque())
