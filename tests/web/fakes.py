"""A station and a hub in memory, in every state a page has to show. They remember what the pages asked of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from msgspec.structs import replace as replace_state

from hotline.hub.errors import LookNotLogged
from hotline.hub.findings import (
    AnswerStates,
    Counted,
    Figures,
    Found,
    FoundEntry,
    ReplyFigures,
    ReplyLine,
    Search,
)
from hotline.hub.log_views import LogHealth, WitnessHealth
from hotline.hub.views import (
    HubSummary,
    LookRow,
    ProvenClock,
    RanOut,
    Span,
    ThreadRow,
    ThreadTrail,
    TrailEntry,
)
from hotline.station.errors import FileNotHere
from hotline.station.export import NoConsent
from hotline.station.views import (
    AccordView,
    Change,
    ClockView,
    ConnectionView,
    DueView,
    EntryView,
    ExportedEntry,
    ExportView,
    FileView,
    Mark,
    MediatorView,
    OfferView,
    OfficerView,
    OfficeView,
    Outcome,
    PendingView,
    RungView,
    ThreadSummary,
    ThreadView,
    UnknownThread,
)
from mediation.drawing import Chart
from mediation.state import Standstill
from protocols.attachment import clean_name, clean_type
from protocols.encoding import digest
from protocols.kinds import KINDS, Author
from protocols.redaction import Redaction
from tests.mediation.play import LADDER, Play

T0 = 1_931_051_520_000
"""2031-03-12T03:12:00Z."""
MINUTE = 60_000
HOUR = 60 * MINUTE
THREAD = "AAAAAAAAAAAAAAAAAAAAAA"
HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>"\'&'
ARABIC = "نؤكد استلام الإشعار رقم 1 (EX-STBRANNOC-01) ونعود إليكم قبل الساعة 20:00."
PASSPHRASE = b"correct horse"


def eid(number: int) -> str:
    """A 43-character id."""
    return f"e{number:03}".ljust(43, "A")


class StoppedClock:
    """A clock the tests move by hand; ms UTC."""

    def __init__(self, at: int = T0) -> None:
        self.at = at

    def now(self) -> int:
        return self.at

    async def sleep_until(self, at: int) -> None:
        self.at = max(self.at, at)


OFFICES = (
    OfficeView("AV", "Arvenia", "party", "Europe/Lisbon", "en", "up", T0 - HOUR),
    OfficeView("KV", "Kostrava", "party", "Asia/Dubai", "ar", "down", T0 - 4 * MINUTE),
    OfficeView("MD", "Meridia", "mediator", "Europe/Zurich", "fr", "up", T0 - HOUR),
    OfficeView("HD", "Halden", "mediator", "Europe/Oslo", "en", "unknown", None),
)

RUNGS = tuple(
    RungView(id, title, level, level == 4)
    for id, title, level in (
        ("L0-routine", "Routine", 0),
        ("L1-notify", "Notification", 1),
        ("L2-clarify", "Clarification", 2),
        ("L3-experts", "Experts", 3),
        ("L4-cooling-off", "Cooling-off", 4),
        ("L5-mediation", "Mediation", 5),
        ("L6-inquiry", "Inquiry", 6),
        ("L7-referral", "Referral", 7),
    )
)


def chart() -> Chart:
    """The ladder in a cooling-off, with a standstill."""
    still = Standstill("L4-cooling-off", "standstill/8", T0 - HOUR, T0 + 71 * HOUR)
    state = replace_state(Play().state, rung="L4-cooling-off", standstill=still, at=T0)
    return Chart(LADDER, state, T0)


def entry(seq: int, kind: str, office: str, **given: Any) -> EntryView:
    """One entry with everything ordinary filled in; ``given`` overrides."""
    defaults: dict[str, Any] = {
        "id": eid(seq),
        "seq": seq,
        "index": 100 + seq,
        "at": T0 - 50 * HOUR + seq * HOUR,
        "kind": kind,
        "kind_title": KINDS[kind].title,
        "office": office,
        "own": office == "AV",
        "officers": ("Dr Ana Vale", "Rui Melo") if kind == "incident-notice" else ("Dr Ana Vale",),
        "precedence": "ROUTINE",
        "tlp": "AMBER+STRICT",
        "act": {},
        "act_words": "",
        "fields": None,
        "sealed": False,
        "handed_over": False,
        "notes": (),
        "marks": (),
        "unread": False,
        "proven": True,
    }
    return EntryView(**{**defaults, **given})


def all_entries() -> tuple[EntryView, ...]:
    """Every way an entry can look."""
    ask = ["Is the control server in Zelnet's rooms?", "Who pays for it?", "Is it still up?"]
    return (
        entry(1, "open", "AV", act_words="Opened under the default ladder", officers=()),
        entry(
            2,
            "incident-notice",
            "AV",
            precedence="FLASH",
            act_words="Notified an incident",
            fields={
                "subject": "St Brannoc hospital trust: records, lab and imaging lost",
                "text": "Three hospitals, 1140 beds.\nAmbulances are diverted since 03:12Z.",
                "language": "en",
                "severity": "severe",
                "harm": {"services": "records, lab, imaging", "people": "1140 beds"},
                "asks": ["Take the control server down", "Preserve its logs"],
                "next": "We ask for clarification under L2.",
            },
            notes=("superseded by 9",),
            marks=(Mark("KV", "acknowledged", T0 - 47 * HOUR),),
        ),
        entry(3, "receipt", "KV", act_words="Kostrava's station has number 2", officers=()),
        entry(
            4,
            "holding-reply",
            "KV",
            fields={"text": ARABIC, "language": "ar", "next_word": T0 + 3 * HOUR},
            act_words="Will reply to number 2",
            marks=(Mark("AV", "delivered", T0 - 46 * HOUR),),
        ),
        entry(
            5,
            "clarification-request",
            "AV",
            precedence="IMMEDIATE",
            act={"questions": 3, "preservation": True},
            act_words="Asked 3 questions and preservation of data",
            fields={"questions": ask, "preserve": "Flow logs from 1 March."},
            marks=(Mark("KV", "answered", T0 - 40 * HOUR), Mark("MD", "silent", None)),
        ),
        entry(
            6,
            "statement",
            "AV",
            fields={"text": "We hold Kostrava responsible for inaction."},
            notes=("crossed with 7",),
            marks=(Mark("KV", "line down", T0 - 4 * MINUTE),),
            proven=False,
        ),
        entry(
            7,
            "clarification-answer",
            "KV",
            act={"entry": eid(5), "answers": ["answered", "refused", "later"]},
            act_words="Answered 1 of 3 questions",
            fields={"answers": ["It is hosted by Zelnet.", "", "By 20:00."], "text": "We deny any state role."},
            notes=("crossed with 6",),
            marks=(Mark("AV", "acknowledged", T0 - 30 * HOUR),),
        ),
        entry(8, "clock-expired", "HUB", act_words="The clock 'Answers to all questions' ran out", officers=()),
        entry(
            9,
            "update",
            "AV",
            precedence="PRIORITY",
            act={"supersedes": eid(2)},
            act_words="Replaces number 2",
            fields={"text": "Norrhavn substation lost for 40 min.", "subject": HOSTILE},
            marks=(Mark("KV", "holding", T0 - HOUR), Mark("MD", "declined", T0 - HOUR)),
        ),
        entry(10, "rekey", "AV", act_words="Keys renewed: Meridia joined", officers=()),
        entry(11, "proposal", "MD", sealed=True, tlp="RED", act={"version": 1, "languages": ["en", "ar"]}),
        entry(
            12,
            "clarification-request",
            "KV",
            act={"questions": 2},
            act_words="Asked 2 questions",
            fields={"questions": ["Which addresses were seen?", "ما هي العناوين؟"]},
            unread=True,
            tlp="GREEN",
        ),
        entry(
            13,
            "proposal",
            "MD",
            act={"version": 2, "languages": ["en", "ar"]},
            act_words="Version 2 of the single text",
            fields={"text": {"en": "Both sides keep their logs.", "ar": "يحتفظ الطرفان بالسجلات."}},
            handed_over=True,
            unread=True,
            tlp="CLEAR",
        ),
        entry(14, "step-request", "KV", act={"step": "return-L3"}, fields={"text": "Back to experts?"}, unread=True),
    )


UNTIL = T0 + 71 * HOUR + 59 * MINUTE + 30_000

STANDSTILL = (
    "A standstill is in force until the cooling-off ends. This step would raise the level. "
    "Nothing was sent and nothing has changed."
)


def all_offers() -> tuple[OfferView, ...]:
    """Every officer's kind, the steps allowed and forbidden."""
    found = []
    for kind in KINDS.values():
        if kind.author is not Author.OFFICER or kind.name in ("step-request", "step-accept", "step-decline"):
            continue
        forbidden = kind.name == "public-attribution"
        found.append(
            OfferView(
                kind.name,
                kind.title,
                None,
                "",
                "",
                not forbidden,
                kind.name in ("incident-notice", "close", "admission"),
                {},
                kind.fields,
                kind.required,
                **(_forbidden("public-attribution") if forbidden else {}),
            )
        )
    text = KINDS["step-request"].fields
    for step, title, direction in (
        ("L5-mediation", "Open mediation", "deescalate"),
        ("return-L2", "Back to clarification", "down"),
        ("cool-off-beside", "Cool off without leaving the rung", "across"),
    ):
        found.append(OfferView("step-request", "Step requested", step, title, direction, True, False, {}, text, ()))
    found.append(
        OfferView(
            "step-request", "Step requested", "L6-inquiry", "Call an inquiry", "up", False, True, {}, text, (),
            **_forbidden("L6-inquiry"),
        )
    )  # fmt: skip
    for kind_name in ("step-accept", "step-decline"):
        kind = KINDS[kind_name]
        found.append(
            OfferView(
                kind_name, kind.title, "return-L3", "Back to the experts", "down", True, False,
                {"request": eid(14), "step": "return-L3"}, kind.fields, kind.required,
            )
        )  # fmt: skip
    return tuple(found)


