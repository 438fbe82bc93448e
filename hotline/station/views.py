"""What a desk may see and do: the one interface between a station and its pages.

Views are frozen snapshots with everything a page shows, already in words; times are milliseconds UTC on the hub's clock.
The pages hold no rule: what is allowed, and why not, comes from the ladder through `ThreadView.offers`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from hotline.errors import LocalFault
from mediation.drawing import Chart

LineState = Literal["live", "quiet", "reconnecting", "offline"]
SendState = Literal["draft", "queued", "sending", "accepted", "refused"]


@dataclass(frozen=True, slots=True)
class OfficerView:
    """An officer of this office. ``unlocked``: their signing key is open in this process."""

    kid: str
    name: str
    roles: tuple[str, ...]
    unlocked: bool


@dataclass(frozen=True, slots=True)
class OfficeView:
    """An office of the accord. ``line``: "up", "down" or "unknown", since when (ms UTC). While it is unknown, ``heard`` is
    what it was when the hub was last heard ("" where it never was), since ``heard_since``."""

    id: str
    name: str
    role: str
    zone: str
    language: str
    line: str
    line_since: int | None
    heard: str = ""
    heard_since: int | None = None


@dataclass(frozen=True, slots=True)
class AccordView:
    title: str
    id: str
    status: str
    exercise: str
    review: str
    sunset: str
    ladders: tuple[tuple[str, str, int], ...]
    """(id, title, scale)"""
    warnings: tuple[tuple[str, str], ...] = ()
    """(ladder id, sentence): a review that is due, a sunset that is near."""


@dataclass(frozen=True, slots=True)
class ConnectionView:
    """The line to the hub, honest and dated. ``state``: "quiet" is open, but the hub was not heard for two pings;
    "reconnecting" is a line lost moments ago; "offline" one that was cut and has not come back in
    `hotline.station.station.CUT_AFTER`, that the hub refuses, or that never came about. Only a new login ends it. ``since``:
    when the state began; of a lost line, when it was lost. ``offset``: hub's clock minus this station's, ms. ``confirmed``:
    when the hub was last heard. ``queued``: entries waiting to be sent. ``alarms``: sentences that stay until dealt with."""

    state: LineState
    since: int
    confirmed: int | None
    address: str
    offset: int
    queued: int
    cosigned: int
    published: int
    alarms: tuple[str, ...]
    caught: bool = True
    """Whether the hub has handed over all that came while the line was away."""


@dataclass(frozen=True, slots=True)
class DueView:
    """What somebody owes on a clock, until it comes: ``on``, an office or the title of a role; ``ours``: this office.
    ``end``: when it is due (ms UTC); before now it is overdue. ``id``, ``mark``: as in `ClockView`."""

    id: str
    title: str
    on: str
    ours: bool
    end: int
    mark: str = ""


@dataclass(frozen=True, slots=True)
class ThreadSummary:
    id: str
    title: str
    parties: tuple[str, ...]
    members: tuple[str, ...]
    rung: str
    rung_title: str
    standstill_until: int | None
    next_clock: int | None
    next_title: str
    unread: int
    last_at: int
    closed: bool
    frozen: str | None
    """Why the station no longer follows this thread, if it does not."""
    parted: str | None = None
    """Why only words go out here, if so: this station and the hub differ over the ladder's state."""
    next_mark: str = ""
    """`ClockView.mark` of the next clock."""
    unanswered: int = 0
    """Entries that this office acknowledged and has not answered, of which somebody was reminded already."""
    next_id: str = ""
    """`ClockView.id` of the next clock."""
    due: tuple[DueView, ...] = ()
    """What is owed: by this office first, then by others, each by its end."""
    standing: str = ""
    """As what this office acts from outside the thread, and whether it may act now; "" for a member."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Where one other office stands with one entry: ``state`` in words ("delivered", "acknowledged", "holding",
    "answered", "declined", "line down", "silent", "not known" while this station is off the line), and since when."""

    office: str
    state: str
    at: int | None


