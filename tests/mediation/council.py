"""A ladder that uses every part of the language, and threads under it: a chair, other states, a council, three tracks."""

from __future__ import annotations

from typing import Any

from mediation.context import OfficeRole
from mediation.ladder import Ladder, parse_ladder
from protocols.kinds import Step, StepAnswer
from tests.mediation.play import Play

TEXT = """
format = 1
id = "council"
title = "A ladder of a council"
status = "test"
source = "none"
review = "P1Y"
start = "L0"
monitoring = "watch"
closed = "closed"
uses = ["talk", "steps", "questions", "mediation", "verification", "closing"]

[[role]]
id = "chair"
title = "Chair of the centre"
held_by = "named"
exclude = ["parties", "nationals"]

[[role]]
id = "others"
title = "The other states"
held_by = "others"
exclude = ["nationals"]

[[role]]
id = "members"
title = "Members of the council"
held_by = "all"

[[rung]]
id = "L0"
title = "Routine"
level = 0

[[rung]]
id = "L1"
title = "Request"
level = 1

[[rung]]
id = "L2"
title = "Meeting"
level = 2
forbids = ["public-attribution"]

[[rung]]
id = "L3"
title = "Inspection"
level = 3

[[rung]]
id = "watch"
title = "Watching"
level = 0

[[rung]]
id = "closed"
title = "Closed"
level = 0

[[step]]
id = "ask"
title = "Ask for an explanation"
from = ["L0"]
to = "L1"
direction = "up"
consent = "none"

[[step]]
id = "meet"
title = "Call an emergency meeting"
from = ["L1"]
to = "L2"
direction = "up"
consent = "none"
seconded_by = { role = "others", count = 2, within = "seconds" }

[[step]]
id = "poll"
title = "Poll the others"
from = ["L1"]
to = "L2"
direction = "up"
consent = "chair"
seconded_by = { role = "others", fraction = "1/3" }

[[step]]
id = "inspect"
title = "Inspect on challenge"
from = ["L1", "L2"]
to = "L3"
direction = "up"
consent = "none"
negative_consensus = true
blocked_by = { role = "members", fraction = "3/4" }

[[step]]
id = "proved"
title = "Go on from a proven breach"
from = ["L1", "L2"]
to = "L3"
direction = "up"
consent = "none"
evidence = ["breach-report", "finding"]

[[step]]
id = "report"
title = "The chair reports"
from = ["L1", "L2", "L3"]
direction = "across"
who = ["chair"]
consent = "none"

[[step]]
id = "convene"
title = "The chair convenes"
from = ["L1"]
to = "L2"
direction = "up"
who = ["chair"]
consent = "none"
needs_option = true

[[step]]
id = "answer"
title = "The counterpart answers the report"
from = ["L1", "L2", "L3"]
direction = "across"
who = ["counterpart"]
consent = "none"

[[step]]
id = "seize"
title = "Another forum is seized"
from = ["*"]
direction = "across"
consent = "none"
suspends = true

[[step]]
id = "resume"
title = "The other forum is done"
from = ["*"]
direction = "across"
consent = "none"
resumes = true

[[step]]
id = "hurry"
title = "Take the urgent track"
from = ["L1"]
direction = "across"
consent = "other"
track = "urgent"

[[step]]
id = "calm"
title = "Cool off"
from = ["L1", "L2", "L3"]
direction = "deescalate"
consent = "other"

[step.standstill]
clock = "standstill"
forbids_directions = ["up"]

[[step]]
id = "mediate"
title = "Mediate beside"
from = ["*"]
direction = "deescalate"
consent = "none"

[[step]]
id = "down"
title = "Back to routine"
from = ["L1", "L2", "L3"]
to = "L0"
direction = "down"
consent = "other"

[[clock]]
id = "explain"
title = "Explanation"
kind = "reply-by"
after = "PT48H"
from = "opening"
of = "ask"
for = "counterpart"
met_by_any = ["statement"]
timeout = { option = "convene", to = "chair" }
extend = "chair"
tracks = { urgent = "PT12H" }
wording = "The time for the explanation is over; the chair may convene the parties."
check = "D"
why = "Test."

[[clock]]
id = "seconds"
title = "Seconds"
kind = "second-by"
after = "PT48H"
from = "request"
of = "meet"
for = "others"
check = "D"
why = "Test."

[[clock]]
id = "silence"
title = "Time to block"
kind = "duration"
after = "PT12H"
from = "request"
of = "inspect"
timeout = { moves = "inspect" }
extend = "nobody"
check = "T"
why = "Test."

[[clock]]
id = "due-report"
title = "The chair's report"
kind = "reply-by"
after = "P1M"
from = "opening"
of = "ask"
for = "chair"
met_by_steps = ["report"]
extend = "nobody"
tracks = { urgent = "P10D" }
check = "S"
why = "Test."

[[clock]]
id = "answer-report"
title = "Answer to the report"
kind = "reply-by"
after = "PT24H"
from = "opening"
of = "report"
for = "counterpart"
met_by_steps = ["answer"]
check = "S"
why = "Test."

[[clock]]
id = "meeting"
title = "Time of the meeting"
kind = "window"
opens = "PT48H"
after = "P3D"
from = "opening"
of = "ask"
gives = { step = "convene", to = "chair" }
extend = "nobody"
check = "S"
why = "Test."

[[clock]]
id = "standstill"
title = "Cooling-off"
kind = "duration"
after = "P3D"
from = "acceptance"
of = "calm"
check = "D"
why = "Test."

[[clock]]
id = "nominations"
title = "Nominations"
kind = "reply-by"
after = "PT12H"
from = "opening"
of = "mediate"
check = "D"
why = "Test."

[[clock]]
id = "default-appointment"
title = "Appointment"
kind = "reply-by"
after = "PT24H"
from = "opening"
of = "mediate"
timeout = { option = "default-appointment" }
check = "D"
why = "Test."

[[clock]]
id = "nominee-answer"
title = "The nominee answers"
kind = "reply-by"
after = "PT12H"
from = "appointment"
for = "nominee"
timeout = { option = "default-appointment" }
check = "D"
why = "Test."

[[clock]]
id = "objections"
title = "Objections"
kind = "window"
after = "PT6H"
from = "declaration"
extend = "nobody"
check = "D"
why = "Test."

[[clock]]
id = "objection-answer"
title = "Answer to the objection"
kind = "reply-by"
after = "PT6H"
from = "objection"
for = "respondent"
timeout = { option = "default-appointment" }
check = "D"
why = "Test."

[[clock]]
id = "mediation"
title = "Mediation"
kind = "duration"
after = "P7D"
from = "mediators-admitted"
extend = "consensus"
check = "D"
why = "Test."

[mediation]
step = "mediate"
nominations = "nominations"
default_appointment = "default-appointment"
nominee_answer = "nominee-answer"
objections = "objections"
objection_answer = "objection-answer"
duration = "mediation"
"""

