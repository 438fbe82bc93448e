"""`check`: the reader's complaints first, then the text's own contradictions, then exploration."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from mediation.checker.explore import MOST_STATES, Edge, Graph
from mediation.checker.found import Found
from mediation.checker.properties.always import always_open
from mediation.checker.properties.appointment import appointment_kept
from mediation.checker.properties.down import down_held, way_down
from mediation.checker.properties.pairs import clock_order
from mediation.checker.properties.quorums import satisfiable
from mediation.checker.properties.reach import options, rungs, steps
from mediation.checker.properties.receipts import without_receipt
from mediation.checker.properties.silence import silence
from mediation.checker.properties.standstill import hidden_up, nobody_shortens, silence_moves, standstill_kept
from mediation.checker.properties.suspension import can_be_resumed
from mediation.checker.properties.wording import neutral
from mediation.checker.report import Report, Violation
from mediation.checker.world import World
from mediation.ladder import Ladder, derive, ladder_hash
from mediation.ladder_check import read_all
from mediation.rules import LadderFile

ON_EDGES: Mapping[str, Callable[[Graph, Edge, Found], None]] = {
    "standstill-kept": standstill_kept,
    "hidden-up": hidden_up,
    "silence-moves": silence_moves,
    "appointment-kept": appointment_kept,
}
"""Properties of every single entry and every passage of time."""

ON_GRAPHS: Mapping[str, Callable[[Graph, Found], None]] = {
    "rungs": rungs,
    "steps": steps,
    "options": options,
    "way-down": way_down,
    "down-held": down_held,
    "nobody-shortens": nobody_shortens,
    "always-open": always_open,
    "suspension": can_be_resumed,
    "silence": silence,
}
"""Properties of everything that can be reached."""

ONCE = frozenset({"rungs", "steps", "options", "silence"})
"""Those that are asked once, of the last view."""

ON_TEXTS: Mapping[str, Callable[[Ladder, Found], None]] = {
    "clock-order": clock_order,
    "receipts": without_receipt,
    "quorums": lambda _, found: satisfiable(found),
    "wording": lambda _, found: neutral(found),
}
"""Properties that the file shows without anything happening."""

PROPERTIES = frozenset({*ON_TEXTS, *ON_EDGES, *ON_GRAPHS})


def check(data: bytes) -> Report:
    """Checks the bytes of a ladder file. Never raises for a bad file: everything wrong is in the report.

    Where the reader complains, nothing is explored: what the words mean is not settled yet.
    """
    file, errors = read_all(data)
    if errors or file is None:
        return Report(
            tuple(Violation(error.code, error.line or 0, error.column or 0, error.sentence) for error in errors), (), 0
        )
    return examine(data.decode(), file, ladder_hash(data))


def examine(
    text: str, file: LadderFile, hash_: str, *, most: int = MOST_STATES, properties: frozenset[str] = PROPERTIES
) -> Report:
    """What the properties say about a file whose form holds. ``most``: abstract states before it is given up as not
    decided."""
    found = Found(text, file)
    # The tried thread opens in 2031; a sunset is no fault of what happens before it.
    ladder = replace(derive(file, hash_), sunset=None)
    for name, of_text in ON_TEXTS.items():
        if name in properties:
            of_text(ladder, found)
    world = World(ladder)
    graph = Graph(world)
    graphs = [graph] if ladder.mediation is None else [graph, Graph(world, graph)]
    on_edges = [of_edge for name, of_edge in ON_EDGES.items() if name in properties]
    for each in graphs:
        for edge in each.explore(most):
            for of_edge in on_edges:
                of_edge(each, edge, found)
    if graph.refused is not None:
        found.add("opening", "id", f"No thread can be opened under this ladder: {graph.refused.sentence}")
    elif not all(each.complete for each in graphs):
        sentence = (
            f"Not decided: the ladder has more than {most} abstract states. Fewer steps and clocks at a time help."
        )
        found.add("not-decided", "id", sentence)
    else:
        graph.seen.search()
        for name, of_graph in ON_GRAPHS.items():
            if name in properties:
                # What can happen at all is seen in both views together; what holds in every state, in each.
                for each in graphs[-1:] if name in ONCE else graphs:
                    of_graph(each, found)
    return Report(
        tuple(found.violations.values()), tuple(found.remarks.values()), sum(len(each.nodes) for each in graphs)
    )
