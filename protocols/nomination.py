"""Sealed nominations: both parties commit to their list before either is opened, so that neither answers the other's.

The commitment is SHA-256 over one canonical text; the salt (32 random bytes) keeps a short list from being guessed,
and thread and office keep one party's digest from being copied by the other or reused elsewhere.
"""

from __future__ import annotations

from protocols.encoding import digest, to_json

_LABEL = "hotline nomination 1"


def nomination_digest(thread: str, office: str, nominees: tuple[str, ...], salt: str) -> str:
    """base64url SHA-256 (43 characters) of ``["hotline nomination 1", thread, office, [nominees...], salt]`` as compact
    JSON in UTF-8. ``nominees`` in order of preference, ``salt`` 32 bytes base64url."""
    return digest(to_json([_LABEL, thread, office, list(nominees), salt]))
