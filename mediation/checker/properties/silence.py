"""One silent party never blocks mediation for ever.

From every reachable state in which one party can open mediation (or in which it is open and nobody is admitted), with
the other party silent for ever, the waiting party must, by acting and by letting time pass,

* get as far as its own signature under the admission of a mediator (admission needs both signatures by design; what
  silence must not prevent is the appointment), unless the roster is used up or the ladder asks for consent to mediation
  itself, where the request takes its place; and
* get onward, so that the wait has an end: an option, a step of its own (leaving mediation is one), or a step by
  declared negative consensus. Mediation that runs beside the rungs holds nobody back, so nobody waits there.

Where a body appoints (`appointed_by`), the body may stay silent too: the same party must then still get as far as its
signature, because a clock gives the appointment to the parties, or, where mediation has a rung of its own, get onward.

A ladder may let mediation open by agreement only; then silence is not agreeing, the promise begins once both have
agreed, and a remark says so.

Helpful parts of a state never hurt (`mediation.checker.relevance`), so a state is tried without its options, requests
and clocks that only grant options first: if that goes well, every state with the same core goes well. Only where it
does not is the state itself tried, and only that makes a violation. Nominees and other bodies are not the silent party;
they act.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator

from msgspec.structs import replace

from mediation.checker.abstraction import WaitingView
from mediation.checker.explore import Graph, Node
from mediation.checker.found import Found
from mediation.checker.plans import Plan, alone, plans
from mediation.checker.relevance import Relevance
from mediation.checker.sessions import against_plans, forward_plans
from mediation.checker.story import tell
from mediation.checker.world import PARTIES, Line, Run
from mediation.draft import Draft
from mediation.nominations import eligible, under_way
from mediation.rules import MediationRule
from mediation.state import ThreadState

MOST = 600
"""So many states of waiting are tried from one state; a ladder that needs more is not decided."""

FIELDS = {
    "appointed": "mediation.default_appointment",
    "onward": "mediation.step",
    "body": "mediation.appointed_by",
}
"""Where each goal is promised in the file."""

_Goal = Callable[[ThreadState, str], bool]


class _Stuck(Exception):
    """Nothing more can be done, and the goal was not reached; holds the most promising course of events."""

    def __init__(self, lines: tuple[Line, ...], *, decided: bool) -> None:
        super().__init__("stuck")
        self.lines = lines
        self.decided = decided


class Silence:
    """The search for both goals, remembering states from which they were reached."""

    def __init__(self, graph: Graph, found: Found, rule: MediationRule) -> None:
        self.graph = graph
        self.found = found
        self.rule = rule
        self.view = WaitingView(graph.relevance)
        self.world = graph.world
        self.good: dict[str, set[Hashable]] = {name: set() for name in FIELDS}
        self.step = self.world.ladder.steps[rule.step]
        self.silent: frozenset[str] = frozenset()

    def run(self) -> None:
        """Tries every state with either party silent."""
        for node in self.graph.nodes:
            if node.state.closed_at is None and not node.state.admitted:
                for waiting in PARTIES:
                    self._try(node, waiting)

    def _try(self, node: Node, waiting: str) -> None:
        body = frozenset(node.state.holders.get(self.rule.appointed_by, ()))
        nobody: frozenset[str] = frozenset()
        goals: list[tuple[str, _Goal, frozenset[str]]] = [("onward", self._onward, nobody)]
        used_up = self._used_up(node.state)
        if not used_up:
            goals.append(("appointed", self._appointed, nobody))
        if body and (self.step.to or not used_up):
            goals.append(("body", self._without_body, body))
        for name, goal, self.silent in goals:
            if self.found.has("silence-blocks", FIELDS[name]):
                continue
            for state in (strip(self.graph.relevance, node.state), node.state):
                opened = self._opened(state, waiting)
                if opened is None:
                    break
                try:
                    self._reach(name, goal, opened, waiting)
                    break
                except _Stuck as stuck:
                    if state is node.state:
                        self._report(name, node, waiting, (*opened.lines, *stuck.lines), decided=stuck.decided)

    def _opened(self, state: ThreadState, waiting: str) -> Run | None:
        """Mediation under way here, or opened by the waiting party alone; None where it is neither."""
        run, step = self._run(state), self.step
        here = state.rung == step.to if step.to else under_way(Draft(self.world.ladder, state, state.at))
        if state.mediation is not None and here:
            return run
        alone_opens = step.trigger == "step-request" and step.consent != "other" and alone(step, waiting, run)
        return run if alone_opens else None

    def _reach(self, name: str, goal: _Goal, opened: Run, waiting: str) -> None:
        """Depth first, the most promising first; what was seen to lead to the goal is remembered."""
        good, view = self.good[name], self.view
        first = view.of(opened.state, waiting)
        if first in good:
            return
        if goal(opened.state, waiting):
            good.add(first)
            return
        seen = {first}
        path = [(first, self._runs(opened.state, waiting))]
        lines: list[tuple[Line, ...]] = []
        nearest: tuple[Line, ...] = ()
        while path:
            try:
                run = next(path[-1][1])
            except StopIteration:
                path.pop()
                if lines:
                    lines.pop()
                continue
            if run is None:
                nearest = nearest or tuple(line for part in lines for line in part)
                continue
            key = view.of(run.state, waiting)
            if key in good or goal(run.state, waiting):
                good.update((key, *(before for before, _ in path)))
                return
            if key not in seen:
                seen.add(key)
                if len(seen) > MOST:
                    raise _Stuck(nearest, decided=False)
                path.append((key, self._runs(run.state, waiting)))
                lines.append(tuple(run.lines))
        raise _Stuck(nearest, decided=True)

    def _runs(self, state: ThreadState, waiting: str) -> Iterator[Run | None]:
        """What the waiting party and those who are not silent can do, the most promising first; None where only what
        leads away or beside is left."""
        yield from self._tried(reversed(tuple(forward_plans(self.world, state))), state, waiting)
        # Only ends that the key shows: waiting for any other would seem to lead nowhere.
        running = [c for c in state.clocks if c.paused is None and self.graph.relevance.matters(c.rule)]
        ends = [c.end for c in running] + [c.opens for c in running if c.opens is not None and not c.open]
        if ends:
            run = self._run(state)
            if run.wait(min(ends)):
                yield run
        yield None
        rest = plans(self.world, self.graph.relevance, state, self.graph.seen.granted, inside=False)
        yield from self._tried(rest, state, waiting)
        yield from self._tried(against_plans(self.world, state), state, waiting)

    def _tried(self, some: Iterable[Plan], state: ThreadState, waiting: str) -> Iterator[Run]:
        for needs, plan in some:
            if needs <= {waiting}:
                run = self._run(state)
                # A request that only waits for the silent party and starts no clock leads nowhere.
                if plan(run) and (len(run.state.requests) <= len(state.requests) or run.state.clocks != state.clocks):
                    yield run

    def _run(self, state: ThreadState) -> Run:
        return Run(self.world, state, silent=self.silent)

    def _without_body(self, state: ThreadState, waiting: str) -> bool:
        """A mediator all the same or, where mediation has a rung, a way on from it."""
        return self._appointed(state, waiting) or (bool(self.step.to) and self._onward(state, waiting))

    def _appointed(self, state: ThreadState, waiting: str) -> bool:
        mediation = state.mediation
        if mediation is None:
            return any(asked.step == self.rule.step for asked in state.requests)
        return bool(mediation.admitted) or any(consent.office == waiting for consent in mediation.consents)

    def _used_up(self, state: ThreadState) -> bool:
        """Nobody is left to appoint, by the parties' own objections."""
        nominees = state.mediation.nominees if state.mediation is not None else ()
        return not nominees and not eligible(Draft(self.world.ladder, state, state.at))

    def _onward(self, state: ThreadState, waiting: str) -> bool:
        if not self.step.to:
            return True  # mediation beside the rungs holds nobody back
        if any(held.office == waiting and held.step not in self.world.ladder.appointing for held in state.options):
            return True
        for step in self.world.ladder.steps.values():
            leads = step.to and step.to != state.rung and step.id != self.rule.step
            if leads and step.trigger == "step-request" and state.rung in step.start:
                run = self._run(state)
                if alone(step, waiting, run) and run.state.rung != state.rung:
                    return True
        return self._moved(state)

    def _moved(self, state: ThreadState) -> bool:
        """Mediation was left: by declared negative consensus, or by a step of the waiting party's own."""
        return state.rung != self.step.to

    def _report(self, name: str, node: Node, waiting: str, lines: tuple[Line, ...], *, decided: bool) -> None:
        silent = node.state.other_party(waiting)
        field = FIELDS[name]
        if not decided:
            sentence = (
                f"Whether {silent}'s silence can block mediation was not decided within {MOST} states of waiting."
            )
            self.found.add("not-decided", field, sentence)
            return
        sentence, ending = {
            "appointed": (
                "A party that stays silent keeps mediators from being appointed for ever.",
                f"{silent} stays silent. Here {waiting} can do nothing more, and no mediator is appointed.",
            ),
            "body": (
                "A body that alone may appoint a mediator and stays silent leaves the parties without one for ever.",
                f"{' and '.join(sorted(self.silent))} and {silent} stay silent. Here {waiting} can do nothing more.",
            ),
            "onward": (
                "A party that stays silent while mediation is open leaves the other waiting for ever.",
                f"{silent} stays silent. Here no clock runs that would give {waiting} a way onward.",
            ),
        }[name]
        story = tell(self.world, (*node.story(), *lines), ending)
        self.found.add("silence-blocks", field, sentence, story)


def silence(graph: Graph, found: Found) -> None:
    """``silence-blocks``: see the module."""
    rule = graph.world.ladder.mediation
    if rule is not None:
        step = graph.world.ladder.steps[rule.step]
        if step.consent == "other":
            sentence = (
                f"{step.title!r} needs the other party's consent: a party that never answers keeps mediation shut."
            )
            found.remark("consent", found.at("step", step.id, "consent"), sentence)
        Silence(graph, found, rule).run()


def strip(relevance: Relevance, state: ThreadState) -> ThreadState:
    """The state without what only helps, save what belongs to the mediation."""
    kept = relevance.binding | relevance.of_mediation
    return replace(
        state,
        options=tuple(option for option in state.options if option.step in relevance.ladder.appointing),
        clocks=tuple(clock for clock in state.clocks if clock.rule in kept),
        requests=tuple(asked for asked in state.requests if asked.step in relevance.pending),
        awaiting=(),
        extensions=(),
    )
