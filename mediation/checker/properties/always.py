"""What is open everywhere: safety of life, acknowledgement and de-escalation, on every rung, in every standstill."""

from __future__ import annotations

from mediation.checker.acts import anything
from mediation.checker.explore import Graph
from mediation.checker.found import Found
from mediation.checker.story import refused, tell
from mediation.checker.world import PARTIES
from mediation.refusals import Refusal
from protocols.kinds import KINDS, Author

_SHUT = frozenset(
    {
        "ladder.standstill",
        "ladder.wrong-rung",
        "ladder.closed",
        "ladder.not-on-ladder",
        "ladder.not-yours",
        "ladder.suspended",
        "ladder.rekey-due",
        "ladder.two-person",
        "ladder.carve-out",
    }
)
"""Refusals of the ladder, as opposed to those of an act that refers to nothing here."""


def always_open(graph: Graph, found: Found) -> None:
    """``always-open``: a kind that must pass everywhere is refused to a party because of rung, standstill or role."""
    done: set[tuple[object, ...]] = set()
    kinds = [kind for kind in KINDS.values() if kind.always and kind.author is Author.OFFICER]
    for node in graph.nodes:
        state = node.state
        key = (state.rung, state.standstill.step if state.standstill is not None else "", state.suspension is not None)
        if key in done:
            continue
        done.add(key)
        for kind in kinds:
            for office in PARTIES:
                outcome = graph.world.try_(state, office, kind.name, anything(kind.name, state, office), state.at)
                if isinstance(outcome, Refusal) and outcome.code in _SHUT:
                    field = f"kinds.{kind.name}" if kind.name in graph.world.ladder.kinds else "kinds"
                    if outcome.code == "ladder.carve-out" and state.standstill is not None:
                        field = found.at("step", state.standstill.step, "standstill")
                    found.add(
                        "always-open",
                        field,
                        f"{kind.title!r} must be open to a party everywhere, and is refused.",
                        tell(graph.world, node.story(), refused(graph.world, office, f"sends {kind.title!r}", outcome)),
                    )
