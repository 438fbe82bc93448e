"""Everything the file declares can happen: every rung is reached, every step is taken, every clock starts, and every
option that a clock or window promises is granted while its step is open."""

from __future__ import annotations

from mediation.checker.explore import Graph, Node
from mediation.checker.found import Found
from mediation.checker.plans import request_plans
from mediation.checker.story import asks, refused, tell
from mediation.checker.world import Run, World
from mediation.rules import StepRule
from mediation.words import step_name
from protocols.kinds import KINDS


def rungs(graph: Graph, found: Found) -> None:
    """``rung``: two parties who agree on everything never stand on this rung."""
    ladder = graph.world.ladder
    for rung in ladder.rungs.values():
        if rung.id in graph.seen.rungs:
            continue
        leading = [step for step in ladder.steps.values() if step.to == rung.id]
        story = next(filter(None, (_refusal(graph, step) for step in leading)), ())
        found.add(
            "rung",
            found.at("rung", rung.id, "id"),
            f"The rung {rung.title!r} is never reached, whatever the parties do.",
            story,
        )


def steps(graph: Graph, found: Found) -> None:
    """``dead-step``: a step that can never be taken. ``dead-option``: one whose taking never opens what it promises."""
    for step in graph.world.ladder.steps.values():
        if step.when_taken is not None and step.id in graph.seen.steps and step.id not in graph.seen.opening:
            found.add(
                "dead-option",
                found.at("step", step.id, "when_taken"),
                f"The step {step.title!r} promises {step_name(graph.world.ladder, step.when_taken.option)!r}, "
                "but whenever it is taken that is closed.",
            )
        if step.id not in graph.seen.steps:
            found.add(
                "dead-step",
                found.at("step", step.id, "id"),
                f"The step {step.title!r} can never be taken.",
                _refusal(graph, step),
            )


def options(graph: Graph, found: Found) -> None:
    """``dead-option``: a clock whose running out (a window whose being open) never gives what it promises, because the
    step is closed on every rung the clock can run out on. ``dead-clock``: a clock that nothing starts."""
    ladder, seen = graph.world.ladder, graph.seen
    for clock in ladder.clocks.values():
        if clock.starts in ("receipt", "admission") and clock.of not in ladder.steps:
            started = bool(ladder.rung_kinds.get(clock.of, frozenset()) & seen.rungs) or KINDS[clock.of].always
        else:
            started = clock.id in seen.started
        if not started:
            found.add(
                "dead-clock",
                found.at("clock", clock.id, "from"),
                f"Nothing ever starts the clock {clock.title!r}.",
            )
        elif clock.id in graph.relevance.grants and clock.id not in seen.granted:
            step = graph.relevance.grants[clock.id]
            title = ladder.steps[step].title if step in ladder.steps else step
            field = "gives" if clock.gives is not None else "timeout"
            lines = seen.running(clock.id)
            found.add(
                "dead-option",
                found.at("clock", clock.id, field),
                f"The clock {clock.title!r} promises {title!r}, but whenever it runs out that step is closed.",
                tell(graph.world, lines, f"When it ends, {title!r} should be open to somebody, and is not.")
                if lines
                else (),
            )


def _refusal(graph: Graph, step: StepRule) -> tuple[str, ...]:
    """The story of the first time that somebody on one of the step's rungs asks for it in vain; not in a standstill, if
    it is in vain elsewhere too."""
    on_rung = [node for node in graph.nodes if node.state.rung in step.start and node.state.closed_at is None]
    calm = [node for node in on_rung if node.state.standstill is None]
    return _in_vain(graph.world, step, (calm or on_rung)[0]) if on_rung else ()


def _in_vain(world: World, step: StepRule, node: Node) -> tuple[str, ...]:
    if step.trigger != "step-request":
        ending = f"Here {KINDS[step.trigger].title!r} should take {step.title!r}, and nobody may send it."
        return tell(world, node.story(), ending)
    for plan in request_plans(world, step, node.state):
        run = Run(world, node.state)
        plan(run)
        if run.refusal is not None:
            return tell(world, node.story(), refused(world, run.sender, asks(world, step.id), run.refusal))
        return tell(world, (*node.story(), *run.lines), "Here the request stays open and nothing can complete it.")
    return tell(world, node.story(), f"Here nobody is there who may ask for {step.title!r}.")
