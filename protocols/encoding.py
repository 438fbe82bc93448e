"""The few encodings everything else stands on: unpadded base64url, SHA-256, strict JSON, UTC times.

Strict means: one text has one meaning and one value has one text. A decoder here refuses padding, non-canonical base64,
repeated JSON names, NaN, floats and lone surrogates, because two readers who disagree about a signed text would
disagree about what was signed.
"""

from __future__ import annotations

import binascii
import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from protocols.errors import RemoteError

T = TypeVar("T")
MAX_JSON_BYTES = 1 << 20
MAX_JSON_DEPTH = 16

_SURROGATE = re.compile("[\ud800-\udfff]")
# What base64 has and base64url has not becomes what neither has.
_TO_BASE64 = bytes.maketrans(b"-_+/=", b"+/***")
_FROM_BASE64 = bytes.maketrans(b"+/", b"-_")
_PADDING = (b"", b"*", b"==", b"=")
# The last of 2 or 3 characters carries 4 or 2 bits that mean nothing; in the one spelling they are zero.
_LAST = {0: "", 2: "AQgw", 3: "AEIMQUYcgkosw048"}
_DIGEST = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")
_RFC3339 = re.compile(r"([1-9]\d{3})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{3}))?Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Malformed(RemoteError):
    """Bytes that are not what they must be: cut short, too long, repeated names, wrong alphabet."""

    code = "entry.malformed"
    _sentence = (
        "What arrived is damaged or not in the agreed form. It was refused and nothing was changed. "
        "Ask the sender to send it again."
    )


def b64u(data: bytes) -> str:
    """Unpadded base64url (RFC 7515 section 2)."""
    return binascii.b2a_base64(data, newline=False).rstrip(b"=").translate(_FROM_BASE64).decode("ascii")


def unb64u(text: str, *, size: int | None = None) -> bytes:
    """Decode canonical unpadded base64url; ``size`` is the exact number of bytes wanted. Raises `Malformed`."""
    left = len(text) % 4
    try:
        data = binascii.a2b_base64(text.encode("ascii").translate(_TO_BASE64) + _PADDING[left], strict_mode=True)
    except ValueError:
        raise Malformed("not base64url") from None
    if left and text[-1] not in _LAST[left]:
        raise Malformed("base64url with stray bits")
    if size is not None and len(data) != size:
        raise Malformed(f"{len(data)} bytes where {size} are wanted")
    return data


def check_digest(*texts: str) -> None:
    """Raises `Malformed` unless each of ``texts`` can be a `digest`: 32 bytes in canonical base64url."""
    if not all(map(_DIGEST.fullmatch, texts)):
        raise Malformed("not a SHA-256 in base64url")


def sha256(data: bytes) -> bytes:
    """SHA-256, 32 bytes."""
    return hashlib.sha256(data).digest()


def digest(data: bytes) -> str:
    """SHA-256 as base64url, 43 characters: how this protocol names any bytes."""
    return b64u(sha256(data))


def to_json(value: Any) -> bytes:
    """Compact JSON in UTF-8, members in insertion order. Floats are refused (`ValueError`): they have no one text."""
    if _plain(value):
        return msgspec.json.encode(value)  # the same text, in a tenth of the time
    _refuse_floats(value, 0)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8")


def from_json(data: bytes, *, limit: int = MAX_JSON_BYTES) -> Any:
    """Parse JSON strictly.

    Raises `Malformed` for repeated names, floats, NaN, bad UTF-8, depth over 16, size over ``limit`` bytes.
    """
    if len(data) > limit:
        raise Malformed(f"{len(data)} bytes of JSON, at most {limit} are taken")
    value = quick_json(data, _QUICK)
    if value is not None:
        return value
    try:
        text = data.decode("utf-8")
        value = _DECODER.decode(text)
    except Malformed:
        raise
    except (ValueError, RecursionError) as error:
        raise Malformed("not JSON in UTF-8") from error
    # So few brackets cannot nest too deeply, and only an escape can bring in a lone surrogate: most texts need no second look.
    if text.count("[") + text.count("{") > MAX_JSON_DEPTH or "\\u" in text:
        _check_depth(value, 0)
    return value


def quick_json(data: bytes, decoder: msgspec.json.Decoder[T]) -> T | None:
    """The value, where ``decoder`` (`strict_decoder`) takes ``data`` and the value gives it back byte for byte: such a text has
    no name twice, no blanks and one spelling. That is nearly every text, and quickly seen; None says nothing about the rest."""
    if data.count(b"[") + data.count(b"{") > MAX_JSON_DEPTH:
        return None
    try:
        value = decoder.decode(data)
        return value if msgspec.json.encode(value) == data else None
    except (ValueError, RecursionError):
        return None


def rfc3339(ms: int) -> str:
    """A UTC instant in milliseconds since 1970 as ``YYYY-MM-DDTHH:MM:SS.mmmZ``."""
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{ms % 1000:03d}Z"


def from_rfc3339(text: str) -> int:
    """The inverse of `rfc3339`; seconds without a fraction are taken too. Raises `Malformed` for any other form."""
    found = _RFC3339.fullmatch(text)
    if found is not None:
        try:
            return _seconds(text[:19]) * 1000 + int(found[7] or 0)
        except ValueError:
            pass
    raise Malformed("not a UTC time of the form 2031-03-12T03:12:00.000Z")


@lru_cache(maxsize=1024)
def _seconds(text: str) -> int:
    """Seconds since 1970 of ``YYYY-MM-DDTHH:MM:SS``; times of a minute come together. Raises `ValueError`."""
    return (datetime.fromisoformat(text).replace(tzinfo=UTC) - _EPOCH) // timedelta(seconds=1)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("a JSON name stands twice")
    return found


def _plain(value: Any) -> bool:
    """Whether two encoders of JSON write the same of it: what JSON itself can read, and nothing they differ about."""
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return True
    if kind is dict:
        return all(map(_is_text, value)) and all(map(_plain, value.values()))
    if kind is list or kind is tuple:
        return all(map(_plain, value))
    return False


def _is_text(value: Any) -> bool:
    return type(value) is str


def strict_decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    """Of JSON texts that are a ``kind``; floats are refused where no type stands."""
    return msgspec.json.Decoder(kind, float_hook=_refuse_token)


def _refuse_token(token: str) -> Any:
    raise Malformed(f"JSON number {token[:12]} is not an integer")


def _check_depth(value: Any, depth: int) -> None:
    if depth > MAX_JSON_DEPTH:
        raise Malformed("JSON nested too deeply")
    if isinstance(value, dict):
        for name, item in value.items():
            _check_text(name)
            _check_depth(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check_depth(item, depth + 1)
    elif isinstance(value, str):
        _check_text(value)


def _check_text(text: str) -> None:
    # A lone surrogate survives json.loads ("\\ud800") but cannot be written back as UTF-8.
    if not text.isascii() and _SURROGATE.search(text) is not None:
        raise Malformed("text with a lone surrogate")


def _refuse_floats(value: Any, depth: int) -> None:
    if isinstance(value, float):
        raise ValueError("floats have no single text; use integers or strings")
    if isinstance(value, dict):
        for item in value.values():
            _refuse_floats(item, depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_floats(item, depth + 1)


_QUICK: msgspec.json.Decoder[Any] = strict_decoder(Any)
_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_token, parse_float=_refuse_token)
