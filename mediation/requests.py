"""Requests that wait: for consent, for seconds, or for the silence that takes them."""

from __future__ import annotations

from collections.abc import Callable

from mediation import clocks, holders
from mediation.draft import Draft
from mediation.effects import StepLapsed, StepRequested
from mediation.move import Move
from mediation.refusals import Refusal
from mediation.rules import Quorum, StepRule
from mediation.state import Clock, Request, ThreadState
from protocols.kinds import StepAnswer


def open_request(draft: Draft, move: Move, step: StepRule, *, entitled: bool) -> None:
    """Leaves a request open and asks those to take part on whom it waits."""
    asked = Request(move.id, move.seq, step.id, move.office, draft.at, entitled)
    draft.set(requests=(*draft.state.requests, asked))
    draft.note(StepRequested(step.id, move.office, move.id))
    for role in roles_concerned(step):
        holders.invite(draft, role)


def find(draft: Draft, act: StepAnswer) -> Request | Refusal:
    """The open request that an answer names."""
    asked = next((asked for asked in draft.state.requests if asked.entry == act.request), None)
    if asked is None or asked.step != act.step:
        return draft.refuse(
            "unknown-reference", "No open request matches this answer.", "It may have been answered or withdrawn."
        )
    return asked


def consenters(draft: Draft, step: StepRule, asked: Request) -> tuple[str, ...]:
    """The offices any one of which may accept the request; nobody where it waits for something else."""
    if step.consent == "other" or not asked.entitled:
        return tuple(party for party in draft.state.parties if party != asked.office)
    return draft.state.holders.get(step.consent, ())


def quorum(draft: Draft, rule: Quorum) -> int:
    """How many of the role's holders the rule asks for, at least one."""
    return needed(draft.state, rule)


def needed(state: ThreadState, rule: Quorum) -> int:
    """The same of a state at rest."""
    if rule.count:
        return rule.count
    part, whole = (int(number) for number in rule.fraction.split("/"))
    return max(1, -(-len(state.holders.get(rule.role, ())) * part // whole))


def roles_concerned(step: StepRule) -> tuple[str, ...]:
    """The roles that have a say on a request for ``step``: to consent, second or block. (`none` and `other` are none.)"""
    quorums = (step.seconded_by, step.blocked_by)
    return (step.consent, *(rule.role for rule in quorums if rule is not None))


def change(draft: Draft, changed: Request) -> None:
    """Puts a changed request in its own place."""
    draft.set(
        requests=tuple(changed if asked.entry == changed.entry else asked for asked in draft.state.requests),
    )


def drop(draft: Draft, which: Callable[[Request], bool], *, lapsed: bool = False) -> None:
    """Takes requests away, with the clocks that served nothing else. ``lapsed``: they lost their object by themselves."""
    state = draft.state
    gone = [asked for asked in state.requests if which(asked)]
    if not gone:
        return
    draft.set(requests=tuple(asked for asked in state.requests if not which(asked)))
    for asked in gone:
        for clock in serving(draft, asked):
            clocks.stop(draft, lambda other, name=clock.id: other.id == name)  # type: ignore[misc]
        if lapsed:
            draft.note(StepLapsed(asked.step, asked.office, asked.entry))


def serving(draft: Draft, asked: Request) -> tuple[Clock, ...]:
    """The clocks that serve this request alone: the one for its seconds, and the one whose end takes its step."""
    step = draft.ladder.steps[asked.step]
    rules = set(draft.ladder.moved_by.get(step.id, ()))
    if step.seconded_by is not None:
        rules.add(step.seconded_by.within)
    return tuple(clock for clock in draft.state.clocks if clock.rule in rules and clock.entry == asked.entry)


def taken(draft: Draft, step: StepRule) -> None:
    """The step is taken: every request for it is fulfilled, and the clocks that served it are met."""
    fulfilled = [asked for asked in draft.state.requests if asked.step == step.id]
    if not fulfilled:
        return
    for asked in fulfilled:
        for clock in serving(draft, asked):
            clocks.met(draft, clock)
    draft.set(requests=tuple(asked for asked in draft.state.requests if asked.step != step.id))


def seconds_ran_out(draft: Draft, clock: Clock) -> None:
    """A `second-by` clock ran out: the request it is about lapses."""
    if draft.ladder.clocks[clock.rule].kind == "second-by":
        drop(draft, lambda asked: asked.entry == clock.entry, lapsed=True)
