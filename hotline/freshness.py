"""What screens and commands say about the age of the ladders in force: a review that is due, a sunset that is near."""

from __future__ import annotations

from collections.abc import Mapping

from mediation.ladder import Ladder
from mediation.validity import warnings
from protocols.accord import Accord
from protocols.encoding import from_rfc3339


def ladder_warnings(accord: Accord, ladders: Mapping[str, Ladder], at: int) -> tuple[tuple[str, str], ...]:
    """(the accord's name of the ladder, sentence) for every warning at ``at`` (ms UTC), in the accord's order, the most
    pressing of a ladder first. A ladder is in force since the accord is."""
    since = from_rfc3339(accord.not_before)
    return tuple(
        (each.id, warning.sentence)
        for each in accord.ladders
        if each.id in ladders
        for warning in warnings(ladders[each.id], since, at)
    )