def _forbidden(what: str) -> dict[str, Any]:
    return {
        "code": "ladder.standstill",
        "reason": STANDSTILL,
        "rule": f"cpci-default/standstill/{what}",
        "clock": "standstill",
        "until": UNTIL,
    }


WARNINGS = (
    ("cpci-default", f"The review of {HOSTILE} is due on 2032-03-12."),
    ("other", "The review of 'Another' is due on 2032-03-12."),
)


def all_clocks() -> tuple[ClockView, ...]:
    """Every state of a clock."""
    return (
        ClockView("standstill", "Cooling-off", "duration", "both", T0 - MINUTE, UNTIL, "running", "", True, True),
        ClockView(
            "clarify", "Answers to all questions", "reply-by", "Arvenia", T0 - HOUR, T0 + 42 * MINUTE, "running",
            "Kostrava may call the experts", False, True, "unverified",
        ),
        ClockView(
            "session", "Joint session", "reply-by", "both", None, None, "waiting for receipt", "", False, False,
            "inferred",
        ),
        ClockView(
            "reply", "Reply to the notice", "reply-by", "Kostrava", T0 - 9 * HOUR, T0 - HOUR, "answered late", "",
            False, False,
        ),
        ClockView(
            "human-ack", "A person has it", "reply-by", "Kostrava", T0 - 9 * HOUR, T0 - 8 * HOUR, "ran out", "",
            False, False,
        ),
    )  # fmt: skip


