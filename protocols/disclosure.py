"""Selective disclosure of a body's fields (RFC 9901, SD-JWT).

A body is a list of *disclosures*, one a field: ``base64url(JSON [salt, name, value])`` with a 256-bit salt. The entry's
readable payload carries only their SHA-256 digests in ``_sd``, sorted, padded with decoys to a multiple of `SLOTS`, so
that the number of fields does not show. Whoever holds a disclosure can later prove that field, and only that field,
against the logged entry. No canonical form is needed: the digest is over the text that travels (RFC 9901 section 4.2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from protocols.encoding import Malformed, b64u, check_digest, digest, from_json, to_json, unb64u
from protocols.errors import RemoteError

SLOTS = 8
SALT_BYTES = 32
MAX_BODY_BYTES = 256 * 1024

Rng = Callable[[int], bytes]


class DigestMismatch(RemoteError):
    """What was decrypted is not what the signed entry commits to."""

    code = "entry.digest-mismatch"
    _sentence = (
        "The text inside the message is not the text its sender signed for. It was refused and is not shown; a "
        "complaint was recorded. Ask the sender to send it again, and tell your engineers."
    )


@dataclass(frozen=True, slots=True)
class Body:
    """A body in the clear: its disclosures as they travel and the fields they hold."""

    disclosures: tuple[str, ...]
    fields: Mapping[str, Any]


def make_body(fields: Mapping[str, Any], rng: Rng) -> tuple[Body, tuple[str, ...]]:
    """A body and its ``_sd`` digests. ``rng(n)`` gives n fresh random bytes, for salts and decoys."""
    disclosures = tuple(b64u(to_json([b64u(rng(SALT_BYTES)), name, value])) for name, value in fields.items())
    digests = [digest(text.encode("ascii")) for text in disclosures]
    decoys = -len(digests) % SLOTS if digests else SLOTS
    digests.extend(digest(rng(SALT_BYTES)) for _ in range(decoys))
    return Body(disclosures, dict(fields)), tuple(sorted(digests))


def body_to_bytes(body: Body) -> bytes:
    """What is encrypted: a JSON list of the disclosures."""
    data = to_json(list(body.disclosures))
    if len(data) > MAX_BODY_BYTES:
        raise Malformed("a body holds at most 256 KiB; send the rest as an attachment")
    return data


def open_body(data: bytes, digests: Sequence[str]) -> Body:
    """The body in ``data``, every field checked against the entry's ``_sd``.

    Raises `Malformed` for a wrong form and `DigestMismatch` where a field is not committed to.
    """
    value = from_json(data, limit=MAX_BODY_BYTES)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Malformed("a body is a list of disclosures")
    return Body(tuple(value), reveal(value, digests))


def reveal(disclosures: Iterable[str], digests: Sequence[str]) -> dict[str, Any]:
    """The fields that ``disclosures`` prove under ``digests``: field name to value.

    RFC 9901 section 7.1: a disclosure that no digest refers to, one that stands twice, two of one name, a salt of
    another length: each refuses the whole. Raises `Malformed` or `DigestMismatch`.
    """
    check_digests(digests)
    committed = set(digests)
    fields: dict[str, Any] = {}
    seen: set[str] = set()
    for text in disclosures:
        if not text.isascii():
            raise Malformed("a disclosure is base64url")
        name, value = _parse(text)
        mark = digest(text.encode("ascii"))
        if mark not in committed:
            raise DigestMismatch(f"field {name[:40]!r} is not committed to")
        if mark in seen or name in fields:
            raise DigestMismatch(f"field {name[:40]!r} stands twice")
        seen.add(mark)
        fields[name] = value
    return fields


def check_digests(digests: Sequence[str]) -> None:
    """Refuses (`Malformed`) an ``_sd`` list that is unsorted, repeated, not padded to `SLOTS`, or not SHA-256."""
    if list(digests) != sorted(set(digests)) or len(digests) % SLOTS:
        raise Malformed("_sd must be sorted, without repeats, padded to a multiple of 8")
    check_digest(*digests)


def _parse(text: str) -> tuple[str, Any]:
    value = from_json(unb64u(text), limit=MAX_BODY_BYTES)
    if not isinstance(value, list) or len(value) != 3:
        raise Malformed("a disclosure is [salt, name, value]")
    salt, name, content = value
    if not isinstance(salt, str) or not isinstance(name, str) or name in ("", "_sd", "..."):
        raise Malformed("a disclosure is [salt, name, value]")
    unb64u(salt, size=SALT_BYTES)
    return name, content
