"""Each shipped ladder played from its own tables: the shortest way to every rung, and everything else refused.

On every place of these ways, each kind is sent and each step asked for by each sort of actor; what the tables do not
allow is refused, and leaves the state as it was.
"""

from __future__ import annotations

from functools import cache

import pytest

from mediation.fold import Outcome, step
from mediation.ladder import Ladder
from mediation.move import HUB
from mediation.refusals import Refusal
from mediation.state import ThreadState, state_hash, to_bytes
from protocols.kinds import KINDS, Step
from tests.mediation.library.examples import example
from tests.mediation.library.rights import may_ask, may_send
from tests.mediation.library.table import SHIPPED, ladder
from tests.mediation.library.walk import (
    COUNTERPART,
    INITIATOR,
    MEDIATOR,
    OUTSIDER,
    Place,
    able,
    asking,
    move_of,
    paths,
    replayed,
    requested,
)


@cache
def places(name: str) -> tuple[Place, ...]:
    """Every different place on the shortest ways to all rungs."""
    found: dict[str, Place] = {}
    for end in paths(name).values():
        for place in replayed(name, end.done):
            found.setdefault(f"{state_hash(place.state)} {place.at}", place)
    return tuple(found.values())


def actors(found: Ladder, state: ThreadState) -> tuple[str, ...]:
    """Initiator, counterpart, mediator, a holder of each role, an outsider and the hub."""
    return tuple(dict.fromkeys((INITIATOR, COUNTERPART, MEDIATOR, *able(state, tuple(found.roles)), OUTSIDER, HUB)))


@pytest.mark.parametrize("name", SHIPPED)
def test_every_rung_is_reached_and_the_way_there_plays_again_to_the_same_bytes(name: str) -> None:
    assert set(paths(name)) == set(ladder(name).rungs)
    for rung, end in paths(name).items():
        last = replayed(name, end.done)[-1]
        assert last.state.rung == rung
        assert to_bytes(last.state) == to_bytes(end.state)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_step_can_be_asked_for_somewhere(name: str) -> None:
    assert requested(name) >= set(ladder(name).steps)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_kind_that_is_not_open_to_an_actor_is_refused_and_nothing_changes(name: str) -> None:
    found, tried = ladder(name), 0
    two_people = {kind for kind, rule in found.kinds.items() if rule.two_person}
    for place in places(name):
        before = to_bytes(place.state)
        for office in actors(found, place.state):
            for kind in KINDS:
                for two in (True, False) if kind in two_people else (True,):
                    if may_send(found, place.state, kind, office, two=two):
                        continue
                    move = move_of(place.state, office, kind, example(kind), two=two)
                    outcome = step(found, place.state, move, place.at)
                    assert isinstance(outcome, Refusal), (place.state.rung, kind, office, two)
                    assert outcome.rule.startswith(f"{found.id}/")
                    tried += 1
        assert to_bytes(place.state) == before
    assert tried > 100


@pytest.mark.parametrize("name", SHIPPED)
def test_a_step_is_open_exactly_to_whom_the_tables_say(name: str) -> None:
    found = ladder(name)
    for place in places(name):
        before = to_bytes(place.state)
        for office in actors(found, place.state):
            for rule in found.steps.values():
                named_ = asking(place.state, rule)
                acts = {named_: len(named_.evidence) == len(rule.evidence), Step(rule.id): not rule.evidence}
                for act, evidence in acts.items():
                    for two in (True, False) if rule.two_person else (True,):
                        expected = may_ask(found, place.state, rule, office, two=two, evidence=evidence)
                        move = move_of(place.state, office, "step-request", act, two=two)
                        outcome = step(found, place.state, move, place.at)
                        assert isinstance(outcome, Outcome) == expected, (place.state.rung, rule.id, office, outcome)
        assert to_bytes(place.state) == before