def pending_items() -> tuple[PendingView, ...]:
    """Every state of something of ours that the hub does not have."""

    def item(number: int, state: Any, **given: Any) -> PendingView:
        return PendingView(
            f"p{number}", THREAD, state, "statement", "Statement", {}, {"text": f"Words {number}"}, "PRIORITY",
            "AMBER+STRICT", "kid-rui", T0 - MINUTE, **given,
        )  # fmt: skip

    return (
        item(1, "draft"),
        replace(item(2, "draft"), drafter="kid-ana"),
        item(3, "queued"),
        item(4, "sending"),
        item(
            5, "refused", by="hub", code="ladder.standstill", sentence=STANDSTILL, rule="cpci-default/standstill",
            clock="standstill", until=UNTIL,
        ),
    )  # fmt: skip


@dataclass
class FakeDesk:
    """A station with one rich incident. ``calls`` lists what the pages asked for, in order."""

    clock: StoppedClock = field(default_factory=StoppedClock)
    unlocked: bool = True
    status: str = "EXERCISE"
    calls: list[tuple[str, Any]] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=lambda: {"good-token": "kid-ana"})
    kept: dict[tuple[str, str, str], Mapping[str, Any]] = field(default_factory=dict)
    outcome: Outcome = field(default_factory=lambda: Outcome(True, "queued", id="out-1", thread=THREAD))
    entries: tuple[EntryView, ...] = field(default_factory=all_entries)
    offers: tuple[OfferView, ...] = field(default_factory=all_offers)
    pending: tuple[PendingView, ...] = field(default_factory=pending_items)
    clocks: tuple[ClockView, ...] = field(default_factory=all_clocks)
    due: tuple[DueView, ...] = ()
    closed: str = ""
    """The name of the last level, once the incident stands there."""
    line: ConnectionView = field(
        default_factory=lambda: ConnectionView(
            "live", T0 - HOUR, T0 - 2_000, "https://127.0.0.1:8443", 400, 2, 41, 42, ()
        )
    )
    frozen: str | None = None
    consent_missing: bool = False
    file_views: dict[str, FileView] = field(default_factory=dict)
    files_refused: str = ""
    listeners: list[asyncio.Queue[Change]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return "av-1"

    @property
    def office(self) -> OfficeView:
        return OFFICES[0]

    def now(self) -> int:
        return self.clock.now()

    def accord(self) -> AccordView:
        return AccordView(
            "Accord of St Brannoc", "accord-1", self.status, "EX-STBRANNOC-01", "2032-03-12", "2036-03-12",
            (("cpci-default", "Default ladder for civilian infrastructure incidents", 60),), WARNINGS,
        )  # fmt: skip

    def offices(self) -> tuple[OfficeView, ...]:
        if self.line.state == "live":
            return OFFICES
        own, *others = OFFICES
        known = (
            replace(each, heard=each.line if each.line_since else "", heard_since=each.line_since) for each in others
        )
        unknown = (replace(each, line="unknown", line_since=None) for each in known)
        return (replace(own, line="down", line_since=self.line.since), *unknown)

    def officers(self) -> tuple[OfficerView, ...]:
        return (
            OfficerView("kid-ana", "Dr Ana Vale", ("drafter", "releaser"), self.unlocked),
            OfficerView("kid-rui", "Rui Melo", ("drafter",), True),
        )

    def connection(self) -> ConnectionView:
        return self.line

    def threads(self) -> tuple[ThreadSummary, ...]:
        return (
            self.summary(),
            replace(self.summary(), id="B" * 22, title=HOSTILE, unread=0, standstill_until=None, next_clock=None),
            replace(
                self.summary(),
                id="C" * 22,
                title="حادثة المحطة",
                unread=0,
                standstill_until=None,
                next_title="Joint lessons learned",
                closed=True,
            ),
            replace(self.summary(), id="D" * 22, title="Norrhavn", unread=0, frozen="State hashes differ at 12."),
        )

    def summary(self) -> ThreadSummary:
        return ThreadSummary(
            THREAD, "St Brannoc hospitals", ("AV", "KV"), ("AV", "KV", "MD"), "L4-cooling-off",
            self.closed or "Cooling-off", UNTIL, T0 + 42 * MINUTE, "Answers to all questions",
            sum(e.unread for e in self.entries), T0 - HOUR, bool(self.closed),
            self.frozen, next_id="clarify", due=self.due,
        )  # fmt: skip

    def thread(self, thread: str, *, since: int = 0) -> ThreadView:
        if thread != THREAD:
            raise UnknownThread(thread)
        return ThreadView(
            self.summary(), "cpci-default", "Default ladder for civilian infrastructure incidents", 60,
            tuple(replace(each, title=self.closed) if self.closed and each.current else each for each in RUNGS),
            self.clocks, self.offers,
            (
                MediatorView("MD", "Meridia (Amb. Ilse Torrun)", "admitted", ""),
                MediatorView("HD", "Halden (Dr Paolo Reyes)", "declared", "Kostrava's waiver"),
            ),
            "Both nominations are in; Meridia stands on both.",
            tuple(e for e in self.entries if e.seq > since), self.pending, 3, "h" * 43,
            max((e.seq for e in self.entries), default=0), chart=chart(),
        )  # fmt: skip

    async def redeem(self, token: str) -> str | None:
        self.calls.append(("redeem", token))
        return self.tokens.pop(token, None)

    async def unlock(self, officer: str, passphrase: bytes) -> bool:
        self.unlocked = self.unlocked or passphrase == PASSPHRASE
        return passphrase == PASSPHRASE

    def lock(self, officer: str) -> None:
        self.calls.append(("lock", (officer,)))

    async def open_thread(self, officer: str, counterpart: str, ladder: str, title: str) -> Outcome:
        self.calls.append(("open", (officer, counterpart, ladder, title)))
        return self.outcome

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
        self.calls.append(
            ("send", {"officer": officer, "thread": thread, "kind": kind, "act": act, "fields": fields,
                      "precedence": precedence, "tlp": tlp, "read_to": read_to, "client_id": client_id})
        )  # fmt: skip
        offer = next((o for o in self.offers if o.kind == kind and o.step == act.get("step")), None)
        if offer is not None and not offer.allowed:
            return Outcome(
                False, "refused", code=offer.code, sentence=offer.reason, rule=offer.rule, clock=offer.clock,
                until=offer.until,
            )  # fmt: skip
        return self.outcome

    async def release(self, officer: str, draft: str, *, precedence: str | None = None) -> Outcome:
        self.calls.append(("release", (officer, draft, precedence)))
        return self.outcome

    async def discard(self, officer: str, pending: str) -> Outcome:
        self.calls.append(("discard", (officer, pending)))
        return self.outcome

    async def retry(self, officer: str, pending: str) -> Outcome:
        self.calls.append(("retry", (officer, pending)))
        return self.outcome

    async def nominate(self, officer: str, thread: str, nominees: tuple[str, ...]) -> Outcome:
        self.calls.append(("nominate", (officer, thread, nominees)))
        return self.outcome

    async def mark_read(self, officer: str, thread: str, seq: int) -> None:
        self.calls.append(("mark_read", (officer, thread, seq)))
        self.entries = tuple(replace(e, unread=False) for e in self.entries)

    async def scratch(self, officer: str, thread: str, kind: str) -> Mapping[str, Any]:
        return self.kept.get((officer, thread, kind), {})

    async def save_scratch(self, officer: str, thread: str, kind: str, values: Mapping[str, Any]) -> None:
        self.kept[officer, thread, kind] = dict(values)

    def files(self, thread: str) -> Mapping[str, FileView]:
        return self.file_views

    async def attach(
        self, officer: str, thread: str, name: str, type_: str, source: AsyncIterator[bytes]
    ) -> FileView | Outcome:
        data = b"".join([piece async for piece in source])
        self.calls.append(("attach", (thread, name, type_, data)))
        blob = digest(data)
        self.file_views[blob] = FileView(
            blob, clean_name(name), clean_type(type_), len(data), "put", "announced", 0, len(data), True
        )
        return self.file_views[blob]

    async def detach(self, thread: str, blob: str) -> None:
        self.calls.append(("detach", (thread, blob)))
        del self.file_views[blob]

    def attached(self, thread: str, blobs: Sequence[str]) -> Mapping[str, Any] | Outcome:
        if self.files_refused:
            return Outcome(False, "refused", code="attachment.quota", sentence=self.files_refused)
        return {f"attachment-{number}": {"blob": blob} for number, blob in enumerate(blobs, 1)}

    async def fetch(self, officer: str, thread: str, blob: str) -> FileView:
        self.calls.append(("fetch", (thread, blob)))
        return self.file_views[blob]

    async def read_file(self, officer: str, thread: str, blob: str) -> tuple[str, int, AsyncGenerator[bytes, None]]:
        if blob not in self.file_views:
            raise FileNotHere(blob)

        async def pieces() -> AsyncGenerator[bytes, None]:
            yield b"<script>alert(1)"
            yield b"</script>"

        return self.file_views[blob].name, 25, pieces()

    def journal(self, limit: int = 200) -> tuple[tuple[int, str, str], ...]:
        return (
            (T0 - MINUTE, "refused", f"Dr Ana Vale tried 'Call an inquiry': standstill. {HOSTILE}"),
            (T0 - HOUR, "login", "Dr Ana Vale logged in"),
        )

    async def preview_export(self, thread: str, disclose: Sequence[str]) -> ExportView:
        self.calls.append(("preview", (thread, tuple(disclose))))
        if self.consent_missing and disclose:
            raise NoConsent(disclose[0])
        shown = [tuple(each.split(":")) for each in disclose]
        entries = tuple(
            ExportedEntry(e.seq, e.at, e.office, e.kind_title, e.act_words,
                          {name: (e.fields or {})[name] for seq, name in shown if seq == str(e.seq)},
                          8 if e.sealed or e.fields else 0)
            for e in self.entries
        )  # fmt: skip
        return ExportView(entries, 2, b"PK\x03\x04 a bundle")

    async def export(self, officer: str, thread: str, disclose: Sequence[str]) -> ExportView | Outcome:
        if disclose and not self.unlocked:
            return Outcome(False, "refused", code="officer.locked", sentence="Your key is locked on this station.")
        made = await self.preview_export(thread, disclose)
        self.calls.append(("export", (officer, thread, tuple(disclose))))
        return made

    async def changes(self) -> AsyncIterator[Change]:
        queue: asyncio.Queue[Change] = asyncio.Queue()
        self.listeners.append(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self.listeners.remove(queue)

    def tell(self, change: Change) -> None:
        """Something changed: every open tab hears of it."""
        for queue in self.listeners:
            queue.put_nowait(change)

    def sent(self) -> dict[str, Any]:
        """The last `send`."""
        return next(given for name, given in reversed(self.calls) if name == "send")


def log_health(**given: Any) -> LogHealth:
    """A log whose newest two entries wait for a quorum, with a witness in every state; ``given`` overrides."""
    witnesses = (
        WitnessHealth("av-1", 42, T0 - 1_000, 0, None, True),
        WitnessHealth("kv-1", 40, T0 - MINUTE, 2, T0 - 8_000, True),
        WitnessHealth("md-1", 12, T0 - 9 * HOUR, 30, T0 - 9 * HOUR, False),
        WitnessHealth("hd-1", 0, None, 42, T0 - 50 * HOUR, False),
        WitnessHealth(HOSTILE, 0, T0 - MINUTE, 42, T0 - 50 * HOUR, False, forgetful=True),
    )
    defaults: dict[str, Any] = {
        "origin": "hub.example/log",
        "size": 43,
        "head_size": 42,
        "head_age": 1_000,
        "published_size": 40,
        "published_age": MINUTE,
        "quorum": "3 of 5 witnesses",
        "cosigners": ("av-1", "kv-1", "md-1"),
        "checkpoint": f"hub.example/log\n42\nabc=\n\n— hub.example AAAA {HOSTILE}\n",
        "needed": 3,
        "have": 1,
        "witnesses": witnesses,
        "waiting_since": T0 - 8_000,
    }
    return LogHealth(**{**defaults, **given})


@dataclass
class FakeConsole:
    """A hub with two incidents. ``looks`` is what was recorded; ``full``: its disk takes no more."""

    clock: StoppedClock = field(default_factory=StoppedClock)
    full: bool = False
    looks: list[tuple[str, str]] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=lambda: {"good-token": "op"})
    exports: list[str] = field(default_factory=list)
    withheld: list[tuple[Redaction, ...]] = field(default_factory=list)
    """What each export left out."""
    upto: list[int | None] = field(default_factory=list)
    """To which entry each export went."""
    searches: list[Search] = field(default_factory=list)
    found: int = 3
    """How many entries a search finds."""
    counted: int = 14
    quiet: bool = False
    """No clock has started yet."""
    health: LogHealth = field(default_factory=lambda: log_health())
    attempts: list[str] = field(default_factory=list)
    """Addresses of logins that did not hold."""
    most_attempts: int = 10

    def summary(self) -> HubSummary:
        return HubSummary(
            "hub.example", "Accord of St Brannoc", "accord-1", "EXERCISE", "EX-STBRANNOC-01", self.clock.now(),
            T0 - 10 * HOUR, (("AV", "av-1", T0 - HOUR), ("KV", "kv-1", 0)),
            (("md-1", 40, T0 - MINUTE), ("hd-1", 0, 0)), warnings=WARNINGS,
        )  # fmt: skip

    async def log_health(self) -> LogHealth:
        return self.health

    async def search(self, wanted: Search) -> Found:
        self.searches.append(wanted)
        entries = tuple(
            FoundEntry(THREAD, e.seq, e.index, e.at, e.kind, e.kind_title, e.office, e.act_words, e.precedence,
                       HOSTILE if e.seq == 13 else "")
            for e in reversed(all_entries())
        )[: self.found]  # fmt: skip
        more = self.found > 5
        return Found(wanted, entries, len(entries), more, entries[-1].index if more else None)

    def kinds_and_offices(self) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
        return tuple((kind.name, kind.title) for kind in KINDS.values()), ("AV", "KV", "MD", "HD", "HUB")

    async def statistics(self, thread: str = "") -> Counted | None:
        if thread not in ("", THREAD):
            return None
        if self.quiet:
            return Counted(Figures((), (), ()), self.counted, 14, 2)
        figures = Figures(
            (
                ReplyFigures("Answers to all questions", 7, 2, 1, 1, 0, 9, 42 * MINUTE, 5 * HOUR, 29 * HOUR),
                ReplyFigures("A person has it", 12, 0, 3, 0, 1, 12, 4 * MINUTE, 9 * MINUTE, 11 * MINUTE),
                ReplyFigures(HOSTILE, 0, 0, 0, 1, 0, 0, None, None, None),
            ),
            (
                ReplyFigures("AV", 10, 0, 1, 1, 1, 10, 3 * MINUTE, 6 * HOUR, 6 * HOUR),
                ReplyFigures("KV", 9, 2, 3, 1, 0, 11, 42 * MINUTE, 5 * HOUR, 29 * HOUR),
            ),
            (AnswerStates("KV", 3, 9, {"answered": 5, "later": 2, "refused": 2}),),
            (
                ReplyLine("Answers to all questions", "KV", 5, "clarify/5", T0 - 9 * HOUR, T0 - HOUR, "late", 9 * HOUR),
                ReplyLine("A person has it", "KV", 2, "human-ack/2", T0 - 9 * HOUR, T0 - HOUR, "met", 700),
                ReplyLine(HOSTILE, "both", 9, "x/9", T0 - HOUR, T0 + HOUR, "running", None),
                ReplyLine("A person has it", "AV", 12, "human-ack/12", T0 - HOUR, T0 - HOUR, "missed", None),
                ReplyLine("A person has it", "AV", 13, "human-ack/13", T0 - HOUR, T0 - HOUR, "stopped", None),
            )
            if thread
            else (),
        )
        return Counted(figures, self.counted, 14, 2)

    def row(self) -> ThreadRow:
        return ThreadRow(
            THREAD, ("AV", "KV"), ("AV", "KV", "MD"), "cpci-default", 60, "L4-cooling-off", "Cooling-off", 4, UNTIL,
            14, T0 - 50 * HOUR, T0 - HOUR, False,
        )  # fmt: skip

    async def threads(self) -> tuple[ThreadRow, ...]:
        return (self.row(), replace(self.row(), id="B" * 22, closed=True, standstill_until=None))

    async def trail(self, thread: str) -> ThreadTrail | None:
        if thread != THREAD:
            return None
        entries = tuple(
            TrailEntry(e.id, e.seq, 28 + e.seq, e.at, e.kind, e.kind_title, e.office, e.act, e.act_words, e.precedence,
                       900 + e.seq, "L1-notify", "L2-clarify" if e.seq == 5 else "L1-notify",
                       0 if e.seq in (1, 3, 8, 10) else 8)
            for e in all_entries()
        )  # fmt: skip
        start = T0 - 49 * HOUR
        spans = (
            Span("Rung", "Routine", start, start + HOUR, "rung"),
            Span("Rung", "Notification", start + HOUR, start + 5 * HOUR, "rung"),
            Span("Rung", "Clarification", start + 5 * HOUR, start + 29 * HOUR, "rung"),
            Span("Rung", "Cooling-off", start + 29 * HOUR, None, "rung"),
            Span(
                "Answers to all questions",
                "Answers to all questions (KV)",
                start + 5 * HOUR,
                start + 29 * HOUR,
                "clock",
                "unverified",
            ),
            Span("Cooling-off", "Cooling-off", start + 29 * HOUR, start + 101 * HOUR, "standstill"),
            Span("Members", "Arvenia", start, None, "member"),
            Span("Members", "Kostrava", start, None, "member"),
            Span("Members", HOSTILE, start + 40 * HOUR, None, "member"),
        )
        return ThreadTrail(self.row(), entries, spans, tuple((r.id, r.title, r.level) for r in RUNGS), chart=chart())

    async def proven(self, thread: str) -> tuple[ProvenClock, ...]:
        clock = RanOut("Clarification", "KV", 1, 2, 3_600_000, "clarify/5")
        return (
            ProvenClock(clock, "ELAPSED", 3661, 3723, 3),
            ProvenClock(clock, "NOT ELAPSED", 10, 20, None),
            ProvenClock(clock, "UNDETERMINED", None, None, None),
        )

    async def export(
        self, thread: str, items: Sequence[Redaction] = (), by: str = "", upto: int | None = None
    ) -> bytes:
        self.exports.append(thread)
        self.withheld.append(tuple(items))
        self.upto.append(upto)
        return b"PK\x03\x04 a bundle"

    def attempt(self, address: str) -> bool:
        self.attempts.append(address)
        return len(self.attempts) <= self.most_attempts

    def succeeded(self, address: str) -> None:
        self.attempts.remove(address)

    async def login(self, operator: str, password: str, code: str) -> bool:
        return (operator, password, code) == ("op", "long password", "123456")

    async def redeem(self, token: str) -> str | None:
        return self.tokens.pop(token, None)

    async def record_look(self, operator: str, what: str) -> None:
        if self.full:
            raise LookNotLogged("hub.not-stored")
        self.looks.append((operator, what))

    async def read_looks(self, before: int | None, limit: int) -> tuple[LookRow, ...]:
        rows = tuple(
            LookRow(index, T0 + index, who, what, "proven" if index % 2 else "logged")
            for index, (who, what) in enumerate(self.looks)
        )
        older = tuple(reversed(rows[:before]))
        return (*older[:limit], LookRow(None, T0 - HOUR, "op", HOSTILE, "stored"))[:limit]

    async def changes(self) -> AsyncIterator[str]:
        await asyncio.Event().wait()
        yield ""