COUNCIL = parse_ladder(TEXT.encode())
OFFICES = (
    *(OfficeRole(office, "party") for office in ("AV", "KV", "NN", "OO", "PP", "QQ", "AW")),
    OfficeRole("HD", "mediator"),
    OfficeRole("MD", "mediator"),
    OfficeRole("CH", "monitor"),
    OfficeRole("OV", "monitor"),
)
STATES = {"AW": "AV"}  # AW is a second office of AV's state


def changed(*edits: tuple[str, str]) -> Ladder:
    text = TEXT
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    return parse_ladder(text.encode())


def council(ladder: Ladder = COUNCIL, **changes: Any) -> Play:
    """Just opened by AV with KV."""
    values: dict[str, Any] = {"offices": OFFICES, "roles": {"chair": ("CH",)}, "states": STATES}
    return Play(ladder, **{**values, **changes})


def asked(ladder: Ladder = COUNCIL, **changes: Any) -> Play:
    """On L1: AV asked at 01:00."""
    play = council(ladder, **changes)
    play.send("01:00", "AV", "step-request", Step("ask"))
    return play


def agree(play: Play, at: str, step: str) -> None:
    """AV asks, KV accepts."""
    request = play.send(at, "AV", "step-request", Step(step))
    play.send(at, "KV", "step-accept", StepAnswer(request, step))
