"""Proposals, commits and update paths as structures (RFC 9420 sections 7.6, 8.4, 12.1, 12.4)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Final, Literal

from .codec import Reader, opaque, optional, u8, u16, u32, u64, vector
from .errors import Malformed
from .key_package import KeyPackage
from .leaf_node import Extension, LeafNode, read_extensions

EXTERNAL_PSK: Final = 1
RESUMPTION_PSK: Final = 2

USAGE_APPLICATION: Final = 1
USAGE_REINIT: Final = 2
USAGE_BRANCH: Final = 3


@dataclass(frozen=True)
class PreSharedKeyID:
    """Section 8.4: names a pre-shared key, with a nonce that makes each use distinct."""

    psk_type: int
    psk_id: bytes
    usage: int
    group_id: bytes
    epoch: int
    nonce: bytes

    @classmethod
    def external(cls, psk_id: bytes, nonce: bytes) -> PreSharedKeyID:
        """A key that the parties agreed outside MLS."""
        return cls(EXTERNAL_PSK, psk_id, 0, b"", 0, nonce)

    @classmethod
    def resumption(cls, usage: int, group_id: bytes, epoch: int, nonce: bytes) -> PreSharedKeyID:
        """The resumption key of an earlier epoch."""
        return cls(RESUMPTION_PSK, b"", usage, group_id, epoch, nonce)

    @cached_property
    def name(self) -> bytes:
        """The identifier without its nonce."""
        if self.psk_type == EXTERNAL_PSK:
            return u8(EXTERNAL_PSK) + opaque(self.psk_id)
        return u8(RESUMPTION_PSK) + u8(self.usage) + opaque(self.group_id) + u64(self.epoch)

    @cached_property
    def encoded(self) -> bytes:
        """The canonical encoding."""
        return self.name + opaque(self.nonce)

    @classmethod
    def read(cls, reader: Reader) -> PreSharedKeyID:
        """Read an identifier."""
        kind = reader.u8()
        if kind == EXTERNAL_PSK:
            return cls.external(reader.opaque(), reader.opaque())
        if kind == RESUMPTION_PSK:
            usage = reader.u8()
            if not USAGE_APPLICATION <= usage <= USAGE_BRANCH:
                # MLS-08.4-04: the use of a resumption key is one of the three.
                raise Malformed("unknown use of a resumption key")
            return cls.resumption(usage, reader.opaque(), reader.u64(), reader.opaque())
        # MLS-08.4-03: a pre-shared key is external or for resumption.
        raise Malformed("unknown pre-shared key type")


@dataclass(frozen=True)
class Add:
    """Section 12.1.1."""

    proposal_type: ClassVar[int] = 1
    key_package: KeyPackage

    @cached_property
    def body(self) -> bytes:
        """The encoding without the type."""
        return self.key_package.encoded


@dataclass(frozen=True)
class Update:
    """Section 12.1.2."""

    proposal_type: ClassVar[int] = 2
    leaf_node: LeafNode

    @cached_property
    def body(self) -> bytes:
        """The encoding without the type."""
        return self.leaf_node.encoded


@dataclass(frozen=True)
class Remove:
    """Section 12.1.3."""

    proposal_type: ClassVar[int] = 3
    removed: int

    @cached_property
    def body(self) -> bytes:
        """The encoding without the type."""
        return u32(self.removed)


@dataclass(frozen=True)
class PreSharedKey:
    """Section 12.1.4."""

    proposal_type: ClassVar[int] = 4
    psk: PreSharedKeyID

    @cached_property
    def body(self) -> bytes:
        """The encoding without the type."""
        return self.psk.encoded


@dataclass(frozen=True)
class ReInit:
    """Section 12.1.5."""

    proposal_type: ClassVar[int] = 5
    group_id: bytes
    version: int
    cipher_suite: int
    extensions: tuple[Extension, ...]

    @cached_property
    def body(self) -> bytes:
        """The encoding without the type."""
        return opaque(self.group_id) + u16(self.version) + u16(self.cipher_suite) + vector(self.extensions)

    @classmethod
    def read(cls, reader: Reader) -> ReInit:
        """Read the body."""
        return cls(reader.opaque(), reader.u16(), reader.u16(), read_extensions(reader))


@dataclass(frozen=True)
class ExternalInit:
    """Section 12.1.6."""

    proposal_type: ClassVar[int] = 6
    kem_output: bytes

    @cached_property
    def body(self) -> bytes:
        """The encoding without the type."""
        return opaque(self.kem_output)


@dataclass(frozen=True)
class GroupContextExtensions:
    """Section 12.1.7."""

    proposal_type: ClassVar[int] = 7
    extensions: tuple[Extension, ...]

    @cached_property
    def body(self) -> bytes:
        """The encoding without the type."""
        return vector(self.extensions)


Proposal = Add | Update | Remove | PreSharedKey | ReInit | ExternalInit | GroupContextExtensions


def read_proposal(reader: Reader) -> Proposal:
    """Read a proposal with its type."""
    match reader.u16():
        case 1:
            return Add(KeyPackage.read(reader))
        case 2:
            return Update(LeafNode.read(reader))
        case 3:
            return Remove(reader.u32())
        case 4:
            return PreSharedKey(PreSharedKeyID.read(reader))
        case 5:
            return ReInit.read(reader)
        case 6:
            return ExternalInit(reader.opaque())
        case 7:
            return GroupContextExtensions(read_extensions(reader))
        case other:
            # MLS-12.1-14: a proposal is of a type whose form is known.
            raise Malformed(f"proposal type {other} has no known form")


def encode_proposal(proposal: Proposal) -> bytes:
    """Encode a proposal with its type."""
    return u16(proposal.proposal_type) + proposal.body


@dataclass(frozen=True)
class ProposalOrRef:
    """Section 12.4: a proposal by value, or the hash of one sent before."""

    value: Proposal | bytes

    @cached_property
    def encoded(self) -> bytes:
        """The canonical encoding."""
        if isinstance(self.value, bytes):
            return u8(2) + opaque(self.value)
        return u8(1) + encode_proposal(self.value)

    @classmethod
    def read(cls, reader: Reader) -> ProposalOrRef:
        """Read either form."""
        kind = reader.u8()
        if kind == 1:
            return cls(read_proposal(reader))
        if kind == 2:
            return cls(reader.opaque())
        # MLS-12.4-30: a commit lists proposals and references, nothing else.
        raise Malformed("neither a proposal nor a reference")


@dataclass(frozen=True)
class HPKECiphertext:
    """Section 7.6."""

    kem_output: bytes
    ciphertext: bytes

    @cached_property
    def encoded(self) -> bytes:
        """The canonical encoding."""
        return opaque(self.kem_output) + opaque(self.ciphertext)

    @classmethod
    def read(cls, reader: Reader) -> HPKECiphertext:
        """Read an HPKE ciphertext."""
        return cls(reader.opaque(), reader.opaque())


@dataclass(frozen=True)
class UpdatePathNode:
    """Section 7.6: a new public key, and its path secret for each node of the copath resolution."""

    encryption_key: bytes
    encrypted_path_secret: tuple[HPKECiphertext, ...]

    @cached_property
    def encoded(self) -> bytes:
        """The canonical encoding."""
        return opaque(self.encryption_key) + vector(self.encrypted_path_secret)

    @classmethod
    def read(cls, reader: Reader) -> UpdatePathNode:
        """Read one node of a path."""
        return cls(reader.opaque(), reader.vector(HPKECiphertext.read))


@dataclass(frozen=True)
class UpdatePath:
    """Section 7.6."""

    leaf_node: LeafNode
    nodes: tuple[UpdatePathNode, ...]

    @cached_property
    def encoded(self) -> bytes:
        """The canonical encoding."""
        return self.leaf_node.encoded + vector(self.nodes)

    @classmethod
    def read(cls, reader: Reader) -> UpdatePath:
        """Read a path."""
        return cls(LeafNode.read(reader), reader.vector(UpdatePathNode.read))


@dataclass(frozen=True)
class Commit:
    """Section 12.4."""

    proposals: tuple[ProposalOrRef, ...]
    path: UpdatePath | None

    content_type: ClassVar[Literal[3]] = 3

    @cached_property
    def encoded(self) -> bytes:
        """The canonical encoding."""
        return vector(self.proposals) + optional(None if self.path is None else self.path.encoded)

    @classmethod
    def read(cls, reader: Reader) -> Commit:
        """Read a commit."""
        return cls(reader.vector(ProposalOrRef.read), reader.optional(UpdatePath.read))
