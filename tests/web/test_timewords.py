from __future__ import annotations

import pytest

from tests.web.fakes import HOUR, T0
from web.shared import timewords


def test_utc_first_then_each_capital() -> None:
    assert timewords.utc(T0) == "12 Mar 03:12:00Z"
    assert timewords.local(T0, "Asia/Kolkata") == "Wed 08:42"
    assert timewords.local(T0, "Nowhere/Town") == ""
    assert timewords.local(T0, "../etc/passwd") == ""


@pytest.mark.parametrize(
    ("ms", "digits"),
    [(72 * HOUR - 1, "71:59:59"), (0, "00:00:00"), (-12_000, "-00:00:12"), (400 * HOUR, "400:00:00")],
)
def test_a_countdown_never_wraps_and_never_clamps(ms: int, digits: str) -> None:
    assert timewords.left(ms) == digits


@pytest.mark.parametrize(("ms", "words"), [(0, "0 s"), (250_000, "4 min 10 s"), (51 * HOUR + 5, "2 d 3 h")])
def test_a_span_in_its_two_largest_units(ms: int, words: str) -> None:
    assert timewords.span(ms) == words


def test_a_time_field_is_utc_and_comes_back_the_same() -> None:
    assert timewords.field_to_ms(timewords.ms_to_field(T0)) == T0
    with pytest.raises(ValueError, match="Invalid"):
        timewords.field_to_ms("noon")