@dataclass(frozen=True, slots=True)
class EntryView:
    """One entry of the thread. ``fields`` is None where this station may not read the body; ``notes`` are words such as
    "crossed with 7", "superseded by 12" or "the hub noted it 3 s after its time"."""

    id: str
    seq: int
    index: int
    at: int
    kind: str
    kind_title: str
    office: str
    own: bool
    officers: tuple[str, ...]
    precedence: str
    tlp: str
    act: Mapping[str, Any]
    act_words: str
    fields: Mapping[str, Any] | None
    sealed: bool
    handed_over: bool
    notes: tuple[str, ...]
    marks: tuple[Mark, ...]
    unread: bool
    proven: bool
    """An inclusion proof under a quorum head was checked."""
    agreed: bool = True
    """False from the entry on at which this station and the hub parted over the ladder's state."""


@dataclass(frozen=True, slots=True)
class FileView:
    """A file that goes with an entry, or will. ``way``: "put" for our own. ``state``: "known" (named in an entry, not asked
    for), "waiting" (for the hub's answer), "announced" (on its way), "whole" (put: the hub has it; get: it is here and
    checked), "refused". ``have`` of ``total``: bytes carried, sealed. ``here``: it can be saved. ``sentence``: what stands in
    the way. ``name`` and ``type`` are what its sender says."""

    blob: str
    name: str
    type: str
    size: int
    way: str
    state: str
    have: int
    total: int
    here: bool = False
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class PendingView:
    """Something of ours that the hub has not accepted yet: a draft awaiting a second officer, a queued or refused entry.

    For a refused one: ``code``, ``sentence``, ``rule``, ``clock``, ``until`` say what stands in the way.
    """

    id: str
    thread: str
    state: SendState
    kind: str
    kind_title: str
    act: Mapping[str, Any]
    fields: Mapping[str, Any]
    precedence: str
    tlp: str
    drafter: str
    created: int
    by: str | None = None
    code: str | None = None
    sentence: str | None = None
    rule: str | None = None
    clock: str | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class OfferView:
    """One thing the ladder panel shows: a kind (``step`` None) or a step, allowed or not, and why not until when.

    ``two_person``: needs a drafter and a releaser. ``act``: readable act prefilled for the form (e.g. which request a
    step-accept answers). ``direction``: up, down, deescalate, across or "" for a kind.
    """

    kind: str
    kind_title: str
    step: str | None
    step_title: str
    direction: str
    allowed: bool
    two_person: bool
    act: Mapping[str, Any]
    fields: tuple[str, ...]
    required: tuple[str, ...]
    code: str | None = None
    reason: str | None = None
    rule: str | None = None
    clock: str | None = None
    until: int | None = None
    asked_by: str = ""
    """The office whose request this answers, or ""."""
    closes: int | None = None
    """When the clock of that request ends (ms UTC)."""
    why: tuple[str, ...] = ()
    """For a step: whose it is, when it takes effect, what it rests on."""
    evidence: tuple[tuple[str, str], ...] = ()
    """What the step rests on: (kind, its title)."""


@dataclass(frozen=True, slots=True)
class RequestView:
    """A request that waits. ``waits``: for what, in words; ``closes``: when its clock ends (ms UTC)."""

    entry: str
    step_title: str
    office: str
    waits: tuple[str, ...]
    closes: int | None


@dataclass(frozen=True, slots=True)
class StandingView:
    """An office that acts in a thread from outside: ``roles`` by title, and in ``words`` what is waited for from it."""

    roles: tuple[str, ...]
    words: str


@dataclass(frozen=True, slots=True)
class ClockView:
    """A clock of the thread in words. ``state``: "waiting for receipt", "running", "ran out", "answered late" (what
    is met in time is over), and, without a countdown, "paused". A window "opens later" (``opens``: when, ms UTC) and is then
    "open". ``mark``: "unverified" or "inferred" where nobody has read the number in its source
    (`mediation.words.UNVERIFIED`)."""

    id: str
    title: str
    kind: str
    on: str
    start: int | None
    end: int | None
    state: str
    then: str
    standstill: bool
    extendable: bool
    mark: str = ""
    opens: int | None = None


@dataclass(frozen=True, slots=True)
class RungView:
    id: str
    title: str
    level: int
    current: bool


@dataclass(frozen=True, slots=True)
class MediatorView:
    """A mediator's way into the thread: ``state`` in words; ``waiting`` what is waited for, from whom."""

    office: str
    name: str
    state: str
    waiting: str


