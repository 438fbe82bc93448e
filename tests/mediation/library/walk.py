"""Walks through a shipped ladder: a cast that can hold all of its roles, and a search over the real fold.

An action is one entry, or a few that only make sense together (a request and its seconds, both closings), or waiting
for the next clock. `paths` finds a shortest way to every rung; each way is then played again from the opening.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from mediation.context import OfficeRole, ThreadContext
from mediation.fold import Outcome, elapse, open_thread, step
from mediation.ladder import Ladder
from mediation.move import HUB, Move
from mediation.rules import StepRule
from mediation.state import Request, ThreadState
from protocols.kinds import (
    KINDS,
    Act,
    Admission,
    Answer,
    Ask,
    Author,
    Empty,
    Member,
    Nominate,
    Open,
    Proposal,
    ProposalAnswer,
    Received,
    Rekey,
    Reveal,
    Scope,
    Step,
    StepAnswer,
    Waiver,
)
from protocols.nomination import nomination_digest
from tests.mediation.library.table import ladder
from tests.mediation.play import SALT, T0, kid, plain

INITIATOR, COUNTERPART, MEDIATOR, OUTSIDER = "AV", "KV", "MD", "OV"
OTHERS = tuple(f"S{number:02}" for number in range(1, 16))
MANY = 4
"""Holders of a named role that must second or block; of any other named role there is one."""


@dataclass(frozen=True)
class Done:
    """One entry at a time (ms UTC), or, without an entry, time passed up to then."""

    at: int
    move: Move | None = None


@dataclass(frozen=True)
class Place:
    """A state, when, and what led there from the opening."""

    state: ThreadState
    at: int
    done: tuple[Done, ...] = ()


def named(found: Ladder) -> dict[str, tuple[str, ...]]:
    """The offices of each role that the accord names."""
    voting = {rule.role for each in found.steps.values() for rule in (each.seconded_by, each.blocked_by) if rule}
    roles = [role.id for role in found.roles.values() if role.held_by == "named"]
    return {
        role: tuple(f"R{number}{letter}" for letter in "ABCDEFGH"[: MANY if role in voting else 1])
        for number, role in enumerate(roles)
    }


def context(found: Ladder) -> ThreadContext:
    """Two parties, fifteen more states, a mediator, a monitor and a body for each named role."""
    roles = named(found)
    bodies = [OfficeRole(office, "monitor") for offices in roles.values() for office in offices]
    states = [OfficeRole(office, "party") for office in (INITIATOR, COUNTERPART, *OTHERS)]
    rest = [OfficeRole(MEDIATOR, "mediator"), OfficeRole(OUTSIDER, "monitor")]
    return ThreadContext(found, 1, "ACTUAL", (*states, *rest, *bodies), "t" * 22, roles=roles)


@cache
def opened(name: str) -> Place:
    """The thread just opened by the initiator."""
    found = ladder(name)
    roster = tuple(Member(kid(f"{office}-1"), office) for office in (INITIATOR, COUNTERPART))
    act = Open(found.id, (INITIATOR, COUNTERPART), roster)
    move = Move(kid("open"), 1, "open", INITIATOR, kid(f"{INITIATOR}-1"), 1, 0, act)
    outcome = open_thread(context(found), move, T0)
    assert isinstance(outcome, Outcome), outcome
    return Place(outcome.state, T0)


def move_of(state: ThreadState, office: str, kind: str, act: Act | None = None, *, two: bool = True) -> Move:
    """The next entry as that office's first station would send it, released by a second officer unless told not to."""
    station = kid(f"{office}-1")
    seat = state.seats.get(station)
    by_people = KINDS[kind].author is Author.OFFICER
    return Move(
        id=kid(f"entry {state.seq + 1} {kind} {office}"),
        seq=state.seq + 1,
        kind=kind,
        office=office,
        station=station,
        serial=(seat.serial if seat else 0) + 1,
        prev_seq=state.seq,
        act=act if act is not None else plain(kind),
        officers=(("one", "two") if two else ("one",)) if by_people else (),
        two_person=two and by_people,
        epoch=state.epoch if KINDS[kind].fields and seat is not None and seat.member else None,
    )


def sent(found: Ladder, place: Place, office: str, kind: str, act: Act | None = None) -> Place | None:
    """The place after that entry, or None where it is refused."""
    move = move_of(place.state, office, kind, act)
    outcome = step(found, place.state, move, place.at)
    if not isinstance(outcome, Outcome):
        return None
    return Place(outcome.state, place.at, (*place.done, Done(place.at, move)))


