"""Who takes part in a rehearsal: two parties, three mediators, a monitor, and as many others as the ladder's roles need."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mediation.context import OfficeRole, ThreadContext
from mediation.ladder import Ladder
from mediation.rules import Quorum, RoleRule

PARTIES = ("AV", "KV")
_MEDIATORS = ("HD", "MD", "NR")
_MONITORS = ("OV",)
_ENOUGH = 4
"""Holders of a role of which a fraction counts, or other states where no step says how many."""


def cast(ladder: Ladder) -> ThreadContext:
    """What the rehearsed thread is opened with, at the ladder's own speed. Every declared role has holders: enough of
    them to second and to block whatever the ladder lets them, and one more."""
    taken = {*PARTIES, *_MEDIATORS, *_MONITORS}
    named: dict[str, tuple[str, ...]] = {}
    for role in ladder.roles.values():
        if role.held_by == "named":
            named[role.id] = tuple(_names(role.id, _needed(ladder, role), taken))
            taken.update(named[role.id])
    roles = [role for role in ladder.roles.values() if role.held_by != "named"]
    others = max((_needed(ladder, role) for role in roles), default=0)
    offices = (
        *(OfficeRole(office, "party") for office in PARTIES),
        *(OfficeRole(f"O{number:02}", "party") for number in range(1, others + 1)),
        *(OfficeRole(office, "monitor") for office in _MONITORS),
        *(OfficeRole(office, "monitor") for holders in named.values() for office in holders),
        *(OfficeRole(office, "mediator") for office in _MEDIATORS),
    )
    return ThreadContext(ladder, 1, "ACTUAL", offices, "rehearsal".ljust(22, "-"), roles=named)


def _quorums(ladder: Ladder, role: RoleRule) -> Iterator[Quorum]:
    for step in ladder.steps.values():
        for quorum in (step.seconded_by, step.blocked_by):
            if quorum is not None and quorum.role == role.id:
                yield quorum


def _needed(ladder: Ladder, role: RoleRule) -> int:
    counts = [quorum.count or _ENOUGH for quorum in _quorums(ladder, role)]
    if counts:
        return max(counts) + 1
    return 1 if role.held_by == "named" else _ENOUGH


def _names(role: str, count: int, taken: set[str]) -> Iterator[str]:
    """Office ids made from a role's name: CHAIR, or PANEL1, PANEL2 ..."""
    stem = re.sub(r"[^A-Z0-9]", "", role.upper()).lstrip("0123456789")[:5] or "OFFICE"[:5]
    found, number = 0, 0
    while found < count:
        name = f"{stem}{number or ''}" if count == 1 else f"{stem}{number + 1}"
        number += 1
        if name not in taken and len(name) > 1:
            found += 1
            yield name
