"""What stands above and below the picture: name, source and position; other clocks, roles, notes and the key to the marks."""

from __future__ import annotations

from mediation.drawing.blocks import LEAD, Sheet, write_line
from mediation.drawing.clock_words import Line
from mediation.drawing.plan import Plan
from mediation.drawing.position import Position, moment, remaining
from mediation.drawing.shapes import Block, Hatch, Route, Sign, Text
from mediation.drawing.words import other_clocks, role_lines
from mediation.ladder import Ladder
from mediation.words import length, mark

_KEY = (
    ("up", "a step up or across"),
    ("deescalate", "a step that calms"),
    ("down", "a way down"),
    ("stay", "taken on these rungs, which stay as they are"),
)
_SIGNS = (
    ("clock", "a clock: how long, for whom, counted from what"),
    ("unverified", "unverified: a number of a known text that nobody has read again in its source"),
    ("inferred", "inferred: a number computed from other sources"),
    ("open", "open now"),
    ("closed", "closed now"),
)


def head_block(ladder: Ladder, position: Position | None, w: float) -> Block:
    """Title, status and source; with a position, where the thread is and what runs."""
    sheet = Sheet(w, left=0, y=0)
    sheet.write(ladder.title, size=20, style="title", bold=True)
    sheet.write(f"{ladder.id}. Status: {ladder.status}. Source: {ladder.source}.", style="soft")
    if ladder.preamble:
        sheet.write(ladder.preamble, style="soft")
    if position is not None:
        rung = ladder.rungs[position.rung]
        sheet.y += 4
        sheet.write(f"At {moment(position.at)}: {rung.title}, level {rung.level}.", size=14, style="now", bold=True)
        if position.standstill:
            words = f"Standstill until {moment(position.standstill_end)}, {remaining(position.standstill_end - position.at)}"
            sheet.write(words, style="now", bold=True, sign="still")
        if position.suspended:
            sheet.write("Another forum is seized: clocks pause, no step up passes.", style="now", bold=True)
        if position.track:
            sheet.write(f"Track: {position.track}.", style="now")
        for clock in position.running:
            rule = ladder.clocks[clock.rule]
            sheet.write(f"{rule.title}: {clock.words(position.at)}", style="now", sign="clock", mark=mark(rule))
        if not position.running:
            sheet.write("No clock runs.", style="now")
    return sheet.block()


def foot_block(ladder: Ladder, plan: Plan, position: Position | None, w: float) -> Block:
    """Everything that has no place on the ladder itself, and the key."""
    sheet = Sheet(w, left=0, y=0)
    parts: list[tuple[str, tuple[Line, ...]]] = [
        ("Other clocks", other_clocks(ladder)),
        ("Who is who", tuple(role_lines(ladder))),
        ("Notes", tuple(Line(note) for note in ladder.notes)),
    ]
    for title, lines in parts:
        if lines:
            sheet.write(title, size=14, style="title", bold=True)
            for line in lines:
                write_line(sheet, line, None)
            sheet.y += 8
    sheet.write("How to read it", size=14, style="title", bold=True)
    used: set[str] = {ladder.steps[step].direction for band in plan.bands for step in band}
    used |= {ladder.steps[step].direction for steps in plan.inside.values() for step in steps}
    used |= {lane.kind for lane in (*plan.left, *plan.right)}
    if "across" in used:
        used.add("up")  # drawn alike; the cards say which
    for kind, words in _KEY:
        if kind in used:
            sheet.shapes.append(Route(((4, sheet.y + 9), (52, sheet.y + 9)), kind, arrow=kind != "stay"))
            sheet.shapes.append(Text(62, sheet.y + 13, words))
            sheet.y += LEAD
    if any(step.standstill is not None for step in ladder.steps.values()):
        sheet.shapes += [Hatch(4, sheet.y + 2, 48, 13), Text(62, sheet.y + 13, "hatched: a standstill")]
        sheet.y += LEAD
    if plan.left or plan.right:
        sheet.y += 2
        letter = Text(28, sheet.y + 13.5, "A", 12, "badge", bold=True, middle=True)
        sheet.shapes += [Sign(18, sheet.y - 1, "badge"), letter]
        sheet.shapes.append(Text(62, sheet.y + 13, "a lane and its card: from its dots to its arrows"))
        sheet.y += LEAD + 4
    checks = {clock.check for clock in ladder.clocks.values()}
    shown = {"clock": bool(checks), "unverified": "T" in checks, "inferred": "A" in checks}
    for kind, words in _SIGNS:
        if not shown.get(kind, position is not None):
            continue
        sheet.shapes += [Sign(22, sheet.y + 2, kind), Text(62, sheet.y + 13, words)]
        sheet.y += LEAD
    sheet.write(
        "A clock that runs out moves nothing by itself, unless the card says so: it lets somebody take a step. "
        f"Review every {length(ladder.review)}.",
        style="soft",
    )
    return sheet.block()
