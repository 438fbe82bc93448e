"""The ladder file, structure by structure: what the author of a ladder writes.

`mediation.ladder` makes the fold's tables from it, `mediation.ladder_check` refuses a file that contradicts itself.
Names that TOML has and Python reserves are renamed: ``from`` is `StepRule.start` and `ClockRule.starts`, ``for`` is
`ClockRule.who`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from protocols.kinds import Name

Sentence = Annotated[str, msgspec.Meta(min_length=1, max_length=400)]
Direction = Literal["up", "down", "deescalate", "across"]
ThreadRole = Literal["party", "mediator", "nominee", "verifier", "monitor"]
StartsFrom = Literal[
    "receipt",
    "admission",
    "request",
    "acceptance",
    "opening",
    "appointment",
    "declaration",
    "objection",
    "mediators-admitted",
    "settlement",
    "close",
]
Beneficiary = Literal["requester", "respondent", "either"]
Ground = Literal["own-network-defence", "public-safety", "legal-duty", "protect-life"]


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of everything in a ladder file: fields the file does not know are refused."""


class Rung(Rule, frozen=True):
    """A level of the ladder. ``level`` orders rungs: an `up` step raises it, a `down` step lowers it."""

    id: Name
    title: Sentence
    level: Annotated[int, msgspec.Meta(ge=0, le=99)]
    about: str = ""


class StandstillRule(Rule, frozen=True):
    """What is forbidden while ``clock`` runs. Nobody can lift or shorten it, the hub's operator included.

    Steps of ``forbids_directions`` and ``forbids_steps`` cannot be requested, accepted or happen by silence; kinds in
    ``forbids_kinds`` are refused. ``carve_outs`` are the grounds of permitted acts that may be announced.
    Source: Bryan treaties, RLA section 5, Watercourses Convention art. 18.
    """

    clock: Name
    forbids_kinds: tuple[str, ...] = ()
    forbids_directions: tuple[Direction, ...] = ("up",)
    forbids_steps: tuple[Name, ...] = ()
    carve_outs: tuple[Ground, ...] = ()


class StepRule(Rule, frozen=True):
    """A move between rungs.

    ``start``: rungs it can be taken from, ``*`` for every open one. ``to``: the rung it leads to; empty: the rung
    stays. ``trigger``: the kind that takes it; only `step-request` names the step itself. ``consent``: `none` takes
    effect at once, `other` when the other party accepts. ``needs_option``: only open to an office that holds an option
    for it. ``early_exit``: may be requested without the option, then takes effect on acceptance only (DSU art. 4.7).
    ``negative_consensus``: a clock may take it by running out (CWC art. IX). ``two_person``: its request needs a
    drafter and a different releaser. ``stops``: clocks that become pointless, by agreement.
    """

    id: Name
    title: Sentence
    direction: Direction
    start: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = msgspec.field(name="from")
    to: str = ""
    trigger: str = "step-request"
    who: tuple[ThreadRole, ...] = ("party",)
    consent: Literal["none", "other"] = "other"
    needs_option: bool = False
    early_exit: bool = False
    negative_consensus: bool = False
    two_person: bool = False
    standstill: StandstillRule | None = None
    stops: tuple[Name, ...] = ()


class Timeout(Rule, frozen=True):
    """What a clock's running out brings: an ``option`` for a step (or for the default appointment) to ``to``, or, only
    where the step says `negative_consensus`, the step itself (``moves``)."""

    option: str = ""
    to: Beneficiary = "either"
    moves: str = ""


class ClockRule(Rule, frozen=True):
    """A time limit.

    ``kind``: `reply-by` waits for somebody, `not-before` holds ``holds`` back, `duration`, `window` and `cap` simply
    end. ``after``: ISO 8601. ``starts``: the event it runs from; ``of``: the kind (for `receipt`, `admission`) or
    the step (for `request`, `acceptance`, `opening`). ``who``: who must act. ``met_by``: kinds that meet it when they
    refer to the entry it is about (or refer to none); ``met_by_any``: kinds that meet it whatever they refer to.
    ``extend``: who may lengthen it. ``page``: its running out pages the respondent's alternate.
    ``check`` and ``why``: where the number comes from (S read in the source, T known treaty text, A arithmetic, D own
    choice).
    """

    id: Name
    title: Sentence
    kind: Literal["reply-by", "not-before", "duration", "window", "cap"]
    after: str
    starts: StartsFrom = msgspec.field(name="from")
    check: Literal["S", "T", "A", "D"]
    why: Sentence
    of: str = ""
    who: Literal["respondent", "both", "nominee"] = msgspec.field(name="for", default="both")
    met_by: tuple[str, ...] = ()
    met_by_any: tuple[str, ...] = ()
    timeout: Timeout | None = None
    extend: Literal["requester", "mutual", "consensus", "nobody"] = "mutual"
    page: bool = False
    holds: tuple[Name, ...] = ()


class KindRule(Rule, frozen=True):
    """Who may send a kind, on which rungs (empty: every rung but the closed one), and whether two people must."""

    who: tuple[ThreadRole, ...]
    rungs: tuple[Name, ...] = ()
    two_person: bool = False


class MediationRule(Rule, frozen=True):
    """The step that opens mediation and the clocks of its parts, by id."""

    step: Name
    nominations: Name
    default_appointment: Name
    nominee_answer: Name
    objections: Name
    objection_answer: Name
    duration: Name


class Limits(Rule, frozen=True):
    """Bounds that keep the state small: open requests of one office, stations of one office, longest extension."""

    open_questions: Annotated[int, msgspec.Meta(ge=1, le=32)] = 8
    stations: Annotated[int, msgspec.Meta(ge=1, le=64)] = 16
    extension: str = "P366D"


class LadderFile(Rule, frozen=True):
    """The TOML file, field for field."""

    format: Literal[1]
    id: Name
    title: Sentence
    status: str
    source: str
    review: str
    start: Name
    closed: Name
    rung: Annotated[tuple[Rung, ...], msgspec.Meta(min_length=2, max_length=50)]
    step: Annotated[tuple[StepRule, ...], msgspec.Meta(min_length=1, max_length=100)]
    clock: Annotated[tuple[ClockRule, ...], msgspec.Meta(max_length=100)]
    kinds: dict[str, KindRule]
    monitoring: str = ""
    mediation: MediationRule | None = None
    limits: Limits = Limits()
