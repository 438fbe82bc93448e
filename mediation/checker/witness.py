"""Seeing every clock start, grant its option, and every step being taken.

Exploration forgets helpful clocks, so each is followed by itself: when one starts anywhere, time is let pass to its end
(or, for a window, to its opening) to see whether it grants what it promises. Where it does not, because the thread
stands on a rung on which the step is closed, everything that can be done while it runs is explored with the clock kept
in the key. A clock from a request made under an option is looked for where that option was seen.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from functools import partial

from mediation.checker.abstraction import LadderView
from mediation.checker.plans import plans, request_plans
from mediation.checker.relevance import Relevance
from mediation.checker.world import Line, Run, World
from mediation.effects import ClockExpired, ClockStarted, OptionOpened, RungChanged, StepTaken, WindowOpened
from mediation.state import Clock, ThreadState
from protocols.kinds import Step, StepAnswer

SEEDS = 24
"""So many different states in which a clock starts are followed, and so many states a search may visit for each."""

_SEARCH = 400

_Told = Callable[[], tuple[Line, ...]]
"""A story, put together only when it is wanted."""


class Seen:
    """What was seen to happen: rungs stood on, steps taken, clocks started, clocks that granted their option,
    steps whose taking opened theirs."""

    def __init__(self, world: World, relevance: Relevance) -> None:
        self.world = world
        self.relevance = relevance
        self._view = LadderView(relevance)
        self.rungs: set[str] = set()
        self.steps: set[str] = set()
        self.started: set[str] = set()
        self.granted: set[str] = set()
        self.opening: set[str] = set()
        self._running: dict[str, dict[Hashable, Run]] = {}
        self._told: dict[str, _Told] = {}
        self._holding: dict[str, dict[Hashable, tuple[Run, _Told]]] = {}

    def note(self, run: Run, told: _Told) -> None:
        """Takes note of everything in a course of events, and follows clocks that it started. ``told``: what came
        before it."""
        state = run.start
        for line, after in zip(run.lines, run.trail, strict=True):
            if line.effects:
                self.rungs.add(after.rung)
                self._taken(line, state, after)
                for effect in line.effects:
                    if type(effect) is ClockStarted:
                        self.started.add(effect.clock.rule)
                    elif type(effect) is ClockExpired or type(effect) is WindowOpened:
                        self._grants(effect.clock, line, run, after, told)
            state = after
        for clock in run.state.clocks:
            rule = clock.rule
            if rule in self.relevance.grants and rule not in self.granted:
                self._follow(rule, clock, run, partial(_then, told, run))

    def _taken(self, line: Line, before: ThreadState, after: ThreadState) -> None:
        for name in taken(self.world, line, before):
            self.steps.add(name)
            given = self.world.ladder.steps[name].when_taken
            if given is not None and any(held.step == given.option for held in after.options):
                self.opening.add(name)

    def running(self, rule: str) -> tuple[Line, ...]:
        """One course of events from the opening, in which a clock of that definition runs at the end."""
        return self._told[rule]() if rule in self._told else ()

    def _follow(self, rule: str, clock: Clock, run: Run, told: _Told) -> None:
        self._told.setdefault(rule, told)
        seeds = self._running.setdefault(rule, {})
        key = self._view.keys(run.state)[0]
        if key in seeds or len(seeds) >= SEEDS:
            return
        seeds[key] = run
        self._pass(clock, run.state, told)

    def _pass(self, clock: Clock, state: ThreadState, told: _Told) -> None:
        later = Run(self.world, state)
        if clock.paused is None and later.wait(clock.opens if clock.opens is not None else clock.end):
            for effect in later.lines[0].effects:
                if type(effect) is ClockStarted:
                    self.started.add(effect.clock.rule)
                elif type(effect) is ClockExpired or type(effect) is WindowOpened:
                    self._grants(effect.clock, later.lines[0], later, later.state, told)

    def _grants(self, clock: Clock, line: Line, run: Run, after: ThreadState, told: _Told) -> None:
        option = self.relevance.grants.get(clock.rule)
        if option is None:
            return
        opened = any(type(effect) is OptionOpened and effect.step == option for effect in line.effects)
        if opened or any(held.step == option for held in after.options):
            self.granted.add(clock.rule)
            if after is run.state:
                holding = self._holding.setdefault(option, {})
                if len(holding) < SEEDS:
                    holding.setdefault(self._view.keys(after)[0], (run, partial(_then, told, run)))

    def search(self) -> None:
        """Looks on for the clocks that were not seen to grant what they promise."""
        moved = True
        while moved:
            before = (len(self.granted), len(self.started), len(self.steps))
            for step, holding in tuple(self._holding.items()):
                rule = self.world.ladder.steps.get(step)
                wanted = self.world.ladder.starting.get(("request", step), ())
                if rule is None or all(name in self.started and self._content(name) for name in wanted):
                    continue
                for run, told in tuple(holding.values()):
                    for plan in request_plans(self.world, rule, run.state):
                        asked = Run(self.world, run.state)
                        plan(asked)
                        self.note(asked, told)
            for name in self.relevance.grants:
                if name not in self.granted:
                    self._search(name)
            moved = before != (len(self.granted), len(self.started), len(self.steps))

    def _content(self, clock: str) -> bool:
        return clock not in self.relevance.grants or clock in self.granted

    def _search(self, name: str) -> None:
        known = set(self._running.get(name, ()))
        queue = deque(run.state for run in self._running.get(name, {}).values())
        while queue and name not in self.granted and len(known) < _SEARCH:
            state = queue.popleft()
            for _, plan in plans(self.world, self.relevance, state, self.granted, inside=True):
                run = Run(self.world, state)
                if not plan(run):
                    continue
                clock = next((clock for clock in run.state.clocks if clock.rule == name), None)
                key = self._view.keys(run.state)[0]
                if clock is not None and key not in known:
                    known.add(key)
                    queue.append(run.state)
                    self._pass(clock, run.state, self._told[name])


def _then(told: _Told, run: Run) -> tuple[Line, ...]:
    return (*told(), *run.lines)


def taken(world: World, line: Line, before: ThreadState) -> tuple[str, ...]:
    """The steps that were taken in a line: by request, by an answer that completed one, by a kind, by silence."""
    steps = world.ladder.steps
    found = [effect.step for effect in line.effects if type(effect) is StepTaken]
    for effect in line.effects:
        if type(effect) is RungChanged:
            if isinstance(line.act, Step | StepAnswer):
                candidates: tuple[str, ...] = (line.act.step,)
            elif line.office:
                candidates = world.ladder.triggers.get(line.kind, ())
            else:
                candidates = tuple(world.ladder.moved_by)
            found += [name for name in candidates if steps[name].to == effect.new]
    return tuple(found)
