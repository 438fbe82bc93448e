"""What an auditor is told: every sentence of it was proven, except where it says that it is a claim."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from mediation.audit.clocks import ClockReport
from mediation.audit.consents import NoticeReport
from mediation.audit.findings import Problem
from mediation.audit.grades import Grade
from mediation.audit.tail import TailReport
from mediation.audit.tokens import TokenReport
from mediation.consent import Consented

LIMITS = (
    "A bundle cannot show that no entry came after its last one, unless its tail is proven, nor that no mandate was "
    "revoked by a paper that is not in it. Compare it with the other party's bundle, or with a fresh head of the log."
)


@dataclass(frozen=True, slots=True)
class RedactionReport:
    """Something left out of an entry, as the bundle's maker says: all of it where ``fields`` is empty."""

    by: str
    reason: str
    words: str
    label: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EntryReport:
    """One entry as far as it could be checked.

    ``at`` (the hub's stamp, ms UTC) and ``claimed`` (the author's clock) are claims; what is proven is that it was made
    after ``after`` and existed by ``by`` (POSIX seconds of honest clocks, None: not known). ``stamp_off``: by how many seconds,
    at the least, the stamp is proven wrong. ``officers``: key ids of
    releaser and drafter. ``rung``: after this entry, empty where the ladder could not be replayed that far. ``fields``:
    what is disclosed of the body. ``hidden``: how many fields may still be hidden (an upper bound: decoys count too).
    ``grade``: see `mediation.audit.grades`, None where it is not proven to be in the log. ``consents``: of each disclosed
    field, whether both parties agreed to show it (`mediation.consent`).
    """

    seq: int
    id: str
    index: int
    at: int
    claimed: str
    kind: str
    title: str
    office: str
    station: str
    officers: tuple[str, ...]
    precedence: str
    tlp: str
    act: Mapping[str, Any]
    rung: str
    fields: Mapping[str, Any]
    hidden: int
    after: int | None
    by: int | None
    stamp_off: int
    grade: Grade | None
    redactions: tuple[RedactionReport, ...] = ()
    consents: Mapping[str, Consented] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WithheldReport:
    """An entry that is left out. ``named``: the entry after it, or the tail, names its ``digest``; else only that there is
    an entry of this number is certain. ``index``, ``by``, ``grade``: of the leaf that the bundle says it is."""

    seq: int
    index: int
    leaf_hash: str
    digest: str
    named: bool
    by: int | None
    grade: Grade | None
    redactions: tuple[RedactionReport, ...] = ()


@dataclass(frozen=True, slots=True)
class HeadReport:
    """A head of the log. ``witnesses``: names of the verifier's policy, to POSIX seconds by their own clocks."""

    name: str
    size: int
    digest: str
    witnesses: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Report:
    """The whole. ``head_size`` and ``witnesses`` are the final head's. ``rung`` is that after the last entry. ``replayed``:
    up to which entry the ladder was replayed; what the state was later is the hub's claim. ``liars``: how many witnesses
    may lie without any time in here becoming wrong, ``epsilon``: how many seconds honest clocks may be off. ``disclosure``:
    whose consent the accord asks for, ``notices``: what the parties told each other about showing words to outsiders."""

    thread: str
    ladder: str
    accord: str
    accord_title: str
    status: str
    head_size: int
    witnesses: Mapping[str, int]
    liars: int
    epsilon: int
    rung: str
    replayed: int
    entries: tuple[EntryReport, ...]
    withheld: tuple[WithheldReport, ...]
    clocks: tuple[ClockReport, ...]
    heads: tuple[HeadReport, ...]
    tail: TailReport | None
    tokens: tuple[TokenReport, ...]
    problems: tuple[Problem, ...]
    allow_withheld: bool = False
    disclosure: str = ""
    notices: tuple[NoticeReport, ...] = ()
    limits: str = LIMITS

    @property
    def sound(self) -> bool:
        """Whether nothing that is in the bundle fails a check."""
        return not self.problems and bool(self.entries)

    @property
    def whole(self) -> bool:
        """Whether no entry is withheld, and none is missing that the proven tail counts."""
        return not self.withheld and not self.missing

    @property
    def missing(self) -> int:
        """How many entries came after the last one of the bundle, by the proven tail."""
        return max(0, self.tail.seq - len(self.entries) - len(self.withheld)) if self.tail is not None else 0

    @property
    def holds(self) -> bool:
        """Whether everything that a bundle can show is shown; the verifier may have allowed entries to be left out."""
        return self.sound and (self.whole or self.allow_withheld)


def as_dict(report: Report) -> dict[str, Any]:
    """For JSON: the verdicts first."""
    verdicts = {"holds": report.holds, "sound": report.sound, "whole": report.whole, "missing": report.missing}
    return {**verdicts, **msgspec.to_builtins(report)}
