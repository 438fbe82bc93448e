"""Exhaustive exploration: every abstract state that two parties, mediators and bodies can reach together.

Breadth first from the opening, so that the way to every state is a shortest story; first in the ladder view, then, where
the ladder has mediation, from all of these states in the mediation view (`mediation.checker.abstraction`). In a state
everything in `mediation.checker.plans` is tried at once and, where a binding clock runs, also one millisecond before the
next of them ends; and time passes to the end of each running clock (and to the opening of each window). All of it goes
through the real fold, on a concrete representative of the abstract state: what is found can happen, always.

Why one representative is enough: two concrete states with one key differ in instants, helpful options and clocks, and
identities. The fold reads instants only to compare them with the ends of clocks, whose order is in the key for those
that matter; helpful parts never close a door (`mediation.checker.relevance`); identities are only compared. What this
cannot promise is an order of two binding clocks that arises only by acting at some middle instant; so the rules about
pairs of clocks are checked on their lengths (`mediation.checker.properties.pairs`), and the properties that speak of
every state use nothing that only helps: silence is tried on the state without it, ways down without waiting.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator

from mediation.checker.abstraction import LadderView, MediationView, View
from mediation.checker.plans import Plan, plans
from mediation.checker.relevance import Relevance
from mediation.checker.witness import Seen
from mediation.checker.world import Line, Run, World
from mediation.refusals import Refusal
from mediation.state import ThreadState

MOST_STATES = 12_000
"""More abstract states than this are not explored; the ladder is then not decided, which is a violation."""


class Node:
    """An abstract state: its representative, the node it was first reached from and by which lines. ``at_once``:
    nodes that can be reached from it without any time passing."""

    __slots__ = ("at_once", "lines", "number", "parent", "state")

    def __init__(self, number: int, state: ThreadState, parent: Node | None, lines: tuple[Line, ...]) -> None:
        self.number = number
        self.state = state
        self.parent = parent
        self.lines = lines
        self.at_once: set[int] = set()

    def story(self) -> tuple[Line, ...]:
        """The lines from the opening to here."""
        parts: list[tuple[Line, ...]] = []
        node: Node | None = self
        while node is not None:
            parts.append(node.lines)
            node = node.parent
        return tuple(line for part in reversed(parts) for line in part)


class Edge:
    """One plan that was carried out, or one passage of time: from ``node`` to ``target`` (new or known)."""

    __slots__ = ("node", "run", "target")

    def __init__(self, node: Node, run: Run, target: Node) -> None:
        self.node = node
        self.run = run
        self.target = target


class Graph:
    """What was reached in one view. ``refused``: why the very opening was refused. ``complete``: nothing was left
    out. ``of``: the exploration of the ladder view, from whose states the mediation view goes on."""

    def __init__(self, world: World, of: Graph | None = None) -> None:
        self.world = world
        self.nodes: list[Node] = []
        self.refused: Refusal | None = None
        self.complete = True
        self._known: dict[Hashable, Node] = {}
        self._of = of
        if of is None:
            self.relevance = Relevance(world.ladder)
            self.seen = Seen(world, self.relevance)
            self._view: View = LadderView(self.relevance)
            self._turning = self.relevance.binding
        else:
            self.relevance, self.seen = of.relevance, of.seen
            self._view = MediationView(self.relevance)
            self._turning = frozenset()

    def explore(self, most: int = MOST_STATES) -> Iterator[Edge]:
        """Explores and tells of every edge, once."""
        queue = deque(self._first())
        while queue:
            node = queue.popleft()
            for run, timed in self._runs(node.state):
                keys = self._view.keys(run.state)
                target = self._known.get(keys[0])
                if target is None:
                    if len(self.nodes) >= most:
                        self.complete = False
                        return
                    target = self._add(keys, run.state, node, tuple(run.lines))
                    queue.append(target)
                if not timed:
                    node.at_once.add(target.number)
                self.seen.note(run, node.story)
                yield Edge(node, run, target)

    def _first(self) -> list[Node]:
        if self._of is not None:
            for node in self._of.nodes:
                keys = self._view.keys(node.state)
                if keys[0] not in self._known:
                    self._add(keys, node.state, node.parent, node.lines)
            return list(self.nodes)
        opened = self.world.open()
        if isinstance(opened, Refusal):
            self.refused = opened
            return []
        state, line = opened
        self.seen.rungs.add(state.rung)
        return [self._add(self._view.keys(state), state, None, (line,))]

    def _add(
        self, keys: tuple[Hashable, Hashable], state: ThreadState, parent: Node | None, lines: tuple[Line, ...]
    ) -> Node:
        node = Node(len(self.nodes), state, parent, lines)
        self.nodes.append(node)
        for key in keys:
            self._known[key] = node
        return node

    def _plans(self, state: ThreadState) -> tuple[Plan, ...]:
        inside = self._of is not None
        return tuple(plans(self.world, self.relevance, state, self.seen.granted, inside=inside))

    def _runs(self, state: ThreadState) -> Iterator[tuple[Run, bool]]:
        if state.closed_at is None:
            for _, plan in self._plans(state):
                run = Run(self.world, state)
                if plan(run):
                    yield run, False
            ends = [clock.end for clock in state.clocks if clock.rule in self._turning and clock.paused is None]
            late = min(ends, default=0) - 1
            if late > state.at:
                waited = Run(self.world, state)
                waited.wait(late)
                for _, plan in self._plans(waited.state):
                    run = Run(self.world, waited.state)
                    run.start = state
                    run.lines.extend(waited.lines)
                    run.trail.extend(waited.trail)
                    if plan(run):
                        yield run, True
        running = [clock for clock in state.clocks if clock.paused is None]
        instants = {clock.end for clock in running}
        instants |= {clock.opens for clock in running if clock.opens is not None and not clock.open}
        for until in sorted(instants):
            run = Run(self.world, state)
            if run.wait(until):
                yield run, True
