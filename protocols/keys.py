"""Ed25519 signing keys and their names.

A key is named by its RFC 7638 thumbprint over the RFC 8037 form ``{"crv":"Ed25519","kty":"OKP","x":...}``: 43 base64url
characters, the ``kid`` of every signature. One key has one role; a role is never inferred from possession.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

from nacl import bindings
from nacl.exceptions import BadSignatureError, CryptoError

from protocols.encoding import b64u, digest, unb64u
from protocols.errors import RemoteError


class BadSignature(RemoteError):
    """A signature is missing, malformed or false."""

    code = "entry.bad-signature"
    _sentence = (
        "The message is not signed by whom it claims, or was changed on the way. It was refused and nothing was "
        "changed. Treat it as not from them; ask them by another path."
    )


class BadKey(RemoteError):
    """A public key that nobody may use: wrong length, or a point of low order."""

    code = "key.unusable"
    _sentence = "A public key in this document is not usable. The document was refused; ask its office for a new one."


class Signer(Protocol):
    """Something that signs with one Ed25519 key. The key itself need not be in this process."""

    @property
    def kid(self) -> str: ...

    @property
    def public(self) -> bytes: ...

    def sign(self, message: bytes) -> bytes: ...


class SeedSigner:
    """A `Signer` over a 32-byte seed held in memory."""

    def __init__(self, seed: bytes) -> None:
        # libsodium's secret key: the seed, and the public key after it.
        self._public, self._secret = bindings.crypto_sign_seed_keypair(seed)
        self._kid = kid_of(self._public)

    @property
    def kid(self) -> str:
        return self._kid

    @property
    def public(self) -> bytes:
        """32 bytes."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """64 bytes, deterministic (RFC 8032)."""
        return bindings.crypto_sign(message, self._secret)[:64]

    def __repr__(self) -> str:
        return f"SeedSigner({self._kid})"


@lru_cache(maxsize=4096)
def kid_of(public: bytes) -> str:
    """The RFC 7638 thumbprint of a 32-byte Ed25519 public key, base64url, 43 characters."""
    return digest(b'{"crv":"Ed25519","kty":"OKP","x":"' + b64u(public).encode("ascii") + b'"}')


@lru_cache(maxsize=4096)
def check_public(public: bytes) -> bytes:
    """The key itself if it is a usable Ed25519 point of the main subgroup; raises `BadKey` otherwise.

    libsodium's check refuses points of low order, outside the main subgroup, and non-canonical encodings: with any of
    them one signature could fit several messages.
    """
    if len(public) != 32 or not bindings.crypto_core_ed25519_is_valid_point(public):
        raise BadKey("not a usable Ed25519 public key")
    return public


def public_from(text: str) -> bytes:
    """A usable public key from its base64url text. Raises `Malformed` or `BadKey`."""
    return check_public(unb64u(text, size=32))


def verify(public: bytes, message: bytes, signature: bytes) -> None:
    """Raises `BadSignature` unless ``signature`` (64 bytes) over ``message`` is by ``public``."""
    if len(signature) != 64:
        raise BadSignature("a signature has 64 bytes")
    try:
        bindings.crypto_sign_open(signature + message, public)
    except (BadSignatureError, CryptoError, ValueError, TypeError) as error:
        raise BadSignature("the signature does not fit") from error
