"""Durations of a ladder: ISO 8601 texts such as ``PT4H``, ``P7D``, ``P1DT12H`` and ``P2W``, as whole milliseconds.

Months and years are refused for clocks: they have no fixed length, so two offices could compute two different ends.
"""

from __future__ import annotations

import re

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY

LONGEST = 3660 * DAY
"""The longest duration a ladder may name, in milliseconds: ten years and a little."""

_FORM = re.compile(
    r"P(?:(?P<weeks>\d{1,4})W)?(?:(?P<days>\d{1,5})D)?"
    r"(?:T(?:(?P<hours>\d{1,5})H)?(?:(?P<minutes>\d{1,6})M)?(?:(?P<seconds>\d{1,8})S)?)?",
    re.ASCII,
)
_CALENDAR = re.compile(r"P(?:\d+Y|\d+M|\d+Y\d+M)", re.ASCII)


def parse_duration(text: str) -> int:
    """Milliseconds of an ISO 8601 duration in weeks, days, hours, minutes and seconds.

    Raises `ValueError`, whose text is a sentence for the ladder's author, for any other form, for months and years,
    for zero and for more than ten years.
    """
    if _CALENDAR.match(text):
        raise ValueError(f"{text!r} counts months or years, which have no fixed length; write weeks or days")
    found = _FORM.fullmatch(text)
    if found is None or text.endswith(("P", "T")):
        raise ValueError(f"{text!r} is not a duration such as PT4H, P7D or P1DT12H")
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    ms = weeks * WEEK + days * DAY + hours * HOUR + minutes * MINUTE + seconds * SECOND
    if not 0 < ms <= LONGEST:
        raise ValueError(f"{text!r} is zero or longer than ten years")
    return ms


def parse_period(text: str) -> str:
    """A review period, kept as text because it is a calendar matter: also ``P1Y`` and ``P6M``. Raises `ValueError`."""
    if not re.fullmatch(r"P[1-9]\d?[YM]", text, re.ASCII):
        parse_duration(text)
    return text


def scaled(ms: int, scale: int) -> int:
    """A duration at exercise speed: divided by ``scale``, never less than one millisecond."""
    return max(1, ms // scale)
