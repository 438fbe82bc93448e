"""The catalogue of entry kinds: who writes each, what its readable act holds, which sealed fields its body may carry.

The *act* is what the hub and the ladder read: which step, which clock, which nominee. The *body* is what people
wrote to each other; only the members of the thread read it. A kind that is not here does not exist; the ladder
decides when a kind that does exist may be sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Any, Literal, cast

import msgspec

from protocols.attachment import ATTACHMENTS, attachments_of
from protocols.encoding import Malformed
from protocols.errors import RemoteError

Text = Annotated[str, msgspec.Meta(max_length=200)]
Id = Annotated[str, msgspec.Meta(min_length=43, max_length=43, pattern=r"^[A-Za-z0-9_-]{43}\Z")]
OfficeId = Annotated[str, msgspec.Meta(pattern=r"^[A-Z][A-Z0-9]{1,7}\Z")]
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")]
Code = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9.-]{0,63}\Z")]
Millis = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799_999)]
"""An instant, milliseconds UTC, to the end of the year 9999: beyond it there is no text for it (RFC 3339)."""


class UnknownKind(RemoteError):
    """The entry names a kind that this catalogue does not hold."""

    code = "entry.unknown-kind"
    _sentence = (
        "The message is of a kind this line does not know. It was refused and nothing was changed. "
        "The sender may be running a newer version: ask them by phone."
    )


class BadAct(RemoteError):
    """The readable part of the entry is not of the form its kind prescribes."""

    code = "entry.bad-act"
    _sentence = (
        "The readable part of the message is not in the form its kind prescribes. "
        "It was refused and nothing was changed."
    )


class BadBody(RemoteError):
    """The sealed body lacks a field its kind prescribes, or has one it does not know."""

    code = "entry.bad-body"
    _sentence = (
        "The sealed content of the message is not in the form its kind prescribes. It was refused; "
        "ask the sender to send it again."
    )


class Author(Enum):
    """Who signs an entry of a kind: an officer (with the station), the station alone, or the hub."""

    OFFICER = "officer"
    STATION = "station"
    HUB = "hub"


class Act(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of all acts. An empty act is `{}`."""


class Empty(Act, frozen=True):
    """Nothing readable beyond the kind itself."""


class Member(Act, frozen=True):
    """One station in the roster of a thread: key id of its signing key, and its office."""

    station: Id
    office: OfficeId


class Open(Act, frozen=True):
    """Opens a thread. ``ladder`` is the id under which the accord names it; ``parties`` are the two states.

    Parts of the entry: ``group_info`` (epoch 0), ``commit`` (to epoch 1), ``welcome``; ``roster`` is epoch 1's.
    """

    ladder: Name
    parties: tuple[OfficeId, OfficeId]
    roster: tuple[Member, ...]


class Rekey(Act, frozen=True):
    """A commit: the roster after it and the epoch of the line it makes. Parts: ``commit``; when somebody joins,
    ``welcome``; ``external``, a GroupInfo by which a member that loses its keys can come back."""

    epoch: Annotated[int, msgspec.Meta(ge=1)]
    adds: tuple[Member, ...] = ()
    removes: tuple[Member, ...] = ()


class Followed(Act, frozen=True):
    """The sending station holds the keys of this epoch of the line."""

    epoch: Annotated[int, msgspec.Meta(ge=1)]


class CannotFollow(Act, frozen=True):
    """The sending station cannot enter the epoch that ``entry`` made; ``code`` is that of the check that failed."""

    epoch: Annotated[int, msgspec.Meta(ge=1)]
    entry: Id
    code: Code


class Rejoin(Act, frozen=True):
    """A member station that lost its keys comes back by a commit of its own; the roster stays. Part: ``commit``."""

    epoch: Annotated[int, msgspec.Meta(ge=1)]


class Resealed(Act, frozen=True):
    """Entries of the sending station's own whose keys were taken back; their disclosures are in the body."""

    entries: Annotated[tuple[Id, ...], msgspec.Meta(min_length=1, max_length=500)]


class About(Act, frozen=True):
    """Refers to one earlier entry: what is received, acknowledged, answered, held, authenticated."""

    entry: Id


class Received(About, frozen=True):
    """The sending station has ``entry``, and ``also`` what came with it: one signature for a burst of messages."""

    also: Annotated[tuple[Id, ...], msgspec.Meta(max_length=255)] = ()

    @property
    def entries(self) -> tuple[str, ...]:
        """All that it signs for."""
        return self.entry, *self.also


class Supersede(Act, frozen=True):
    """An update; ``supersedes`` names the entry it replaces, if it replaces one. The old one stays readable."""

    supersedes: Id | None = None


class Ask(Act, frozen=True):
    """A clarification request with ``questions`` numbered questions in its body."""

    questions: Annotated[int, msgspec.Meta(ge=1, le=50)]
    preservation: bool = False


