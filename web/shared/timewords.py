"""Times in words: UTC first, because both sides share it; then each capital's own clock."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_SPANS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def iso(ms: int) -> str:
    """``2031-03-12T03:12:40Z``, for the datetime attribute."""
    return _moment(ms).strftime("%Y-%m-%dT%H:%M:%SZ")


def utc(ms: int) -> str:
    """``12 Mar 03:12:40Z``: as it stands beside an entry."""
    moment = _moment(ms)
    return f"{moment.day} {moment.strftime('%b %H:%M:%S')}Z"


def utc_full(ms: int) -> str:
    """``12 Mar 2031 03:12:40 UTC``."""
    moment = _moment(ms)
    return f"{moment.day} {moment.strftime('%b %Y %H:%M:%S')} UTC"


def local(ms: int, zone: str) -> str:
    """``Wed 05:12`` in ``zone`` (IANA name); "" where the zone is unknown to this machine."""
    try:
        return _moment(ms).astimezone(ZoneInfo(zone)).strftime("%a %H:%M")
    except (ZoneInfoNotFoundError, ValueError):
        return ""


def left(ms: int) -> str:
    """A countdown's digits, ``71:59:58`` or ``-00:00:12`` once it has run out."""
    seconds = abs(ms) // 1000
    return f"{'-' if ms < 0 else ''}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def span(ms: int) -> str:
    """The two largest units of a length of time, ``2 d 3 h``, ``4 min 10 s``, ``0 s``."""
    seconds = abs(ms) // 1000
    parts = []
    for size, word in _SPANS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {word}")
    return " ".join(parts[:2]) or "0 s"


def field_to_ms(text: str) -> int:
    """``2031-03-12T03:12`` as a form's UTC time field gives it, to ms UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text.removesuffix("Z"))
    return int(moment.replace(tzinfo=UTC).timestamp() * 1000)


def ms_to_field(ms: int) -> str:
    """The reverse of `field_to_ms`, to the second."""
    return _moment(ms).strftime("%Y-%m-%dT%H:%M:%S")
