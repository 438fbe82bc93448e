"""JSON Web Signature, general JSON serialization (RFC 7515 section 7.2.1), Ed25519 only (RFC 9864).

The serialization exists so that several people can stand beside each other under one text: the releasing officer, the
station, the hub. Each signature's protected header says in ``role`` what the signer signed *as*, so that a signature
cannot be passed off as another's. There are no unprotected headers, and the bytes are fixed: compact JSON, members in
the order below, so one signed object has exactly one text::

    {"payload":"...","signatures":[{"protected":"...","signature":"..."}, ...]}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec

from protocols.encoding import Malformed, b64u, from_json, to_json, unb64u
from protocols.keys import BadSignature, Signer, verify

MAX_SIGNATURES = 40
_RESERVED = ("alg", "kid", "typ", "role")
_HEAD = '{"payload":"'
_MIDDLE = '","signatures":['
_ITEM = re.compile(r'\{"protected":"([A-Za-z0-9_-]*)","signature":"([A-Za-z0-9_-]*)"\}')
"""The one serialization: every text in it is base64url, which JSON carries as it is."""


class Signature(msgspec.Struct, frozen=True):
    """One signature: its protected header as it came (``protected``, base64url text) and parsed."""

    protected: str
    signature: bytes
    kid: str
    typ: str
    role: str
    extra: dict[str, Any]

    def check(self, payload: str, public: bytes) -> None:
        """Raises `BadSignature` unless this signature over ``payload`` (base64url text) is by ``public``."""
        verify(public, signing_input(self.protected, payload), self.signature)


@dataclass(frozen=True, slots=True)
class Jws:
    """A parsed JWS. Nothing in it is verified yet. ``payload`` is the base64url text that was signed, ``decoded`` what it
    says, where that was read already."""

    payload: str
    signatures: tuple[Signature, ...]
    decoded: bytes | None = field(default=None, compare=False, repr=False)

    @property
    def content(self) -> bytes:
        """The bytes that ``payload`` stands for. Raises `Malformed`."""
        return unb64u(self.payload) if self.decoded is None else self.decoded

    def with_signature(self, signature: Signature) -> Jws:
        """The same payload with one signature more, at the end."""
        return Jws(self.payload, (*self.signatures, signature), self.decoded)

    def to_bytes(self) -> bytes:
        """The one serialization of this object."""
        items = _items([(s.protected, b64u(s.signature)) for s in self.signatures])
        return f"{_HEAD}{self.payload}{_MIDDLE}{items}".encode("ascii")

    def by_role(self, role: str) -> Signature | None:
        """The signature made in a role; a role stands at most once (checked when parsing)."""
        return next((s for s in self.signatures if s.role == role), None)


def signing_input(protected: str, payload: str) -> bytes:
    """``ASCII(protected . '.' . payload)``, RFC 7515 section 5.1."""
    return f"{protected}.{payload}".encode("ascii")


def sign(payload: str, signer: Signer, *, typ: str, role: str, **extra: Any) -> Signature:
    """A signature over ``payload`` (base64url text) in ``role``; ``extra`` members go into the protected header."""
    if any(name in _RESERVED for name in extra):
        raise ValueError("a reserved header name")
    header = {"alg": "Ed25519", "kid": signer.kid, "typ": typ, "role": role, **extra}
    protected = b64u(to_json(header))
    return Signature(protected, signer.sign(signing_input(protected, payload)), signer.kid, typ, role, extra)


def parse(data: bytes, *, limit: int, unique_roles: bool = True) -> Jws:
    """Parse one JWS of at most ``limit`` bytes. Raises `Malformed`; `BadSignature` where no signature stands.

    ``unique_roles``: a role may stand once only (entries); an accord has one signature of the same role an office.
    """
    if len(data) > limit:
        raise Malformed(f"{len(data)} bytes, at most {limit} are taken")
    text = data.decode("ascii", "replace")
    payload, middle, items = text[len(_HEAD) :].partition(_MIDDLE)
    texts: list[tuple[str, str]] = _ITEM.findall(items)
    if not text.startswith(_HEAD) or not middle or items != _items(texts):
        # Another spacing or order would be another text for the same statement.
        raise Malformed("not a JWS in its one serialization")
    content = unb64u(payload)
    if not texts:
        raise BadSignature("no signature")
    if len(texts) > MAX_SIGNATURES:
        raise Malformed(f"more than {MAX_SIGNATURES} signatures")
    signatures = tuple([_signature(protected, signature) for protected, signature in texts])
    marks = [(s.role if unique_roles else s.kid) for s in signatures]
    if len(set(marks)) != len(marks):
        raise Malformed("the same signer stands twice")
    return Jws(payload, signatures, content)


def _items(texts: list[tuple[str, str]]) -> str:
    """The rest of the serialization, from the first signature on: of each its protected header and itself, in base64url."""
    return ",".join([f'{{"protected":"{protected}","signature":"{text}"}}' for protected, text in texts]) + "]}"


def _signature(protected: str, signature: str) -> Signature:
    kid, typ, role, extra = _header(protected)
    # A fresh dict each time: what is parsed once for many signatures must not change under any of them.
    return Signature(protected, unb64u(signature, size=64), kid, typ, role, dict(extra))


@lru_cache(maxsize=1024)
def _header(protected: str) -> tuple[str, str, str, Mapping[str, Any]]:
    """``kid``, ``typ``, ``role`` and the rest of a protected header. A signer's are the same in all it signs."""
    header = from_json(unb64u(protected), limit=4096)
    if not isinstance(header, dict) or list(header)[:4] != list(_RESERVED):
        raise Malformed("not a protected header of this protocol")
    if header["alg"] != "Ed25519":
        # RFC 9864: the fully specified name; "EdDSA", "none" and every other are refused.
        raise BadSignature("only Ed25519 is taken")
    if not all(isinstance(header[name], str) for name in _RESERVED):
        raise Malformed("not a protected header of this protocol")
    if "b64" in header or "crit" in header:
        raise Malformed("header extensions are not taken")
    extra = {name: content for name, content in header.items() if name not in _RESERVED}
    return header["kid"], header["typ"], header["role"], extra
