"""What became of something an officer did, where nothing was sent."""

from __future__ import annotations

from hotline.station.model import Thread
from hotline.station.parting import CODE, passes
from hotline.station.views import Outcome
from mediation.refusals import Refusal

AT_ONCE = "It was not sent and nothing has changed."


def no(code: str, sentence: str, *, thread: str | None = None) -> Outcome:
    """Not done, and why."""
    return Outcome(False, "refused", thread=thread, code=code, sentence=sentence)


def refused(refusal: Refusal, thread: str | None = None) -> Outcome:
    """Refused by the ladder or the protocol."""
    return Outcome(
        False,
        "refused",
        thread=thread,
        code=refusal.code,
        sentence=refusal.sentence,
        rule=refusal.rule,
        clock=refusal.clock,
        until=refusal.until,
    )


def talk_only(thread: Thread, kind: str) -> Refusal | None:
    """Why nothing of ``kind`` goes out while the station and the hub do not agree where the ladder stands, or None."""
    if thread.parted is None or passes(kind, thread.ladder, thread.state):
        return None
    return Refusal(CODE, "station", thread.parted.refusal())
