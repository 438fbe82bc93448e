"""Leaf nodes and what they carry (RFC 9420 sections 5.3, 7.2, 13.4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from .codec import Reader, opaque, u8, u16, u16_vector, u32, u64, vector
from .errors import InvalidLeaf, Malformed
from .suites import SUITES, VERIFY_KEY_SIZE, Suite

MLS10: Final = 1

BASIC: Final = 1
X509: Final = 2

# Extension types (section 17.3). Every client supports these five without saying so.
APPLICATION_ID: Final = 1
RATCHET_TREE: Final = 2
REQUIRED_CAPABILITIES: Final = 3
EXTERNAL_PUB: Final = 4
EXTERNAL_SENDERS: Final = 5
DEFAULT_EXTENSIONS: Final = frozenset(range(1, 6))
DEFAULT_PROPOSALS: Final = frozenset(range(1, 8))

# LeafNodeSource (section 7.2)
KEY_PACKAGE: Final = 1
UPDATE: Final = 2
COMMIT: Final = 3


@dataclass(frozen=True)
class Extension:
    """Section 13.4: a type and opaque data. Unknown types are kept as they are (section 13.5, GREASE)."""

    extension_type: int
    data: bytes

    @cached_property
    def encoded(self) -> bytes:
        """The canonical encoding."""
        return u16(self.extension_type) + opaque(self.data)

    @classmethod
    def read(cls, reader: Reader) -> Extension:
        """Read one extension."""
        return cls(reader.u16(), reader.opaque())


def read_extensions(reader: Reader) -> tuple[Extension, ...]:
    """Read ``Extension extensions<V>``; a type occurs once."""
    extensions = reader.vector(Extension.read)
    if len({extension.extension_type for extension in extensions}) != len(extensions):
        # MLS-13.4-01: an extension type occurs at most once in a list.
        raise Malformed("an extension type occurs twice")
    return extensions


def find_extension(extensions: Iterable[Extension], extension_type: int) -> bytes | None:
    """The data of the extension of that type."""
    return next((e.data for e in extensions if e.extension_type == extension_type), None)


@dataclass(frozen=True)
class Credential:
    """Section 5.3. A basic credential is an identity that the application vouches for; we issue no other kind."""

    credential_type: int
    identity: bytes
    certificates: tuple[bytes, ...] = ()

    @cached_property
    def encoded(self) -> bytes:
        """The canonical encoding."""
        if self.credential_type == X509:
            return u16(X509) + opaque(b"".join([opaque(c) for c in self.certificates]))
        return u16(self.credential_type) + opaque(self.identity)

    @classmethod
    def read(cls, reader: Reader) -> Credential:
        """Read one credential; a type whose body has no known form cannot be read."""
        kind = reader.u16()
        if kind == BASIC:
            return cls(kind, reader.opaque())
        if kind == X509:
            return cls(kind, b"", reader.vector(Reader.opaque))
        # MLS-05.3-01: a credential is of a type whose form is known.
        raise Malformed(f"credential type {kind} has no known form")


@dataclass(frozen=True)
class Capabilities:
    """Section 7.2: what a client says it understands."""

    versions: tuple[int, ...]
    cipher_suites: tuple[int, ...]
    extensions: tuple[int, ...]
    proposals: tuple[int, ...]
    credentials: tuple[int, ...]

    @cached_property
    def encoded(self) -> bytes:
        """The canonical encoding."""
        return b"".join(
            [
                u16_vector(values)
                for values in (
                    self.versions,
                    self.cipher_suites,
                    self.extensions,
                    self.proposals,
                    self.credentials,
                )
            ]
        )

    @classmethod
    def read(cls, reader: Reader) -> Capabilities:
        """Read capabilities."""
        return cls(*(reader.u16_vector() for _ in range(5)))

    def has_extension(self, extension_type: int) -> bool:
        """Whether the client understands that extension."""
        return extension_type in DEFAULT_EXTENSIONS or extension_type in self.extensions

    def has_proposal(self, proposal_type: int) -> bool:
        """Whether the client understands that proposal."""
        return proposal_type in DEFAULT_PROPOSALS or proposal_type in self.proposals


OUR_CAPABILITIES = Capabilities((MLS10,), tuple(SUITES), (), (), (BASIC,))


@dataclass(frozen=True)
class RequiredCapabilities:
    """Section 11.1: what a group demands of every member."""

    extensions: tuple[int, ...]
    proposals: tuple[int, ...]
    credentials: tuple[int, ...]

    @classmethod
    def read(cls, reader: Reader) -> RequiredCapabilities:
        """Read the extension's content."""
        return cls(reader.u16_vector(), reader.u16_vector(), reader.u16_vector())

    def met_by(self, capabilities: Capabilities) -> bool:
        """Whether a client understands all of it."""
        return (
            all(capabilities.has_extension(e) for e in self.extensions)
            and all(capabilities.has_proposal(p) for p in self.proposals)
            and set(self.credentials) <= set(capabilities.credentials)
        )