AnswerState = Literal["answered", "refused", "later"]


class Answer(Act, frozen=True):
    """Answers to a clarification request: one state a question, in order. A later answer may improve an earlier one."""

    entry: Id
    answers: Annotated[tuple[AnswerState, ...], msgspec.Meta(min_length=1, max_length=50)]


class Verdict(Act, frozen=True):
    """Answer to an authenticity query: ours, not ours, or cannot say yet."""

    entry: Id
    verdict: Literal["ours", "not-ours", "unknown"]


class Step(Act, frozen=True):
    """Asks for (or, where the ladder needs no consent, takes) a step of the ladder. ``evidence``: entries of this
    thread it rests on, where the ladder asks for some."""

    step: Name
    evidence: Annotated[tuple[Id, ...], msgspec.Meta(max_length=8)] = ()


class StepAnswer(Act, frozen=True):
    """Accepts, declines, seconds or blocks a step request. A decline carries its reason in the body."""

    request: Id
    step: Name


class Extension(Act, frozen=True):
    """Lengthens a clock. ``until`` is the new end, milliseconds UTC; never earlier than the old one."""

    clock: Text
    until: Millis


class Breach(Act, frozen=True):
    """Reports a breach of the standstill. ``verifier`` may name a monitor or mediator office asked to look at it."""

    verifier: OfficeId | None = None


class Finding(Act, frozen=True):
    """A verifier's finding about a report."""

    entry: Id
    finding: Literal["breach", "accidental", "not-a-breach", "undetermined"]


class CarveOut(Act, frozen=True):
    """Announces an act that a standstill permits, and on which ground."""

    ground: Literal["own-network-defence", "public-safety", "legal-duty", "protect-life"]


class Nominate(Act, frozen=True):
    """A sealed nomination: base64url SHA-256 of the `Reveal` text (see `protocols.nomination`)."""

    digest: Id


class Reveal(Act, frozen=True):
    """Opens a sealed nomination: the nominees in order of preference and the salt (32 bytes, base64url)."""

    nomination: Id
    nominees: Annotated[tuple[OfficeId, ...], msgspec.Meta(min_length=1, max_length=10)]
    salt: Id


class Appointment(Act, frozen=True):
    """Appoints a mediator without the parties' agreement: ``mediator`` where the ladder lets the appointing body choose,
    else the first office of the roster without objection."""

    mediator: OfficeId | None = None


class Objection(Act, frozen=True):
    """Objects to a nominee. With ``co_mediator`` the objector accepts the nominee beside that office."""

    mediator: OfficeId
    co_mediator: OfficeId | None = None


class ObjectionAnswer(Act, frozen=True):
    """Agrees or not to an objection's condition."""

    objection: Id
    agree: bool


class Waiver(Act, frozen=True):
    """Waives further objections to the named mediators."""

    mediators: Annotated[tuple[OfficeId, ...], msgspec.Meta(min_length=1, max_length=10)]


class Scope(Act, frozen=True):
    """The history handed to the mediators: everything since a rung was entered, plus named entries."""

    from_rung: Name | None = None
    entries: Annotated[tuple[Id, ...], msgspec.Meta(max_length=500)] = ()


class Admission(Act, frozen=True):
    """One party's consent to admit these mediators with this scope. It needs the other party's, word for word."""

    mediators: Annotated[tuple[OfficeId, ...], msgspec.Meta(min_length=1, max_length=10)]
    scope: Scope


class Withdrawal(Act, frozen=True):
    """A party withdraws its consent to a mediator, or a mediator withdraws itself."""

    mediator: OfficeId


class Handover(Act, frozen=True):
    """Hands named earlier entries to the newly admitted: their disclosures are in the body."""

    entries: Annotated[tuple[Id, ...], msgspec.Meta(max_length=500)]


class Proposal(Act, frozen=True):
    """A version of the single text. The body's ``text`` field holds every language version together."""

    version: Annotated[int, msgspec.Meta(ge=1, le=10_000)]
    languages: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1, max_length=20)] = ("en",)


class ProposalAnswer(Act, frozen=True):
    """Accepts or refuses one proposal, named by its entry."""

    proposal: Id
    version: Annotated[int, msgspec.Meta(ge=1, le=10_000)]


class Complaint(Act, frozen=True):
    """The sending station could not take the text of ``entry`` for what its author signed; ``code`` is that of the check
    that failed."""

    entry: Id
    code: Code


class Portion(Act, frozen=True):
    """Fields of the body of one earlier entry of the thread, named by its number (``seq``)."""

    seq: Annotated[int, msgspec.Meta(ge=1, le=100_000)]
    fields: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1, max_length=32)]


