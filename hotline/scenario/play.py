"""Plays the St Brannoc exercise through the desks and checks what every event must show.

Each event has a method ``e03`` and so on; it does what the event says, looks at the desks as officers would, and
returns what it saw in words, or raises `Mismatch`. Time runs at the accord's exercise scale: an event at T+05:10 is
played that much (divided by the scale) after the first; nothing is waited for longer than it takes.
"""

from __future__ import annotations

from hotline.scenario.aftermath import Aftermath
from hotline.scenario.incident import Incident
from hotline.scenario.mediators import Mediators
from hotline.scenario.player import Mismatch, Office, Result, Stage


class StBrannoc(Incident, Mediators, Aftermath):
    """One run of the exercise."""


__all__ = ["Mismatch", "Office", "Result", "StBrannoc", "Stage"]
