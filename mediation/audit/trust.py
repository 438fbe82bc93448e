"""What a verifier brings: nothing of it is ever taken from the bundle."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.translog import Policy

EPSILON = 2
"""Seconds by which an honest witness's clock may differ from true time, unless the verifier says otherwise."""


@dataclass(frozen=True, slots=True)
class Trust:
    """The witness policy the verifier goes by (with the log's key), the id of the accord, ``epsilon``: how many seconds
    the clock of an honest witness may be off, and ``authorities``: root certificates (DER or PEM) of the time-stamping
    authorities that are believed; without one no token is looked at."""

    policy: Policy
    accord: str
    epsilon: int = EPSILON
    authorities: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.epsilon < 0:
            raise ValueError("clocks are off by nothing or more")