def ends(state: ThreadState) -> list[int]:
    """When running clocks end and windows open."""
    found = [clock.end for clock in state.clocks if clock.paused is None]
    return found + [c.opens for c in state.clocks if c.opens is not None and not c.open and c.paused is None]


def waited(found: Ladder, place: Place) -> Place | None:
    """The place when the next clock has run out or the next window has opened."""
    later = [end for end in ends(place.state) if end > place.at]
    if not later:
        return None
    at = min(later)
    return Place(elapse(found, place.state, at).state, at, (*place.done, Done(at)))


def able(state: ThreadState, roles: tuple[str, ...]) -> tuple[str, ...]:
    """One office for each role: for the parties each of them, else the first holder that is no party."""
    offices: list[str] = []
    for role in roles:
        match role:
            case "party":
                offices += [INITIATOR, COUNTERPART]
            case "initiator":
                offices.append(INITIATOR)
            case "counterpart":
                offices.append(COUNTERPART)
            case "mediator":
                offices += state.admitted
            case _:
                held = [office for office in state.holders.get(role, ()) if office not in state.parties]
                offices += held[:1]
    return tuple(dict.fromkeys(offices))


def asking(state: ThreadState, rule: StepRule) -> Step:
    """The request for a step, with the evidence it asks for where the thread has some."""
    evidence = tuple(state.evidence[kind][-1] for kind in rule.evidence if state.evidence.get(kind))
    return Step(rule.id, evidence)


def actions(found: Ladder, place: Place) -> Iterator[Place]:
    """Every place one action away that does something to where the thread stands."""
    state = place.state
    for kind, names in found.triggers.items():
        rules = [found.steps[name] for name in names]
        if any(state.rung in rule.start for rule in rules):
            yield from _sent_and_received(found, place, kind, rules)
    for rule in found.steps.values():
        if rule.trigger == "step-request" and state.rung in rule.start:
            for office in able(state, rule.who):
                after = sent(found, place, office, "step-request", asking(state, rule))
                if after is not None:
                    yield _carried(found, after, rule)
    if found.mediation is not None and state.mediation is not None and not state.admitted:
        yield from _admitted(found, place)
    if state.admitted and state.settlement is None:
        yield from _settled(found, place)
    yield from _closed(found, place)
    later = waited(found, place)
    if later is not None:
        yield later


def _sent_and_received(found: Ladder, place: Place, kind: str, rules: list[StepRule]) -> Iterator[Place]:
    for office in dict.fromkeys(office for rule in rules for office in able(place.state, rule.who)):
        act = Ask(1) if kind == "clarification-request" else Empty()
        after = sent(found, place, office, kind, act)
        if after is None:
            continue
        entry, other = after.done[-1].move, after.state.other_party(office)
        assert entry is not None
        yield sent(found, after, other, "receipt", Received(entry.id)) or after
        if kind == "clarification-request":
            answered = sent(found, after, other, "clarification-answer", Answer(entry.id, ("answered",)))
            if answered is not None:
                yield answered


def _carried(found: Ladder, place: Place, rule: StepRule) -> Place:
    """The request carried as far as others can carry it: accepted, seconded."""
    entry = place.done[-1].move
    assert entry is not None
    answer = StepAnswer(entry.id, rule.id)
    asked = _open(place, entry.id)
    if asked is not None and (rule.consent != "none" or not asked.entitled):
        for office in _consenters(place.state, rule, asked):
            place = sent(found, place, office, "step-accept", answer) or place
    if rule.seconded_by is not None:
        for office in place.state.holders[rule.seconded_by.role]:
            if _open(place, entry.id) is None:
                break
            place = sent(found, place, office, "second", answer) or place
    return place


def _consenters(state: ThreadState, rule: StepRule, asked: Request) -> tuple[str, ...]:
    if rule.consent in ("none", "other") or not asked.entitled:
        return (state.other_party(asked.office),)
    return able(state, (rule.consent,))


def _open(place: Place, entry: str) -> Request | None:
    return next((asked for asked in place.state.requests if asked.entry == entry), None)


