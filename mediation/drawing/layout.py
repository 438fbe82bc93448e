"""The geometry of a ladder's picture: pure numbers, no marks of any drawing language.

From left to right: cards of the ways down, their lanes, the rungs with the steps between them, lanes, cards of the
lanes. From top to bottom: highest level first; between two levels the cards of the steps that lead up to the upper
one. Lines run in the gaps above and below the rungs (each on a track of its own) and in the lanes; texts never stand
there. So no line can cross a text and no two texts can meet, whatever the ladder.
"""

from __future__ import annotations

from itertools import pairwise

from mediation.drawing.blocks import lane_block, rung_block, step_block
from mediation.drawing.notes import foot_block, head_block
from mediation.drawing.places import Feeder, Gap, LaneLine, Link, Place, Stub, quiet, stretched
from mediation.drawing.plan import Lane, Plan, make_plan
from mediation.drawing.position import Position
from mediation.drawing.shapes import Dot, Hatch, Picture, Route, Shape, Sign, Text
from mediation.drawing.words import Card, cards, summary
from mediation.ladder import Ladder

MARGIN = 20
LANE = 24  # between two lanes
BETWEEN = 24  # between cards, and between rungs of one level
LEFT_CARD, RIGHT_CARD = 250, 310
LEAST, CARD, WIDEST = 640, 300, 640  # widths: of the middle, of a card in a full band, of a card alone
RUNG = 210
STEM = 40


def layout(ladder: Ladder, position: Position | None = None) -> Picture:
    """The whole picture of ``ladder``, with ``position`` marked on it."""
    return _Drawing(ladder, position).picture()


