"""How strong the evidence of an entry is, by who signed the heads that hold it.

====  ====================================================================================================
L0    the log's own signature: the hub says so
L1    at least f + 1 witnesses of the verifier's policy: one of them is honest
L2    a quorum of that policy: nobody can be shown another history
L3    also the party adverse to the entry's author, by its own witness: it cannot deny that it saw this history
====  ====================================================================================================

Adverse to a party is the other one. An entry by anybody else (a mediator, a monitor, the hub) is L3 only with both. Which
witnesses are an office's own, the accord's policy says: the witness or group that is called by the office's id.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from mediation.audit.case import Case, Item
from mediation.audit.heads import Heads, Over
from protocols.accord import Accord
from protocols.kinds import Open
from protocols.translog import Policy, parse_policy
from protocols.translog.policy import PolicyGroup, PolicyWitness

Grade = Literal["L0", "L1", "L2", "L3"]


def own_keys(accord: Accord) -> dict[str, frozenset[str]]:
    """The key names of each office's own witnesses, by office."""
    policy = parse_policy(accord.policy)
    items = {item.name: item for item in policy.items}
    return {office.id: _keys_under(items, office.id) for office in accord.offices if office.id in items}


def _keys_under(items: Mapping[str, PolicyWitness | PolicyGroup], name: str) -> frozenset[str]:
    item = items[name]
    if isinstance(item, PolicyWitness):
        return frozenset((item.key.name,))
    return frozenset[str]().union(*(_keys_under(items, member) for member in item.members))


class Grader:
    """Grades entries by the heads that hold them."""

    def __init__(self, case: Case, over: Over, f: int, own: Mapping[str, frozenset[str]]) -> None:
        self._over, self._own = over, own
        self._parties = parties_of(case)
        self._floor: Grade = _floor(case.heads, case.trust.policy, f)

    def grade(self, item: Item) -> Grade | None:
        """None for an entry that is not proven to be in the log."""
        if item.index is None:
            return None
        if self._floor != "L2" or not self._parties:
            return self._floor
        office = None if item.entry is None else item.entry.payload.office
        adverse = [party for party in self._parties if party != office]
        cosigned = self._over.operators(item.index)
        return "L3" if all(self._own.get(party, frozenset()) & cosigned for party in adverse) else "L2"


def parties_of(case: Case) -> tuple[str, ...]:
    """The thread's two parties, by its first entry; none where that is withheld or does not hold."""
    first = case.items[0] if case.items else None
    act = first.verified.entry.act if first is not None and first.verified is not None else None
    return act.parties if isinstance(act, Open) else ()


def _floor(heads: Heads, policy: Policy, f: int) -> Grade:
    """What every entry has, since the final head holds them all."""
    if policy.quorum is not None:
        return "L2"  # `open_heads` has seen to it
    return "L1" if len(heads.final.operators) > f else "L0"