@dataclass(frozen=True)
class Lifetime:
    """Section 7.2: POSIX seconds between which a key package may be used."""

    not_before: int
    not_after: int

    @cached_property
    def encoded(self) -> bytes:
        """The canonical encoding."""
        return u64(self.not_before) + u64(self.not_after)

    @classmethod
    def read(cls, reader: Reader) -> Lifetime:
        """Read a lifetime."""
        return cls(reader.u64(), reader.u64())


@dataclass(frozen=True)
class LeafNode:
    """Section 7.2: one member's place in the tree."""

    encryption_key: bytes
    signature_key: bytes
    credential: Credential
    capabilities: Capabilities
    source: int
    lifetime: Lifetime | None
    parent_hash: bytes
    extensions: tuple[Extension, ...]
    signature: bytes = b""

    @cached_property
    def _unsigned(self) -> bytes:
        if self.source == KEY_PACKAGE and self.lifetime is not None:
            origin = self.lifetime.encoded
        elif self.source == COMMIT:
            origin = opaque(self.parent_hash)
        else:
            origin = b""
        return b"".join(
            [
                opaque(self.encryption_key),
                opaque(self.signature_key),
                self.credential.encoded,
                self.capabilities.encoded,
                u8(self.source),
                origin,
                vector(self.extensions),
            ]
        )

    @cached_property
    def encoded(self) -> bytes:
        """The canonical encoding."""
        return self._unsigned + opaque(self.signature)

    @classmethod
    def read(cls, reader: Reader) -> LeafNode:
        """Read a leaf node."""
        encryption_key, signature_key = reader.opaque(), reader.opaque()
        credential, capabilities = Credential.read(reader), Capabilities.read(reader)
        source = reader.u8()
        lifetime, parent_hash = None, b""
        if source == KEY_PACKAGE:
            lifetime = Lifetime.read(reader)
        elif source == COMMIT:
            parent_hash = reader.opaque()
        elif source != UPDATE:
            # MLS-07.2-03: a leaf says for which of the three purposes it was made.
            raise Malformed("unknown leaf node source")
        return cls(
            encryption_key,
            signature_key,
            credential,
            capabilities,
            source,
            lifetime,
            parent_hash,
            read_extensions(reader),
            reader.opaque(),
        )

    def _to_be_signed(self, group_id: bytes, leaf: int) -> bytes:
        """LeafNodeTBS: outside key packages the signature binds the group and the place in it."""
        if self.source == KEY_PACKAGE:
            return self._unsigned
        return self._unsigned + opaque(group_id) + u32(leaf)

    def signed(self, suite: Suite, key: bytes, group_id: bytes = b"", leaf: int = 0) -> LeafNode:
        """The same leaf with our signature."""
        return replace(self, signature=suite.sign(key, b"LeafNodeTBS", self._to_be_signed(group_id, leaf)))

    def verify(self, suite: Suite, group_id: bytes = b"", leaf: int = 0) -> None:
        """Check the signature, or raise BadSignature."""
        suite.verify(self.signature_key, b"LeafNodeTBS", self._to_be_signed(group_id, leaf), self.signature)


def check_leaf(leaf: LeafNode, suite: Suite) -> None:
    """Check what a leaf node says by itself (section 7.3); the signature is checked apart."""
    if not suite.hpke.kem.valid_public(leaf.encryption_key):
        # MLS-07.3-01: the encryption key has the suite's length and is not of low order.
        raise InvalidLeaf("encryption key that nobody can encrypt to")
    if len(leaf.signature_key) != VERIFY_KEY_SIZE:
        # MLS-07.3-10: the signature key has the suite's length.
        raise InvalidLeaf("signature key of wrong length")
    if leaf.credential.credential_type != BASIC:
        # MLS-07.3-02: the credential is one the application can vouch for; here only basic ones are.
        raise InvalidLeaf("credential is not basic")
    capabilities = leaf.capabilities
    if MLS10 not in capabilities.versions or suite.code not in capabilities.cipher_suites:
        # MLS-07.3-03: the client supports the group's version and suite.
        raise InvalidLeaf("capabilities lack the group's version or suite")
    if leaf.credential.credential_type not in capabilities.credentials:
        # MLS-07.3-04: a client supports its own credential type.
        raise InvalidLeaf("capabilities lack the leaf's own credential type")
    for extension in leaf.extensions:
        if not capabilities.has_extension(extension.extension_type):
            # MLS-07.3-05: every extension of the leaf is listed in its capabilities.
            raise InvalidLeaf("extension not listed in capabilities")
