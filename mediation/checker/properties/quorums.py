"""Seconds and blocks that so many offices can give: a quorum larger than the world is a door painted on a wall."""

from __future__ import annotations

from mediation.checker.found import Found
from mediation.rules import Quorum, RoleRule

STATES = 193
"""Members of the United Nations in 2026: no accord has more states."""


def satisfiable(found: Found) -> None:
    """``quorum``: more offices are asked for than there can be. A remark says how many the accord must have."""
    roles = {role.id: role for role in found.file.role}
    for step in found.file.step:
        for field, quorum in (("seconded_by", step.seconded_by), ("blocked_by", step.blocked_by)):
            role = roles.get(quorum.role) if quorum is not None else None
            if quorum is None or role is None or not quorum.count:
                continue
            # Nobody seconds a request of its own, so a role that asks needs one holder more.
            own = field == "seconded_by" and quorum.role in step.who
            _check(found, found.at("step", step.id, field), step.title, quorum, role, own=own)


def _check(found: Found, field: str, title: str, quorum: Quorum, role: RoleRule, *, own: bool) -> None:
    most = STATES if role.held_by == "all" and not role.exclude else STATES - 2
    needed = quorum.count + own
    if role.held_by != "named" and needed > most:
        found.add(
            "quorum", field, f"{title!r} asks for {quorum.count} of {role.title!r}; there can be only {most - own}."
        )
    elif role.held_by == "named" and needed > 1:
        found.remark("quorum", field, f"The accord must name at least {needed} offices as {role.title!r}.")
    elif role.held_by != "named":
        parties = 0 if role.held_by == "all" and "parties" not in role.exclude else 2
        found.remark("quorum", field, f"The accord must have at least {needed + parties} parties.")
