"""Time-stamp tokens over heads (RFC 3161), by the authorities that the verifier trusts.

A token is judged only where the verifier brings root certificates; without them it is counted and says nothing. It bounds
from above alone (what the head holds existed by then), and stands beside the witnesses' times: no verdict on a clock rests
on it, because a stolen key may date a token as it likes.
"""

from __future__ import annotations

from dataclasses import dataclass

from mediation.audit.case import Case
from protocols.translog.timestamp import check_token


@dataclass(frozen=True, slots=True)
class TokenReport:
    """``authority`` saw the head ``head`` (its file), of ``size`` leaves, at ``at`` (ms UTC by its clock; off by at most
    ``accuracy`` ms, None: not said). ``claims_qualified``: it says that the token is a qualified one (eIDAS)."""

    head: str
    size: int
    at: int
    accuracy: int | None
    authority: str
    claims_qualified: bool


def check_tokens(case: Case) -> tuple[TokenReport, ...]:
    """The tokens over heads that were shown, in the order of their files. Each that does not hold is a problem."""
    if not case.trust.authorities:
        return ()
    bundle, found = case.bundle, []
    stamped = [("final.checkpoint", "final.tsr", bundle.checkpoint, bundle.final_token)]
    stamped += [(f"cp.{n:03d}", f"cp.{n:03d}.tsr", each.note, each.token) for n, each in enumerate(bundle.heads, 1)]
    for name, file, note, token in stamped:
        shown = case.heads.of_note(note)
        if token is None or shown is None:
            continue
        with case.findings.noting(where=file):
            stamp = check_token(token, note, case.trust.authorities)
            found.append(
                TokenReport(name, shown.size, stamp.at, stamp.accuracy, stamp.authority, stamp.claims_qualified)
            )
    return tuple(found)
