"""The key schedule, pre-shared keys and the exporter (RFC 9420 sections 8, 8.4, 8.5, 8.7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from .codec import u16
from .proposals import PreSharedKeyID
from .suites import Suite


@dataclass(frozen=True, repr=False)
class EpochSecrets:
    """What an epoch keeps.

    Neither ``epoch_secret`` nor ``encryption_secret`` is among them: whoever seized them could recompute every
    message key of the epoch, also those already used and destroyed.
    """

    init_secret: bytes
    sender_data_secret: bytes
    exporter_secret: bytes
    external_secret: bytes
    membership_key: bytes
    resumption_psk: bytes
    epoch_authenticator: bytes

    FIELDS: ClassVar[tuple[str, ...]] = (
        "init_secret",
        "sender_data_secret",
        "exporter_secret",
        "external_secret",
        "membership_key",
        "resumption_psk",
        "epoch_authenticator",
    )


@dataclass(frozen=True, repr=False)
class Derivation:
    """One run of the key schedule: the epoch's secrets, and those used once and then dropped."""

    joiner_secret: bytes
    welcome_secret: bytes
    encryption_secret: bytes
    confirmation_key: bytes
    epoch: EpochSecrets


def joiner_secret(suite: Suite, init_secret: bytes, commit_secret: bytes, context: bytes) -> bytes:
    """From the last epoch's init_secret to the joiner_secret."""
    prk = suite.extract(init_secret, commit_secret)
    return suite.expand_with_label(prk, b"joiner", context, suite.hash_size)


def welcome_secret(suite: Suite, joiner: bytes, psk_secret: bytes) -> bytes:
    """What opens a Welcome's GroupInfo."""
    return suite.derive_secret(suite.extract(joiner, psk_secret), b"welcome")


def welcome_key_nonce(suite: Suite, secret: bytes) -> tuple[bytes, bytes]:
    """Key and nonce of a Welcome's GroupInfo (section 12.4.3.1)."""
    return (
        suite.expand_with_label(secret, b"key", b"", suite.aead.key_size),
        suite.expand_with_label(secret, b"nonce", b"", suite.aead.nonce_size),
    )


def from_joiner(suite: Suite, joiner: bytes, psk_secret: bytes, context: bytes) -> Derivation:
    """From the joiner_secret to everything an epoch needs."""
    member = suite.extract(joiner, psk_secret)
    epoch_secret = suite.expand_with_label(member, b"epoch", context, suite.hash_size)
    return from_epoch_secret(suite, epoch_secret, joiner, suite.derive_secret(member, b"welcome"))


def from_epoch_secret(suite: Suite, epoch_secret: bytes, joiner: bytes = b"", welcome: bytes = b"") -> Derivation:
    """The last row of the key schedule; a group's creator starts here (section 11)."""

    def derive(label: bytes) -> bytes:
        return suite.derive_secret(epoch_secret, label)

    return Derivation(
        joiner,
        welcome,
        derive(b"encryption"),
        derive(b"confirm"),
        EpochSecrets(
            init_secret=derive(b"init"),
            sender_data_secret=derive(b"sender data"),
            exporter_secret=derive(b"exporter"),
            external_secret=derive(b"external"),
            membership_key=derive(b"membership"),
            resumption_psk=derive(b"resumption"),
            epoch_authenticator=derive(b"authentication"),
        ),
    )


def psk_secret(suite: Suite, psks: Sequence[tuple[PreSharedKeyID, bytes]]) -> bytes:
    """Combine pre-shared keys in order (section 8.4); without any it is all zero."""
    secret = zero = bytes(suite.hash_size)
    for index, (identifier, psk) in enumerate(psks):
        label = identifier.encoded + u16(index) + u16(len(psks))
        extracted = suite.extract(zero, psk)
        secret = suite.extract(suite.expand_with_label(extracted, b"derived psk", label, suite.hash_size), secret)
    return secret


def export(suite: Suite, exporter_secret: bytes, label: bytes, context: bytes, length: int) -> bytes:
    """MLS-Exporter (section 8.5)."""
    secret = suite.derive_secret(exporter_secret, label)
    return suite.expand_with_label(secret, b"exported", suite.hash(context), length)
