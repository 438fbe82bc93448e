"""Threads that stand on a given rung, with or without admitted mediators."""

from __future__ import annotations

from protocols.kinds import (
    Admission,
    Ask,
    Member,
    Nominate,
    Proposal,
    ProposalAnswer,
    Received,
    Rekey,
    Reveal,
    Scope,
    Step,
    StepAnswer,
    Waiver,
)
from tests.mediation.play import SALT, Play, kid

__all__ = ["agreed", "asked", "chosen", "declared", "mediated", "notified", "on", "opened", "settled"]


def notified() -> Play:
    """L1, notice received."""
    play = Play()
    notice = play.send("00:01", "AV", "incident-notice")
    play.send("00:01", "KV", "receipt", Received(notice))
    return play


def asked(questions: int = 2) -> tuple[Play, str]:
    """L2, questions received at 01:00."""
    play = notified()
    entry = play.send("01:00", "AV", "clarification-request", Ask(questions))
    play.send("01:00", "KV", "receipt", Received(entry))
    return play, entry


def agreed(play: Play, at: str, step: str) -> None:
    """A step that AV requests and KV accepts."""
    request = play.send(at, "AV", "step-request", Step(step))
    play.send(at, "KV", "step-accept", StepAnswer(request, step))


def opened(play: Play | None = None, at: str = "02:00") -> Play:
    """L5, just opened by KV."""
    play = play or notified()
    play.send(at, "KV", "step-request", Step("L5-mediation"))
    return play


def chosen(first: tuple[str, ...] = ("MD", "HD"), second: tuple[str, ...] = ("MD",), play: Play | None = None) -> Play:
    """L5, both nominations opened at 03:00."""
    play = play or opened()
    one = play.send("03:00", "AV", "nomination", Nominate(play.sealed("AV", *first)))
    two = play.send("03:00", "KV", "nomination", Nominate(play.sealed("KV", *second)))
    play.send("03:00", "AV", "nomination-reveal", Reveal(one, first, SALT))
    play.send("03:00", "KV", "nomination-reveal", Reveal(two, second, SALT))
    return play


def declared(play: Play | None = None, office: str = "MD", at: str = "04:00") -> Play:
    """L5, the nominee has accepted and declared."""
    play = play or chosen()
    play.send(at, office, "mediator-acceptance")
    play.send(at, office, "declaration")
    return play


def mediated(play: Play | None = None) -> Play:
    """L5, MD admitted and a member since 05:00."""
    play = play or declared()
    play.send("05:00", "AV", "waiver", Waiver(("MD",)))
    play.send("05:00", "KV", "waiver", Waiver(("MD",)))
    play.send("05:00", "AV", "admission", Admission(("MD",), Scope()))
    play.send("05:00", "KV", "admission", Admission(("MD",), Scope()))
    play.send("05:00", "KV", "rekey", Rekey(play.state.epoch + 1, (Member(kid("MD-1"), "MD"),)))
    return play


def settled(play: Play | None = None) -> Play:
    """Both parties accepted version 1 at 06:00."""
    play = play or mediated()
    text = play.send("06:00", "MD", "proposal", Proposal(1))
    play.send("06:00", "AV", "proposal-accept", ProposalAnswer(text, 1))
    play.send("06:00", "KV", "proposal-accept", ProposalAnswer(text, 1))
    return play


def on(rung: str) -> Play:
    """A thread on any rung of the shipped ladder, at 08:00 or before."""
    if rung == "L0-routine":
        return Play()
    if rung == "L1-notify":
        return notified()
    if rung == "L2-clarify":
        return asked()[0]
    if rung in ("L3-experts", "L4-cooling-off"):
        play = notified()
        agreed(play, "02:00", rung)
        return play
    if rung == "L5-mediation":
        return mediated()
    if rung in ("L6-inquiry", "L7-referral"):
        play = mediated()
        agreed(play, "06:00", rung)
        return play
    if rung == "monitoring":
        return settled()
    assert rung == "closed"
    play = mediated()
    play.send("07:00", "AV", "close")
    play.send("07:00", "KV", "close")
    return play