MAX_PORTIONS = 500
"""Entries that one notice of disclosure names: what an act of 65,535 bytes holds, with room to spare."""
Recipient = Literal["court", "arbitrator", "investigator", "legislature", "public", "other"]


class DisclosureNotice(Act, frozen=True):
    """One party tells the other which words of this thread it shows, or (``made``) has shown, to somebody outside.

    ``recipient``: whom; the body says it more exactly. ``portions``: which fields of which entries, each entry once, by
    number. ``sheet``: SHA-256 of the redaction sheet of the bundle they go into, where there is one already.
    """

    recipient: Recipient
    portions: Annotated[tuple[Portion, ...], msgspec.Meta(min_length=1, max_length=500)]
    made: bool = False
    sheet: Id | None = None


class DisclosureConsent(Act, frozen=True):
    """The other party's yes or no to a notice of disclosure, named by its entry."""

    notice: Id
    agree: bool


class Expired(Act, frozen=True):
    """The hub's neutral note that a clock ran out. ``end`` and ``late`` in milliseconds."""

    clock: Text
    end: Millis
    late: Millis = 0


class Kind(msgspec.Struct, frozen=True):
    """One kind of the catalogue.

    ``act``: type of the readable part. ``fields``: names the sealed body may hold (empty: no body).
    ``required``: those it must hold.
    ``receipt``: the receiver's station answers with a signed receipt, from which clocks run.
    ``content``: people wrote it to each other (counts for crossing). ``always``: passes in every state of every ladder
    (de-escalation, acknowledgement, safety of life). ``outside``: may come from an office that is not (yet) a member.
    """

    name: str
    title: str
    author: Author
    act: type[Act]
    fields: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    receipt: bool = False
    content: bool = False
    always: bool = False
    outside: bool = False


def _kinds(*kinds: Kind) -> dict[str, Kind]:
    return {kind.name: kind for kind in kinds}


_O, _S, _H = Author.OFFICER, Author.STATION, Author.HUB
_TEXT = ("text", "subject", "language", *ATTACHMENTS)

