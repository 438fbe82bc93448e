"""When two concrete states count as one.

The key keeps what can change what is possible later: rung, standstill, suspension, track, binding clocks in the order
of their ends, options that nothing replaces, requests that start binding clocks, where the mediation stands, evidence
at hand. It forgets ids, positions, instants, helpful clocks and options (`mediation.checker.relevance`), and which
party is which: the two parties are alike, so a state and its mirror image are one (symmetry reduction), unless the
ladder tells the initiator from the counterpart; then the initiator's side is part of the key.
"""

from __future__ import annotations

from collections.abc import Hashable

from mediation.checker.relevance import DEFAULT_APPOINTMENT, Relevance
from mediation.state import ThreadState


def core_keys(relevance: Relevance, state: ThreadState) -> tuple[Hashable, Hashable]:
    """What tells abstract states apart in the exploration of what both parties together can reach: the key, and that
    of the mirror image."""
    if state.closed_at is not None:
        key = ("closed", state.standstill is not None)
        return key, key
    first, second = state.parties
    one = _core(relevance, state, {first: 0, second: 1})
    return one, one if relevance.sides else _core(relevance, state, {first: 1, second: 0})


def full_key(relevance: Relevance, state: ThreadState, waiting: str) -> Hashable:
    """The same with every option and clock, seen from the party that waits for the silent one."""
    other = state.other_party(waiting)
    index = {waiting: 0, other: 1}
    clocks = tuple(
        (clock.rule, index.get(clock.requester, -1), bool(clock.subject))
        for clock in sorted(state.clocks, key=lambda clock: clock.end)
        if relevance.matters(clock.rule)
    )
    options = tuple(sorted((option.step, index.get(option.office, -1)) for option in state.options))
    requests = tuple(sorted((asked.step, index.get(asked.office, -1)) for asked in state.requests))
    return _core(relevance, state, index), clocks, options, requests, relevance.sides and waiting


def _core(relevance: Relevance, state: ThreadState, index: dict[str, int]) -> tuple[Hashable, ...]:
    options = sorted(
        (option.step, index.get(option.office, -1))
        for option in state.options
        if option.step in relevance.options or option.step == DEFAULT_APPOINTMENT
    )
    requests = sorted(
        (asked.step, index.get(asked.office, -1)) for asked in state.requests if asked.step in relevance.pending
    )
    standstill = state.standstill
    return (
        state.rung,
        standstill.step if standstill is not None else "",
        state.settlement is not None and standstill is not None,
        state.track,
        state.suspension is not None,
        relevance.clock_key(state, index),
        tuple(options),
        tuple(requests),
        _mediation(state, index),
        tuple(sorted(kind for kind, ids in state.evidence.items() if ids)),
    )


def _mediation(state: ThreadState, index: dict[str, int]) -> tuple[Hashable, ...]:
    """Where the mediation stands. Once both lists are open or somebody is admitted, whose list it was no longer
    matters; nor by which of the two ways, waiver or time, a window for objections ended."""
    mediation = state.mediation
    if mediation is None:
        return ()
    objection = mediation.objection
    sealed = tuple(sorted((index[found.office], bool(found.nominees)) for found in mediation.nominations))
    return (
        () if mediation.admitted else sealed,
        tuple((nominee.accepted, nominee.declared, nominee.window_over) for nominee in mediation.nominees),
        set(state.mediators) <= {*mediation.excluded, *(nominee.office for nominee in mediation.nominees)},
        index[objection.office] if objection is not None else -1,
        tuple(sorted(index[consent.office] for consent in mediation.consents)),
        bool(mediation.admitted),
    )
