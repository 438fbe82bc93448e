"""The way to a mediator is not lost while mediation goes on.

Whoever may have a mediator appointed keeps that until one is chosen, the thread leaves the place of its mediation, or the
parties agree to stop the time for choosing. It is looked at entry by entry, because afterwards nothing shows what was
lost: a mediation in which nobody is chosen and no clock runs looks like one that both have ended.
"""

from __future__ import annotations

from mediation.checker.explore import Edge, Graph
from mediation.checker.found import Found
from mediation.checker.story import tell
from mediation.checker.witness import taken
from mediation.checker.world import PARTIES, Line, World
from mediation.clocks import mediation_is_here
from mediation.draft import Draft
from mediation.state import ThreadState


def appointment_kept(graph: Graph, edge: Edge, found: Found) -> None:
    """``appointment-lost``: an option to have a mediator appointed is gone, though none was chosen and none agreed to it."""
    rule, world = graph.world.ladder.mediation, graph.world
    if rule is None:
        return
    state = edge.run.start
    for number, (line, after) in enumerate(zip(edge.run.lines, edge.run.trail, strict=True)):
        lost = _held(world, state) - _held(world, after) - _used(line)
        if lost and not _chosen(state, after) and _goes_on(world, line, state, after):
            office = min(office for _, office in lost)
            sentence = (
                f"{office} loses the way to a mediator, though mediation goes on and nobody agreed to give it up."
            )
            ending = f"Here {office} could have had a mediator appointed before, and cannot any more."
            lines = (*edge.node.story(), *edge.run.lines[: number + 1])
            found.add("appointment-lost", "mediation.default_appointment", sentence, tell(world, lines, ending))
        state = after


def _held(world: World, state: ThreadState) -> set[tuple[str, str]]:
    return {(option.step, option.office) for option in state.options if option.step in world.ladder.appointing}


def _used(line: Line) -> set[tuple[str, str]]:
    """What the entry itself asked for: both parties' options for it are spent, because the body may act now."""
    step = getattr(line.act, "step", "")
    return {(step, office) for office in PARTIES} if step else set()


def _chosen(before: ThreadState, after: ThreadState) -> bool:
    """Whether somebody was chosen, declared or admitted: what the option was for has happened."""
    earlier, later = before.mediation, after.mediation
    if earlier is None or later is None:
        return False
    return (earlier.nominees, earlier.admitted) != (later.nominees, later.admitted)


def _goes_on(world: World, line: Line, before: ThreadState, after: ThreadState) -> bool:
    """Whether the thread still stands where its mediation goes on, and no step agreed on ended the choosing."""
    rule, mediation = world.ladder.mediation, after.mediation
    assert rule is not None  # noqa: S101 - the caller looked
    if mediation is None or not mediation_is_here(Draft(world.ladder, after, after.at)):
        return False
    if mediation.nominees:
        return True
    steps = (world.ladder.steps[name] for name in taken(world, line, before))
    return not any(rule.default_appointment in step.stops for step in steps)