@dataclass(frozen=True, slots=True)
class ReportView:
    """Another office's station that computes another state than the hub, by its own signed word."""

    office: str
    seq: int
    kind_title: str
    stamped: str
    computed: str
    at: int


@dataclass(frozen=True, slots=True)
class PartingView:
    """Where this station (``own``), or only another one, began to differ from the hub over the ladder's state.

    ``seq``, ``kind_title``: the first entry that differs; ``stamped``, ``computed``: the hub's hash and ours after it.
    ``words``: our state right after that entry, to be read out: (part, what it is); of the hub's only the hash is known.
    ``moved``: the parts which that entry changed by our reckoning. ``reports``: what other stations say.
    """

    own: bool
    seq: int
    kind_title: str
    at: int
    stamped: str
    computed: str
    words: tuple[tuple[str, str], ...]
    moved: tuple[str, ...]
    reports: tuple[ReportView, ...]


@dataclass(frozen=True, slots=True)
class ThreadView:
    summary: ThreadSummary
    ladder: str
    ladder_title: str
    scale: int
    rungs: tuple[RungView, ...]
    clocks: tuple[ClockView, ...]
    offers: tuple[OfferView, ...]
    mediators: tuple[MediatorView, ...]
    mediation: str
    entries: tuple[EntryView, ...]
    pending: tuple[PendingView, ...]
    epoch: int | None
    state_hash: str
    newest: int
    parting: PartingView | None = None
    chart: Chart | None = None
    """The ladder, to be drawn; None where this station does not know it."""
    requests: tuple[RequestView, ...] = ()
    outside: StandingView | None = None
    """Where this office acts from outside; None for a member."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of something an officer did. ``state`` "queued" means: safe on this station's disk, will be sent."""

    ok: bool
    state: str
    id: str | None = None
    thread: str | None = None
    code: str | None = None
    sentence: str | None = None
    rule: str | None = None
    clock: str | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """Something to show anew: ``thread`` or, when None, the connection or the list. ``alarm``: sound it."""

    thread: str | None
    what: str
    alarm: bool = False


class UnknownThread(LocalFault):
    """The desk asked for a thread that this station does not hold."""

    code = "station.unknown-thread"
    _sentence = "This station holds no such incident. Go back to the list of incidents and open it from there."


@dataclass(frozen=True, slots=True)
class ExportedEntry:
    """An entry as the reader of a bundle will see it. ``shown``: disclosed fields by name; ``sealed``: places of its text
    that stay hidden (decoys among them)."""

    seq: int
    at: int
    office: str
    kind_title: str
    act_words: str
    shown: Mapping[str, Any]
    sealed: int


@dataclass(frozen=True, slots=True)
class ExportView:
    """A bundle (zip) and how it reads; ``left_out``: newest entries that are under no head yet which this station checked."""

    entries: tuple[ExportedEntry, ...]
    left_out: int
    bundle: bytes