KINDS: dict[str, Kind] = _kinds(
    # the thread itself
    Kind("open", "Thread opened", _S, Open),
    Kind("rekey", "Keys renewed", _S, Rekey),
    Kind("rejoin", "Came back after losing its keys", _S, Rejoin),
    Kind("followed", "Keys followed", _S, Followed, always=True),
    Kind("cannot-follow", "Keys cannot be followed", _S, CannotFollow, always=True),
    Kind("resealed", "Sealed again", _S, Resealed, ("history",), ("history",), always=True),
    Kind("receipt", "Receipt", _S, Received, always=True, outside=True),
    Kind("complaint", "Text not as signed", _S, Complaint, always=True, outside=True),
    Kind("clock-expired", "Clock ran out", _H, Expired, always=True),
    # the incident
    Kind(
        "incident-notice",
        "Incident notice",
        _O,
        Empty,
        (*_TEXT, "severity", "harm", "asks", "next"),
        ("text",),
        receipt=True,
        content=True,
    ),
    Kind("update", "Update", _O, Supersede, (*_TEXT, "severity", "harm"), ("text",), receipt=True, content=True),
    Kind("statement", "Statement", _O, Empty, _TEXT, ("text",), receipt=True, content=True),
    Kind("acknowledgement", "I have it", _O, About, ("text",), always=True),
    Kind(
        "holding-reply",
        "Holding reply",
        _O,
        About,
        (*_TEXT, "next_word"),
        ("text",),
        content=True,
        always=True,
    ),
    Kind(
        "clarification-request",
        "Questions",
        _O,
        Ask,
        (*_TEXT, "questions", "preserve"),
        ("questions",),
        receipt=True,
        content=True,
    ),
    Kind(
        "clarification-answer",
        "Answers",
        _O,
        Answer,
        (*_TEXT, "answers"),
        ("answers",),
        receipt=True,
        content=True,
        always=True,
    ),
    Kind(
        "authenticity-query",
        "Was this you?",
        _O,
        Empty,
        (*_TEXT, "claim"),
        ("text",),
        receipt=True,
        content=True,
        always=True,
    ),
    Kind("authenticity-answer", "Authenticity answer", _O, Verdict, _TEXT, (), content=True, always=True),
    Kind("goodwill-note", "Goodwill note", _O, Empty, _TEXT, ("text",), content=True, always=True),
    Kind(
        "public-safety-notice",
        "Public safety notice",
        _O,
        Empty,
        _TEXT,
        ("text",),
        receipt=True,
        content=True,
        always=True,
    ),
    Kind(
        "public-attribution",
        "Notice of public attribution",
        _O,
        Empty,
        _TEXT,
        ("text",),
        receipt=True,
        content=True,
    ),
    # the ladder
    Kind("step-request", "Step requested", _O, Step, _TEXT, (), receipt=True, content=True, outside=True),
    Kind("step-accept", "Step accepted", _O, StepAnswer, _TEXT, (), content=True, outside=True),
    Kind("second", "Request seconded", _O, StepAnswer, _TEXT, (), outside=True),
    Kind("block", "Request blocked", _O, StepAnswer, _TEXT, (), outside=True),
    Kind(
        "step-decline",
        "Step declined",
        _O,
        StepAnswer,
        (*_TEXT, "reason"),
        ("reason",),
        content=True,
        always=True,
        outside=True,
    ),
    Kind("extension", "Extension", _O, Extension, _TEXT, (), outside=True),
    Kind("session-open", "Joint session", _O, About, _TEXT, (), content=True),
    Kind(
        "carve-out-notice",
        "Notice of a permitted act",
        _O,
        CarveOut,
        _TEXT,
        ("text",),
        content=True,
        always=True,
    ),
    Kind(
        "breach-report",
        "Breach report",
        _O,
        Breach,
        (*_TEXT, "evidence"),
        ("text",),
        receipt=True,
        content=True,
        always=True,
    ),
    Kind("finding", "Finding", _O, Finding, (*_TEXT, "indicators"), ("text",), content=True, outside=True),
    Kind("close", "Close", _O, Empty, (*_TEXT, "indicators"), (), content=True),
    # the mediator
    Kind("nomination", "Sealed nomination", _O, Nominate),
    Kind("nomination-reveal", "Nomination opened", _S, Reveal),
    Kind("default-appointment", "Default appointment", _O, Appointment, outside=True),
    Kind("mediator-acceptance", "Mediator accepts", _O, Empty, _TEXT, (), outside=True),
    Kind("declaration", "Declaration", _O, Empty, (*_TEXT, "interests"), ("text",), content=True, outside=True),
    Kind("objection", "Objection", _O, Objection, (*_TEXT, "reason"), ("reason",), content=True),
    Kind("objection-answer", "Answer to an objection", _O, ObjectionAnswer, _TEXT, ()),
    Kind("waiver", "Waiver", _O, Waiver, _TEXT, ()),
    Kind("admission", "Admission", _O, Admission, _TEXT, ()),
    Kind("withdrawal", "Consent withdrawn", _O, Withdrawal, (*_TEXT, "reason"), (), always=True, outside=True),
    Kind("handover", "History handed over", _S, Handover, ("history",), ("history",)),
    Kind("proposal", "Proposal", _O, Proposal, _TEXT, ("text",), receipt=True, content=True),
    Kind("proposal-accept", "Proposal accepted", _O, ProposalAnswer, _TEXT, (), content=True),
    Kind("proposal-refuse", "Proposal refused", _O, ProposalAnswer, (*_TEXT, "reason"), (), content=True),
    # evidence for others
    Kind(
        "disclosure-notice",
        "Notice of disclosure",
        _O,
        DisclosureNotice,
        (*_TEXT, "addressee", "reason"),
        (),
        receipt=True,
        content=True,
        always=True,
    ),
    Kind(
        "disclosure-consent",
        "Answer to a disclosure",
        _O,
        DisclosureConsent,
        (*_TEXT, "reason"),
        (),
        content=True,
        always=True,
    ),
)


def kind_of(name: str) -> Kind:
    """The catalogue's entry for ``name``. Raises `UnknownKind`."""
    try:
        return KINDS[name]
    except KeyError:
        raise UnknownKind(name[:64]) from None


def parse_act(kind: Kind, act: dict[str, Any]) -> Act:
    """The typed act. Raises `BadAct` for missing, unknown or ill-typed fields."""
    try:
        return msgspec.convert(act, kind.act, strict=True)
    except (msgspec.ValidationError, Malformed) as error:
        raise BadAct(f"{kind.name}: {error}") from None


def act_to_dict(act: Act) -> dict[str, Any]:
    """The act as plain JSON values, members in declaration order, defaults left out."""
    return cast(dict[str, Any], msgspec.json.decode(msgspec.json.encode(act)))


def check_fields(kind: Kind, fields: Mapping[str, Any]) -> None:
    """Refuses (`BadBody`) a body with fields its kind does not have, or without those it must have, or with an attachment
    that is none, or one file attached twice."""
    if not set(fields) <= set(kind.fields):
        raise BadBody(f"{kind.name} with fields {sorted(set(fields) - set(kind.fields))[:3]}")
    if not set(kind.required) <= set(fields):
        raise BadBody(f"{kind.name} without {sorted(set(kind.required) - set(fields))[:3]}")
    try:
        attached = attachments_of(fields)
    except Malformed as error:
        raise BadBody(f"{kind.name}: {error.detail}") from None
    if len({each.blob for each in attached.values()}) != len(attached):
        raise BadBody(f"{kind.name} with one file attached twice")
