"""Small ladders with a bit of everything, valid as they stand: tests break them one fault at a time."""

CORE = """\
format = 1
id = "trial"
title = "Trial ladder"
status = "for tests"
source = "nowhere"
review = "P1Y"
start = "routine"
monitoring = "monitoring"
closed = "closed"
uses = ["talk", "steps", "questions", "mediation", "verification", "closing"]

[[role]]
id = "chair"
title = "Chair"
held_by = "named"

[[role]]
id = "others"
title = "Other states"
held_by = "others"

[[rung]]
id = "routine"
title = "Routine"
level = 0

[[rung]]
id = "notified"
title = "Notified"
level = 1

[[rung]]
id = "talks"
title = "Talks"
level = 2

[[rung]]
id = "calm"
title = "Calm"
level = 3

[[rung]]
id = "meeting"
title = "Meeting"
level = 4

[[rung]]
id = "inquiry"
title = "Inquiry"
level = 6

[[rung]]
id = "decided"
title = "Decided"
level = 7

[[rung]]
id = "monitoring"
title = "Monitoring"
level = 0

[[rung]]
id = "closed"
title = "Closed"
level = 0

[[step]]
id = "notify"
title = "Notify"
from = ["routine"]
to = "notified"
direction = "up"
trigger = "incident-notice"
consent = "none"

[[step]]
id = "talk"
title = "Talk"
from = ["notified"]
to = "talks"
direction = "up"
consent = "other"
needs_option = true
early_exit = true

[[step]]
id = "calm"
title = "Calm down"
from = ["talks", "meeting"]
to = "calm"
direction = "deescalate"
consent = "other"

[step.standstill]
clock = "calm"
forbids_kinds = ["public-attribution"]
forbids_directions = ["up"]
carve_outs = ["public-safety", "protect-life"]

[[step]]
id = "meet"
title = "Call a meeting of all"
from = ["talks", "calm"]
to = "meeting"
direction = "up"
consent = "none"
evidence = ["breach-report"]
seconded_by = { role = "others", count = 2, within = "seconds" }

[[step]]
id = "inquire"
title = "Call an inquiry"
from = ["calm"]
to = "inquiry"
direction = "up"
consent = "none"
needs_option = true

[[step]]
id = "visit"
title = "Visit the place"
from = ["inquiry"]
direction = "across"
who = ["party"]
consent = "none"
needs_option = true

[[step]]
id = "decide"
title = "Decide"
from = ["inquiry"]
to = "decided"
direction = "up"
who = ["chair"]
consent = "none"
negative_consensus = true
blocked_by = { role = "others", fraction = "2/3" }

[[step]]
id = "settle"
title = "Record a settlement"
from = ["talks", "decided"]
to = "monitoring"
direction = "down"
consent = "other"

[[step]]
id = "return"
title = "Start over"
from = ["*"]
to = "routine"
direction = "down"
consent = "other"
stops = ["visit-wait", "visit", "visit-report", "decide"]

[[clock]]
id = "reply"
title = "Reply to the notice"
kind = "reply-by"
after = "PT4H"
from = "receipt"
of = "incident-notice"
for = "respondent"
met_by_any = ["statement"]
timeout = { option = "talk", to = "requester" }
wording = "The time to reply ran out."
check = "D"
why = "For tests."

[[clock]]
id = "silent"
title = "No receipt of the notice"
kind = "reply-by"
after = "PT8H"
from = "admission"
of = "incident-notice"
for = "respondent"
met_by = ["receipt"]
timeout = { option = "talk", to = "requester" }
check = "D"
why = "For tests."

[[clock]]
id = "seconds"
title = "Seconds"
kind = "second-by"
after = "P2D"
from = "request"
of = "meet"
check = "D"
why = "For tests."

[[clock]]
id = "calm"
title = "Time to cool"
kind = "duration"
after = "P3D"
from = "acceptance"
of = "calm"
timeout = { option = "inquire", to = "either" }
check = "D"
why = "For tests."

[[clock]]
id = "visit-wait"
title = "Notice of a visit"
kind = "not-before"
after = "P2D"
from = "opening"
of = "inquire"
holds = ["visit"]
check = "D"
why = "For tests."

[[clock]]
id = "visit"
title = "Time for a visit"
kind = "window"
opens = "P3D"
after = "P9D"
from = "opening"
of = "inquire"
gives = { step = "visit", to = "either" }
check = "D"
why = "For tests."

[[clock]]
id = "visit-report"
title = "Visit made"
kind = "reply-by"
after = "P12D"
from = "opening"
of = "inquire"
met_by_steps = ["visit"]
check = "D"
why = "For tests."

[[clock]]
id = "decide"
title = "Time to block"
kind = "reply-by"
after = "PT12H"
from = "request"
of = "decide"
timeout = { moves = "decide" }
check = "D"
why = "For tests."

[kinds.incident-notice]
who = ["party"]
rungs = ["routine"]
"""
"""Notice, talks, a meeting that others second, a standstill, an inquiry with a visit in a window, a decision by negative
consensus."""

