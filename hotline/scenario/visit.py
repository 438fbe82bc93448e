"""A second thread for a visitor, brought into its cooling-off through the desks."""

from __future__ import annotations

from hotline.scenario.play import StBrannoc
from hotline.scenario.script import st_brannoc
from hotline.scenario.stage import Exercise


async def open_visit(exercise: Exercise, ladder: str) -> str:
    """Open 'Visitor' between Arvenia and Kostrava and agree on a cooling-off; the thread's id."""
    player = StBrannoc(st_brannoc(), exercise.stage(), 1, ladder)
    desk = exercise.offices["AV"].drafter
    opened = await desk.post("threads", {"counterpart": "KV", "ladder": ladder, "title": "Visitor"})
    player.thread = opened["thread"]
    await player.both("in the thread", lambda view: view["epoch"])
    notice = {"text": "Traffic control of the port of Lydd answers late. We ask for your help.", "severity": "medium"}
    entry = await player.say("notice", "AV", "incident-notice", {}, notice, to=("KV",), precedence="IMMEDIATE")
    await player.say("ack", "KV", "acknowledgement", {"entry": entry["id"]}, to=("AV",))
    await player.say("ask", "AV", "step-request", {"step": "L4-cooling-off"}, {}, to=("KV",))
    offer = await player.offered("KV", "L4-cooling-off")
    await player.say("accept", "KV", "step-accept", offer["act"], {}, to=("AV",))
    return player.thread
