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
LongText = Annotated[str, msgspec.Meta(max_length=4000)]
Fraction = Annotated[str, msgspec.Meta(pattern=r"^([1-9][0-9]?/[1-9][0-9]?)?\Z")]
Direction = Literal["up", "down", "deescalate", "across"]
BUILT_IN_ROLES = ("party", "initiator", "counterpart", "mediator", "nominee", "verifier", "monitor")
"""Roles every thread has. ``initiator`` is the party that opened the thread, ``counterpart`` the other one."""

PARTY_ROLES = frozenset({"party", "initiator", "counterpart"})
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
Ground = Literal["own-network-defence", "public-safety", "legal-duty", "protect-life"]


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of everything in a ladder file: fields the file does not know are refused."""


class Rung(Rule, frozen=True):
    """A level of the ladder. ``level`` orders rungs: an `up` step raises it, a `down` step lowers it. ``forbids``: kinds
    refused on this rung; never one that always passes."""

    id: Name
    title: Sentence
    level: Annotated[int, msgspec.Meta(ge=0, le=99)]
    about: str = ""
    forbids: tuple[str, ...] = ()


class RoleRule(Rule, frozen=True):
    """A role beside the built-in ones, for a body that is not in the group: a chair, a council, the other states.

    ``held_by``: `named` by the accord for this ladder; `others` are the accord's party offices that are no party of
    the thread; `all` are all of its party offices. ``exclude``: `parties` never hold it; `nationals` leaves out every
    office of a party's state too. Holders act by taking steps, accepting, seconding and blocking them.
    """

    id: Name
    title: Sentence
    held_by: Literal["named", "others", "all"]
    exclude: tuple[Literal["parties", "nationals"], ...] = ()
    about: str = ""


class Quorum(Rule, frozen=True):
    """So many of a role's holders: ``count`` of them, or ``fraction`` (``1/3``) of all, rounded up; one of the two.

    ``within``, for seconds only: the `second-by` clock that runs from the request; when it runs out the request lapses.
    """

    role: Name
    count: Annotated[int, msgspec.Meta(ge=0, le=500)] = 0
    fraction: Fraction = ""
    within: str = ""


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
    stays. ``trigger``: the kind that takes it; only `step-request` names the step itself. ``who``: roles that may take
    it. ``consent``: `none` takes effect at once, `other` when the other party accepts, a declared role when one of its
    holders does. ``seconded_by``: and when so many have seconded it (Berlin Mechanism). ``blocked_by``: the request
    waits for the clock that moves it and falls when so many block it (CWC art. IX.17). ``evidence``: kinds of which
    the request must name at least one entry each. ``needs_option``: only open to an office that holds an option for
    it. ``early_exit``: may be requested without the option, then takes effect on acceptance only (DSU art. 4.7).
    ``negative_consensus``: a clock may take it by running out. ``two_person``: its request needs a drafter and a
    different releaser. ``stops``: clocks that become pointless, by agreement. ``suspends``, ``resumes``: another forum
    is seized, or no longer. ``track``: clocks that start from now on use their value for that track.
    """

    id: Name
    title: Sentence
    direction: Direction
    start: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = msgspec.field(name="from")
    to: str = ""
    trigger: str = "step-request"
    who: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1)] = ("party",)
    consent: Name = "other"
    needs_option: bool = False
    early_exit: bool = False
    negative_consensus: bool = False
    two_person: bool = False
    standstill: StandstillRule | None = None
    stops: tuple[Name, ...] = ()
    seconded_by: Quorum | None = None
    blocked_by: Quorum | None = None
    evidence: Annotated[tuple[str, ...], msgspec.Meta(max_length=8)] = ()
    suspends: bool = False
    resumes: bool = False
    track: str = ""


class Timeout(Rule, frozen=True):
    """What a clock's running out brings: an ``option`` for a step (or for the default appointment) to ``to``
    (`requester`, `respondent`, `either` or a role), or, only where the step says `negative_consensus`, the step itself
    (``moves``)."""

    option: str = ""
    to: Name = "either"
    moves: str = ""


class Gives(Rule, frozen=True):
    """The ``step`` that is an option of ``to`` while a window is open, and neither before nor after."""

    step: Name
    to: Name = "either"


class ClockRule(Rule, frozen=True):
    """A time limit.

    ``kind``: `reply-by` waits for somebody, `second-by` for seconds, `not-before` holds ``holds`` back, `window` is
    open from ``opens`` (absent: from its start) to its end and meanwhile ``gives`` an option, `duration` and `cap`
    simply end. ``after`` and ``opens``: ISO 8601, counted from the start (`mediation.durations`); ``tracks``: another
    length for threads put on that track. ``starts``: the event it runs from; ``of``: the kind (for `receipt`,
    `admission`) or the step (for `request`, `acceptance`, `opening`). ``who``: who must act: `respondent`, `both`,
    `nominee`, `requester` or a role. ``met_by``: kinds that meet it when they refer to the entry it is about (or refer
    to none); ``met_by_any``: kinds that meet it whatever they refer to; ``met_by_steps``: steps whose being taken meets
    it. ``extend``: who may lengthen it: `requester`, `mutual` (both parties), `consensus` (mediators too), `nobody`, or
    a role, all of whose holders must agree. ``page``: its running out pages the respondent's alternate. ``wording``:
    the neutral sentence shown when it has run out. ``check`` and ``why``: where the number comes from (S read in the
    source, T known treaty text not read again, A arithmetic, D own choice).
    """

    id: Name
    title: Sentence
    kind: Literal["reply-by", "not-before", "duration", "window", "cap", "second-by"]
    after: str
    starts: StartsFrom = msgspec.field(name="from")
    check: Literal["S", "T", "A", "D"]
    why: Sentence
    of: str = ""
    who: Name = msgspec.field(name="for", default="both")
    met_by: tuple[str, ...] = ()
    met_by_any: tuple[str, ...] = ()
    met_by_steps: tuple[Name, ...] = ()
    timeout: Timeout | None = None
    extend: Name = "mutual"
    page: bool = False
    holds: tuple[Name, ...] = ()
    opens: str = ""
    gives: Gives | None = None
    tracks: dict[Name, str] = {}
    wording: str = ""


class KindRule(Rule, frozen=True):
    """Who may send a kind, on which rungs (empty: every rung but the closed one), and whether two people must."""

    who: tuple[Name, ...]
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
    """The TOML file, field for field.

    ``uses``: groups of kinds (`mediation.kind_groups`); an entry under ``kinds`` overrides theirs. ``sunset``: a date
    (``2040-01-01``); from its beginning, UTC, no new thread opens. ``notes``: where a model departs from its text.
    """

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
    kinds: dict[str, KindRule] = {}
    uses: tuple[str, ...] = ()
    role: Annotated[tuple[RoleRule, ...], msgspec.Meta(max_length=20)] = ()
    monitoring: str = ""
    mediation: MediationRule | None = None
    limits: Limits = Limits()
    sunset: str = ""
    preamble: LongText = ""
    notes: tuple[LongText, ...] = ()
