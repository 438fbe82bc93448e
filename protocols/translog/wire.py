"""Spellings that every format of this folder shares: text without control characters, base64, decimal numbers.

Each value has exactly one spelling here. Where a format leaves room for two, a party could respell signed evidence, or
two parties could read one file differently.
"""

from __future__ import annotations

import base64
import binascii
import re

from protocols.translog.errors import NoteMalformed

_LAST = frozenset("AEIMQUYcgkosw048=")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


def decode_text(data: str | bytes, limit: int) -> str:
    """UTF-8 text of at most ``limit`` bytes with no control character below U+0020 but newline.

    Raises:
        NoteMalformed: it is not.
    """
    try:
        raw = data if isinstance(data, bytes) else data.encode()
        if len(raw) > limit:
            raise NoteMalformed(f"more than {limit} bytes")
        text = raw.decode()
    except UnicodeError:
        raise NoteMalformed("not UTF-8") from None
    if has_control(text):
        raise NoteMalformed("a control character")
    return text


def decode_base64(text: str) -> bytes:
    """Standard base64 (RFC 4648 section 4) with padding, in its one canonical spelling.

    Raises:
        NoteMalformed: any other spelling.
    """
    try:
        blob = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise NoteMalformed("not base64") from None
    # The last character before the padding carries 2 or 4 bits that mean nothing; in the one spelling they are zero.
    if (text.endswith("==") and text[-3] not in "AQgw") or (text.endswith("=") and text[-2] not in _LAST):
        raise NoteMalformed("stray bits in base64")
    return blob


def decode_decimal(text: str) -> int:
    """ASCII decimal without sign or leading zeroes, below 2**63.

    Raises:
        NoteMalformed: any other spelling.
    """
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or (text[0] == "0" and text != "0"):
        raise NoteMalformed(f"not a decimal number: {text[:40]!r}")
    value = int(text)
    if value >= 2**63:
        raise NoteMalformed("a number of 2**63 or more")
    return value


def encode_base64(blob: bytes) -> str:
    """Standard base64 (RFC 4648 section 4) with padding."""
    return base64.b64encode(blob).decode()


def has_control(text: str) -> bool:
    """True if there is a control character below U+0020 other than newline."""
    return _CONTROL.search(text) is not None
