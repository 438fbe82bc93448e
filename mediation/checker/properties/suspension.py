"""A suspension never holds the thread hostage: either party alone ends it, at any time."""

from __future__ import annotations

from mediation.checker.explore import Graph, Node
from mediation.checker.found import Found
from mediation.checker.plans import alone
from mediation.checker.story import tell
from mediation.checker.world import PARTIES, Run


def can_be_resumed(graph: Graph, found: Found) -> None:
    """``suspension``: while another forum is seized, a party cannot by itself, and at once, have the thread resumed."""
    for node in graph.nodes:
        suspension = node.state.suspension
        if suspension is None or node.state.closed_at is not None:
            continue
        field = found.at("step", suspension.step, "suspends")
        if found.has("suspension", field):
            continue
        for party in PARTIES:
            if not _resumes(graph, node, party):
                found.add(
                    "suspension",
                    field,
                    f"{graph.world.ladder.steps[suspension.step].title!r} suspends what one party alone cannot resume.",
                    tell(graph.world, node.story(), f"Here {party} alone cannot have the thread resumed."),
                )
                break


def _resumes(graph: Graph, node: Node, party: str) -> bool:
    for step in graph.world.ladder.steps.values():
        if step.resumes:
            run = Run(graph.world, node.state)
            if alone(step, party, run) and run.state.suspension is None:
                return True
    return False
