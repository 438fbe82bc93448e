"""The ladder file, structure by structure: what the author of a ladder writes.

`mediation.ladder` makes the fold's tables from it, `mediation.ladder_check` refuses a file that contradicts itself.
Names that TOML has and Python reserves are renamed: ``from`` is `StepRule.start` and `ClockRule.starts`, ``for`` is
`ClockRule.who`. Each field is described in its structure's docstring as an item of a list, "- ``field``: ..."; the
reference and the JSON Schema are made from them (`mediation.schema`).
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
OTHER = "other"
"""The word for the party that did not send it."""
DEFAULT_APPOINTMENT = "default-appointment"
"""The one option that is no step: to have a mediator appointed by sending that kind."""

StartsFrom = Literal[
    "receipt",
    "admission",
    "request",
    "acceptance",
    "opening",
    "appointment-due",
    "appointment",
    "declaration",
    "objection",
    "mediators-admitted",
    "settlement",
    "close",
]
Ground = Literal["own-network-defence", "public-safety", "legal-duty", "protect-life"]


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of everything in a ladder file: fields the file does not know are refused.

    - ``id``: the name by which other parts of the file, entries and refusals refer to it.
    - ``title``: what people read.
    - ``about``: a sentence or two more, for people.
    """


class Rung(Rule, frozen=True):
    """A level of the ladder, on which a thread stands.

    - ``level``: orders rungs: an `up` step raises it, a `down` step lowers it. Rungs may share a level.
    - ``forbids``: kinds refused on this rung; never one that always passes.
    """

    id: Name
    title: Sentence
    level: Annotated[int, msgspec.Meta(ge=0, le=99)]
    about: str = ""
    forbids: tuple[str, ...] = ()


class RoleRule(Rule, frozen=True):
    """A role beside the built-in ones, for a body that is not in the group: a chair, a council, the other states.

    Holders act by taking steps, accepting, seconding and blocking them, and by what `[kinds]` lets them send. Who holds
    a role is settled once, when the thread opens.

    - ``held_by``: `named`: the offices that the accord names for this ladder; `others`: the accord's party offices that
      are no party of the thread; `all`: all of its party offices.
    - ``exclude``: `parties` never hold it; `nationals`: nor does any other office of a party's state.
    """

    id: Name
    title: Sentence
    held_by: Literal["named", "others", "all"]
    exclude: tuple[Literal["parties", "nationals"], ...] = ()
    about: str = ""


class Quorum(Rule, frozen=True):
    """So many of a role's holders: a count of them, or a fraction of all. One office counts once.

    - ``role``: the declared role whose holders are counted.
    - ``count``: how many. Either this or a fraction.
    - ``fraction``: which part of all holders, as `1/3`, rounded up.
    - ``within``: for seconds only: the `second-by` clock that runs from the request; when it runs out, the request lapses.
    """

    role: Name
    count: Annotated[int, msgspec.Meta(ge=0, le=500)] = 0
    fraction: Fraction = ""
    within: str = ""


class StandstillRule(Rule, frozen=True):
    """What is forbidden while a clock runs. Nobody can lift or shorten it, the hub's operator included, nothing pauses it,
    and what calms always passes. Source: Bryan treaties, RLA section 5, Watercourses Convention art. 18.

    - ``clock``: the duration it lasts, which runs from the step's taking or acceptance.
    - ``forbids_kinds``: kinds that are refused meanwhile; never one that always passes.
    - ``forbids_directions``: steps of these directions cannot be requested, accepted or happen by silence.
    - ``forbids_steps``: nor can these.
    - ``carve_outs``: grounds of permitted acts that may be announced meanwhile.
    """

    clock: Name
    forbids_kinds: tuple[str, ...] = ()
    forbids_directions: tuple[Direction, ...] = ("up",)
    forbids_steps: tuple[Name, ...] = ()
    carve_outs: tuple[Ground, ...] = ()