class _Drawing:
    def __init__(self, ladder: Ladder, position: Position | None) -> None:
        self.ladder, self.position = ladder, position
        self.cards: dict[str, Card] = cards(ladder)
        self.plan: Plan = make_plan(ladder, self.cards)
        rows = len(self.plan.rows)
        self.above, self.below = [Gap() for _ in range(rows)], [Gap() for _ in range(rows)]
        self.rungs: dict[str, Place] = {}
        self.steps: dict[str, Place] = {}
        self.links: list[Link] = []
        self.feeders: list[Feeder] = []
        self.lanes: list[LaneLine] = []
        self.shapes: list[Shape] = []

    def picture(self) -> Picture:
        self._across()
        self._connect()
        self._down()
        self._paint()
        height = self._sides()
        foot = foot_block(self.ladder, self.plan, self.position, self.width - 2 * MARGIN)
        self.shapes += foot.at(MARGIN, height + MARGIN)
        height += foot.h + 2 * MARGIN
        lines = [shape for shape in self.shapes if isinstance(shape, Route | Dot)]
        rest = [shape for shape in self.shapes if not isinstance(shape, Route | Dot | Text | Sign | Hatch)]
        over = [shape for shape in self.shapes if isinstance(shape, Hatch)]
        marks = [shape for shape in self.shapes if isinstance(shape, Text | Sign)]
        shapes = (*rest, *lines, *over, *marks)
        return Picture(self.width, height, self.ladder.title, summary(self.ladder, self.position), shapes)

    # ---- from left to right ----------------------------------------------------------------------------------------

    def _across(self) -> None:
        plan = self.plan
        fed = [step for band in plan.bands for step in band if self._far(step)]
        self.left: float = MARGIN + (LEFT_CARD + 16 if plan.left else 0)
        self.x = self.left + (LANE * len(plan.left) + 16 if plan.left else 0)
        columns = max([1, *(len(band) for band in plan.bands)])
        crowd = max(len(row) for row in plan.rows)
        self.w: float = max(LEAST, columns * (CARD + BETWEEN) - BETWEEN, crowd * (RUNG + BETWEEN) - BETWEEN)
        self.end = self.x + self.w
        self.feed_x = {step: self.end + 20 + LANE * number for number, step in enumerate(fed)}
        lanes = len(plan.right)
        self.lane_x = self.end + 20 + LANE * len(fed)
        self.right = self.lane_x + LANE * lanes + (0 if not lanes else 4)
        self.width = self.right + (RIGHT_CARD if lanes else 0) + MARGIN
        for row, band in zip(plan.rows, plan.bands, strict=True):
            self._row(row)
            self._band(band)

    def _row(self, row: tuple[str, ...]) -> None:
        each = (self.w - BETWEEN * (len(row) - 1)) / len(row)
        for number, rung in enumerate(row):
            inside = tuple(self.cards[step] for step in self.plan.inside.get(rung, ()))
            ports = max(
                sum(rung in (*lane.dots, *lane.targets) for lane in self.plan.left) * 2,
                sum(rung in lane.dots for lane in self.plan.right)
                + sum(rung in lane.targets for lane in self.plan.right)
                + len(self.feed_x),
            )
            block = rung_block(self.ladder, rung, each, self.position, inside, ports)
            self.rungs[rung] = Place(block, self.x + number * (each + BETWEEN))
        high = max(self.rungs[rung].block.h for rung in row)
        for rung in row:
            self.rungs[rung].block = stretched(self.rungs[rung].block, high)

    def _band(self, band: tuple[str, ...]) -> None:
        if not band:
            return
        order = sorted(band, key=lambda step: (bool(self._far(step)), self._aim(step)))
        each = min(WIDEST, (self.w - BETWEEN * (len(band) - 1)) / len(band))
        x: float = self.x
        if len(band) == 1:
            target = self.rungs[self.ladder.steps[band[0]].to]
            x = min(max(target.x + target.block.w / 2 - each / 2, self.x), self.end - each)
        for number, step in enumerate(order):
            block = step_block(self.ladder, self.cards[step], each, self.position)
            self.steps[step] = Place(block, x + number * (each + BETWEEN))

    def _aim(self, step: str) -> float:
        target = self.rungs[self.ladder.steps[step].to]
        return target.x + target.block.w / 2

    def _far(self, step: str) -> list[str]:
        """The step's rungs that are not on the two rows its card stands between."""
        row = self.plan.row(self.ladder.steps[step].to)
        return [rung for rung in self.ladder.steps[step].start if self.plan.row(rung) > row + 1]

    # ---- what is joined with what ----------------------------------------------------------------------------------

    def _connect(self) -> None:
        for row, band in enumerate(self.plan.bands):
            for step in sorted(band, key=lambda step: self.steps[step].x):
                self._join(step, row)
        for row, band in enumerate(self.plan.bands):
            for step in band:
                far = self._far(step)
                if far:
                    self._feed(step, row, far)
        for number, lane in enumerate(self.plan.left):
            self.lanes.append(self._lane(lane, self.x - 16 - LANE * number, left=True))
        for number, lane in enumerate(self.plan.right):
            self.lanes.append(self._lane(lane, self.lane_x + LANE * number, left=False))

    def _join(self, step: str, row: int) -> None:
        """The arrows of a card between two rows: up to its rung, and from the rungs beside it."""
        rule, card = self.ladder.steps[step], self.steps[step]
        low = [rung for rung in rule.start if self.plan.row(rung) == row + 1]
        same = [rung for rung in rule.start if self.plan.row(rung) == row]
        for rung in low:
            self._link(self.above[row + 1], self.rungs[rung], card, rule.direction, rung_below=True)
        for rung in same:
            self._link(self.below[row], card, self.rungs[rung], rule.direction, rung_below=False, arrow=False)
        self._link(self.below[row], card, self.rungs[rule.to], rule.direction, rung_below=False)

    def _link(self, gap: Gap, lower: Place, upper: Place, style: str, *, rung_below: bool, arrow: bool = True) -> None:
        """A line across a gap, straight where the two lie over each other. It rises, unless it leaves a rung of the
        upper row for a card (``arrow`` false)."""
        card, rung = (upper, lower) if rung_below else (lower, upper)
        card_edge, rung_edge = (card.bottom, rung.top) if rung_below else (card.top, rung.bottom)
        middle = card.x + card.block.w / 2
        wanted = min(max(middle, rung.x + 24), rung.end - 24)
        x = card.port(card_edge, wanted)
        if rung.free(rung_edge, x):
            rung_edge.append(x)
            self.links.append(Link(gap, lower, upper, x, x, 0, style, arrow, arrow=True))
            return
        other = rung.port(rung_edge, x)
        low_x, high_x = (other, x) if rung_below else (x, other)
        self.links.append(Link(gap, lower, upper, low_x, high_x, gap.track(), style, arrow, arrow=True))

    def _stub(self, rung: str, x: float, *, left: bool) -> Stub:
        """How a lane at ``x`` meets a rung: at its side if nothing is between, else from above."""
        place, row = self.rungs[rung], self.plan.row(rung)
        if (abs(place.x - self.x) if left else abs(place.end - self.end)) < 1:
            if left:
                place.left += 1
                return Stub(place, self.above[row], 0, place.x, "left", place.left)
            place.right += 1
            return Stub(place, self.above[row], 0, place.end, "right", place.right)
        gap = self.above[row]
        return Stub(place, gap, gap.track(), place.port(place.top, place.x + 20 if left else place.end - 20))

    def _feed(self, step: str, row: int, far: list[str]) -> None:
        card, x = self.steps[step], self.feed_x[step]
        stubs = tuple(self._stub(rung, x, left=False) for rung in far)
        # The gap under a card is the one above the row below it.
        gap = self.above[row + 1]
        port = card.port(card.bottom, card.end - 30)
        self.feeders.append(Feeder(x, self.ladder.steps[step].direction, stubs, gap, gap.track(), card, port))

    def _lane(self, lane: Lane, x: float, *, left: bool) -> LaneLine:
        targets = tuple(self._stub(rung, x, left=left) for rung in lane.targets)
        sources = tuple(self._stub(rung, x, left=left) for rung in lane.dots)
        return LaneLine(lane, x, sources, targets)

    # ---- from top to bottom ----------------------------------------------------------------------------------------

    def _down(self) -> None:
        self.head = head_block(self.ladder, self.position, self.width - 2 * MARGIN)
        y = MARGIN + self.head.h + 8
        for row, band in enumerate(self.plan.bands):
            above, below = self.above[row], self.below[row]
            above.y = y
            y += above.h
            for rung in self.plan.rows[row]:
                self.rungs[rung].y = y
            y += max(self.rungs[rung].block.h for rung in self.plan.rows[row])
            below.y = y
            y += below.h
            floor = y + max([0, *(self.steps[step].block.h for step in band)])
            for step in band:
                self.steps[step].y = floor - self.steps[step].block.h
            y = floor
        self.bottom = y

    # ---- painting --------------------------------------------------------------------------------------------------

    def _paint(self) -> None:
        self.shapes += self.head.at(MARGIN, MARGIN)
        for place in (*self.rungs.values(), *self.steps.values()):
            self.shapes += place.block.at(place.x, place.y)
        for link in self.links:
            self._paint_link(link)
        for feeder in self.feeders:
            self._paint_feeder(feeder)
        for line in self.lanes:
            self._paint_lane(line)

    def _paint_link(self, link: Link) -> None:
        start, end = (link.low_x, link.lower.y), (link.high_x, link.upper.floor)
        points = [start, end]
        if link.track:
            y = link.gap.at(link.track)
            points = [start, (link.low_x, y), (link.high_x, y), end]
        if not link.rising:
            points.reverse()
        self.shapes.append(Route(tuple(points), link.style, link.arrow))

    def _meet(self, stub: Stub, x: float) -> list[tuple[float, float]]:
        """The points of a stub, from the lane to the rung."""
        if stub.side:
            ports = stub.rung.left if stub.side == "left" else stub.rung.right
            y = stub.rung.y + stub.rung.block.h * stub.port / (ports + 1)
            return [(x, y), (stub.x, y)]
        y = stub.gap.at(stub.track)
        return [(x, y), (stub.x, y), (stub.x, stub.rung.y)]

    def _paint_feeder(self, feeder: Feeder) -> None:
        y = feeder.gap.at(feeder.track)
        lowest = y
        for stub in feeder.stubs:
            points = self._meet(stub, feeder.x)
            lowest = max(lowest, points[0][1])
            self.shapes.append(Route(tuple(reversed(points)), feeder.style))
            self.shapes.append(Dot(points[-1][0], points[-1][1], feeder.style))
        points = [(feeder.x, lowest), (feeder.x, y), (feeder.port, y), (feeder.port, feeder.card.floor)]
        self.shapes.append(Route(tuple(points), feeder.style, arrow=True))

    def _paint_lane(self, line: LaneLine) -> None:
        style = line.lane.kind
        ys = self._stem(line)
        for stub in line.sources:
            points = self._meet(stub, line.x)
            ys.append(points[0][1])
            self.shapes += [Route(tuple(reversed(points)), style), Dot(*points[-1], style)]
        for stub in line.targets:
            points = self._meet(stub, line.x)
            ys.append(points[0][1])
            self.shapes.append(Route(tuple(points), style, arrow=True))
        if ys:
            self.shapes.append(Route(((line.x, min(ys)), (line.x, max(ys))), style))

    def _stem(self, line: LaneLine) -> list[float]:
        """A lane whose dots are said in words has a piece of its own for its letter, towards the middle."""
        if line.sources or not line.targets:
            return []
        ys = [self._meet(stub, line.x)[0][1] for stub in line.targets]
        if max(ys) - min(ys) >= STEM:
            return []
        return [max(ys) + STEM] if max(ys) < self.bottom / 2 else [min(ys) - STEM]

    def _sides(self) -> float:
        """The lanes' letters and cards. Returns the lowest y."""
        floor = self.bottom
        free = {True: MARGIN + self.head.h + 8, False: MARGIN + self.head.h + 8}
        level = [
            (y, x, end)
            for shape in self.shapes
            if isinstance(shape, Route)
            for (x, y), (end, other) in pairwise(shape.points)
            if y == other
        ]
        for line in self.lanes:
            left = line.x < self.x
            ys = [self._meet(stub, line.x)[0][1] for stub in (*line.sources, *line.targets)] + self._stem(line)
            y = quiet(line.x, min(ys), max(ys), level) if ys else free[left]
            if ys:
                self.shapes += [
                    Sign(line.x - 10, y - 10, "badge"),
                    Text(line.x, y + 4.5, line.lane.badge, 12, "badge", bold=True, middle=True),
                ]
            told = tuple(self.cards[step] for step in line.lane.steps)
            wide = LEFT_CARD if left else RIGHT_CARD
            block = lane_block(self.ladder, told, line.lane, wide, self.position)
            top = max(free[left], min(y - 20, max(free[left], self.bottom - block.h)))
            self.shapes += block.at(MARGIN if left else self.right, top)
            free[left] = top + block.h + 14
            floor = max(floor, top + block.h)
        return floor
