"""The whole ladder state of one thread: frozen, serialisable, of bounded size.

Nothing here grows with the number of plain messages; lists of open matters have limits the fold enforces. Two
programs that folded the same entries hold the same bytes, so `state_hash` is what a hub stamps and every station
compares. All times are milliseconds UTC of the hub's stamp.
"""

from __future__ import annotations

import msgspec

from mediation.context import OfficeRole, Status
from mediation.rules import OTHER
from protocols.encoding import digest
from protocols.kinds import Member, Scope


class Seat(msgspec.Struct, frozen=True, omit_defaults=True):
    """A station known to the thread: its office, its newest serial, and whether it is a member of the group."""

    office: str
    serial: int = 0
    member: bool = False


class Clock(msgspec.Struct, frozen=True, omit_defaults=True):
    """One running or expired clock.

    ``id`` names it on the line (``clarify/7``), ``rule`` its definition in the ladder. ``entry``/``seq`` is the entry
    it is about. ``requester`` gains by its running out, ``respondent`` must act; either is empty where the ladder says
    both. ``subject`` is the nominee it concerns. ``announced``: the hub has noted that it ran out. ``answered``: what
    it waited for came, but late. ``opens``: when a window opens; ``open``: it has. ``paused``: since when it stands
    still because another forum is seized; its end then moves by as long as that lasts.
    """

    id: str
    rule: str
    start: int
    end: int
    entry: str
    seq: int
    requester: str = ""
    respondent: str = ""
    subject: str = ""
    announced: bool = False
    answered: bool = False
    opens: int | None = None
    open: bool = False
    paused: int | None = None


class Option(msgspec.Struct, frozen=True, omit_defaults=True):
    """``office`` may take ``step`` because ``clock`` ran out at ``since`` (empty clock: for another reason), or, with
    ``window``, while the window ``clock`` is open."""

    step: str
    office: str
    since: int
    clock: str = ""
    window: bool = False


class Request(msgspec.Struct, frozen=True, omit_defaults=True):
    """A step waiting for consent, seconds or silence. ``entitled``: asked for under an option, so that its clocks run.
    ``accepted``: the consent is there. ``seconds``, ``blocks``: offices that seconded or blocked it."""

    entry: str
    seq: int
    step: str
    office: str
    at: int
    entitled: bool
    accepted: bool = False
    seconds: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()


class Asked(msgspec.Struct, frozen=True):
    """A clarification request: one answer state a question; it is complete when none is ``later``."""

    entry: str
    seq: int
    office: str
    answers: tuple[str, ...]


class Awaiting(msgspec.Struct, frozen=True, omit_defaults=True):
    """An entry whose clocks run from a receipt. ``step``: the step whose receipt it is, where it is not that of its kind.
    ``by``: whose receipt, in the ladder's words. ``met``: clocks that no receipt starts any more, because what they wait
    for came before it, or because they lost their object."""

    entry: str
    seq: int
    kind: str
    office: str
    received: bool = False
    met: tuple[str, ...] = ()
    step: str = ""
    by: str = OTHER


class ExtensionProposal(msgspec.Struct, frozen=True):
    """``office`` agrees that ``clock`` shall end at ``until``."""

    clock: str
    until: int
    office: str


class Standstill(msgspec.Struct, frozen=True):
    """A running standstill: the step that brought it, its clock, start and end."""

    step: str
    clock: str
    start: int
    end: int


class Suspension(msgspec.Struct, frozen=True):
    """Another forum is seized: the step that said so, the office that took it, since when."""

    step: str
    office: str
    since: int


class Nomination(msgspec.Struct, frozen=True, omit_defaults=True):
    """One party's list: its digest, and the list itself once opened (best first)."""

    office: str
    entry: str
    digest: str
    nominees: tuple[str, ...] = ()


class Nominee(msgspec.Struct, frozen=True, omit_defaults=True):
    """A chosen office on its way to admission. ``window_over``: no objection is possible any more."""

    office: str
    accepted: bool = False
    declared: bool = False
    window_over: bool = False
    waived_by: tuple[str, ...] = ()


