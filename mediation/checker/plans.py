"""What can be tried in a state: entries, and the short agreed exchanges that entries come in.

A request and its acceptance are one plan, and so are a request and all its seconds: the states between them open no
door that would not be open without them, because the fold looks at a request only when it is answered or made again
(partial-order reduction). Requests that start a binding clock are also left open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from mediation import holders
from mediation.checker.acts import example
from mediation.checker.relevance import Relevance
from mediation.checker.sessions import appointment, mediation_plans
from mediation.checker.world import PARTIES, Run, World, entry_id
from mediation.ladder import Ladder
from mediation.rules import OTHER, Quorum, StepRule
from mediation.state import Request, ThreadState
from protocols.kinds import KINDS, Act, Author, Empty, Proposal, ProposalAnswer, Received, Step, StepAnswer

Plan = tuple[frozenset[str], Callable[[Run], bool]]
"""The parties that must take part, and what they do; false if the fold refused any of it."""

BOTH = frozenset(PARTIES)
NONE: frozenset[str] = frozenset()


def plans(
    world: World, relevance: Relevance, state: ThreadState, witnessed: set[str], *, inside: bool
) -> Iterator[Plan]:
    """Everything worth trying in ``state`` at one instant. ``witnessed``: clocks already seen to grant their option.
    ``inside``: a mediation stage by stage, else in one go."""
    for rule in world.ladder.steps.values():
        if rule.trigger == "step-request" and state.rung in rule.start:
            yield from step_plans(world, relevance, rule, state)
    for kind in relevance.kinds:
        if state.rung in world.ladder.rung_kinds.get(kind, NONE) and relevance.worth_sending(kind, state, witnessed):
            yield from _kind_plans(world, kind, state)
    if state.closed_at is None:
        yield BOTH, _close
    yield from mediation_plans(world, state) if inside else appointment(state)
    if state.mediation is not None and state.mediation.admitted and state.settlement is None:
        yield BOTH, _settle


def step_plans(world: World, relevance: Relevance, rule: StepRule, state: ThreadState) -> Iterator[Plan]:
    """Every way to have the step: alone, or with the consent and the seconds it needs."""
    actors = dict.fromkeys(office for role in rule.who for office in _one_or_both(state, role))
    for actor in actors:
        for needs, plan in _ways(world, relevance, rule, state, actor):
            yield needs, plan
            for signing in _signing(world.ladder, state, rule.id, actor):
                yield needs | (frozenset(signing) & BOTH), partial(_confirmed, plan, signing)


def _ways(world: World, relevance: Relevance, rule: StepRule, state: ThreadState, actor: str) -> Iterator[Plan]:
    """The same for one office, without receipts."""
    mine = frozenset((actor,)) & BOTH
    if rule.consent == "none" and rule.seconded_by is None:
        yield mine, partial(alone, rule, actor)
        if rule.early_exit and actor in BOTH:
            yield BOTH, partial(_agree, world, rule, actor, (state.other_party(actor),))
        return
    if rule.consent == "other":
        consenting = tuple(party for party in state.parties if party != actor)[:1]
    elif rule.consent == "none":
        consenting = ()
    else:
        consenting = tuple(office for office in holders.of(state, rule.consent) if office != actor)[:1]
    yield (
        (mine | frozenset(consenting)) & BOTH,
        partial(_agree, world, rule, actor, consenting),
    )
    if rule.id in relevance.pending:
        yield mine, partial(alone, rule, actor)


def request_plans(world: World, rule: StepRule, state: ThreadState) -> Iterator[Callable[[Run], bool]]:
    """Every way to ask for one step now and to leave the request open."""
    for actor in dict.fromkeys(office for role in rule.who for office in _one_or_both(state, role)):
        yield partial(alone, rule, actor)


def _one_or_both(state: ThreadState, role: str) -> tuple[str, ...]:
    """All bearers among the parties; one of any other role, whose holders are alike."""
    found = holders.of(state, role)
    return found if set(found) <= BOTH else found[:1]


def _ask(run: Run, rule: StepRule, actor: str) -> Request | bool:
    """The request it left open, True if the step was taken at once, False if it was refused."""
    evidence = tuple(run.state.evidence[kind][-1] for kind in rule.evidence if run.state.evidence.get(kind))
    if not run.send(actor, "step-request", Step(rule.id, evidence)):
        return False
    return next((asked for asked in run.state.requests if asked.entry == run.last), True)


def alone(rule: StepRule, actor: str, run: Run) -> bool:
    """``actor`` asks for the step by itself: it is taken, or the request stays open. False if it was refused."""
    return _ask(run, rule, actor) is not False


def _agree(world: World, rule: StepRule, actor: str, consenting: tuple[str, ...], run: Run) -> bool:
    asked = _ask(run, rule, actor)
    if isinstance(asked, bool):
        return asked
    answer = StepAnswer(asked.entry, rule.id)
    if rule.seconded_by is not None and not _second(world, run, rule.seconded_by, actor, answer):
        return False
    return all(run.send(office, "step-accept", answer) for office in consenting)


def _second(world: World, run: Run, quorum: Quorum, actor: str, answer: StepAnswer) -> bool:
    needed = world.required(quorum, run.state)
    willing = [office for office in holders.of(run.state, quorum.role) if office != actor][:needed]
    return len(willing) == needed and all(run.send(office, "second", answer) for office in willing)


def _kind_plans(world: World, kind: str, state: ThreadState) -> Iterator[Plan]:
    if KINDS[kind].author is not Author.OFFICER:
        return
    senders = dict.fromkeys(office for role in world.ladder.kinds[kind].who for office in _one_or_both(state, role))
    for sender in senders:
        act = example(kind, state, sender)
        if act is None:
            continue
        mine = frozenset((sender,)) & BOTH
        sent = partial(_sent, sender, kind, act)
        for of in (kind, *world.ladder.triggers.get(kind, ())):
            for signing in _signing(world.ladder, state, of, sender):
                yield mine | (frozenset(signing) & BOTH), partial(_confirmed, sent, signing)
        yield mine, sent


def _sent(sender: str, kind: str, act: Act, run: Run) -> bool:
    return run.send(sender, kind, act)


def _signing(ladder: Ladder, state: ThreadState, of: str, sender: str) -> Iterator[tuple[str, ...]]:
    """Who may confirm the receipt of a kind or step at once: everybody whose receipt counts, and, where a party is one of
    them, the others without it. One of a role's holders is as good as another."""
    found = []
    for by in ladder.receivers.get(of, ()):
        held = state.parties if by == OTHER else holders.of(state, by)
        found += [office for office in held if office != sender][:1]
    everybody = tuple(dict.fromkeys(found))
    bodies = tuple(office for office in everybody if office not in BOTH)
    yield from (some for some in dict.fromkeys((everybody, bodies)) if some)


def _confirmed(plan: Callable[[Run], bool], signing: tuple[str, ...], run: Run) -> bool:
    """What ``plan`` does, and the receiving stations confirm the first entry of it at once."""
    entry = entry_id(run.state.seq + 1)
    if not plan(run):
        return False
    return all(run.send(office, "receipt", Received(entry)) for office in signing)


def _close(run: Run) -> bool:
    parties = run.state.parties
    return all(party in run.state.closes or run.send(party, "close", Empty()) for party in parties)


def _settle(run: Run) -> bool:
    """The mediators' text, accepted by both."""
    version = (run.state.text.version if run.state.text is not None else 0) + 1
    if not run.send(run.state.admitted[0], "proposal", Proposal(version)):
        return False
    answer = ProposalAnswer(run.last, version)
    return all(run.send(party, "proposal-accept", answer) for party in run.state.parties)
