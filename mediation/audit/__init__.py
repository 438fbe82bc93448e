"""Auditing a bundle: what a court's expert does, with public keys only and without asking anybody.

The verifier brings its own trust (`Trust`). Then, in this order, each stage a module of its own:

1. `heads`: the final head meets that policy; every other one too, and is of the same log.
2. `proofs`: every leaf, and the hash of every withheld one, is in the log.
3. `signatures`: every stamp is the hub's; every signature is by somebody mandated at that time under that accord.
4. `chain`: numbers without a gap, each leaf chained to the one before, times never back; `tail`: what the hub logged as the
   thread's end.
5. `disclosures`: what is disclosed is what was committed to; `redactions`: what is not is what the sheet says;
   `consents`: both parties agreed to show it, where the accord asks that.
6. `bounds`: between which honest seconds each entry was made.
7. `ladder`: folded again from the first entry, it allows every entry and comes to the state the hub stamped; `clocks`: what
   is proven about every clock.

`tokens` checks time-stamps over heads by authorities that the verifier trusts, `grades` says how strong the evidence of each
entry is, `report` holds the result. Nothing here does I/O.
"""

from __future__ import annotations

from mediation.audit.clocks import ClockReport
from mediation.audit.consents import NoticeReport
from mediation.audit.findings import Problem
from mediation.audit.grades import Grade
from mediation.audit.report import (
    LIMITS,
    EntryReport,
    HeadReport,
    RedactionReport,
    Report,
    WithheldReport,
    as_dict,
)
from mediation.audit.tail import TailReport
from mediation.audit.tokens import TokenReport
from mediation.audit.trust import EPSILON, Trust
from mediation.audit.verifier import verify

__all__ = [
    "EPSILON",
    "LIMITS",
    "ClockReport",
    "EntryReport",
    "Grade",
    "HeadReport",
    "NoticeReport",
    "Problem",
    "RedactionReport",
    "Report",
    "TailReport",
    "TokenReport",
    "Trust",
    "WithheldReport",
    "as_dict",
    "verify",
]
