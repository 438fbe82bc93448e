"""Transcript hashes and the two tags (RFC 9420 sections 6.1, 6.2, 8.2)."""

from __future__ import annotations

from .codec import opaque, u16
from .framing import AuthenticatedContent
from .suites import Suite


def confirmed_hash(suite: Suite, interim: bytes, commit: AuthenticatedContent) -> bytes:
    """The transcript up to and including a commit, without its confirmation tag."""
    covered = u16(commit.wire_format) + commit.content.encoded + opaque(commit.auth.signature)
    return suite.hash(interim + covered)


def interim_hash(suite: Suite, confirmed: bytes, confirmation_tag: bytes) -> bytes:
    """The transcript including the confirmation tag: where the next commit starts."""
    return suite.hash(confirmed + opaque(confirmation_tag))


def confirmation_tag(suite: Suite, confirmation_key: bytes, confirmed: bytes) -> bytes:
    """Proves that the committer reached the same keys over the same transcript."""
    return suite.mac(confirmation_key, confirmed)


def membership_tag(suite: Suite, membership_key: bytes, message: AuthenticatedContent, context: bytes) -> bytes:
    """Proves that a PublicMessage was made with this epoch's keys."""
    covered = message.content.to_be_signed(message.wire_format, context) + message.auth.encoded
    return suite.mac(membership_key, covered)
