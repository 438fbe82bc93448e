"""Messages on the wire (RFC 9420 section 6).

Typestate: ``MLSMessage`` bytes give a ``PublicMessage`` or ``PrivateMessage``; protection turns those into an
``AuthenticatedContent`` only after tag or AEAD *and* signature were checked (``protection.py``). Nothing else makes one
from received bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from .codec import Reader, decode, opaque, u8, u16, u32, u64
from .errors import Malformed, Unsupported
from .group_info import GroupInfo, Welcome
from .key_package import KeyPackage
from .leaf_node import MLS10
from .proposals import Commit, Proposal, encode_proposal, read_proposal

# WireFormat
PUBLIC_MESSAGE: Final = 1
PRIVATE_MESSAGE: Final = 2
WELCOME: Final = 3
GROUP_INFO: Final = 4
KEY_PACKAGE_MESSAGE: Final = 5

# ContentType
APPLICATION: Final = 1
PROPOSAL: Final = 2
COMMIT_CONTENT: Final = 3

# SenderType
MEMBER: Final = 1
EXTERNAL: Final = 2
NEW_MEMBER_PROPOSAL: Final = 3
NEW_MEMBER_COMMIT: Final = 4


@dataclass(frozen=True)
class Sender:
    """Section 6: who sends; ``index`` is a leaf for members, a place in external_senders for external ones."""

    sender_type: int
    index: int = 0

    @cached_property
    def encoded(self) -> bytes:
        """The canonical encoding."""
        if self.sender_type in (MEMBER, EXTERNAL):
            return u8(self.sender_type) + u32(self.index)
        return u8(self.sender_type)

    @classmethod
    def read(cls, reader: Reader) -> Sender:
        """Read a sender."""
        kind = reader.u8()
        if kind in (MEMBER, EXTERNAL):
            return cls(kind, reader.u32())
        if kind in (NEW_MEMBER_PROPOSAL, NEW_MEMBER_COMMIT):
            return cls(kind)
        # MLS-06.0-04: a sender is of one of the four types.
        raise Malformed("unknown sender type")


Content = bytes | Proposal | Commit


def content_type_of(content: Content) -> int:
    """The ContentType of a content."""
    if isinstance(content, bytes):
        return APPLICATION
    return COMMIT_CONTENT if isinstance(content, Commit) else PROPOSAL


def encode_content(content: Content) -> bytes:
    """Encode a content without its type."""
    if isinstance(content, bytes):
        return opaque(content)
    return content.encoded if isinstance(content, Commit) else encode_proposal(content)


def read_content(reader: Reader, content_type: int) -> Content:
    """Read a content of the given type."""
    if content_type == APPLICATION:
        return reader.opaque()
    if content_type == PROPOSAL:
        return read_proposal(reader)
    if content_type == COMMIT_CONTENT:
        return Commit.read(reader)
    # MLS-06.0-05: a content is of one of the three types.
    raise Malformed("unknown content type")


@dataclass(frozen=True)
class FramedContent:
    """Section 6."""

    group_id: bytes
    epoch: int
    sender: Sender
    authenticated_data: bytes
    content: Content

    @cached_property
    def encoded(self) -> bytes:
        """The canonical encoding."""
        return b"".join(
            [
                opaque(self.group_id),
                u64(self.epoch),
                self.sender.encoded,
                opaque(self.authenticated_data),
                u8(content_type_of(self.content)),
                encode_content(self.content),
            ]
        )

    @classmethod
    def read(cls, reader: Reader) -> FramedContent:
        """Read a framed content."""
        group_id, epoch, sender = reader.opaque(), reader.u64(), Sender.read(reader)
        data, content_type = reader.opaque(), reader.u8()
        return cls(group_id, epoch, sender, data, read_content(reader, content_type))

    def to_be_signed(self, wire_format: int, context: bytes) -> bytes:
        """FramedContentTBS (section 6.1); ``context`` is the serialized GroupContext."""
        bound = context if self.sender.sender_type in (MEMBER, NEW_MEMBER_COMMIT) else b""
        return u16(MLS10) + u16(wire_format) + self.encoded + bound


@dataclass(frozen=True)
class AuthData:
    """FramedContentAuthData (section 6.1)."""

    signature: bytes
    confirmation_tag: bytes | None

    @cached_property
    def encoded(self) -> bytes:
        """The canonical encoding."""
        tag = b"" if self.confirmation_tag is None else opaque(self.confirmation_tag)
        return opaque(self.signature) + tag

    @classmethod
    def read(cls, reader: Reader, content_type: int) -> AuthData:
        """Read the authentication data of a content of that type."""
        return cls(reader.opaque(), reader.opaque() if content_type == COMMIT_CONTENT else None)


@dataclass(frozen=True)
class AuthenticatedContent:
    """Section 6: a content whose origin was checked (or that we made)."""

    wire_format: int
    content: FramedContent
    auth: AuthData

    @cached_property
    def encoded(self) -> bytes:
        """The canonical encoding."""
        return u16(self.wire_format) + self.content.encoded + self.auth.encoded

    @classmethod
    def read(cls, reader: Reader) -> AuthenticatedContent:
        """Read the structure (only the transcript vectors send it bare)."""
        wire_format, content = reader.u16(), FramedContent.read(reader)
        return cls(wire_format, content, AuthData.read(reader, content_type_of(content.content)))


@dataclass(frozen=True)
class PublicMessage:
    """Section 6.2."""

    content: FramedContent
    auth: AuthData
    membership_tag: bytes | None

    @cached_property
    def encoded(self) -> bytes:
        """The canonical encoding."""
        tag = b"" if self.membership_tag is None else opaque(self.membership_tag)
        return self.content.encoded + self.auth.encoded + tag

    @classmethod
    def read(cls, reader: Reader) -> PublicMessage:
        """Read a public message."""
        content = FramedContent.read(reader)
        auth = AuthData.read(reader, content_type_of(content.content))
        return cls(content, auth, reader.opaque() if content.sender.sender_type == MEMBER else None)


@dataclass(frozen=True)
class PrivateMessage:
    """Section 6.3."""

    group_id: bytes
    epoch: int
    content_type: int
    authenticated_data: bytes
    encrypted_sender_data: bytes
    ciphertext: bytes

    @cached_property
    def encoded(self) -> bytes:
        """The canonical encoding."""
        return b"".join(
            [
                opaque(self.group_id),
                u64(self.epoch),
                u8(self.content_type),
                opaque(self.authenticated_data),
                opaque(self.encrypted_sender_data),
                opaque(self.ciphertext),
            ]
        )

    @classmethod
    def read(cls, reader: Reader) -> PrivateMessage:
        """Read a private message."""
        group_id, epoch, content_type = reader.opaque(), reader.u64(), reader.u8()
        if not APPLICATION <= content_type <= COMMIT_CONTENT:
            # MLS-06.0-06: so is an encrypted one, as its header says.
            raise Malformed("unknown content type")
        return cls(group_id, epoch, content_type, reader.opaque(), reader.opaque(), reader.opaque())


Body = PublicMessage | PrivateMessage | Welcome | GroupInfo | KeyPackage


def read_message(data: bytes) -> Body:
    """Read an MLSMessage (section 6)."""

    def read(reader: Reader) -> Body:
        if reader.u16() != MLS10:
            # MLS-06.0-01: the version is MLS 1.0.
            raise Unsupported("protocol version is not MLS 1.0")
        match reader.u16():
            case 1:
                return PublicMessage.read(reader)
            case 2:
                return PrivateMessage.read(reader)
            case 3:
                return Welcome.read(reader)
            case 4:
                return GroupInfo.read(reader)
            case 5:
                return KeyPackage.read(reader)
            case other:
                # MLS-06.0-07: a message is of one of the five forms.
                raise Malformed(f"wire format {other} is unknown")

    return decode(read, data)


def write_message(body: Body) -> bytes:
    """Write an MLSMessage."""
    match body:
        case PublicMessage():
            wire_format = PUBLIC_MESSAGE
        case PrivateMessage():
            wire_format = PRIVATE_MESSAGE
        case Welcome():
            wire_format = WELCOME
        case GroupInfo():
            wire_format = GROUP_INFO
        case KeyPackage():
            wire_format = KEY_PACKAGE_MESSAGE
    return u16(MLS10) + u16(wire_format) + body.encoded
