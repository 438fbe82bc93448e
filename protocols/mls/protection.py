"""Protecting and unprotecting framed content (RFC 9420 sections 6.1-6.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .codec import Reader, decode, opaque, u8, u32, u64
from .errors import BadTag, Malformed, OwnMessage, UnknownSender
from .framing import (
    APPLICATION,
    COMMIT_CONTENT,
    MEMBER,
    PRIVATE_MESSAGE,
    PUBLIC_MESSAGE,
    AuthData,
    AuthenticatedContent,
    FramedContent,
    PrivateMessage,
    PublicMessage,
    Sender,
    content_type_of,
    encode_content,
    read_content,
)
from .kem import Rng, draw
from .secret_tree import APPLICATION_RATCHET, HANDSHAKE, SecretTree, Taking
from .suites import Suite, tags_equal
from .transcript import membership_tag


@dataclass(frozen=True, repr=False)
class MessageKeys:
    """All that is needed to receive messages of one epoch; past epochs keep exactly this."""

    suite: Suite
    group_id: bytes
    epoch: int
    context: bytes
    own_leaf: int
    signature_keys: Mapping[int, bytes]
    sender_data_secret: bytes
    secrets: SecretTree


def sign_content(suite: Suite, key: bytes, wire_format: int, content: FramedContent, context: bytes) -> bytes:
    """Sign FramedContentTBS."""
    return suite.sign(key, b"FramedContentTBS", content.to_be_signed(wire_format, context))


def verify_content(
    suite: Suite, public: bytes, wire_format: int, content: FramedContent, auth: AuthData, context: bytes
) -> AuthenticatedContent:
    """Check the signature over FramedContentTBS: the only way from received bytes to AuthenticatedContent."""
    # MLS-06.1-01: every content is signed by its sender over the group context of its epoch.
    suite.verify(public, b"FramedContentTBS", content.to_be_signed(wire_format, context), auth.signature)
    if (auth.confirmation_tag is None) == (content_type_of(content.content) == COMMIT_CONTENT):
        raise Malformed("confirmation tag on something else than a commit")
    return AuthenticatedContent(wire_format, content, auth)


def protect_public(
    suite: Suite, message: AuthenticatedContent, membership_key: bytes | None, context: bytes
) -> PublicMessage:
    """Frame a signed content as a PublicMessage; members add the membership tag."""
    tag = None if membership_key is None else membership_tag(suite, membership_key, message, context)
    return PublicMessage(message.content, message.auth, tag)


def check_membership_tag(suite: Suite, message: PublicMessage, membership_key: bytes, context: bytes) -> None:
    """Check that a member's PublicMessage was made with this epoch's keys, or raise BadTag."""
    if message.content.sender.sender_type != MEMBER:
        return
    content = AuthenticatedContent(PUBLIC_MESSAGE, message.content, message.auth)
    expected = membership_tag(suite, membership_key, content, context)
    if message.membership_tag is None or not tags_equal(expected, message.membership_tag):
        # MLS-06.2-01: a member's PublicMessage carries the right membership tag.
        raise BadTag("membership tag")


def _sender_data_key_nonce(suite: Suite, secret: bytes, ciphertext: bytes) -> tuple[bytes, bytes]:
    sample = ciphertext[: suite.hash_size]
    return (
        suite.expand_with_label(secret, b"key", sample, suite.aead.key_size),
        suite.expand_with_label(secret, b"nonce", sample, suite.aead.nonce_size),
    )


def _apply_guard(nonce: bytes, guard: bytes) -> bytes:
    """XOR the reuse guard into the first four octets (section 6.3.1)."""
    return (int.from_bytes(nonce[:4], "big") ^ int.from_bytes(guard, "big")).to_bytes(4, "big") + nonce[4:]


def protect_private(
    keys: MessageKeys, message: AuthenticatedContent, padding: int, rng: Rng
) -> tuple[PrivateMessage, Taking]:
    """Encrypt a signed content; the caller consumes the taking before the ciphertext leaves."""
    suite, content = keys.suite, message.content
    content_type = content_type_of(content.content)
    kind = APPLICATION_RATCHET if content_type == APPLICATION else HANDSHAKE
    plaintext = encode_content(content.content) + message.auth.encoded
    if padding:
        plaintext += bytes(-len(plaintext) % padding)
    taking = keys.secrets.next_key(keys.own_leaf, kind)
    guard = draw(rng, 4)
    bound = opaque(content.group_id) + u64(content.epoch) + u8(content_type)
    ciphertext = suite.aead.seal(
        taking.key,
        _apply_guard(taking.nonce, guard),
        bound + opaque(content.authenticated_data),
        plaintext,
    )
    key, nonce = _sender_data_key_nonce(suite, keys.sender_data_secret, ciphertext)
    sender_data = suite.aead.seal(key, nonce, bound, u32(keys.own_leaf) + u32(taking.generation) + guard)
    return (
        PrivateMessage(
            content.group_id,
            content.epoch,
            content_type,
            content.authenticated_data,
            sender_data,
            ciphertext,
        ),
        taking,
    )


def unprotect_private(keys: MessageKeys, message: PrivateMessage) -> tuple[AuthenticatedContent, Taking]:
    """Decrypt and verify; nothing is consumed until the caller says so."""
    suite = keys.suite
    bound = opaque(message.group_id) + u64(message.epoch) + u8(message.content_type)
    key, nonce = _sender_data_key_nonce(suite, keys.sender_data_secret, message.ciphertext)
    sender_data = suite.aead.open(key, nonce, bound, message.encrypted_sender_data)
    if len(sender_data) != 12:
        # MLS-06.3-05: sender data is a leaf, a generation and a guard.
        raise Malformed("sender data of wrong length")
    leaf, generation = int.from_bytes(sender_data[:4], "big"), int.from_bytes(sender_data[4:8], "big")
    if leaf == keys.own_leaf:
        # MLS-06.3-06: nobody sends in our name: our own keys never decrypt.
        raise OwnMessage("our own message")
    public = keys.signature_keys.get(leaf)
    if public is None:
        # MLS-06.3-01: the sender is a member of the message's epoch.
        raise UnknownSender("the sender holds no leaf")
    kind = APPLICATION_RATCHET if message.content_type == APPLICATION else HANDSHAKE
    taking = keys.secrets.peek(leaf, kind, generation)
    plaintext = suite.aead.open(
        taking.key,
        _apply_guard(taking.nonce, sender_data[8:]),
        bound + opaque(message.authenticated_data),
        message.ciphertext,
    )

    def read(reader: Reader) -> tuple[FramedContent, AuthData]:
        inner = read_content(reader, message.content_type)
        auth = AuthData.read(reader, message.content_type)
        if any(reader.rest()):
            # MLS-06.3-02: padding is all zero.
            raise Malformed("padding is not zero")
        sender = Sender(MEMBER, leaf)
        framed = FramedContent(message.group_id, message.epoch, sender, message.authenticated_data, inner)
        return framed, auth

    content, auth = decode(read, plaintext)
    return verify_content(suite, public, PRIVATE_MESSAGE, content, auth, keys.context), taking