class Desk(Protocol):
    """The station as its pages (and `hotline demo`) use it. Methods that take ``officer`` take their kid."""

    @property
    def name(self) -> str: ...

    @property
    def office(self) -> OfficeView: ...

    def now(self) -> int:
        """The hub's clock as this station knows it, ms UTC."""
        ...

    def accord(self) -> AccordView: ...

    def offices(self) -> tuple[OfficeView, ...]: ...

    def officers(self) -> tuple[OfficerView, ...]: ...

    def connection(self) -> ConnectionView: ...

    def threads(self) -> tuple[ThreadSummary, ...]:
        """Open ones first, the most pressing on top."""
        ...

    def thread(self, thread: str, *, since: int = 0) -> ThreadView:
        """``since``: leave out entries up to this seq. Raises `UnknownThread`."""
        ...

    async def redeem(self, token: str) -> str | None:
        """The officer's kid for a one-time login token, or None; the token is spent either way."""
        ...

    async def unlock(self, officer: str, passphrase: bytes) -> bool:
        """Open an officer's key with their passphrase."""
        ...

    def lock(self, officer: str) -> None:
        """Close an officer's key until the passphrase is given again."""
        ...

    async def open_thread(self, officer: str, counterpart: str, ladder: str, title: str) -> Outcome:
        """Open a thread with another party."""
        ...

    async def send(
        self,
        officer: str,
        thread: str,
        kind: str,
        act: Mapping[str, Any],
        fields: Mapping[str, Any],
        *,
        precedence: str = "ROUTINE",
        tlp: str = "AMBER+STRICT",
        read_to: int | None = None,
        client_id: str | None = None,
    ) -> Outcome:
        """Send one entry, or keep it as a draft where the ladder wants a second officer (``state`` "draft").

        ``read_to``: newest seq the officer had before them when they began to write. ``client_id`` makes a repeated
        call return the first one's outcome. Refused at once (nothing sent) where the ladder forbids it now.
        """
        ...

    async def release(self, officer: str, draft: str, *, precedence: str | None = None) -> Outcome:
        """Release a draft as a second officer."""
        ...

    async def discard(self, officer: str, pending: str) -> Outcome:
        """Throw away a draft or a refused entry."""
        ...

    async def retry(self, officer: str, pending: str) -> Outcome:
        """Queue a refused entry again."""
        ...

    async def nominate(self, officer: str, thread: str, nominees: tuple[str, ...]) -> Outcome:
        """Seal and send a nomination; it is opened by the station when both are in."""
        ...

    def files(self, thread: str) -> Mapping[str, FileView]:
        """The files of a thread by blob: those of its entries, and ours that go with none yet. Raises `UnknownThread`."""
        ...

    async def attach(
        self, officer: str, thread: str, name: str, type_: str, source: AsyncIterator[bytes]
    ) -> FileView | Outcome:
        """Seal a file as it comes and hand it over to the hub in the background."""
        ...

    async def detach(self, thread: str, blob: str) -> None:
        """Take a file off again that went with no entry. Raises `FileNotHere`."""
        ...

    def attached(self, thread: str, blobs: Sequence[str]) -> Mapping[str, Any] | Outcome:
        """The fields of a body that carry these files, or why they cannot go with an entry now."""
        ...

    async def fetch(self, officer: str, thread: str, blob: str) -> FileView:
        """Bring a file of an entry here, in the background. Raises `FileNotHere`."""
        ...

    async def read_file(self, officer: str, thread: str, blob: str) -> tuple[str, int, AsyncGenerator[bytes, None]]:
        """Name, size and plaintext of a file that is here. Raises `FileNotHere`; in the middle `AttachmentDamaged`."""
        ...

    async def mark_read(self, officer: str, thread: str, seq: int) -> None: ...

    async def scratch(self, officer: str, thread: str, kind: str) -> Mapping[str, Any]:
        """What this officer has typed but not sent (form values); encrypted at rest."""
        ...

    async def save_scratch(self, officer: str, thread: str, kind: str, values: Mapping[str, Any]) -> None: ...

    def journal(self, limit: int = 200) -> tuple[tuple[int, str, str], ...]:
        """Newest first: (at, what, words): refused attempts, alarms, logins, rekeys."""
        ...

    async def preview_export(self, thread: str, disclose: Sequence[str]) -> ExportView:
        """How a bundle with these fields (``SEQ:FIELD``) reads; nothing leaves the station. Raises `UnknownThread`,
        `CannotDisclose`, `NoConsent`, `NothingToExport`."""
        ...

    async def export(self, officer: str, thread: str, disclose: Sequence[str]) -> ExportView | Outcome:
        """The same to be handed over, kept in the journal with the officer's name. Where words are shown, the officer must
        be a releaser whose key is open: else an `Outcome` that says so."""
        ...

    def leaf(self, thread: str, entry: str) -> bytes:
        """The exact bytes of an entry as they stand in the log. Raises `UnknownThread` where the thread has none such."""
        ...

    def judge(self, entry: bytes) -> Outcome:
        """Whether an entry (unstamped JWS) that came by another path would follow now; nothing is stored or sent."""
        ...

    async def insist(
        self, officer: str, thread: str, kind: str, act: Mapping[str, Any], fields: Mapping[str, Any]
    ) -> tuple[Outcome, bytes]:
        """Send although this station's ladder refuses; the hub's answer and the signed entry. Kept in the journal."""
        ...

    def changes(self) -> AsyncIterator[Change]:
        """Every change from now on."""
        ...