SUSPENSION = """
[[step]]
id = "elsewhere"
title = "Say that a court is seized"
from = ["*"]
direction = "across"
consent = "none"
suspends = true

[[step]]
id = "back"
title = "Say that no court is seized"
from = ["*"]
direction = "across"
consent = "none"
resumes = true

[[step]]
id = "hurry"
title = "Declare urgency"
from = ["notified"]
direction = "across"
consent = "other"
track = "urgent"

[[clock]]
id = "hurry-up"
title = "Answer to urgency"
kind = "reply-by"
after = "P4D"
from = "opening"
of = "hurry"
tracks = { urgent = "P2D" }
check = "D"
why = "For tests."
"""
"""Another forum can be seized; a thread can be put on an urgent track."""

MEDIATION = """
[[rung]]
id = "court"
title = "Court"
level = 8

[[rung]]
id = "mediation"
title = "Mediation"
level = 5

[[step]]
id = "mediate"
title = "Open mediation"
from = ["talks", "calm"]
to = "mediation"
direction = "deescalate"
consent = "none"

[[step]]
id = "ask-court"
title = "Ask the court"
from = ["mediation"]
to = "court"
direction = "up"
consent = "none"
needs_option = true

[[clock]]
id = "nominations"
title = "Nominations"
kind = "reply-by"
after = "PT12H"
from = "opening"
of = "mediate"
check = "D"
why = "For tests."

[[clock]]
id = "default-appointment"
title = "Agreement on a mediator"
kind = "reply-by"
after = "PT24H"
from = "opening"
of = "mediate"
timeout = { option = "default-appointment", to = "either" }
check = "D"
why = "For tests."

[[clock]]
id = "nominee-answer"
title = "Answer of the nominee"
kind = "reply-by"
after = "PT12H"
from = "appointment"
for = "nominee"
timeout = { option = "default-appointment", to = "either" }
check = "D"
why = "For tests."

[[clock]]
id = "objections"
title = "Objections"
kind = "window"
after = "PT6H"
from = "declaration"
extend = "nobody"
check = "D"
why = "For tests."

[[clock]]
id = "objection-answer"
title = "Answer to an objection"
kind = "reply-by"
after = "PT6H"
from = "objection"
for = "respondent"
timeout = { option = "default-appointment", to = "either" }
check = "D"
why = "For tests."

[[clock]]
id = "mediation"
title = "Mediation"
kind = "duration"
after = "P7D"
from = "mediators-admitted"
timeout = { option = "ask-court", to = "either" }
check = "D"
why = "For tests."

[[clock]]
id = "cap"
title = "Mediation in all"
kind = "cap"
after = "P14D"
from = "opening"
of = "mediate"
timeout = { option = "ask-court", to = "either" }
check = "D"
why = "For tests."

[mediation]
step = "mediate"
nominations = "nominations"
default_appointment = "default-appointment"
nominee_answer = "nominee-answer"
objections = "objections"
objection_answer = "objection-answer"
duration = "mediation"
"""
"""Mediation with all its clocks, and a court after it."""

SEIZED = CORE + SUSPENSION
MEDIATED = CORE + MEDIATION
WHOLE = CORE + SUSPENSION + MEDIATION
