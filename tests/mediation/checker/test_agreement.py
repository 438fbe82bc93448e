"""What anybody can do at any time under a ladder, the explorer has seen: rungs, standstills, steps, options."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mediation.checker.explore import Graph
from mediation.checker.witness import taken
from mediation.checker.world import Line, World, entry_id, station
from mediation.durations import DAY, HOUR, MINUTE
from mediation.effects import OptionOpened
from mediation.fold import Outcome, elapse, step
from mediation.ladder import parse_ladder
from mediation.offers import allowed, example_move
from mediation.refusals import Refusal
from mediation.state import ThreadState
from protocols.kinds import KINDS, Member, Received, Rekey
from tests.mediation.checker.trial import WHOLE

LADDERS = Path(__file__).parents[3] / "mediation" / "ladders"
NAMES = (
    "whole",
    "cpci-default",
    "wto-dsu",
    "cwc-ix",
    "osce-berlin-emergency",
    "us-rla-major-dispute",
    "icsid-mediation-appointment",
)


class Seen:
    """What the explorer saw of a ladder."""

    def __init__(self, name: str) -> None:
        data = WHOLE.encode() if name == "whole" else (LADDERS / f"{name}.toml").read_bytes()
        self.world = World(parse_ladder(data))
        first = Graph(self.world)
        self.graphs = [first] if self.world.ladder.mediation is None else [first, Graph(self.world, first)]
        self.places: set[tuple[object, ...]] = set()
        for graph in self.graphs:
            for edge in graph.explore():
                self.places.update(place(state) for state in edge.run.trail)
            self.places.update(place(node.state) for node in graph.nodes)
            assert graph.complete
        first.seen.search()
        self.steps = first.seen.steps
        clocks = self.world.ladder.clocks.values()
        self.options = {first.relevance.grants[rule] for rule in first.seen.granted} | {"default-appointment"}
        steps = self.world.ladder.steps.values()
        self.options |= {rule.when_taken.option for rule in steps if rule.when_taken is not None}
        self.options |= {rule.when_met.option for rule in clocks if rule.when_met is not None}


def place(state: ThreadState) -> tuple[object, ...]:
    """Where a thread stands, as both the explorer and a walk can say it."""
    return (
        state.rung,
        state.standstill.step if state.standstill is not None else "",
        state.suspension is not None,
        bool(state.admitted),
    )


_CACHE: dict[str, Seen] = {}


def seen(name: str) -> Seen:
    if name not in _CACHE:
        _CACHE[name] = Seen(name)
    return _CACHE[name]


class Walk:
    """Anybody does anything that is open, at any time."""

    def __init__(self, found: Seen, rng: Random) -> None:
        self.found = found
        self.rng = rng
        opened = found.world.open()
        assert not isinstance(opened, Refusal)
        self.state = opened[0]
        self.offices = [office.id for office in self.state.offices]

    def go(self) -> None:
        jump = self.rng.choice((0, 0, 0, MINUTE, HOUR, 5 * HOUR, DAY, 4 * DAY, 30 * DAY))
        at = self.state.at + jump
        if self.rng.random() < 0.3 and self.state.clocks:
            at = max(self.state.at, self.rng.choice(self.state.clocks).end + self.rng.choice((-1, 0, 1)))
        before = self.state
        outcome = elapse(self.found.world.ladder, before, at)
        self.state = outcome.state
        self.hold(Line("", "", None, before.at, at, outcome.effects), before)
        if self.state.due_adds or self.state.due_removes:
            self.renew(at)
            return
        office = self.rng.choice((*self.state.parties, *self.state.parties, *self.offices))
        offers = [offer for offer in allowed(self.found.world.ladder, self.state, office, at) if offer.allowed]
        offers = [offer for offer in offers if offer.kind != "close" or self.rng.random() < 0.05]
        weights = [8.0 if offer.step or offer.kind in self.found.world.ladder.triggers else 1.0 for offer in offers]
        if offers:
            offer = self.rng.choices(offers, weights)[0]
            self.send(office, offer.kind, offer.act, at)
            other = self.state.other_party(office) if office in self.state.parties else ""
            if KINDS[offer.kind].receipt and other and self.rng.random() < 0.7:
                self.send(other, "receipt", Received(entry_id(self.state.seq)), at)

    def renew(self, at: int) -> None:
        state = self.state
        adds = tuple(Member(station(office), office) for office in state.due_adds)
        gone = tuple(
            Member(name, s.office) for name, s in state.seats.items() if s.member and s.office in state.due_removes
        )
        self.send(state.parties[0], "rekey", Rekey(state.epoch + 1, adds, gone), at)

    def send(self, office: str, kind: str, act: object, at: int) -> None:
        before = self.state
        move = example_move(before, office, kind, act)  # type: ignore[arg-type]  # an act that was offered
        move = replace(move, id=entry_id(before.seq + 1), station=station(office))
        outcome = step(self.found.world.ladder, before, move, at)
        if isinstance(outcome, Outcome):
            self.state = outcome.state
            self.hold(Line(office, kind, move.act, before.at, at, outcome.effects), before)

    def hold(self, line: Line, before: ThreadState) -> None:
        if self.state.closed_at is None:
            assert place(self.state) in self.found.places
        assert set(taken(self.found.world, line, before)) <= self.found.steps
        opened = {effect.step for effect in line.effects if isinstance(effect, OptionOpened)}
        assert opened <= self.found.options


@pytest.mark.parametrize("name", NAMES)
def test_no_walk_leaves_what_was_explored(name: str) -> None:
    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(st.integers(0, 2**32))
    def walks(seed: int) -> None:
        walk = Walk(seen(name), Random(seed))
        for _ in range(60):
            walk.go()

    walks()


def test_walks_get_somewhere() -> None:
    rungs = set()
    for seed in range(12):
        walk = Walk(seen("whole"), Random(seed))
        for _ in range(150):
            walk.go()
            rungs.add(walk.state.rung)
    assert len(rungs) >= 5
