"""The accord that a verifier's own policy file goes with, as a comment in it.

A witness policy (C2SP tlog-policy) says whose word about the log counts. Who may speak for an office, only the accord says.
Whoever keeps a policy to verify by keeps the accord's id beside it: one file, one command.
"""

from __future__ import annotations

import re

_PIN = re.compile(r"^# hotline accord ([A-Za-z0-9_-]{43})$", re.ASCII | re.MULTILINE)


def pinning(accord: str) -> str:
    """The comment line that pins the accord of this id."""
    return f"# hotline accord {accord}\n"


def pinned_by(policy: str) -> str | None:
    """The accord's id that a policy's text pins, if it pins exactly one."""
    found = set(_PIN.findall(policy))
    return found.pop() if len(found) == 1 else None