class OpenObjection(msgspec.Struct, frozen=True):
    """``office`` takes ``mediator`` only beside ``co_mediator``; the other party has not answered."""

    entry: str
    seq: int
    office: str
    mediator: str
    co_mediator: str


class Consent(msgspec.Struct, frozen=True):
    """One party's signed admission."""

    office: str
    mediators: tuple[str, ...]
    scope: Scope


class Mediation(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the appointment of mediators stands. ``ranking``: further common nominees, best first. ``excluded``:
    objected to, withdrawn or silent. ``admitted``: mediators with both parties' consent, with their ``scope``."""

    opened: int
    nominations: tuple[Nomination, ...] = ()
    ranking: tuple[str, ...] = ()
    nominees: tuple[Nominee, ...] = ()
    excluded: tuple[str, ...] = ()
    objection: OpenObjection | None = None
    consents: tuple[Consent, ...] = ()
    admitted: tuple[str, ...] = ()
    scope: Scope | None = None


class Text(msgspec.Struct, frozen=True, omit_defaults=True):
    """The newest version of the single text and the parties that accepted it."""

    entry: str
    version: int
    office: str
    accepted: tuple[str, ...] = ()


class Settlement(msgspec.Struct, frozen=True):
    """The text both parties accepted."""

    entry: str
    version: int
    at: int


class Report(msgspec.Struct, frozen=True, omit_defaults=True):
    """A breach report, the office asked to verify it, and what that office found."""

    entry: str
    seq: int
    office: str
    verifier: str = ""
    finding: str = ""


class Notice(msgspec.Struct, frozen=True, omit_defaults=True):
    """A notice of disclosure, and what the other party said to it: ``yes``, ``no``, or nothing yet."""

    entry: str
    seq: int
    office: str
    answer: str = ""


class Made(msgspec.Struct, frozen=True):
    """One renewal of the keys: by which entry, whose."""

    entry: str
    station: str
    office: str


class Renewal(msgspec.Struct, frozen=True, omit_defaults=True):
    """The newest renewal of the keys, as long as not every member has shown that it followed.

    ``epoch`` it made; ``waiting``: member stations that have shown nothing yet. Until all have, the group can go back
    ``depth`` commits, to where everybody was; ``made`` are these commits (of very many the first and the newest), ``at``
    is the first of them (ms UTC), ``adds`` and ``removes`` what they changed in the roster, ``due`` the offices among the
    added that had to come in.
    """

    epoch: int
    at: int
    depth: int
    made: tuple[Made, ...]
    waiting: tuple[str, ...]
    adds: tuple[Member, ...] = ()
    removes: tuple[Member, ...] = ()
    due: tuple[str, ...] = ()

    @property
    def newest(self) -> Made:
        """The commit that made this epoch."""
        return self.made[-1]


class Dispute(msgspec.Struct, frozen=True, omit_defaults=True):
    """Station ``by`` of ``office`` said ``count`` times that it cannot follow renewals by ``against``, none of which has
    stood since; last at ``at`` (ms UTC), of ``station``'s, for the reason ``code``. ``open``: nobody else has renewed since."""

    by: str
    office: str
    against: str
    station: str
    count: int
    at: int
    code: str
    open: bool = True


class ThreadState(msgspec.Struct, frozen=True, omit_defaults=True):
    """The state after the entry ``seq`` (or after the passage of time up to ``at``).

    ``entered``: at which entry each rung was last entered (for an admission's scope). ``seats``: every station that
    wrote or is a member, by key id. ``last_content``: newest content entry of each office. ``released``: where each
    office last released a draft, by matter (`mediation.release`). ``due_adds`` and ``due_removes``: offices whose
    stations the next keys must include or leave out. ``initiator``: the party that opened the thread. ``holders``: the
    offices that hold each role of the ladder here. ``nationals``: offices of the roster that cannot be appointed here,
    because they are of a party's state. ``invited``: roles whose holders were asked to take part.
    ``track``: the track the thread was put on. ``evidence``: newest entries of each kind that some step asks for.
    ``epoch`` counts every change of the keys, a return to earlier ones included,
    and never repeats; ``lag`` is how far the MLS epoch is behind it. ``leaving``: stations out of the roster whose leaf is
    in the group again since a return; ``returned``: the epoch that the newest return made.
    ``notices``: each party's newest notices of disclosure.
    """

    thread: str
    ladder: str
    ladder_hash: str
    scale: int
    status: Status
    parties: tuple[str, str]
    offices: tuple[OfficeRole, ...]
    opened: int
    at: int
    seq: int
    epoch: int
    rung: str
    rung_since: int
    seats: dict[str, Seat]
    entered: dict[str, int] = {}
    last_content: dict[str, int] = {}
    released: dict[str, int] = {}
    clocks: tuple[Clock, ...] = ()
    expired: tuple[Clock, ...] = ()
    options: tuple[Option, ...] = ()
    requests: tuple[Request, ...] = ()
    asked: tuple[Asked, ...] = ()
    awaiting: tuple[Awaiting, ...] = ()
    extensions: tuple[ExtensionProposal, ...] = ()
    standstill: Standstill | None = None
    mediation: Mediation | None = None
    text: Text | None = None
    settlement: Settlement | None = None
    reports: tuple[Report, ...] = ()
    closes: tuple[str, ...] = ()
    recommended: tuple[str, ...] = ()
    closed_at: int | None = None
    due_adds: tuple[str, ...] = ()
    due_removes: tuple[str, ...] = ()
    initiator: str = ""
    holders: dict[str, tuple[str, ...]] = {}
    nationals: tuple[str, ...] = ()
    invited: tuple[str, ...] = ()
    suspension: Suspension | None = None
    track: str = ""
    evidence: dict[str, tuple[str, ...]] = {}
    lag: int = 0
    renewal: Renewal | None = None
    disputes: tuple[Dispute, ...] = ()
    leaving: tuple[Member, ...] = ()
    returned: int = 0
    notices: tuple[Notice, ...] = ()

    @property
    def mls_epoch(self) -> int:
        """The epoch of the MLS group."""
        return self.epoch - self.lag

    @property
    def mediators(self) -> tuple[str, ...]:
        """The offices of the accord with the role mediator, in roster order."""
        return tuple(office.id for office in self.offices if office.role == "mediator")

    @property
    def monitors(self) -> tuple[str, ...]:
        """The offices of the accord with the role monitor."""
        return tuple(office.id for office in self.offices if office.role == "monitor")

    @property
    def admitted(self) -> tuple[str, ...]:
        """The mediators both parties admitted."""
        return self.mediation.admitted if self.mediation is not None else ()

    @property
    def roster(self) -> dict[str, str]:
        """The group's members: station key id to office."""
        return {station: seat.office for station, seat in self.seats.items() if seat.member}

    def other_party(self, office: str) -> str:
        """The other of the two parties. ``office`` must be a party."""
        first, second = self.parties
        return second if office == first else first

    def clock(self, clock: str) -> Clock | None:
        """The running clock of that id."""
        return next((running for running in self.clocks if running.id == clock), None)


def to_bytes(state: ThreadState) -> bytes:
    """The one encoding of a state: JSON, names sorted, defaults left out."""
    return msgspec.json.encode(state, order="deterministic")


def from_bytes(data: bytes) -> ThreadState:
    """The inverse of `to_bytes`. Raises `msgspec.ValidationError` or `msgspec.DecodeError` on damage."""
    return msgspec.json.decode(data, type=ThreadState)


def state_hash(state: ThreadState) -> str:
    """base64url SHA-256 of `to_bytes`: what the hub stamps beside each entry and every station recomputes."""
    return digest(to_bytes(state))
