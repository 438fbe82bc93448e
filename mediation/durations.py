"""Durations of a ladder: ISO 8601 texts such as ``PT4H``, ``P7D``, ``P1DT12H``, ``P3M`` and ``P1Y6M``.

Weeks, days, hours, minutes and seconds have a fixed length. Months and years are counted on the calendar, in UTC, from
the instant the clock starts: first years and months are added and the day is brought back to the month's last where
that month is shorter (31 January + P1M = 28 or 29 February), the time of day staying the same; then the rest is added.
So every office computes the same end from the same stamp. In an exercise the length that results is divided by the
scale.
"""

from __future__ import annotations

import re
from typing import NamedTuple

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY

LONGEST = 3660 * DAY
"""The longest duration a ladder may name, in milliseconds: ten years and a little."""

_FORM = re.compile(
    r"P(?:(?P<years>\d{1,2})Y)?(?:(?P<months>\d{1,3})M)?(?:(?P<weeks>\d{1,4})W)?(?:(?P<days>\d{1,5})D)?"
    r"(?:T(?:(?P<hours>\d{1,5})H)?(?:(?P<minutes>\d{1,6})M)?(?:(?P<seconds>\d{1,8})S)?)?",
    re.ASCII,
)
_ERA_DAYS = 146_097  # days in 400 years


class Span(NamedTuple):
    """A duration: calendar ``months`` first, then ``ms`` milliseconds."""

    months: int
    ms: int

    @property
    def shortest(self) -> int:
        """The least it can come to, milliseconds: months of the shortest length they can have together."""
        years, months = divmod(self.months, 12)
        return (years * 365 + months * 30 - (2 if months else 0)) * DAY + self.ms if self.months else self.ms


def parse_span(text: str) -> Span:
    """Any duration of the language. Raises `ValueError`, whose text is a sentence for the ladder's author, for another
    form, for zero and for more than ten years."""
    found = _FORM.fullmatch(text)
    if found is None or text.endswith(("P", "T")):
        raise ValueError(f"{text!r} is not a duration such as PT4H, P7D, P1DT12H or P3M")
    years, months, weeks, days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    span = Span(years * 12 + months, weeks * WEEK + days * DAY + hours * HOUR + minutes * MINUTE + seconds * SECOND)
    if span == (0, 0) or span.months * 31 * DAY + span.ms > LONGEST + 62 * DAY or span.ms > LONGEST:
        raise ValueError(f"{text!r} is zero or longer than ten years")
    return span


def parse_duration(text: str) -> int:
    """Milliseconds of a duration of fixed length. Raises `ValueError` as `parse_span` does, and for months and years."""
    span = parse_span(text)
    if span.months:
        raise ValueError(f"{text!r} counts months or years, which have no fixed length; write weeks or days")
    return span.ms


def parse_period(text: str) -> str:
    """A review period, kept as text. Raises `ValueError`."""
    parse_span(text)
    return text


def end_of(start: int, span: Span, scale: int = 1) -> int:
    """The instant at which ``span`` from ``start`` (ms UTC) is over, at exercise speed ``scale``; always later than
    ``start``."""
    end = add_months(start, span.months) + span.ms if span.months else start + span.ms
    return start + scaled(end - start, scale)


def add_months(at: int, months: int) -> int:
    """``at`` (ms UTC) ``months`` calendar months later, the day brought back to the month's last, same time of day."""
    day, rest = divmod(at, DAY)
    year, month, monthday = _civil(day)
    year, month0 = divmod(year * 12 + month - 1 + months, 12)
    return _day(year, month0 + 1, min(monthday, _length(year, month0 + 1))) * DAY + rest


def scaled(ms: int, scale: int) -> int:
    """A duration at exercise speed: divided by ``scale``, never less than one millisecond."""
    return max(1, ms // scale)


def _length(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


# Own arithmetic rather than `datetime`, which ends with the year 9999: a clock's end may lie beyond it.


def _day(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 to a date of the proleptic Gregorian calendar."""
    year -= month <= 2
    era, of_era = divmod(year, 400)
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * _ERA_DAYS + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


def _civil(days: int) -> tuple[int, int, int]:
    """Year, month and day of the date ``days`` after 1970-01-01."""
    era, of_era = divmod(days + 719_468, _ERA_DAYS)
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year + era * 400 + (month <= 2), month, of_year - (153 * shifted + 2) // 5 + 1
