"""Words into blocks: a rung's box, a step's card, a note. Here text is wrapped and every line gets its place."""

from __future__ import annotations

from dataclasses import dataclass, field

from mediation.drawing.clock_words import Line
from mediation.drawing.metrics import width, wrap
from mediation.drawing.plan import Lane
from mediation.drawing.position import Position, forbidden, moment
from mediation.drawing.shapes import Block, Box, Hatch, Shape, Sign, Text
from mediation.drawing.words import Card, rung_lines
from mediation.ladder import Ladder

PAD = 12
LEAD = 18  # from baseline to baseline
INDENT = 18  # room of a sign
STRIP = 12  # width of the hatched edge
SIGN = 12
INNER_GAP = 10


@dataclass
class Sheet:
    """A column of lines that grows downwards."""

    w: float
    left: float = PAD
    y: float = PAD
    shapes: list[Shape] = field(default_factory=list)

    def write(
        self, words: str, *, size: float = 13, style: str = "line", bold: bool = False, sign: str = "", mark: str = ""
    ) -> None:
        """A paragraph, with a sign before it and a mark of doubt after it."""
        indent = INDENT if sign else 0
        room = self.w - self.left - PAD - indent
        lead = max(LEAD, size * 1.35)
        lines = wrap(words, room, size, bold=bold)
        for number, line in enumerate(lines):
            base = self.y + size
            if sign and number == 0:
                self.shapes.append(Sign(self.left, base - SIGN + 1.5, sign))
            self.shapes.append(Text(self.left + indent, base, line, size, style, bold))
            self.y += lead
        if mark:
            self._mark(mark, indent, width(lines[-1], size, bold=bold), room)

    def _mark(self, mark: str, indent: float, used: float, room: float) -> None:
        """The mark follows on the last line where it fits, else it stands on its own."""
        needed = SIGN + 5 + width(mark, 12, bold=True)
        if used + 8 + needed <= room:
            x, base = self.left + indent + used + 8, self.y - LEAD + 13
        else:
            x, base = self.left + indent, self.y + 13
            self.y += LEAD
        self.shapes += [Sign(x, base - SIGN + 1.5, mark), Text(x + SIGN + 5, base, mark, 12, "mark", bold=True)]

    def block(self, frame: Box | None = None, *, least: float = 0) -> Block:
        """The finished piece, as high as its lines and at least ``least``."""
        h = max(self.y + PAD - 6, least)
        framed: list[Shape] = [] if frame is None else [Box(0, 0, self.w, h, frame.style, frame.state)]
        return Block(self.w, h, (*framed, *self.shapes))


def step_block(ladder: Ladder, card: Card, w: float, position: Position | None, lane: Lane | None = None) -> Block:
    """A step's card, ``w`` wide. ``lane``: the lane it belongs to."""
    still = ladder.steps[card.step].standstill is not None
    state, status = state_of(ladder, card.step, position)
    sheet = Sheet(w, left=PAD + STRIP if still or state == "forbidden" else PAD)
    _headed(sheet, card.title, card.kind, lane.badge if lane is not None else "")
    if lane is not None and lane.scope:
        sheet.write(lane.scope, style="soft")
    if status:
        sheet.write(status, style="now", bold=True, sign={"forbidden": "still"}.get(state, state))
    for line in card.lines:
        write_line(sheet, line, position)
    block = sheet.block(Box(0, 0, w, 0, card.kind, state))
    if still or state == "forbidden":
        return Block(block.w, block.h, (*block.shapes, Hatch(2, 2, STRIP, block.h - 4)))
    return block


