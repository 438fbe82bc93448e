"""The council's ladder with a chair that appoints the mediator where the parties do not agree."""

from __future__ import annotations

from mediation.ladder import Ladder, parse_ladder
from protocols.kinds import Step
from tests.mediation.council import TEXT, asked
from tests.mediation.play import Play

GIVEN = 'timeout = { option = "default-appointment" }'
CHAIR_TIME = """
[[clock]]
id = "chair-time"
title = "Time of the chair"
kind = "reply-by"
after = "PT6H"
from = "appointment-due"
for = "chair"
timeout = { option = "default-appointment", to = "either" }
check = "D"
why = "Test."
"""
ASKING = """
[[step]]
id = "ask-chair"
title = "Ask the chair to appoint"
from = ["*"]
direction = "across"
consent = "none"
needs_option = true
when_taken = { option = "default-appointment", to = "chair" }

"""


def board_text(*edits: tuple[str, str]) -> str:
    """The chair takes the roster's order; 6 hours after its turn the parties may appoint too."""
    text = TEXT.replace(GIVEN, 'timeout = { option = "default-appointment", to = "chair" }')
    text = text.replace("\n[mediation]\n", f'{CHAIR_TIME}\n[mediation]\nappointed_by = "chair"\n')
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    return text


CHOOSES = ('appointed_by = "chair"\n', 'appointed_by = "chair"\nappoints = "any"\n')
ALONE = (CHAIR_TIME, "")
ASKED = (
    ('[[clock]]\nid = "nominations"', f'{ASKING}[[clock]]\nid = "nominations"'),
    ('timeout = { option = "default-appointment", to = "chair" }', 'timeout = { option = "ask-chair", to = "either" }'),
)


def board(*edits: tuple[str, str]) -> Ladder:
    return parse_ladder(board_text(*edits).encode())


def stalled(ladder: Ladder, **changes: object) -> Play:
    """Mediation was opened at 02:00, nobody nominated: at 26:00 the parties' time for agreeing is over."""
    play = asked(ladder, **changes)
    play.send("02:00", "AV", "step-request", Step("mediate"))
    return play
