"""Which parts of a state can change what is possible later, and which only ever add to it.

An option, a pending request and a clock that only grants options are *helpful*: whoever has more of them can do
everything that could be done without, because the fold refuses nothing on their account (a pending request of one's own
can be withdrawn at any time). Clocks that hold a step back, keep a standstill, move the rung or belong to the
mediation are *binding*: they are part of what tells two abstract states apart. A clock that does nothing when it ends
is neither and is left out.
"""

from __future__ import annotations

from mediation.ladder import Ladder
from mediation.state import ThreadState


class Relevance:
    """The tables of one ladder: clocks by class, options that nothing replaces, kinds that do something."""

    def __init__(self, ladder: Ladder) -> None:
        self.ladder = ladder
        mediation = ladder.mediation
        self.binding = frozenset(
            rule.id
            for rule in ladder.clocks.values()
            if rule.holds
            or rule.gives is not None
            or rule.kind == "second-by"
            or rule.id in ladder.standstill_clocks
            or (rule.timeout is not None and rule.timeout.moves)
        )
        self.grants: dict[str, str] = {
            rule.id: rule.gives.step if rule.gives is not None else rule.timeout.option if rule.timeout else ""
            for rule in ladder.clocks.values()
            if rule.gives is not None or (rule.timeout is not None and rule.timeout.option)
        }
        self.of_mediation: frozenset[str] = frozenset()
        if mediation is not None:
            begun = {("opening", mediation.step), ("acceptance", mediation.step)}
            begun |= {("appointment-due", ""), ("appointment", ""), ("declaration", ""), ("objection", "")}
            begun |= {(event, step) for event in ("request", "opening") for step in ladder.appointing}
            self.of_mediation = frozenset(
                rule.id
                for rule in ladder.clocks.values()
                if (rule.starts, rule.of) in begun and (rule.timeout is not None or rule.id == mediation.objections)
            )
        # Options that nothing else replaces: without them the step is closed even to two who agree.
        self.options = frozenset(step.id for step in ladder.steps.values() if step.needs_option and not step.early_exit)
        self.kept = frozenset(
            rule.id
            for rule in ladder.clocks.values()
            if self.grants.get(rule.id) in self.options
            or (rule.when_met is not None and rule.when_met.option in self.options)
        )
        self.personal = frozenset(
            rule.id
            for rule in ladder.clocks.values()
            if (rule.timeout is not None and rule.timeout.to in ("requester", "respondent"))
            or (rule.gives is not None and rule.gives.to in ("requester", "respondent"))
        )
        self.pending = frozenset(
            step.id
            for step in ladder.steps.values()
            if (mediation is not None and step.id == mediation.step)
            or any(rule in self.binding or rule in self.kept for rule in ladder.starting.get(("request", step.id), ()))
        )
        self.evidence = frozenset(kind for step in ladder.steps.values() for kind in step.evidence)
        self.sides = any(
            role in ("initiator", "counterpart") for step in ladder.steps.values() for role in (*step.who, step.consent)
        ) or any(role in ("initiator", "counterpart") for rule in ladder.kinds.values() for role in rule.who)
        self.kinds = tuple(kind for kind in ladder.kinds if self._does_something(kind))

    def matters(self, rule: str) -> bool:
        """Whether a clock of that definition does anything when it ends, or holds anything while it runs."""
        return rule in self.grants or rule in self.binding or rule in self.kept or rule in self.of_mediation

    def _does_something(self, kind: str) -> bool:
        return (
            kind in self.ladder.triggers
            or kind in self.evidence
            or any(rule in self.binding or rule in self.kept for rule in self.ladder.meeting.get(kind, ()))
            or bool(self.starts("receipt", kind) or self.starts("admission", kind))
        )

    def starts(self, event: str, kind: str) -> tuple[str, ...]:
        """The clocks of an entry of ``kind`` that matter."""
        found = self.ladder.starting.get((event, kind), ())
        return tuple(rule for rule in found if self.matters(rule))

    def worth_sending(self, kind: str, state: ThreadState, witnessed: set[str]) -> bool:
        """Whether sending ``kind`` here can lead anywhere new: it takes a step, is evidence not yet there, meets a
        binding clock, or starts a clock that binds or has not yet been seen to grant its option."""
        ladder = self.ladder
        return (
            any(state.rung in ladder.steps[name].start for name in ladder.triggers.get(kind, ()))
            or (kind in self.evidence and not state.evidence.get(kind))
            or any(
                (clock.rule in self.binding or clock.rule in self.kept) and clock.rule in ladder.meeting.get(kind, ())
                for clock in state.clocks
            )
            or any(
                rule in self.binding
                or (rule in self.grants and rule not in witnessed)
                or (rule in self.kept and sum(clock.rule == rule for clock in state.clocks) < len(state.parties))
                for event in ("receipt", "admission")
                for rule in self.starts(event, kind)
            )
        )

    def clock_key(self, state: ThreadState, index: dict[str, int]) -> tuple[object, ...]:
        """Binding clocks in the order of their ends, and as a set those that grant an option which nothing replaces."""
        binding = sorted(
            (clock.end, clock.rule, index.get(clock.requester, -1) if clock.rule in self.personal else -1, clock.open)
            for clock in state.clocks
            if clock.rule in self.binding
        )
        others = sorted(
            {
                (clock.rule, index.get(clock.requester, -1) if clock.rule in self.personal else -1)
                for clock in state.clocks
                if clock.rule in self.kept
            }
        )
        return (*((rule, who, is_open) for _, rule, who, is_open in binding), "|", *others)