def lane_block(ladder: Ladder, cards: tuple[Card, ...], lane: Lane, w: float, position: Position | None) -> Block:
    """The card of a lane: one step, or several that differ only in where they lead."""
    if len(cards) == 1:
        return step_block(ladder, cards[0], w, position, lane)
    sheet = Sheet(w)
    _headed(sheet, "Ways down" if cards[0].kind == "down" else "Any of these", cards[0].kind, lane.badge)
    if lane.scope:
        sheet.write(lane.scope, style="soft")
    open_now = 0
    for card in cards:
        state, _ = state_of(ladder, card.step, position)
        to = ladder.rungs[ladder.steps[card.step].to].title
        sheet.write(f"{card.title}: to {to}{': open now' if state == 'open' else ''}", sign=state or card.kind)
        open_now += state == "open"
    for line in cards[0].lines:
        write_line(sheet, line, position)
    return sheet.block(Box(0, 0, w, 0, cards[0].kind, _lane_state(position, open_now)))


def _lane_state(position: Position | None, open_now: int) -> str:
    if position is None:
        return ""
    return "open" if open_now else "closed"


def _headed(sheet: Sheet, title: str, kind: str, badge: str) -> None:
    if badge:
        sheet.shapes += [
            Sign(sheet.left, sheet.y + 1, "badge"),
            Text(sheet.left + 10, sheet.y + 15.5, badge, 12, "badge", bold=True, middle=True),
        ]
        sheet.left += 28
    sheet.write(title, size=14, style="title", bold=True, sign=kind)
    if badge:
        sheet.left -= 28
        sheet.y += 5  # the letter's disc is higher than a line


def write_line(sheet: Sheet, line: Line, position: Position | None) -> None:
    """A card's line, and under a clock's the ends of those that run now."""
    sheet.write(line.words, sign=line.sign, mark=line.mark)
    if position is None or not line.clock:
        return
    left = sheet.left
    sheet.left += INDENT
    for clock in position.running:
        if clock.rule == line.clock:
            sheet.write(f"runs now: {clock.words(position.at)}", style="now", bold=True, sign="clock")
    sheet.left = left


def state_of(ladder: Ladder, step: str, position: Position | None) -> tuple[str, str]:
    """Whether a step is open now, in a word for the shape and in words for people."""
    if position is None:
        return "", ""
    if step in forbidden(ladder, position):
        return "forbidden", f"Forbidden by the standstill until {moment(position.standstill_end)}"
    takers = position.takers.get(step, ())
    if takers:
        who = ", ".join(takers) if len(takers) <= 4 else f"{len(takers)} offices"
        return "open", f"Open now for {who}"
    return "closed", "Closed now"


def rung_block(
    ladder: Ladder, rung: str, w: float, position: Position | None, inside: tuple[Card, ...], ports: int
) -> Block:
    """A rung's box; ``inside`` are the steps that are taken on it and leave it as it is; ``ports``: lines that meet its
    busiest side."""
    here = position is not None and position.rung == rung
    still = any(step.to == rung and step.standstill is not None for step in ladder.steps.values())
    sheet = Sheet(w, left=PAD + STRIP if still else PAD)
    found = ladder.rungs[rung]
    if here:
        sheet.write("You are here", size=14, style="now", bold=True, sign="here")
    sheet.write(found.title, size=16, style="title", bold=True)
    sheet.write(f"Level {found.level}", size=12, style="soft")
    for line in rung_lines(ladder, rung):
        write_line(sheet, line, position)
    columns = max(1, int((w - sheet.left - PAD + INNER_GAP) // 260))
    inner = (w - sheet.left - PAD - INNER_GAP * (min(columns, max(len(inside), 1)) - 1)) / min(
        columns, max(len(inside), 1)
    )
    for start in range(0, len(inside), columns):
        row = [step_block(ladder, card, inner, position) for card in inside[start : start + columns]]
        sheet.y += 6
        for number, block in enumerate(row):
            sheet.shapes += block.at(sheet.left + number * (inner + INNER_GAP), sheet.y)
        sheet.y += max(block.h for block in row) + 6
    block = sheet.block(Box(0, 0, w, 0, "here" if here else "rung"), least=14 + 12 * ports)
    if still:
        return Block(block.w, block.h, (*block.shapes, Hatch(3, 3, STRIP - 1, block.h - 6)))
    return block