def _admitted(found: Ladder, place: Place) -> Iterator[Place]:
    """A mediator on both lists, without objection, admitted by both, with keys."""
    for kind, act in _admission(place.state):
        for office in (MEDIATOR,) if kind in ("mediator-acceptance", "declaration") else (INITIATOR, COUNTERPART):
            chosen: Any = act[office] if isinstance(act, dict) else act
            if kind == "nomination-reveal":
                mediation = place.state.mediation
                assert mediation is not None
                mine = next(each for each in mediation.nominations if each.office == office)
                chosen = Reveal(mine.entry, (MEDIATOR,), SALT)
            after = sent(found, place, office, kind, chosen)
            if after is None:
                return
            place = after
    rekey = Rekey(place.state.epoch + 1, (Member(kid(f"{MEDIATOR}-1"), MEDIATOR),))
    after = sent(found, place, INITIATOR, "rekey", rekey)
    if after is not None:
        yield after


def _admission(state: ThreadState) -> tuple[tuple[str, Any], ...]:
    sealed = {
        office: Nominate(nomination_digest(state.thread, office, (MEDIATOR,), SALT))
        for office in (INITIATOR, COUNTERPART)
    }
    return (
        ("nomination", sealed),
        ("nomination-reveal", None),
        ("mediator-acceptance", None),
        ("declaration", None),
        ("waiver", Waiver((MEDIATOR,))),
        ("admission", Admission((MEDIATOR,), Scope())),
    )


def _settled(found: Ladder, place: Place) -> Iterator[Place]:
    """A text of the mediator that both accept."""
    after = sent(found, place, MEDIATOR, "proposal", Proposal(1))
    if after is not None and after.state.text is not None:
        answer = ProposalAnswer(after.state.text.entry, 1)
        for office in (INITIATOR, COUNTERPART):
            after = sent(found, after, office, "proposal-accept", answer) if after is not None else None
        if after is not None:
            yield after


def _closed(found: Ladder, place: Place) -> Iterator[Place]:
    first = sent(found, place, INITIATOR, "close")
    if first is not None and (second := sent(found, first, COUNTERPART, "close")) is not None:
        yield second


def _likeness(place: Place) -> tuple[Any, ...]:
    """What of a state matters for where it can lead: not the times, not the numbering."""
    state = place.state
    return (
        state.rung,
        tuple(sorted((option.step, option.office) for option in state.options)),
        tuple(sorted((clock.rule, clock.open, clock.requester) for clock in state.clocks)),
        tuple(sorted((asked.step, asked.office) for asked in state.requests)),
        state.standstill is not None,
        state.suspension is not None,
        state.track,
        state.admitted,
        tuple(sorted(kind for kind, entries in state.evidence.items() if entries)),
    )


@cache
def paths(name: str) -> dict[str, Place]:
    """For every rung that can be reached, a place on it by the fewest actions."""
    found = ladder(name)
    start = opened(name)
    reached = {start.state.rung: start}
    seen, queue = {_likeness(start)}, deque([start])
    while queue and len(reached) < len(found.rungs):
        for after in actions(found, queue.popleft()):
            like = _likeness(after)
            if like not in seen:
                seen.add(like)
                queue.append(after)
                reached.setdefault(after.state.rung, after)
    return reached


def replayed(name: str, done: tuple[Done, ...]) -> list[Place]:
    """The same entries sent again from the opening, one by one; every place on the way."""
    found, place = ladder(name), opened(name)
    places = [place]
    for number, each in enumerate(done, 1):
        if each.move is None:
            state = elapse(found, place.state, each.at).state
        else:
            outcome = step(found, place.state, each.move, each.at)
            assert isinstance(outcome, Outcome), (each, outcome)
            state = outcome.state
        place = Place(state, each.at, done[:number])
        places.append(place)
    return places


@cache
def requested(name: str) -> frozenset[str]:
    """Every step that some office can ask for, or take by sending a kind, in a place that can be reached."""
    found, start = ladder(name), opened(name)
    steps: set[str] = set()
    seen, queue = {_likeness(start)}, deque([start])
    while queue and len(steps) < len(found.steps):
        place = queue.popleft()
        for after in actions(found, place):
            for each in after.done[len(place.done) :]:
                if each.move is not None and isinstance(each.move.act, Step):
                    steps.add(each.move.act.step)
                elif each.move is not None and place.state.rung != after.state.rung:
                    steps |= set(found.triggers.get(each.move.kind, ()))
            if (like := _likeness(after)) not in seen:
                seen.add(like)
                queue.append(after)
    return frozenset(steps)


__all__ = ["COUNTERPART", "HUB", "INITIATOR", "MEDIATOR", "OTHERS", "OUTSIDER", "Done", "Place"]
