"""What the stages hand on: the bundle, the verifier's trust, and of each entry what is established so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mediation.audit.findings import Findings
from mediation.audit.heads import Heads
from mediation.audit.trust import Trust
from mediation.ladder import Ladder
from protocols.accord import SignedAccord
from protocols.bundle import Bundle, Exhibit
from protocols.entry import Entry, Stamp, VerifiedEntry
from protocols.mandate import MandateBook
from protocols.translog import Bounds

UNKNOWN = Bounds(None, None)


@dataclass
class Item:
    """One entry as far as it is established: each stage fills in its part, and clears ``sound`` where it fails.

    ``index``: where the log holds it, by its inclusion proof. ``entry``: what the leaf says, from the stage of signatures
    on; None for a withheld one. ``stamp``: the hub's, its signature checked. ``verified``: signatures and mandates hold.
    ``fields``: what is disclosed. ``bounds``: when it was made; ``stamp_off``: by how many seconds, at the least, the stamp
    says otherwise. ``bound``: for a withheld one, that the next stamp names it. ``rung``: after it, empty where the ladder
    was not replayed so far.
    """

    seq: int
    exhibit: Exhibit
    sound: bool = True
    index: int | None = None
    entry: Entry | None = None
    stamp: Stamp | None = None
    verified: VerifiedEntry | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    bounds: Bounds = UNKNOWN
    stamp_off: int = 0
    bound: bool = False
    rung: str = ""


@dataclass
class Case:
    """Everything the stages work on."""

    bundle: Bundle
    trust: Trust
    accord: SignedAccord
    heads: Heads
    findings: Findings
    items: list[Item]
    ladder: Ladder | None
    book: MandateBook
