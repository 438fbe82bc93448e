"""When two concrete states count as one.

There are two views of a state, because a mediation and the rest of a ladder hardly look at each other: the fold's
mediation reads the rung, its own clocks and its own stage; steps read of the mediation only whether somebody is
admitted. Exploring them as one product would multiply every stage of the one by every stage of the other; exploring
each, with what they share in both, covers every pair that either can tell apart.

The *ladder view* keeps rung, standstill, suspension, track, binding clocks in the order of their ends, options that
nothing replaces, requests that start binding clocks, evidence at hand, and whether a mediation is open or mediators
are admitted. The *mediation view* keeps rung, standstill, suspension, the clocks of the mediation and its stage.

Both forget ids, positions, instants, helpful clocks and options (`mediation.checker.relevance`), and which party is
which: the two are alike, so a state and its mirror image are one (symmetry reduction), unless the ladder tells the
initiator from the counterpart.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable

from mediation.checker.relevance import Relevance
from mediation.state import ThreadState


class View(ABC):
    """How states are told apart: ``key`` of a state with the parties numbered by ``index``."""

    def __init__(self, relevance: Relevance) -> None:
        self.relevance = relevance

    def keys(self, state: ThreadState) -> tuple[Hashable, Hashable]:
        """The key of a state, and that of its mirror image."""
        if state.closed_at is not None:
            key = ("closed", state.standstill is not None)
            return key, key
        first, second = state.parties
        one = self.key(state, {first: 0, second: 1})
        return one, one if self.relevance.sides else self.key(state, {first: 1, second: 0})

    @abstractmethod
    def key(self, state: ThreadState, index: dict[str, int]) -> Hashable:
        """What tells this state apart; each view says."""


class LadderView(View):
    """Everything but the inside of a mediation."""

    def key(self, state: ThreadState, index: dict[str, int]) -> Hashable:
        """Common parts, binding clocks, irreplaceable options, requests, evidence, track."""
        relevance = self.relevance
        options = sorted(
            (option.step, index.get(option.office, -1)) for option in state.options if option.step in relevance.options
        )
        requests = sorted(
            (asked.step, index.get(asked.office, -1)) for asked in state.requests if asked.step in relevance.pending
        )
        mediation = state.mediation
        return (
            _common(state),
            state.track,
            relevance.clock_key(state, index),
            tuple(options),
            tuple(requests),
            mediation is not None and (bool(mediation.admitted), bool(state.due_adds)),
            tuple(sorted(kind for kind, ids in state.evidence.items() if ids)),
        )


class MediationView(View):
    """The inside of a mediation."""

    def key(self, state: ThreadState, index: dict[str, int]) -> Hashable:
        """Common parts, the mediation's clocks, its stage, the options of a default appointment."""
        relevance = self.relevance
        clocks = {clock.rule for clock in state.clocks if clock.rule in relevance.of_mediation}
        appointing = relevance.ladder.appointing
        options = sorted((o.step, index.get(o.office, -1)) for o in state.options if o.step in appointing)
        return _common(state), tuple(sorted(clocks)), tuple(options), _mediation(state, index)


class WaitingView:
    """Everything, for one party that waits for the other: with every option and clock."""

    def __init__(self, relevance: Relevance) -> None:
        self.relevance = relevance

    def of(self, state: ThreadState, waiting: str) -> Hashable:
        """The key as ``waiting`` sees it."""
        relevance = self.relevance
        other = state.other_party(waiting)
        index = {waiting: 0, other: 1}
        clocks = tuple(
            (clock.rule, index.get(clock.requester, -1), bool(clock.subject), clock.open)
            for clock in sorted(state.clocks, key=lambda clock: clock.end)
            if relevance.matters(clock.rule)
        )
        return (
            _common(state),
            state.track,
            clocks,
            tuple(sorted((option.step, index.get(option.office, -1)) for option in state.options)),
            tuple(sorted((asked.step, index.get(asked.office, -1)) for asked in state.requests)),
            _mediation(state, index),
            relevance.sides and waiting,
        )


def _common(state: ThreadState) -> tuple[Hashable, ...]:
    standstill = state.standstill
    return (
        state.rung,
        standstill.step if standstill is not None else "",
        state.settlement is not None and standstill is not None,
        state.suspension is not None,
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