class StepRule(Rule, frozen=True):
    """A move between rungs, or an act of the ladder that leaves the rung where it is.

    - ``direction``: `up` raises the level, `down` lowers it, `deescalate` calms (cooling-off, mediation), `across` is
      neither.
    - ``start``: rungs it can be taken from; `*` for every open one.
    - ``to``: the rung it leads to; empty: the rung stays.
    - ``trigger``: the kind that takes it by being sent; only `step-request` names the step itself.
    - ``who``: roles that may take it, built in or declared.
    - ``consent``: `none`: takes effect at once; `other`: when the other party accepts; a declared role: when one of its
      holders accepts.
    - ``needs_option``: only open to an office that holds an option for it, which a clock gave.
    - ``early_exit``: may be requested without the option, then takes effect on acceptance only (DSU art. 4.7).
    - ``negative_consensus``: a clock may take it by running out, without anybody's act.
    - ``two_person``: its request needs a drafter and a different releaser.
    - ``standstill``: what it forbids for a while.
    - ``stops``: clocks that become pointless, by agreement; never a standstill's.
    - ``seconded_by``: takes effect when so many have seconded it too (Berlin Mechanism).
    - ``blocked_by``: the request waits for the clock that moves it and falls when so many block it (CWC art. IX.17).
    - ``evidence``: kinds of which the request must name at least one entry each, sent before in this thread.
    - ``suspends``: another forum is seized: clocks pause, save a standstill's; steps up and across wait.
    - ``resumes``: the other forum is left: paused clocks go on and end later by exactly the pause.
    - ``track``: puts the thread on this track: clocks that start from then on use their value for it.
    - ``when_taken``: the option that its being taken opens, for a body that acts when it is asked to (ICSID mediation
      rule 13; UNCLOS annex V art. 3(e)).
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
    when_taken: Timeout | None = None


class Timeout(Rule, frozen=True):
    """What a clock's running out brings: an option, or, only where a step declares negative consensus, the step itself.

    - ``option``: the step that may then be taken; `default-appointment` in a mediation.
    - ``to``: who may take it: `requester`, `respondent`, `either` or a role.
    - ``moves``: the step that takes effect by silence; it says `negative_consensus`.
    """

    option: str = ""
    to: Name = "either"
    moves: str = ""


class Gives(Rule, frozen=True):
    """What is open while a window is, and neither before nor after.

    - ``step``: the step that may be taken.
    - ``to``: who may take it: `requester`, `respondent`, `either` or a role.
    """

    step: Name
    to: Name = "either"


class ClockRule(Rule, frozen=True):
    """A time limit.

    - ``kind``: `reply-by` waits for somebody; `second-by` waits for seconds; `not-before` holds steps back; `window` is
      open from ``opens`` (absent: from its start) to its end; `duration` and `cap` simply end.
    - ``after``: how long, from the start (ISO 8601; months and years count on the calendar).
    - ``starts``: the event it runs from. `appointment-due`: the body of `appointed_by` may appoint; the clock stops when
      it no longer may.
    - ``of``: of which kind (for `receipt`, `admission`) or which step (for `request`, `acceptance`, `opening`); `receipt`
      takes either: the receipt of a step is that of the entry that asks for it, or takes it by being sent.
    - ``by``: for `receipt`: whose; `other`: the party that did not send it; `initiator`, `counterpart` or a declared role,
      of whose holders the first to sign counts, and which is sent the entry for that.
    - ``who``: who must act: `respondent`, `both`, `nominee`, `requester` or a role.
    - ``met_by``: kinds that meet it when they refer to the entry it is about, or refer to none.
    - ``met_by_any``: kinds that meet it whatever they refer to.
    - ``met_by_steps``: steps whose being taken meets it.
    - ``timeout``: what its running out brings.
    - ``when_met``: the option that opens when it is met in time, for a side that the answer does not satisfy (Vienna
      Document, chapter III, para 16; CWC art. IX.3).
    - ``extend``: who may lengthen it: `requester`, `mutual` (both parties), `consensus` (mediators too), `nobody`, or a
      role, all of whose holders must agree. Nobody can shorten it.
    - ``page``: its running out pages the respondent's alternate.
    - ``holds``: steps that nobody may take while it runs (`not-before` only).
    - ``opens``: for a window: how long after the start it opens.
    - ``gives``: for a window: what is open while it is.
    - ``tracks``: its length for threads that were put on a track.
    - ``wording``: the neutral sentence shown when it has run out.
    - ``check``: where the number comes from: `S` read in the source, `T` known treaty text not read again (shown as
      *unverified*), `A` arithmetic from other numbers (shown as *inferred*), `D` the author's own choice.
    - ``why``: the same in words.
    """

    id: Name
    title: Sentence
    kind: Literal["reply-by", "not-before", "duration", "window", "cap", "second-by"]
    after: str
    starts: StartsFrom = msgspec.field(name="from")
    check: Literal["S", "T", "A", "D"]
    why: Sentence
    of: str = ""
    by: Name = OTHER
    who: Name = msgspec.field(name="for", default="both")
    met_by: tuple[str, ...] = ()
    met_by_any: tuple[str, ...] = ()
    met_by_steps: tuple[Name, ...] = ()
    timeout: Timeout | None = None
    when_met: Timeout | None = None
    extend: Name = "mutual"
    page: bool = False
    holds: tuple[Name, ...] = ()
    opens: str = ""
    gives: Gives | None = None
    tracks: dict[Name, str] = {}
    wording: str = ""


class KindRule(Rule, frozen=True):
    """Who may send a kind.

    - ``who``: roles, built in or declared.
    - ``rungs``: where; empty: on every rung but the closed one.
    - ``two_person``: needs a drafter and a different releaser.
    """

    who: tuple[Name, ...]
    rungs: tuple[Name, ...] = ()
    two_person: bool = False


class MediationRule(Rule, frozen=True):
    """The step that opens mediation and the clocks of its parts.

    - ``step``: the step; its `to` may be empty, so that mediation runs beside the rung.
    - ``nominations``: the clock for both sealed lists, from the step's opening.
    - ``default_appointment``: the clock after which a mediator may be appointed without agreement, from the opening.
    - ``nominee_answer``: the clock for the nominee's acceptance and declaration, from the appointment.
    - ``objections``: the window for objections, from the declaration.
    - ``objection_answer``: the clock for answering an objection that names a condition, from the objection.
    - ``duration``: how long the mediators work, from their admission.
    - ``appointed_by``: the declared role, of no party, whose holder appoints where the parties do not agree; no party does
      it in its place, unless a clock gives it the option too. Empty: either party has the roster's first appointed.
    - ``appoints``: `first`: the first office of the roster without objection; `any`: any such office, as the body chooses.
    - ``exclude``: `nationals`: an office of a party's state is never chosen or appointed.
    """

    step: Name
    nominations: Name
    default_appointment: Name
    nominee_answer: Name
    objections: Name
    objection_answer: Name
    duration: Name
    appointed_by: str = ""
    appoints: Literal["first", "any"] = "first"
    exclude: tuple[Literal["nationals"], ...] = ()


class Limits(Rule, frozen=True):
    """Bounds that keep the state small.

    - ``open_questions``: open requests of one office.
    - ``stations``: stations of one office in a thread.
    - ``extension``: how far from now a clock's end may be moved at most (ISO 8601, of fixed length).
    """

    open_questions: Annotated[int, msgspec.Meta(ge=1, le=32)] = 8
    stations: Annotated[int, msgspec.Meta(ge=1, le=64)] = 16
    extension: str = "P366D"


class LadderFile(Rule, frozen=True):
    """The TOML file, field for field.

    - ``format``: the version of this language.
    - ``id``: the ladder's name in accords and refusals.
    - ``status``: its legal status, as in *design proposal* or *treaty model, not legal advice*.
    - ``source``: the texts it is modelled on.
    - ``review``: how often those who adopted it look at it again (ISO 8601).
    - ``sunset``: a date (`2040-01-01`); from its beginning, UTC, no new thread opens. Open ones go on.
    - ``preamble``: what the parties say before the rules, for people.
    - ``notes``: where a model departs from its text, one sentence each.
    - ``start``: the rung a thread begins on.
    - ``monitoring``: the rung on which an agreement is watched, if there is one.
    - ``closed``: the rung of a thread that both parties closed; no step leads to it or from it.
    - ``rung``: the levels.
    - ``role``: roles beside the built-in ones.
    - ``step``: the steps.
    - ``clock``: the clocks.
    - ``uses``: groups of kinds; an entry under `kinds` overrides theirs.
    - ``kinds``: who may send what, by kind. A kind that is not here or in a group is refused, unless it always passes.
    - ``mediation``: how mediators are chosen, if the ladder has mediation.
    - ``limits``: bounds.
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
