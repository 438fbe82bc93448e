"""What is said about ladders that grow old, by the accord's own dates."""

from __future__ import annotations

from hotline.freshness import ladder_warnings
from mediation.durations import DAY
from mediation.ladder import parse_ladder
from protocols.accord import LadderInForce
from protocols.encoding import digest, from_rfc3339
from tests.mediation.play import DATA
from tests.protocols.kit import accord_of

OLD = DATA.replace(b'review = "P1Y"', b'review = "P30D"\nsunset = "2020-01-01"')
LADDERS = {"cpci-default": parse_ladder(DATA), "old": parse_ladder(OLD)}
ACCORD = accord_of(ladders=(LadderInForce("cpci-default", digest(DATA)), LadderInForce("old", digest(OLD))))
BEGIN = from_rfc3339(ACCORD.not_before)


def test_a_fresh_ladder_is_not_spoken_of_and_an_old_one_is_the_most_pressing_first() -> None:
    found = ladder_warnings(ACCORD, LADDERS, BEGIN + 40 * DAY)
    assert [name for name, _ in found] == ["old", "old"]
    assert "sunset" in found[0][1]
    assert "review" in found[1][1]


def test_a_review_counts_from_the_day_the_accord_is_in_force() -> None:
    names = {name for name, _ in ladder_warnings(ACCORD, LADDERS, BEGIN + 300 * DAY)}
    assert names == {"cpci-default", "old"}


def test_a_ladder_this_machine_does_not_hold_is_not_judged() -> None:
    assert ladder_warnings(ACCORD, {}, BEGIN + 3000 * DAY) == ()
