"""Checking one entry with nothing but the accord and the mandates: no line, no hub, no ladder, no key."""

from __future__ import annotations

from collections.abc import Iterable

from protocols.accord import open_accord
from protocols.encoding import rfc3339, unb64u
from protocols.entry import parse_entry, verify_entry, verify_stamp
from protocols.mandate import MandateBook


def whose(leaf: str, accord: bytes, mandates: Iterable[bytes]) -> str:
    """Whose the entry in ``leaf`` (base64url) is, in words. Raises `ProtocolError` where a signature does not hold."""
    signed = open_accord(accord)
    book = MandateBook(signed.accord)
    for mandate in mandates:
        book.add_bytes(mandate)
    entry = parse_entry(unb64u(leaf))
    stamp = verify_stamp(entry, signed)
    verified = verify_entry(entry, signed, book, at=stamp.at)
    office = signed.accord.office(verified.payload.office).name
    act = " ".join(str(value) for key, value in verified.payload.act.items() if key == "verdict")
    return f"{entry.kind.title.lower()} {act!r} by {office}, stamped {rfc3339(stamp.at)}: verified offline"
