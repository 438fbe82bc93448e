"""There is always a way down: the trap is what escalation ladders are feared for."""

from __future__ import annotations

from mediation.checker.explore import Graph, Node
from mediation.checker.found import Found
from mediation.checker.plans import step_plans
from mediation.checker.story import asks, refused, tell
from mediation.checker.world import Run

_BARRED = frozenset({"ladder.standstill", "ladder.suspended", "ladder.not-before"})


def way_down(graph: Graph, found: Found) -> None:
    """``way-down``: from every reachable state the two parties, agreeing, reach a lower rung or the closing at once,
    without waiting for any clock: in a standstill, in a suspension, whatever is pending."""
    rungs, closed = graph.world.ladder.rungs, graph.world.ladder.closed
    before: dict[int, list[int]] = {}
    for node in graph.nodes:
        for target in node.at_once:
            before.setdefault(target, []).append(node.number)
    for level in sorted({rung.level for rung in rungs.values()}):
        good = [n.number for n in graph.nodes if n.state.rung == closed or rungs[n.state.rung].level < level]
        reached = set(good)
        while good:
            for number in before.get(good.pop(), ()):
                if number not in reached:
                    reached.add(number)
                    good.append(number)
        for node in graph.nodes:
            if rungs[node.state.rung].level == level and node.number not in reached:
                _trapped(graph, node, found)


def _trapped(graph: Graph, node: Node, found: Found) -> None:
    rung = graph.world.ladder.rungs[node.state.rung]
    field = found.at("rung", rung.id, "id")
    if not found.has("way-down", field):
        found.add(
            "way-down",
            field,
            f"From the rung {rung.title!r} there is no way down for two parties who agree on it.",
            tell(graph.world, node.story(), "Here nothing leads down."),
        )


def down_held(graph: Graph, found: Found) -> None:
    """``down-held``: a step down, or one that de-escalates, is refused because of a standstill, a suspension or a
    waiting period."""
    done: set[tuple[object, ...]] = set()
    steps = [step for step in graph.world.ladder.steps.values() if step.direction in ("down", "deescalate")]
    for node in graph.nodes:
        state = node.state
        key = (
            state.rung,
            state.standstill.step if state.standstill is not None else "",
            state.suspension is not None,
            *sorted(clock.rule for clock in state.clocks if graph.world.ladder.clocks[clock.rule].holds),
        )
        if key in done or state.closed_at is not None:
            continue
        done.add(key)
        for step in steps:
            if step.trigger != "step-request" or state.rung not in step.start:
                continue
            for _, plan in step_plans(graph.world, graph.relevance, step, state):
                run = Run(graph.world, state)
                if not plan(run) and run.refusal is not None and run.refusal.code in _BARRED:
                    found.add(
                        "down-held",
                        found.at("step", step.id, "id"),
                        f"The step {step.title!r} de-escalates and is refused all the same.",
                        tell(
                            graph.world,
                            node.story(),
                            refused(graph.world, run.sender, asks(graph.world, step.id), run.refusal),
                        ),
                    )
