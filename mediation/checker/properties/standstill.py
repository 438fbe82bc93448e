"""What no course of events may show: a way up in a standstill, a shortened clock, a rung moved by mere silence."""

from __future__ import annotations

from msgspec.structs import replace

from mediation.checker.explore import Edge, Graph
from mediation.checker.found import Found
from mediation.checker.story import tell
from mediation.checker.witness import taken
from mediation.checker.world import Line, World
from mediation.effects import ClockExpired, RungChanged
from mediation.fold import Outcome
from mediation.move import HUB
from mediation.state import Clock, ThreadState
from protocols.kinds import Extension

_MINUTE = 60_000


def standstill_kept(graph: Graph, edge: Edge, found: Found) -> None:
    """``standstill-skipped``: the thread stands higher than before while a standstill runs, by another step than one
    that opens mediation or asks for calm. ``standstill-shortened``: a standstill is gone before its end."""
    state = edge.run.start
    for number, (line, after) in enumerate(zip(edge.run.lines, edge.run.trail, strict=True)):
        running = state.standstill
        if running is not None and running.end > line.at:
            kept = after.standstill is not None and after.standstill.end >= running.end
            if not kept or after.clock(running.clock) is None:
                rule = graph.world.ladder.steps[running.step].standstill
                field = found.at("clock", rule.clock, "id") if rule is not None else "step"
                sentence = "The standstill ends before its time."
                found.add("standstill-shortened", field, sentence, _story(graph.world, edge, number))
            for name in taken(graph.world, line, state) if line.effects else ():
                if _leads_up(graph.world, name, state, after):
                    sentence = f"The step {graph.world.ladder.steps[name].title!r} leads up while a standstill runs."
                    field = found.at("step", name, "id")
                    found.add("standstill-skipped", field, sentence, _story(graph.world, edge, number))
        state = after


def _leads_up(world: World, name: str, before: ThreadState, after: ThreadState) -> bool:
    ladder = world.ladder
    step = ladder.steps[name]
    if step.direction in ("down", "deescalate"):
        return False
    return step.direction == "up" or ladder.rungs[after.rung].level > ladder.rungs[before.rung].level


def hidden_up(graph: Graph, edge: Edge, found: Found) -> None:
    """``hidden-up``: a step that says it leads across, and leads up: no standstill would hold it."""
    state = edge.run.start
    for number, (line, after) in enumerate(zip(edge.run.lines, edge.run.trail, strict=True)):
        if after.rung != state.rung:
            for name in taken(graph.world, line, state):
                step = graph.world.ladder.steps[name]
                rungs = graph.world.ladder.rungs
                if step.direction == "across" and rungs[after.rung].level > rungs[state.rung].level:
                    sentence = f"The step {step.title!r} says 'across' and leads up: no standstill would hold it."
                    field = found.at("step", name, "direction")
                    found.add("hidden-up", field, sentence, _story(graph.world, edge, number))
        state = after


def silence_moves(graph: Graph, edge: Edge, found: Found) -> None:
    """``silent-move``: time alone changes the rung, and no negative consensus was declared for it."""
    ladder = graph.world.ladder
    for number, (line, _after) in enumerate(zip(edge.run.lines, edge.run.trail, strict=True)):
        if not line.office:
            for effect in line.effects:
                if type(effect) is not RungChanged or effect.new == ladder.monitoring:
                    continue
                clock = next((e.clock.rule for e in line.effects if type(e) is ClockExpired and _moves(graph, e)), "")
                if not clock:
                    sentence = f"The thread moves to {ladder.rungs[effect.new].title!r} by itself."
                    field = found.at("rung", effect.new, "id")
                    found.add("silent-move", field, sentence, _story(graph.world, edge, number))


def _moves(graph: Graph, effect: ClockExpired) -> bool:
    timeout = graph.world.ladder.clocks[effect.clock.rule].timeout
    return timeout is not None and bool(timeout.moves) and graph.world.ladder.steps[timeout.moves].negative_consensus


def nobody_shortens(graph: Graph, found: Found) -> None:
    """``clock-shortened``: somebody, the hub's operator included, names an earlier end for a running clock and has it.
    ``standstill-alone``: somebody lengthens a standstill without the other party."""
    world = graph.world
    done: set[str] = set()
    for node in graph.nodes:
        for clock in node.state.clocks:
            if clock.rule in done or clock.paused is not None:
                continue
            done.add(clock.rule)
            for office in (*(found_.id for found_ in node.state.offices), HUB):
                lines = (*node.story(),)
                if _gets(world, node.state, office, clock, clock.end - 1):
                    sentence = f"{office} alone can shorten the clock {world.ladder.clocks[clock.rule].title!r}."
                    field = found.at("clock", clock.rule, "extend")
                    found.add("clock-shortened", field, sentence, tell(world, lines, f"{office} names an earlier end."))
                standstill = node.state.standstill
                alone = standstill is not None and standstill.clock == clock.id
                if alone and _gets(world, node.state, office, clock, clock.end + _MINUTE):
                    sentence = f"{office} alone can lengthen the standstill {world.ladder.clocks[clock.rule].title!r}."
                    field = found.at("clock", clock.rule, "extend")
                    found.add("standstill-alone", field, sentence, tell(world, lines, f"{office} names a later end."))


def _gets(world: World, state: ThreadState, office: str, clock: Clock, until: int) -> bool:
    outcome = world.try_(replace(state, extensions=()), office, "extension", Extension(clock.id, until), state.at)
    if not isinstance(outcome, Outcome):
        return False
    changed = outcome.state.clock(clock.id)
    return changed is None or changed.end != clock.end


def _story(world: World, edge: Edge, number: int) -> tuple[str, ...]:
    lines: tuple[Line, ...] = (*edge.node.story(), *edge.run.lines[: number + 1])
    return tell(world, lines)
